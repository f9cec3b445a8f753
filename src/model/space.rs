//! Where roles hold: a tree of spaces under `root`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

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

/// Every space, held together as a tree. A copy is the same tree until one of the two gets another space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceTree {
    spaces: Arc<BTreeMap<SpaceId, Space>>,
    /// Of the spaces that something stands under.
    branches: Arc<BTreeMap<SpaceId, Branch>>,
}

/// What stands under a space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Branch {
    /// Directly.
    children: BTreeSet<SpaceId>,
    /// On any level: there may be ten thousand, and a page asks how many for every role that somebody holds.
    count: usize,
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
        let mut branches: BTreeMap<SpaceId, Branch> = BTreeMap::new();
        for space in spaces.values() {
            match &space.parent {
                None if space.id.is_root() => {}
                Some(parent) if !space.id.is_root() => {
                    if !spaces.contains_key(parent) {
                        return Err(SpaceFault::Orphan(space.id.clone(), parent.clone()));
                    }
                    branches.entry(parent.clone()).or_default().children.insert(space.id.clone());
                }
                None | Some(_) => return Err(SpaceFault::Parent(space.id.clone())),
            }
        }
        let mut tree = Self { spaces: Arc::new(spaces), branches: Arc::new(branches) };
        let reached: BTreeSet<&SpaceId> = tree.subtree(&SpaceId::root()).map(|space| &space.id).collect();
        if let Some(id) = tree.spaces.keys().find(|id| !reached.contains(id)) {
            return Err(SpaceFault::Circle(id.clone()));
        }
        tree.count();
        Ok(tree)
    }

    /// The tree of a new store: `root` alone.
    #[must_use]
    pub fn root_only() -> Self {
        let root = Space { id: SpaceId::root(), name: "Root".to_owned(), description: String::new(), parent: None, labels: Vec::new() };
        Self { spaces: Arc::new(BTreeMap::from([(root.id.clone(), root)])), branches: Arc::default() }
    }

    /// Counts what stands under each space.
    fn count(&mut self) {
        let mut counts: HashMap<SpaceId, usize> = HashMap::new();
        // From above each space comes before those under it, so from behind each has been counted before it is added to the one above.
        let downwards: Vec<&Space> = self.subtree(&SpaceId::root()).collect();
        for space in downwards.into_iter().rev() {
            let under = counts.get(&space.id).copied().unwrap_or_default();
            if let Some(parent) = &space.parent {
                *counts.entry(parent.clone()).or_default() += under + 1;
            }
        }
        for (id, branch) in Arc::make_mut(&mut self.branches) {
            branch.count = counts.get(id).copied().unwrap_or_default();
        }
    }

    /// Adds a space below one that is there; whether that could be done.
    pub fn add(&mut self, space: Space) -> bool {
        let Some(parent) = space.parent.clone().filter(|parent| self.contains(parent) && !self.contains(&space.id)) else { return false };
        let above: Vec<SpaceId> = self.path_to_root(&parent).map(|above| above.id.clone()).collect();
        let branches = Arc::make_mut(&mut self.branches);
        for above in above {
            branches.entry(above).or_default().count += 1;
        }
        branches.entry(parent).or_default().children.insert(space.id.clone());
        Arc::make_mut(&mut self.spaces).insert(space.id.clone(), space);
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
        self.branches.get(id).into_iter().flat_map(|branch| &branch.children)
    }

    /// How many spaces stand directly below `id`.
    #[must_use]
    pub fn child_count(&self, id: &SpaceId) -> usize {
        self.branches.get(id).map_or(0, |branch| branch.children.len())
    }

    /// How many spaces stand under `id`, on any level.
    #[must_use]
    pub fn count_below(&self, id: &SpaceId) -> usize {
        self.branches.get(id).map_or(0, |branch| branch.count)
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
    fn how_many_stand_under_a_space_is_known_whether_they_were_there_or_are_added() {
        let mut grown = tree();
        assert!(grown.add(space("paris", Some("eu"))));
        assert!(!grown.add(space("paris", Some("us"))) && !grown.add(space("lyon", Some("nowhere"))));
        let read = SpaceTree::from_rows(grown.iter().cloned()).unwrap();
        for (tree, counts) in [(&tree(), [4, 2, 0, 0, 0]), (&grown, [5, 3, 1, 0, 0]), (&read, [5, 3, 1, 0, 0])] {
            let ids = ["root", "production", "eu", "paris", "nowhere"].map(id);
            assert_eq!(ids.each_ref().map(|id| tree.count_below(id)), counts);
            for id in &ids {
                assert_eq!(tree.count_below(id), tree.subtree(id).count().saturating_sub(1), "{id}");
                assert_eq!(tree.child_count(id), tree.children(id).count(), "{id}");
            }
        }
        assert_eq!(read, grown);
    }

    #[test]
    fn a_space_that_a_copy_gets_is_not_in_the_other_one() {
        let before = tree();
        let mut copy = before.clone();
        assert!(copy.add(space("paris", Some("eu"))));
        assert_eq!((before.contains(&id("paris")), before.count_below(&id("eu")), copy.count_below(&id("eu"))), (false, 0, 1));
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
