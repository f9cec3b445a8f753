//! Networks and addresses that are written so that nothing is in them, or more than it seems.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Faults;
use super::comparison::{Comparison, Op};
use super::meaning::{Meaning, RuleScope};
use super::rules::{ModuleRules, RuleText};
use crate::policy::syntax::tree::Expr;
use crate::policy::syntax::walk;

/// Every string of the policy that looks like a network, if it has to do with networks at all.
pub(super) fn check_literals(rules: &ModuleRules<'_>, faults: &mut Faults<'_>) {
    let (mut concerned, mut seen) = (false, BTreeSet::new());
    let mut literals: Vec<(&Expr, &str)> = Vec::new();
    for definition in &rules.definitions {
        definition.visit(&mut |expr| {
            concerned |= match expr {
                Expr::Call { fcn, .. } => walk::path(fcn).is_some_and(|names| names.first() == Some(&"net")),
                Expr::RefDot { field, .. } => matches!(field.text(), "remote_ip" | "creator_ip"),
                _ => false,
            };
            if let Some(text) = walk::literal_text(expr)
                && seen.insert(expr.span().start)
            {
                literals.push((expr, text));
            }
        });
    }
    if concerned {
        for (literal, text) in literals {
            network(literal, text, faults);
        }
    }
}

/// Looks at a text that has an address, or what was meant for one, before a slash, and digits behind it.
fn network(literal: &Expr, text: &str, faults: &mut Faults<'_>) {
    let Some((address, prefix)) = text.split_once('/') else { return };
    let looks_like_one = address.contains(['.', ':'])
        && address.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | ':'))
        && !prefix.is_empty()
        && prefix.chars().all(|c| c.is_ascii_digit());
    if !looks_like_one {
        return;
    }
    let never = "no address is in it";
    let Ok(first) = address.parse::<IpAddr>() else {
        let hint = match address.split('.').map(str::parse::<u8>).collect::<Result<Vec<_>, _>>() {
            Ok(octets) if octets.len() == 4 => {
                let plain = octets.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
                format!("an octet has no zeros before it: `{plain}/{prefix}`")
            }
            _ => "an IPv4 network has four octets from 0 to 255: `10.0.0.0/8`".to_owned(),
        };
        faults.warn(literal.span(), format!("`{text}` is not a network: `{address}` is not an address, so {never}"), hint);
        return;
    };
    let most = if first.is_ipv4() { 32 } else { 128 };
    let Some(network) = prefix.parse().ok().and_then(|prefix| IpNet::new(first, prefix).ok()) else {
        let reason = format!("`{text}` is not a network: a prefix goes to {most}, so {never}");
        faults.warn(literal.span(), reason, format!("`{address}/{most}` is the one address"));
        return;
    };
    match (first.to_canonical(), network.prefix_len().checked_sub(96)) {
        (IpAddr::V4(mapped), Some(prefix)) if first.is_ipv6() => faults.note(
            literal.span(),
            format!("`{text}` is IPv4 written as IPv6; clients' addresses come unmapped"),
            format!("`{mapped}/{prefix}` is the same network"),
        ),
        _ if network.trunc() != network => faults.note(
            literal.span(),
            format!("`{text}` has bits set behind its prefix: it is all of `{}`", network.trunc()),
            format!("write `{}`, or `{address}/{most}` for the one address", network.trunc()),
        ),
        _ => {}
    }
}

/// Addresses that are compared as texts.
pub(super) fn check<'m>(scope: &RuleScope<'_, 'm>, definition: &RuleText<'m>, comparisons: &[Comparison<'m>], faults: &mut Faults<'_>) {
    for comparison in comparisons.iter().filter(|comparison| is_address(&comparison.meaning)) {
        if matches!(comparison.op, Op::Equal | Op::NotEqual) {
            let subject = comparison.subject.span().text();
            comparison.with.iter().for_each(|literal| equal(subject, literal, faults));
        }
    }
    definition.visit(&mut |expr| {
        let Expr::Call { span, fcn, params, .. } = expr else { return };
        if walk::path(fcn).is_some_and(|names| names == ["startswith"])
            && let [subject, beginning] = params.as_slice()
            && is_address(&scope.meaning(subject))
            && let Some(text) = walk::literal_text(beginning)
        {
            let also = if text.ends_with(['.', ':']) || text.is_empty() { "" } else { ", and this one ends within a number" };
            faults.warn(
                span,
                format!("the beginning of an address is not a network{also}"),
                format!("write `net.cidr_contains(\"{}\", {})`", as_network(text), subject.span().text()),
            );
        }
    });
}

pub(super) fn is_address(meaning: &Meaning<'_>) -> bool {
    matches!(meaning, Meaning::Input(path) if matches!(path.as_slice(), [Some("request"), Some("remote_ip")] | [Some("session"), Some("creator_ip")]))
}

/// A literal that an address is compared with must be spelled as addresses come.
fn equal(subject: &str, literal: &Expr, faults: &mut Faults<'_>) {
    let Some(text) = walk::literal_text(literal) else { return };
    match text.parse::<IpAddr>() {
        Ok(address) if address.to_canonical().to_string() == text => {}
        Ok(address) => faults.warn(
            literal.span(),
            format!("addresses never come spelled `{text}`, so it is never equal"),
            format!("write `\"{}\"`", address.to_canonical()),
        ),
        Err(_) if text.parse::<IpNet>().is_ok() => faults.warn(
            literal.span(),
            format!("an address is never equal to a network, here `{text}`"),
            format!("write `net.cidr_contains(\"{text}\", {subject})`"),
        ),
        // What is no network either is told of with the other literals if it looks like one.
        Err(_) if text.contains('/') => {}
        Err(_) => {
            faults.warn(
                literal.span(),
                format!("`{text}` is not an address, so it is never equal"),
                "an address is `192.0.2.7` or `2001:db8::7`",
            );
        }
    }
}

/// `10.` and `10.1` as the network that was probably meant.
fn as_network(beginning: &str) -> String {
    let octets: Vec<&str> = beginning.split('.').filter(|octet| !octet.is_empty()).collect();
    if beginning.contains(':') || octets.len() > 4 || octets.is_empty() {
        return "2001:db8::/32".to_owned();
    }
    let padded: Vec<&str> = octets.iter().copied().chain(std::iter::repeat("0")).take(4).collect();
    format!("{}/{}", padded.join("."), octets.len() * 8)
}
