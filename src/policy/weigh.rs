//! A module that weighs what it puts together.
//!
//! A value whose parts are shared is small in memory and can be without end when it is walked through, in one step of the interpreter,
//! which neither the clock nor the budget interrupts. So each [place](sharing) where that can come about calls a function of ours, which
//! charges what the value would take if nothing of it were shared. What has been put together is then never larger than the memory
//! limit, and neither is what is made of it. Most policies have no such place, and are left as they are.
//!
//! Refusing doubled values by the text alone was rejected: how often a comprehension puts a value into another is not in the text.

use std::time::Duration;

use regorus::unstable::{Expr, Literal, Module, Query, Rule, RuleHead};
use regorus::{Engine, Value};

use super::builtins::budget;
use super::check::{ast, sharing, sharing::Place};
use super::edits::{Edits, Moved};
use super::fault::PolicyFault;
use super::module::{self, Parsed};

/// What the function is called: of a value alone, and of a value and the steps that lead to it.
const WEIGH: &str = "claviger_weigh";
const WEIGH_ENTRY: &str = "claviger_weigh_entry";

/// The module with the calls, if it needs any, and how they move its columns.
pub(super) fn module(place: &str, module: &Module, time_limit: Duration) -> Result<(Option<Parsed>, Moved), PolicyFault> {
    let Some((text, moved)) = weigh(place, module)? else { return Ok((None, Moved::default())) };
    let parsed = module::rewritten(place, &text, module::version(module), time_limit)?;
    // The calls are put in by the places that regorus says; a wrong one must not make another policy of it.
    if !is_same(module, &parsed.module) {
        return Err(PolicyFault::of(place, "what it puts together cannot be watched"));
    }
    Ok((Some(parsed), moved))
}

