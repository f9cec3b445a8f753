//! Login policies: their texts in the files or beside them, checked with all others that will be in force, as a single one is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::document::{Document, PolicyEntry};
use super::planner::Planner;
use super::step::FieldChange;
use super::text::{At, PlacedText};
use crate::config::PolicySettings;
use crate::diagnostics::{Diagnostic, Excerpt};
use crate::model::{LoginPolicy, Mutation, PolicyName, RegoVersion, Resource, ResourceKind, Snapshot};
use crate::policy::{self, PolicyFault, PolicySource, Vocabulary};

/// Reads a file in a directory or below it, by the path from there. What cannot be read says which file it is and why.
pub type ReadBeside<'a> = dyn Fn(&Path, &Path) -> Result<String, String> + Send + Sync + 'a;

/// A policy of the files, and where its text is.
pub(super) struct DeclaredPolicy<'e> {
    policy: LoginPolicy,
    /// Of the entry.
    at: At,
    written: Written<'e>,
}

enum Written<'e> {
    Here(&'e PlacedText),
    In(PathBuf),
}

pub(super) fn plan<'e>(planner: &mut Planner<'_, '_>, entries: &'e [PolicyEntry], read: &ReadBeside<'_>) -> Vec<DeclaredPolicy<'e>> {
    let mut named: BTreeMap<PolicyName, At> = BTreeMap::new();
    let mut declared = Vec::new();
    for entry in entries {
        let name = planner.name(&entry.name, &mut named);
        let rego: Option<Option<RegoVersion>> = entry.rego.as_ref().map_or(Some(None), |text| planner.word(text).map(Some));
        let written = match (&entry.source, &entry.file) {
            (Some(source), None) => Some((source.text.clone(), Written::Here(source))),
            (None, Some(file)) => beside(planner, file, read),
            (Some(_), Some(_)) => {
                planner.faults.add(&entry.name.at, "a policy has a `source` or a `file`, and not both");
                None
            }
            (None, None) => {
                planner.faults.add(&entry.name.at, "a policy needs the field `source` or the field `file`");
                None
            }
        };
        let (Some(name), Some(rego), Some((source, written))) = (name, rego, written) else { continue };
        let policy = LoginPolicy { name, source: source.into(), rego };
        planner.declared.insert(Resource::Policy(policy.name.clone()));
        one(planner, &policy, entry.name.at);
        declared.push(DeclaredPolicy { policy, at: entry.name.at, written });
    }
    declared
}

fn beside<'e>(planner: &mut Planner<'_, '_>, file: &PlacedText, read: &ReadBeside<'_>) -> Option<(String, Written<'e>)> {
    let (directory, path) = (planner.faults.name(&file.at).parent().unwrap_or(Path::new("")), Path::new(&file.text));
    // What is wrong with a file is shown with its lines. Whoever proposes a change must not be shown those of any file that they can name.
    let stays = path.components().all(|step| matches!(step, Component::Normal(_) | Component::CurDir));
    if !stays || path.extension().is_none_or(|end| end != "rego") {
        let why = format!("{:?} is no *.rego beside this file or below: an absolute path and `..` lead elsewhere", file.text);
        planner.faults.add(&file.at, why);
        return None;
    }
    match read(directory, path) {
        Ok(text) => Some((text, Written::In(directory.join(path)))),
        Err(why) => {
            planner.faults.add(&file.at, why);
            None
        }
    }
}

fn one(planner: &mut Planner<'_, '_>, after: &LoginPolicy, at: At) {
    let about = (ResourceKind::Policy, after.name.to_string());
    let rego = |rego: Option<RegoVersion>| rego.map_or("", RegoVersion::as_str);
    match planner.current.snapshot.policies.iter().find(|before| before.name == after.name) {
        None => {
            let fields = vec![FieldChange::between("rego", "", rego(after.rego)), FieldChange::between("source", "", &after.source)];
            planner.create(at, about, fields, vec![Mutation::CreatePolicy(after.clone())]);
        }
        Some(before) => {
            let fields = vec![
                FieldChange::between("rego", rego(before.rego), rego(after.rego)),
                FieldChange::between("source", &before.source, &after.source),
            ];
            planner.update(at, about, fields, || {
                let LoginPolicy { name, source, rego } = after.clone();
                vec![Mutation::UpdatePolicy { name, source, rego }]
            });
        }
    }
}

