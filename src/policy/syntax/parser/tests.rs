//! Texts that OPA 1.20.2 takes, and such as it refuses, and what is made of them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::tree::{AuthoredRule, Expr, Literal, Module, Operator, RuleHead, TemplatePart};
use super::super::{parse, walk};
use crate::model::RegoVersion;

/// `texts.toml`: `tests/opa/opa.py texts` holds it to OPA itself.
#[derive(Deserialize)]
struct ParsedByOpa {
    settings: BTreeMap<String, Setting>,
    texts: Vec<Texts>,
}

#[derive(Deserialize)]
struct Setting {
    rego: RegoVersion,
    before: String,
}

/// Texts, and the settings in which each of them is taken or refused.
#[derive(Deserialize)]
struct Texts {
    name: String,
    #[serde(default)]
    taken: Vec<String>,
    #[serde(default)]
    refused: Vec<String>,
    each: Vec<String>,
}

#[test]
fn a_text_is_taken_if_opa_takes_it_and_refused_if_opa_refuses_it() {
    let ParsedByOpa { settings, texts } = toml::from_str(include_str!("texts.toml")).unwrap();
    for Texts { name, taken, refused, each } in &texts {
        for (setting, is_taken) in taken.iter().map(|setting| (setting, true)).chain(refused.iter().map(|setting| (setting, false))) {
            let Setting { rego, before } = &settings[setting];
            for text in each {
                let found = parse("p", &format!("{before}{text}"), Some(*rego)).map(drop);
                assert_eq!(found.is_ok(), is_taken, "{name}, {setting}: {text}: {found:?}");
            }
        }
    }
}

fn module(text: &str) -> Module {
    parse("p", &format!("package p\n{text}"), Some(RegoVersion::V1)).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// The value of `x := …`.
fn value(text: &str) -> super::super::tree::ExprRef {
    let module = module(&format!("x := {text}"));
    let AuthoredRule::Spec { head: RuleHead::Compr { assign: Some(assign), .. }, .. } = module.policy[0].as_ref() else { panic!("{text}") };
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
        let AuthoredRule::Spec { bodies, .. } = module.policy[0].as_ref() else { panic!("{text}") };
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
        let AuthoredRule::Spec { head, .. } = module.policy[0].as_ref() else { panic!("{text}") };
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
    let AuthoredRule::Spec { bodies, .. } = module.policy[0].as_ref() else { panic!() };
    let shown: Vec<_> = bodies
        .iter()
        .map(|body| (body.is_else, body.assign.as_ref().map(|assign| assign.value.span().text()), body.query.stmts.len()))
        .collect();
    assert_eq!(shown, [(false, None, 1), (true, Some("2"), 1), (true, Some("3"), 0)]);
}

#[test]
fn loops_are_told_from_declarations() {
    let module = module("x if { some a, b in c; some d, e; every k, v in {f} { g } }");
    let AuthoredRule::Spec { bodies, .. } = module.policy[0].as_ref() else { panic!() };
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
    let AuthoredRule::Spec { bodies, .. } = module.policy[0].as_ref() else { panic!() };
    let mut names = Vec::new();
    walk::visit_query(&bodies[0].query, &mut |expr| names.extend(walk::var(expr).map(str::to_owned)));
    names.sort();
    assert_eq!(names, ["c", "d", "e", "f", "g", "h", "y"]);
    assert_eq!(bodies[0].query.stmts.iter().flat_map(walk::declared).collect::<Vec<_>>(), ["y", "e", "f"]);
}
