//! Where roles hold: a tree of spaces under `root`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::id::SpaceId;

/// A space as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Its slug, unique and unchangeable.
    pub id: SpaceId,
    /// For people.
    pub name: String,
    /// What it is for; free text, may be empty.
    #[serde(default)]
    pub description: String,
    /// The space above; `None` for `root` alone.
    pub parent: Option<SpaceId>,
    /// Free strings, visible to policies; sorted, each once.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// Every space, held together as a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceTree {
    spaces: BTreeMap<SpaceId, Space>,
    children: BTreeMap<SpaceId, BTreeSet<SpaceId>>,
}

/// Rows that are not a tree under `root`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpaceFault {
    /// No row is `root`.
    #[error("there is no root space")]
    NoRoot,
    /// `root` has a parent, or another space has none.
    #[error("space {0} must have a parent, and root must have none")]
    Parent(SpaceId),
    /// The parent is not among the rows.
    #[error("space {0} stands under {1}, which does not exist")]
    Orphan(SpaceId, SpaceId),
    /// Following the parents never comes to `root`.
    #[error("space {0} stands under itself")]
    Circle(SpaceId),
}

impl SpaceTree {
    /// Builds the tree from its rows, in any order.
    ///
    /// # Errors
    /// When the rows are not a tree under `root`.
    pub fn from_rows(rows: impl IntoIterator<Item = Space>) -> Result<Self, SpaceFault> {
        let spaces: BTreeMap<SpaceId, Space> = rows.into_iter().map(|space| (space.id.clone(), space)).collect();
        if !spaces.contains_key(&SpaceId::root()) {
            return Err(SpaceFault::NoRoot);
        }
        let mut children: BTreeMap<SpaceId, BTreeSet<SpaceId>> = BTreeMap::new();
        for space in spaces.values() {
            match &space.parent {
                None if space.id.is_root() => {}
                Some(parent) if !space.id.is_root() => {
                    if !spaces.contains_key(parent) {
                        return Err(SpaceFault::Orphan(space.id.clone(), parent.clone()));
                    }
                    children.entry(parent.clone()).or_default().insert(space.id.clone());
                }
                None | Some(_) => return Err(SpaceFault::Parent(space.id.clone())),
            }
        }
        let tree = Self { spaces, children };
        let reached: BTreeSet<&SpaceId> = tree.subtree(&SpaceId::root()).map(|space| &space.id).collect();
        match tree.spaces.keys().find(|id| !reached.contains(id)) {
            Some(id) => Err(SpaceFault::Circle(id.clone())),
            None => Ok(tree),
        }
    }

    /// The tree of a new store: `root` alone.
    #[must_use]
    pub fn root_only() -> Self {
        let root = Space { id: SpaceId::root(), name: "Root".to_owned(), description: String::new(), parent: None, labels: Vec::new() };
        Self { spaces: BTreeMap::from([(root.id.clone(), root)]), children: BTreeMap::new() }
    }

    /// Adds a space below one that is there; whether that could be done.
    pub fn add(&mut self, space: Space) -> bool {
        let Some(parent) = space.parent.clone().filter(|parent| self.contains(parent) && !self.contains(&space.id)) else { return false };
        self.children.entry(parent).or_default().insert(space.id.clone());
        self.spaces.insert(space.id.clone(), space);
        true
    }

    /// The space with this id.
    #[must_use]
    pub fn find(&self, id: &SpaceId) -> Option<&Space> {
        self.spaces.get(id)
    }

    /// Whether there is such a space.
    #[must_use]
    pub fn contains(&self, id: &SpaceId) -> bool {
        self.spaces.contains_key(id)
    }

