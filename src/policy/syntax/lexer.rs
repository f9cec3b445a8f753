//! A text as words and marks.
//!
//! Made once and for all of a text before it is parsed: a parser that has to look at a bracket's inside twice does not read it twice. What
//! is a keyword hangs on imports, and is said by the parser.
//!
//! Never fails. What is no token of Rego is a [`Bad`] one, placed where the mistake is, and a fault if the parser gets there.

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TokenPlace {
    /// Of its beginning, 1-based.
    pub(super) line: u32,
    /// Of its beginning, 1-based, in characters.
    pub(super) col: u32,
    /// In bytes.
    pub(super) start: u32,
    /// In bytes.
    pub(super) end: u32,
}

impl TokenPlace {
    /// From the beginning of this one to the end of another.
    pub(super) fn to(self, other: Self) -> Self {
        Self { end: other.end.max(self.end), ..self }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) place: TokenPlace,
    /// Whether there is something between it and the token before it.
    pub(super) spaced: bool,
    /// Whether it stands on another line than the end of the token before it.
    pub(super) newline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A name, which may be a keyword.
    Name(Option<Word>),
    /// Without a sign or a point before it.
    Number,
    String,
    RawString,
    /// A text of a `$"…"`, with the quotes or braces around it. The first begins with the `$`; any other with the `}` of the expression
    /// before it. The last ends with the quote; any other with the `{` of the expression after it.
    Template {
        first: bool,
        last: bool,
    },
    LeftBrack,
    RightBrack,
    LeftBrace,
    RightBrace,
    LeftParen,
    RightParen,
    Comma,
    Colon,
    Semicolon,
    Dot,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Ampersand,
    Bar,
    /// `=`
    Unify,
    /// `:=`
    Assign,
    /// `==`
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Bad(Bad),
    /// Of the text.
    End,
}

/// What is, or by an import may become, a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Package,
    Import,
    As,
    Default,
    Else,
    Not,
    Some,
    With,
    Null,
    True,
    False,
    In,
    Every,
    Contains,
    If,
    And,
    Or,
}

impl Word {
    pub(super) fn of(text: &str) -> Option<Self> {
        Some(match text {
            "package" => Self::Package,
            "import" => Self::Import,
            "as" => Self::As,
            "default" => Self::Default,
            "else" => Self::Else,
            "not" => Self::Not,
            "some" => Self::Some,
            "with" => Self::With,
            "null" => Self::Null,
            "true" => Self::True,
            "false" => Self::False,
            "in" => Self::In,
            "every" => Self::Every,
            "contains" => Self::Contains,
            "if" => Self::If,
            "and" => Self::And,
            "or" => Self::Or,
            _ => return None,
        })
    }
}

/// What is no token of Rego.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// A `"…"` that does not end on its line.
    UnclosedString,
    /// A `` `…` `` that never ends.
    UnclosedRaw,
    /// A backslash before what it does not go with.
    Escape,
    /// A `\u` without four hexadecimal digits.
    UnicodeEscape,
    /// A character that has to be written as an escape in a string that has others.
    Control,
    /// `1.`
    Fraction,
    /// `1e`
    Exponent,
    /// `1a`
    Number,
    /// A `!` that no `=` follows.
    Bang,
    /// A `$` that no quote follows.
    Dollar,
    /// A character that no text may have anywhere.
    Forbidden,
    /// A character that belongs into a string or a comment.
    Strange,
}

/// The text's tokens, of which the last is [`TokenKind::End`].
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, line: 1, col: 1, braces: Vec::new(), fault: None };
    if text.starts_with(BYTE_ORDER_MARK) {
        lexer.at = BYTE_ORDER_MARK.len_utf8();
    }
    let mut tokens = Vec::new();
    loop {
        let token = lexer.token();
        tokens.push(token);
        if token.kind == TokenKind::End {
            return tokens;
        }
    }
}

/// Which some editors leave at the beginning of a text.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    col: u32,
    /// What the open braces belong to.
    braces: Vec<Brace>,
    /// The first mistake in what is being read.
    fault: Option<(Bad, TokenPlace)>,
}

#[derive(Clone, Copy)]
enum Brace {
    Plain,
    /// An expression of a template.
    Template(Quote),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    Double,
    Back,
}

