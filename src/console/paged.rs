//! Lists that are at hand as a whole, a page at a time.

use std::borrow::Cow;

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

/// A text that is looked for as people look: whatever the case.
pub(super) struct Sought(String);

impl Sought {
    pub(super) fn of(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    /// Whether it stands in one of these.
    pub(super) fn stands_in<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        self.0.is_empty() || texts.into_iter().any(|text| in_lower_case(text).contains(&self.0))
    }

    /// How well something fits that is called this: the very name, then what begins with it, then what it stands in. `None`: not at all.
    pub(super) fn fit(&self, called: &str) -> Option<u8> {
        let called = in_lower_case(called);
        if *called == *self.0 {
            Some(0)
        } else if called.starts_with(&self.0) {
            Some(1)
        } else if called.contains(&self.0) {
            Some(2)
        } else {
            None
        }
    }
}

/// As it is, if nothing in it could be otherwise: ids of ten thousand spaces are not copied for each look.
fn in_lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::Sought;

    #[test]
    fn case_does_not_count_in_whatever_script() {
        for sought in ["ÄRZTE-1", "ärzte-1", "zte"] {
            assert!(Sought::of(sought).stands_in(["x", "Die Ärzte-1"]) && Sought::of(sought).stands_in(["die ärzte-1"]), "{sought}");
        }
        assert!(Sought::of("").stands_in([""; 0]));
        assert!(!Sought::of("prod").stands_in(["staging", "Pro d"]));
    }
}
