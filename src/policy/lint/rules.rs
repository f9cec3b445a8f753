//! The rules of a module, by name, and what kind of thing each is.

use std::collections::BTreeMap;

use crate::policy::engine::entrypoint;
use crate::policy::syntax::tree::{AuthoredRule, Expr, LiteralStmt, Module, Query, RuleAssign, RuleHead, Span};
use crate::policy::syntax::walk::{self, HeadStep, Step};

/// A module's rules.
pub(super) struct ModuleRules<'m> {
    pub(super) definitions: Vec<RuleText<'m>>,
    kinds: BTreeMap<&'m str, RuleKind>,
    /// Where the definitions of a name are.
    places: BTreeMap<&'m str, Vec<usize>>,
    /// What the module's own rules may be called by, too: `["data", "spacelift"]`.
    package: Vec<&'m str>,
    /// By the name that the module uses: the path that it stands for.
    imports: BTreeMap<&'m str, Vec<&'m str>>,
    /// A statement changes `input` for itself.
    pub(super) changes_input: bool,
}

/// One rule, as it stands in the text.
pub(super) struct RuleText<'m> {
    pub(super) name: &'m str,
    /// The name with its indices: what carets stand under when the whole rule is meant.
    pub(super) span: &'m Span,
    /// What stands behind the name, without a set's key.
    pub(super) steps: Vec<HeadStep<'m>>,
    /// The item that it puts into a set.
    pub(super) key: Option<&'m Expr>,
    pub(super) value: Option<&'m Expr>,
    pub(super) args: Vec<&'m Expr>,
    pub(super) bodies: Vec<BodyText<'m>>,
    pub(super) default: bool,
    pub(super) kind: RuleKind,
}

/// A body, and the value that an `else` gives.
#[derive(Clone, Copy)]
pub(super) struct BodyText<'m> {
    pub(super) query: &'m Query,
    pub(super) value: Option<&'m Expr>,
    /// Looked at only if those before it do not hold.
    pub(super) is_else: bool,
}

/// What a rule makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuleKind {
    /// One value.
    Complete,
    /// A set, an item at a time.
    Set,
    /// An object, a field at a time.
    Object,
    /// A function of so many arguments.
    Function(usize),
}

impl<'m> ModuleRules<'m> {
    pub(super) fn of(module: &'m Module) -> Self {
        let definitions: Vec<RuleText<'m>> = module.policy.iter().map(|rule| RuleText::of(rule)).collect();
        let mut kinds = BTreeMap::new();
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, definition) in definitions.iter().enumerate() {
            kinds.entry(definition.name).or_insert(definition.kind);
            places.entry(definition.name).or_default().push(place);
        }
        let imports = module.imports.iter().filter_map(|import| {
            let path = walk::path(&import.refr)?;
            matches!(path.first(), Some(&("input" | "data")))
                .then(|| (import.r#as.as_ref().map_or(path.last().copied().unwrap_or_default(), Span::text), path))
        });
        let mut changes_input = false;
        for definition in &definitions {
            definition.visit_statements(&mut |statement| changes_input |= !statement.with_mods.is_empty());
        }
        let package = std::iter::once("data").chain(walk::path(&module.package.refr).unwrap_or_default()).collect();
        Self { kinds, places, package, imports: imports.collect(), changes_input, definitions }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'m str> {
        self.kinds.keys().copied()
    }

    /// The definitions of a name.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &RuleText<'m>> {
        self.places.get(name).into_iter().flatten().filter_map(|place| self.definitions.get(*place))
    }

    pub(super) fn kind(&self, name: &str) -> Option<RuleKind> {
        self.kinds.get(name).copied()
    }

    /// Whether a name stands for something without being bound.
    pub(super) fn is_global(&self, name: &str) -> bool {
        matches!(name, "input" | "data") || self.kinds.contains_key(name) || self.imports.contains_key(name)
    }

    /// The path that a reference's names stand for, imports followed and this package's own name left out: `["input", "session"]`, or
    /// `["rule", …]`.
    pub(super) fn resolve<'a>(&self, names: &[&'a str]) -> Vec<&'a str>
    where
        'm: 'a,
    {
        let full: Vec<&str> = match names.split_first() {
            Some((first, rest)) if !self.kinds.contains_key(first) => match self.imports.get(first) {
                Some(path) => path.iter().chain(rest).copied().collect(),
                None => names.to_vec(),
            },
            Some(_) | None => names.to_vec(),
        };
        match full.strip_prefix(self.package.as_slice()) {
            Some(rest) if !rest.is_empty() => rest.to_vec(),
            Some(_) | None => full,
        }
    }

    /// Whether one of the rules is read for an answer.
    pub(super) fn count(&self) -> bool {
        self.names().any(|name| entrypoint::shape(name).is_some())
    }
}

