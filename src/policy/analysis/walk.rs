//! The walk through a policy: from the rules that count to whatever they use, until nothing new is found.
//!
//! What is known of a value is kept per rule, per argument of a function, and per slot of a definition, each as the union of all that it
//! may be anywhere: the order of statements does not matter then, and forgetting a way in which a value gets somewhere is the only way to
//! be wrong. So every kind of statement and term is named here, and what is not understood makes the policy obscure.

use std::collections::{BTreeMap, BTreeSet};

use super::extent::Depends;
use super::settled;
use super::source::ValueSource;
use super::uses::InputUses;
use crate::policy::engine::entrypoint;
use crate::policy::syntax::core::{Definition, Extent, Node, Program, RuleForm, Term};
use crate::policy::syntax::parts;

/// Whose slots: those of a definition, or of a default.
type SlotOwner = (Node, Option<usize>);

/// What is known so far.
pub(super) struct Walk<'p> {
    program: &'p Program,
    pub(super) uses: InputUses<'p>,
    /// What the answer may depend on.
    reached: BTreeSet<Node>,
    /// What a rule's value, or a function's result, may be.
    values: BTreeMap<Node, ValueSource>,
    arguments: BTreeMap<(usize, usize), ValueSource>,
    slots: BTreeMap<(SlotOwner, usize), ValueSource>,
    /// The definition at hand.
    frame: SlotOwner,
    /// Its slots that something is made of.
    used: BTreeSet<usize>,
    /// Something became known in this round.
    news: bool,
    /// Nothing more can become known: a slot that nothing has bound by now is not understood.
    last_round: bool,
}

/// What the answers of a policy depend on.
pub(in crate::policy) fn depends(program: &Program) -> Depends {
    let mut walk = Walk {
        program,
        uses: InputUses::default(),
        reached: BTreeSet::new(),
        values: BTreeMap::new(),
        arguments: BTreeMap::new(),
        slots: BTreeMap::new(),
        frame: (Node::Rule(usize::MAX), None),
        used: BTreeSet::new(),
        news: true,
        last_round: false,
    };
    while std::mem::take(&mut walk.news) {
        walk.round();
    }
    walk.last_round = true;
    walk.round();
    walk.uses.depends()
}

impl<'p> Walk<'p> {
    fn round(&mut self) {
        for (name, _) in entrypoint::RULES {
            let value = self.document(&[entrypoint::PACKAGE, name]);
            self.uses.read(value);
        }
        for node in self.reached.clone() {
            self.node(node);
        }
    }

    fn node(&mut self, node: Node) {
        let program = self.program;
        let (kind, default, definitions) = match node {
            Node::Rule(number) => match program.rules.get(number) {
                Some(rule) => (rule.kind, &rule.default, &rule.definitions),
                None => return self.uses.obscure = true,
            },
            Node::Function(number) => match program.functions.get(number) {
                Some(function) => (RuleForm::Complete, &function.default, &function.definitions),
                None => return self.uses.obscure = true,
            },
        };
        if let Some(default) = default {
            self.frame = (node, None);
            self.used.clear();
            parts::slots_of(default, &mut self.used, &mut BTreeSet::new());
            let value = self.term(default);
            self.add_value(node, value);
        }
        for (index, definition) in definitions.iter().enumerate() {
            self.frame = (node, Some(index));
            self.definition(node, kind, definition);
        }
        // Two values of one rule are compared: unless they are the same, the evaluation ends there.
        let arguments = if let Node::Function(number) = node { self.arity(number) } else { 0 };
        let may_have_two = definitions.len() > 1 || definitions.iter().any(|definition| !settled::is_settled(definition, arguments));
        if kind == RuleForm::Complete && may_have_two {
            let value = self.value(node);
            self.uses.equal(value, value);
        }
    }

    fn arity(&self, function: usize) -> usize {
        self.program.functions.get(function).map_or(0, |function| function.arity)
    }

