//! Random modules, of all that is plain and of what is nearly so.
//!
//! Names are few, so that they meet: variables hide each other, rules have several definitions, values are of any type.

use std::fmt::Write;

/// Where all that is random comes from: the same seed, the same text.
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// What a value mostly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Bool,
    Number,
    Text,
    Array,
    Set,
    Object,
}

use Sort::{Array, Bool, Number, Object, Set, Text};

const SORTS: [Sort; 6] = [Bool, Number, Text, Array, Set, Object];
const VARS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Writes one module.
pub(super) struct Writer {
    draw: Draw,
    /// Rules so far, and what they are; partial ones may only be taken item by item.
    rules: Vec<(String, Sort)>,
    sets: Vec<String>,
    objects: Vec<String>,
    functions: Vec<(String, usize, Sort)>,
    /// Variables that have values, innermost scope last.
    locals: Vec<(String, Sort)>,
    v1: bool,
}

impl Writer {
    pub(super) fn of(seed: u64) -> Self {
        let mut draw = Draw::new(seed);
        let v1 = !draw.one_in(8);
        Self { draw, rules: Vec::new(), sets: Vec::new(), objects: Vec::new(), functions: Vec::new(), locals: Vec::new(), v1 }
    }

    /// The whole text.
    pub(super) fn module(mut self) -> String {
        let mut parts = Vec::new();
        for number in 0..=self.draw.below(4) {
            self.helper(number, &mut parts);
        }
        for _ in 0..=self.draw.below(3) {
            self.counted(&mut parts);
        }
        // The order of the text means nothing.
        for index in (1..parts.len()).rev() {
            let other = self.draw.below(index + 1);
            parts.swap(index, other);
        }
        let imports = if self.v1 { "" } else { "import future.keywords.in\nimport future.keywords.every\n" };
        format!("package spacelift\n{imports}{}\n", parts.join("\n"))
    }

