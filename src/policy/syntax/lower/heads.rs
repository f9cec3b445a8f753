//! Heads: which rules and functions there are, and what each of their definitions gives.

#![expect(clippy::match_same_arms, reason = "each arm has its own reason")]

use std::collections::{BTreeMap, BTreeSet};

use super::super::core::{Node, RuleForm};
use super::super::tree::{AuthoredRule, Expr, Module, RuleAssign, RuleBody, RuleHead, Span};
use super::super::walk::{self, Step};
use super::lowering::{Global, Lowering, Path, Purpose, Unit, shown};
use crate::policy::engine::entrypoint;
use crate::policy::lint::calls::arguments;
use crate::policy::lint::did_you_mean;

/// One definition, as it stands in the text.
pub(super) struct DefinitionHead<'m> {
    pub(super) unit: usize,
    /// What carets stand under: the name and its steps.
    pub(super) span: &'m Span,
    pub(super) owner: Node,
    pub(super) is_default: bool,
    pub(super) args: Vec<&'m Expr>,
    /// Behind the path of the rule.
    pub(super) steps: Vec<Step<'m>>,
    pub(super) gives: Gives<'m>,
    pub(super) bodies: &'m [RuleBody],
}

/// What each solution gives.
#[derive(Clone, Copy)]
pub(super) enum Gives<'m> {
    True,
    Value(&'m Expr),
    Item(&'m Expr),
}

/// The names of a reference that has no other steps.
pub(super) fn names(expr: &Expr) -> Option<Path> {
    Some(walk::path(expr)?.into_iter().map(Box::from).collect())
}

impl<'m> Unit<'m> {
    pub(super) fn of(place: &'m str, module: &'m Module, purpose: Purpose) -> Self {
        let package = names(&module.package.refr).unwrap_or_default();
        Self { place, module, purpose, package, globals: BTreeMap::new() }
    }
}

/// A head before it is known which rule it belongs to.
struct Found<'m> {
    head: DefinitionHead<'m>,
    path: Path,
    kind: FoundKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FoundKind {
    Rule(RuleForm),
    Function(usize),
}

impl FoundKind {
    fn noun(self) -> &'static str {
        match self {
            Self::Rule(RuleForm::Complete) => "a single value",
            Self::Rule(RuleForm::Set) => "a set",
            Self::Rule(RuleForm::Object) => "an object",
            Self::Function(_) => "a function",
        }
    }
}

