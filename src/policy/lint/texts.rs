//! Strings that what they are compared with never is.

use super::Faults;
use super::comparison::{Comparison, Op};
use super::meaning::{BuiltinCall, Meaning, RuleScope};
use super::rules::RuleText;
use super::types::is_text_of_input;
use crate::policy::syntax::tree::Expr;
use crate::policy::syntax::walk;
use crate::policy::vocabulary::Vocabulary;

pub(super) fn check<'m>(
    scope: &RuleScope<'_, 'm>,
    definition: &RuleText<'m>,
    comparisons: &[Comparison<'m>],
    vocabulary: &Vocabulary,
    faults: &mut Faults<'_>,
) {
    for comparison in comparisons.iter().filter(|comparison| matches!(comparison.op, Op::Equal | Op::NotEqual)) {
        for literal in &comparison.with {
            if let Some(text) = walk::literal_text(literal) {
                stars(comparison, literal, text, vocabulary, faults);
                letters(&comparison.meaning, literal, text, "it is never equal", faults);
                actors(comparison, literal, text, faults);
            }
        }
    }
    definition.visit_calls(&mut |name, _, params| {
        if let ("startswith" | "endswith" | "contains", [subject, part]) = (name, params)
            && let Some(text) = walk::literal_text(part)
        {
            letters(&scope.meaning(subject), part, text, "this never holds", faults);
            if name == "startswith" && is_name_of_key(&scope.meaning(subject)) && text.starts_with(ACTOR) {
                faults.warn(part.span(), NO_ACTOR, AN_ACTOR);
            }
        }
    });
}

/// `== "ci-*"`
fn stars(comparison: &Comparison<'_>, literal: &Expr, text: &str, vocabulary: &Vocabulary, faults: &mut Faults<'_>) {
    let known = [&vocabulary.keys, &vocabulary.groups].into_iter().flatten().any(|names| names.contains(text));
    if !text.contains('*') || known || !is_text_of_input(&comparison.meaning) {
        return;
    }
    let subject = comparison.subject.span().text();
    let subject = if comparison.each { "item" } else { subject };
    let call = match (text.strip_suffix('*'), text.strip_prefix('*')) {
        (Some(beginning), _) if !beginning.contains('*') => format!("startswith({subject}, \"{beginning}\")"),
        (_, Some(end)) if !end.contains('*') => format!("endswith({subject}, \"{end}\")"),
        _ => format!("glob.match(\"{text}\", null, {subject})"),
    };
    let call = if comparison.each { format!("some item in {}; {call}", comparison.subject.span().text()) } else { call };
    let reason = format!("a `*` is compared like any other character: only a name that is spelled `{text}` is equal to it");
    faults.warn(literal.span(), reason, format!("write `{call}`"));
}

/// `lower(x) == "CI"`
fn letters(meaning: &Meaning<'_>, literal: &Expr, text: &str, consequence: &str, faults: &mut Faults<'_>) {
    let Meaning::Answer(BuiltinCall { name, item: None, .. }) = meaning else { return };
    let (kept, of) = match name.as_str() {
        "lower" => (text.to_lowercase(), "lower"),
        "upper" => (text.to_uppercase(), "upper"),
        _ => return,
    };
    if kept != text {
        faults.warn(
            literal.span(),
            format!("`{name}` leaves {of}-case letters alone, and `{text}` has others: {consequence}"),
            format!("write `\"{kept}\"`"),
        );
    }
}

const ACTOR: &str = "api::";
const NO_ACTOR: &str = "no key's name begins with `api::`, so this never holds";
const AN_ACTOR: &str = "`input.session.actor` is `api::` and the key's id; `input.session.login` is its name";

/// `input.session.login == "api::…"`
fn actors(comparison: &Comparison<'_>, literal: &Expr, text: &str, faults: &mut Faults<'_>) {
    let (is_actor, path) = (text.starts_with(ACTOR), comparison.path());
    if is_name_of_key(&comparison.meaning) && is_actor {
        faults.warn(literal.span(), NO_ACTOR, AN_ACTOR);
    } else if path == [Some("session"), Some("api_key_id")] && is_actor {
        faults.warn(
            literal.span(),
            "an id has no `api::` before it, so this never holds",
            "compare `input.session.actor` with it, or take `api::` off",
        );
    } else if path == [Some("session"), Some("actor")] && !is_actor {
        faults.warn(
            literal.span(),
            "an actor is `api::` and the id of a key, so this never holds",
            "compare `input.session.login` with a key's name",
        );
    }
}

fn is_name_of_key(meaning: &Meaning<'_>) -> bool {
    matches!(meaning, Meaning::Input(path) if matches!(path.as_slice(), [Some("session"), Some("login" | "name")]))
}
