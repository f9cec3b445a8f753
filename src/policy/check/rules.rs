//! The rules of a module, by name, and what kind of thing each is.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{Expr, LiteralStmt, Module, Query, Rule, RuleHead, Span};

use super::ast::{self, Step};
use super::{Faults, did_you_mean};
use crate::policy::engine::entrypoint::{self, Shape};

/// A module's rules.
pub(super) struct Rules<'m> {
    pub(super) definitions: Vec<Definition<'m>>,
    kinds: BTreeMap<&'m str, Kind>,
    /// Where the definitions of a name are.
    places: BTreeMap<&'m str, Vec<usize>>,
    /// By the name that the module uses: the path that it stands for.
    imports: BTreeMap<&'m str, Vec<&'m str>>,
    /// A statement changes `input` for itself.
    pub(super) changes_input: bool,
    /// What is printed is shown to somebody: the module is one of tests.
    pub(super) may_print: bool,
}

/// One rule, as it stands in the text.
pub(super) struct Definition<'m> {
    pub(super) name: &'m str,
    /// The name with its indices: what carets stand under when the whole rule is meant.
    pub(super) span: &'m Span,
    pub(super) refr: &'m Expr,
    /// The item that it puts into a set.
    pub(super) key: Option<&'m Expr>,
    /// Indices in the head, the key, and the value, but for a value that a body has of its own.
    pub(super) head: Vec<&'m Expr>,
    pub(super) value: Option<&'m Expr>,
    pub(super) args: Vec<&'m Expr>,
    pub(super) bodies: Vec<Body<'m>>,
    pub(super) default: bool,
    pub(super) kind: Kind,
}

/// A body, and the value that an `else` gives.
#[derive(Clone, Copy)]
pub(super) struct Body<'m> {
    pub(super) query: &'m Query,
    pub(super) value: Option<&'m Expr>,
    /// Looked at only if those before it do not hold.
    pub(super) is_else: bool,
}

/// What a rule makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One value.
    Complete,
    /// A set, an item at a time.
    Set,
    /// An object, a field at a time.
    Object,
    /// A function of so many arguments.
    Function(usize),
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Self::Complete => "a single value",
            Self::Set => "a set",
            Self::Object => "an object",
            Self::Function(_) => "a function",
        }
    }
}

/// Words that Rego v1 keeps for itself. As the name of a rule each is a sign of v1 syntax that was read as v0.
const KEYWORDS: [&str; 4] = ["if", "contains", "in", "every"];

impl<'m> Rules<'m> {
    /// The rules of a login policy.
    pub(super) fn of(module: &'m Module, faults: &mut Faults<'_>) -> Self {
        let rules = Self::of_tests(module);
        let package = ast::path(&module.package.refr).unwrap_or_default();
        if package != [entrypoint::PACKAGE] {
            faults.push_with_hint(
                module.package.refr.span(),
                format!("the package of a login policy must be `{}`, and is `{}`", entrypoint::PACKAGE, package.join(".")),
                format!("write `package {}`", entrypoint::PACKAGE),
            );
        }
        for import in &module.imports {
            let path = ast::path(&import.refr).unwrap_or_default();
            match path.as_slice() {
                ["rego", "v1"] | ["future", "keywords", ..] | ["input", ..] => {}
                ["data", package, name, ..] if *package == entrypoint::PACKAGE && !rules.kinds.contains_key(name) => {
                    faults.push_maybe(import.refr.span(), format!("the policy has no rule `{name}`"), did_you_mean(name, rules.names()));
                }
                ["data", package, ..] if *package == entrypoint::PACKAGE => {}
                _ => faults.push(import.refr.span(), format!("there is no `{}` to import", path.join("."))),
            }
        }
        rules
    }

