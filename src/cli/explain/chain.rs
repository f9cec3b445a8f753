//! From a key to each of its roles: the binding, or the group and its binding, or the policy and its lines.

use serde::Serialize;

use crate::cli::policy::view::{self, PolicyAnswer};
use crate::model::{Grant, Snapshot, SystemRole, Via};
use crate::policy::{HeldRule, Trace, Tracer, Unheld};

/// A grant, and what it rests on.
#[derive(Serialize)]
pub(super) struct Link {
    #[serde(flatten)]
    pub(super) grant: Grant,
    /// In words.
    pub(super) because: String,
    /// The policy's lines that give it; none for a binding.
    pub(super) lines: Vec<u32>,
}

/// A policy, and what it said.
#[derive(Serialize)]
pub(super) struct Heard {
    name: String,
    /// Its file, or its name.
    place: String,
    /// Whether what it says counts: nobody is asked about a key that does not work.
    pub(super) asked: bool,
    pub(super) says: PolicyAnswer,
    trace: Vec<HeldRule>,
    /// Why it says nothing: the rules that would say something.
    unheld: Vec<Unheld>,
    #[serde(skip)]
    of: Trace,
}

impl Heard {
    pub(super) fn of(tracer: &Tracer, trace: &Trace, asked: bool) -> Self {
        Self {
            name: tracer.name.to_string(),
            place: tracer.place.clone(),
            asked,
            says: PolicyAnswer::of(trace),
            trace: trace.steps.clone(),
            unheld: trace.unheld.clone(),
            of: trace.clone(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Why it said nothing.
    pub(super) fn error(&self) -> Option<&str> {
        match &self.says {
            PolicyAnswer::Failed { error } => Some(error),
            PolicyAnswer::Verdict { .. } => None,
        }
    }

    pub(super) fn line(&self) -> String {
        let said = format!("policy {}: {}", self.name, self.says.lines().join("; "));
        let unheld: Vec<String> = self.unheld.iter().map(|rule| format!("{} (line {})", rule.rule, rule.line)).collect();
        if unheld.is_empty() { said } else { format!("{said}, for none of its rules holds: {}", unheld.join(", ")) }
    }

    /// `policy night (policies/night.rego:7)`, or of the store's `policy night (line 7)`.
    fn named(&self, lines: &[u32]) -> String {
        let lines = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match (lines.is_empty(), self.place == self.name) {
            (true, true) => format!("policy {}", self.name),
            (true, false) => format!("policy {} ({})", self.name, self.place),
            (false, true) => format!("policy {} (line {lines})", self.name),
            (false, false) => format!("policy {} ({}:{lines})", self.name, self.place),
        }
    }
}

impl Link {
    pub(super) fn of(grant: &Grant, snapshot: &Snapshot, heard: &[Heard]) -> Self {
        let (because, lines) = match &grant.via {
            Via::Binding(id) => (format!("binding {id}"), Vec::new()),
            Via::Group(group) => {
                let bindings = snapshot.group_bindings.get(group).into_iter().flatten();
                let own: Vec<String> = bindings
                    .filter(|binding| (&binding.role, &binding.space) == (&grant.role, &grant.space))
                    .map(|binding| format!(", binding {}", binding.id))
                    .collect();
                (format!("group {group}{}", own.concat()), Vec::new())
            }
            Via::Policy(name) => match heard.iter().find(|heard| heard.name == name.as_str()) {
                Some(heard) => {
                    let lines = lines(grant, &heard.of);
                    (heard.named(&lines), lines)
                }
                None => (format!("policy {name}"), Vec::new()),
            },
        };
        Self { grant: grant.clone(), because, lines }
    }
}

/// The lines that give a role; for a root admin those that say `admin`, too.
fn lines(grant: &Grant, trace: &Trace) -> Vec<u32> {
    let mut lines = view::lines_of_role(trace, grant.space.as_str(), grant.role.as_str());
    if grant.space.is_root() && grant.role == SystemRole::SpaceAdmin.id() {
        lines.extend(view::lines(trace, |gives| gives.admin));
    }
    lines
}