    fn definition(&mut self, node: Node, kind: RuleForm, definition: &'p Definition) {
        if let Node::Function(number) = node {
            for index in 0..self.arity(number) {
                let given = self.arguments.get(&(number, index)).copied().unwrap_or_default();
                self.bind(index, given);
            }
        }
        self.used.clear();
        for branch in &definition.branches {
            parts::slots_of_branch(branch, &mut self.used, &mut BTreeSet::new());
        }
        for branch in &definition.branches {
            self.body(&branch.body);
            let value = match kind {
                RuleForm::Complete => self.term(branch.put.term()),
                // What is put into a collection is read as a whole.
                RuleForm::Set | RuleForm::Object => branch.head().fold(ValueSource::LITERAL, |made, part| made | self.part(part)),
            };
            self.add_value(node, value);
        }
    }

    fn add_value(&mut self, node: Node, value: ValueSource) {
        let before = self.values.entry(node).or_default();
        self.news |= *before | value != *before;
        *before |= value;
    }

    fn value(&self, node: Node) -> ValueSource {
        self.values.get(&node).copied().unwrap_or_default()
    }

    /// What a rule's value may be, which the answer depends on from now on.
    pub(super) fn rule(&mut self, number: usize) -> ValueSource {
        self.reach(Node::Rule(number))
    }

    fn reach(&mut self, node: Node) -> ValueSource {
        self.news |= self.reached.insert(node);
        self.value(node)
    }

    /// What a function's result may be, by what one call gives it among others.
    pub(super) fn function(&mut self, number: usize, given: &'p [Term]) -> ValueSource {
        self.uses.obscure |= self.arity(number) != given.len();
        for (index, term) in given.iter().enumerate() {
            let given = self.term(term);
            let before = self.arguments.entry((number, index)).or_default();
            self.news |= *before | given != *before;
            *before |= given;
        }
        self.reach(Node::Function(number))
    }

    /// What the document at a path of `data` may be.
    pub(super) fn document<N: AsRef<str>>(&mut self, path: &[N]) -> ValueSource {
        let program = self.program;
        let mut place = &program.root;
        for (length, name) in path.iter().enumerate() {
            if let Some(rule) = place.rule {
                let value = self.rule(rule);
                let within = path.iter().skip(length).fold(value, |whole, name| self.field(whole, name.as_ref()));
                // Other rules may give the same, or what is around it.
                return if place.fields.is_empty() { within } else { within | self.all(place) };
            }
            match place.fields.get(name.as_ref()) {
                Some(next) => place = next,
                // Nothing is there.
                None => return ValueSource::OTHER,
            }
        }
        match place.rule {
            Some(rule) if place.fields.is_empty() => self.rule(rule),
            Some(_) | None => self.all(place),
        }
    }

    /// What all rules at and below a place make together.
    fn all(&mut self, place: &'p Extent) -> ValueSource {
        let mut made = ValueSource::LITERAL;
        if let Some(rule) = place.rule {
            let value = self.rule(rule);
            made |= self.uses.read(value);
        }
        for (name, field) in &place.fields {
            self.uses.text(name);
            made |= self.all(field);
        }
        made
    }

    /// What a slot of the definition at hand may be.
    pub(super) fn slot(&mut self, slot: usize) -> ValueSource {
        let value = self.slots.get(&(self.frame, slot)).copied().unwrap_or_default();
        // By now everything that is bound has been seen to be: what this is bound by is not understood.
        self.uses.obscure |= self.last_round && value == ValueSource::default();
        value
    }

    /// Whether anything is made of a slot of the definition at hand.
    pub(super) fn is_used(&self, slot: usize) -> bool {
        self.used.contains(&slot)
    }

    /// A slot may be this, too.
    pub(super) fn bind(&mut self, slot: usize, value: ValueSource) {
        let before = self.slots.entry((self.frame, slot)).or_default();
        self.news |= *before | value != *before;
        *before |= value;
    }
}