/// Checks what is declared with everything that it will be in force with: what is wrong becomes a fault, and what is odd is returned. What
/// is odd about other policies was told when they were put in force.
pub(super) fn review(
    planner: &mut Planner<'_, '_>,
    declared: &[DeclaredPolicy<'_>],
    gone: &[PolicyName],
    settings: &PolicySettings,
    vocabulary: &Vocabulary,
) -> Vec<Diagnostic> {
    let Some(first) = declared.first() else { return Vec::new() };
    let is_declared = |name: &PolicyName| declared.iter().any(|of_file| of_file.policy.name == *name);
    let others = planner.current.snapshot.policies.iter().filter(|policy| !is_declared(&policy.name) && !gone.contains(&policy.name));
    let mut sources: Vec<PolicySource> = others.map(PolicySource::from).collect();
    sources.extend(declared.iter().map(|of_file| {
        let file = match &of_file.written {
            Written::Here(_) => None,
            Written::In(path) => Some(path.clone()),
        };
        PolicySource { file, ..PolicySource::from(&of_file.policy) }
    }));
    match settings.dir.as_deref().map_or_else(|| Ok(Vec::new()), policy::read_dir) {
        Ok(of_dir) => {
            for of_file in declared {
                if let Some(PolicySource { name, file: Some(file), .. }) = of_dir.iter().find(|source| source.name == of_file.policy.name) {
                    let why = format!("policy {name} is in force from {} already, and is changed there", file.display());
                    planner.faults.add(&of_file.at, why);
                }
            }
            sources.extend(of_dir.into_iter().filter(|source| !is_declared(&source.name)));
        }
        Err(faults) => faults.iter().for_each(|fault| planner.faults.add_elsewhere(&first.at, fault.diagnostic())),
    }
    let mut odd = Vec::new();
    for finding in policy::review(&sources, settings, vocabulary) {
        let of_file = declared.iter().find(|of_file| of_file.is_at(&finding));
        match (of_file, finding.is_error()) {
            (Some(of_file), true) => planner.faults.add_elsewhere(&of_file.at, of_file.placed(planner, &finding)),
            (Some(of_file), false) => odd.push(of_file.placed(planner, &finding)),
            (None, true) => planner.faults.add_elsewhere(&first.at, finding.diagnostic()),
            (None, false) => {}
        }
    }
    odd
}

impl DeclaredPolicy<'_> {
    fn is_at(&self, finding: &PolicyFault) -> bool {
        match &self.written {
            Written::Here(_) => finding.policy == self.policy.name.as_str(),
            Written::In(path) => finding.policy == path.display().to_string(),
        }
    }

    /// The finding at its place in the file that declares the policy.
    fn placed(&self, planner: &Planner<'_, '_>, finding: &PolicyFault) -> Diagnostic {
        let told = finding.diagnostic();
        let Written::Here(text) = &self.written else { return told };
        let Some(spot) = told.place.spot() else { return Diagnostic { place: planner.faults.place(&self.at), ..told } };
        let width = told.place.excerpt().map_or(1, Excerpt::width);
        if let Some(at) = planner.faults.within(text, spot.line, spot.column, width) {
            return Diagnostic { place: planner.faults.place(&at), ..told };
        }
        let reason = format!("line {}, column {} of policy {}: {}", spot.line, spot.column, self.policy.name, told.reason);
        Diagnostic { place: planner.faults.place(&text.at), reason, ..told }
    }
}

/// What policies can speak of once the plan is carried out.
pub(super) fn vocabulary(snapshot: &Snapshot, key_names: Option<Vec<String>>, document: &Document) -> Vocabulary {
    fn add<'t>(known: &mut Option<BTreeSet<String>>, texts: impl IntoIterator<Item = &'t PlacedText>) {
        if let Some(known) = known {
            known.extend(texts.into_iter().map(|text| text.text.clone()));
        }
    }
    let mut known = Vocabulary::of(snapshot).with_keys(key_names);
    add(&mut known.spaces, document.spaces.iter().map(|space| &space.id));
    add(&mut known.roles, document.roles.iter().map(|role| &role.id));
    let of_keys = document.keys.iter().flat_map(|key| &key.groups);
    let of_bindings = document.bindings.iter().filter_map(|binding| binding.group.as_ref());
    add(&mut known.groups, document.groups.iter().map(|group| &group.name).chain(of_keys).chain(of_bindings));
    add(&mut known.keys, document.keys.iter().map(|key| &key.name));
    known
}
