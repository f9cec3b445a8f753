//! Rules and functions that need their own answers: OPA's stages `SetGraph` and `CheckRecursion`.

use std::collections::BTreeMap;

use super::super::core::Node;
use super::super::tree::Span;
use super::heads::DefinitionHead;
use super::lowering::Lowering;

/// The longest chain of rules that need each other: an evaluation goes as deep.
const CHAIN_MAX: usize = 200;

pub(super) fn check(lowering: &Lowering<'_>, heads: &[DefinitionHead<'_>]) {
    let uses = lowering.uses.borrow();
    let mut depths: BTreeMap<Node, usize> = BTreeMap::new();
    for head in heads {
        if depths.contains_key(&head.owner) {
            continue;
        }
        let mut way = Vec::new();
        match walk(&uses, head.owner, &mut way, &mut depths) {
            Ok(depth) if depth > CHAIN_MAX => {
                let reason = format!("rule `{}` stands on a chain of more than {CHAIN_MAX} rules", lowering.name(head.owner));
                lowering.fault(head.unit, head.span, reason, None);
            }
            Ok(_) => {}
            Err(circle) => {
                let names: Vec<String> = circle.iter().map(|node| lowering.name(*node)).collect();
                let Some(first) = names.first() else { continue };
                let place = heads.iter().find(|other| Some(&other.owner) == circle.first()).unwrap_or(head);
                let hint = "a rule cannot need its own answer: take what both need out into a rule of its own, or go through a collection by `some … in`";
                lowering.fault(
                    place.unit,
                    place.span,
                    format!("rule `{first}` is recursive: {} → {first}", names.join(" → ")),
                    Some(hint.to_owned()),
                );
                return;
            }
        }
    }
}

/// How long the longest chain from here is, or a circle.
fn walk(
    uses: &BTreeMap<Node, BTreeMap<Node, Span>>,
    node: Node,
    way: &mut Vec<Node>,
    depths: &mut BTreeMap<Node, usize>,
) -> Result<usize, Vec<Node>> {
    if let Some(at) = way.iter().position(|known| *known == node) {
        return Err(way.get(at..).unwrap_or_default().to_vec());
    }
    if let Some(depth) = depths.get(&node) {
        return Ok(*depth);
    }
    way.push(node);
    let mut depth = 0;
    for next in uses.get(&node).into_iter().flat_map(BTreeMap::keys) {
        depth = depth.max(walk(uses, *next, way, depths)? + 1);
    }
    way.pop();
    depths.insert(node, depth);
    Ok(depth)
}
