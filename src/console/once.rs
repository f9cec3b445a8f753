//! Links that sign in once: for whoever starts the program and has its first key in front of them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::session::CookieText;
use crate::control::NoRandomness;
use crate::model::{KeyDigest, SessionDigest};

/// For how long a link is good.
const GOOD_FOR: Duration = Duration::from_mins(15);
/// How many are kept; the next takes the place of all.
const MOST: usize = 64;

/// Where a link leads; its ticket follows.
pub(super) const PATH: &str = "/sign-in/once";

/// Tickets that nobody has used yet, by what is kept of their texts.
#[derive(Default)]
pub(super) struct Tickets(Mutex<HashMap<SessionDigest, Ticket>>);

struct Ticket {
    of: KeyDigest,
    /// By the monotonic clock.
    until: Duration,
}

impl Tickets {
    /// A path with a new ticket.
    pub(super) fn issue(&self, of: KeyDigest, now: Duration) -> Result<String, NoRandomness> {
        let text = CookieText::draw()?;
        let mut kept = self.kept();
        kept.retain(|_, ticket| ticket.until > now);
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(text.digest(), Ticket { of, until: now.saturating_add(GOOD_FOR) });
        Ok(format!("{PATH}?ticket={}", text.as_str()))
    }

    /// Whom a ticket is for, which it is for nobody afterwards.
    pub(super) fn take(&self, text: &str, now: Duration) -> Option<KeyDigest> {
        let text = CookieText::read(text)?;
        self.kept().remove(&text.digest()).filter(|ticket| ticket.until > now).map(|ticket| ticket.of)
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<SessionDigest, Ticket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_and_for_a_while() {
        let (tickets, of, at) = (Tickets::default(), KeyDigest::from_bytes([7; 32]), Duration::from_secs(5));
        let ticket = |path: String| path.split_once('=').unwrap().1.to_owned();
        let (used, late) = (ticket(tickets.issue(of, at).unwrap()), ticket(tickets.issue(of, at).unwrap()));
        assert_ne!(used, late);
        assert_eq!(tickets.take(&used, at), Some(of));
        assert_eq!(tickets.take(&used, at), None, "it was used");
        assert_eq!(tickets.take(&late, at + GOOD_FOR), None);
        for other in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(tickets.take(other, at), None, "{other}");
        }
    }
}
