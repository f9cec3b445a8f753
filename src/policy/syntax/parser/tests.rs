//! Texts that OPA 1.20.2 takes, and such as it refuses, and what is made of them.

use super::super::tree::{Expr, Literal, Module, Operator, Rule, RuleHead, TemplatePart};
use super::super::{parse, walk};
use crate::model::RegoVersion;

fn taken(version: RegoVersion, before: &str, texts: &[&str]) {
    for text in texts {
        let found = parse("p", &format!("{before}{text}"), Some(version));
        assert!(found.is_ok(), "{text}: {}", found.map(|_| ()).unwrap_err());
    }
}

fn refused(version: RegoVersion, before: &str, texts: &[&str]) {
    for text in texts {
        assert!(parse("p", &format!("{before}{text}"), Some(version)).is_err(), "{text} is taken");
    }
}

fn v1_takes(rules: &[&str]) {
    taken(RegoVersion::V1, "package p\n", rules);
}

fn v1_refuses(rules: &[&str]) {
    refused(RegoVersion::V1, "package p\n", rules);
}

fn module(text: &str) -> Module {
    parse("p", &format!("package p\n{text}"), Some(RegoVersion::V1)).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// The value of `x := …`.
fn value(text: &str) -> super::super::tree::ExprRef {
    let module = module(&format!("x := {text}"));
    let Rule::Spec { head: RuleHead::Compr { assign: Some(assign), .. }, .. } = module.policy[0].as_ref() else { panic!("{text}") };
    assign.value.clone()
}

/// An expression with a bracket around each operator's operands.
fn bracketed(expr: &Expr) -> String {
    let two = |op: String, lhs: &Expr, rhs: &Expr| format!("({} {op} {})", bracketed(lhs), bracketed(rhs));
    match expr {
        Expr::Binary { op: Operator::Sets(op), lhs, rhs, .. } => two(format!("{op:?}"), lhs, rhs),
        Expr::Binary { op: Operator::Compare(op), lhs, rhs, .. } => two(format!("{op:?}"), lhs, rhs),
        Expr::Binary { op: Operator::Arithmetic(op), lhs, rhs, .. } => two(format!("{op:?}"), lhs, rhs),
        Expr::Membership { key: None, value, collection, .. } => two("in".to_owned(), value, collection),
        Expr::UnaryExpr { expr, .. } => format!("-({})", bracketed(expr)),
        other => other.span().text().to_owned(),
    }
}

#[test]
fn operators_bind_tighter_the_nearer_they_are_to_numbers() {
    assert_eq!(bracketed(&value("a + b * c - d")), "((a Add (b Mul c)) Sub d)");
    assert_eq!(bracketed(&value("a | b & c == d + e")), "((a Union (b Intersection c)) Eq (d Add e))");
    assert_eq!(bracketed(&value("a in b in c | d")), "((a in b) in (c Union d))");
    assert_eq!(bracketed(&value("(a + b) * -c.d")), "((a Add b) Mul -(c.d))");
    assert_eq!(bracketed(&value("1 - -1")), "(1 Sub -1)");
}

#[test]
fn a_place_has_the_quotes_and_brackets_that_belong_to_it() {
    let expr = value("(\"é\" + [b]) * {c}[`d`]");
    assert_eq!(expr.span().text(), "(\"é\" + [b]) * {c}[`d`]");
    assert_eq!((expr.span().line, expr.span().col), (2, 6));
    let Expr::Binary { lhs, rhs, .. } = expr.as_ref() else { panic!() };
    assert_eq!(lhs.span().text(), "\"é\" + [b]");
    assert_eq!(rhs.span().text(), "{c}[`d`]");
    // In characters, though an é has two bytes.
    assert_eq!((rhs.span().col, rhs.span().start), (20, 30));
}

#[test]
fn a_number_is_its_text_and_its_value() {
    let number = |text: &str| {
        let expr = value(text);
        let Expr::Scalar { value, span } = expr.as_ref() else { panic!("{text}") };
        (span.text().to_owned(), value.clone())
    };
    assert_eq!(number("- 1"), ("- 1".to_owned(), regorus::Value::from(-1)));
    assert_eq!(number(".5").1, regorus::Value::from(0.5));
    assert_eq!(number("0e99999999999").1, regorus::Value::from(0));
    assert_eq!(number("1e3").1, regorus::Value::from(1000));
}

#[test]
fn escapes_stand_for_characters_and_halves_of_pairs_for_none() {
    let text = |text: &str| match value(text).as_ref() {
        Expr::Scalar { value, .. } => value.as_string().unwrap().to_string(),
        _ => panic!("{text}"),
    };
    assert_eq!(text(r#""\u00e9\n\"\\\/""#), "é\n\"\\/");
    assert_eq!(text(r#""\ud83d\ude00""#), "😀");
    assert_eq!(text(r#""\ud83d\u0041\ude00""#), "\u{fffd}A\u{fffd}");
    assert_eq!(text(r"`\d\n`"), r"\d\n");
}

#[test]
fn a_template_has_its_texts_and_its_expressions() {
    let parts = |text: &str| {
        let expr = value(text);
        let Expr::Template { parts, span } = expr.as_ref() else { panic!("{text}") };
        assert_eq!(span.text(), text);
        let shown = |part: &TemplatePart| match part {
            TemplatePart::Text(text) => format!("text {text}"),
            TemplatePart::Expr(expr) => format!("expr {}", expr.span().text()),
        };
        parts.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(parts(r#"$"a\{b\n{ x.y["{"] }{z}c""#), ["text a{b\n", r#"expr x.y["{"]"#, "expr z", "text c"]);
    assert_eq!(parts(r"$`\d\{{x}\n`"), [r"text \d{", "expr x", r"text \n"]);
    assert_eq!(parts(r#"$"{$"{a}b"}""#), [r#"expr $"{a}b""#]);
}

#[test]
fn what_is_behind_if_is_a_body_or_a_condition() {
    let conditions = |text: &str| {
        let module = module(&format!("x if {text}"));
        let Rule::Spec { bodies, .. } = module.policy[0].as_ref() else { panic!("{text}") };
        bodies
            .iter()
            .map(|body| body.query.stmts.iter().map(|statement| statement.span.text().to_owned()).collect())
            .collect::<Vec<Vec<_>>>()
    };
    assert_eq!(conditions("{ a; b }"), [["a", "b"]]);
    assert_eq!(conditions("{ a }"), [["a"]]);
    assert_eq!(conditions("{a} & {b}"), [["{a} & {b}"]]);
    assert_eq!(conditions("{\"a\": b}"), [["{\"a\": b}"]]);
    assert_eq!(conditions("{a | b}"), [["{a | b}"]]);
    assert_eq!(conditions("not a with input as 1"), [["not a with input as 1"]]);
    // OPA takes what stands in braces behind a condition for another body.
    assert_eq!(conditions("a { b }"), [["a"], ["b"]]);
}

#[test]
fn a_head_of_one_bracket_is_a_set_in_v0_alone() {
    let head = |version, text: &str| {
        let module = parse("p", &format!("package p\n{text}"), Some(version)).unwrap();
        let Rule::Spec { head, .. } = module.policy[0].as_ref() else { panic!("{text}") };
        match head {
            RuleHead::Set { refr, key, .. } => format!("{} contains {}", refr.span().text(), key.span().text()),
            RuleHead::Compr { refr, .. } => refr.span().text().to_owned(),
            RuleHead::Func { refr, args, .. } => format!("{} of {}", refr.span().text(), args.len()),
        }
    };
    assert_eq!(head(RegoVersion::V0, "p[x] { x := 1 }"), "p contains x");
    assert_eq!(head(RegoVersion::V0, "p[\"a\"]"), "p contains \"a\"");
    assert_eq!(head(RegoVersion::V0, "p.q { x }"), "p contains q");
    assert_eq!(head(RegoVersion::V0, "p[x] = 1 { x := 1 }"), "p[x]");
    assert_eq!(head(RegoVersion::V0, "p.q[x] { x := 1 }"), "p.q[x]");
    assert_eq!(head(RegoVersion::V1, "p[x] if x := 1"), "p[x]");
    assert_eq!(head(RegoVersion::V1, "p.q contains x if x := 1"), "p.q contains x");
    assert_eq!(head(RegoVersion::V1, "f(\"a\")"), "f of 1");
    // OPA sees no function in empty parentheses.
    assert_eq!(head(RegoVersion::V1, "f() := 1 if x"), "f");
}

#[test]
fn an_else_without_a_body_has_an_empty_one() {
    let module = module("x := 1 if a else := 2 if { b } else := 3");
    let Rule::Spec { bodies, .. } = module.policy[0].as_ref() else { panic!() };
    let shown: Vec<_> = bodies
        .iter()
        .map(|body| (body.is_else, body.assign.as_ref().map(|assign| assign.value.span().text()), body.query.stmts.len()))
        .collect();
    assert_eq!(shown, [(false, None, 1), (true, Some("2"), 1), (true, Some("3"), 0)]);
}

#[test]
fn loops_are_told_from_declarations() {
    let module = module("x if { some a, b in c; some d, e; every k, v in {f} { g } }");
    let Rule::Spec { bodies, .. } = module.policy[0].as_ref() else { panic!() };
    let shown: Vec<_> = bodies[0]
        .query
        .stmts
        .iter()
        .map(|statement| match &statement.literal {
            Literal::SomeIn { key, value, collection, .. } => {
                format!("{} {} {}", key.as_ref().unwrap().span().text(), value.span().text(), collection.span().text())
            }
            Literal::SomeVars { vars, .. } => vars.iter().map(super::super::tree::Span::text).collect::<Vec<_>>().join(","),
            Literal::Every { key, value, domain, query, .. } => {
                format!("{} {} {} {}", key.as_ref().unwrap().text(), value.text(), domain.span().text(), query.span.text())
            }
            Literal::Expr { .. } | Literal::NotExpr { .. } => String::new(),
        })
        .collect();
    assert_eq!(shown, ["a b c", "d,e", "k v {f} g"]);
}

#[test]
fn an_import_tells_whether_not_has_bodies_and_whether_rules_are_of_v1() {
    let of = |version, text: &str| {
        let module = parse("p", &format!("package p\n{text}"), Some(version)).unwrap();
        (module.rego_v1, module.not_bodies)
    };
    assert_eq!(of(RegoVersion::V0, "import future.keywords"), (false, true));
    assert_eq!(of(RegoVersion::V0, "import future.keywords.in"), (false, false));
    assert_eq!(of(RegoVersion::V0, "import rego.v1"), (true, false));
    assert_eq!(of(RegoVersion::V1, "import future.keywords.not"), (true, true));
}

#[test]
fn v1_is_tried_before_v0() {
    let is_v1 = |text: &str| parse("p", text, None).unwrap().rego_v1;
    assert!(is_v1("package p\nx := 1"));
    assert!(!is_v1("package p\nx { true }"));
    // What v0 would take for two facts is refused, and not taken as v0.
    assert!(parse("p", "package p\nroles[\"a\"][\"b\"] if { x }\ny { z }", None).is_err());
    assert!(parse("p", "package p\nroles[\"a\"][\"b\"] if { x }", Some(RegoVersion::V0)).is_err());
}

#[test]
fn what_is_nested_without_end_is_a_fault() {
    for (open, close) in
        [("{", "}"), ("[", "]"), ("(", ")"), ("f(", ")"), ("{a | ", "}"), ("{1: ", "}"), ("[a | every b in c {", "}]"), ("$\"{", "}\"")]
    {
        let nested = |depth: usize| format!("package p\nx if {}1{}", open.repeat(depth), close.repeat(depth));
        assert!(parse("p", &nested(40), Some(RegoVersion::V1)).is_ok(), "{open}");
        let fault = parse("p", &nested(5_000), Some(RegoVersion::V1)).unwrap_err();
        assert!(fault.reason.starts_with("more than"), "{open}: {fault}");
    }
    for chain in [" + 1", " == 1", " in x", " | y", ".y", "[0]", "(1)[0]"] {
        let chained = |length: usize| format!("package p\nx if y{}", chain.repeat(length));
        assert!(parse("p", &chained(100), Some(RegoVersion::V1)).is_ok(), "{chain}");
        let fault = parse("p", &chained(20_000), Some(RegoVersion::V1)).unwrap_err();
        assert!(fault.reason.starts_with("more than"), "{chain}: {fault}");
    }
}

#[test]
fn what_has_to_be_read_twice_is_not_read_twice_at_each_level() {
    // As long as it would take is longer than anybody waits.
    for (open, close) in [("{a|b,{c|d,", "}}"), ("{a:b|c,d:", "}"), ("{a; {b|", "}}"), ("[a|b,{c:d|", "}]"), ("{{", "}}")] {
        let text = format!("package p\nx if {}a{}", open.repeat(45), close.repeat(45));
        let _ = parse("p", &text, None);
    }
    let long = format!("package p\nx := [{}]", "\"name\", ".repeat(30_000));
    assert!(parse("p", &long, None).is_ok());
}

#[test]
fn long_numbers_do_not_cost_more_than_they_are_long() {
    let fault = |text: &str| parse("p", &format!("package p\nx := [{text}]"), None).unwrap_err().reason;
    assert!(fault(&"1e30000, ".repeat(1000)).contains("too many digits"));
    assert!(fault(&"9".repeat(200_000)).contains("larger or smaller"));
}

#[test]
fn a_text_that_is_too_long_is_not_looked_at() {
    assert!(parse("p", &" ".repeat(super::super::TEXT_MAX + 1), None).unwrap_err().reason.contains("bytes"));
}

#[test]
fn a_character_that_no_policy_may_have_is_told_where_it_stands() {
    let fault = parse("p", "package p\nx := 1 # \0", None).unwrap_err();
    assert_eq!((fault.line, fault.column), (2, 10));
}

#[test]
fn names_in_the_tree_are_found_by_walks() {
    let module = module("x if { y := [a.b[c] | d]; some e, {\"k\": f} in g; $\"{h}\" }");
    let Rule::Spec { bodies, .. } = module.policy[0].as_ref() else { panic!() };
    let mut names = Vec::new();
    walk::visit_query(&bodies[0].query, &mut |expr| names.extend(walk::var(expr).map(str::to_owned)));
    names.sort();
    assert_eq!(names, ["c", "d", "e", "f", "g", "h", "y"]);
    assert_eq!(bodies[0].query.stmts.iter().flat_map(walk::declared).collect::<Vec<_>>(), ["y", "e", "f"]);
}

#[test]
fn what_stands_in_a_body_is_divided_by_line_breaks_and_semicolons() {
    v1_takes(&[
        "x if { a; b }",
        "x if { a\n b }",
        "x if { a\n; b }",
        "x if { a # c\n b }",
        "x if { }",
        "x if {}",
        "y := 1 z := 2",
        "x if { a\r\n b }",
    ]);
    v1_refuses(&[
        "x if { a b }",
        "x if { a; }",
        "x if { ; a }",
        "x if { a, b }",
        "x if a b",
        "x if a; b",
        "y := 1; z := 2",
        "x if { a\r b }",
        "x { }",
    ]);
}

#[test]
fn what_begins_with_a_brace_behind_if_is_a_condition_if_it_can_be_one() {
    v1_takes(&[
        "x if {a}",
        r#"x if {"a": 1}"#,
        "x if {a | b}",
        "x if {a | b; c}",
        "x if {a: b | c}",
        "x if {a} & {b} == c",
        "x if {a} == {b}",
        r#"x if {"a": 1}["a"]"#,
        "x if [a][0]",
        "x if {a}.b",
        "x if {a := 1}",
        "x if {a in b}",
        "x if {a, b in c}",
        "x if set()",
        "x if {{a}}",
        "x if {a} {b}",
        "x if a {b}",
        "x if not {a}",
        "x if {a}\n{b}",
    ]);
    v1_refuses(&["x if {a, b}", "x if {a} with input as 1", "x if {a; b} with input as 1", "x if {, a}"]);
}

#[test]
fn a_bar_is_a_comprehension_before_it_is_a_union() {
    v1_takes(&[
        "x := {a | b}",
        "x := {a | b, c}",
        "x := [a | b]",
        "x := [a | b, c]",
        "x := [a + b | c]",
        "x := {a + b | c}",
        "x := {a: b | c}",
        "x := {a: b | c, d: e}",
        "x := {a: b + c | d}",
        "x := {a + b: c | d}",
        "x := {x: true | y, [] in z: a}",
        "x := {a | some b in c; d}",
        "x := [, a | b]",
        "x := {, a | b}",
        "x := {a | b | c}",
    ]);
    v1_refuses(&["x := [a | b c]", "x := {a | }", "x := {| a}"]);
}

#[test]
fn lists_may_end_or_begin_with_a_comma() {
    v1_takes(&["x := [1, 2,]", "x := [, 1]", "x := {1, 2,}", "x := {, 1}", r#"x := {"a": 1,}"#, r#"x := {, "a": 1}"#, "x := f(1,)"]);
    v1_refuses(&[
        "x := [,]",
        "x := [1,, 2]",
        "x := f(, 1)",
        "x := [1 2]",
        "x := {1 2}",
        r#"x := {"a": 1 "b": 2}"#,
        r#"x := {"a": 1, "b"}"#,
        r#"x := {1, "b": 2}"#,
    ]);
}

#[test]
fn references_are_written_without_blanks() {
    v1_takes(&["x if a.b", "x if a[0]", "x if f(a)", "p [x] if y", "x if a.b.c(d)[e].f", "x if a[ b ]", "x if a.if", "x if a.true"]);
    v1_refuses(&[
        "x if a .b",
        "x if a. b",
        "x if a [0]",
        "x if f (a)",
        "x if a\n.b",
        "x if a.b\n[0]",
        "p .q := 1",
        "f (x) := 1",
        "p.q .r if x",
        "x if a[b c]",
        "x if a[]",
        "x if a.",
        "x if a.0",
        r#"x if a."b""#,
    ]);
}

#[test]
fn few_things_have_no_fields() {
    v1_takes(&[
        "x if true.a",
        "x if null[0]",
        "x if [1][0]",
        "x if {1}[1]",
        r#"x if {"a": 1}.a"#,
        "x if f(1).a",
        "x if (a).b",
        "x if (a + b).c",
        "x if [a | b][0]",
        "x if set().a",
    ]);
    v1_refuses(&[
        r#"x if "a".b"#,
        "x if 1 .b",
        "x if 1.b",
        "x if f(1)(2)",
        "x if (a.b).c",
        "x if (input).a",
        r#"x if "a"(1)"#,
        r#"x if $"a".b"#,
    ]);
}

#[test]
fn operators_bind_as_in_other_languages() {
    v1_takes(&[
        "x if a == b == c",
        "x if a + b * c - d / e % f",
        "x if a | b & c == d",
        "x if a in b in c",
        "x if a, b in c",
        "x if a, b in c in d",
        "x if (a, b in c)",
        "x if f(a, b in c)",
        "x if [a, b in c]",
        "x if a in [1]",
        "x if a in{1}",
        "x if a in(b)",
    ]);
    v1_refuses(&[
        "x if a = b = c",
        "x if a := b := c",
        "x if a := b = c",
        "x if a ==",
        "x if == a",
        "x if a = not b",
        "x if a in[1]",
        "x := a := 1",
        "x if a & & b",
        "x if a == = b",
    ]);
}

#[test]
fn a_minus_stands_before_numbers_names_and_references() {
    v1_takes(&[
        "x := -1",
        "x := - 1",
        "x := -y",
        "x := -y.z[0]",
        "x := -f(1)",
        "x := 1 - -1",
        "x := 1--1",
        "x := 1 -1",
        "x := -input",
        "x := -.5",
        "x := - . 5",
        "x := -contains",
    ]);
    v1_refuses(&["x := --1", "x := -(1)", "x := -[1]", r#"x := -"a""#, "x := +1"]);
}

#[test]
fn numbers_are_of_json_and_may_lack_the_zero_before_the_point() {
    v1_takes(&[
        "x := 0",
        "x := 0.5",
        "x := .5",
        "x := .05",
        "x := 1e3",
        "x := 1E+3",
        "x := 1e-3",
        "x := 0e1",
        "x := 1e400",
        "x := 1e30000",
        "x := 1e-30000",
        "x := 0e99999999999",
        "x := 123456789012345678901234567890",
    ]);
    v1_refuses(&[
        "x := 01",
        "x := 00",
        "x := 5.",
        "x := 1e",
        "x := 1a",
        "x := 1_0",
        "x := 0x1",
        "x := 01e1",
        "x := 1.5.5",
        "x := .5.5",
        "x := 1e40000",
        "x := 1e-40000",
        "x := 1e99999999999",
    ]);
}

#[test]
fn texts_are_of_json_or_in_backquotes() {
    v1_takes(&[
        r#"x := "a""#,
        r#"x := """#,
        "x := `a\nb`",
        r#"x := "\n\t\\\"\/\b\f\r""#,
        r#"x := "\u00e9""#,
        r#"x := "\ud83d\ude00""#,
        r#"x := "\ud83d""#,
        r#"x := "\ude00x""#,
        "x := \"a\tb\"",
        r#"x := "é""#,
        "x := ``",
    ]);
    v1_refuses(&[
        "x := \"a\nb\"",
        r#"x := "a"#,
        "x := `a",
        r#"x := "\d""#,
        r#"x := "\u00e""#,
        "x := \"a\tb\\n\"",
        "x := 'a'",
        "x := é",
        "x := \"\u{feff}\"",
        r#"x := "a\"#,
    ]);
}

#[test]
fn templates_hold_one_value_in_each_brace() {
    v1_takes(&[
        r#"x := $"a""#,
        r#"x := $"""#,
        r#"x := $"a{b}c""#,
        r#"x := $"{b}""#,
        r#"x := $"a\{b""#,
        r#"x := $"a{"b"}c""#,
        r#"x := $"a{ {"k": 1}["k"] }c""#,
        r#"x := $"a{$"b{c}"}""#,
        "x := $`a{b}\n{c}`",
        r"x := $`a\{b`",
        "x := $\"a{\nb\n}\"",
        r#"x := $"{b == 1}""#,
        r#"x := $"{b in c}""#,
        r#"x := $"{b | c}""#,
        r#"x := $"}""#,
        r#"x := {$"a"}"#,
        r#"default x := $"a""#,
        r#"default x := $"a{1}""#,
        r#"x[$"a{b}"] if b"#,
    ]);
    v1_refuses(&[
        r#"x := $"{}""#,
        r#"x := $"a{b""#,
        r#"x := $"a{b}"#,
        "x := $\"a\n{b}\"",
        r#"x := $"{b; c}""#,
        r#"x := $"{not b}""#,
        r#"x := $"{b := 1}""#,
        r#"x := $"{b = 1}""#,
        r#"x := $"{some b in c}""#,
        r#"x := $"{every b in c { d }}""#,
        r#"x := $"{1, 2}""#,
        r#"x := $ "a""#,
        "x := $a",
        r#"x := $"\d{a}""#,
        r#"default x := $"a{b}""#,
    ]);
}

#[test]
fn some_and_every() {
    v1_takes(&[
        "x if some y",
        "x if { some y; y }",
        "x if { some y, z; y }",
        "x if some y in z",
        "x if some y, z in a",
        "x if some [y, z] in a",
        r#"x if some {"a": y} in z"#,
        "x if some y.z in a",
        "x if some y in z in a",
        "x if some (y in z)",
        "x if some y in z with input as 1",
        r#"x if some "a", y in z"#,
        "x if some input",
        "x if some contains in z",
        "x if every y in z { a }",
        "x if every k, v in z { a }",
        "x if every _ in z { a }",
        "x if every y in z { a } with input as 1",
        "x if every y in {1} {a}",
        "x if every y in z { every k in y { k } }",
        "x if { some y\nin z }",
    ]);
    v1_refuses(&[
        "x if { some y z }",
        "x if { some y, }",
        "x if some y, z, a in b",
        "x if some f(y)",
        "x if some y == z",
        "x if { some y with input as 1 }",
        "x if some",
        "x if some 1",
        "x if not some y in z",
        "x if every y in z",
        "x if every y in z { }",
        "x if every y { a }",
        "x if every [y] in z { a }",
        "x if every input in z { a }",
        "x if every 1, y in z { a }",
        "x if not every y in z { a }",
    ]);
}

#[test]
fn not_and_with() {
    v1_takes(&[
        "x if not a",
        "x if not a == b",
        "x if not a, b in c",
        "x if not (a)",
        "x if not(a)",
        "x if not a := 1",
        "x if a with input as 1",
        "x if a with input.b as 1 with data.c as 2",
        "x if a with b as c",
        "x if a with b.c[0] as c",
        "x if a\nwith input as 1",
        "x if not a with input as 1",
        "x if a = b with input as 1",
        "with.a := 1",
    ]);
    v1_refuses(&[
        "x if not not a",
        "x if a == not b",
        "x if not",
        "x if a with f(x) as c",
        r#"x if a with "b" as c"#,
        "x if a with b",
        "x if a with b as",
        "x if a with if as 1",
        "x if a with contains as 1",
    ]);
}

#[test]
fn heads_are_what_opa_takes_for_them() {
    v1_takes(&[
        "p := 1",
        "p = 1",
        "p.q := 1",
        "p.q.r := 1",
        "p[x] := 1",
        r#"p["a"] := 1"#,
        "p[`a`] := 1",
        "p[x] if y",
        r#"p["a"] if y"#,
        "p[f(x)] if y",
        r#"p[f(x)]["r"] if y"#,
        "p[x.y] if z",
        "p[1] if y",
        r#"p[{"a": 1}] if y"#,
        "p[x][y].z if a",
        "p.q[x] := 1 if y",
        "p contains 1",
        "p contains x if y",
        "p.q contains x if y",
        "p[x] contains y if z",
        "p contains x, y in z",
        r#"p contains {"a": 1} if x"#,
        r#"f("a")"#,
        "f(1)",
        "f([x, y]) := 1",
        "f() := 1",
        "f() if x",
        "f(x) := 1",
        "f(x)",
        "f(x) = 1 if y",
        "f(x) if y",
        "f.g(x) := 1",
        "f[a](x) := 1",
        "f(x)(y) := 1",
        r#"a.b("c")"#,
        "input := 1",
        "data := 1",
        "_ := 1",
        "(p) := 1",
    ]);
    v1_refuses(&[
        "p",
        "p.q",
        "p.q.r",
        "p[x]",
        r#"p["a"]"#,
        "p contains",
        "p contains if x",
        "f(x) contains 1 if y",
        "f()",
        "f(x).y := 1",
        "[x] := 1",
        "{x} := 1",
        r#""a" := 1"#,
        "1",
        "p == 1",
        "not p",
        "p with input as 1",
        "some p",
        "p in q",
        r#"lower("a")"#,
        "p := 1 if",
        "p := if x",
        "p :=",
        "p = x := 1",
        "p-q := 1",
        "p+q",
        "set() := 1",
    ]);
}

#[test]
fn defaults_are_constant() {
    v1_takes(&[
        "default p := 1",
        "default p = 1",
        "default p",
        "default p.q := 1",
        "default p.q.r",
        r#"default p["a"].b := 1"#,
        "default p[x] := 1",
        "default p := -1",
        r#"default p := [1, {"a": {2}}]"#,
        "default p := [x | x := 1]",
        "default p := {x: 1 | x := 1}",
        "default f(x) := 1",
        "default f(_) := 1",
        "default f(_, _) := 1",
        "default f(x)",
        "default p := set()",
        "default not.x := 1",
    ]);
    v1_refuses(&[
        "default p.q",
        "default p := x",
        "default p := input.x",
        "default p := f(1)",
        "default p := -x",
        "default p := 1 + 1",
        "default p := [x]",
        "default p contains 1",
        "default p if x",
        "default p := 1 if x",
        "default f(x, x) := 1",
        "default f(1) := 1",
        "default",
        "default 1",
        "default if := 1",
    ]);
}

#[test]
fn behind_else_stands_a_value_a_body_or_both() {
    v1_takes(&[
        "p if x else := 1",
        "p := 1 if x else := 2 if y else := 3",
        "p if x else if y",
        "p if x else if { y }",
        "p if { x } else if { y } else := 1",
        "p if x\nelse := 1",
        r#"p["a"] if y else := 1"#,
        "p.q if x else := 1",
        "f(x) := 1 if x else := 2",
        "f(x) if x else = 2",
        "p if x else.y := 1",
        "p if x else[y] := 1",
        "p if x else if {a | b}",
    ]);
    v1_refuses(&[
        "p if x else := 1 { y }",
        "p if x else { y }",
        "p if x else",
        "p if x else 1",
        "p if x else := 1 else := 2",
        "p if x else if y { z }",
        "p if x { y } else := 1",
        "p := 1 else := 2",
        "else := 1",
        "p contains x if y else := 1",
        "p[x] if y else := 1",
        "p[x.y] if z else := 1",
        "p[input.x] if z else := 1",
        "p.q[x] := 1 if y else := 2",
    ]);
}

#[test]
fn keywords_as_names() {
    v1_takes(&[
        "p if contains",
        "p if contains.x",
        "p if x.contains",
        "p if if.x",
        "as.foo := 1",
        "not.foo := 1",
        r#"not["foo"] := 1"#,
        "p if not.foo",
        "p if true.x",
        r#"p if null["a"]"#,
        "package.x := 1",
        "import.x := 1",
        "default.x := 1",
        "and := 1",
        "or := 1",
        "p if and",
        "p if or(x, y)",
        "set := 1",
        "p if set(x)",
    ]);
    v1_refuses(&[
        "if := 1",
        "in := 1",
        "every := 1",
        "contains := 1",
        "contains(x) := 1",
        "contains if x",
        "p if x == if.y",
        "p := as",
        "p[if] if x",
    ]);
}

#[test]
fn packages_and_imports() {
    let both = [
        "package p",
        "package p.q",
        r#"package p["q"].r"#,
        "package p[`q`]",
        r#"package p.q["r s"]"#,
        "package p\n\n\nx := 1",
        "package\np",
        "package if",
        "package p.if",
        "package if.p",
        "package not",
        "package input",
        "package data.x",
        "package p x := 1",
        "package p import rego.v1",
        "package p\nimport data",
        "package p\nimport data.x",
        "package p\nimport data.x.y as z",
        "package p\nimport data[\"x\"]",
        "package p\nimport input",
        "package p\nimport input.x",
        "package p\nimport input as i",
        "package p\nimport data.if as x",
        "package p\nimport data.x as _",
        "package p\nimport.x := 1",
        "package p\nimport rego.v1",
        "package p\nimport future.keywords",
        "package p\nimport future.keywords.in",
        "package p\nimport future.keywords.and",
        "package p\nimport data.x\nx := 1\nimport data.y",
        "package p\nimport data.future",
        "\u{feff}package p",
        "# a\npackage p # b\n# c",
        "package p\r\nx := 1\r\n",
    ];
    let neither = [
        "",
        "package p[q]",
        "package p.1",
        r#"package "p""#,
        "package p(q)",
        "package",
        "package p package q",
        "package p\npackage q",
        "package p-q",
        "package p;",
        "import rego.v1",
        "import rego.v1\npackage p",
        "x := 1",
        "package p\nimport data[x]",
        "package p\nimport foo",
        "package p\nimport foo.bar",
        "package p\nimport \"x\"",
        "package p\nimport",
        "package p\nimport data.x as y.z",
        "package p\nimport data.x as \"y\"",
        "package p\nimport data.x as",
        "package p\nimport data.x as input",
        "package p\nimport not.x",
        "package p\nimport rego",
        "package p\nimport rego.v2",
        "package p\nimport rego.v1.x",
        "package p\nimport future",
        "package p\nimport future.keywords.foo",
        "package p\nimport future.keywords.in as x",
        "package p\nimport future.x",
        "package p\u{feff}",
        "\u{feff}\u{feff}package p",
    ];
    let v0_alone = ["package p\nimport data.if", "package p\nimport data.x as if", "package p\nimport data.x\nif := 1"];
    let v1_alone = ["package p\nimport rego.v1 as r"];
    for version in [RegoVersion::V0, RegoVersion::V1] {
        taken(version, "", &both);
        refused(version, "", &neither);
    }
    taken(RegoVersion::V0, "", &v0_alone);
    refused(RegoVersion::V1, "", &v0_alone);
    taken(RegoVersion::V1, "", &v1_alone);
    refused(RegoVersion::V0, "", &v1_alone);
}

/// Rules as v0 alone has them.
const WITHOUT_KEYWORDS: &[&str] = &[
    "p { x }",
    "p { x } { y }",
    "p = 1 { x }",
    "p := 1 { x }",
    "p[x] { x := 1 }",
    r#"p["a"] { x }"#,
    r#"p["a"]"#,
    "p.q { x }",
    "p.q",
    "p.q.r",
    "p.q.r { x }",
    "p.q[x] { x := 1 }",
    "p[x] = 1 { x := 1 }",
    "p[x] := y { y := 1 }",
    "f(x) { x }",
    "f(x) = 1 { x }",
    "p { x } else { y }",
    "p { x } else = 1 { y }",
    "p { x } else = 1",
    "p.q.r { x } else { y }",
    "p { x\n y }",
    "p { some x; y[x] }",
    "p { contains(x, y) }",
    "contains := 1",
];

/// Rules with the words of v1.
const WITH_KEYWORDS: &[&str] = &["p if x", "p if { x }", "p contains x"];

/// Rules of v0 with the words of v1.
const MIXED: &[&str] = &["p contains x { y }", "p { some x in y }", "p { every x in y { x } }", "p { x in y }"];

/// What means the same to both.
const FACTS: &[&str] = &["p[x] = 1", "f(x) = 1", r#"f("a")"#, "default p = false", "and := 1"];

/// What is no rule of either.
const NO_RULES: &[&str] = &[
    "p",
    "p { x } else = 1 { y } { z }",
    "p[x] { y } else { z }",
    "p.q { x } else { y }",
    "p.q = 1 { x } else = 2",
    "p { }",
    "p {}",
    "p { x y }",
    r#"p { x := $"a" }"#,
];

#[test]
fn rules_of_v0() {
    taken(RegoVersion::V0, "package p\n", &[WITHOUT_KEYWORDS, FACTS].concat());
    refused(RegoVersion::V0, "package p\n", &[WITH_KEYWORDS, MIXED, NO_RULES].concat());
}

#[test]
fn rules_of_v0_with_rego_v1() {
    taken(RegoVersion::V0, "package p\nimport rego.v1\n", &[WITH_KEYWORDS, FACTS].concat());
    refused(RegoVersion::V0, "package p\nimport rego.v1\n", &[WITHOUT_KEYWORDS, MIXED, NO_RULES].concat());
}

#[test]
fn rules_of_v0_with_future_keywords() {
    taken(RegoVersion::V0, "package p\nimport future.keywords\n", &[WITHOUT_KEYWORDS, WITH_KEYWORDS, MIXED, FACTS].concat());
    refused(RegoVersion::V0, "package p\nimport future.keywords\n", NO_RULES);
}
