//! Which of some networks hold an address, as one number.
//!
//! Of two networks one holds the other, or they share no address. So the smallest network that holds an address tells all the others
//! that do: its number is the class, and there are as many classes as networks, and one for addresses that none of them holds.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// The class of addresses in none of the networks.
const OUTSIDE: u32 = 0;

/// Where classes begin, in each family by itself: `::/0` holds no IPv4 address.
#[derive(Clone, Debug, Default)]
pub(super) struct Networks {
    v4: Line,
    v6: Line,
}

/// The first address of each stretch that has one class, ascending, beginning with 0.
#[derive(Clone, Debug)]
struct Line(Box<[(u128, u32)]>);

impl Networks {
    /// For networks without host bits.
    pub(super) fn of(networks: &BTreeSet<IpNet>) -> Self {
        let mut numbered = Vec::with_capacity(networks.len());
        for (number, network) in (OUTSIDE + 1..).zip(networks) {
            numbered.push((bits(network.network()), bits(network.broadcast()), number, network.addr().is_ipv4()));
        }
        // A network before those that it holds.
        numbered.sort_by_key(|(first, last, ..)| (*first, std::cmp::Reverse(*last)));
        let line =
            |v4| Line::of(numbered.iter().filter(|(.., is_v4)| *is_v4 == v4).map(|(first, last, number, _)| (*first, *last, *number)));
        Self { v4: line(true), v6: line(false) }
    }

    /// The class of an address that is not mapped.
    pub(super) fn class(&self, address: IpAddr) -> u32 {
        match address {
            IpAddr::V4(_) => self.v4.class(bits(address)),
            IpAddr::V6(_) => self.v6.class(bits(address)),
        }
    }
}

impl Line {
    /// For the first and last addresses of networks and their numbers, a network before those that it holds.
    fn of(networks: impl Iterator<Item = (u128, u128, u32)>) -> Self {
        let mut begins = vec![(0, OUTSIDE)];
        // The networks that hold the place reached, the smallest last.
        let mut around: Vec<(u128, u32)> = Vec::new();
        for (first, last, number) in networks {
            leave(&mut around, &mut begins, |end| end < first);
            begin(&mut begins, first, number);
            around.push((last, number));
        }
        leave(&mut around, &mut begins, |_| true);
        Self(begins.into_boxed_slice())
    }

    fn class(&self, address: u128) -> u32 {
        let after = self.0.partition_point(|(begins, _)| *begins <= address);
        after.checked_sub(1).and_then(|at| self.0.get(at)).map_or(OUTSIDE, |(_, class)| *class)
    }
}

fn begin(begins: &mut Vec<(u128, u32)>, at: u128, class: u32) {
    // Nothing lies between the two.
    begins.pop_if(|(last, _)| *last == at);
    begins.push((at, class));
}

/// Leaves the networks that are over; what holds them holds the addresses after them.
fn leave(around: &mut Vec<(u128, u32)>, begins: &mut Vec<(u128, u32)>, is_over: impl Fn(u128) -> bool) {
    while let Some((last, _)) = around.pop_if(|(last, _)| is_over(*last)) {
        if let Some(next) = last.checked_add(1) {
            begin(begins, next, around.last().map_or(OUTSIDE, |(_, class)| *class));
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self([(0, OUTSIDE)].into())
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> BTreeSet<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn addresses_have_one_class_if_the_same_networks_hold_them() {
        let cases: [&[&str]; 5] = [
            &[],
            &["0.0.0.0/0", "::/0"],
            &["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "10.2.0.0/16", "11.0.0.0/8"],
            &["0.0.0.0/1", "128.0.0.0/1", "255.255.255.255/32", "0.0.0.0/32", "255.255.255.0/24"],
            &["2001:db8::/32", "2001:db8::/48", "2001:db8::1/128", "::/0", "::1/128", "ffff::/16", "10.0.0.0/8"],
        ];
        let edges = |network: &IpNet| {
            let (first, last) = (bits(network.network()), bits(network.broadcast()));
            let address = |bits: u128| match network {
                IpNet::V4(_) => IpAddr::from(u32::try_from(bits).unwrap_or(u32::MAX).to_be_bytes()),
                IpNet::V6(_) => IpAddr::from(bits.to_be_bytes()),
            };
            [first.saturating_sub(1), first, first + 1, last.saturating_sub(1), last, last.saturating_add(1)].map(address)
        };
        for case in cases {
            let networks = networks(case);
            let table = Networks::of(&networks);
            let mut addresses: Vec<IpAddr> = networks.iter().flat_map(edges).collect();
            addresses.extend(
                ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1.1.1.1"]
                    .map(|a| a.parse::<IpAddr>().unwrap()),
            );
            let held = |address: &IpAddr| -> Vec<&IpNet> { networks.iter().filter(|network| network.contains(address)).collect() };
            for one in &addresses {
                for other in &addresses {
                    assert_eq!(table.class(*one) == table.class(*other), held(one) == held(other), "{one} {other} {case:?}");
                }
            }
        }
    }
}
