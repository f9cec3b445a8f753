//! Whom a text is to be tried on.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};

use crate::console::difference::{self, LookedAt};
use crate::console::fields::{Faults, Fields};
use crate::console::forms::{Field, Form};
use crate::console::keys::policies::rules;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::Seen;
use crate::control::{ControlError, Simulated, SimulatedAt, SimulatedFor};
use crate::edge::tls::client_certificate_of_pem;
use crate::exchange::WhatIf;
use crate::model::{ClientCertificate, KeptSample, SampleId, SampledDecision};

/// How long keys are looked at; what was not reached is said.
pub(in crate::console) const LOOK_FOR: Duration = Duration::from_secs(20);

/// What a text can be tried on.
const ABOUT: [(&str, &str); 4] = [("key", "A key"), ("sample", "A sample"), ("samples", "All samples"), ("keys", "All live keys")];

/// Whom to ask about, from where and when.
pub(super) struct TriedOn {
    whom: SimulatedFor,
    there: SimulatedAt,
}

impl TriedOn {
    /// Every key that works, here and now.
    pub(super) fn all_keys(visit: &Seen) -> Self {
        Self { whom: SimulatedFor::AllKeys(LOOK_FOR), there: SimulatedAt::here(visit.control().now()) }
    }

    /// `None`: something is wrong with the fields, and noted.
    pub(super) async fn read(visit: &Seen, fields: &Fields, faults: &mut Faults) -> Result<Option<Self>, Refusal> {
        let there = there(visit, fields, faults);
        let whom = match fields.text("about") {
            "sample" => one_sample(visit, fields, faults).await?,
            "samples" => Some(SimulatedFor::AllSamples),
            "keys" => Some(SimulatedFor::AllKeys(LOOK_FOR)),
            _ => one_key(visit, fields, faults).await?,
        };
        Ok(whom.filter(|_| faults.is_empty()).map(|whom| Self { whom, there }))
    }

    /// What the change would make of the answers.
    ///
    /// # Errors
    /// The faults of the text, or the store is away.
    pub(super) async fn asked(self, visit: &Seen, change: WhatIf) -> Result<Markup, ControlError> {
        let control = visit.control();
        let simulation = control.simulation(change).await?;
        let of = match self.whom {
            SimulatedFor::Key(_) | SimulatedFor::AllKeys(_) => LookedAt::Keys,
            SimulatedFor::Sample(_) | SimulatedFor::AllSamples => LookedAt::Samples,
        };
        Ok(told(&control.simulate(&simulation, self.whom, &self.there).await?, of))
    }
}

fn there(visit: &Seen, fields: &Fields, faults: &mut Faults) -> SimulatedAt {
    let here = SimulatedAt::here(fields.time("when", faults).unwrap_or_else(|| visit.control().now()));
    let address = fields.given("remote_ip").and_then(|_| fields.parsed::<IpAddr>("remote_ip", faults));
    let certificate = fields.given("client_certificate").and_then(|pem| certificate(pem, faults));
    SimulatedAt { address: address.unwrap_or(here.address).to_canonical(), certificate, ..here }
}

/// What the client shows; what is wrong with it is noted.
fn certificate(pem: &str, faults: &mut Faults) -> Option<Arc<ClientCertificate>> {
    match client_certificate_of_pem(pem.as_bytes()) {
        Ok(certificate) => Some(Arc::new(certificate)),
        Err(why) => {
            faults.note("client_certificate", why);
            None
        }
    }
}

async fn one_key(visit: &Seen, fields: &Fields, faults: &mut Faults) -> Result<Option<SimulatedFor>, Refusal> {
    let Some(called) = fields.given("key") else {
        faults.note("key", "say which key is to be asked about");
        return Ok(None);
    };
    let found = visit.control().key_called(called).await?;
    if found.is_none() {
        faults.note("key", "there is no key of this id or name");
    }
    Ok(found.map(|key| SimulatedFor::Key(Box::new(key))))
}

