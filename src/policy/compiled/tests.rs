use std::sync::Arc;
use std::thread;

use regorus::Value;

use super::*;
use crate::policy::syntax::core::{
    Branch, Collection, Comprehension, Definition, Extent, Program, Put, Rule, RuleForm, Stmt, StmtKind, Term,
};
use crate::policy::syntax::tree::{Source, Span};

const FOREVER: Bounds<'static> = Bounds { memory: 16 << 20, work: budget::WORK_MAX, time_is_up: &|| false };

fn span() -> Span {
    let source = Arc::new(Source { name: "p".into(), text: "".into() });
    Span { source, line: 1, col: 1, start: 0, end: 0 }
}

/// A program of complete rules with one definition each.
fn written(rules: Vec<(Vec<StmtKind>, Term)>) -> Program {
    let rule = |(number, (body, value)): (usize, (Vec<StmtKind>, Term))| {
        let body = body.into_iter().map(|kind| Stmt { span: span(), kind }).collect();
        let branch = Branch { span: span(), body, steps: Vec::new(), put: Put::Value(value) };
        let definition = Definition { span: span(), slots: vec![None; 4], branches: vec![branch] };
        let path = vec!["spacelift".into(), number.to_string().into()];
        Rule { path, kind: RuleForm::Complete, default: None, definitions: vec![definition] }
    };
    let rules: Vec<Rule> = rules.into_iter().enumerate().map(rule).collect();
    let mut root = Extent::default();
    for (number, rule) in rules.iter().enumerate() {
        let place = rule.path.iter().fold(&mut root, |place, name| place.fields.entry(name.clone()).or_default());
        place.rule = Some(number);
    }
    Program { rules, functions: Vec::new(), root }
}

/// What ends the evaluation of a program's last rule, on a thread like those that policies run on.
fn end_of(program: Program) -> Option<FailureKind> {
    let evaluate = move || {
        let last = program.rules.last().unwrap().path.clone();
        Compiled::of(&program).rule(&last, FOREVER, None).0.err().map(|failure| failure.what)
    };
    thread::Builder::new().stack_size(64 << 20).spawn(evaluate).unwrap().join().unwrap()
}

#[test]
fn what_goes_deep_ends_before_the_stack_does() {
    let array = || Term::Array(vec![Term::Const(Value::from(1)), Term::Input]);
    let each = |of| StmtKind::Each { of, key: Some(0), item: Some(1) };
    let rule = |number: usize| Term::Rule(number.saturating_sub(1));
    // Each rule asks for the one before it out of a loop, a comprehension, a `not`.
    let chain = |ask: &dyn Fn(Term) -> Vec<StmtKind>| {
        let first = (Vec::new(), Term::Array(vec![Term::Input]));
        let others = (1..6000).map(|number| (ask(rule(number)), Term::Array(vec![Term::Input])));
        written(std::iter::once(first).chain(others).collect())
    };
    let comprehension = |rule| {
        let body = vec![Stmt { span: span(), kind: each(Term::Array(vec![rule])) }];
        Term::Collect(Box::new(Comprehension { kind: Collection::Array, key: None, item: Term::Slot(1), body }))
    };
    let chains = [
        chain(&|rule| vec![each(array()), StmtKind::Holds(rule)]),
        chain(&|rule| vec![each(array()), StmtKind::Bind(2, Term::At(Box::new(Term::Array(vec![rule])), Box::new(Term::Slot(0))))]),
        chain(&|rule| vec![each(array()), StmtKind::Holds(comprehension(rule))]),
        chain(&|rule| vec![StmtKind::Not(vec![Stmt { span: span(), kind: StmtKind::Holds(rule) }])]),
        written(vec![((0..6000).map(|_| each(array())).collect(), Term::Const(Value::from(1)))]),
        written(vec![(Vec::new(), (0..6000).fold(Term::Input, |term, _| Term::Array(vec![term])))]),
    ];
    for chain in chains {
        assert_eq!(end_of(chain), Some(FailureKind::Limit(Limit::Depth)));
    }
}
