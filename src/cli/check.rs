//! `claviger check`: everything that is wrong with a configuration and its policies, in one go, before anything runs on them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::args::config::{self, ConfigArgs};
use super::failure::Failure;
use super::output::{self, Format, Output};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{ClientCertificates, ClientIp, Settings, StoreUrl, Survey, TakesEffect};
use crate::control::declared::FileStore;
use crate::diagnostics::{Diagnostic, Place, Severity};
use crate::edge::tls;
use crate::policy::{self, PolicyFault, PolicySet, PolicySource, Vocabulary};
use crate::store::{self, Inspected, Lookup as _, NAMED_KEYS_MAX, StoreError};
use crate::token::{KeyRing, TokenError};

/// Arguments of `claviger check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    configured: ConfigArgs,
    /// Warnings about policies count as faults, for pipelines that put policies in force; notes never do
    #[arg(long)]
    strict: bool,
}

/// What was found.
#[derive(Serialize)]
struct Report {
    /// Whether the check passes; the warnings that `--strict` does not pass over keep it from that, too.
    ok: bool,
    /// The configuration, if it is a file.
    config: Option<String>,
    /// Every key, and when another value of it counts.
    keys: BTreeMap<String, TakesEffect>,
    /// Policies that were looked at, the store's and the directory's.
    policies: usize,
    faults: Vec<Found>,
    warnings: Vec<Found>,
}

/// One fault or warning.
#[derive(Serialize)]
struct Found {
    kind: Kind,
    #[serde(flatten)]
    diagnostic: Diagnostic,
}

/// What it is about.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Configuration,
    Policy,
    Store,
    Keys,
    Certificates,
}

impl Kind {
    fn of(self, diagnostic: Diagnostic) -> Found {
        Found { kind: self, diagnostic }
    }
}

/// The policies that would be in force, and what is wrong with them.
#[derive(Default)]
pub(super) struct Policies {
    pub(super) sources: Vec<PolicySource>,
    /// Warnings included.
    pub(super) findings: Vec<PolicyFault>,
    /// What they can speak of, as far as there is a store.
    vocabulary: Vocabulary,
    /// Why the store's could not be looked at.
    store: Option<StoreError>,
    /// What is wrong with the files that declare access.
    declared: Vec<Diagnostic>,
    /// What to know of the addresses that they read.
    about_requests: Vec<Diagnostic>,
    /// What the next start will do to the store; until then its policies cannot be read.
    outdated: Option<String>,
}