impl Lexer<'_> {
    fn token(&mut self) -> Token {
        let (line, at) = (self.line, self.at);
        self.skip_blanks();
        let (spaced, newline) = (self.at > at, self.line > line);
        let begin = self.here();
        let kind = self.kind();
        let place = begin.to(self.here());
        match self.fault.take() {
            Some((bad, place)) => Token { kind: TokenKind::Bad(bad), place, spaced, newline },
            None => Token { kind, place, spaced, newline },
        }
    }

    fn here(&self) -> TokenPlace {
        let at = narrow(self.at);
        TokenPlace { line: self.line, col: self.col, start: at, end: at }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn bump(&mut self) -> Option<char> {
        let begin = self.here();
        let next = self.peek()?;
        self.at += next.len_utf8();
        if next == '\n' {
            self.line += 1;
            self.col = 1;
        } else {
            self.col += 1;
        }
        if matches!(next, '\0' | BYTE_ORDER_MARK) {
            self.wrong(Bad::Forbidden, begin);
        }
        Some(next)
    }

    /// Takes the next character if it is this one.
    fn takes(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.bump();
        }
        found
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
    }

    /// Notes a mistake that goes from there to here, unless there was one before.
    fn wrong(&mut self, bad: Bad, begin: TokenPlace) {
        let place = begin.to(self.here());
        self.fault.get_or_insert((bad, place));
    }

    fn skip_blanks(&mut self) {
        // A mistake in a comment is one of the token that follows it.
        loop {
            self.skip_while(|next| matches!(next, ' ' | '\t' | '\r' | '\n'));
            if self.peek() != Some('#') {
                return;
            }
            self.skip_while(|next| next != '\n');
        }
    }

    fn kind(&mut self) -> TokenKind {
        let begin = self.here();
        let Some(next) = self.bump() else { return TokenKind::End };
        match next {
            'a'..='z' | 'A'..='Z' | '_' => {
                self.skip_while(is_in_name);
                let name = self.text.get(begin.start as usize..self.at).unwrap_or_default();
                TokenKind::Name(Word::of(name))
            }
            '0'..='9' => self.number(begin),
            '"' => self.string(begin),
            '`' => self.raw_string(begin),
            '$' if self.takes('"') => self.template(Quote::Double, begin, true),
            '$' if self.takes('`') => self.template(Quote::Back, begin, true),
            '$' => TokenKind::Bad(Bad::Dollar),
            '[' => TokenKind::LeftBrack,
            ']' => TokenKind::RightBrack,
            '{' => {
                self.braces.push(Brace::Plain);
                TokenKind::LeftBrace
            }
            '}' => match self.braces.pop() {
                Some(Brace::Template(quote)) => self.template(quote, begin, false),
                Some(Brace::Plain) | None => TokenKind::RightBrace,
            },
            '(' => TokenKind::LeftParen,
            ')' => TokenKind::RightParen,
            ',' => TokenKind::Comma,
            ';' => TokenKind::Semicolon,
            '.' => TokenKind::Dot,
            '+' => TokenKind::Plus,
            '-' => TokenKind::Minus,
            '*' => TokenKind::Star,
            '/' => TokenKind::Slash,
            '%' => TokenKind::Percent,
            '&' => TokenKind::Ampersand,
            '|' => TokenKind::Bar,
            ':' if self.takes('=') => TokenKind::Assign,
            ':' => TokenKind::Colon,
            '=' if self.takes('=') => TokenKind::Equal,
            '=' => TokenKind::Unify,
            '!' if self.takes('=') => TokenKind::NotEqual,
            '!' => TokenKind::Bad(Bad::Bang),
            '<' if self.takes('=') => TokenKind::LessEqual,
            '<' => TokenKind::Less,
            '>' if self.takes('=') => TokenKind::GreaterEqual,
            '>' => TokenKind::Greater,
            _ => TokenKind::Bad(Bad::Strange),
        }
    }

    fn number(&mut self, begin: TokenPlace) -> TokenKind {
        let is_digit = |next: char| next.is_ascii_digit();
        self.skip_while(is_digit);
        if self.takes('.') {
            if !self.peek().is_some_and(is_digit) {
                self.wrong(Bad::Fraction, begin);
            }
            self.skip_while(is_digit);
        }
        if self.takes('e') || self.takes('E') {
            let _ = self.takes('+') || self.takes('-');
            if !self.peek().is_some_and(is_digit) {
                self.skip_while(is_in_name);
                self.wrong(Bad::Exponent, begin);
            }
            self.skip_while(is_digit);
        }
        if self.peek().is_some_and(is_in_name) {
            self.skip_while(is_in_name);
            self.wrong(Bad::Number, begin);
        }
        TokenKind::Number
    }

    fn string(&mut self, begin: TokenPlace) -> TokenKind {
        let from = self.at;
        loop {
            match self.peek() {
                None | Some('\n') => {
                    self.unclosed(begin);
                    return TokenKind::String;
                }
                Some('"') => {
                    self.bump();
                    self.hold(from, begin);
                    return TokenKind::String;
                }
                Some('\\') => self.escape(false),
                Some(_) => {
                    self.bump();
                }
            }
        }
    }

    /// A string that does not end is the mistake, whatever else is wrong in it.
    fn unclosed(&mut self, begin: TokenPlace) {
        self.fault = None;
        self.wrong(Bad::UnclosedString, begin);
    }

    /// JSON, by which a string with escapes is read, wants certain characters to be written as escapes. One without any is taken as it is.
    fn hold(&mut self, from: usize, begin: TokenPlace) {
        let text = self.text.get(from..self.at).unwrap_or_default();
        let escaped = text.replace("\\{", "");
        if escaped.contains('\\') && text.bytes().any(|byte| byte < b' ') {
            self.wrong(Bad::Control, begin);
        }
    }

    fn escape(&mut self, in_template: bool) {
        let begin = self.here();
        self.bump();
        match self.peek() {
            Some('\\' | '"' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => {
                self.bump();
            }
            Some('{') if in_template => {
                self.bump();
            }
            Some('u') => {
                self.bump();
                for _ in 0..4 {
                    if !self.peek().is_some_and(|next| next.is_ascii_hexdigit()) {
                        self.wrong(Bad::UnicodeEscape, begin);
                        return;
                    }
                    self.bump();
                }
            }
            None | Some('\n') => {}
            Some(_) => {
                self.bump();
                self.wrong(Bad::Escape, begin);
            }
        }
    }

    fn raw_string(&mut self, begin: TokenPlace) -> TokenKind {
        self.skip_while(|next| next != '`');
        if !self.takes('`') {
            // Of all that follows, the quote alone is where the mistake is.
            self.fault = Some((Bad::UnclosedRaw, TokenPlace { end: begin.start + 1, ..begin }));
        }
        TokenKind::RawString
    }

    /// A part of a template, behind what it begins with.
    fn template(&mut self, quote: Quote, begin: TokenPlace, first: bool) -> TokenKind {
        let from = self.at;
        loop {
            match (self.peek(), quote) {
                (None, _) | (Some('\n'), Quote::Double) => {
                    self.unclosed(begin);
                    return TokenKind::Template { first, last: true };
                }
                (Some('"'), Quote::Double) | (Some('`'), Quote::Back) => {
                    self.bump();
                    if quote == Quote::Double {
                        self.hold(from, begin);
                    }
                    return TokenKind::Template { first, last: true };
                }
                (Some('{'), _) => {
                    self.bump();
                    if quote == Quote::Double {
                        self.hold(from, begin);
                    }
                    self.braces.push(Brace::Template(quote));
                    return TokenKind::Template { first, last: false };
                }
                (Some('\\'), Quote::Double) => self.escape(true),
                (Some('\\'), Quote::Back) => {
                    self.bump();
                    self.takes('{');
                }
                (Some(_), _) => {
                    self.bump();
                }
            }
        }
    }
}

