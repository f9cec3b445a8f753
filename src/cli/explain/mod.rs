//! `claviger explain`: which binding, group or policy gives a key which role where, what was left out, and why.
//!
//! It decides by the data plane's own procedure, without its cache and without a token.

mod chain;
mod logged;
mod suggestions;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use self::chain::{Heard, Link};
use self::logged::LoggedRequest;
use crate::cli::args::certificate::certificate;
use crate::cli::args::value::{joined, time, time_text};
use crate::cli::failure::Failure;
use crate::cli::output::{Format, Output};
use crate::cli::place::Place;
use crate::clock::Moment;
use crate::exchange::{self, AsOf, Origin};
use crate::model::{
    ClientCertificate, Decision, Grants, Ignored, IgnoredReason, KeyId, KeyName, KeyRecord, KeyState, Outcome, Refusal, Revision, Snapshot,
    Strategy,
};
use crate::token::Confirmation;

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    place: Place,
    /// The key
    #[arg(long, value_name = "NAME_OR_ID", required_unless_present = "request")]
    key: Option<String>,
    /// A request that was answered, by the id in its answer: its key, address and time are taken from the log
    #[arg(long, value_name = "ID", requires = "log", conflicts_with_all = ["key", "ip", "at"])]
    request: Option<String>,
    /// Where `serve` has logged that request as JSON, `-` for standard input
    #[arg(long, value_name = "FILE", requires = "request")]
    log: Option<PathBuf>,
    /// The client's address that policies see; else 127.0.0.1
    #[arg(long, value_name = "ADDR")]
    ip: Option<IpAddr>,
    /// The certificate that the client has shown, a PEM file; else none
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The time to explain, RFC 3339; else now. What has changed since is taken back, as far as the audit tells
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
}

/// What was decided, as JSON has it.
#[derive(Serialize)]
struct Explanation {
    decision: Word,
    code: &'static str,
    /// Finer than the code, which clients see.
    reason: String,
    key: KeyShown,
    at: Timestamp,
    ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<Arc<ClientCertificate>>,
    /// Who alone may present the token, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
    strategy: Strategy,
    revision: Revision,
    groups: Vec<String>,
    /// What is not as it was at the time that is asked about.
    remarks: Vec<String>,
    grants: Grants,
    ignored: Vec<Ignored>,
    /// Each grant with what it rests on, in words.
    chain: Vec<Link>,
    /// What each policy said, and which of its lines.
    policies: Vec<Heard>,
    /// What would have been needed, as far as it can be guessed.
    near: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Allow,
    Refuse,
}

#[derive(Serialize)]
struct KeyShown {
    id: KeyId,
    name: KeyName,
    state: KeyState,
}

impl Explain {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        // Nothing is logged: no request was made, and what goes wrong inside a policy stands in the answer.
        let logged = match (&self.request, &self.log) {
            (Some(id), Some(log)) => Some(LoggedRequest::find(log, id)?),
            (None, _) | (_, None) => None,
        };
        let asked = match &logged {
            None => self.key.clone().unwrap_or_default(),
            Some(request) => {
                let code = request.answer();
                let key = request.key.ok_or_else(|| Failure::refused(format_args!("it came with no key that can be known ({code})")))?;
                key.to_string()
            }
        };
        let store = self.place.look(out).await?;
        let key = store.key(&asked).await?;
        let explainer = store.explainer(out).await?;
        let at = self.at.or(logged.as_ref().map(LoggedRequest::came_at)).unwrap_or_else(|| store.now());
        let AsOf { explainer, key, remarks } = exchange::as_of(at, store.now(), Arc::new(explainer), key, store.as_management()).await?;
        if let Some(request) = &logged {
            out.note(format_args!("the request was {}", request.answer()));
            if request.certificate.is_some() && self.certificate.is_none() {
                out.note("its client had shown a certificate: give it by --certificate");
            }
        }
        let known = self.ip.or(logged.as_ref().and_then(|request| request.client));
        let ip = known.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ip| ip.to_canonical());
        if known.is_none() && Decision::asks_policies(explainer.snapshot(), &key) {
            out.note(format_args!("without --ip: explained for a client at {ip}"));
        }

        let shown = certificate(self.certificate.as_deref())?;
        let there = Origin::at_address(Some(ip), Moment { wall: at, monotonic: Duration::ZERO });
        let origin = Origin { certificate: shown.clone(), ..there };
        let told = explainer.explain(&key, &origin).await;
        let asked = !matches!(told.outcome, Err(Refusal::InvalidKey(_)));
        let heard: Vec<Heard> = explainer.trace(&key, &origin).iter().map(|(tracer, trace)| Heard::of(tracer, trace, asked)).collect();
        let near = suggestions::misses(&key, &origin, &told, &heard, &explainer, &store).await?;
        let exchange::Explanation { decision, outcome, confirmation, .. } = told;
        let decision = decision.unwrap_or_else(|| undecided(&key, &outcome));
        let mut explanation = Explanation::of(decision, &key, at, ip, explainer.snapshot());
        explanation.chain = explanation.grants.iter().map(|grant| Link::of(grant, explainer.snapshot(), &heard)).collect();
        if explanation.code == "unavailable"
            && let Some(error) = heard.iter().find_map(Heard::error)
        {
            explanation.reason = format!("no decision can be made: {error}");
        }
        explanation.policies = heard;
        explanation.remarks = remarks;
        explanation.client_certificate = shown;
        explanation.cnf = confirmation.as_ref().map(Confirmation::of);
        explanation.near = near;
        explanation.show(out)
    }
}

