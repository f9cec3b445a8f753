//! What is wrong, where nothing better can be said of it.

use super::super::lexer::{TokenKind, Word};
use super::super::parser::{DEPTH_MAX, NESTED_MAX, Stop, Why};
use super::brackets::marks;
use super::told::{Said, Told};

impl Told<'_> {
    #[expect(clippy::too_many_lines, reason = "one sentence for each reason")]
    pub(super) fn plain(&self, stop: Stop) -> Said {
        let at = stop.at;
        let shown = self.shown(at);
        let said = |reason: &str| Said::at(at, reason);
        match stop.why {
            Why::Term => self.no_term(at),
            Why::Separator(open) => self.no_separator(at, open),
            Why::EmptyBody => said("a body has no conditions").hint("write `:= true` in its place for what always holds"),
            Why::Colon(open) => {
                let reason = format!("behind a key of the object that begins in line {} stands `:` and its value", self.place(open).line);
                said(&reason).hint("write `{\"key\": value, …}`")
            }
            Why::Braces(open) => self.no_braces(at, open),
            Why::Paren(_) | Why::Index(_) | Why::List(_)
                if self.kind(at) == TokenKind::String && self.is_glued(at) && at > 0 && self.kind(at - 1) == TokenKind::String =>
            {
                said("two texts touch: a quote is missing, or there is one too many")
            }
            Why::List(open) => self.no_comma(at, open),
            Why::Paren(open) => said(&format!("{shown} stands where the `(` of line {} ought to be closed", self.place(open).line))
                .hint("an operator or a `)` is missing"),
            Why::Index(open) => said(&format!("{shown} stands where the `[` of line {} ought to be closed", self.place(open).line))
                .hint("an operator or a `]` is missing"),
            Why::Field => self.no_field(at),
            Why::NoFields => self.no_fields(at),
            Why::Digits if at > 0 && self.kind(at - 1) == TokenKind::Dot => {
                Said::at(at - 1, "before this `.` there is nothing that a field could be taken of").to(at)
            }
            Why::Digits => said("a `-` stands only before a number, a name or a reference, a `.` only before digits")
                .hint("write `0 - (…)` for all that is in brackets"),
            Why::LeadingZero => said(&format!("the number {shown} begins with a zero"))
                .hint("leave the zero out, or put the digits into double quotes if they are a text"),
            Why::TooBig => said("the number is larger or smaller than any that can be computed with"),
            Why::TooManyDigits => said("the numbers of this policy have too many digits together"),
            Why::TooDeep => {
                said(&format!("more than {NESTED_MAX} brackets, or {DEPTH_MAX} operators and brackets, are in one another here"))
                    .hint("give the inner parts names of their own")
            }
            Why::Some => said("behind `some` stand names, or a loop").hint("write `some x in xs`, `some key, x in xs` or `some x, y`"),
            Why::Every => said("behind `every` stands a loop").hint("write `every x in xs { … }`"),
            Why::EveryVariable => {
                said("what `every` goes through gets a plain name").hint("write `every x in xs { … }`, and take `x` apart in the braces")
            }
            Why::EveryBody => said("what has to hold for every item stands in braces").hint("write `every x in xs { … }`"),
            Why::NegatedSome => said("`some` cannot stand behind `not`")
                .hint("write what must not hold as a rule of its own, `found if { some … }`, and then `not found`"),
            Why::NegatedEvery => said("`every` cannot stand behind `not`")
                .hint("write what must not hold as a rule of its own, `all_are if { every … }`, and then `not all_are`"),
            Why::WithTarget => {
                said("`with` replaces `input`, `data`, a path of them, or a function").hint("write `with input.session.login as \"ci\"`")
            }
            Why::WithAs => {
                said("behind what `with` replaces stands `as` and the other value").hint("write `with input.session.login as \"ci\"`")
            }
            Why::TemplateOfV1 => said("`$\"…\"` is of Rego v1 alone").hint("use `sprintf`, or write the policy in Rego v1"),
            Why::TemplateValue => said("in the braces of `$\"…\"` stands a value, and nothing that holds or gets a name")
                .hint("compute it before, `x := …`, and write `{x}`"),
            Why::TemplateWith => said("`with` is not taken in the braces of `$\"…\"`").hint("compute the value before: `x := … with …`"),
            Why::TemplateEnd(open) if matches!(self.kind(at), TokenKind::String | TokenKind::End) => {
                Said::at(open, "the expression in the braces of this `$\"…\"` is not closed").hint("put a `}` behind it")
            }
            Why::TemplateEnd(open) => {
                said(&format!("{shown} stands where the expression of the `$\"…\"` in line {} ought to end", self.place(open).line))
                    .hint("the braces hold one expression; a brace that is text is written `\\{`")
            }
            Why::Logical => said(&format!("conditions are not joined by {shown} in a policy, though an import makes it an operator")).hint(
                if self.text(at) == "or" {
                    "write the rule a second time with the other condition"
                } else {
                    "put each condition on a line of its own"
                },
            ),
            Why::NotBody => said("a body behind `not` is not taken in a policy")
                .hint("write the body as a rule of its own, `found if { … }`, and then `not found`"),
            Why::NoPackage => self.no_package(at),
            Why::SecondPackage => {
                said("a text has one package, and this is the second").hint("take this line away, and what belongs to another policy")
            }
            Why::PackagePath => said("behind `package` stands a path of names").hint("write `package spacelift`"),
            Why::ImportPath => said("behind `import` stands a path of names").hint("write `import rego.v1`, `import input.session`"),
            Why::ImportRoot => said(&format!("an import begins with `input`, `data`, `rego` or `future`, and not with {shown}"))
                .hint("most policies import nothing: all builtins are there"),
            Why::ImportKeyword => said("what is imported would be called as a keyword is").hint("give it another name: `import … as name`"),
            Why::ImportFuture => said("there is no such import of `future`").hint("write `import rego.v1`, or `import future.keywords`"),
            Why::ImportRego => said("the only import of `rego` is `rego.v1`, and it has no other name").hint("write `import rego.v1`"),
            Why::ImportAlias => said("behind `as` stands the name that the import gets").hint("write `import input.session as s`"),
            Why::HeadValue => self.no_head_value(at),
            Why::FunctionContains => said("a function gives a value and is no set").hint("write `f(x) := {…}`, with a set as its value"),
            Why::Else => said("behind `else` stands a value, a body, or both").hint("write `else := value if { … }`"),
            Why::ElseBody => said("behind `if` a condition is missing").hint("write `else := value if { … }`"),
            Why::ElseOfSet => {
                said("`else` goes with a rule that is one value, and this one is a set, or an object with one field for each key")
                    .hint("write what is put into it otherwise as a rule of its own")
            }
            Why::ElseOfVariable => said("`else` does not go with a head that has variables")
                .hint("write what holds otherwise as a rule of its own, with the condition that the first does not hold"),
            Why::BodyBehindElse => {
                said("no other body stands behind an `else`").hint("put `else` before it, or the conditions into one body")
            }
            Why::DefaultWithoutValue => said("a default has a value").hint("write `default allow := false`"),
            Why::DefaultValue => self.default_value(at),
            Why::DefaultArgument => {
                said("the arguments of a function's default are names, and each another").hint("write `default f(_) := …`")
            }
            Why::Semicolon => said("no `;` stands outside of bodies").hint("take the `;` away"),
            Why::NoRule => self.no_rule(at),
            Why::BuiltinRule => {
                said(&format!("{shown} is a builtin, and no rule can be called so")).hint("a condition stands behind `if`: `allow if …`")
            }
            Why::NoArguments => said("a function without arguments is a rule").hint(format!("write `{} := …`", self.text(at))),
            Why::KeywordRule => said(&format!("{shown} is a keyword, and no rule can be called so")).hint("give the rule another name"),
            Why::NothingRule => {
                let head = self.excerpt(at, self.head_end(at));
                said("a rule has a value, a body, or both").hint(format!("write `{head} := true`, or `{head} if …`"))
            }
            Why::WordOfV1 => said(&format!("{shown} is a name like any other in Rego v0, unless it is imported"))
                .hint("add `import rego.v1` below `package`, or leave the version of the policy unstated"),
            Why::If => self.no_if(at),
            Why::Contains => self.no_contains(at),
        }
    }

    /// A token as it is called in a sentence.
    fn shown(&self, at: usize) -> String {
        match self.kind(at) {
            TokenKind::End => "the end of the text".to_owned(),
            _ => format!("`{}`", self.excerpt(at, at)),
        }
    }

    /// The last token of the reference that begins here.
    pub(super) fn head_end(&self, first: usize) -> usize {
        let mut last = first;
        loop {
            match self.kind(last + 1) {
                TokenKind::Dot => last += 2,
                TokenKind::LeftBrack | TokenKind::LeftParen => match self.closing_of(last + 1) {
                    Some(closing) => last = closing,
                    None => return last,
                },
                _ => return last,
            }
        }
    }

    /// Whether a statement of a body begins here.
    fn begins_statement(&self, at: usize) -> bool {
        let in_braces = self.brackets.around(at).is_some_and(|open| self.kind(open) == TokenKind::LeftBrace);
        let is_first = at
            .checked_sub(1)
            .is_some_and(|before| matches!(self.kind(before), TokenKind::LeftBrace | TokenKind::Semicolon | TokenKind::Bar));
        in_braces && (is_first || self.begins_line(at))
    }

    fn no_term(&self, at: usize) -> Said {
        let shown = self.shown(at);
        let said = |reason: &str| Said::at(at, reason);
        // The path of a package may stand on another line, and what stands there is most often a rule.
        if let Some(package) = at.checked_sub(2)
            && self.kind(package) == TokenKind::Name(Some(Word::Package))
            && self.begins_line(package + 1)
        {
            return Said::at(package, "behind `package` a name is missing").hint("write `package spacelift`");
        }
        let is_outside = self.brackets.around(at).is_none();
        let before = at.checked_sub(1).map(|before| self.kind(before));
        let is_left_out = self.begins_line(at)
            || matches!(self.kind(at), TokenKind::End | TokenKind::RightBrace | TokenKind::RightBrack | TokenKind::RightParen);
        if is_left_out && before.is_some_and(is_operator) {
            return Said::at(at - 1, format!("behind `{}` a value is missing", self.text(at - 1)));
        }
        let first = self.line_start(at);
        if self.kind(first) == TokenKind::Name(Some(Word::Default)) && first < at && is_outside {
            let name = self.excerpt(first + 1, self.head_end(first + 1));
            return match self.kind(at) {
                TokenKind::Name(Some(Word::If)) => {
                    said("a default has no condition").hint(format!("write `default {name} := …` alone, and `{name} if …` below it"))
                }
                _ => said("a default has its value behind `:=`").hint(format!("write `default {name} := …`")),
            };
        }
        match self.kind(at) {
            TokenKind::Name(Some(Word::If)) if is_outside && (self.begins_line(at) || before.is_none()) => {
                said("before `if` the name of a rule is missing").hint("write `allow if { … }`")
            }
            TokenKind::Name(Some(Word::If)) if self.begins_statement(at) => {
                said("no `if` stands within a body: all its conditions have to hold")
                    .hint("put each condition on a line of its own; what holds in one case alone is a rule of its own")
            }
            TokenKind::Name(Some(Word::Else)) if is_outside => {
                said("an `else` stands behind the body of a rule, and there is none before it")
                    .hint("write `level := 1 if { … } else := 2`")
            }
            TokenKind::Name(Some(Word::Else)) => {
                said("no `else` stands within a body: it belongs behind one").hint("write `level := 1 if { … } else := 2`")
            }
            TokenKind::Name(Some(Word::Not)) if before == Some(TokenKind::Name(Some(Word::Not))) => {
                said("one `not` cannot stand behind another").hint("give the inner condition a rule of its own")
            }
            TokenKind::Name(Some(Word::Not)) => said("`not` stands at the beginning of a condition, and is no value")
                .hint("write `not x` as a condition of its own; for a value, `x == false`"),
            TokenKind::Name(Some(Word::Some | Word::Every)) => said(&format!("{shown} stands at the beginning of a condition"))
                .hint("put it on a line of its own, before the condition that uses what it finds"),
            TokenKind::Name(Some(Word::Default)) if is_outside => {
                said("behind `default` stands the name of a rule and its value").hint("write `default allow := false`")
            }
            TokenKind::Name(Some(_)) => said(&format!("{shown} is a keyword, and a value is wanted here"))
                .hint(format!("a field of that name is `x[\"{}\"]`", self.text(at))),
            TokenKind::End => said("the text ends where something is missing"),
            TokenKind::Template { first: false, .. } => {
                said("there is nothing in the braces of `$\"…\"`").hint("put a value there, or write `\\{` for a brace that is text")
            }
            TokenKind::Colon => said("a `:` stands only between the key and the value of an object").hint("a value is given with `:=`"),
            TokenKind::Semicolon if is_outside => said("no `;` stands outside of bodies").hint("take the `;` away"),
            TokenKind::Comma => said("before this `,` something is missing"),
            kind @ (TokenKind::RightBrace | TokenKind::RightBrack | TokenKind::RightParen) => {
                said(&format!("before this `{}` a value is missing", closing(kind)))
            }
            _ if is_outside && self.begins_line(at) => {
                said(&format!("a rule begins with its name, and not with {shown}")).hint("write `allow if { … }` or `name := value`")
            }
            _ => said(&format!("{shown} stands where a value is wanted")),
        }
    }

    /// Something behind a statement that is no part of it.
    fn no_separator(&self, at: usize, open: Option<usize>) -> Said {
        let shown = self.shown(at);
        let said = |reason: &str| Said::at(at, reason);
        match self.kind(at) {
            TokenKind::Comma => {
                said("conditions are not divided by `,`").hint("put `;` or a line break between them: all of them have to hold")
            }
            TokenKind::Assign | TokenKind::Unify => {
                said(&format!("{shown} stands for the second time in one condition")).hint("give one name in each condition")
            }
            TokenKind::Colon => said("a `:` stands only between the key and the value of an object").hint("a value is given with `:=`"),
            TokenKind::LeftBrace if (self.line_start(at)..at).any(|index| self.kind(index) == TokenKind::Name(Some(Word::Some))) => {
                said("no braces stand behind `some`").hint("write the conditions on what it finds on the lines below it")
            }
            TokenKind::LeftBrace => {
                said("no `{` can stand here").hint("braces stand behind `if` and `every … in …`, and around sets and objects")
            }
            TokenKind::Name(Some(Word::If)) => said("no `if` stands within a body: all its conditions have to hold")
                .hint("put each condition on a line of its own; another rule begins behind the `}`"),
            TokenKind::Name(Some(Word::Else)) => {
                said("no `else` stands within a body: it belongs behind one").hint("write `level := 1 if { … } else := 2`")
            }
            TokenKind::Name(Some(Word::With)) => {
                said("no `with` goes with `some` and names alone").hint("put it behind the condition that it is for")
            }
            TokenKind::End => {
                let (_, mark) = marks(open.map_or(TokenKind::LeftBrace, |open| self.kind(open)));
                said(&format!("the text ends before `{mark}`"))
            }
            TokenKind::RightBrace | TokenKind::RightBrack | TokenKind::RightParen => said(&format!("{shown} closes nothing here")),
            _ => said(&format!("two expressions on one line: the second begins with {shown}"))
                .hint("put `;` or a line break between them, or the operator that is missing"),
        }
    }

    /// Something in a list that is neither `,` nor its end.
    fn no_comma(&self, at: usize, open: usize) -> Said {
        let shown = self.shown(at);
        let (opening, mark) = marks(self.kind(open));
        let said = |reason: &str| Said::at(at, reason);
        match self.kind(at) {
            TokenKind::Colon if opening == "[" => said("an array has no keys").hint("write an object: `{\"key\": value}`"),
            TokenKind::Colon => said("a `:` stands only between the key and the value of an object"),
            TokenKind::Assign | TokenKind::Unify if opening == "(" => {
                said("arguments have no names").hint("write the values alone, in their order")
            }
            TokenKind::Assign | TokenKind::Unify => {
                said("nothing gets a name in a collection").hint("write `\"key\": value` for a field, `==` to compare")
            }
            TokenKind::Semicolon => said(&format!("what is between `{opening}` and `{mark}` is divided by `,`")),
            _ => said(&format!("before {shown} a `,` is missing"))
                .hint(format!("what is between `{opening}` and `{mark}` is divided by `,`")),
        }
    }

    /// Something in braces that is neither `,` nor `:` nor their end.
    fn no_braces(&self, at: usize, open: usize) -> Said {
        let shown = self.shown(at);
        let said = |reason: &str| Said::at(at, reason);
        let is_value = open.checked_sub(1).is_some_and(|before| matches!(self.kind(before), TokenKind::Assign | TokenKind::Unify));
        match self.kind(at) {
            TokenKind::Unify | TokenKind::Assign if self.kind(at - 1) == TokenKind::String => {
                said("behind a key stands `:`").hint(format!("write `{}: …`", self.text(at - 1)))
            }
            TokenKind::Unify | TokenKind::Assign | TokenKind::Semicolon | TokenKind::Name(_) if is_value => {
                said("these braces hold a set or an object, and no conditions").hint("conditions stand behind `if`: `allow if { … }`")
            }
            TokenKind::Unify | TokenKind::Assign => {
                said("nothing gets a name in a set").hint("write `\"key\": value` for a field, `==` to compare")
            }
            TokenKind::Semicolon => said("what is in these braces is divided by `,`"),
            TokenKind::Name(_)
            | TokenKind::String
            | TokenKind::RawString
            | TokenKind::Number
            | TokenKind::LeftBrack
            | TokenKind::LeftBrace => {
                said(&format!("before {shown} a `,` is missing")).hint("items of a set and fields of an object are divided by `,`")
            }
            _ => said(&format!("before {shown} a `,` is missing, or the braces are not closed"))
                .hint("items of a set and fields of an object are divided by `,`"),
        }
    }

    fn no_field(&self, at: usize) -> Said {
        let said = Said::at(at, "behind a `.` stands a name, without a blank between them");
        match self.kind(at) {
            TokenKind::LeftBrack => said.hint("write `x[…]`, without the `.`"),
            TokenKind::Number => said.hint(format!("an item of an array is `x[{}]`", self.text(at))),
            TokenKind::String => said.hint(format!("write `x[{}]`", self.text(at))),
            TokenKind::Star => said.hint("write `x[_]` for any field"),
            _ => said,
        }
    }

    fn no_fields(&self, at: usize) -> Said {
        let shown = self.shown(at);
        let said = Said::at(at, format!("nothing can be taken out of {shown}, and it cannot be called"));
        match self.kind(at) {
            TokenKind::Number => {
                let to = (at + 1..self.tokens.len())
                    .take_while(|index| {
                        self.is_glued(*index) && matches!(self.kind(*index), TokenKind::Dot | TokenKind::Number | TokenKind::Slash)
                    })
                    .last();
                let to = to.unwrap_or(at);
                said.to(to).hint(format!("an address or a version is a text: `\"{}\"`", self.excerpt(at, to)))
            }
            TokenKind::String | TokenKind::RawString => {
                said.hint(format!("functions stand before what they are given: `lower({})`", self.text(at)))
            }
            _ => said.hint("give it a name first: `x := …`"),
        }
    }

    fn no_package(&self, at: usize) -> Said {
        let said = Said::at(at, "a policy begins with `package`");
        match self.kind(at) {
            TokenKind::End => {
                Said::at(at, "there is no policy in the text: it is empty, or has comments alone").hint("begin with `package spacelift`")
            }
            TokenKind::LeftBrace | TokenKind::LeftBrack => {
                said.hint("this looks like JSON: a policy is Rego, and begins with `package spacelift`")
            }
            TokenKind::RawString if self.source.text.trim_start().starts_with("```") => {
                said.hint("take away the lines of backquotes around the policy, and begin with `package spacelift`")
            }
            TokenKind::Name(_) if self.kind(at + 1) == TokenKind::Colon => {
                said.hint("this looks like YAML: a policy is Rego, and begins with `package spacelift`")
            }
            TokenKind::Minus if self.is_glued(at + 1) && self.kind(at + 1) == TokenKind::Minus => {
                said.hint("this looks like YAML: a policy is Rego, and begins with `package spacelift`")
            }
            TokenKind::Name(Some(Word::Import)) => said.hint("write `package spacelift` above the imports"),
            _ => said.hint("write `package spacelift` on the first line"),
        }
    }

    fn no_head_value(&self, at: usize) -> Said {
        let before = at.saturating_sub(1);
        let mark = self.text(before);
        let name = self.text(self.line_start(at));
        if self.text(before) == "contains" {
            return Said::at(at, "behind `contains` stands what is put into the set")
                .hint(format!("write `{name} contains \"item\" if {{ … }}`"));
        }
        let said = Said::at(at, format!("behind `{mark}` a value is missing"));
        if self.kind(at) == TokenKind::Name(Some(Word::If)) {
            said.hint(format!("write `{name} if …` for a condition, `{name} {mark} value if …` for a value under a condition"))
        } else if self.kind(at) == TokenKind::Name(Some(Word::Not)) {
            Said::at(at, "`not` stands at the beginning of a condition, and is no value").hint(format!("write `{name} if not …`"))
        } else {
            said
        }
    }

    fn default_value(&self, at: usize) -> Said {
        let first = self.line_start(at);
        let said = Said::at(at, "the value of a default needs nothing to be known: it is constant");
        if self.kind(first) == TokenKind::Name(Some(Word::Default)) && self.line_start(at) == first {
            let end =
                (at..self.tokens.len()).find(|index| self.begins_line(index + 1) || self.kind(index + 1) == TokenKind::End).unwrap_or(at);
            let rule = self.excerpt(first + 1, end);
            said.hint(format!("without `default` it is a rule: `{rule}`"))
        } else {
            said
        }
    }

    fn no_rule(&self, at: usize) -> Said {
        let shown = self.shown(at);
        let said = Said::at(at, "this is no rule");
        if self.is_name(at) {
            let before = at.checked_sub(1);
            let is_default = before.is_some_and(|before| before > 0 && self.kind(before - 1) == TokenKind::Name(Some(Word::Default)));
            if is_default && !self.begins_line(at) {
                let name = before.map_or("", |before| self.text(before));
                return Said::at(at, "a default has its value behind `:=`").hint(format!("write `default {name} := {}`", self.text(at)));
            }
            let end = self.head_end(at);
            let is_condition = matches!(self.kind(at), TokenKind::Name(Some(Word::Not | Word::Some | Word::Every)))
                || matches!(self.text(at), "input" | "data")
                || is_operator(self.kind(end + 1))
                || self.kind(end + 1) == TokenKind::Name(Some(Word::In));
            if is_condition {
                return Said::at(at, "this is a condition, and stands outside of any rule")
                    .hint("conditions stand behind `if`: `allow if { … }`");
            }
            let head = self.excerpt(at, end);
            return said.hint(format!("a rule has a value, `{head} := …`, or conditions, `{head} if …`"));
        }
        let before = at.checked_sub(1).filter(|_| !self.begins_line(at));
        if let Some(name) = before.filter(|before| *before > 0 && self.kind(before - 1) == TokenKind::Name(Some(Word::Default))) {
            return Said::at(at, "a default has its value behind `:=`").hint(format!(
                "write `default {} := {}`",
                self.text(name),
                self.text(at)
            ));
        }
        if self.kind(at) == TokenKind::Minus && before.is_some_and(|before| self.is_name(before)) {
            let first = self.line_start(at);
            let end = (at..self.tokens.len()).take_while(|index| self.is_glued(*index)).last().unwrap_or(at);
            let written = self.excerpt(first, end);
            return Said::at(at, "a name has no `-`").hint(format!("write `{}`", written.replace('-', "_")));
        }
        Said::at(at, format!("a rule begins with its name, and not with {shown}")).hint("write `allow if { … }` or `name := value`")
    }

    /// A body of v0 in v1.
    fn no_if(&self, at: usize) -> Said {
        let said = Said::at(at, "in Rego v1 a body stands after `if`");
        let first = self.line_start(at);
        if self.text(at.saturating_sub(1)) == "else" {
            return said.hint("write `else if { … }`");
        }
        let is_head = self.is_name(first) && first < at && self.brackets.around(first).is_none();
        if is_head { said.hint(format!("write `{} if {{ … }}`", self.excerpt(first, at - 1))) } else { said.hint("write `if { … }`") }
    }

    /// `p[k]` of v0 in v1.
    fn no_contains(&self, at: usize) -> Said {
        let open = at + 1;
        let end = self.head_end(at);
        let name = self.text(at);
        let key = if self.kind(open) == TokenKind::LeftBrack && end > open + 1 {
            self.excerpt(open + 1, end - 1)
        } else {
            format!("\"{}\"", self.text(end))
        };
        let has_body = self.kind(end + 1) == TokenKind::LeftBrace;
        let said = Said::at(at, "in Rego v1 an item is put into a set with `contains`, and a body stands after `if`").to(end);
        if has_body {
            said.hint(format!("write `{name} contains {key} if {{ … }}`"))
        } else {
            let head = self.excerpt(at, end);
            said.hint(format!("write `{name} contains {key}` for an item of a set, `{head} := …` for a field of an object"))
        }
    }
}

fn closing(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::RightBrack => "]",
        TokenKind::RightParen => ")",
        _ => "}",
    }
}

fn is_operator(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Plus
            | TokenKind::Minus
            | TokenKind::Star
            | TokenKind::Slash
            | TokenKind::Percent
            | TokenKind::Ampersand
            | TokenKind::Bar
            | TokenKind::Unify
            | TokenKind::Assign
            | TokenKind::Equal
            | TokenKind::NotEqual
            | TokenKind::Less
            | TokenKind::LessEqual
            | TokenKind::Greater
            | TokenKind::GreaterEqual
    )
}
