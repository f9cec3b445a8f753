//! Lists that are at hand as a whole, a page at a time.

use super::fields::Fields;

/// On a page.
const ON_A_PAGE: usize = 100;

/// The part of a list, in the order of what its items are called, that the address asks for; and where the page after it begins.
pub(super) fn part<'a, T>(
    query: &Fields,
    items: impl Iterator<Item = &'a T>,
    called: impl Fn(&T) -> &str,
    holds: impl Fn(&T) -> bool,
) -> (Vec<&'a T>, Option<String>) {
    let after = query.raw("cursor");
    let later = items.filter(|item| after.is_empty() || called(item) > after).filter(|item| holds(item));
    let mut part: Vec<&T> = later.take(ON_A_PAGE + 1).collect();
    let is_last = part.len() <= ON_A_PAGE;
    part.truncate(ON_A_PAGE);
    let next = part.last().filter(|_| !is_last).map(|last| called(last).to_owned());
    (part, next)
}

/// Whether a text that is looked for stands in one of these, as people look: whatever the case.
pub(super) fn stands_in(sought: &str, texts: &[&str]) -> bool {
    let sought = sought.to_lowercase();
    sought.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&sought))
}
