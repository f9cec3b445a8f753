//! Patterns, formats and layouts that stand in the text and would end the evaluation when they come to be read.

use super::Faults;
use super::rules::ModuleRules;
use crate::policy::builtins::{format, glob, layout, pattern};
use crate::policy::syntax::tree::{Expr, Span};
use crate::policy::syntax::walk;

pub(super) fn check(rules: &ModuleRules<'_>, faults: &mut Faults<'_>) {
    for definition in &rules.definitions {
        definition.visit_calls(&mut |name, _, params| {
            if let Some((span, reason)) = odd(name, params) {
                faults.push(span, reason);
            }
        });
    }
}

fn odd<'a>(name: &str, params: &[&'a Expr]) -> Option<(&'a Span, String)> {
    let literal = |index: usize| params.get(index).and_then(|param| Some((param.span(), walk::literal_text(param)?)));
    match name {
        "regex.match" | "regex.is_valid" | "regex.split" | "regex.find_n" | "regex.find_all_string_submatch_n" | "re_match" => {
            of_pattern(literal(0)?)
        }
        "regex.replace" => of_pattern(literal(1)?),
        "glob.match" => literal(0).and_then(|(span, text)| Some((span, glob::check(text).err()?))),
        "sprintf" => literal(0).and_then(|(span, text)| Some((span, format::check(text).err()?))),
        "time.parse_ns" => of_layout(literal(0)?),
        "time.format" => match params {
            [Expr::Array { items, .. }] => match items.as_slice() {
                [_, zone, layout] if !matches!(walk::literal_text(zone), Some("" | "UTC")) => {
                    of_layout((layout.span(), walk::literal_text(layout)?))
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn of_pattern<'a>((span, text): (&'a Span, &str)) -> Option<(&'a Span, String)> {
    match pattern::translate(text) {
        Err(pattern::Odd::NotTaken(what)) => Some((span, format!("a pattern has {what}, which is not taken here"))),
        Err(pattern::Odd::Wrong) | Ok(_) => None,
    }
}

fn of_layout<'a>((span, text): (&'a Span, &str)) -> Option<(&'a Span, String)> {
    layout::names_a_zone(text)
        .then(|| (span, "the layout asks for the name of a zone, and no names of zones but UTC are known here".to_owned()))
}
