//! Paths of `input` that lead nowhere.
//!
//! `input` has the same fields for everybody, so a path that is not among them is never defined: what asks for it never holds, and `not`
//! around it always does.

use std::collections::BTreeSet;

use super::Faults;
use super::meaning::{Meaning, RuleScope};
use super::rules::{ModuleRules, RuleText};
use super::schema::{self, SchemaEntry};
use crate::diagnostics::nearest;
use crate::policy::syntax::tree::{Expr, Literal};
use crate::policy::syntax::walk;

pub(super) fn check<'m>(rules: &ModuleRules<'m>, scope: &RuleScope<'_, 'm>, definition: &RuleText<'m>, faults: &mut Faults<'_>) {
    if rules.changes_input {
        // `with input as …`: what stands there is the author's affair.
        return;
    }
    let negated = negated(definition);
    definition.visit(&mut |expr| {
        if !matches!(expr, Expr::RefDot { .. } | Expr::RefBrack { .. }) {
            return;
        }
        let Meaning::Input(path) = scope.meaning(expr) else { return };
        let SchemaEntry::Nothing { step, instead } = schema::at(&path) else { return };
        // The steps of this very reference are the path's last: what an alias brought along is told of where the alias is made.
        let spans = walk::step_spans(expr);
        let Some(span) = (step + spans.len()).checked_sub(path.len()).and_then(|own| spans.get(own)) else { return };
        let shown = shown(path.get(..=step).unwrap_or_default());
        let consequence = if negated.contains(&expr.span().start) { "so `not` around it always holds" } else { "so this never holds" };
        faults.warn(span, format!("there is no `{shown}`, {consequence}"), hint(&path, step, &instead));
    });
}

/// Where the references begin that stand behind a `not`.
fn negated(definition: &RuleText<'_>) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    definition.visit_statements(&mut |statement| {
        if let Literal::NotExpr { expr, .. } = &statement.literal {
            walk::visit(expr, &mut |expr| {
                found.insert(expr.span().start);
            });
        }
    });
    found
}

fn shown(path: &[Option<&str>]) -> String {
    let steps = path.iter().map(|name| name.map_or_else(|| "[…]".to_owned(), |name| format!(".{name}")));
    format!("input{}", steps.collect::<String>())
}

fn hint(path: &[Option<&str>], step: usize, instead: &[Box<str>]) -> String {
    let parent = shown(path.get(..step).unwrap_or_default());
    let wrong = path.get(step).copied().flatten().unwrap_or_default();
    if instead.is_empty() {
        return format!("`{parent}` is a single value: it has no fields");
    }
    if let Some(near) = nearest(wrong, instead.iter().map(AsRef::as_ref)) {
        return format!("did you mean `{parent}.{near}`?");
    }
    match ELSEWHERE.iter().find(|(names, _)| names.contains(&wrong)) {
        Some((_, path)) => format!("did you mean `{path}`?"),
        None => format!("`{parent}` has {}", instead.join(", ")),
    }
}

/// What other systems call it, or where it stands instead.
const ELSEWHERE: [(&[&str], &str); 7] = [
    (&["login", "email", "user", "username", "user_name", "key", "key_name", "sub", "subject"], "input.session.login"),
    (&["teams", "group", "groups"], "input.session.teams"),
    (&["id", "key_id", "user_id"], "input.session.api_key_id"),
    (&["admin", "is_admin", "root"], "input.session.admin"),
    (&["remote_ip", "ip", "client_ip", "remote_addr", "address", "source_ip"], "input.request.remote_ip"),
    (&["timestamp_ns", "timestamp", "time", "now"], "input.request.timestamp_ns"),
    (&["client_certificate", "certificate", "client_cert", "cert", "x509", "tls"], "input.request.client_certificate"),
];