impl Check {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let survey = self.configured.survey();
        let policies = Policies::of(&survey).await;
        let keys = signing_keys(&survey).err();
        let certificates = certificates(&survey);
        let report = self.report(&survey, &policies, keys.as_ref(), &certificates);
        match out.format() {
            Format::Json => out.line("", &report)?,
            Format::Table => {
                output::show(survey.warnings.iter().chain(&policies.about_requests));
                output::show(survey.faults.iter().flatten());
                output::show(&policies.declared);
                output::show(&certificates);
                output::show_policies(&policies.findings);
                if let Some(why) = &policies.outdated {
                    out.note(format_args!("warning: {why}"));
                }
                if report.ok {
                    out.line(&self.summary(&policies), &report)?;
                }
            }
        }
        let of_policies = match policies.faults().count() {
            0 => None,
            1 => Some("the policies have a fault".to_owned()),
            many => Some(format!("the policies have {many} faults")),
        };
        let of_store = policies.store.as_ref().map(StoreError::to_string);
        let of_warnings = match self.faulty_warnings(&policies) {
            0 => None,
            1 => Some("there is a warning about the policies".to_owned()),
            many => Some(format!("there are {many} warnings about the policies")),
        };
        let of_keys = keys.map(|error| error.to_string());
        let of_certificates = match certificates.len() {
            0 => None,
            1 => Some("there is something wrong with a certificate".to_owned()),
            many => Some(format!("there are {many} things wrong with certificates")),
        };
        let of_files = match policies.declared.len() {
            0 => None,
            1 => Some("there is a fault in the files that declare access".to_owned()),
            many => Some(format!("there are {many} faults in the files that declare access")),
        };
        let others: Vec<String> =
            of_policies.into_iter().chain(of_warnings).chain(of_files).chain(of_store).chain(of_keys).chain(of_certificates).collect();
        match &survey.faults {
            Some(faults) => Err(Failure::usage([vec![config::sentence(faults)], others].concat().join("; "))),
            None if others.is_empty() => Ok(()),
            None => Err(Failure::refused(others.join("; "))),
        }
    }

    fn report(&self, survey: &Survey, policies: &Policies, keys: Option<&TokenError>, certificates: &[Diagnostic]) -> Report {
        let (store, dir) = (&PathBuf::from(survey.settings.store.url.to_string()), &survey.settings.token.keys);
        let told = |place: &Path, reason: String| Diagnostic::error(Place::whole(place), reason);
        let configuration = survey.faults.iter().flatten().cloned().map(|fault| Kind::Configuration.of(fault));
        let of_store = policies.store.iter().map(|error| Kind::Store.of(told(store, error.to_string())));
        let of_files = policies.declared.iter().cloned().map(|fault| Kind::Store.of(fault));
        let of_keys = keys.into_iter().map(|error| Kind::Keys.of(told(dir, error.to_string())));
        let of_certificates = certificates.iter().cloned().map(|fault| Kind::Certificates.of(fault));
        let of_policies = policies.faults().map(|fault| Kind::Policy.of(fault.diagnostic()));
        let faults: Vec<Found> =
            configuration.chain(of_policies).chain(of_store).chain(of_files).chain(of_keys).chain(of_certificates).collect();
        let odd = survey.warnings.iter().chain(&policies.about_requests).cloned().map(|warning| Kind::Configuration.of(warning));
        let odd_policies = policies.warnings().map(|warning| Kind::Policy.of(warning.diagnostic()));
        let outdated = policies.outdated.iter().cloned();
        let of_outdated = outdated.map(|reason| Kind::Store.of(told(store, reason).weighing(Severity::Warning)));
        Report {
            ok: faults.is_empty() && self.faulty_warnings(policies) == 0,
            config: self.configured.file().map(|file| file.display().to_string()),
            keys: Settings::keys(),
            policies: policies.sources.len(),
            faults,
            warnings: odd.chain(odd_policies).chain(of_outdated).collect(),
        }
    }

    /// How many warnings count as faults.
    fn faulty_warnings(&self, policies: &Policies) -> usize {
        policies.warnings().filter(|warning| self.strict && warning.severity == Severity::Warning).count()
    }

    fn summary(&self, policies: &Policies) -> String {
        let configuration = match self.configured.file() {
            Some(file) => file.display().to_string(),
            None => "the defaults".to_owned(),
        };
        let count = |severity, one: &str| match policies.warnings().filter(|warning| warning.severity == severity).count() {
            0 => String::new(),
            1 => format!(", 1 {one}"),
            many => format!(", {many} {one}s"),
        };
        let warnings = format!("{}{}", count(Severity::Warning, "warning"), count(Severity::Note, "note"));
        match policies.sources.len() {
            0 => format!("ok: {configuration}, no policies"),
            1 => format!("ok: {configuration}, 1 policy{warnings}"),
            many => format!("ok: {configuration}, {many} policies{warnings}"),
        }
    }
}

impl Policies {
    /// Those of the directory and those of the store, if there is a store already: a check makes and migrates none. What cannot be known because
    /// the configuration is wrong about it is left out.
    pub(super) async fn of(survey: &Survey) -> Self {
        let mut found = Self::default();
        let settings = &survey.settings;
        if is_sound(survey, "policies.dir") {
            found.read_dir(settings);
        }
        if is_sound(survey, "store.url") {
            found.read_store(settings).await;
        }
        let reviewed = policy::review(&found.sources, &settings.policies, &found.vocabulary);
        found.findings.extend(reviewed);
        found.about_requests = found.unseen(survey);
        found
    }

    /// Notes on what policies read of a request and will not find there.
    fn unseen(&self, survey: &Survey) -> Vec<Diagnostic> {
        let settings = &survey.settings;
        let (is_peers, is_asked) = (
            settings.proxy.client_ip == ClientIp::Peer,
            settings.proxy.client_certificates != ClientCertificates::Off && !settings.proxy.tls.is_empty(),
        );
        if (!is_peers && is_asked) || self.faults().next().is_some() {
            return Vec::new();
        }
        let Ok(policies) = PolicySet::load(&self.sources, &settings.policies) else { return Vec::new() };
        let note = |key: &str, variable: &str, reason: &str, hint: &str| {
            let place = survey.file.as_ref().map_or_else(|| Place::of_variable_name(variable), Place::whole);
            Diagnostic { key: Some(key.to_owned()), ..Diagnostic::error(place, reason) }.suggest(hint).weighing(Severity::Note)
        };
        let peers = (is_peers && policies.reads().reads_address()).then(|| {
            note(
                "proxy.client_ip",
                "CLAVIGER_PROXY__CLIENT_IP",
                "a policy reads the client's address, and here that is the peer's: behind an ingress or a load balancer it is the same for all \
                 clients",
                "behind one, set proxy.client_ip = \"x-forwarded-for\" and name it in proxy.trusted_proxies",
            )
        });
        let never_shown = (!is_asked && policies.reads().reads_certificate()).then(|| {
            note(
                "proxy.client_certificates",
                "CLAVIGER_PROXY__CLIENT_CERTIFICATES",
                "a policy looks at the client's certificate, and nobody is asked for one: it is always null",
                "set proxy.tls, proxy.client_ca, and proxy.client_certificates = \"optional\" or \"required\"",
            )
        });
        let never_bound = (!is_asked && settings.token.confirm_client_certificate).then(|| {
            note(
                "token.confirm_client_certificate",
                "CLAVIGER_TOKEN__CONFIRM_CLIENT_CERTIFICATE",
                "tokens are to say which certificate the client has shown, and nobody is asked for one",
                "set proxy.tls, proxy.client_ca, and proxy.client_certificates = \"optional\" or \"required\"",
            )
        });
        peers.into_iter().chain(never_shown).chain(never_bound).collect()
    }

