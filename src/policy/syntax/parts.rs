//! What the lowered tree's terms and statements are made of.

use std::collections::BTreeSet;

use super::core::{Branch, Stmt, StmtKind, Term};

impl Term {
    /// The terms that it is made of; not those in the body of a comprehension.
    pub(in crate::policy) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Const(_) | Self::Input | Self::Extent(_) | Self::Slot(_) | Self::Rule(_) | Self::Named(_) => Vec::new(),
            Self::At(of, key) => vec![of, key],
            Self::Call(_, parts) | Self::Function(_, parts) | Self::Array(parts) | Self::Set(parts) | Self::Template(parts) => {
                parts.iter().collect()
            }
            Self::Object(fields) => fields.iter().flat_map(|(key, value)| [key, value]).collect(),
            Self::Compare(_, sides) | Self::Sets(_, sides) | Self::Arithmetic(_, sides) => vec![&sides.0, &sides.1],
            Self::In(key, sides) => key.iter().map(AsRef::as_ref).chain([&sides.0, &sides.1]).collect(),
            Self::Collect(comprehension) => comprehension.key.iter().chain([&comprehension.item]).collect(),
        }
    }
}

impl StmtKind {
    /// The terms that stand in it directly.
    pub(in crate::policy) fn terms(&self) -> Vec<&Term> {
        match self {
            Self::Holds(term) | Self::Bind(_, term) | Self::IsArray(term, _) => vec![term],
            Self::Equal(one, other) => vec![one, other],
            Self::IsObject(term, keys) => std::iter::once(term).chain(keys).collect(),
            Self::Each { of, .. } | Self::Every { of, .. } => vec![of],
            Self::Not(_) => Vec::new(),
            Self::With { replaced, .. } => replaced.iter().map(|(_, value)| value).collect(),
        }
    }

    /// The body that stands in it.
    pub(in crate::policy) fn body(&self) -> &[Stmt] {
        match self {
            Self::Not(body) | Self::Every { body, .. } | Self::With { body, .. } => body,
            Self::Holds(_) | Self::Bind(..) | Self::Equal(..) | Self::IsArray(..) | Self::IsObject(..) | Self::Each { .. } => &[],
        }
    }

    /// The slots that it binds for what stands behind it.
    pub(in crate::policy) fn binds(&self) -> Vec<usize> {
        match self {
            Self::Bind(slot, _) => vec![*slot],
            Self::Each { key, item, .. } => key.iter().chain(item).copied().collect(),
            Self::With { body, .. } => body.iter().flat_map(|statement| statement.kind.binds()).collect(),
            Self::Holds(_) | Self::Equal(..) | Self::IsArray(..) | Self::IsObject(..) | Self::Not(_) | Self::Every { .. } => Vec::new(),
        }
    }
}

/// Shows every statement of a body, however deep.
pub(in crate::policy) fn statements<'t>(body: &'t [Stmt], show: &mut dyn FnMut(&'t Stmt)) {
    for statement in body {
        show(statement);
        for term in statement.kind.terms() {
            statements_of(term, show);
        }
        statements(statement.kind.body(), show);
    }
}

/// Shows every statement in a term, however deep.
pub(in crate::policy) fn statements_of<'t>(term: &'t Term, show: &mut dyn FnMut(&'t Stmt)) {
    if let Term::Collect(comprehension) = term {
        statements(&comprehension.body, show);
    }
    for part in term.parts() {
        statements_of(part, show);
    }
}

/// The slots that stand in a term, however deep, and those that something in it binds.
pub(in crate::policy) fn slots_of(term: &Term, used: &mut BTreeSet<usize>, bound: &mut BTreeSet<usize>) {
    if let Term::Slot(slot) = term {
        used.insert(*slot);
    }
    if let Term::Collect(comprehension) = term {
        slots_in(&comprehension.body, used, bound);
    }
    for part in term.parts() {
        slots_of(part, used, bound);
    }
}

/// The same of a body.
pub(in crate::policy) fn slots_in(body: &[Stmt], used: &mut BTreeSet<usize>, bound: &mut BTreeSet<usize>) {
    for statement in body {
        for term in statement.kind.terms() {
            slots_of(term, used, bound);
        }
        bound.extend(statement.kind.binds());
        if let StmtKind::Every { key, item, .. } = &statement.kind {
            bound.extend(key.iter().chain(item));
        }
        slots_in(statement.kind.body(), used, bound);
    }
}

/// The same of a branch.
pub(in crate::policy) fn slots_of_branch(branch: &Branch, used: &mut BTreeSet<usize>, bound: &mut BTreeSet<usize>) {
    branch.head().for_each(|term| slots_of(term, used, bound));
    slots_in(&branch.body, used, bound);
}
