//! What all definitions are lowered with.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::super::core::{Extent, Node, RuleForm};
use super::super::tree::{Module, Span};
use crate::policy::fault::PolicyFault;

/// A path of `data`: the package first.
pub(super) type Path = Vec<Box<str>>;

/// What a module is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Policy,
    /// May print, and put functions in the place of others.
    Tests,
}

/// One module.
pub(super) struct Unit<'m> {
    pub(super) place: &'m str,
    pub(super) module: &'m Module,
    pub(super) purpose: Purpose,
    pub(super) package: Path,
    /// What names stand for that no variable has.
    pub(super) globals: BTreeMap<&'m str, Global>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Global {
    Input(Path),
    Data(Path),
}

/// What all definitions are lowered with.
pub(super) struct Lowering<'m> {
    pub(super) units: Vec<Unit<'m>>,
    pub(super) rules: BTreeMap<Path, usize>,
    pub(super) kinds: Vec<(RuleForm, Path)>,
    /// With their numbers of arguments.
    pub(super) functions: BTreeMap<Path, (usize, usize)>,
    pub(super) root: Extent,
    pub(super) faults: RefCell<Vec<PolicyFault>>,
    /// What each rule and function uses, and where.
    pub(super) uses: RefCell<BTreeMap<Node, BTreeMap<Node, Span>>>,
}

impl Lowering<'_> {
    pub(super) fn fault(&self, unit: usize, span: &Span, reason: impl Into<String>, hint: Option<String>) {
        let place = self.units.get(unit).map_or("", |unit| unit.place);
        let fault = PolicyFault::at_span(place, span, reason);
        self.faults.borrow_mut().push(PolicyFault { hint, ..fault });
    }

    /// What a rule or a function is called by its author.
    pub(super) fn name(&self, node: Node) -> String {
        let path = match node {
            Node::Rule(number) => self.kinds.get(number).map(|(_, path)| path),
            Node::Function(number) => self.functions.iter().find(|(_, (function, _))| *function == number).map(|(path, _)| path),
        };
        path.map(|path| shown(path)).unwrap_or_default()
    }
}

/// A path as the author writes it: without the package.
pub(super) fn shown(path: &[Box<str>]) -> String {
    path.get(1..).unwrap_or_default().join(".")
}
