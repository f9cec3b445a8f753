//! Heads that name one step both by a text and by a variable.
//!
//! `blocked["a"] if …` beside `blocked[k] if …` makes one object, of which regorus finds the field `a` by the text: whoever asks for
//! `blocked.a` gets what the first rule says, and the second is never looked at. A `deny` that rests on it would be missed. All of the
//! object, and what an index or `some … in` takes out of it, is as it should be, so only steps that are written out are refused, and only
//! where the other head could have had something there.

use regorus::unstable::Expr;

use super::ast::{self, HeadStep, Step};
use super::rules::{Definition, Kind, Rules};
use super::{Faults, calls};

pub(super) fn check(rules: &Rules<'_>, faults: &mut Faults<'_>) {
    check_uses(rules, rules, faults);
}

/// Looks at what `users` take out of the rules that are defined in `rules`, which may be those of another module.
pub(super) fn check_uses(users: &Rules<'_>, rules: &Rules<'_>, faults: &mut Faults<'_>) {
    for definition in &users.definitions {
        let mut declared = Vec::new();
        definition.args.iter().for_each(|arg| ast::pattern_vars(arg, &mut declared));
        definition.visit_statements(&mut |statement| ast::declared(statement, &mut declared));
        // A test may keep the answer under the rule's own name.
        declared.retain(|name| !users.is_global(name));
        let mut look = |expr: &Expr| {
            let Some((name, fields)) = looked_into(users, &declared, expr) else { return };
            if let Some((found, missed)) = missed(rules, name, &fields) {
                let (one, another) = (shown(found), shown(missed));
                let (line, other_line) = (found.span.line, missed.span.line);
                faults.push_with_hint(
                    expr.span(),
                    format!("of `{one}` (line {line}) and `{another}` (line {other_line}) only one would be looked at here"),
                    format!("give `{one}` a variable there, too, or take the whole first, `all := …`, and then a field of `all`"),
                );
            }
        };
        calls::visit(definition, &mut look);
        definition.visit_statements(&mut |statement| statement.with_mods.iter().for_each(|modifier| look(&modifier.refr)));
    }
}

/// The rule that a reference takes something out of, and the steps by which regorus looks for it: those that are written out. Of what an
/// import stands for, all is looked up.
fn looked_into<'a>(rules: &Rules<'a>, variables: &[&str], expr: &'a Expr) -> Option<(&'a str, Vec<&'a str>)> {
    let (root, steps) = ast::unfold(expr);
    let root = ast::var(root).filter(|root| !variables.contains(root))?;
    let leading = steps.iter().map_while(|step| if let Step::Name(name) = step { Some(*name) } else { None });
    let is_import = root != "data" && rules.kind(root).is_none() && rules.is_global(root);
    let names: Vec<&str> = if is_import { vec![root] } else { std::iter::once(root).chain(leading).collect() };
    let mut resolved = rules.resolve(&names).into_iter();
    let name = resolved.next()?;
    Some((name, resolved.collect()))
}

/// A rule that is found by these steps, and one that has something there and is not.
fn missed<'r, 'm>(rules: &'r Rules<'m>, name: &str, fields: &[&str]) -> Option<(&'r Definition<'m>, &'r Definition<'m>)> {
    // Regorus takes the longest beginning of the steps by which a text in some head can be found.
    let shared = |definition: &Definition<'_>| texts(definition).iter().zip(fields).take_while(|(text, field)| text == field).count();
    let found = rules.named(name).max_by_key(|definition| shared(definition))?;
    let taken = shared(found);
    let could_be_there = |definition: &Definition<'_>| {
        steps(definition).into_iter().zip(fields).all(|(step, field)| text(step).is_none_or(|text| text == *field))
    };
    let missed = rules.named(name).find(|definition| texts(definition).len() < taken && could_be_there(definition))?;
    Some((found, missed))
}

/// What leads to a rule's value; the item that a rule of Rego v0 puts into a set is written like a step, and is none.
fn steps<'m>(definition: &Definition<'m>) -> Vec<HeadStep<'m>> {
    let mut steps = ast::head_steps(definition.refr);
    if definition.kind == Kind::Set && definition.key.is_none() {
        steps.pop();
    }
    steps
}

/// The texts that a head begins with.
fn texts<'m>(definition: &Definition<'m>) -> Vec<&'m str> {
    steps(definition).into_iter().map_while(text).collect()
}

fn text(step: HeadStep<'_>) -> Option<&str> {
    match step {
        HeadStep::Field(span) => Some(span.text()),
        HeadStep::Expr(expr) => ast::literal_text(expr),
    }
}

fn shown(definition: &Definition<'_>) -> String {
    let step = |step: HeadStep<'_>| match step {
        HeadStep::Field(span) => format!(".{}", span.text()),
        HeadStep::Expr(expr) => match ast::literal_text(expr) {
            Some(text) => format!("[\"{text}\"]"),
            None => format!("[{}]", expr.span().text()),
        },
    };
    steps(definition).into_iter().map(step).fold(definition.name.to_owned(), |head, step| head + &step)
}
