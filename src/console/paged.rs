//! Lists that are at hand as a whole, a page at a time.

use super::fields::Fields;

/// On a page.
const ON_A_PAGE: usize = 50;

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
        self.0.is_empty() || texts.into_iter().any(|text| self.place_in(text, Searched::All).is_some())
    }

    /// How well something fits that is called this: the very name, then what begins with it, then what it stands in. `None`: not at all, or
    /// not at such a place.
    pub(super) fn fit(&self, called: &str, places: Searched) -> Option<u8> {
        match self.place_in(called, places)? {
            Place::Whole => Some(0),
            Place::Begin => Some(1),
            Place::Within => Some(2),
        }
    }

    /// Where it stands in a text first. Of plain text nothing is copied, and nothing prepared: what ten thousand spaces are called is looked at for a page.
    fn place_in(&self, text: &str, places: Searched) -> Option<Place> {
        if text.is_ascii() {
            let (sought, text) = (self.0.as_bytes(), text.as_bytes());
            if places == Searched::Begin {
                let begins = text.get(..sought.len())?.eq_ignore_ascii_case(sought);
                return begins.then(|| Place::of(0, text.len() == sought.len()));
            }
            let Some((first, rest)) = sought.split_first() else { return Some(Place::of(0, text.is_empty())) };
            let places = text.get(..=text.len().checked_sub(sought.len())?)?.iter().enumerate();
            // Few places begin as it does.
            let capital = first.to_ascii_uppercase();
            let at = places
                .filter(|(_, letter)| **letter == *first || **letter == capital)
                .map(|(at, _)| at)
                .find(|at| text.get(at + 1..at + sought.len()).is_some_and(|part| part.eq_ignore_ascii_case(rest)))?;
            return Some(Place::of(at, text.len() == sought.len()));
        }
        let text = text.to_lowercase();
        let at = match places {
            Searched::All => text.find(&self.0),
            Searched::Begin => text.starts_with(&self.0).then_some(0),
        };
        at.map(|at| Place::of(at, text.len() == self.0.len()))
    }
}

/// Where in a text another one is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Searched {
    All,
    Begin,
}

/// Where a text stands in another one.
enum Place {
    Whole,
    Begin,
    Within,
}

impl Place {
    fn of(at: usize, is_all: bool) -> Self {
        match (at, is_all) {
            (0, true) => Self::Whole,
            (0, false) => Self::Begin,
            (1.., _) => Self::Within,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Searched, Sought};

    #[test]
    fn case_does_not_count_in_whatever_script() {
        for sought in ["ÄRZTE-1", "ärzte-1", "zte"] {
            assert!(Sought::of(sought).stands_in(["x", "Die Ärzte-1"]) && Sought::of(sought).stands_in(["die ärzte-1"]), "{sought}");
        }
        assert!(Sought::of("").stands_in([""; 0]));
        assert!(!Sought::of("prod").stands_in(["staging", "Pro d", "pro", "", "prö", "ärzte"]));
        // A letter that is no plain one may be a plain one in lower case.
        assert!(Sought::of("\u{212a}ey").stands_in(["KEY"]) && Sought::of("KEY").stands_in(["\u{212a}ey"]));
        let fits = |places| ["pROD", "Prod-1", "a-prod", "PRODÄ", "äPROD", "pro"].map(|called| Sought::of("Prod").fit(called, places));
        assert_eq!(fits(Searched::All), [Some(0), Some(1), Some(2), Some(1), Some(2), None]);
        assert_eq!(fits(Searched::Begin), [Some(0), Some(1), None, Some(1), None, None]);
    }
}