/// Finds all definitions, the rules that they belong to, and what names stand for.
pub(super) fn collect<'m>(lowering: &mut Lowering<'m>) -> Vec<DefinitionHead<'m>> {
    let mut all = Vec::new();
    for number in 0..lowering.units.len() {
        let found = of_unit(lowering, number);
        all.extend(found);
    }
    let mut kinds: BTreeMap<Path, FoundKind> = BTreeMap::new();
    let mut heads = Vec::with_capacity(all.len());
    let mut defaults: BTreeSet<Path> = BTreeSet::new();
    for mut found in all {
        let name = shown(&found.path);
        let known = *kinds.entry(found.path.clone()).or_insert(found.kind);
        if known != found.kind {
            let (here, before) = match (found.kind, known) {
                (FoundKind::Function(here), FoundKind::Function(before)) => (arguments(here), arguments(before)),
                (here, before) => (here.noun().to_owned(), before.noun().to_owned()),
            };
            let hint = "rules of one name make one thing together: rename one of them".to_owned();
            lowering.fault(found.head.unit, found.head.span, format!("`{name}` is {here} here and {before} before"), Some(hint));
            continue;
        }
        if found.head.is_default && !defaults.insert(found.path.clone()) {
            let reason = format!("`{name}` has a default already");
            lowering.fault(found.head.unit, found.head.span, reason, Some("leave one of the two".to_owned()));
            continue;
        }
        found.head.owner = match found.kind {
            FoundKind::Rule(kind) => {
                let next = lowering.kinds.len();
                let number = *lowering.rules.entry(found.path.clone()).or_insert(next);
                if number == next {
                    lowering.kinds.push((kind, found.path.clone()));
                }
                Node::Rule(number)
            }
            FoundKind::Function(arity) => {
                let next = lowering.functions.len();
                Node::Function(lowering.functions.entry(found.path.clone()).or_insert((next, arity)).0)
            }
        };
        // One value cannot have fields of other rules.
        let above = (1..found.path.len()).filter_map(|length| found.path.get(..length)).find_map(|above| {
            let kind = *kinds.get(above)?;
            (kind != FoundKind::Rule(RuleForm::Object)).then(|| (shown(above), kind))
        });
        if let Some((above, kind)) = above {
            let reason = format!("`{name}` is a part of `{above}` here, and `{above}` is {} before", kind.noun());
            lowering.fault(found.head.unit, found.head.span, reason, Some("rename one of them".to_owned()));
            continue;
        }
        heads.push(found.head);
    }
    // The other way round: the part stands above the whole.
    for (path, kind) in &kinds {
        let part = kinds.keys().find(|other| other.len() > path.len() && other.starts_with(path));
        if *kind != FoundKind::Rule(RuleForm::Object)
            && lowering.faults.borrow().is_empty()
            && let Some(part) = part
            && let Some(head) = heads.iter().find(|head| is_of(lowering, head, path))
        {
            let reason = format!("`{}` is {} here, and `{}` is a part of it", shown(path), kind.noun(), shown(part));
            lowering.fault(head.unit, head.span, reason, Some("rename one of them".to_owned()));
        }
    }
    for (path, number) in &lowering.rules {
        let mut place = &mut lowering.root;
        for name in path {
            place = place.fields.entry(name.clone()).or_default();
        }
        place.rule = Some(*number);
    }
    for unit in &lowering.units {
        let mut place = &mut lowering.root;
        for name in &unit.package {
            place = place.fields.entry(name.clone()).or_default();
        }
    }
    heads
}

fn is_of(lowering: &Lowering<'_>, head: &DefinitionHead<'_>, path: &Path) -> bool {
    match head.owner {
        Node::Rule(number) => lowering.rules.get(path) == Some(&number),
        Node::Function(number) => lowering.functions.get(path).is_some_and(|(function, _)| *function == number),
    }
}

fn of_unit<'m>(lowering: &mut Lowering<'m>, number: usize) -> Vec<Found<'m>> {
    let Some(unit) = lowering.units.get(number) else { return Vec::new() };
    let (module, purpose, package) = (unit.module, unit.purpose, unit.package.clone());
    let mut globals: BTreeMap<&'m str, Global> = BTreeMap::new();
    let mut all = Vec::new();
    for rule in &module.policy {
        let Some(found) = found(number, rule, &package) else {
            lowering.fault(number, rule.span(), "a rule begins with its name", None);
            continue;
        };
        let name = first_name(rule);
        if matches!(name, "input" | "data") {
            lowering.fault(number, found.head.span, format!("a rule may not be named `{name}`"), Some("give it another name".to_owned()));
            continue;
        }
        globals.insert(name, Global::Data(package.iter().cloned().chain([name.into()]).collect()));
        all.push(found);
    }
    if purpose == Purpose::Policy && *package != [Box::from(entrypoint::PACKAGE)] {
        let reason = format!("the package of a login policy must be `{}`, and is `{}`", entrypoint::PACKAGE, package.join("."));
        lowering.fault(number, module.package.refr.span(), reason, Some(format!("write `package {}`", entrypoint::PACKAGE)));
    }
    imports(lowering, number, module, purpose, &package, &mut globals);
    if let Some(unit) = lowering.units.get_mut(number) {
        unit.globals = globals;
    }
    all
}

