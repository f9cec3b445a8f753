//! What calls of builtins do with what they are given.

use super::source::ValueSource;
use super::walk::Walk;
use crate::policy::syntax::core::Term;

/// Builtins that make a value out of parts of their arguments and of nothing else.
const REARRANGING: [&str; 10] = [
    "array.concat",
    "array.reverse",
    "array.slice",
    "intersection",
    "object.filter",
    "object.get",
    "object.keys",
    "object.remove",
    "object.union",
    "union",
];

impl<'p> Walk<'p> {
    pub(super) fn call(&mut self, name: &str, arguments: &'p [Term]) -> ValueSource {
        match (name, arguments) {
            ("net.cidr_contains", [network, address]) => {
                let (network, address) = (self.term(network), self.term(address));
                self.uses.network(network, address);
                ValueSource::LITERAL
            }
            ("net.cidr_intersects", [one, other]) => {
                let (one, other) = (self.term(one), self.term(other));
                if one.may_be(ValueSource::ADDRESS) {
                    self.uses.network(other, one);
                } else {
                    self.uses.network(one, other);
                }
                ValueSource::LITERAL
            }
            ("time.clock", [of]) => {
                if self.local_time(of) {
                    self.uses.clock_part(0);
                    ValueSource::CLOCK | ValueSource::OTHER
                } else {
                    ValueSource::OTHER
                }
            }
            ("time.weekday", [of]) => {
                self.uses.parts.weekday |= self.local_time(of);
                ValueSource::OTHER
            }
            ("time.date", [of]) => {
                self.uses.parts.date |= self.local_time(of);
                ValueSource::OTHER
            }
            // A text of the policy is read as a time; which, is seen to where the texts are.
            ("time.parse_rfc3339_ns", [text]) => self.part(text),
            (name, arguments) if REARRANGING.contains(&name) => {
                arguments.iter().fold(ValueSource::NUMBER, |made, argument| made | self.part(argument))
            }
            (_, arguments) => {
                for argument in arguments {
                    self.part(argument);
                }
                ValueSource::OTHER
            }
        }
    }

    /// The argument of a function of local time: a time, or a time and a zone. Whether it may be the request's.
    fn local_time(&mut self, of: &'p Term) -> bool {
        let (time, zone) = match of {
            Term::Array(items) => match items.as_slice() {
                [time] => (self.term(time), None),
                [time, zone] => (self.term(time), Some(self.part(zone))),
                _ => (self.part(of), None),
            },
            _ => (self.term(of), None),
        };
        self.uses.read(time.without(ValueSource::TIME));
        if !time.may_be(ValueSource::TIME) {
            return false;
        }
        match zone {
            None => self.uses.utc = true,
            Some(zone) if zone.may_be(ValueSource::OTHER) => {
                self.uses.read(ValueSource::TIME);
            }
            Some(_) => self.uses.zones = true,
        }
        true
    }
}