    /// The rules of a module of tests, which may be of any package.
    pub(super) fn of_tests(module: &'m Module) -> Self {
        let definitions: Vec<Definition<'m>> = module.policy.iter().map(|rule| Definition::of(rule)).collect();
        let mut kinds = BTreeMap::new();
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, definition) in definitions.iter().enumerate() {
            kinds.entry(definition.name).or_insert(definition.kind);
            places.entry(definition.name).or_default().push(place);
        }
        let imports = module.imports.iter().filter_map(|import| {
            let path = ast::path(&import.refr)?;
            matches!(path.first(), Some(&("input" | "data")))
                .then(|| (import.r#as.as_ref().map_or(path.last().copied().unwrap_or_default(), Span::text), path))
        });
        let mut changes_input = false;
        for definition in &definitions {
            definition.visit_statements(&mut |statement| changes_input |= !statement.with_mods.is_empty());
        }
        Self { kinds, places, imports: imports.collect(), changes_input, may_print: false, definitions }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'m str> {
        self.kinds.keys().copied()
    }

    /// The definitions of a name.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Definition<'m>> {
        self.places.get(name).into_iter().flatten().filter_map(|place| self.definitions.get(*place))
    }

    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
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
        match full.as_slice() {
            ["data", package, rest @ ..] if *package == entrypoint::PACKAGE && !rest.is_empty() => rest.to_vec(),
            _ => full,
        }
    }

    /// Whether a rule has a value whatever the input is.
    pub(super) fn is_always_defined(&self, name: &str) -> bool {
        match self.kind(name) {
            None | Some(Kind::Function(_)) => false,
            Some(Kind::Set | Kind::Object) => true,
            Some(Kind::Complete) => {
                let fact = |definition: &Definition<'_>| {
                    definition.default || (definition.bodies.is_empty() && definition.value.is_some_and(is_constant))
                };
                self.definitions.iter().any(|definition| definition.name == name && fact(definition))
            }
        }
    }

    /// Rules that are nothing, that are two things at once, or that count and cannot be read.
    pub(super) fn check_shapes(&self, faults: &mut Faults<'_>) {
        let mut defaults = BTreeSet::new();
        for definition in &self.definitions {
            let name = definition.name;
            if KEYWORDS.contains(&name) {
                faults.push_with_hint(
                    definition.span,
                    format!("a rule may not be named `{name}`"),
                    "that is the syntax of Rego v1: add `import rego.v1`, or leave the version of the policy unstated",
                );
            } else if definition.is_nothing() {
                faults.push_with_hint(
                    definition.span,
                    format!("rule `{name}` has neither a body nor a value, so it would always hold"),
                    format!("write `{name} := true` if that is meant"),
                );
            }
            if let Some(kind) = self.kind(name).filter(|kind| *kind != definition.kind) {
                faults.push_with_hint(
                    definition.span,
                    format!("`{name}` is {} here and {} before", definition.kind.noun(), kind.noun()),
                    "rules of one name make one thing together: rename one of them",
                );
            }
            if definition.default {
                if !defaults.insert(name) {
                    faults.push_with_hint(definition.span, format!("`{name}` has a default already"), "leave one of the two");
                }
                if let Some(value) = definition.value.filter(|value| !is_constant(value)) {
                    faults.push_with_hint(
                        value.span(),
                        format!("the default of `{name}` must be a constant"),
                        format!("write `{name} := {} if {{ … }}` for a value that depends on something", value.span().text()),
                    );
                }
            }
            definition.check_shape(faults);
        }
        if !self.kinds.keys().any(|name| entrypoint::shape(name).is_some())
            && let Some(definition) = self.definitions.first()
        {
            let near = self.names().find_map(|name| did_you_mean(name, entrypoint::RULES.iter().map(|(name, _)| *name)));
            let is_test = |name: &str| name.starts_with("test_") || name.starts_with("todo_test_");
            let hint = match near {
                Some(near) => near,
                None if self.names().any(is_test) => "tests stand beside the policy, in a file whose name ends in `_test.rego`".to_owned(),
                None => "define one of allow, deny, roles, team, admin".to_owned(),
            };
            faults.push_with_hint(definition.span, "no rule of the policy counts", hint);
        }
    }
}

impl<'m> Definition<'m> {
    fn of(rule: &'m Rule) -> Self {
        match rule {
            Rule::Default { refr, args, value, .. } => {
                let (name, _) = head(refr);
                let kind = if args.is_empty() { Kind::Complete } else { Kind::Function(args.len()) };
                Self {
                    name,
                    span: refr.span(),
                    refr,
                    key: None,
                    head: Vec::new(),
                    value: Some(value),
                    args: args.iter().map(AsRef::as_ref).collect(),
                    bodies: Vec::new(),
                    default: true,
                    kind,
                }
            }
            Rule::Spec { head: rule_head, bodies, .. } => {
                let bodies = bodies
                    .iter()
                    .map(|body| Body {
                        query: &body.query,
                        value: body.assign.as_ref().map(|assign| assign.value.as_ref()),
                        is_else: body.is_else,
                    })
                    .collect();
                let (refr, key, value, args, kind) = match rule_head {
                    RuleHead::Compr { refr, assign, .. } => {
                        (refr, None, assign.as_ref().map(|assign| assign.value.as_ref()), Vec::new(), None)
                    }
                    RuleHead::Set { refr, key, .. } => (refr, key.as_ref().map(AsRef::as_ref), None, Vec::new(), Some(Kind::Set)),
                    RuleHead::Func { refr, args, assign, .. } => {
                        let args: Vec<&Expr> = args.iter().map(AsRef::as_ref).collect();
                        let kind = Kind::Function(args.len());
                        (refr, None, assign.as_ref().map(|assign| assign.value.as_ref()), args, Some(kind))
                    }
                };
                let (name, steps) = head(refr);
                let nested = !steps.is_empty();
                let kind = match kind {
                    // `a.b[x] { … }`: the set is a field of an object. `a.b { … }` without a key is an item of a set, as v0 has it.
                    Some(Kind::Set) if nested && key.is_some() => Kind::Object,
                    Some(kind) => kind,
                    None if nested => Kind::Object,
                    None => Kind::Complete,
                };
                let indices = steps.iter().filter_map(|step| if let Step::Index(index) = step { Some(*index) } else { None });
                let head = indices.chain(key).collect();
                Self { name, span: refr.span(), refr, key, head, value, args, bodies, default: false, kind }
            }
        }
    }