/// What there is to say where it did not come to a decision: nothing is granted.
fn undecided(key: &KeyRecord, outcome: &Result<(), Refusal>) -> Decision {
    let groups = key.groups.iter().map(ToString::to_string).collect();
    Decision { grants: Grants::default(), groups, ignored: Vec::new(), sample: false, outcome: outcome.clone() }
}

impl Explanation {
    fn of(decision: Decision, key: &KeyRecord, at: Timestamp, ip: IpAddr, snapshot: &Snapshot) -> Self {
        let (word, code, reason) = match &decision.outcome {
            Ok(()) => (Word::Allow, Outcome::Forwarded.code(), "the key may pass".to_owned()),
            Err(refusal) => (Word::Refuse, refusal.code(), refusal.sentence()),
        };
        Self {
            decision: word,
            code,
            reason,
            key: KeyShown { id: key.id, name: key.name.clone(), state: key.state_at(at) },
            at,
            ip,
            client_certificate: None,
            cnf: None,
            strategy: snapshot.strategy,
            revision: snapshot.revision,
            groups: decision.groups,
            remarks: Vec::new(),
            grants: decision.grants,
            ignored: decision.ignored,
            chain: Vec::new(),
            policies: Vec::new(),
            near: Vec::new(),
        }
    }

    fn show(&self, out: &Output) -> Result<(), Failure> {
        match out.format() {
            Format::Json => out.record(self, []),
            Format::Table => {
                let word = match self.decision {
                    Word::Allow => "allow",
                    Word::Refuse => "refuse",
                };
                let head = [
                    ("decision", format!("{word} ({}): {}", self.code, self.reason)),
                    ("key", format!("{} ({}), {}", self.key.name, self.key.id, self.key.state.as_str())),
                    ("at", time_text(Some(self.at))),
                    ("from", self.ip.to_string()),
                    ("strategy", self.strategy.to_string()),
                    ("groups", joined(&self.groups)),
                ];
                let remarks = self.remarks.iter().map(|remark| ("but", remark.clone()));
                let said = self.policies.iter().map(|heard| (if heard.asked { "said" } else { "would say" }, heard.line()));
                let near = self.near.iter().map(|near| ("near", near.clone()));
                let shown = self.client_certificate.iter().map(|shown| ("shown", format!("{} (of {})", shown.subject, shown.issuer)));
                let cnf = self.cnf.iter().map(|bound| ("cnf", format!("x5t#S256 {}", bound.certificate())));
                out.record(self, head.into_iter().chain(shown).chain(cnf).chain(remarks).chain(said).chain(near))?;
                out.list("roles", &["SPACE", "ROLE", "BECAUSE OF"], self.rows(), self)
            }
        }
    }

    /// What was granted, then what was left out.
    fn rows(&self) -> Vec<Vec<String>> {
        let granted = self.chain.iter().map(|link| vec![link.grant.space.to_string(), link.grant.role.to_string(), link.because.clone()]);
        let ignored = self.ignored.iter().map(|ignored| {
            let why = match ignored.reason {
                IgnoredReason::UnknownSpace => "no such space",
                IgnoredReason::UnknownRole => "no such role",
            };
            vec![ignored.space.clone(), ignored.role.clone(), format!("left out of policy {}: {why}", ignored.policy)]
        });
        granted.chain(ignored).collect()
    }
}
