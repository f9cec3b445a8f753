//! Regular expressions that match other names than they seem to.

use super::Faults;
use super::meaning::{Meaning, RuleScope};
use super::rules::RuleText;
use crate::policy::builtins::pattern;
use crate::policy::syntax::walk;

/// Rules whose holding too often lets somebody in or gives them something.
const OPENING: [&str; 6] = ["allow", "admin", "roles", "space_admin", "space_write", "space_read"];

pub(super) fn check<'m>(scope: &RuleScope<'_, 'm>, definition: &RuleText<'m>, faults: &mut Faults<'_>) {
    definition.visit_calls(&mut |name, _, params| {
        let ("regex.match" | "re_match", [pattern, subject]) = (name, params) else { return };
        let Some(text) = walk::literal_text(pattern) else { return };
        let what = subject.span().text();
        if let Some((before, after)) = text.split_once('*').filter(|_| is_glob(text)) {
            let (reason, hint) = as_glob(text, before, after, what);
            faults.warn(pattern.span(), reason, hint);
        } else if matches!(pattern::translate(text), Err(pattern::Odd::Wrong)) {
            faults.warn(
                pattern.span(),
                format!("`{text}` is no regular expression, so this never holds"),
                "put a `\\` before what is meant as it is",
            );
        } else if OPENING.contains(&definition.name)
            && is_name(&scope.meaning(subject))
            && let Some(anchored) = anchored(text)
        {
            let reason = format!("the pattern has neither `^` nor `$`: it matches wherever it stands within `{what}`");
            faults.note(pattern.span(), reason, format!("write `{anchored}` to match the whole name"));
        }
    });
}

fn is_name(meaning: &Meaning<'_>) -> bool {
    matches!(meaning, Meaning::Input(path) if matches!(path.as_slice(), [Some("session"), Some("login" | "name")] | [Some("session"), Some("teams"), None]))
}

/// Whether a pattern was meant as one of file names: its one star stands behind a plain character, or at the beginning.
fn is_glob(pattern: &str) -> bool {
    let plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | ':' | '@' | ' '));
    let inner = pattern.strip_prefix('^').unwrap_or(pattern);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    inner.split_once('*').is_some_and(|(before, after)| plain(before) && plain(after))
}

/// What such a pattern means, and what to write instead.
fn as_glob(text: &str, before: &str, after: &str, subject: &str) -> (String, String) {
    let (begin, end) = (before.trim_start_matches('^'), after.trim_end_matches('$'));
    let meant = match (begin, end) {
        ("", end) => format!("{end}$"),
        (begin, "") => format!("^{begin}"),
        (begin, end) => format!("^{begin}.*{end}$"),
    };
    let reason = match begin.char_indices().last() {
        None => format!("`{text}` is no regular expression: nothing stands before the `*`, so this never holds"),
        Some((place, last)) => {
            let rest = begin.get(..place).unwrap_or_default();
            format!(
                "in a regular expression `{last}*` is any number of `{last}`, none included: the pattern matches `{rest}{end}` as well as `{begin}{end}`"
            )
        }
    };
    (reason, format!("write `regex.match(\"{meant}\", {subject})`"))
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
