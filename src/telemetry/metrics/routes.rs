//! What is told of each route: by the class of the answer, and how long it took in all.
//!
//! A full set of methods, codes and bounds for each of 20 routes is out of reach within 300 lines. So a route has six lines, and the fine
//! resolution stays with all requests together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use prometheus::proto::{self, LabelPair};

use super::exposition::pair;
use super::label::{Label, label};
use super::series::Cells;

/// How many names have lines of their own; all others share one.
const NAMED_MAX: usize = 64;
const OTHER: usize = NAMED_MAX + 1;
const SLOTS: usize = NAMED_MAX + 2;

label! {
    /// Exact for what alerts go by.
    pub(super) enum CodeClass: "code" {
        Served = "<500",
        Unavailable = "503",
        ServerError = "5xx",
    }
}

/// A route in the metrics: a place that was given to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route(usize);

impl Route {
    /// None: there are no routes, or none is for the request.
    pub const NONE: Self = Self(0);
}

/// The cells of a route: its classes, then the sum of its durations in nanoseconds.
const WIDTH: usize = CodeClass::ALL.len() + 1;

/// Whose places are whose.
#[derive(Default)]
struct Names {
    /// By place, from 1 on: the name, and what the cells held when it got the place.
    given: Vec<(String, [u64; WIDTH])>,
    /// The places of the routes in force.
    shown: Vec<usize>,
}

/// What is told of one route.
pub(super) struct RouteFigures {
    pub(super) labels: LabelPair,
    pub(super) answered: [(LabelPair, u64); CodeClass::ALL.len()],
    pub(super) duration: proto::Histogram,
}

pub(super) struct RouteCounts {
    cells: Cells,
    names: Mutex<Names>,
    in_use: AtomicBool,
}

impl RouteCounts {
    pub(super) fn new() -> Self {
        Self { cells: Cells::new(SLOTS * WIDTH), names: Mutex::default(), in_use: AtomicBool::new(false) }
    }

    /// Gives each name a place; those that have one keep it, and with it what was counted. These are shown from now on, and no others.
    pub(super) fn name(&self, names: &[&str]) {
        let mut known = self.names();
        let Names { given, shown } = &mut *known;
        let place_of = |given: &Vec<(String, _)>, name: &str| given.iter().position(|(known, _)| known == name).map(|place| place + 1);
        shown.clear();
        shown.extend(names.iter().filter_map(|name| place_of(given, name)));
        for name in names {
            if place_of(given, name).is_some() {
                continue;
            }
            let unused = (1..=given.len()).find(|place| !shown.contains(place));
            let place = match unused {
                Some(place) if given.len() == NAMED_MAX => place,
                Some(_) | None if given.len() < NAMED_MAX => given.len() + 1,
                Some(_) | None => OTHER,
            };
            let beginning = std::array::from_fn(|cell| self.cells.sum(place * WIDTH + cell));
            match given.get_mut(place - 1) {
                Some(taken_over) => *taken_over = ((*name).to_owned(), beginning),
                None if place == OTHER => {}
                None => given.push(((*name).to_owned(), beginning)),
            }
            shown.push(place);
        }
        shown.sort_unstable();
        shown.dedup();
        self.in_use.store(!shown.is_empty(), Ordering::Relaxed);
    }

    /// The place of a name that was given one.
    pub(super) fn find(&self, name: &str) -> Route {
        self.names().given.iter().position(|(known, _)| known == name).map_or(Route(OTHER), |place| Route(place + 1))
    }

    /// Whether there are routes: else nothing is to be told of them.
    pub(super) fn are_in_use(&self) -> bool {
        self.in_use.load(Ordering::Relaxed)
    }

    pub(super) fn finished(&self, Route(place): Route, status: StatusCode, total: Duration) {
        let class = match status.as_u16() {
            0..500 => CodeClass::Served,
            503 => CodeClass::Unavailable,
            500.. => CodeClass::ServerError,
        };
        self.cells.add(place * WIDTH + class.place(), 1);
        self.cells.add(place * WIDTH + CodeClass::ALL.len(), u64::try_from(total.as_nanos()).unwrap_or(u64::MAX));
    }

    /// One for each route in force, after one for requests that none is for; nothing if there are no routes.
    pub(super) fn figures(&self) -> Vec<RouteFigures> {
        let names = self.names();
        if names.shown.is_empty() {
            return Vec::new();
        }
        let figures = |(place, name, beginning): (usize, &str, [u64; WIDTH])| {
            let now: [u64; WIDTH] = std::array::from_fn(|cell| self.cells.sum(place * WIDTH + cell));
            let mut since = now.into_iter().zip(beginning).map(|(now, beginning)| now.wrapping_sub(beginning));
            let code = |class: CodeClass| pair(CodeClass::NAME, class.value());
            let classes = [CodeClass::Served, CodeClass::Unavailable, CodeClass::ServerError];
            let answered = classes.map(|class| (code(class), since.next().unwrap_or_default()));
            let mut duration = proto::Histogram::default();
            duration.set_sample_count(answered.iter().map(|(_, count)| count).sum());
            duration.set_sample_sum(Duration::from_nanos(since.next().unwrap_or_default()).as_secs_f64());
            RouteFigures { labels: pair("route", name), answered, duration }
        };
        let shown = names.shown.iter().map(|place| match place.checked_sub(1).and_then(|place| names.given.get(place)) {
            Some((name, beginning)) => (*place, name.as_str(), *beginning),
            None => (*place, "other", [0; WIDTH]),
        });
        [(0, "-", [0; WIDTH])].into_iter().chain(shown).map(figures).collect()
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(counts: &RouteCounts) -> Vec<(String, u64)> {
        let total = |figures: &RouteFigures| figures.duration.get_sample_count();
        counts.figures().iter().map(|figures| (figures.labels.value().to_owned(), total(figures))).collect()
    }

    #[test]
    fn a_name_keeps_what_was_counted_and_a_place_that_is_taken_over_begins_anew() {
        let counts = RouteCounts::new();
        let count = |name: &str| counts.finished(counts.find(name), StatusCode::OK, Duration::from_millis(1));
        assert!(shown(&counts).is_empty());
        counts.name(&["a", "b", "a"]);
        count("a");
        count("b");
        counts.name(&["b"]);
        assert_eq!(shown(&counts), [("-".to_owned(), 0), ("b".to_owned(), 1)]);
        counts.name(&["a", "b"]);
        assert_eq!(shown(&counts)[1..], [("a".to_owned(), 1), ("b".to_owned(), 1)]);

        let many: Vec<String> = (0..NAMED_MAX).map(|number| format!("r{number}")).collect();
        let mut names: Vec<&str> = many.iter().map(String::as_str).collect();
        counts.name(&names);
        assert!(shown(&counts).iter().all(|(_, count)| *count == 0), "of those before, nothing is left");
        names.push("one-too-many");
        counts.name(&names);
        count("one-too-many");
        assert_eq!(shown(&counts).last().unwrap(), &("other".to_owned(), 1));
        counts.name(&[]);
        assert!(shown(&counts).is_empty());
    }
}