    /// Every space, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Space> {
        self.spaces.values()
    }

    /// The spaces directly below `id`.
    pub fn children(&self, id: &SpaceId) -> impl Iterator<Item = &SpaceId> {
        self.children.get(id).into_iter().flatten()
    }

    /// `id` and every space below it; nothing if there is no such space.
    pub fn subtree<'a>(&'a self, id: &SpaceId) -> impl Iterator<Item = &'a Space> {
        let mut waiting: Vec<&Space> = self.spaces.get(id).into_iter().collect();
        std::iter::from_fn(move || {
            let space = waiting.pop()?;
            waiting.extend(self.children(&space.id).filter_map(|child| self.spaces.get(child)));
            Some(space)
        })
    }

    /// `id` and every space above it, `root` last; nothing if there is no such space.
    pub fn path_to_root<'a>(&'a self, id: &SpaceId) -> impl Iterator<Item = &'a Space> {
        std::iter::successors(self.spaces.get(id), |space| space.parent.as_ref().and_then(|parent| self.spaces.get(parent)))
    }

    /// Whether `inner` is `outer` or stands below it.
    #[must_use]
    pub fn is_within(&self, inner: &SpaceId, outer: &SpaceId) -> bool {
        self.path_to_root(inner).any(|space| space.id == *outer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SpaceId {
        text.parse().unwrap()
    }

    fn space(name: &str, parent: Option<&str>) -> Space {
        Space { id: id(name), name: name.to_owned(), description: String::new(), parent: parent.map(id), labels: Vec::new() }
    }

    fn names<'a>(spaces: impl Iterator<Item = &'a Space>) -> Vec<String> {
        spaces.map(|space| space.id.to_string()).collect()
    }

    /// root ─ production ─ eu, us; root ─ staging
    fn tree() -> SpaceTree {
        let rows = [
            space("us", Some("production")),
            space("staging", Some("root")),
            space("root", None),
            space("eu", Some("production")),
            space("production", Some("root")),
        ];
        SpaceTree::from_rows(rows).unwrap()
    }

    #[test]
    fn a_subtree_is_the_space_and_all_below_it() {
        let mut below = names(tree().subtree(&id("production")));
        below.sort();

        assert_eq!(below, ["eu", "production", "us"]);
        assert_eq!(names(tree().subtree(&id("eu"))), ["eu"]);
        assert_eq!(tree().subtree(&id("root")).count(), 5);
        assert_eq!(tree().subtree(&id("nowhere")).count(), 0);
    }

    #[test]
    fn the_way_up_ends_at_root() {
        assert_eq!(names(tree().path_to_root(&id("eu"))), ["eu", "production", "root"]);
        assert_eq!(names(tree().path_to_root(&id("root"))), ["root"]);
        assert_eq!(tree().path_to_root(&id("nowhere")).count(), 0);
    }

    #[test]
    fn a_space_is_within_itself_and_all_above_but_not_beside_or_below() {
        for (inner, outer, within) in [
            ("eu", "eu", true),
            ("eu", "production", true),
            ("eu", "root", true),
            ("production", "eu", false),
            ("eu", "us", false),
            ("eu", "staging", false),
            ("nowhere", "root", false),
            ("nowhere", "nowhere", false),
            ("eu", "nowhere", false),
        ] {
            assert_eq!(tree().is_within(&id(inner), &id(outer)), within, "{inner} in {outer}");
        }
    }

    #[test]
    fn children_are_those_directly_below() {
        let children = |parent: &str| tree().children(&id(parent)).map(ToString::to_string).collect::<Vec<_>>();

        assert_eq!(children("root"), ["production", "staging"]);
        assert!(children("eu").is_empty());
    }

    #[test]
    fn rows_that_are_no_tree_under_root_are_refused() {
        let root = || space("root", None);
        for (rows, fault) in [
            (vec![], SpaceFault::NoRoot),
            (vec![space("a", None)], SpaceFault::NoRoot),
            (vec![space("root", Some("a")), space("a", Some("root"))], SpaceFault::Parent(id("root"))),
            (vec![space("root", Some("root"))], SpaceFault::Parent(id("root"))),
            (vec![root(), space("a", None)], SpaceFault::Parent(id("a"))),
            (vec![root(), space("a", Some("b"))], SpaceFault::Orphan(id("a"), id("b"))),
            (vec![root(), space("a", Some("a"))], SpaceFault::Circle(id("a"))),
            (vec![root(), space("a", Some("b")), space("b", Some("a"))], SpaceFault::Circle(id("a"))),
        ] {
            assert_eq!(SpaceTree::from_rows(rows), Err(fault));
        }
    }

    #[test]
    fn a_new_tree_is_root_alone() {
        assert_eq!(names(SpaceTree::root_only().iter()), ["root"]);
    }
}
