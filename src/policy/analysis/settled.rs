//! Whether a definition has one value, however many solutions its bodies have.

use std::collections::BTreeSet;

use crate::policy::syntax::core::{Definition, Stmt, StmtKind, Term};
use crate::policy::syntax::parts;

/// The first slots are its arguments.
pub(super) fn is_settled(definition: &Definition, arguments: usize) -> bool {
    definition.branches.iter().all(|branch| {
        let mut settled = SettledSlots((0..arguments).collect());
        settled.body(&branch.body, true);
        settled.holds(branch.put.term())
    })
}

/// Slots that have one value only.
struct SettledSlots(BTreeSet<usize>);

impl SettledSlots {
    /// Statements in their order, each of which finds what it uses.
    fn body(&mut self, body: &[Stmt], is_settled: bool) {
        for statement in body {
            match &statement.kind {
                StmtKind::Bind(slot, term) => {
                    if is_settled && self.holds(term) {
                        self.0.insert(*slot);
                    }
                }
                StmtKind::With { replaced, body } => {
                    let is_settled = is_settled && replaced.iter().all(|(_, term)| self.holds(term));
                    self.body(body, is_settled);
                }
                // An `each` gives a slot one value after the other; what the rest bind, nobody outside of them sees.
                StmtKind::Each { .. }
                | StmtKind::Holds(_)
                | StmtKind::Equal(..)
                | StmtKind::IsArray(..)
                | StmtKind::IsObject(..)
                | StmtKind::Not(_)
                | StmtKind::Every { .. } => {}
            }
        }
    }

    /// Whether nothing in a term has several values but what it goes through by itself.
    fn holds(&self, term: &Term) -> bool {
        let (mut used, mut own) = (BTreeSet::new(), BTreeSet::new());
        parts::slots_of(term, &mut used, &mut own);
        used.difference(&own).all(|slot| self.0.contains(slot))
    }
}