    fn is_if(&self) -> &'static str {
        if self.v1 { " if" } else { "" }
    }

    fn helper(&mut self, number: usize, parts: &mut Vec<String>) {
        let sort = self.draw.pick(&SORTS);
        let body_if = self.is_if();
        match self.draw.below(8) {
            0 => {
                let (name, value) = (format!("r{number}"), self.literal(sort, 2));
                parts.push(format!("{name} := {value}"));
                self.rules.push((name, sort));
            }
            1..=3 => {
                let name = format!("r{number}");
                if self.draw.one_in(2) {
                    let value = self.literal(sort, 1);
                    parts.push(format!("default {name} := {value}"));
                }
                let same = self.draw.one_in(2).then(|| self.literal(sort, 1));
                for _ in 0..=self.draw.below(2) {
                    let mut text = name.clone();
                    for branch in 0..=self.draw.below(3) {
                        let before = self.locals.len();
                        let (body, value) = (self.body(2), same.clone().unwrap_or_else(|| self.expr(sort, 2)));
                        self.locals.truncate(before);
                        let word = if branch == 0 { "" } else { " else" };
                        let _ = write!(text, "{word} := {value}{body_if} {{ {body} }}");
                    }
                    parts.push(text);
                }
                self.rules.push((name, sort));
            }
            4 => {
                let name = format!("s{number}");
                for _ in 0..=self.draw.below(2) {
                    let before = self.locals.len();
                    let (body, item) = (self.body(2), self.expr(sort, 1));
                    self.locals.truncate(before);
                    parts.push(if self.v1 {
                        format!("{name} contains {item} if {{ {body} }}")
                    } else {
                        format!("{name}[{item}] {{ {body} }}")
                    });
                }
                self.sets.push(name.clone());
                self.rules.push((name, Set));
            }
            5 => {
                let (name, nested) = (format!("o{number}"), self.draw.below(8));
                for _ in 0..=self.draw.below(3) {
                    let before = self.locals.len();
                    let (body, key, value) = if self.draw.one_in(2) {
                        (self.body(2), self.expr(Text, 1), self.expr(sort, 1))
                    } else {
                        let asked = self.draw.pick(&["", "; input.session.admin", "; input.session.login == \"x\""]);
                        (
                            format!("some k in {}{asked}", self.draw.pick(&["[\"x\"]", "{\"x\", \"y\"}"])),
                            "k".to_owned(),
                            self.literal(sort, 1),
                        )
                    };
                    self.locals.truncate(before);
                    // Texts and variables meet at one step: the engine finds the fields of such an object in two ways.
                    let step = self.draw.pick(&[format!("[{key}]"), format!("[{key}]"), ".x".to_owned(), "[\"y\"]".to_owned()]);
                    parts.push(match nested {
                        0 => format!("{name}{step}.x := {value}{body_if} {{ {body} }}"),
                        1 => format!("{name}.x{step} := {value}{body_if} {{ {body} }}"),
                        2 if self.v1 => format!("{name}{step} contains {value} if {{ {body} }}"),
                        _ => format!("{name}{step} := {value}{body_if} {{ {body} }}"),
                    });
                }
                self.objects.push(name);
            }
            _ => {
                let (name, arity) = (format!("f{number}"), 1 + self.draw.below(2));
                for _ in 0..=self.draw.below(2) {
                    let before = self.locals.len();
                    let mut args = Vec::new();
                    for name in VARS.into_iter().take(arity) {
                        let arg = if self.draw.one_in(8) { "_".to_owned() } else { name.to_owned() };
                        if arg != "_" {
                            let sort = self.draw.pick(&SORTS);
                            self.locals.push((arg.clone(), sort));
                        }
                        args.push(arg);
                    }
                    let mut text = format!("{name}({})", args.join(", "));
                    for branch in 0..=self.draw.below(2) {
                        let inner = self.locals.len();
                        let (body, value) = (self.body(2), self.expr(sort, 2));
                        self.locals.truncate(inner);
                        let word = if branch == 0 { "" } else { " else" };
                        let _ = write!(text, "{word} := {value}{body_if} {{ {body} }}");
                    }
                    self.locals.truncate(before);
                    parts.push(text);
                }
                self.functions.push((name, arity, sort));
            }
        }
    }

    fn counted(&mut self, parts: &mut Vec<String>) {
        let body_if = self.is_if();
        let before = self.locals.len();
        let body = self.body(3);
        let text = match self.draw.below(17) {
            0..=3 => format!("allow{body_if} {{ {body} }}"),
            4 => format!("deny{body_if} {{ {body} }}"),
            5 => {
                let value = self.expr(Bool, 1);
                format!("admin := {value}{body_if} {{ {body} }}")
            }
            6 => format!("default deny := true\ndeny := false{body_if} {{ {body} }}"),
            7 | 8 => {
                let item = self.expr(Text, 1);
                if self.v1 { format!("team contains {item} if {{ {body} }}") } else { format!("team[{item}] {{ {body} }}") }
            }
            9 => {
                let (space, role) = (self.expr(Text, 1), self.expr(Text, 1));
                format!("roles[{space}][{role}]{body_if} {{ {body} }}")
            }
            10 => {
                let space = self.expr(Text, 0);
                format!("roles[{space}].reader{body_if} {{ {body} }}")
            }
            11 => {
                let (space, role, given) = (self.expr(Text, 1), self.expr(Text, 0), self.expr(Bool, 1));
                format!("roles[{space}][{role}] := {given}{body_if} {{ {body} }}")
            }
            12 if self.v1 => {
                let (space, role) = (self.expr(Text, 1), self.expr(Text, 1));
                format!("roles[{space}] contains {role} if {{ {body} }}")
            }
            13..=15 if !self.objects.is_empty() => format!("deny{body_if} {{ {} }}", self.field()),
            _ => {
                let value = self.expr(Set, 2);
                format!("space_read := {value}{body_if} {{ {body} }}")
            }
        };
        self.locals.truncate(before);
        parts.push(text);
    }

    /// Conditions; their variables stay.
    fn body(&mut self, depth: usize) -> String {
        self.body_of(depth, self.locals.len())
    }

    /// The same, of a query whose variables begin there.
    fn body_of(&mut self, depth: usize, first: usize) -> String {
        let mut statements: Vec<String> = (0..=self.draw.below(3)).map(|_| self.statement(depth)).collect();
        // What is declared has to be used.
        let text = statements.join("; ");
        let uses = |var: &str| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| *word == var).count();
        let mut unused: Vec<String> = self.locals[first..].iter().map(|(var, _)| var.clone()).filter(|var| uses(var) < 2).collect();
        unused.dedup();
        for var in unused {
            statements.push(match self.draw.below(4) {
                0 => format!("{var} == {}", self.expr(Text, 0)),
                1 => format!("not {var} == {}", self.literal(Text, 0)),
                2 => format!("not {var}"),
                _ => format!("{var} != {}", self.expr(Text, 0)),
            });
        }
        if self.draw.one_in(12) {
            statements.reverse();
        }
        statements.join("; ")
    }

    /// The name of a variable that gets a value: mostly one that has none.
    fn var(&mut self) -> String {
        let free: Vec<&str> = VARS.into_iter().filter(|var| self.locals.iter().all(|(local, _)| local != var)).collect();
        if free.is_empty() || self.draw.one_in(12) { self.draw.pick(&VARS).to_owned() } else { self.draw.pick(&free).to_owned() }
    }

    fn statement(&mut self, depth: usize) -> String {
        let deeper = depth.saturating_sub(1);
        match self.draw.below(if depth == 0 { 7 } else { 20 }) {
            0 | 1 => {
                let sort = self.draw.pick(&SORTS);
                let (value, var) = (self.expr(sort, depth), self.var());
                self.locals.push((var.clone(), sort));
                match self.draw.below(4) {
                    0 => format!("{var} = {value}"),
                    1 => format!("{value} = {var}"),
                    _ => format!("{var} := {value}"),
                }
            }
            2 | 3 => {
                let (of, sort) = self.collection(depth);
                let var = self.var();
                if self.draw.one_in(3) {
                    let key = self.var();
                    self.locals.push((key.clone(), if sort == Array { Number } else { Text }));
                    self.locals.push((var.clone(), Text));
                    format!("some {key}, {var} in {of}")
                } else {
                    let sort = self.draw.pick(&[Text, Text, Number, Bool]);
                    self.locals.push((var.clone(), sort));
                    format!("some {var} in {of}")
                }
            }
            4 => {
                let (of, key) = (self.reference(), self.var());
                let declared = if self.draw.one_in(2) { format!("some {key}; ") } else { String::new() };
                self.locals.push((key.clone(), Text));
                let other = self.expr(Text, 0);
                let op = self.draw.pick(&["==", "!=", "="]);
                format!("{declared}{of}[{key}] {op} {other}")
            }
            5 => {
                let of = self.reference();
                let other = self.expr(Text, 0);
                let op = self.draw.pick(&["==", "!=", "="]);
                format!("{of}[_] {op} {other}")
            }
            6 => {
                let (one, other) = (self.var(), self.var());
                let value =
                    if self.draw.one_in(3) { self.reference() } else { format!("[{}, {}]", self.expr(Text, 0), self.expr(Number, 0)) };
                let op = self.draw.pick(&[":=", "="]);
                let fixed = self.draw.pick(&["\"x\"", "1", "_"]);
                if self.draw.one_in(2) {
                    self.locals.push((other.clone(), Number));
                    format!("[{fixed}, {other}] {op} {value}")
                } else {
                    self.locals.push((one.clone(), Text));
                    self.locals.push((other.clone(), Number));
                    format!("[{one}, {other}] {op} {value}")
                }
            }
            7 | 8 => {
                let before = self.locals.len();
                let (of, _) = self.collection(deeper);
                let var = self.var();
                let key = if self.draw.one_in(3) { format!("{}, ", self.var()) } else { String::new() };
                if !key.is_empty() {
                    self.locals.push((key.trim_end_matches(", ").to_owned(), Text));
                }
                self.locals.push((var.clone(), Text));
                let body = self.body_of(deeper, before);
                self.locals.truncate(before);
                format!("every {key}{var} in {of} {{ {body} }}")
            }
            9..=12 => {
                let sort = self.draw.pick(&[Bool, Bool, Bool, Bool, Text, Set, Array]);
                let negated = match self.draw.below(8) {
                    0..=3 => self.reference(),
                    4 | 5 => format!("{} == {}", self.reference(), self.expr(sort, 0)),
                    6 => format!("startswith(input.session.login, {})", self.literal(Text, 0)),
                    _ => self.expr(sort, deeper),
                };
                format!("not {negated}")
            }
            _ => self.expr(Bool, depth),
        }
    }

    /// Something to go through.
    fn collection(&mut self, depth: usize) -> (String, Sort) {
        let sort = self.draw.pick(&[Array, Set, Object]);
        (self.expr(sort, depth), sort)
    }

    /// A name with steps, of any sort.
    fn reference(&mut self) -> String {
        const INPUTS: [&str; 14] = [
            "input.session.login",
            "input.session.teams",
            "input.session.admin",
            "input.session.nothing",
            "input.x",
            "input.x.y",
            "input.x[0]",
            "input.y",
            "input.z",
            "input.spaces",
            "input.spaces[0].labels",
            "input.attachment",
            "input.request.timestamp_ns",
            "input",
        ];
        match self.draw.below(10) {
            0..=2 if !self.locals.is_empty() => {
                let (name, _) = self.draw.pick(&self.locals);
                if self.draw.one_in(5) { format!("{name}{}", self.draw.pick(&["[0]", ".x", "[1]", ".y"])) } else { name }
            }
            3 | 4 if !self.rules.is_empty() => {
                let (name, _) = self.draw.pick(&self.rules);
                match self.draw.below(5) {
                    0 => format!("{name}{}", self.draw.pick(&["[0]", ".x", "[1]", ".y"])),
                    1 => format!("{name}[{}]", self.expr(Text, 0)),
                    2 => format!("data.spacelift.{name}"),
                    _ => name,
                }
            }
            5 if !self.objects.is_empty() => self.field(),
            6 if !self.sets.is_empty() => format!("{}[{}]", self.draw.pick(&self.sets), self.expr(Text, 0)),
            _ => self.draw.pick(&INPUTS).to_owned(),
        }
    }

    /// Something of an object that rules make together.
    fn field(&mut self) -> String {
        let (name, key) = (self.draw.pick(&self.objects), self.expr(Text, 0));
        let whole = if self.draw.one_in(12) { "data.spacelift." } else { "" };
        let key = format!("[{key}]");
        let step = self.draw.pick(&[&key, &key, ".x", ".x", "[_]", ".x[_]", ""]);
        format!("{whole}{name}{step}")
    }

    /// A value, mostly of this sort.
    fn expr(&mut self, wanted: Sort, depth: usize) -> String {
        let sort = if self.draw.one_in(14) { self.draw.pick(&SORTS) } else { wanted };
        let deeper = depth.saturating_sub(1);
        let locals: Vec<String> = self.locals.iter().filter(|(_, of)| *of == sort).map(|(name, _)| name.clone()).collect();
        if !locals.is_empty() && self.draw.one_in(3) {
            return self.draw.pick(&locals);
        }
        let rules: Vec<String> = self.rules.iter().filter(|(_, of)| *of == sort).map(|(name, _)| name.clone()).collect();
        if !rules.is_empty() && self.draw.one_in(4) {
            return self.draw.pick(&rules);
        }
        let functions: Vec<_> = self.functions.iter().filter(|(_, _, of)| *of == sort).cloned().collect();
        if depth > 0 && !functions.is_empty() && self.draw.one_in(4) {
            let (name, arity, _) = self.draw.pick(&functions);
            let args: Vec<String> = (0..arity)
                .map(|_| {
                    let sort = self.draw.pick(&SORTS);
                    self.expr(sort, deeper)
                })
                .collect();
            return format!("{name}({})", args.join(", "));
        }
        if self.draw.one_in(30) {
            return format!("{}[_]", self.reference());
        }
        if depth == 0 || self.draw.one_in(4) {
            return if self.draw.one_in(2) { self.input(sort) } else { self.literal(sort, 1) };
        }
        self.made(sort, deeper)
    }

    fn input(&mut self, sort: Sort) -> String {
        let of: &[&str] = match sort {
            Bool => &["input.session.admin", "input.x", "input.x.y"],
            Number => &["input.request.timestamp_ns", "input.y", "input.x.y", "input.x[0]"],
            Text => &["input.session.login", "input.session.login", "input.x", "input.x.y", "input.spaces[0].id", "input.session.teams[0]"],
            Array => &["input.session.teams", "input.spaces", "input.x", "input.y"],
            Set => &["{g | g := input.session.teams[_]}", "input.y"],
            Object => &["input.session", "input.x", "input.z", "input"],
        };
        self.draw.pick(of).to_owned()
    }

    /// Something that is put together.
    fn made(&mut self, sort: Sort, depth: usize) -> String {
        match (sort, self.draw.below(8)) {
            (Bool, 0..=2) => {
                let of = self.draw.pick(&SORTS);
                let op = self.draw.pick(&["==", "==", "!=", "<", "<=", ">", ">="]);
                format!("{} {op} {}", self.expr(of, depth), self.expr(of, depth))
            }
            (Bool, 3) => {
                let (of, _) = self.collection(depth);
                format!("{} in {of}", self.expr(Text, depth))
            }
            (Bool, 4) => {
                let (of, sort) = self.collection(depth);
                // The item is always there: the engine finds one that is not wherever the key is not either, where OPA finds none.
                format!("({}, {} in {of})", self.expr(if sort == Array { Number } else { Text }, depth), self.literal(Text, 0))
            }
            (Bool, 5) => format!("startswith({}, {})", self.expr(Text, depth), self.expr(Text, depth)),
            (Bool, 6) => format!("is_string({})", self.reference()),
            (Number, 0..=2) => {
                let op = self.draw.pick(&["+", "-", "*"]);
                format!("({} {op} {})", self.expr(Number, depth), self.expr(Number, depth))
            }
            (Number, 3 | 4) => format!("count({})", self.collection(depth).0),
            (Number, 5) => format!("to_number({})", self.expr(Text, depth)),
            (Text, 0) => format!("lower({})", self.expr(Text, depth)),
            (Text, 1) => format!("sprintf(\"%v\", [{}])", self.reference()),
            (Text, 2) => format!("concat(\"\", [{}, {}])", self.expr(Text, depth), self.expr(Text, depth)),
            (Text, 3) => format!("object.get({}, {}, {})", self.expr(Object, depth), self.expr(Text, depth), self.expr(Text, depth)),
            (Set, 0 | 1) => {
                let op = self.draw.pick(&["|", "&", "-"]);
                format!("({} {op} {})", self.expr(Set, depth), self.expr(Set, depth))
            }
            (Array | Set, 2..=4) | (Object, 0..=3) => self.comprehension(sort, depth),
            (Array, 5) => format!("split({}, \"-\")", self.expr(Text, depth)),
            (Array | Set, _) => {
                let items: Vec<String> = (0..=self.draw.below(2))
                    .map(|_| {
                        let sort = self.draw.pick(&SORTS);
                        self.expr(sort, depth)
                    })
                    .collect();
                if sort == Array { format!("[{}]", items.join(", ")) } else { format!("{{{}}}", items.join(", ")) }
            }
            (Object, _) => {
                let sort = self.draw.pick(&SORTS);
                format!("{{{}: {}, \"y\": {}}}", self.expr(Text, 0), self.expr(sort, depth), self.expr(Text, depth))
            }
            _ => self.reference(),
        }
    }

    fn comprehension(&mut self, sort: Sort, depth: usize) -> String {
        let before = self.locals.len();
        let body = self.body(depth);
        let of = self.draw.pick(&SORTS);
        let item = self.expr(of, 0);
        let text = match sort {
            Array => format!("[{item} | {body}]"),
            Object => format!("{{{}: {item} | {body}}}", self.expr(Text, 0)),
            Bool | Number | Text | Set => format!("{{{item} | {body}}}"),
        };
        self.locals.truncate(before);
        text
    }

    fn literal(&mut self, sort: Sort, depth: usize) -> String {
        match sort {
            Bool => self.draw.pick(&["true", "true", "false", "null"]).to_owned(),
            Number => self.draw.pick(&["0", "1", "1", "2", "3"]).to_owned(),
            Text => self.draw.pick(&["\"x\"", "\"y\"", "\"z\"", "\"x-y\"", "\"\"", "`x`"]).to_owned(),
            Array | Set | Object if depth == 0 => match sort {
                Array => "[]".to_owned(),
                Object => "{}".to_owned(),
                Bool | Number | Text | Set => "set()".to_owned(),
            },
            Array | Set => {
                let items: Vec<String> = (0..self.draw.below(4))
                    .map(|_| {
                        let sort = self.draw.pick(&[Text, Text, Text, Number, Bool, Array, Set]);
                        self.literal(sort, depth - 1)
                    })
                    .collect();
                match (sort, items.is_empty()) {
                    (Set, true) => "set()".to_owned(),
                    (Set, false) => format!("{{{}}}", items.join(", ")),
                    _ => format!("[{}]", items.join(", ")),
                }
            }
            Object => {
                let (one, other) = (self.draw.pick(&SORTS), self.draw.pick(&SORTS));
                match self.draw.below(3) {
                    0 => "{}".to_owned(),
                    1 => format!("{{\"x\": {}}}", self.literal(one, depth - 1)),
                    _ => format!("{{\"x\": {}, \"y\": {}}}", self.literal(one, depth - 1), self.literal(other, depth - 1)),
                }
            }
        }
    }
}