async fn one_sample(visit: &Seen, fields: &Fields, faults: &mut Faults) -> Result<Option<SimulatedFor>, Refusal> {
    let found = match fields.text("sample").parse::<SampleId>() {
        Ok(id) => visit.control().store().sample(id).await?,
        Err(_) => None,
    };
    if found.is_none() {
        faults.note("sample", "choose one of the samples that there are");
    }
    Ok(found.map(|kept| SimulatedFor::Sample(Box::new(kept))))
}

/// What was found, with the trace where one was asked about.
fn told(found: &Simulated, of: LookedAt) -> Markup {
    html! {
        @if found.looked_at == 0 { p class="warning" role="status" { "There was nothing to look at: no live key, no sample, or the key of the sample is gone." } }
        @else { (difference::told(found, of)) }
        @for trace in found.answers.iter().filter_map(|answer| answer.trace.as_ref()) {
            h3 { "What this text says" }
            @match &trace.verdict {
                Ok(verdict) => p {
                    @for (word, holds) in [("allow", verdict.allow), ("deny", verdict.deny), ("admin", verdict.admin), ("deny_admin", verdict.deny_admin), ("sample", verdict.sample)] {
                        @if holds { (parts::badge(if word.starts_with("deny") { "bad" } else { "good" }, word)) " " }
                    }
                }
                Err(error) => p class="fault" { (parts::sentence(&error.to_string())) }
            }
            (rules(trace))
        }
    }
}

/// Fields for it.
pub(super) fn fields(form: &Form<'_>, samples: &[KeptSample], asked_at: &str) -> Markup {
    html! {
        fieldset {
            legend { "Try it before it is saved" }
            (form.choice(Field::optional("about", "On", "What this text would change, and for one key or sample which of its lines say so"), ABOUT))
            div data-with="about=key" { (form.text(Field::optional("key", "Key", "Its name or id"), 128)) }
            (form.text(Field::optional("remote_ip", "The client's address", "Else 127.0.0.1. A sample has its own."), 45))
            (form.line(Field::optional("when", "The time (UTC)", "Else now. A sample has its own."), "datetime-local", None))
            details open[!form.fields.text("client_certificate").is_empty()] {
                summary { "With a certificate that the client shows" }
                (form.area(Field::optional("client_certificate", "The client's certificate", "As PEM; else none is shown. A sample has its own."), 6))
            }
            @for what in form.faults.of("sample") { p class="wrong" id="sample" { (parts::sentence(what)) } }
            (chosen_from(samples, form.fields.text("sample")))
            button class="second" name="action" value="simulate" formaction=(asked_at) { "Simulate" }
        }
    }
}

fn chosen_from(samples: &[KeptSample], chosen: &str) -> Markup {
    html! {
        @if samples.is_empty() {
            p class="hint" { "There is no sample: a policy has a request kept by the rule " code { "sample" } "." }
        } @else {
            details open[!chosen.is_empty()] {
                summary { "Samples (" (samples.len()) ")" }
                div class="table" {
                    table {
                        thead { tr { th { span class="unseen" { "Choose" } } th scope="col" { "When" } th scope="col" { "Key" } th scope="col" { "From" } th scope="col" { "Outcome" } } }
                        tbody {
                            @for kept in samples {
                                tr {
                                    td { input type="radio" name="sample" value=(kept.id) checked[kept.id.to_string() == chosen] aria-label={ "Choose sample " (kept.id) }; }
                                    (cells(kept))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// When, whose, from where, and how it went.
pub(super) fn cells(kept: &KeptSample) -> Markup {
    let sample = &kept.sample;
    html! {
        td { (parts::time(sample.at)) }
        td { (parts::key_link(sample.key.id, sample.key.name.as_str())) }
        td { @if let Some(address) = sample.remote_ip() { code { (address) } } }
        td {
            @match sample.answer.decision {
                SampledDecision::Allow => (parts::badge("good", "let in")),
                SampledDecision::Refuse => { (parts::badge("bad", "refused")) " " code { (sample.answer.code) } }
            }
        }
    }
}
