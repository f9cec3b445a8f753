//! Regular expressions as OPA reads them.
//!
//! OPA's syntax is RE2's (<https://github.com/google/re2/wiki/Syntax>), that of regorus differs in what can decide who gets in: its `\d` and `\w`
//! take the digits and letters of all scripts, it has no `\Q…\E`, and it takes patterns that OPA takes for errors. So a pattern is read here by
//! OPA's rules and written anew for regorus; what has no equal there is told, and neither guessed nor passed over.

use std::iter::Peekable;
use std::str::Chars;

use super::own::theirs;
use regorus::Value;

/// Why a pattern is not one for regorus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Odd {
    /// It is an error to OPA, too.
    Wrong,
    /// It means something to OPA that cannot be said here.
    NotTaken(String),
}

/// The most repetitions, those within each other multiplied.
const REPEAT_MAX: usize = 1000;
/// Groups within groups.
const DEPTH_MAX: usize = 50;

/// The pattern in the words of regorus.
///
/// # Errors
/// What is odd about it.
pub(in crate::policy) fn translate(pattern: &str) -> Result<String, Odd> {
    let mut reader = Reader { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len() * 2) };
    reader.alternatives(0)?;
    if reader.rest.next().is_some() {
        return Err(Odd::Wrong);
    }
    Ok(reader.out)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

/// What a repetition would apply to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The beginning of an alternative.
    Nothing,
    /// Something in which things are repeated so many times at most.
    Atom(usize),
    /// A repetition, which cannot be repeated.
    Repeated(usize),
}

impl Before {
    fn repeats(self) -> usize {
        match self {
            Self::Nothing => 1,
            Self::Atom(repeats) | Self::Repeated(repeats) => repeats,
        }
    }
}

