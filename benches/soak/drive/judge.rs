//! Which answers are right: what each key may get after each change, and when an upstream was not to be had.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// What is kept of states that have passed.
const KEPT: Duration = Duration::from_mins(2);

/// What something was after each change: a state may show from when it was begun until the next one has been in force for some time.
pub(crate) struct History<T>(Vec<Step<T>>);

struct Step<T> {
    value: T,
    begun: Duration,
    acknowledged: Option<Duration>,
}

impl<T: Clone + PartialEq> History<T> {
    pub(crate) fn beginning(value: T) -> Self {
        Self(vec![Step { value, begun: Duration::ZERO, acknowledged: Some(Duration::ZERO) }])
    }

    pub(crate) fn begin(&mut self, value: T, now: Duration) {
        let ended: Vec<bool> =
            self.0.iter().skip(1).map(|next| next.acknowledged.is_some_and(|at| at + KEPT < now)).chain([false]).collect();
        let mut ended = ended.into_iter();
        self.0.retain(|_| !ended.next().unwrap_or(false));
        self.0.push(Step { value, begun: now, acknowledged: None });
    }

    pub(crate) fn acknowledge(&mut self, now: Duration) {
        if let Some(last) = self.0.last_mut() {
            last.acknowledged.get_or_insert(now);
        }
    }

    /// What may show in an answer to a request that was sent then, and was answered then.
    pub(crate) fn possible(&self, sent: Duration, answered: Duration, within: Duration) -> impl Iterator<Item = &T> {
        let ended = move |at: usize| self.0.get(at + 1).map_or(Some(Duration::MAX), |next| next.acknowledged);
        let shows = move |(at, step): &(usize, &Step<T>)| {
            step.begun <= answered && ended(*at).is_none_or(|ended| ended.saturating_add(within) >= sent)
        };
        self.0.iter().enumerate().filter(shows).map(|(_, step)| &step.value)
    }
}

/// What a request with a key is to get.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Expected {
    status: u16,
    /// As `space:role`.
    #[serde(default)]
    roles: BTreeSet<String>,
}

/// The route that comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExtraRoute {
    Absent,
    Present,
    /// It takes an action that no role has.
    Demanding,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An upstream that speaks HTTP/1.1.
    Main,
    /// One that speaks HTTP/2.
    Streams,
    /// Where no key is needed.
    Open,
    /// The route that comes and goes.
    Extra,
}

pub(crate) struct Key {
    pub(crate) text: String,
    expected: History<Expected>,
    /// The last token, and its roles: they are the same for a while.
    last: (String, Option<BTreeSet<String>>),
}

impl Key {
    pub(crate) fn new(text: String, expected: Expected) -> Self {
        Self { text, expected: History::beginning(expected), last: (String::new(), None) }
    }

    fn roles(&mut self, token: &str) -> Option<&BTreeSet<String>> {
        if self.last.0 != token {
            self.last = (token.to_owned(), roles(token));
        }
        self.last.1.as_ref()
    }
}

/// All that is known of what is in force.
pub(crate) struct World {
    pub(crate) keys: Vec<Key>,
    pub(crate) extra: History<ExtraRoute>,
    /// The fingerprint of the certificate that clients are shown.
    pub(crate) certificate: History<String>,
    pub(crate) within: Duration,
}

impl World {
    /// Several keys are about to get something else.
    pub(crate) fn begin(&mut self, keys: HashMap<usize, Expected>, now: Duration) {
        for (key, expected) in keys {
            self.keys[key].expected.begin(expected, now);
        }
    }

    /// Whatever was begun is acknowledged.
    pub(crate) fn acknowledge(&mut self, now: Duration) {
        self.keys.iter_mut().for_each(|key| key.expected.acknowledge(now));
        self.extra.acknowledge(now);
        self.certificate.acknowledge(now);
    }

    /// Whether a client that connected then may have been shown this certificate.
    pub(crate) fn may_show(&self, certificate: &str, began: Duration, shown: Duration) -> bool {
        self.certificate.possible(began, shown, self.within).any(|possible| possible == certificate)
    }

    /// Whether an answer may break off because its key would be refused by then (`proxy.end_streams`).
    pub(crate) fn may_be_ended(&self, key: usize, sent: Duration, answered: Duration) -> bool {
        self.keys[key].expected.possible(sent, answered, self.within).any(|expected| expected.status != 200)
    }

    /// What is wrong with an answer, whose body is the token that the upstream got.
    pub(crate) fn fault(
        &mut self,
        target: Target,
        key: usize,
        status: u16,
        body: &str,
        sent: Duration,
        answered: Duration,
    ) -> Option<String> {
        let within = self.within;
        if target == Target::Open {
            return (status != 200 || !body.is_empty()).then(|| format!("{status} with {body:?} where no key is needed"));
        }
        let routes: Vec<ExtraRoute> = if target == Target::Extra {
            self.extra.possible(sent, answered, within).copied().collect()
        } else {
            vec![ExtraRoute::Present]
        };
        let key = &mut self.keys[key];
        let got = if status == 200 { key.roles(body).cloned() } else { None };
        if status == 200 && got.is_none() {
            return Some(format!("200 with no token: {body:?}"));
        }
        let got = Expected { status, roles: got.unwrap_or_default() };
        let refused = |status| Expected { status, roles: BTreeSet::new() };
        let right = |expected: &Expected| {
            routes.iter().any(|route| match route {
                ExtraRoute::Absent => got == refused(404),
                ExtraRoute::Demanding if expected.status == 200 => got == refused(403),
                ExtraRoute::Present | ExtraRoute::Demanding => got == *expected,
            })
        };
        if key.expected.possible(sent, answered, within).any(right) {
            return None;
        }
        let possible: Vec<&Expected> = key.expected.possible(sent, answered, within).collect();
        Some(format!("{got:?} instead of {possible:?} (routes {routes:?})"))
    }
}

fn roles(token: &str) -> Option<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Claims {
        roles: HashMap<String, BTreeSet<String>>,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    Some(claims.roles.into_iter().flat_map(|(space, roles)| roles.into_iter().map(move |role| format!("{space}:{role}"))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn possible(sent: f64, answered: f64) -> Vec<&'static str> {
        let mut history = History::beginning("old");
        history.begin("new", Duration::from_secs(10));
        history.acknowledge(Duration::from_secs(11));
        let seconds = Duration::from_secs_f64;
        history.possible(seconds(sent), seconds(answered), Duration::from_secs(1)).copied().collect()
    }

    #[test]
    fn a_state_may_show_from_its_beginning_until_a_second_after_the_next_one_was_acknowledged() {
        assert_eq!(possible(9.0, 9.9), ["old"]);
        assert_eq!(possible(9.0, 10.1), ["old", "new"]);
        assert_eq!(possible(11.9, 12.5), ["old", "new"]);
        assert_eq!(possible(12.1, 12.2), ["new"]);
    }
}
