//! As much of the tree as is shown at once: the upper levels first, so that whatever is left out stands behind something that is shown.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{SpaceId, SpaceTree};

/// How many spaces are shown.
const SHOWN: usize = 50;
/// How many levels, for narrow screens.
const LEVELS: usize = 8;

/// Which spaces are shown below which.
pub(super) struct Outline<'a> {
    tree: &'a SpaceTree,
    below: BTreeMap<&'a SpaceId, Vec<&'a SpaceId>>,
}

/// What is shown directly below a space, and what is not.
pub(super) struct Below<'a> {
    pub(super) shown: &'a [&'a SpaceId],
    /// Directly below.
    pub(super) left_out: usize,
}

impl<'a> Outline<'a> {
    /// What is shown of what stands under a space; of what is directly below it, only what comes after `after`.
    pub(super) fn of(tree: &'a SpaceTree, top: &'a SpaceId, after: Option<&SpaceId>) -> Self {
        let (mut below, mut shown) = (BTreeMap::new(), 0);
        let mut waiting = VecDeque::from([(top, 0)]);
        while let Some((space, level)) = waiting.pop_front() {
            if level == LEVELS {
                continue;
            }
            let children = tree.children(space).filter(|child| level > 0 || after.is_none_or(|after| *child > after));
            let children: Vec<&SpaceId> = children.take(SHOWN - shown).collect();
            shown += children.len();
            waiting.extend(children.iter().map(|child| (*child, level + 1)));
            below.insert(space, children);
        }
        Self { tree, below }
    }

    /// Every space that is shown.
    pub(super) fn spaces(&self) -> impl Iterator<Item = &'a SpaceId> {
        self.below.values().flatten().copied()
    }

    pub(super) fn below(&self, space: &SpaceId, after: Option<&SpaceId>) -> Below<'_> {
        let shown = self.below.get(space).map(Vec::as_slice).unwrap_or_default();
        let all = match after {
            Some(after) => self.tree.children(space).filter(|child| *child > after).count(),
            None => self.tree.child_count(space),
        };
        Below { shown, left_out: all - shown.len() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::Space;

    fn tree(rows: impl IntoIterator<Item = (String, String)>) -> SpaceTree {
        let mut tree = SpaceTree::root_only();
        for (id, parent) in rows {
            let (id, parent): (SpaceId, SpaceId) = (id.parse().unwrap(), parent.parse().unwrap());
            assert!(tree.add(Space { name: id.to_string(), id, description: String::new(), parent: Some(parent), labels: Vec::new() }));
        }
        tree
    }

    /// Everything that somebody comes to who follows every way to what was left out.
    fn reached(tree: &SpaceTree) -> BTreeSet<SpaceId> {
        let (mut reached, mut ways) = (BTreeSet::new(), vec![(SpaceId::root(), None::<SpaceId>)]);
        while let Some((top, after)) = ways.pop() {
            let outline = Outline::of(tree, &top, after.as_ref());
            assert!(outline.spaces().count() <= SHOWN);
            let mut shown = vec![(top.clone(), after)];
            while let Some((space, after)) = shown.pop() {
                let Below { shown: children, left_out } = outline.below(&space, after.as_ref());
                if left_out > 0 {
                    ways.push((space.clone(), children.last().map(|last| (*last).clone()).or(after)));
                }
                shown.extend(children.iter().map(|child| ((*child).clone(), None)));
            }
            reached.extend(outline.spaces().cloned());
        }
        reached
    }

    #[test]
    fn whatever_is_left_out_of_a_wide_or_deep_tree_is_come_to_by_the_ways_that_are_shown() {
        let wide = tree((0..1300).map(|n| (format!("w{n:04}"), "root".to_owned())));
        let deep = tree((1..=40).map(|n| (format!("d{n}"), if n == 1 { "root".to_owned() } else { format!("d{}", n - 1) })));
        let both = tree((0..1200).map(|n| (format!("b{n}"), if n < 30 { "root".to_owned() } else { format!("b{}", n / 30 - 1) })));
        for (tree, count) in [(wide, 1300), (deep, 40), (both, 1200)] {
            assert_eq!(reached(&tree).len(), count);
        }
    }

    #[test]
    fn upper_levels_are_shown_before_lower_ones() {
        let rows = (0..40).map(|n| (format!("a{n:03}"), "root".to_owned())).chain((0..40).map(|n| (format!("b{n:03}"), "a000".to_owned())));
        let tree = tree(rows);
        let root = SpaceId::root();
        let outline = Outline::of(&tree, &root, None);
        assert_eq!(outline.below(&root, None).left_out, 0);
        let Below { shown, left_out } = outline.below(&"a000".parse().unwrap(), None);
        assert_eq!((shown.len(), left_out), (10, 30));
    }
}