fn is_in_name(next: char) -> bool {
    next.is_ascii_alphanumeric() || next == '_'
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The text of a `"…"`, without its quotes, or of a part of a template: escapes done. Of halves of a pair of surrogates, which stand for no
/// character alone, each becomes U+FFFD, as in Go.
pub(super) fn unescape(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    // The first half of a pair.
    let mut high: Option<u32> = None;
    while let Some(next) = rest.next() {
        let unit = match next {
            '\\' => match rest.next() {
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    u32::from_str_radix(&digits, 16).unwrap_or(0xFFFD)
                }
                Some('b') => 0x08,
                Some('f') => 0x0C,
                Some('n') => 0x0A,
                Some('r') => 0x0D,
                Some('t') => 0x09,
                Some(other) => other.into(),
                None => continue,
            },
            other => other.into(),
        };
        if let Some(first) = high.take() {
            if (0xDC00..0xE000).contains(&unit) {
                let pair = 0x10000 + ((first - 0xD800) << 10) + (unit - 0xDC00);
                text.push(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER));
                continue;
            }
            text.push(char::REPLACEMENT_CHARACTER);
        }
        if (0xD800..0xDC00).contains(&unit) {
            high = Some(unit);
        } else {
            text.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
    }
    if high.is_some() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text
}