fn weigh(place: &str, module: &Module) -> Result<Option<(String, Moved)>, PolicyFault> {
    let mut edits = Edits::of(module);
    // A function of the policy's own would be called in the place of ours.
    let text: &str = module.package.refr.span().source.get_contents();
    if let Some(at) = text.find(WEIGH) {
        let fault = PolicyFault::at_byte(place, text, at, format!("the name `{WEIGH}` is taken"));
        return Err(fault.hint("give it another name"));
    }
    let places = sharing::places(module).map_err(|span| {
        PolicyFault::at_span(place, span, "it cannot be told which side of `=` gives the other its value").hint("write `:=`")
    })?;
    let brackets = edits.brackets();
    for found in places {
        match found {
            Place::Collection(span) => {
                if let Some(start) = brackets.get(&(span.end as usize)) {
                    edits.wrap((*start, span.end as usize), format!("{WEIGH}("), ")");
                }
            }
            Place::Rule(rule) => entry(&mut edits, rule),
            Place::With(modifier) => {
                let end = edits.end(&modifier.span);
                let operator = edits.words("as", edits.end(modifier.refr.span()), edits.start(modifier.r#as.span())).last();
                if let Some(operator) = operator {
                    edits.wrap((operator + "as".len(), end), format!(" {WEIGH}("), ")");
                }
            }
        }
    }
    if edits.is_empty() {
        return Ok(None);
    }
    let text = edits.text();
    Ok(Some((text, edits.moved())))
}

/// What a rule puts into a collection, with the steps that lead there.
fn entry(edits: &mut Edits<'_>, rule: &Rule) {
    let Rule::Spec { head, bodies, .. } = rule else { return };
    match head {
        RuleHead::Compr { span, refr, assign } => {
            let steps = edits.steps(refr, edits.end(span));
            match assign {
                Some(assign) => edits.wrap(edits.value(assign), format!(" {WEIGH_ENTRY}("), &format!(", {steps})")),
                None => edits.insert(edits.end(span), format!(" = {WEIGH_ENTRY}(true, {steps})")),
            }
            for assign in bodies.iter().filter_map(|body| body.assign.as_ref()) {
                edits.wrap(edits.value(assign), format!(" {WEIGH_ENTRY}("), &format!(", {steps})"));
            }
        }
        RuleHead::Set { span, refr, key: Some(key) } => {
            let range = edits.key(span, refr, key);
            let steps = edits.steps(refr, range.0.min(edits.start(key.span())));
            edits.wrap(range, format!(" {WEIGH_ENTRY}("), &format!(", {steps})"));
        }
        RuleHead::Set { key: None, .. } | RuleHead::Func { .. } => {}
    }
}

/// Makes the functions callable.
pub(super) fn add(engine: &mut Engine) -> anyhow::Result<()> {
    for (name, arguments) in [(WEIGH, 1), (WEIGH_ENTRY, 2)] {
        let call = |args: Vec<Value>| {
            budget::weigh(&args)?;
            Ok(args.into_iter().next().unwrap_or(Value::Undefined))
        };
        engine.add_extension(name.to_owned(), arguments, Box::new(call))?;
    }
    Ok(())
}

/// Whether the second is the first with calls of ours.
fn is_same(module: &Module, weighed: &Module) -> bool {
    let [one, other] = [module, weighed].map(|module| {
        let mut spelled = Vec::new();
        module.policy.iter().for_each(|rule| spell_rule(rule, &mut spelled));
        spelled
    });
    one == other
}

fn spell_rule(rule: &Rule, out: &mut Vec<String>) {
    match rule {
        Rule::Default { refr, args, value, .. } => {
            out.push("default".to_owned());
            [refr].into_iter().chain(args).chain([value]).for_each(|expr| spell(expr, out));
        }
        Rule::Spec { head, bodies, .. } => {
            match head {
                RuleHead::Compr { refr, assign, .. } => {
                    out.push("rule".to_owned());
                    spell(refr, out);
                    spell_value(assign.as_ref().map(|assign| assign.value.as_ref()), out);
                }
                RuleHead::Set { refr, key, .. } => {
                    out.push("set".to_owned());
                    spell(refr, out);
                    if let Some(key) = key {
                        spell(key, out);
                    }
                }
                RuleHead::Func { refr, args, assign, .. } => {
                    out.push(format!("function/{}", args.len()));
                    [refr].into_iter().chain(args).for_each(|expr| spell(expr, out));
                    spell_value(assign.as_ref().map(|assign| assign.value.as_ref()), out);
                }
            }
            for body in bodies {
                out.push(format!("body {}", body.is_else));
                spell_value(body.assign.as_ref().map(|assign| assign.value.as_ref()), out);
                spell_query(&body.query, out);
            }
        }
    }
}

/// A value that goes without saying is `true`.
fn spell_value(value: Option<&Expr>, out: &mut Vec<String>) {
    match value {
        Some(value) => spell(value, out),
        None => out.push("Bool true".to_owned()),
    }
}

fn spell_query(query: &Query, out: &mut Vec<String>) {
    out.push(format!("query/{}", query.stmts.len()));
    for statement in &query.stmts {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => out.extend(vars.iter().map(|var| format!("some {}", var.text()))),
            Literal::SomeIn { .. } => out.push("some in".to_owned()),
            Literal::Expr { .. } => out.push("is".to_owned()),
            Literal::NotExpr { .. } => out.push("not".to_owned()),
            Literal::Every { key, value, query, .. } => {
                out.extend(key.iter().chain([value]).map(|var| format!("every {}", var.text())));
                spell_query(query, out);
            }
        }
        for part in ast::statement_parts(statement) {
            spell(part, out);
        }
        statement.with_mods.iter().for_each(|modifier| spell(&modifier.refr, out));
    }
}

fn spell(expr: &Expr, out: &mut Vec<String>) {
    if let Expr::Call { fcn, params, .. } = expr {
        match (ast::var(fcn), params.as_slice()) {
            (Some(WEIGH), [value]) | (Some(WEIGH_ENTRY), [value, _]) => return spell(value, out),
            _ => {}
        }
    }
    let (root, steps) = ast::unfold(expr);
    if !steps.is_empty() {
        out.push(format!("reference/{}", steps.len()));
        spell(root, out);
        for step in steps {
            match step {
                ast::Step::Name(name) => out.push(name.to_owned()),
                ast::Step::Index(index) => spell(index, out),
            }
        }
        return;
    }
    let parts = ast::parts(expr);
    out.push(match expr {
        Expr::String { span, .. } => format!("String {}", span.text()),
        Expr::RawString { span, .. } => format!("RawString {}", span.text()),
        Expr::Number { span, .. } => format!("Number {}", span.text()),
        Expr::Bool { span, .. } => format!("Bool {}", span.text()),
        Expr::Null { .. } => "Null".to_owned(),
        Expr::Var { span, .. } => format!("Var {}", span.text()),
        Expr::Array { .. } => format!("Array/{}", parts.len()),
        Expr::Set { .. } => format!("Set/{}", parts.len()),
        Expr::Object { .. } => format!("Object/{}", parts.len()),
        Expr::ArrayCompr { .. } => "ArrayCompr".to_owned(),
        Expr::SetCompr { .. } => "SetCompr".to_owned(),
        Expr::ObjectCompr { .. } => "ObjectCompr".to_owned(),
        Expr::Call { fcn, .. } => format!("Call/{} {}", parts.len(), fcn.span().text()),
        Expr::UnaryExpr { .. } => "UnaryExpr".to_owned(),
        Expr::BinExpr { op, .. } => format!("{op:?}"),
        Expr::BoolExpr { op, .. } => format!("{op:?}"),
        Expr::ArithExpr { op, .. } => format!("{op:?}"),
        Expr::AssignExpr { op, .. } => format!("{op:?}"),
        Expr::Membership { .. } => format!("Membership/{}", parts.len()),
        Expr::RefDot { .. } | Expr::RefBrack { .. } => "Reference".to_owned(),
    });
    if let Some(query) = ast::query(expr) {
        spell_query(query, out);
    }
    for part in parts {
        spell(part, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RegoVersion;
    use crate::policy::PolicySource;

    fn parsed(text: &str, rego: Option<RegoVersion>) -> Parsed {
        let source = PolicySource { name: "p".parse().unwrap(), file: None, text: format!("package spacelift\n{text}\n").into(), rego };
        module::parse(&source, Duration::from_secs(5)).unwrap()
    }

    fn weighed(text: &str, rego: Option<RegoVersion>) -> Option<String> {
        let found = module("p", &parsed(text, rego).module, Duration::from_secs(5)).unwrap().0?;
        let text: &str = found.module.package.refr.span().source.get_contents();
        Some(text.lines().nth(1).unwrap().replace("claviger_weigh", "W"))
    }

    #[test]
    fn what_is_put_together_is_weighed() {
        for (text, expected) in [
            ("x := [y, y]", "x := W([y, y])"),
            ("x := {\"a\": y, \"b\": {\"c\": y, \"d\": 1}}", "x := W({\"a\": y, \"b\": W({\"c\": y, \"d\": 1})})"),
            ("x := {y[\"a\"], 1}", "x := W({y[\"a\"], 1})"),
            ("x := [y | true]", "x := W([y | true])"),
            ("x := {k: [v] | some k, v in y}", "x := W({k: W([v]) | some k, v in y})"),
            ("x := f([y])[0]", "x := f(W([y]))[0]"),
            ("x[k] := [y] if some k in z", "x[k] := W_entry( W([y]), [k]) if some k in z"),
            ("x[k][j] if some k, j in z", "x[k][j] = W_entry(true, [k, j]) if some k, j in z"),
            ("x contains y if true", "x contains W_entry( y, []) if true"),
            ("x if f(y) with input.a as y", "x if f(y) with input.a as W( y)"),
            ("x if { [a, b] = y; z = [a, b] }", "x if { [a, b] = y; z = W([a, b]) }"),
            ("x if { [w, w] = y; w = 1 }", "x if { [w, w] = y; w = 1 }"),
            ("f(a) := [b, a] if { [b] := a }", "f(a) := W([b, a]) if { [b] := a }"),
        ] {
            let rules = "y := input\nz := input\nf(v) := v\n";
            let text = format!("{text}\n{}", if text.starts_with('f') { rules.replace("f(v) := v", "") } else { rules.to_owned() });
            assert_eq!(weighed(&text, None).unwrap_or_else(|| text.lines().next().unwrap().to_owned()), expected);
        }
        assert_eq!(weighed("x[y] { y := input.z }", Some(RegoVersion::V0)).unwrap(), "x[ W_entry(y, [])] { y := input.z }");
    }

    #[test]
    fn what_is_known_to_be_small_is_not() {
        for text in [
            "x := [input.session.login, 1, \"a\", time.clock([input.request.timestamp_ns, \"UTC\"])[0]]",
            "x := {team | some team in input.session.teams}",
            "x contains name if some name in {\"a\", \"b\"}",
            "roles[space][role] if { some space in [\"a\", \"b\"]; role := \"c\" }",
            "x := [split(input.session.login, \"-\"), [[1, 2], {\"a\": 3}]]",
            "x if [a, b] := split(input.session.login, \"-\")",
        ] {
            assert_eq!(weighed(text, None), None, "{text}");
        }
    }

    #[test]
    fn columns_are_moved_back() {
        let moved = weigh("p", &parsed("y := input\nx := [[y, y], y]", None).module).unwrap().unwrap().1;
        let columns = |line: u32| (1..60).map(|column| moved.column(line, column)).collect::<Vec<_>>();
        assert_eq!(columns(2), (1..60).collect::<Vec<_>>());
        assert_eq!(columns(3).iter().take(5).copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        // `x := claviger_weigh([claviger_weigh([y, y]), y])`
        assert_eq!(moved.column(3, 21), 6);
        assert_eq!(moved.column(3, 37), 7);
        assert_eq!(moved.column(3, 38), 8);
        assert_eq!(moved.column(3, 44), 13);
    }

    #[test]
    fn a_call_in_a_wrong_place_is_found_out() {
        let is_same = |one: &str, other: &str| is_same(&parsed(one, None).module, &parsed(other, None).module);
        assert!(is_same("x := [y]", "x := claviger_weigh([y])"));
        assert!(is_same("x[y] if y", "x[y] = claviger_weigh_entry(true, [y]) if y"));
        assert!(!is_same("x := [y, 1]", "x := claviger_weigh([y], 1)"));
        assert!(!is_same("x := [y]", "x := claviger_weigh([z])"));
        assert!(!is_same("x := 1 if y", "x := claviger_weigh(1) if not y"));
    }
}
