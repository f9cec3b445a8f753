//! Answers, traces and differences, as tables and JSON show them.

use serde::Serialize;
use serde_json::Value;

use crate::exchange::{Difference, Explanation};
use crate::model::{Grants, Ignored, Verdict};
use crate::policy::{HeldRule, Trace};

/// What a policy said, each part with the lines that say so.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum PolicyAnswer {
    /// Its rules that count.
    Verdict { allow: Flag, deny: Flag, admin: Flag, deny_admin: Flag, sample: Flag, roles: Vec<RoleClaim>, teams: Vec<String> },
    /// Why it said nothing.
    Failed { error: String },
}

#[derive(Serialize)]
pub(crate) struct Flag {
    pub(crate) value: bool,
    pub(crate) lines: Vec<u32>,
}

#[derive(Serialize)]
pub(crate) struct RoleClaim {
    pub(crate) space: String,
    pub(crate) role: String,
    pub(crate) lines: Vec<u32>,
}

impl PolicyAnswer {
    pub(crate) fn of(trace: &Trace) -> Self {
        let verdict = match &trace.verdict {
            Ok(verdict) => verdict,
            Err(error) => return Self::Failed { error: error.to_string() },
        };
        let flag = |value: bool, gives: fn(&Verdict) -> bool| Flag { value, lines: lines(trace, gives) };
        let role = |space: &String, role: &str| RoleClaim {
            space: space.clone(),
            role: role.to_owned(),
            lines: lines_of_role(trace, space, role),
        };
        let roles = verdict.roles.iter().map(|(space, name)| role(space, name));
        let older = verdict.space_roles.iter().map(|(space, claim)| role(space, claim.role().slug()));
        Self::Verdict {
            allow: flag(verdict.allow, |gives| gives.allow),
            deny: flag(verdict.deny, |gives| gives.deny),
            admin: flag(verdict.admin, |gives| gives.admin),
            deny_admin: flag(verdict.deny_admin, |gives| gives.deny_admin),
            sample: flag(verdict.sample, |gives| gives.sample),
            roles: roles.chain(older).collect(),
            teams: verdict.teams.iter().cloned().collect(),
        }
    }

    /// In a line for each part that there is.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::Failed { error } => vec![format!("error: {error}")],
            Self::Verdict { allow, deny, admin, deny_admin, sample, roles, teams } => {
                let flags = [("allow", allow), ("deny", deny), ("admin", admin), ("deny_admin", deny_admin), ("sample", sample)];
                let flags = flags.into_iter().filter(|(_, flag)| flag.value).map(|(name, flag)| format!("{name}{}", at(&flag.lines)));
                let roles = roles.iter().map(|held| format!("{}@{}{}", held.role, held.space, at(&held.lines)));
                let teams = (!teams.is_empty()).then(|| format!("teams {}", teams.join(", ")));
                let said: Vec<String> = flags.chain(roles).chain(teams).collect();
                if said.is_empty() { vec!["nothing".to_owned()] } else { said }
            }
        }
    }
}

/// The lines of the rules that give this.
pub(crate) fn lines(trace: &Trace, gives: impl Fn(&Verdict) -> bool) -> Vec<u32> {
    let mut lines: Vec<u32> = trace.steps.iter().filter(|step| gives(&step.gives)).map(|step| step.line).collect();
    lines.dedup();
    lines
}

/// The lines of the rules that give this role, in whichever form.
pub(crate) fn lines_of_role(trace: &Trace, space: &str, role: &str) -> Vec<u32> {
    lines(trace, |gives| {
        gives.roles.iter().any(|(where_, which)| where_ == space && which == role)
            || gives.space_roles.iter().any(|(where_, claim)| where_ == space && claim.role().slug() == role)
    })
}

/// `, line 7`, `, lines 7, 9`, or nothing: a default has no line that holds.
fn at(lines: &[u32]) -> String {
    let joined = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match lines {
        [] => String::new(),
        [_] => format!(" (line {joined})"),
        [_, _, ..] => format!(" (lines {joined})"),
    }
}

/// A head with its steps, as the text has it: `roles["production"]["deployer"]`.
pub(crate) fn head(step: &HeldRule) -> String {
    step.path.iter().fold(step.rule.clone(), |head, step| format!("{head}[{step}]"))
}

/// A value, short enough for a table.
pub(crate) fn short(value: &Value) -> String {
    const MOST: usize = 80;
    let text = value.to_string();
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST).chain(['…']).collect() }
}

/// A decision.
#[derive(Serialize)]
pub(crate) struct DecisionView {
    pub(crate) decision: &'static str,
    pub(crate) code: &'static str,
    pub(crate) grants: Grants,
    pub(crate) ignored: Vec<Ignored>,
}

impl DecisionView {
    pub(crate) fn of(explanation: &Explanation) -> Self {
        let (decision, code) = match &explanation.outcome {
            Ok(()) => ("allow", "ok"),
            Err(refusal) => ("refuse", refusal.code()),
        };
        let (grants, ignored) = match &explanation.decision {
            Some(decision) => (decision.grants.clone(), decision.ignored.clone()),
            None => (Grants::default(), Vec::new()),
        };
        Self { decision, code, grants, ignored }
    }

    pub(crate) fn label(&self) -> String {
        format!("{} ({})", self.decision, self.code)
    }
}

/// What a change comes to for one key, in a line.
pub(crate) fn describe(difference: &Difference) -> String {
    if difference.is_none() {
        return "no difference".to_owned();
    }
    let roles = |word: &str, held: &[crate::exchange::Held]| {
        let held: Vec<String> = held.iter().map(|held| format!("{}@{}", held.role, held.space)).collect();
        (!held.is_empty()).then(|| format!("{word} {}", held.join(", ")))
    };
    let answer = if difference.cut_off {
        Some(format!("cut off: {}", difference.after.code))
    } else if difference.let_in {
        Some(format!("let in: was {}", difference.before.code))
    } else if difference.before.code != difference.after.code {
        Some(format!("refused with {} instead of {}", difference.after.code, difference.before.code))
    } else {
        None
    };
    let groups = (difference.before.groups != difference.after.groups && !difference.cut_off && !difference.let_in)
        .then(|| format!("groups {} instead of {}", list(&difference.after.groups), list(&difference.before.groups)));
    let parts = [answer, roles("gains", &difference.gained), roles("loses", &difference.lost), groups];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn list(groups: &[String]) -> String {
    if groups.is_empty() { "none".to_owned() } else { groups.join(", ") }
}
