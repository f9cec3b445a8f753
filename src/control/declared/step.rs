//! What a plan consists of, as it is told and as it is made.

use std::fmt;

use serde::Serialize;

use super::text::At;
use crate::model::{Mutation, ResourceKind};

/// One thing that becomes otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What becomes of it.
    #[serde(rename = "do")]
    pub deed: Deed,
    /// What it is.
    #[serde(serialize_with = "spelled")]
    pub kind: ResourceKind,
    /// What it is called; of a binding, what it says.
    pub name: String,
    /// What is different afterwards; of what is taken away, nothing.
    pub fields: Vec<FieldChange>,
    #[serde(skip)]
    pub(super) mutations: Vec<Mutation>,
    /// Where it is declared; what is taken away stands nowhere.
    #[serde(skip)]
    pub(super) at: Option<At>,
}

/// What becomes of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Deed {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is taken away.
    Delete,
}

/// One field before and after; `None`: it has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// What it is called in files.
    pub field: &'static str,
    /// As it is.
    pub before: Option<String>,
    /// As it will be.
    pub after: Option<String>,
}

impl FieldChange {
    /// `None`: it stays as it is.
    pub(super) fn between(field: &'static str, before: &str, after: &str) -> Option<Self> {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        (before != after).then(|| Self { field, before: some(before), after: some(after) })
    }
}

impl Deed {
    fn sign(self) -> char {
        match self {
            Self::Create => '+',
            Self::Update => '~',
            Self::Delete => '-',
        }
    }
}

/// `+ space production`, and a line for each field.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { deed, kind, name, fields, mutations: _, at: _ } = self;
        write!(f, "{} {kind}{}{name}", deed.sign(), if name.is_empty() { "" } else { " " })?;
        for change in fields {
            write!(f, "\n{change}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, before, after } = self;
        match (before.as_deref(), after.as_deref()) {
            (before, after) if [before, after].into_iter().flatten().any(|text| text.contains('\n')) => {
                write!(f, "    {field}:")?;
                lines(f, before.unwrap_or_default(), after.unwrap_or_default())
            }
            (None, after) => write!(f, "    {field}: {}", after.unwrap_or_default()),
            (Some(before), after) => write!(f, "    {field}: {before} → {}", after.unwrap_or("none")),
        }
    }
}

/// How many lines of a text are shown.
const LINES_SHOWN: usize = 40;

/// What is different between two texts of several lines: what begins and ends both is left out.
fn lines(f: &mut fmt::Formatter<'_>, before: &str, after: &str) -> fmt::Result {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let rest = old.len().min(new.len()) - same;
    let end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(one, other)| one == other).count();
    let changed = |sign: char, lines: &[&str]| {
        let changed: Vec<String> =
            lines.iter().skip(same).take(lines.len() - end - same).map(|line| format!("{sign} {line}").trim_end().to_owned()).collect();
        changed
    };
    let told: Vec<String> = changed('-', &old).into_iter().chain(changed('+', &new)).collect();
    write!(f, " from line {}", same + 1)?;
    for line in told.iter().take(LINES_SHOWN) {
        write!(f, "\n      {line}")?;
    }
    match told.len().saturating_sub(LINES_SHOWN) {
        0 => Ok(()),
        more => write!(f, "\n      … and {more} more lines"),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
fn spelled<S: serde::Serializer>(kind: &ResourceKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}