impl<'m> RuleText<'m> {
    fn of(rule: &'m AuthoredRule) -> Self {
        let given = |assign: &'m Option<RuleAssign>| assign.as_ref().map(|assign| assign.value.as_ref());
        let (refr, args, key, value, kind): (_, &[_], _, _, _) = match rule {
            AuthoredRule::Default { refr, args, value, .. } => (refr, args, None, Some(value.as_ref()), None),
            AuthoredRule::Spec { head: RuleHead::Compr { refr, assign, .. }, .. } => (refr, &[], None, given(assign), None),
            AuthoredRule::Spec { head: RuleHead::Set { refr, key, .. }, .. } => (refr, &[], Some(key.as_ref()), None, Some(RuleKind::Set)),
            AuthoredRule::Spec { head: RuleHead::Func { refr, args, assign, .. }, .. } => {
                (refr, args, None, given(assign), Some(RuleKind::Function(args.len())))
            }
        };
        let bodies = match rule {
            AuthoredRule::Default { .. } => Vec::new(),
            AuthoredRule::Spec { bodies, .. } => {
                bodies.iter().map(|body| BodyText { query: &body.query, value: given(&body.assign), is_else: body.is_else }).collect()
            }
        };
        let (root, _) = walk::unfold(refr);
        let steps = walk::head_steps(refr);
        let kind = match kind {
            None if !args.is_empty() => RuleKind::Function(args.len()),
            // `a.b contains x`: the set is a field of an object.
            None | Some(RuleKind::Set) if !steps.is_empty() => RuleKind::Object,
            Some(kind) => kind,
            None => RuleKind::Complete,
        };
        Self {
            name: walk::var(root).unwrap_or_else(|| root.span().text()),
            span: refr.span(),
            steps,
            key,
            value,
            args: args.iter().map(AsRef::as_ref).collect(),
            bodies,
            default: matches!(rule, AuthoredRule::Default { .. }),
            kind,
        }
    }

    /// Indices in the head, the key, and the value, but for a value that a body has of its own.
    fn head(&self) -> impl Iterator<Item = &'m Expr> {
        let index = |step: &HeadStep<'m>| if let HeadStep::Expr(expr) = step { Some(*expr) } else { None };
        self.steps.iter().filter_map(index).chain(self.key)
    }

    /// Visits every statement in the rule.
    pub(super) fn visit_statements(&self, see: &mut dyn FnMut(&'m LiteralStmt)) {
        for body in &self.bodies {
            walk::visit_statements(body.query, see);
        }
        for expr in self.head().chain(self.values()) {
            walk::visit_statements_in(expr, see);
        }
    }

    /// Visits every expression of the rule.
    pub(super) fn visit(&self, see: &mut dyn FnMut(&'m Expr)) {
        for expr in self.head().chain(self.args.iter().copied()).chain(self.values()) {
            walk::visit(expr, see);
        }
        for body in &self.bodies {
            walk::visit_query(body.query, see);
        }
    }

    /// Visits every call of a rule's, with the name that it is called by.
    pub(super) fn visit_calls(&self, see: &mut dyn FnMut(&str, &'m Span, &[&'m Expr])) {
        self.visit(&mut |expr| {
            if let Expr::Call { span, fcn, params, .. } = expr
                && let Some(names) = walk::path(fcn)
            {
                see(&names.join("."), span, &params.iter().map(AsRef::as_ref).collect::<Vec<_>>());
            }
        });
    }

    /// Every value that the text gives the rule. Without one, a complete rule is `true`.
    pub(super) fn values(&self) -> impl Iterator<Item = &'m Expr> {
        self.value.into_iter().chain(self.bodies.iter().filter_map(|body| body.value))
    }
}

/// A step of a reference that is a literal number.
pub(super) fn number(step: &Step<'_>) -> Option<usize> {
    match step {
        Step::Index(Expr::Scalar { value, .. }) => value.as_u64().ok().and_then(|index| usize::try_from(index).ok()),
        Step::Index(_) | Step::Name(_) => None,
    }
}