    /// Neither a body, nor a value, nor a key.
    fn is_nothing(&self) -> bool {
        self.bodies.is_empty() && self.value.is_none() && self.key.is_none()
    }

    /// If the rule counts: whether it can be what it must be.
    fn check_shape(&self, faults: &mut Faults<'_>) {
        let Some(shape) = entrypoint::shape(self.name) else { return };
        let (wanted, hint) = match shape {
            Shape::Flag => ("true or false", format!("write `{} if {{ … }}`, or in Rego v0 `{0} {{ … }}`", self.name)),
            Shape::Names => {
                ("a set of names", format!("write `{} contains \"name\" if {{ … }}`, or in Rego v0 `{0}[\"name\"] {{ … }}`", self.name))
            }
            Shape::Roles => ("roles by space", "write `roles[\"space\"][\"role\"] if { … }`".to_owned()),
        };
        let misfit = match (shape, self.kind) {
            (_, Kind::Complete) => self.values().find(|value| !could_be(value, shape)).map(|value| (value.span(), noun(value))),
            (Shape::Flag, Kind::Set | Kind::Object) | (_, Kind::Function(_)) | (Shape::Roles, Kind::Set) => {
                Some((self.span, self.kind.noun()))
            }
            (Shape::Names, Kind::Set | Kind::Object) | (Shape::Roles, Kind::Object) => None,
        };
        if let Some((span, found)) = misfit {
            faults.push_with_hint(span, format!("`{}` must be {wanted}, and is {found}", self.name), hint);
        }
    }

    /// Visits every statement in the rule.
    pub(super) fn visit_statements(&self, see: &mut dyn FnMut(&'m LiteralStmt)) {
        for body in &self.bodies {
            ast::visit_statements(body.query, see);
        }
        for expr in self.head.iter().copied().chain(self.values()) {
            ast::visit_statements_in(expr, see);
        }
    }

    /// Every value that the text gives the rule. Without one, a complete rule is `true`.
    pub(super) fn values(&self) -> impl Iterator<Item = &'m Expr> {
        self.value.into_iter().chain(self.bodies.iter().filter_map(|body| body.value))
    }
}

/// Whether an expression can have a value of the shape: false only where its own syntax says what it is.
fn could_be(expr: &Expr, shape: Shape) -> bool {
    match expr {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Null { .. }
        | Expr::ArithExpr { .. }
        | Expr::UnaryExpr { .. } => false,
        Expr::Bool { .. } | Expr::BoolExpr { .. } | Expr::Membership { .. } => shape == Shape::Flag,
        Expr::Array { .. } | Expr::Set { .. } | Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::BinExpr { .. } => {
            shape == Shape::Names
        }
        Expr::Object { .. } | Expr::ObjectCompr { .. } => shape != Shape::Flag,
        Expr::Var { .. } | Expr::Call { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } | Expr::AssignExpr { .. } => true,
    }
}

/// What an expression that cannot be what it must be is instead.
fn noun(expr: &Expr) -> &'static str {
    match expr {
        Expr::String { .. } | Expr::RawString { .. } => "a string",
        Expr::Number { .. } | Expr::ArithExpr { .. } | Expr::UnaryExpr { .. } => "a number",
        Expr::Null { .. } => "null",
        Expr::Bool { .. } | Expr::BoolExpr { .. } | Expr::Membership { .. } => "a boolean",
        Expr::Array { .. } | Expr::ArrayCompr { .. } => "an array",
        Expr::Set { .. } | Expr::SetCompr { .. } | Expr::BinExpr { .. } => "a set",
        Expr::Object { .. } | Expr::ObjectCompr { .. } => "an object",
        Expr::Var { .. } | Expr::Call { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } | Expr::AssignExpr { .. } => "something else",
    }
}

pub(super) fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => true,
        Expr::Var { .. } | Expr::Call { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => false,
        other => ast::parts(other).into_iter().all(is_constant),
    }
}

/// A head's name and steps.
fn head(refr: &Expr) -> (&str, Vec<Step<'_>>) {
    let (root, steps) = ast::unfold(refr);
    (ast::var(root).unwrap_or_else(|| root.span().text()), steps)
}
