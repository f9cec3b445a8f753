//! Networks, as OPA sees them: an IPv4 address mapped into IPv6 *is* the IPv4 address, on both sides.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::bail;
use ipnet::IpNet;
use regorus::Value;

use super::budget;
use super::function::{Function, Own, items_of_only};

/// Addresses that `net.cidr_expand` lists at most.
const EXPAND_MAX: u32 = 16;
/// What it takes to hold two networks against each other, in steps of the budget's.
const PAIR_STEPS: usize = 200;
/// What a pair that was found takes, in bytes.
const PAIR: usize = 160;

pub(super) static FUNCTIONS: [Function; 6] = [
    ("net.cidr_contains", 2, Own::Total(cidr_contains)),
    ("net.cidr_contains_matches", 2, Own::Partial(cidr_contains_matches)),
    ("net.cidr_expand", 1, Own::Partial(cidr_expand)),
    ("net.cidr_intersects", 2, Own::Total(cidr_intersects)),
    ("net.cidr_is_valid", 1, Own::Total(cidr_is_valid)),
    ("net.cidr_merge", 1, Own::Partial(cidr_merge)),
];

fn cidr_contains(args: &[Value]) -> Value {
    let [Value::String(network), Value::String(inner)] = args else { return Value::Undefined };
    contains(network, inner).map_or(Value::Undefined, Value::Bool)
}

fn cidr_intersects(args: &[Value]) -> Value {
    let [Value::String(one), Value::String(other)] = args else { return Value::Undefined };
    let (Some(one), Some(other)) = (network(one), network(other)) else { return Value::Undefined };
    Value::Bool(one.contains(&other) || other.contains(&one))
}

fn cidr_is_valid(args: &[Value]) -> Value {
    Value::Bool(matches!(args, [Value::String(text)] if network(text).is_some()))
}

/// Every pair of a network and an address or network in it, each named by its index, its key, or itself.
fn cidr_contains_matches(args: &[Value]) -> anyhow::Result<Value> {
    let [networks, inner] = args else { return Ok(Value::Undefined) };
    let (Some(networks), Some(inner)) = (named(networks), named(inner)) else { return Ok(Value::Undefined) };
    budget::work(networks.len().saturating_mul(inner.len()).saturating_mul(PAIR_STEPS))?;
    let mut pairs = BTreeSet::new();
    for (network_name, network) in &networks {
        for (inner_name, inner) in &inner {
            match contains(network, inner) {
                None => return Ok(Value::Undefined),
                Some(false) => {}
                Some(true) => {
                    budget::charge(PAIR)?;
                    pairs.insert(Value::from(vec![network_name.clone(), inner_name.clone()]));
                }
            }
        }
    }
    Ok(Value::from(pairs))
}

fn cidr_expand(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    let Some(network) = network(text) else { return Ok(Value::Undefined) };
    let host_bits = u32::from(network.max_prefix_len() - network.prefix_len());
    if host_bits > EXPAND_MAX {
        bail!("net.cidr_expand lists at most {} addresses", 1_u32 << EXPAND_MAX);
    }
    let address = |offset: u32| match network.network() {
        IpAddr::V4(first) => IpAddr::from((u32::from(first) | offset).to_be_bytes()),
        IpAddr::V6(first) => IpAddr::from((u128::from(first) | u128::from(offset)).to_be_bytes()),
    };
    Ok(Value::from((0..1_u32 << host_bits).map(|offset| Value::from(address(offset).to_string())).collect::<BTreeSet<_>>()))
}

/// The fewest networks that hold the same addresses.
fn cidr_merge(args: &[Value]) -> anyhow::Result<Value> {
    let Some(texts) = items_of_only(args) else { return Ok(Value::Undefined) };
    let mut networks = Vec::with_capacity(texts.len());
    for text in texts {
        let Value::String(text) = text else { return Ok(Value::Undefined) };
        match network(text) {
            Some(network) => networks.push(network),
            // OPA takes such an address for the whole network of its class, A, B or C: nobody can mean that.
            None if text.parse::<IpAddr>().is_ok() => bail!("net.cidr_merge takes networks: write an address with its prefix, /32 or /128"),
            None => return Ok(Value::Undefined),
        }
    }
    if networks.iter().any(|network| network.addr().is_ipv4()) && networks.iter().any(|network| network.addr().is_ipv6()) {
        bail!("net.cidr_merge takes networks of one family: OPA loses those of the other");
    }
    Ok(Value::from(IpNet::aggregate(&networks).iter().map(|network| Value::from(network.to_string())).collect::<BTreeSet<_>>()))
}

/// Whether a network holds an address or a whole network; `None` if one of them is neither.
fn contains(outer: &str, inner: &str) -> Option<bool> {
    let outer = network(outer)?;
    if inner.contains('/') {
        return Some(outer.contains(&network(inner)?));
    }
    let address: IpAddr = inner.parse().ok()?;
    Some(outer.contains(&address.to_canonical()))
}

/// Reads a network as Go's `net.ParseCIDR` does: digits only in the prefix, no zeros in front of an octet, host bits cleared.
pub(in crate::policy) fn network(text: &str) -> Option<IpNet> {
    let (address, prefix) = text.split_once('/')?;
    if prefix.is_empty() || prefix.len() > 3 || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (address, prefix): (IpAddr, u8) = (address.parse().ok()?, prefix.parse().ok()?);
    let (address, prefix) = match (address.to_canonical(), prefix.checked_sub(96)) {
        (mapped @ IpAddr::V4(_), Some(prefix)) if address.is_ipv6() => (mapped, prefix),
        _ => (address, prefix),
    };
    IpNet::new(address, prefix).ok().map(|network| network.trunc())
}

/// The texts in an operand of `net.cidr_contains_matches`, each with the name that a match is told by. An item may be an array whose
/// first element counts.
fn named(operand: &Value) -> Option<Vec<(Value, &str)>> {
    fn text(item: &Value) -> Option<&str> {
        match item {
            Value::String(text) => Some(text),
            Value::Array(items) => match items.first()? {
                Value::String(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }
    match operand {
        Value::String(only) => Some(vec![(operand.clone(), only)]),
        Value::Array(items) => (0_u64..).zip(items.iter()).map(|(index, item)| Some((Value::from(index), text(item)?))).collect(),
        Value::Set(items) => items.iter().map(|item| Some((item.clone(), text(item)?))).collect(),
        Value::Object(items) => items.iter().map(|(key, item)| Some((key.clone(), text(item)?))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(Vec::new()),
        Value::Undefined => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_networks_are_not_expanded() {
        assert!(cidr_expand(&[Value::from("0.0.0.0/0")]).is_err());
        assert!(cidr_expand(&[Value::from("::/64")]).is_err());
    }
}
