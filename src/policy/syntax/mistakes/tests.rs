//! Mistakes that beginners make, and what they are told: the place, the sentence, the hint.

use super::super::parse;
use crate::model::RegoVersion;

/// What somebody has written, the line and the column of the fault, what is said of it, and the hint.
type Mistake = (&'static str, u32, u32, &'static str, &'static str);

fn hold(before: &str, version: Option<RegoVersion>, mistakes: &[Mistake]) {
    let mut different = Vec::new();
    for (text, line, column, reason, hint) in mistakes {
        let whole = format!("{before}{text}\n");
        let fault = parse("p", &whole, version).map(|_| ()).expect_err(text);
        let told = (fault.line, fault.column, fault.reason.as_str(), fault.hint.as_deref().unwrap_or_default());
        if told != (*line, *column, *reason, *hint) {
            different.push(format!("{text}\n    is told {told:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn mistakes_in_rules_are_told_where_they_are_and_with_what_to_write() {
    hold("package spacelift\n\n", None, &MISTAKES);
}

#[test]
fn words_of_v1_in_v0_are_told_as_names() {
    hold("package spacelift\n\n", Some(RegoVersion::V0), &OLD);
}

#[test]
fn what_is_no_policy_at_all_is_told_as_what_it_looks_like() {
    hold("", None, &NO_POLICIES);
}

#[test]
fn whatever_is_cut_off_or_left_out_has_a_fault_with_a_place() {
    for (text, ..) in MISTAKES {
        let whole = format!("package spacelift\n\n{text}\n");
        for (at, _) in whole.char_indices() {
            for cut in [whole.get(..at), whole.get(at..)].into_iter().flatten() {
                if let Err(fault) = parse("p", cut, None) {
                    assert!(fault.line > 0 && fault.column > 0 && fault.width > 0, "{cut}: {fault}");
                }
            }
        }
    }
}

/// Behind `package spacelift` and an empty line.
#[rustfmt::skip]
const MISTAKES: [Mistake; 132] = [
    ("import rego.v1\n\nallow {\n\tinput.session.member\n}", 5, 7, "in Rego v1 a body stands after `if`", "write `allow if { … }`"),
    ("allow if {\n\tinput.session.login == \"ci-1\" or input.session.login == \"ci-2\"\n}", 4, 32, "Rego has no `or`", r#"write the rule a second time with the other condition, or for values of one thing `x in {"a", "b"}`"#),
    (r#"allow if input.session.login == "ci-1" || input.session.login == "ci-2""#, 3, 40, "Rego has no `||`", r#"write the rule a second time with the other condition, or for values of one thing `x in {"a", "b"}`"#),
    ("allow if {\n\tinput.a == 1 || input.b == 2\n}", 4, 15, "Rego has no `||`", r#"write the rule a second time with the other condition, or for values of one thing `x in {"a", "b"}`"#),
    ("allow if {\n\tinput.session.login == \"ci-1\" and \"ops\" in input.session.teams\n}", 4, 32, "Rego has no `and`", "put each condition on a line of its own, or `;` between them: all conditions of a body have to hold"),
    ("allow if input.session.member && input.session.admin", 3, 31, "Rego has no `&&`", "put the conditions into braces, each on a line of its own: `if { …; … }`"),
    ("allow if {\n\tinput.session.member && input.session.admin\n}", 4, 23, "Rego has no `&&`", "put each condition on a line of its own, or `;` between them: all conditions of a body have to hold"),
    ("allow if {\n\treturn input.session.login == \"ci-1\"\n}", 4, 2, "`return`: a body gives no value by `return`", "what a rule is stands before its body, as in `level := 2 if { … }`; in a body stand the conditions that have to hold"),
    ("allow if {\n\tfor team in input.session.teams {\n\t\tteam == \"ops\"\n\t}\n}", 4, 2, "`for`: Rego has no loops", "write `some x in xs` for one that the following conditions hold of, `every x in xs { … }` if they have to hold for all"),
    ("allow if {\n\tif input.session.member {\n\t\tinput.session.admin\n\t}\n}", 4, 2, "no `if` stands within a body: all its conditions have to hold", "put each condition on a line of its own; what holds in one case alone is a rule of its own"),
    ("allow if {\n\tinput.session.member input.session.admin\n}", 4, 23, "two expressions on one line: the second begins with `input`", "put `;` or a line break between them, or the operator that is missing"),
    (r#"allow if some team in input.session.teams; team == "ops""#, 3, 42, "`;` ends the condition: without braces, one alone stands behind `if`", "put several conditions into braces: `if { …; … }`"),
    ("deny if !input.session.member", 3, 9, "Rego has no `!`", "write `not` before the condition: `not x`"),
    ("allow if input.session.login == 'ci-1'", 3, 33, "a text stands in double quotes, not in `'`", r#"write `"ci-1"`"#),
    ("level := 1 if {\n\tinput.session.admin\n} elif {\n\tinput.session.member\n}\n\nallow if level == 1", 5, 3, "Rego has no `elif`", "write `else := value if { … }`, or `else if { … }` for `true`"),
    (r#"allow if input.session.login not in {"mallory"}"#, 3, 30, "`not` stands before the whole condition", "write `not … in …`"),
    ("// Pipelines get in.\nallow if startswith(input.session.login, \"ci-\")", 3, 1, "Rego has no `//`", "a comment begins with `#`"),
    (r#"allow if startswith(input.session.login, "ci-") // pipelines"#, 3, 49, "Rego has no `//`", "a comment begins with `#`"),
    ("/* Pipelines\n get in. */\nallow if true", 3, 1, "Rego has no `/*`", "a comment begins with `#`, on each of its lines"),
    ("allow if {\n\tinput.session.login == \"ci-1\"\n\ndeny if input.session.login == \"mallory\"", 6, 1, "`deny` begins something new here, while a `{` is still open: `}` is missing", "close the `{` of line 3, column 10, with `}`"),
    ("allow if {\n\tinput.session.login == \"ci-1\"\n", 3, 10, "the `{` is not closed before the end of the text", "put the `}` where what belongs to it ends"),
    ("allow if net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip\n\ndeny if input.session.login == \"mallory\"", 5, 1, "`deny` begins something new here, while a `(` is still open: `)` is missing", "close the `(` of line 3, column 27, with `)`"),
    ("allow if input.session.login == \"ci-1\n\ndeny if input.session.login == \"mallory\"", 3, 33, "the text is not closed on its line", r#"put a `"` at its end; a text of several lines stands in backquotes: `` `…` ``"#),
    (r#"allow if regex.match("^ci-\d+$", input.session.login)"#, 3, 27, r"`\d` means nothing in a text of double quotes", r"write a pattern in backquotes, where a backslash stands for itself: `` `^ci-\d+$` ``"),
    ("names := {\"ci-1\", \"ci-2\"\n\nallow if input.session.login in names", 5, 1, "`allow` begins something new here, while a `{` is still open: `}` is missing", "close the `{` of line 3, column 10, with `}`"),
    ("import rego.v1\n\nteam[name] { name := input.session.teams[_] }", 5, 1, "in Rego v1 an item is put into a set with `contains`, and a body stands after `if`", "write `team contains name if { … }`"),
    ("default allow := input.session.member", 3, 18, "the value of a default needs nothing to be known: it is constant", "without `default` it is a rule: `allow := input.session.member`"),
    ("default allow = false if true", 3, 23, "a default has no condition", "write `default allow := …` alone, and `allow if …` below it"),
    ("default allow false", 3, 15, "a default has its value behind `:=`", "write `default allow := false`"),
    ("default allow: false", 3, 14, "a default has its value behind `:=`", "write `default allow := …`"),
    ("allow: true", 3, 6, "no `:` stands behind the name of a rule, `allow`", "write `allow := …`"),
    ("allow = if input.x", 3, 9, "behind `=` a value is missing", "write `allow if …` for a condition, `allow = value if …` for a value under a condition"),
    ("if { input.x }", 3, 1, "before `if` the name of a rule is missing", "write `allow if { … }`"),
    ("function f(x) { x == 1 }\nallow if f(1)", 3, 1, "`function`: a function is defined without a word before its name", "write `f(x) := value`, or `f(x) if { … }` for one that is true or undefined"),
    ("def f(x):\n  x == 1", 3, 1, "`def`: a function is defined without a word before its name", "write `f(x) := value`, or `f(x) if { … }` for one that is true or undefined"),
    ("let x = 1\nallow if x == 1", 3, 1, "`let`: a value gets a name without a word before it", "write `name := value`"),
    ("allow if {\n\tlet x = 1\n\tx == 1\n}", 4, 2, "`let`: a value gets a name without a word before it", "write `name := value`"),
    ("allow if {\n\tvar x := 1\n\tx == 1\n}", 4, 2, "`var`: a value gets a name without a word before it", "write `name := value`"),
    ("allow if input.x === 1", 3, 18, "Rego has no `===`", "write `==`"),
    ("allow if input.x !== 1", 3, 18, "Rego has no `!==`", "write `!=`"),
    ("allow if input.x <> 1", 3, 18, "Rego has no `<>`", "write `!=`"),
    ("allow if input.x => 1", 3, 18, "Rego has no `=>`", "write `>=` to compare, `:` between the key and the value of an object, `if` before a condition"),
    (r#"m := {"a" => 1}"#, 3, 11, "Rego has no `=>`", "write `>=` to compare, `:` between the key and the value of an object, `if` before a condition"),
    (r#"m := {"a" = 1}"#, 3, 11, "behind a key stands `:`", r#"write `"a": …`"#),
    (r#"m := {"a": 1 "b": 2}"#, 3, 14, r#"before `"b"` a `,` is missing"#, "items of a set and fields of an object are divided by `,`"),
    (r#"xs := ["a" "b"]"#, 3, 12, r#"before `"b"` a `,` is missing"#, "what is between `[` and `]` is divided by `,`"),
    ("xs := [\n\t\"a\",\n\t\"b\"\n\t\"c\"\n]", 6, 2, r#"before `"c"` a `,` is missing"#, "what is between `[` and `]` is divided by `,`"),
    ("xs := {\n\t\"a\",\n\t\"b\"\n\t\"c\",\n}", 6, 2, r#"before `"c"` a `,` is missing"#, "what is between `{` and `}` is divided by `,`"),
    (r#"xs := ["a", "b""#, 3, 7, "the `[` is not closed before the end of the text", "put the `]` where what belongs to it ends"),
    (r#"xs := ["a", "b"}"#, 3, 16, "`}` cannot close the `[` of line 3, column 7", "close it with `]`"),
    ("allow if count([1, 2) > 1", 3, 21, "`)` stands here before the `[` is closed: `]` is missing", "close the `[` of line 3, column 16, with `]`"),
    ("allow if {\n\tcount([1, 2) > 1\n}", 4, 13, "`)` stands here before the `[` is closed: `]` is missing", "close the `[` of line 4, column 8, with `]`"),
    ("allow if {\n\tinput.x\n}\n}", 6, 1, "`}` closes nothing that is open here", "take the `}` away, or open what it closes"),
    ("allow if input.x)", 3, 17, "`)` closes nothing that is open here", "take the `)` away, or open what it closes"),
    ("allow if “ci” == input.session.login", 3, 10, "`“` is a typographic quote", r#"write a text in plain double quotes: `"…"`"#),
    ("allow if {\n\tinput.x == 1,\n\tinput.y == 2\n}", 4, 14, "conditions are not divided by `,`", "put `;` or a line break between them: all of them have to hold"),
    ("allow if\n\tinput.x == 1\n\tinput.y == 2\n", 5, 2, "without braces, one condition alone stands behind `if`, and this is another", "put several conditions into braces: `if { …; … }`"),
    ("allow if\n\tinput.x\n\tinput.y\n", 5, 2, "without braces, one condition alone stands behind `if`, and this is another", "put several conditions into braces: `if { …; … }`"),
    ("allow if input.x == 1 input.y == 2", 3, 23, "without braces, one condition alone stands behind `if`, and this is another", "put several conditions into braces: `if { …; … }`"),
    ("allow if { input.x } or { input.y }", 3, 22, "Rego has no `or`", r#"write the rule a second time with the other condition, or for values of one thing `x in {"a", "b"}`"#),
    ("allow if { input.x } else { input.y }", 3, 27, "in Rego v1 a body stands after `if`", "write `else if { … }`"),
    ("allow if { input.x } else if { input.y } { input.z }", 3, 42, "no other body stands behind an `else`", "put `else` before it, or the conditions into one body"),
    ("allow when input.x == 1", 3, 7, "Rego has no `when`", "write `allow if …`"),
    ("allow unless input.x == 1", 3, 7, "Rego has no `unless`", "write `allow if not …`"),
    ("allow input.x == 1", 3, 7, "between `allow` and what follows it something is missing", "write `allow if …` if it is a condition, `allow := …` if it is a value"),
    ("allow == true", 3, 7, "`==` compares, and outside of a body there is nothing to compare", "write `allow := …` for a value, `allow if …` for a condition"),
    ("ci-admin := true", 3, 1, "a name has no `-`", "write `ci_admin`"),
    (r#"allow if input.teams.[0] == "a""#, 3, 22, "behind a `.` stands a name, without a blank between them", "write `x[…]`, without the `.`"),
    (r#"allow if input.teams.0 == "a""#, 3, 22, "behind a `.` stands a name, without a blank between them", "an item of an array is `x[0]`"),
    (r#"allow if lower (input.x) == "a""#, 3, 16, "a blank stands between `lower` and its arguments", "write `lower(…)`"),
    (r#"allow if input.x [0] == "a""#, 3, 18, "a blank stands before the `[` that takes something out of a value", "write `x[…]`"),
    (r#"allow if f"a{x}" == "a""#, 3, 10, "no `f` stands before a text", r#"a text with expressions in it is `$"… {x} …"`"#),
    (r#"allow if $"a{}" == "a""#, 3, 14, r#"there is nothing in the braces of `$"…"`"#, r"put a value there, or write `\{` for a brace that is text"),
    (r#"allow if $"a{input.x" == "a""#, 3, 10, r#"the expression in the braces of this `$"…"` is not closed"#, "put a `}` behind it"),
    (r#"allow if $x == "a""#, 3, 10, "a `$` stands only before a text that has expressions in it", r#"write `$"… {x} …"` for that, or the name without the `$`"#),
    (r#"allow if ${x} == "a""#, 3, 10, "a `$` stands only before a text that has expressions in it", r#"write `$"… {x} …"` for that, or the name without the `$`"#),
    ("allow if input.ip == 10.0.0.0/8", 3, 22, "nothing can be taken out of `10.0`, and it cannot be called", r#"an address or a version is a text: `"10.0.0.0/8"`"#),
    ("allow if time.x == 09", 3, 20, "the number `09` begins with a zero", "leave the zero out, or put the digits into double quotes if they are a text"),
    ("allow if 5m == x", 3, 10, "`5m` is neither a number nor a name", "a name does not begin with a digit; a text stands in double quotes"),
    ("allow if 1_000 == x", 3, 10, "`1_000` is neither a number nor a name", "write a number without `_`"),
    ("allow if some x in 1..10", 3, 20, "a point in a number wants a digit behind it", "the numbers from 1 to 5 are `numbers.range(1, 5)`"),
    (r#"allow if every x in input.teams: x == "a""#, 3, 32, "what has to hold for every item stands in braces", "write `every x in xs { … }`"),
    ("allow if not not input.x", 3, 14, "one `not` cannot stand behind another", "give the inner condition a rule of its own"),
    ("allow if input.x == not input.y", 3, 21, "`not` stands at the beginning of a condition, and is no value", "write `not x` as a condition of its own; for a value, `x == false`"),
    ("allow if not some x in input.xs", 3, 14, "`some` cannot stand behind `not`", "write what must not hold as a rule of its own, `found if { some … }`, and then `not found`"),
    ("x := [x for x in input.xs]", 3, 9, "Rego has no `for`", "write what is collected, then `|`, then the conditions: `[x | some x in xs]`"),
    ("x := {x for x in input.xs}", 3, 9, "Rego has no `for`", "write what is collected, then `|`, then the conditions: `[x | some x in xs]`"),
    ("x := [x | for x in input.xs]", 3, 11, "`for`: Rego has no loops", "write `some x in xs` for one that the following conditions hold of, `every x in xs { … }` if they have to hold for all"),
    ("allow := {\n\tinput.x == 1\n\tinput.y == 2\n}", 5, 2, "these braces hold a set or an object, and no conditions", "conditions stand behind `if`: `allow if { … }`"),
    ("allow := {\n\tx := 1\n\tinput.y == 2\n}", 4, 4, "these braces hold a set or an object, and no conditions", "conditions stand behind `if`: `allow if { … }`"),
    ("allow if {\n\tx += 1\n}", 4, 4, "Rego has no `+=`: no value is ever changed", "give the new value a name of its own, as in `y := x + 1`"),
    ("allow if {\n\tx = y = 1\n}", 4, 8, "`=` stands for the second time in one condition", "give one name in each condition"),
    ("allow if {\n\tx := 1 else 2\n}", 4, 9, "no `else` stands within a body: it belongs behind one", "write `level := 1 if { … } else := 2`"),
    ("x := input.a ? 1 : 2", 3, 14, "Rego has no `?`", "write `value := a if { … } else := b` for a choice"),
    ("allow if {\n\tsome x in input.xs { x == 1 }\n}", 4, 21, "no braces stand behind `some`", "write the conditions on what it finds on the lines below it"),
    ("allow if f(a b)", 3, 14, "before `b` a `,` is missing", "what is between `(` and `)` is divided by `,`"),
    ("allow if f(x=1)", 3, 13, "arguments have no names", "write the values alone, in their order"),
    ("deny[\"x\"] if { input.x }\ndeny[msg] { msg := \"a\" }", 4, 1, "in Rego v1 an item is put into a set with `contains`, and a body stands after `if`", "write `deny contains msg if { … }`"),
    ("contains x if true", 3, 1, "before `contains` the name of a set is missing", "write `team contains … if …`"),
    ("deny contains if true", 3, 15, "behind `contains` stands what is put into the set", r#"write `deny contains "item" if { … }`"#),
    (r#"deny contains msg { msg := "a" }"#, 3, 19, "in Rego v1 a body stands after `if`", "write `deny contains msg if { … }`"),
    ("f(x) contains 1 if true", 3, 6, "a function gives a value and is no set", "write `f(x) := {…}`, with a set as its value"),
    (r#"deny contains "x" if { input.a } else { input.b }"#, 3, 34, "`else` goes with a rule that is one value, and this one is a set, or an object with one field for each key", "write what is put into it otherwise as a rule of its own"),
    ("import foo.bar\nallow if true", 3, 8, "an import begins with `input`, `data`, `rego` or `future`, and not with `foo`", "most policies import nothing: all builtins are there"),
    ("import rego.v2\nallow if true", 3, 8, "the only import of `rego` is `rego.v1`, and it has no other name", "write `import rego.v1`"),
    ("import future.keyword.in\nallow if true", 3, 8, "there is no such import of `future`", "write `import rego.v1`, or `import future.keywords`"),
    ("import input.if\nallow if true", 3, 8, "what is imported would be called as a keyword is", "give it another name: `import … as name`"),
    ("from rego import v1\nallow if true", 3, 1, "`from`: there is no statement with this word", "write `package spacelift` on the first line; most policies import nothing"),
    ("package other\nallow if true", 3, 1, "a text has one package, and this is the second", "take this line away, and what belongs to another policy"),
    ("allow := true;", 3, 14, "no `;` stands outside of bodies", "take the `;` away"),
    ("allow if true;\ndeny if false;", 3, 14, "no `;` stands outside of bodies", "take the `;` away"),
    ("allow if x in[1, 2]", 3, 12, "`in` is a name here, because a `[` follows it without a blank", "put a blank behind `in`"),
    ("allow if { x in[1, 2] }", 3, 14, "`in` is a name here, because a `[` follows it without a blank", "put a blank behind `in`"),
    ("if := 1", 3, 1, "before `if` the name of a rule is missing", "write `allow if { … }`"),
    (r#"allow if input.x == "a" and not input.y"#, 3, 25, "Rego has no `and`", "put the conditions into braces, each on a line of its own: `if { …; … }`"),
    ("allow if any x in input.xs", 3, 10, "`any`: there is no statement with this word", "write `some x in xs`, and the condition below it"),
    ("allow if {\n\tany x in input.xs; x\n}", 4, 2, "`any`: there is no statement with this word", "write `some x in xs`, and the condition below it"),
    (r#"lower("x")"#, 3, 1, "`lower` is a builtin, and no rule can be called so", "a condition stands behind `if`: `allow if …`"),
    ("allow if -(1 + 2) < 0", 3, 11, "a `-` stands only before a number, a name or a reference, a `.` only before digits", "write `0 - (…)` for all that is in brackets"),
    ("allow -> true", 3, 7, "Rego has no `->`", "write `:` between the key and the value of an object, `:=` before a value"),
    ("allow if (input.x", 3, 10, "the `(` is not closed before the end of the text", "put the `)` where what belongs to it ends"),
    ("allow if (input.x == 1 input.y == 2)", 3, 24, "`input` stands where the `(` of line 3 ought to be closed", "an operator or a `)` is missing"),
    (r#"allow if input["x" == 1"#, 3, 15, "the `[` is not closed before the end of the text", "put the `]` where what belongs to it ends"),
    ("allow if input.x == \n", 3, 18, "behind `==` a value is missing", ""),
    ("allow if input.x == }", 3, 21, "`}` closes nothing that is open here", "take the `}` away, or open what it closes"),
    ("allow if input.x == é", 3, 21, "`é` can stand only in a text or in a comment", "names are made of the letters `a` to `z`, digits and `_`"),
    ("allow if input.x == 1", 3, 17, "a blank of another kind stands here, which cannot be told from a plain one by eye", "write a plain blank in its place"),
    ("x := 1\nelse := 2", 4, 1, "an `else` stands behind the body of a rule, and there is none before it", "write `level := 1 if { … } else := 2`"),
    ("allow = true { input.x == 1 }\ndeny = true { input.y == 1 ", 4, 13, "the `{` is not closed before the end of the text", "put the `}` where what belongs to it ends"),
    ("allow { input.x == 1 or input.y }", 3, 22, "Rego has no `or`", r#"write the rule a second time with the other condition, or for values of one thing `x in {"a", "b"}`"#),
    ("allow {\n  !input.x\n}", 4, 3, "Rego has no `!`", "write `not` before the condition: `not x`"),
    ("allow { input.x == 1 }\n\ndeny[msg] { msg = input.x msg }", 5, 27, "two expressions on one line: the second begins with `msg`", "put `;` or a line break between them, or the operator that is missing"),
];

/// The same of policies that state v0.
#[rustfmt::skip]
const OLD: [Mistake; 4] = [
    ("team contains name { name := input.session.teams[_] }", 3, 6, "`contains` is a name like any other in Rego v0, unless it is imported", "add `import rego.v1` below `package`, or leave the version of the policy unstated"),
    (r#"allow { "ops" in input.session.teams }"#, 3, 15, "`in` is a name like any other in Rego v0, unless it is imported", "add `import rego.v1` below `package`, or leave the version of the policy unstated"),
    ("allow if { input.x }", 3, 7, "`if` is a name like any other in Rego v0, unless it is imported", "add `import rego.v1` below `package`, or leave the version of the policy unstated"),
    (r#"roles["a"]["b"] if { input.x }"#, 3, 17, "`if` is a name like any other in Rego v0, unless it is imported", "add `import rego.v1` below `package`, or leave the version of the policy unstated"),
];

/// From the beginning of the text.
#[rustfmt::skip]
const NO_POLICIES: [Mistake; 13] = [
    ("allow if input.session.member", 1, 1, "a policy begins with `package`", "write `package spacelift` on the first line"),
    (r#"{"package": "spacelift"}"#, 1, 1, "a policy begins with `package`", "this looks like JSON: a policy is Rego, and begins with `package spacelift`"),
    ("allow: true\n", 1, 1, "a policy begins with `package`", "this looks like YAML: a policy is Rego, and begins with `package spacelift`"),
    ("```rego\npackage spacelift\nallow if true\n```", 1, 1, "a policy begins with `package`", "take away the lines of backquotes around the policy, and begin with `package spacelift`"),
    ("", 1, 1, "there is no policy in the text: it is empty, or has comments alone", "begin with `package spacelift`"),
    ("# nothing\n", 1, 1, "there is no policy in the text: it is empty, or has comments alone", "begin with `package spacelift`"),
    ("---\nname: x\n", 1, 1, "a policy begins with `package`", "this looks like YAML: a policy is Rego, and begins with `package spacelift`"),
    ("package spacelift\npackage spacelift\nallow if true", 2, 1, "a text has one package, and this is the second", "take this line away, and what belongs to another policy"),
    ("package my-policy\nallow if true", 1, 11, "a name has no `-`", "write `package my_policy`"),
    ("package \"spacelift\"\nallow if true", 1, 9, "behind `package` stands a path of names", "write `package spacelift`"),
    ("package\n", 1, 1, "behind `package` stands a path of names", "write `package spacelift`"),
    ("import rego.v1\npackage spacelift", 1, 1, "a policy begins with `package`", "write `package spacelift` above the imports"),
    ("package spacelift;\nallow if true", 1, 18, "no `;` stands outside of bodies", "take the `;` away"),
];
