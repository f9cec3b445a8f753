//! The rules of a module as the analysis wants them, and what their names stand for.

use std::collections::BTreeMap;

use regorus::unstable::{Expr, Module, Query, Rule, RuleHead, Span};

use crate::policy::check::ast::{self, Step};
use crate::policy::engine::entrypoint;

/// One rule, as it stands in the text.
pub(super) struct Definition<'m> {
    pub(super) name: &'m str,
    /// Steps of the head: `["a"]` and `[x]` of `roles["a"][x]`.
    pub(super) steps: Vec<Step<'m>>,
    /// The item that it puts into a set.
    pub(super) key: Option<&'m Expr>,
    /// Every value that the text gives it.
    pub(super) values: Vec<&'m Expr>,
    pub(super) args: Vec<&'m Expr>,
    pub(super) queries: Vec<&'m Query>,
    /// It, or an `else` of it, has no value of its own.
    pub(super) may_be_true: bool,
    /// A function that is no name alone.
    pub(super) is_nested_function: bool,
}

/// A module's rules.
pub(super) struct Definitions<'m> {
    list: Vec<Definition<'m>>,
    by_name: BTreeMap<&'m str, Vec<usize>>,
    /// By the name that the module uses: the path that it stands for.
    imports: BTreeMap<&'m str, Vec<&'m str>>,
}

/// What a name stands for, unless it is bound where it stands.
pub(super) enum Global<'m> {
    /// `input`, and a path in it.
    Input(Vec<&'m str>),
    /// A rule, and how many of the steps after the name were used up to find it.
    Rule(&'m str, usize),
    /// Nothing: it is a variable.
    Nothing,
    /// More than one thing, or all rules at once.
    Obscure,
}

impl<'m> Definitions<'m> {
    pub(super) fn of(module: &'m Module) -> Self {
        let list: Vec<Definition<'m>> = module.policy.iter().map(|rule| Definition::of(rule)).collect();
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, definition) in list.iter().enumerate() {
            by_name.entry(definition.name).or_default().push(index);
        }
        let imports = module.imports.iter().filter_map(|import| {
            let path = ast::path(&import.refr)?;
            matches!(path.first(), Some(&("input" | "data")))
                .then(|| (import.r#as.as_ref().map_or(path.last().copied().unwrap_or_default(), Span::text), path))
        });
        Self { imports: imports.collect(), list, by_name }
    }

    /// Those of a name, each with its number.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = (usize, &Definition<'m>)> {
        self.by_name.get(name).into_iter().flatten().filter_map(|index| Some((*index, self.list.get(*index)?)))
    }

    /// The name as the module's text has it, if there is a rule of that name.
    pub(super) fn rule(&self, name: &str) -> Option<&'m str> {
        self.by_name.get_key_value(name).map(|(name, _)| *name)
    }

    /// Whether a single value can be given to a name more than once, and another one each time: by two texts, or by one that has a variable
    /// of the body in it, or an index that goes through a collection.
    pub(super) fn may_have_two_values(&self, name: &str) -> bool {
        let definitions: Vec<&Definition<'_>> = self.named(name).map(|(_, definition)| definition).collect();
        if definitions.iter().any(|definition| definition.is_part()) {
            // What is put into a collection is read as a whole.
            return false;
        }
        let texts: usize = definitions.iter().map(|definition| definition.values.len() + usize::from(definition.may_be_true)).sum();
        texts > 1 || definitions.iter().any(|definition| definition.values.iter().any(|value| !self.is_settled(definition, value)))
    }

    /// Whether an expression has one value, however many solutions the body around it has.
    fn is_settled(&self, definition: &Definition<'m>, value: &'m Expr) -> bool {
        let (mut args, mut declared) = (Vec::new(), Vec::new());
        definition.args.iter().for_each(|arg| ast::pattern_vars(arg, &mut args));
        definition.queries.iter().for_each(|query| ast::visit_statements(query, &mut |statement| ast::declared(statement, &mut declared)));
        let mut settled = true;
        ast::visit(value, &mut |expr| {
            if let Some(name) = ast::var(ast::unfold(expr).0) {
                let is_fixed = args.contains(&name) || !matches!(self.global(name, &[]), Global::Nothing);
                settled &= is_fixed && !declared.contains(&name);
            }
        });
        settled
    }

    /// What a name and the names after it stand for.
    pub(super) fn global(&self, name: &str, after: &[&'m str]) -> Global<'m> {
        match (self.rule(name), self.imports.get(name)) {
            (Some(rule), None) if !matches!(name, "input" | "data") => Global::Rule(rule, 0),
            (Some(_), _) => Global::Obscure,
            (None, Some(path)) => match path.as_slice() {
                ["input", rest @ ..] => Global::Input(rest.to_vec()),
                ["data", rest @ ..] => self.in_data(rest, after),
                _ => Global::Obscure,
            },
            (None, None) => match name {
                "input" => Global::Input(Vec::new()),
                "data" => self.in_data(&[], after),
                _ => Global::Nothing,
            },
        }
    }

    /// A rule of this package by its full name, part of which an import may stand for.
    fn in_data(&self, imported: &[&'m str], after: &[&'m str]) -> Global<'m> {
        let full: Vec<&str> = imported.iter().chain(after).copied().collect();
        match full.as_slice() {
            [package, name, ..] if *package == entrypoint::PACKAGE => match self.rule(name) {
                // What an import names beyond the rule is a step that nobody would take.
                Some(rule) if imported.len() <= 2 => Global::Rule(rule, 2 - imported.len()),
                Some(_) | None => Global::Obscure,
            },
            _ => Global::Obscure,
        }
    }
}

impl<'m> Definition<'m> {
    fn of(rule: &'m Rule) -> Self {
        match rule {
            Rule::Default { refr, args, value, .. } => Self::new(refr, None, [value.as_ref()].into(), args.iter().map(AsRef::as_ref)),
            Rule::Spec { head, bodies, .. } => {
                let mut definition = match head {
                    RuleHead::Compr { refr, assign, .. } => {
                        Self::new(refr, None, assign.iter().map(|assign| assign.value.as_ref()).collect(), [].into_iter())
                    }
                    RuleHead::Set { refr, key, .. } => Self::new(refr, key.as_ref().map(AsRef::as_ref), Vec::new(), [].into_iter()),
                    RuleHead::Func { refr, args, assign, .. } => {
                        let values = assign.iter().map(|assign| assign.value.as_ref()).collect();
                        let function = Self::new(refr, None, values, args.iter().map(AsRef::as_ref));
                        Self { is_nested_function: !function.steps.is_empty(), ..function }
                    }
                };
                definition.may_be_true = definition.values.is_empty();
                for body in bodies {
                    definition.may_be_true |= body.is_else && body.assign.is_none();
                    definition.queries.push(&body.query);
                    definition.values.extend(body.assign.iter().map(|assign| assign.value.as_ref()));
                }
                definition
            }
        }
    }

    fn new(refr: &'m Expr, key: Option<&'m Expr>, values: Vec<&'m Expr>, args: impl Iterator<Item = &'m Expr>) -> Self {
        let (root, steps) = ast::unfold(refr);
        let name = ast::var(root).unwrap_or_else(|| root.span().text());
        Self { name, steps, key, values, args: args.collect(), queries: Vec::new(), may_be_true: false, is_nested_function: false }
    }

    /// Whether its value is put into a collection that the rules of its name make together.
    pub(super) fn is_part(&self) -> bool {
        !self.steps.is_empty() || self.key.is_some()
    }
}
