//! Calls whose arguments stand in each other's place: both are strings, and nothing else tells them apart.

use super::Faults;
use super::meaning::{Meaning, RuleScope};
use super::networks::is_address;
use super::rules::RuleText;
use super::types::is_text_of_input;

pub(super) fn check<'m>(scope: &RuleScope<'_, 'm>, definition: &RuleText<'m>, faults: &mut Faults<'_>) {
    definition.visit_calls(&mut |name, span, params| {
        let Some((within, what)) = places(name) else { return };
        let (Some(within_it), Some(what_for)) = (params.get(within), params.get(what)) else { return };
        let (of_within, of_what) = (scope.meaning(within_it), scope.meaning(what_for));
        let swapped = match name {
            "net.cidr_contains" => is_address(&of_what),
            _ => is_text_of_input(&of_what) && matches!(of_within, Meaning::Written(_)),
        };
        if swapped {
            let mut right: Vec<&str> = params.iter().map(|param| param.span().text()).collect();
            right.swap(within, what);
            let reason = asked(name, within_it.span().text(), what_for.span().text());
            faults.warn(span, reason, format!("write `{name}({})`", right.join(", ")));
        }
    });
}

/// Which argument is looked at, and which says what for.
fn places(name: &str) -> Option<(usize, usize)> {
    match name {
        "startswith"
        | "endswith"
        | "contains"
        | "split"
        | "trim_prefix"
        | "trim_suffix"
        | "strings.any_prefix_match"
        | "strings.any_suffix_match" => Some((0, 1)),
        "regex.match" | "re_match" | "net.cidr_contains" => Some((1, 0)),
        "glob.match" => Some((2, 0)),
        _ => None,
    }
}

fn asked(name: &str, within: &str, what: &str) -> String {
    match name {
        "startswith" | "strings.any_prefix_match" => format!("this asks whether `{within}` begins with `{what}`"),
        "endswith" | "strings.any_suffix_match" => format!("this asks whether `{within}` ends with `{what}`"),
        "contains" => format!("this looks for `{what}` within `{within}`"),
        "net.cidr_contains" => format!("this takes `{what}` for a network, and looks for `{within}` in it"),
        "split" => format!("this cuts `{within}` at each `{what}`"),
        "trim_prefix" | "trim_suffix" => format!("this takes `{what}` off `{within}`"),
        _ => format!("this takes `{what}` for a pattern, and looks for it in `{within}`"),
    }
}