impl Reader<'_> {
    /// Reads up to a parenthesis that closes, or to the end; answers with the most repetitions in it.
    fn alternatives(&mut self, depth: usize) -> Result<usize, Odd> {
        if depth > DEPTH_MAX {
            return Err(Odd::NotTaken(format!("groups nested deeper than {DEPTH_MAX}")));
        }
        let (mut before, mut most) = (Before::Nothing, 1);
        while let Some(character) = self.rest.next_if(|character| *character != ')' || depth == 0) {
            before = match character {
                ')' => return Err(Odd::Wrong),
                '(' => self.group(depth, before)?,
                '|' => {
                    self.out.push('|');
                    Before::Nothing
                }
                '[' => {
                    self.class()?;
                    Before::Atom(1)
                }
                '.' | '^' | '$' => {
                    self.out.push(character);
                    Before::Atom(1)
                }
                '*' | '+' | '?' => self.repeat(&character.to_string(), None, before)?,
                '{' => {
                    if let Some((text, times)) = self.bounds() {
                        self.repeat(&text, Some(times.ok_or(Odd::Wrong)?), before)?
                    } else {
                        self.literal('{');
                        Before::Atom(1)
                    }
                }
                '\\' => {
                    if self.rest.next_if_eq(&'Q').is_some() {
                        if self.quoted() { Before::Atom(1) } else { before }
                    } else {
                        self.escape()?;
                        Before::Atom(1)
                    }
                }
                other => {
                    self.literal(other);
                    Before::Atom(1)
                }
            };
            most = most.max(before.repeats());
        }
        Ok(most)
    }

    fn literal(&mut self, character: char) {
        // No more than must be: what is escaped counts as costly.
        if "\\.+*?()|[]{}^$".contains(character) {
            self.out.push('\\');
        }
        self.out.push(character);
    }

    fn group(&mut self, depth: usize, before: Before) -> Result<Before, Odd> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
            if self.rest.next_if_eq(&'P').is_some() {
                if self.rest.peek() != Some(&'<') {
                    return Err(Odd::Wrong);
                }
                self.out.push('P');
            }
            if self.rest.next_if_eq(&'<').is_some() {
                self.out.push('<');
                let name: String = std::iter::from_fn(|| self.rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_')).collect();
                if name.is_empty() || self.rest.next() != Some('>') {
                    return Err(Odd::Wrong);
                }
                if name.starts_with(|first: char| first.is_ascii_digit()) {
                    return Err(Odd::NotTaken("a group whose name begins with a digit".to_owned()));
                }
                self.out.push_str(&name);
                self.out.push('>');
            } else if self.flags()? {
                if self.rest.peek().is_some_and(|next| matches!(next, '*' | '+' | '?' | '{')) {
                    return Err(Odd::NotTaken("a repetition after flags".to_owned()));
                }
                return Ok(before);
            }
        }
        let repeats = self.alternatives(depth + 1)?;
        if self.rest.next() != Some(')') {
            return Err(Odd::Wrong);
        }
        self.out.push(')');
        Ok(Before::Atom(repeats))
    }

    /// Reads `i-s)` or `i-s:`; `true` for the former, which opens no group.
    fn flags(&mut self) -> Result<bool, Odd> {
        let (mut negative, mut flags_since) = (false, false);
        loop {
            let flag = self.rest.next().ok_or(Odd::Wrong)?;
            self.out.push(flag);
            match flag {
                'i' | 'm' | 's' | 'U' => flags_since = true,
                '-' if !negative => (negative, flags_since) = (true, false),
                ':' | ')' if negative && !flags_since => return Err(Odd::Wrong),
                ':' => return Ok(false),
                ')' if flags_since => return Ok(true),
                _ => return Err(Odd::Wrong),
            }
        }
    }

    /// `{2}`, `{2,}` or `{2,3}` without its first brace: how it is written, and how often it repeats at most, `None` if too often. Nothing
    /// is read of anything else.
    fn bounds(&mut self) -> Option<(String, Option<usize>)> {
        let mut ahead = self.rest.clone();
        let number = |ahead: &mut Peekable<Chars<'_>>| {
            let digits: String = std::iter::from_fn(|| ahead.next_if(char::is_ascii_digit)).collect();
            (!digits.is_empty() && (digits == "0" || !digits.starts_with('0'))).then_some(digits)
        };
        let least = number(&mut ahead)?;
        let (most, open) = match ahead.next()? {
            '}' => (Some(least.clone()), false),
            ',' if ahead.next_if_eq(&'}').is_some() => (None, true),
            ',' => {
                let most = number(&mut ahead)?;
                if ahead.next()? != '}' {
                    return None;
                }
                (Some(most), false)
            }
            _ => return None,
        };
        self.rest = ahead;
        let text = if open { format!("{{{least},}}") } else { format!("{{{least},{}}}", most.as_deref().unwrap_or_default()) };
        let times = |digits: &str| digits.parse::<usize>().ok().filter(|times| *times <= REPEAT_MAX);
        let bounds = times(&least).and_then(|least| match &most {
            None => Some(least),
            Some(most) => times(most).filter(|most| *most >= least),
        });
        Some((text, bounds))
    }

    fn repeat(&mut self, operator: &str, times: Option<usize>, before: Before) -> Result<Before, Odd> {
        let Before::Atom(repeats) = before else { return Err(Odd::Wrong) };
        let repeats = repeats.saturating_mul(times.unwrap_or(1).max(1));
        if times.is_some() && repeats > REPEAT_MAX {
            return Err(Odd::Wrong);
        }
        self.out.push_str(operator);
        self.out.extend(self.rest.next_if_eq(&'?'));
        Ok(Before::Repeated(repeats))
    }

    /// What follows `\Q`, up to `\E`; whether there was anything.
    fn quoted(&mut self) -> bool {
        let mut any = false;
        while let Some(character) = self.rest.next() {
            if character == '\\' && self.rest.next_if_eq(&'E').is_some() {
                break;
            }
            self.literal(character);
            any = true;
        }
        any
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self) -> Result<(), Odd> {
        match self.rest.peek() {
            Some('A' | 'z') => {
                self.out.push('\\');
                self.out.extend(self.rest.next());
            }
            Some('b') => {
                self.rest.next();
                self.out.push_str("(?-u:\\b)");
            }
            Some('B') => return Err(Odd::NotTaken("`\\B`".to_owned())),
            _ => {
                if !self.shared_escape()? {
                    let character = self.character()?;
                    self.literal_by_number(character);
                }
            }
        }
        Ok(())
    }

    /// Classes that a backslash gives, within brackets and without; `false` if it gives none.
    fn shared_escape(&mut self) -> Result<bool, Odd> {
        let class = match self.rest.peek() {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some('s') => "[\\t\\n\\f\\r ]",
            Some('S') => "[^\\t\\n\\f\\r ]",
            Some('p' | 'P') => return self.property().map(|()| true),
            _ => return Ok(false),
        };
        self.rest.next();
        self.out.push_str(class);
        Ok(true)
    }

    /// `\pL`, `\p{Greek}`, `\p{^Greek}`: a general category or a script, and none of the other properties that regorus knows.
    fn property(&mut self) -> Result<(), Odd> {
        let mut negative = self.rest.next() == Some('P');
        let name = match self.rest.next().ok_or(Odd::Wrong)? {
            '{' => {
                if self.rest.next_if_eq(&'^').is_some() {
                    negative = !negative;
                }
                let name: String = std::iter::from_fn(|| self.rest.next_if(|c| *c != '}')).collect();
                self.rest.next().ok_or(Odd::Wrong)?;
                name
            }
            letter => letter.to_string(),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Odd::Wrong);
        }
        let letter = if negative { 'P' } else { 'p' };
        let is_known = |class: &str| theirs("regex.is_valid", &[Value::from(class)]).is_ok_and(|valid| valid == Value::Bool(true));
        let known = ["gc", "sc"].iter().map(|kind| format!("\\{letter}{{{kind}={name}}}")).find(|class| is_known(class));
        self.out.push_str(&known.ok_or(Odd::Wrong)?);
        Ok(())
    }

    /// A character by its escape, the backslash read.
    fn character(&mut self) -> Result<char, Odd> {
        let octal = |digit: &char| matches!(digit, '0'..='7');
        let code = match self.rest.next().ok_or(Odd::Wrong)? {
            first @ '0'..='7' => {
                if first != '0' && !self.rest.peek().is_some_and(octal) {
                    return Err(Odd::Wrong);
                }
                let more = std::iter::from_fn(|| self.rest.next_if(octal)).take(2);
                u32::from_str_radix(&std::iter::once(first).chain(more).collect::<String>(), 8)
            }
            'x' => {
                let digits: String = if self.rest.next_if_eq(&'{').is_some() {
                    let digits = std::iter::from_fn(|| self.rest.next_if(char::is_ascii_hexdigit)).collect();
                    if self.rest.next() != Some('}') {
                        return Err(Odd::Wrong);
                    }
                    digits
                } else {
                    let digits: String = std::iter::from_fn(|| self.rest.next_if(char::is_ascii_hexdigit)).take(2).collect();
                    if digits.len() != 2 {
                        return Err(Odd::Wrong);
                    }
                    digits
                };
                u32::from_str_radix(&digits, 16)
            }
            'a' => Ok(7),
            'f' => Ok(0xc),
            'n' => Ok(0xa),
            'r' => Ok(0xd),
            't' => Ok(9),
            'v' => Ok(0xb),
            mark if mark.is_ascii() && !mark.is_ascii_alphanumeric() => Ok(u32::from(mark)),
            _ => return Err(Odd::Wrong),
        };
        match code {
            Ok(code @ 0xd800..=0xdfff) => Err(Odd::NotTaken(format!("`\\x{{{code:X}}}`, half of a character"))),
            Ok(code) => char::from_u32(code).ok_or(Odd::Wrong),
            Err(_) => Err(Odd::Wrong),
        }
    }

    fn literal_by_number(&mut self, character: char) {
        if character.is_ascii_alphanumeric() {
            self.out.push(character);
            return;
        }
        let piece = format!("\\x{{{:X}}}", u32::from(character));
        self.out.push_str(&piece);
    }

    /// A class, its first bracket read.
    fn class(&mut self) -> Result<(), Odd> {
        self.out.push('[');
        self.out.extend(self.rest.next_if_eq(&'^'));
        let mut first = true;
        loop {
            let next = *self.rest.peek().ok_or(Odd::Wrong)?;
            match next {
                ']' if !first => break,
                '[' if self.named_class()? => {}
                '\\' => {
                    self.rest.next();
                    if !self.shared_escape()? {
                        let low = self.character()?;
                        self.range(low)?;
                    }
                }
                low => {
                    self.rest.next();
                    self.range(low)?;
                }
            }
            first = false;
        }
        self.rest.next();
        self.out.push(']');
        Ok(())
    }

    /// A character of a class, or a range that it begins.
    fn range(&mut self, low: char) -> Result<(), Odd> {
        self.literal_by_number(low);
        let mut ahead = self.rest.clone();
        if ahead.next() == Some('-') && ahead.peek().is_some_and(|next| *next != ']') {
            self.rest = ahead;
            let high = match self.rest.next() {
                Some('\\') => self.character()?,
                Some(high) => high,
                None => return Err(Odd::Wrong),
            };
            if high < low {
                return Err(Odd::Wrong);
            }
            self.out.push('-');
            self.literal_by_number(high);
        }
        Ok(())
    }

    /// `[:alpha:]`; nothing is read of anything else.
    fn named_class(&mut self) -> Result<bool, Odd> {
        const NAMES: [&str; 14] =
            ["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit"];
        let rest: String = self.rest.clone().skip(1).collect();
        let Some((name, _)) = rest.strip_prefix(':').and_then(|rest| rest.split_once(":]")) else { return Ok(false) };
        let (sign, plain) = name.strip_prefix('^').map_or(("", name), |plain| ("^", plain));
        if !NAMES.contains(&plain) {
            return Err(Odd::Wrong);
        }
        let piece = format!("[:{sign}{plain}:]");
        self.out.push_str(&piece);
        // The bracket and the colon, the name, the colon and the bracket.
        self.rest.by_ref().take(name.chars().count() + 4).for_each(drop);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> Value {
        theirs("regex.match", &[Value::from(translate(pattern).unwrap()), Value::from(text)]).unwrap()
    }

    #[test]
    fn digits_letters_and_blanks_are_those_of_ascii() {
        for (pattern, yes, no) in [
            (r"^\d+$", "123", "١٢٣"),
            (r"^\w+$", "a_1", "ä"),
            (r"^\s$", " ", "\u{a0}"),
            (r"^[\d.]+$", "1.2", "١.٢"),
            (r"^[^\D]+$", "12", "١٢"),
            (r"^\D$", "ä", "1"),
            (r"^[[:alpha:]\d]+$", "a1", "ä1"),
            (r"^[]a]+$", "]a", "b"),
            (r"^[a&&b]+$", "a&b", "c"),
            (r"^[a[]+$", "[a", "b"),
            (r"^\Qa.b\E+$", "a.bb", "axb"),
            (r"^a\.b$", "a.b", "axb"),
            (r"\bci\b", "x ci y", "cix"),
            (r"^[a-z]+-[0-9]{2}$", "abc-12", "abc-123"),
            (r"^\<a\>$", "<a>", "a"),
            (r"^a{,3}$", "a{,3}", "aa"),
            (r"^\101\07$", "A\u{7}", "a"),
            (r"^\p{^L}\PL$", "12", "ab"),
        ] {
            assert_eq!(matches(pattern, yes), Value::Bool(true), "{pattern} {yes}");
            assert_eq!(matches(pattern, no), Value::Bool(false), "{pattern} {no}");
        }
    }

    #[test]
    fn what_is_an_error_to_opa_is_one_here() {
        for pattern in [
            "[",
            "\\",
            "(",
            ")",
            "a)",
            "*",
            "a**",
            "a++",
            "a{1001}",
            "(a{100}){11}",
            "(?x)a",
            "(?u)a",
            "(?=a)",
            r"(a)\1",
            r"\u0041",
            r"\E",
            "[z-a]",
            "[a--b]",
            "[[:foo:]]",
            r"[\b]",
            r"\p{Alphabetic}",
            r"\p{Script=Greek}",
            "(?)",
            "(?i-)",
            "a{2,1}",
            r"\x{110000}",
            r"\8",
        ] {
            assert_eq!(translate(pattern), Err(Odd::Wrong), "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_told() {
        for pattern in [r"\Bx", r"\x{D800}", "a(?i)*"] {
            assert!(matches!(translate(pattern), Err(Odd::NotTaken(_))), "{pattern}");
        }
    }
}
