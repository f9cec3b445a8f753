//! A policy's text, to be written, checked, tried and saved.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::draft::{Draft, fields_of};
use super::page_files::with_files;
use super::question::{self, TriedOn};
use super::{findings, versions};
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::{Field, Form};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::version::{at, stale_or, versioned};
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::{ControlError, Operation};
use crate::exchange::WhatIf;
use crate::model::{AuditId, KeptSample, LoginPolicy, Mutation, PolicyName, Resource, Revision};
use crate::policy::{PolicyFault, PolicySource};

/// What a new policy begins with: it says nothing that anybody could feel.
const BEGINNING: &str = "package spacelift\n\n# Who may pass, beside those who hold a role already.\nallow if false\n";

const REGO: [(&str, &str); 3] = [("", "As it is written"), ("v1", "v1 (OPA 1.0 and later)"), ("v0", "v0 (before OPA 1.0)")];

/// Where the answer to what was asked stands on the page.
const OUTCOME: &str = "#outcome";

/// The page of a policy that is being edited.
struct Workbench<'a> {
    visit: &'a Seen,
    /// `None`: it is a new one.
    name: Option<PolicyName>,
    /// Of which version the form is.
    revision: Option<Revision>,
    fields: Fields,
    faults: Faults,
    findings: Vec<PolicyFault>,
    samples: Vec<KeptSample>,
    /// What stands above the form.
    notice: Markup,
    /// What was asked for.
    outcome: Markup,
}

impl<'a> Workbench<'a> {
    async fn of(visit: &'a Seen, name: Option<PolicyName>, revision: Option<Revision>, fields: Fields) -> Result<Self, Refusal> {
        let samples = if visit.may(Operation::ViewSamples) { visit.control().store().samples().await? } else { Vec::new() };
        let (faults, findings) = (Faults::default(), Vec::new());
        Ok(Self { visit, name, revision, fields, faults, findings, samples, notice: html! {}, outcome: html! {} })
    }

    fn path(&self) -> &'static str {
        if self.name.is_some() { "/policies/of" } else { "/policies/new" }
    }

    fn shown(&self, status: StatusCode) -> Response {
        let title = self.name.as_ref().map_or("New login policy", |name| name.as_str());
        let body = html! {
            p { a href="/policies" { "Login policies" } }
            div class="heading" {
                h1 { (title) }
                @if let Some(name) = &self.name { (links(self.visit, name)) }
            }
            (self.notice)
            (self.form())
            section id="outcome" tabindex="-1" { (self.outcome) }
        };
        self.visit.page_with(status, title, &with_files(&body))
    }

    fn form(&self) -> Markup {
        let form = Form { fields: &self.fields, faults: &self.faults };
        let (visit, saves) = (self.visit, if self.name.is_some() { Operation::UpdatePolicy } else { Operation::CreatePolicy });
        html! {
            (form.faults())
            form class="workbench" method="post" action=(self.path()) data-policy {
                div {
                    (visit.csrf())
                    @if let Some(revision) = self.revision { (at(revision)) }
                    @match &self.name {
                        Some(name) => input type="hidden" name="name" value=(name);,
                        None => (form.text(Field::needed("name", "Name", "Unique, such as office-hours"), 128)),
                    }
                    (form.area(Field::needed("source", "Text", "Rego, of package spacelift"), 24))
                    (form.choice(Field::optional("rego", "Version of Rego", "Else v1 is tried first, v0 if that fails"), REGO))
                    div class="actions" {
                        // The first is what the Enter key does.
                        button class="second" name="action" value="check" { "Check" }
                        @if visit.may(saves) { button name="action" value="save" { "Save" } }
                        button class="second" name="action" value="difference" formaction={ (self.path()) (OUTCOME) } { "Difference for all live keys" }
                    }
                }
                (findings::beside(self.fields.text("name"), &self.findings))
                (question::fields(&form, &self.samples, &format!("{}{OUTCOME}", self.path())))
            }
        }
    }
}

fn links(visit: &Seen, name: &PolicyName) -> Markup {
    let address = |path: &str| parts::address(path, [("name", name.as_str())]);
    html! {
        div class="actions" {
            @if visit.may(Operation::ViewAudit) { a class="button second" href=(address("/policies/versions")) { "Versions" } }
            @if visit.may(Operation::DeletePolicy) { a class="button second" href=(address("/policies/delete")) { "Delete …" } }
        }
    }
}

/// For a new policy, or one of the audit's that is not there any more.
pub(super) async fn begin(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::CreatePolicy)?;
    let beginning = || Fields::of([("name", query.text("name").to_owned()), ("source", BEGINNING.to_owned())]);
    let restored = match query.text("name").parse() {
        Ok(name) => restored(&visit, &query, &name).await?,
        Err(_) => None,
    };
    let (fields, notice) = restored.map_or_else(|| (beginning(), html! {}), |(policy, notice)| (fields_of(&policy), notice));
    let mut page = Workbench::of(&visit, None, None, fields).await?;
    page.findings = findings::reviewed(&visit, &Draft::read(&page.fields, &mut Faults::default())).await?;
    page.notice = notice;
    Ok(page.shown(StatusCode::OK))
}

/// For one that is there.
pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewPolicies)?;
    let not_found = || Refusal::not_found("there is no such policy");
    let name = query.text("name").parse::<PolicyName>().map_err(|_| not_found())?;
    if let Some(page) = of_file(&visit, &name).await? {
        return Ok(page);
    }
    let (revision, snapshot) = versioned(&visit, &Resource::Policy(name.clone())).await?;
    let policy = snapshot.policies.iter().find(|policy| policy.name == name).ok_or_else(not_found)?;
    let restored = restored(&visit, &query, &name).await?;
    let (fields, notice) =
        restored.map_or_else(|| (fields_of(policy), parts::saved(&query)), |(policy, notice)| (fields_of(&policy), notice));
    let mut page = Workbench::of(&visit, Some(name), Some(revision), fields).await?;
    page.findings = findings::reviewed(&visit, &Draft::read(&page.fields, &mut Faults::default())).await?;
    page.notice = notice;
    Ok(page.shown(StatusCode::OK))
}

