//! Regular expressions that match more names than they seem to.

use regorus::unstable::Expr;

use super::meaning::{Meaning, Scope};
use super::rules::Definition;
use super::{Faults, ast, calls};

/// Rules whose holding too often lets somebody in or gives them something.
const OPENING: [&str; 6] = ["allow", "admin", "roles", "space_admin", "space_write", "space_read"];

pub(super) fn check<'m>(scope: &Scope<'_, 'm>, definition: &Definition<'m>, faults: &mut Faults<'_>) {
    if !OPENING.contains(&definition.name) {
        return;
    }
    calls::visit(definition, &mut |expr| {
        let Expr::Call { fcn, params, .. } = expr else { return };
        if ast::path(fcn).is_some_and(|names| matches!(names.as_slice(), ["regex", "match"] | ["re_match"]))
            && let [pattern, subject] = params.as_slice()
            && let Some(text) = ast::literal_text(pattern)
            && is_name(&scope.meaning(subject))
            && let Some(anchored) = anchored(text)
        {
            let what = subject.span().text();
            let reason = format!("the pattern has neither `^` nor `$`: it matches wherever it stands within `{what}`");
            faults.note(pattern.span(), reason, format!("write `{anchored}` to match the whole name"));
        }
    });
}

fn is_name(meaning: &Meaning<'_>) -> bool {
    matches!(meaning, Meaning::Input(path) if matches!(path.as_slice(), [Some("session"), Some("login" | "name")] | [Some("session"), Some("teams"), None]))
}

/// A pattern that is not bound to the beginning or the end, bound to both.
fn anchored(pattern: &str) -> Option<String> {
    let is_flags = |flags: &str| flags.chars().all(|c| c.is_ascii_lowercase());
    let flags = pattern.strip_prefix("(?").and_then(|rest| rest.split_once(')')).filter(|(flags, _)| is_flags(flags));
    let body = flags.map_or(pattern, |(_, body)| body);
    if body.contains(['^', '$']) || body.contains("\\A") || body.contains("\\z") || body.starts_with(".*") || body.ends_with(".*") {
        return None;
    }
    let body = if body.contains('|') { format!("({body})") } else { body.to_owned() };
    let prefix = flags.map_or_else(String::new, |(flags, _)| format!("(?{flags})"));
    Some(format!("{prefix}^{body}$"))
}
