//! What decisions depend on at the server beside its store.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::api::Api;
use crate::config::Settings;
use crate::model::{PolicyName, RegoVersion};
use crate::policy::PolicySource;
use crate::store::StoreError;

/// What decisions depend on at the server beside its store.
pub struct Evaluation {
    /// As far as decisions and the size of tokens depend on them; the rest is as it usually is.
    pub settings: Settings,
    /// The login policies of the server's directory.
    pub files: Vec<PolicySource>,
}

#[derive(Deserialize)]
struct Shown {
    settings: BTreeMap<String, String>,
    files: Vec<PolicyFile>,
}

#[derive(Deserialize)]
struct PolicyFile {
    name: PolicyName,
    file: PathBuf,
    source: Box<str>,
    rego: Option<RegoVersion>,
}

impl Evaluation {
    /// Asks the server.
    pub(super) async fn ask(api: &Api) -> Result<Self, StoreError> {
        let Shown { settings, files } = api.get("/evaluation").await?;
        let known = Settings::keys();
        // A newer server may know of more than this program does.
        let flags: Vec<(String, String)> = settings.into_iter().filter(|(key, _)| known.contains_key(key)).collect();
        let nonsense = |faults: crate::config::Faults| StoreError::Unavailable(format!("the server's settings make no sense: {faults}"));
        let settings = Settings::load(None, [], &flags).map_err(nonsense)?.settings;
        let source = |PolicyFile { name, file, source, rego }| PolicySource { name, file: Some(file), text: source, rego };
        Ok(Self { settings, files: files.into_iter().map(source).collect() })
    }
}
