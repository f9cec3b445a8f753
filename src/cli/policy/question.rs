//! Whom a simulation is about: a key as it is, an `input` that somebody has written down, or requests that policies wanted kept.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::Value;

use crate::cli::args::certificate::certificate;
use crate::cli::args::input_file;
use crate::cli::args::value::time;
use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::cli::output::Output;
use crate::clock::Moment;
use crate::exchange::Origin;
use crate::model::{ClientCertificate, GroupName, KeptSample, KeyId, KeyName, KeyRecord, SampleId};

/// What says itself where a request came from, and when. (That `--ip` requires a key is not looked at where there may be none.)
const NOT_A_KEY: [&str; 3] = ["input", "sample", "all_samples"];

/// Which of them.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    #[command(flatten)]
    who: Who,
    /// With --key: the client's address that policies see; else 127.0.0.1
    #[arg(long, value_name = "ADDR", requires = "key", conflicts_with_all = NOT_A_KEY)]
    ip: Option<IpAddr>,
    /// With --key: the certificate that the client has shown, a PEM file; else none
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = NOT_A_KEY)]
    certificate: Option<PathBuf>,
    /// With --key: the time that expiries and policies are held against, RFC 3339; else now
    #[arg(long, value_name = "TIME", value_parser = time, requires = "key", conflicts_with_all = NOT_A_KEY)]
    at: Option<Timestamp>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// A key of the store
    #[arg(long, value_name = "NAME_OR_ID")]
    key: Option<String>,
    /// A file with an `input` document, `-` for stdin; of the key that it names, bindings are taken from the store
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// A request that a policy wanted kept, by its number: `policy sample list` has them
    #[arg(long, value_name = "ID")]
    sample: Option<SampleId>,
    /// Every request that is kept; those that would be answered otherwise are listed
    #[arg(long)]
    all_samples: bool,
}

/// A key, where it comes from, and when.
pub(crate) struct Question {
    pub(crate) key: KeyRecord,
    pub(crate) address: IpAddr,
    /// What the client has shown besides.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
    pub(crate) at: Timestamp,
    /// The sample that it is made from.
    pub(crate) sample: Option<KeptSample>,
}

/// The address of whoever is asked about without one.
pub(crate) const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Question {
    pub(crate) fn origin(&self) -> Origin {
        let at = Moment { wall: self.at, monotonic: Duration::ZERO };
        Origin { certificate: self.certificate.clone(), ..Origin::at_address(Some(self.address), at) }
    }

    /// The request as it was, of the key as it is: its name and groups are those of the sample, its state and bindings those of the store.
    pub(crate) async fn of(kept: &KeptSample, store: &OpenStore, out: &Output) -> Result<Self, Failure> {
        let wrong = |why: String| Failure::refused(format_args!("sample {}: {why}", kept.id));
        let question = of_document(&kept.sample.input, &wrong, store, out).await?;
        Ok(Self { sample: Some(kept.clone()), ..question })
    }
}

impl Asked {
    pub(super) async fn questions(&self, store: &OpenStore, out: &Output) -> Result<Vec<Question>, Failure> {
        if let Some(called) = &self.who.key {
            let address = self.ip.map_or(NOWHERE, |ip| ip.to_canonical());
            if self.ip.is_none() {
                out.note(format_args!("without --ip: simulated for a client at {address}"));
            }
            let key = store.key(called).await?;
            let certificate = certificate(self.certificate.as_deref())?;
            return Ok(vec![Question { key, address, certificate, at: self.at.unwrap_or_else(|| store.now()), sample: None }]);
        }
        if let Some(file) = &self.who.input {
            return Ok(vec![written(file, store, out).await?]);
        }
        let kept = match self.who.sample {
            Some(id) => vec![store.sample(id).await?],
            None => store.samples().await?,
        };
        if kept.is_empty() {
            out.note("no request is kept: a policy in force asks for that by `sample`");
        }
        let mut questions = Vec::with_capacity(kept.len());
        for sample in &kept {
            questions.push(Question::of(sample, store, out).await?);
        }
        Ok(questions)
    }

    /// Whether it is about whatever has been kept.
    pub(super) fn is_of_all_samples(&self) -> bool {
        self.who.all_samples
    }
}