fn imports<'m>(
    lowering: &Lowering<'m>,
    number: usize,
    module: &'m Module,
    purpose: Purpose,
    package: &Path,
    globals: &mut BTreeMap<&'m str, Global>,
) {
    let rules: Vec<&'m str> = globals.keys().copied().collect();
    let mut imported: Vec<&'m str> = Vec::new();
    for import in &module.imports {
        let path = names(&import.refr).unwrap_or_default();
        let named: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
        let name = import.r#as.as_ref().map_or_else(|| last_name(&import.refr), |alias| alias.text());
        let global = match named.as_slice() {
            ["rego", "v1"] | ["future", "keywords", ..] => continue,
            ["input", ..] => Global::Input(path.get(1..).unwrap_or_default().to_vec()),
            ["data", rest @ ..] => {
                let own = package.first().is_some_and(|own| rest.first() == Some(&own.as_ref()));
                if let (true, Purpose::Policy, Some(rule)) = (own, purpose, rest.get(1))
                    && !rules.contains(rule)
                {
                    let hint = did_you_mean(rule, rules.iter().copied());
                    lowering.fault(number, import.refr.span(), format!("the policy has no rule `{rule}`"), hint);
                }
                Global::Data(path.get(1..).unwrap_or_default().to_vec())
            }
            _ => {
                lowering.fault(number, import.refr.span(), format!("there is no `{}` to import", named.join(".")), None);
                continue;
            }
        };
        if module.rego_v1 && imported.contains(&name) {
            let hint = "leave one of the two, or give it another name with `as`".to_owned();
            lowering.fault(number, import.refr.span(), format!("`{name}` is imported already"), Some(hint));
        }
        imported.push(name);
        globals.insert(name, global);
    }
}

fn last_name(expr: &Expr) -> &str {
    match expr {
        Expr::RefDot { field, .. } => field.text(),
        Expr::RefBrack { index, .. } => walk::literal_text(index).unwrap_or_default(),
        other => other.span().text(),
    }
}

fn first_name(rule: &AuthoredRule) -> &str {
    let refr = match rule {
        AuthoredRule::Default { refr, .. } => refr,
        AuthoredRule::Spec { head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. }, .. } => refr,
    };
    walk::unfold(refr).0.span().text()
}

fn value(assign: Option<&RuleAssign>) -> Gives<'_> {
    assign.map_or(Gives::True, |assign| Gives::Value(&assign.value))
}

fn found<'m>(unit: usize, rule: &'m AuthoredRule, package: &Path) -> Option<Found<'m>> {
    let (refr, args, gives, bodies, is_default): (&Expr, &[_], _, &[RuleBody], _) = match rule {
        AuthoredRule::Default { refr, args, value, .. } => (refr, args.as_slice(), Gives::Value(value), &[], true),
        AuthoredRule::Spec { head, bodies, .. } => match head {
            RuleHead::Compr { refr, assign, .. } => (refr, &[], value(assign.as_ref()), bodies, false),
            // In v0 the key of `p[k] { … }` stands in the reference, too.
            RuleHead::Set { refr, key, .. } => (refr, &[], Gives::Item(key), bodies, false),
            RuleHead::Func { refr, args, assign, .. } => (refr, args.as_slice(), value(assign.as_ref()), bodies, false),
        },
    };
    let (root, steps) = walk::unfold(refr);
    let Expr::Var { span: name } = root else { return None };
    let mut path = package.clone();
    path.push(name.text().into());
    let mut rest: Vec<Step<'m>> = Vec::new();
    for step in steps {
        match step {
            Step::Name(name) if rest.is_empty() => path.push(name.into()),
            step => rest.push(step),
        }
    }
    let is_function = matches!(rule, AuthoredRule::Spec { head: RuleHead::Func { .. }, .. }) || !args.is_empty();
    let kind = match gives {
        _ if is_function => FoundKind::Function(args.len()),
        _ if !rest.is_empty() => FoundKind::Rule(RuleForm::Object),
        Gives::Item(_) => FoundKind::Rule(RuleForm::Set),
        Gives::True | Gives::Value(_) => FoundKind::Rule(RuleForm::Complete),
    };
    let args = args.iter().map(AsRef::as_ref).collect();
    let head = DefinitionHead { unit, span: refr.span(), owner: Node::Rule(usize::MAX), is_default, args, steps: rest, gives, bodies };
    Some(Found { head, path, kind })
}
