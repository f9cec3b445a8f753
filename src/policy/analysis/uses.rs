//! What a policy does with the address and the time, and the constants that it does it with.
//!
//! Which constant meets the address in which test is not followed: every text of the policy that reads as a network counts as one that
//! the address is tested against. That is more than needed where a text means something else, and costs an entry or two in the cache.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use regorus::Value;

use super::calendar::{Calendar, Parts};
use super::extent::{Depends, ReadExtent};
use super::source::ValueSource;
use crate::policy::builtins;

/// What was found; grows while the policy is walked through.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own, and all of them are asked in one place")]
#[derive(Debug, Default)]
pub(super) struct InputUses<'p> {
    /// Something that this analysis does not understand.
    pub(super) obscure: bool,
    /// The address other than in the next two ways.
    address: bool,
    /// The address in `net.cidr_contains` or `net.cidr_intersects`.
    networks: bool,
    /// The address compared with constants.
    hosts: bool,
    /// The time other than in the following ways.
    time: bool,
    /// The time compared with constants.
    instants: bool,
    /// The time in `time.clock`, `time.weekday` and `time.date`: of these the parts.
    pub(super) parts: Parts,
    /// …in the zones that the policy names.
    pub(super) zones: bool,
    /// …without a zone.
    pub(super) utc: bool,
    /// The client's certificate, however little of it.
    certificate: bool,
    texts: BTreeSet<&'p str>,
    numbers: BTreeSet<i64>,
    /// A number that is no time: too large, or not whole.
    odd_number: bool,
}

impl<'p> InputUses<'p> {
    pub(super) fn text(&mut self, text: &'p str) {
        self.texts.insert(text);
    }

    pub(super) fn number(&mut self, number: &Value) {
        match number.as_i64() {
            Ok(number) => {
                self.numbers.insert(number);
            }
            Err(_) => self.odd_number = true,
        }
    }

    /// A value is used in a way that may tell everything of it; what comes of it is no longer the value itself.
    pub(super) fn read(&mut self, value: ValueSource) -> ValueSource {
        self.address |= value.may_be(ValueSource::ADDRESS | ValueSource::REQUEST | ValueSource::SESSION | ValueSource::INPUT);
        self.time |= value.may_be(ValueSource::TIME | ValueSource::CLOCK | ValueSource::REQUEST | ValueSource::INPUT);
        self.certificate |= value.may_be(ValueSource::CERTIFICATE | ValueSource::REQUEST | ValueSource::INPUT);
        let known = value & ValueSource::PLAIN;
        if known == value { value } else { known | ValueSource::OTHER }
    }

    /// One of hour, minute and second is taken out of what `time.clock` makes of the time.
    pub(super) fn clock_part(&mut self, part: usize) {
        match part {
            0 => self.parts.hour = true,
            1 => self.parts.minute = true,
            _ => self.time = true,
        }
    }

    /// Two values are compared for being equal, and nothing else.
    pub(super) fn equal(&mut self, one: ValueSource, other: ValueSource) {
        for (value, against) in [(one, other), (other, one)] {
            if value.may_be(ValueSource::ADDRESS) {
                if against.may_be(ValueSource::OTHER) {
                    self.read(ValueSource::ADDRESS);
                } else {
                    self.hosts |= against.may_be(ValueSource::LITERAL);
                }
            }
            self.instant(value, against);
            self.read(value.without(ValueSource::ADDRESS | ValueSource::TIME));
        }
    }

    /// Two values are compared for which is the greater.
    pub(super) fn order(&mut self, one: ValueSource, other: ValueSource) {
        for (value, against) in [(one, other), (other, one)] {
            self.instant(value, against);
            self.read(value.without(ValueSource::TIME));
        }
    }

    fn instant(&mut self, value: ValueSource, against: ValueSource) {
        if value.may_be(ValueSource::TIME) {
            if against.may_be(ValueSource::OTHER | ValueSource::NUMBER) {
                self.read(ValueSource::TIME);
            } else {
                self.instants |= against.may_be(ValueSource::LITERAL);
            }
        }
    }

    /// An address is tested against a network.
    pub(super) fn network(&mut self, network: ValueSource, address: ValueSource) {
        if address.may_be(ValueSource::ADDRESS) {
            if network.may_be(ValueSource::OTHER) {
                self.read(ValueSource::ADDRESS);
            } else {
                self.networks = true;
            }
        }
        self.read(network);
        self.read(address.without(ValueSource::ADDRESS));
    }

    /// What an answer depends on, all things considered.
    pub(super) fn depends(&self) -> Depends {
        if self.obscure {
            return Depends { address: ReadExtent::Everything, time: ReadExtent::Everything, certificate: true };
        }
        Depends { address: self.address_depends(), time: self.time_depends(), certificate: self.certificate }
    }

    fn address_depends(&self) -> ReadExtent<BTreeSet<IpNet>> {
        if self.address {
            return ReadExtent::Everything;
        }
        let mut networks = BTreeSet::new();
        if self.networks {
            networks.extend(self.texts.iter().filter_map(|text| builtins::network(text)));
        }
        if self.hosts {
            networks.extend(self.texts.iter().filter_map(|text| host(text)));
        }
        if networks.is_empty() { ReadExtent::Nothing } else { ReadExtent::Classes(networks) }
    }

    fn time_depends(&self) -> ReadExtent<Calendar> {
        if self.time || (self.instants && self.odd_number) {
            return ReadExtent::Everything;
        }
        let mut calendar = Calendar { zones: BTreeMap::new(), instants: BTreeSet::new() };
        if self.zones {
            let zones = self.texts.iter().filter(|text| Calendar::knows(text));
            calendar.zones.extend(zones.map(|zone| (Box::from(*zone), self.parts)));
        }
        if self.utc {
            calendar.zones.insert("UTC".into(), self.parts);
        }
        if self.instants {
            calendar.instants.extend(&self.numbers);
            let read = |text: &&str| builtins::call_alone("time.parse_rfc3339_ns", &[Value::from(*text)]).as_i64().ok();
            calendar.instants.extend(self.texts.iter().filter_map(read));
        }
        if calendar.is_empty() { ReadExtent::Nothing } else { ReadExtent::Classes(calendar) }
    }
}

/// The address that a text is, if an address is ever written so: policies compare texts.
fn host(text: &str) -> Option<IpNet> {
    let address: IpAddr = text.parse().ok()?;
    (address.to_canonical().to_string() == text).then(|| IpNet::from(address))
}