/// Reads an `input` document.
async fn written(file: &Path, store: &OpenStore, out: &Output) -> Result<Question, Failure> {
    let wrong = |why: String| Failure::usage(format_args!("{}: {why}", file.display()));
    let document: Value = serde_json::from_str(&input_file::text(file)?).map_err(|error| wrong(format!("it is not JSON: {error}")))?;
    let unknown = unknown(&document);
    if !unknown.is_empty() {
        out.note(format_args!("policies never see {}: passed over", unknown.join(", ")));
    }
    of_document(&document, &wrong, store, out).await
}

/// What an `input` says, and the store's key that it is about. Spaces and roles are those of the store.
async fn of_document(document: &Value, wrong: &impl Fn(String) -> Failure, store: &OpenStore, out: &Output) -> Result<Question, Failure> {
    let text = |pointer: &str| match document.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(wrong(format!("input{} must be a string", pointer.replace('/', ".")))),
    };
    let named = text("/session/login")?.or(text("/session/name")?).ok_or_else(|| wrong("input.session.login is missing".to_owned()))?;
    let name: KeyName = named.parse().map_err(|error| wrong(format!("{error}")))?;
    let id: Option<KeyId> = match text("/session/api_key_id")?.filter(|id| !id.is_empty()) {
        Some(id) => Some(id.parse().map_err(|error| wrong(format!("{error}")))?),
        None => None,
    };
    let address = match text("/request/remote_ip")? {
        Some(address) => address.parse::<IpAddr>().map_err(|_| wrong(format!("{address:?} is not an address")))?.to_canonical(),
        None => NOWHERE,
    };
    let at = match document.pointer("/request/timestamp_ns") {
        None | Some(Value::Null) => store.now(),
        Some(number) => {
            let nanoseconds = number.as_i64().ok_or_else(|| wrong("input.request.timestamp_ns must be an integer".to_owned()))?;
            Timestamp::from_nanosecond(nanoseconds.into()).map_err(|error| wrong(error.to_string()))?
        }
    };
    let key = if let Some(key) = store.key_like(id, &name).await? {
        key
    } else {
        out.note(format_args!("the store has no key {name}: simulated for one without bindings"));
        KeyRecord::unbound(id.unwrap_or(KeyId::new(0, 0)), name.clone(), at)
    };
    let groups = match document.pointer("/session/teams") {
        None | Some(Value::Null) => key.groups.clone(),
        Some(teams) => groups(teams).map_err(wrong)?,
    };
    let certificate = match document.pointer("/request/client_certificate") {
        None | Some(Value::Null) => None,
        Some(shown) => {
            let shown =
                ClientCertificate::deserialize(shown).map_err(|error| wrong(format!("input.request.client_certificate: {error}")))?;
            Some(Arc::new(shown))
        }
    };
    Ok(Question { key: KeyRecord { name, groups, ..key }, address, certificate, at, sample: None })
}

fn groups(teams: &Value) -> Result<Vec<GroupName>, String> {
    let wrong = || "input.session.teams must be an array of strings".to_owned();
    let texts = teams.as_array().ok_or_else(wrong)?.iter().map(|team| team.as_str().ok_or_else(wrong));
    let mut groups: Vec<GroupName> =
        texts.map(|text| text.and_then(|text| text.parse().map_err(|error| format!("{error}")))).collect::<Result<_, _>>()?;
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}

/// Paths of the document that no `input` has.
fn unknown(document: &Value) -> Vec<String> {
    const SESSION: [&str; 11] =
        ["account_name", "actor", "admin", "api_key_id", "creator_ip", "login", "machine", "member", "name", "stack_id", "teams"];
    let fields = |pointer: &str, known: &[&str]| -> Vec<String> {
        let object = document.pointer(pointer).and_then(Value::as_object);
        let strange = object.into_iter().flat_map(|object| object.keys()).filter(|name| !known.contains(&name.as_str()));
        strange.map(|name| format!("input{}.{name}", pointer.replace('/', "."))).collect()
    };
    [
        fields("", &["attachment", "request", "roles", "session", "spaces"]),
        fields("/request", &["client_certificate", "remote_ip", "timestamp_ns"]),
        fields("/session", &SESSION),
    ]
    .concat()
}