/// An earlier text, if that is what is wanted; and what is said of it.
async fn restored(visit: &Seen, query: &Fields, name: &PolicyName) -> Result<Option<(LoginPolicy, Markup)>, Refusal> {
    let Some(id) = query.given("version") else { return Ok(None) };
    let not_found = || Refusal::not_found("the audit tells of no such version");
    let id = id.parse().map(AuditId).map_err(|_| not_found())?;
    let (policy, entry) = versions::as_of(visit, name, id).await?.ok_or_else(not_found)?;
    let notice = html! {
        p class="warning" role="status" {
            "This is the text of " (parts::time(entry.at)) @if let Some(revision) = entry.revision { ", revision " (revision) } ". It is in force when it is saved."
        }
    };
    Ok(Some((LoginPolicy { name: name.clone(), ..policy }, notice)))
}

/// A file is shown as it is in force, and changed where it lies.
async fn of_file(visit: &Seen, name: &PolicyName) -> Result<Option<Response>, Refusal> {
    if visit.standing.snapshot().policies.iter().any(|policy| policy.name == *name) {
        return Ok(None);
    }
    let in_force = visit.control().policies_in_force().await?;
    let Some((source, version)) = in_force.policies.iter().find(|(source, _)| source.name == *name && source.file.is_some()) else {
        return Ok(None);
    };
    let found: Vec<PolicyFault> = in_force.findings_of(source).cloned().collect();
    let body = html! {
        p { a href="/policies" { "Login policies" } }
        h1 { (name) }
        p class="notice" { "It is the file " code { (source.place()) } " of the directory of policies, and is changed there. Its Rego is " (version.as_str()) "." }
        div class="workbench" {
            div { pre tabindex="0" data-rego { (source.text) } }
            (findings::beside(&source.place(), &found))
        }
    };
    Ok(Some(visit.page(name.as_str(), &with_files(&body))))
}

/// What a button of the form asks for.
pub(super) async fn make(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    let is_new = visit.path == "/policies/new";
    // The audit is told of what somebody wanted who may not.
    visit.needs(match (fields.text("action"), is_new) {
        ("save", true) => Operation::CreatePolicy,
        ("save", false) => Operation::UpdatePolicy,
        _ => Operation::TryPolicy,
    })?;
    let mut faults = Faults::default();
    let draft = Draft::read(&fields, &mut faults);
    let name = draft.name.clone().filter(|_| !is_new);
    if !is_new && name.is_none() {
        return Err(Refusal::not_found("there is no such policy"));
    }
    let mut page = Workbench::of(&visit, name, fields.at().filter(|_| !is_new), fields).await?;
    match page.fields.text("action") {
        "save" => return save(page, draft, faults).await,
        "simulate" => {
            let mut faults = Faults::default();
            match TriedOn::read(&visit, &page.fields, &mut faults).await? {
                Some(whom) => return tried(page, &draft, whom).await,
                None => page.faults = faults,
            }
        }
        "difference" => return tried(page, &draft, TriedOn::all_keys(&visit)).await,
        _ => {}
    }
    page.findings = findings::reviewed(&visit, &draft).await?;
    let status = if page.faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page.shown(status))
}

async fn tried(mut page: Workbench<'_>, draft: &Draft, whom: TriedOn) -> Result<Response, Refusal> {
    let Some(policy) = draft.to_be_looked_at() else { return Err(Refusal::not_found("there is no such policy")) };
    page.findings = findings::reviewed(page.visit, draft).await?;
    match whom.asked(page.visit, WhatIf::Put(PolicySource::from(&policy))).await {
        Ok(told) => {
            page.outcome = html! { h2 { "What it would change" } (told) };
            Ok(page.shown(StatusCode::OK))
        }
        Err(ControlError::Policy(faults)) => {
            page.outcome = html! {
                h2 { "What it would change" }
                p class="fault" role="alert" { "What a text would change cannot be told as long as something is wrong with it:" }
                (parts::policy_faults(&faults))
            };
            Ok(page.shown(StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(error) => Err(error.into()),
    }
}

async fn save(mut page: Workbench<'_>, draft: Draft, faults: Faults) -> Result<Response, Refusal> {
    let visit = page.visit;
    page.faults = faults;
    let Draft { name, source, rego } = draft;
    let Some(name) = name.filter(|_| page.faults.is_empty()) else { return Ok(page.shown(StatusCode::UNPROCESSABLE_ENTITY)) };
    let mutation = match &page.name {
        Some(name) => Mutation::UpdatePolicy { name: name.clone(), source, rego },
        None => Mutation::CreatePolicy(LoginPolicy { name: name.clone(), source, rego }),
    };
    let saved = |revision: Revision| parts::address("/policies/of", [("name", name.as_str()), ("saved", revision.to_string().as_str())]);
    match visit.change(mutation, page.revision).await {
        Ok(made) => Ok(see_other(&saved(made.revision))),
        Err(ControlError::Policy(found)) => {
            page.faults.note("source", "this text cannot be in force: the findings say why");
            page.findings = found;
            Ok(page.shown(StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(error) => {
            let (status, told) = stale_or(visit, &Resource::Policy(name.clone()), error).await;
            page.faults.note("", told);
            let draft = Draft::read(&page.fields, &mut Faults::default());
            page.findings = findings::reviewed(visit, &draft).await?;
            Ok(page.shown(status))
        }
    }
}