    fn faults(&self) -> impl Iterator<Item = &PolicyFault> {
        self.findings.iter().filter(|finding| finding.is_error())
    }

    fn warnings(&self) -> impl Iterator<Item = &PolicyFault> {
        self.findings.iter().filter(|finding| !finding.is_error())
    }

    fn read_dir(&mut self, settings: &Settings) {
        let found = settings.policies.dir.as_deref().map(policy::survey_dir).unwrap_or_default();
        self.sources.extend(found.sources);
        self.findings.extend(found.findings);
    }

    async fn read_files(&mut self, place: &Path, settings: &Settings) {
        let clock = Arc::new(SystemClock::start());
        match FileStore::open(place, settings.login.strategy, &settings.policies, clock).await {
            // What is odd about policies is found with all the others.
            Ok((store, _)) => {
                let read = async { Ok::<_, StoreError>((store.snapshot().await?, store.key_names(NAMED_KEYS_MAX).await?)) };
                if let Ok((snapshot, names)) = read.await {
                    self.sources.extend(snapshot.policies.iter().map(PolicySource::from));
                    self.vocabulary = Vocabulary::of(&snapshot).with_keys(names);
                }
            }
            Err(faults) => self.declared = faults,
        }
    }

    async fn read_store(&mut self, settings: &Settings) {
        match &settings.store.url {
            StoreUrl::Files(place) => return self.read_files(place, settings).await,
            // A sidecar is told what is there when it follows.
            StoreUrl::ControlPlanes(_) => return,
            StoreUrl::Sqlite(_) | StoreUrl::Postgres(_) => {}
        }
        // What cannot be looked at is told when it is opened.
        if let Some(path) = settings.store.url.file()
            && path.try_exists().is_ok_and(|exists| !exists)
        {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            if parent.is_some_and(|parent| !parent.is_dir()) {
                let why = format!("{}: the directory that it should be in does not exist", path.display());
                self.store = Some(StoreError::Unavailable(why));
            }
            return;
        }
        let read = async {
            let store = match store::inspect(&settings.store.url, Arc::new(SystemClock::start())).await? {
                Inspected::Open(store) => store,
                Inspected::Outdated(why) => return Ok(Err(why)),
            };
            let read = async { Ok((store.snapshot().await?, store.key_names(NAMED_KEYS_MAX).await?)) }.await;
            store.close().await;
            read.map(Ok)
        };
        match read.await {
            Ok(Ok((snapshot, names))) => {
                self.sources.extend(snapshot.policies.iter().map(PolicySource::from));
                self.vocabulary = Vocabulary::of(&snapshot).with_keys(names);
            }
            Ok(Err(why)) => self.outdated = Some(why),
            Err(error) => self.store = Some(error),
        }
    }
}

/// Whether a start would find signing keys that it can use, or could make the first one.
fn signing_keys(survey: &Survey) -> Result<(), TokenError> {
    let token = &survey.settings.token;
    if !is_sound(survey, "token.") {
        return Ok(());
    }
    KeyRing::check(token, SystemClock::start().now().wall)
}

/// What is wrong with the listeners' certificates, or would be for clients.
fn certificates(survey: &Survey) -> Vec<Diagnostic> {
    let sound = ["proxy.", "ops.", "admin."].iter().all(|prefix| is_sound(survey, prefix));
    if sound { tls::examine(&survey.settings, SystemClock::start().now().wall) } else { Vec::new() }
}

/// Whether what the keys with this prefix say can be relied on.
pub(super) fn is_sound(survey: &Survey, prefix: &str) -> bool {
    !survey.faults.iter().flatten().any(|fault| fault.key.as_ref().is_none_or(|key| key.starts_with(prefix)))
}
