//! What a `with` of a module replaces.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::syntax::core::{Program, Stmt, StmtKind, Target, Term};
use crate::policy::syntax::parts;

/// What any `with` of a module replaces; of functions, what named others stand in their places.
#[derive(Debug, Default)]
pub(super) struct ReplacedTargets<'p> {
    pub(super) data: BTreeSet<&'p [Box<str>]>,
    pub(super) functions: BTreeMap<usize, BTreeSet<&'p str>>,
    pub(super) builtins: BTreeMap<&'p str, BTreeSet<&'p str>>,
}

impl<'p> ReplacedTargets<'p> {
    pub(super) fn of(program: &'p Program) -> Self {
        let mut found = Self::default();
        let mut look = |statement: &'p Stmt| found.look(&statement.kind);
        for (_, _, default, definitions) in program.nodes() {
            if let Some(default) = default {
                parts::statements_of(default, &mut look);
            }
            for branch in definitions.iter().flat_map(|definition| &definition.branches) {
                branch.head().for_each(|term| parts::statements_of(term, &mut look));
                parts::statements(&branch.body, &mut look);
            }
        }
        found
    }

    fn look(&mut self, kind: &'p StmtKind) {
        let StmtKind::With { replaced, .. } = kind else { return };
        for (target, value) in replaced {
            let named = if let Term::Named(name) = value { Some(name.as_ref()) } else { None };
            match target {
                Target::Input(_) => {}
                Target::Data(path) => drop(self.data.insert(path)),
                Target::Function(number) => self.functions.entry(*number).or_default().extend(named),
                Target::Builtin(name) => self.builtins.entry(name).or_default().extend(named),
            }
        }
    }

    /// Whether the document at a path may be replaced as a whole.
    pub(super) fn covers(&self, path: &[Box<str>]) -> bool {
        (0..=path.len()).filter_map(|length| path.get(..length)).any(|above| self.data.contains(above))
    }
}
