//! What an answer depends on: how much of a request's address, time and client certificate the policies can tell.
//!
//! Whatever else stands in `input` tells of the key and the snapshot, and an answer is remembered for these as they were. Address and
//! time (and the certificate, if the client has shown one) differ from request to request, so what policies read of them decides how many answers one key has. This room finds that out
//! from a policy's text, when it is loaded, and puts requests into classes by it: two requests of one class get the same answer from
//! every policy. A policy that only tests the address against networks makes a class for each network, and not one for each client; one
//! that only asks for the hour makes a class for each hour, and not one for each second.
//!
//! Why that is right:
//!
//! 1. The rules that count can use the address in these ways and no others, or else all of it counts as read: as what
//!    `net.cidr_contains` and `net.cidr_intersects` look for, and in comparisons for equality; and in both cases only with texts that
//!    stand in the policy. A text that a builtin makes, or that comes from `input`, is none that stands there.
//! 2. All those texts are known. Which networks among them hold the address ([`networks`]) decides every such test, the address alone
//!    being a network of one address. So an evaluation takes the same steps for all addresses of one class.
//! 3. In the same way the time is used by `time.clock`, `time.weekday` and `time.date` in zones that stand in the policy, or compared
//!    with times that do, or else all of it counts as read. What these functions answer, and between which of the times it lies, is the
//!    class ([`calendar`]). The functions themselves are asked, so that no knowledge of zones is needed here that could be another than
//!    theirs.
//! 4. A certificate is read as soon as a rule that counts looks at it, and each is a class by itself.
//! 5. What an evaluation does is decided by its input alone: policies cannot ask for time, randomness or anything else.
//!
//! What cannot be analysed reads everything: another rule in the place of one (`with data…`), another address or time in the place of the
//! request's (`with input.request…`), a function that is no name, a variable that nothing seen here binds. A mistake in this room would be a wrong hit, which is a breach; `tests/it/exchange/cache_property.rs` and
//! `tests/it/policy/classes.rs` look for one.

mod calendar;
mod calls;
mod extent;
mod networks;
mod reads;
mod settled;
mod source;
mod terms;
#[cfg(test)]
mod tests;
mod uses;
mod walk;

pub(super) use self::extent::Depends;
pub use self::reads::{Facet, Reads, truncated};
pub(super) use self::walk::depends;
