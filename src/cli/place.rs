//! Where a managing command works: at a server, over its admin API, or on a store itself.
//!
//! What stands on the line counts before the environment, which counts before what was logged in to. Nothing is guessed between a server and
//! a store: where both are said, neither is taken.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::args::input_file;
use super::args::value::span;
use super::failure::Failure;
use super::open_store::{OpenStore, StoreArgs};
use super::output::{self, Output};
use super::profile::{Profile, Profiles};
use crate::config::{ServerUrl, Settings};
use crate::model::PlainKey;
use crate::remote::{Api, Dialer, RemoteStore};
use crate::store::Store;

/// Where a server is if a key is said and nothing else.
const USUAL_SERVER: &str = "http://127.0.0.1:8081";

/// At which server or on which store.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Place {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// Wait until a change is in force in every process that serves, for so long at most, and say in which it is not
    #[arg(
        long, global = true, value_name = "SPAN", num_args = 0..=1, require_equals = true, default_missing_value = "10s",
        value_parser = span, help_heading = "Place"
    )]
    wait: Option<Duration>,
}

/// Which server, and the key that it is asked with.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ServerArgs {
    /// The server whose admin API is asked, `https://HOST:PORT`; else `CLAVIGER_SERVER`, else the one that was logged in to
    #[arg(long, global = true, value_name = "URL", help_heading = "Place")]
    server: Option<String>,
    /// The file of the key that the server is asked with; else `CLAVIGER_KEY`
    #[arg(long, global = true, value_name = "FILE", help_heading = "Place")]
    key_file: Option<PathBuf>,
    /// Certificates, in PEM, that vouch for a server at `https://…` where those that everybody knows do not; else `CLAVIGER_CA`
    #[arg(long, global = true, value_name = "FILE", help_heading = "Place")]
    ca: Option<PathBuf>,
    /// The profile that `login` has kept
    #[arg(long, global = true, value_name = "NAME", help_heading = "Place")]
    profile: Option<String>,
    /// Show each request to the server as a `curl` line, on stderr
    #[arg(long, global = true, help_heading = "Place")]
    print_curl: bool,
}

impl Place {
    /// Opens a store that is there, or a server: for commands that make nothing new.
    pub(crate) async fn look(&self, out: &Output) -> Result<OpenStore, Failure> {
        let opened = match self.server(out)? {
            Some(server) => OpenStore::at(server, self.store.clone()),
            None => self.store.look(out).await?,
        };
        Ok(opened.waiting(self.wait))
    }

    /// Opens the store, and makes it if it is not there; or a server.
    pub(crate) async fn open(&self, out: &Output) -> Result<OpenStore, Failure> {
        let opened = match self.server(out)? {
            Some(server) => OpenStore::at(server, self.store.clone()),
            None => self.store.open(out).await?,
        };
        Ok(opened.waiting(self.wait))
    }

    /// The configuration that is here, wherever the store is.
    pub(crate) fn settings_here(&self, out: &Output) -> Result<Settings, Failure> {
        self.store.settings(out)
    }

    /// The store itself, where only that will do.
    pub(crate) fn store(&self) -> Result<&StoreArgs, Failure> {
        if self.server.is_said() {
            return Err(Failure::usage("this works on a store itself: say --store or --config"));
        }
        Ok(&self.store)
    }

    /// The store as it is, to look at alone; see [`StoreArgs::glance`].
    pub(crate) async fn glance(&self) -> Option<Arc<dyn Store>> {
        if self.server.is_said() { None } else { self.store.glance().await }
    }

    /// `None`: a store.
    fn server(&self, out: &Output) -> Result<Option<RemoteStore>, Failure> {
        let ServerArgs { server, profile, .. } = &self.server;
        if self.store.is_said() {
            if self.server.is_said() {
                return Err(Failure::usage("a store and a server are both said: say --store or --config, or what is about a server"));
            }
            return Ok(None);
        }
        if server.is_some() && profile.is_some() {
            return Err(Failure::usage("a server and a profile are both said: say --server or --profile"));
        }
        if let Some(url) = server {
            return self.server.at(url, out).map(Some);
        }
        if let Some(name) = profile {
            return self.server.of_profile(name, out).map(Some);
        }
        match (std::env::var("CLAVIGER_SERVER").ok(), StoreArgs::is_in_environment()) {
            (Some(_), true) => Err(Failure::usage("CLAVIGER_SERVER and a store are both set: say --server, or --store or --config")),
            (Some(url), false) => self.server.at(&url, out).map(Some),
            (None, true) => Ok(None),
            (None, false) => match Profiles::read()?.current {
                Some(name) => self.server.of_profile(&name, out).map(Some),
                None if self.server.key_file.is_some() || std::env::var_os("CLAVIGER_KEY").is_some() => {
                    self.server.at(USUAL_SERVER, out).map(Some)
                }
                None => Ok(None),
            },
        }
    }
}

impl ServerArgs {
    fn is_said(&self) -> bool {
        self.server.is_some() || self.profile.is_some() || self.key_file.is_some() || self.print_curl
    }

    fn at(&self, url: &str, out: &Output) -> Result<RemoteStore, Failure> {
        let url: ServerUrl = url.parse().map_err(Failure::usage)?;
        if let Some(key) = self.key()? {
            return self.with(url, &key, out);
        }
        let is_it = |profile: &Profile| profile.server.parse().is_ok_and(|kept: ServerUrl| kept == url);
        let kept = Profiles::read()?.profiles.into_values().find(is_it);
        let no_key = || Failure::usage(format_args!("which key? Set CLAVIGER_KEY, say --key-file FILE, or `login` to {url}"));
        let key = presented(kept.ok_or_else(no_key)?.key.into_bytes())?;
        self.with(url, &key, out)
    }

    fn of_profile(&self, name: &str, out: &Output) -> Result<RemoteStore, Failure> {
        let kept = Profiles::read()?;
        let names = || kept.profiles.keys().cloned().collect::<Vec<_>>().join(", ");
        let Some(profile) = kept.profiles.get(name) else {
            return Err(Failure::usage(format_args!("there is no profile {name}; there are: {}", names())));
        };
        let key = match self.key()? {
            Some(key) => key,
            None => presented(profile.key.clone().into_bytes())?,
        };
        self.with(profile.server.parse().map_err(Failure::usage)?, &key, out)
    }

    /// A server that is asked with this key.
    pub(crate) fn with(&self, url: ServerUrl, key: &PlainKey, out: &Output) -> Result<RemoteStore, Failure> {
        if !url.is_loopback() && !url.is_encrypted() {
            out.note(format_args!("the key goes to {url} as it is: whoever listens on the way has it"));
        }
        let tell: Option<crate::remote::Tell> = self.print_curl.then(|| Box::new(output::talk) as _);
        let ca = self.ca.clone().or_else(|| std::env::var_os("CLAVIGER_CA").filter(|ca| !ca.is_empty()).map(PathBuf::from));
        let dialer = Dialer::new(ca.as_deref()).map_err(Failure::usage)?;
        let api = Api::new(url, key, tell, dialer).ok_or_else(|| Failure::usage("the key cannot be sent: it holds what no header may"))?;
        Ok(RemoteStore::new(api))
    }

    /// The key that is said, by a file or by the environment.
    pub(crate) fn key(&self) -> Result<Option<PlainKey>, Failure> {
        if let Some(file) = &self.key_file {
            return presented(input_file::text(file)?.into_bytes()).map(Some);
        }
        match std::env::var("CLAVIGER_KEY") {
            Ok(text) if !text.trim().is_empty() => presented(text.into_bytes()).map(Some),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// The server that is said, by the line or by the environment, else the usual one.
    pub(crate) fn url(&self) -> Result<ServerUrl, Failure> {
        let said = self.server.clone().or_else(|| std::env::var("CLAVIGER_SERVER").ok());
        said.as_deref().unwrap_or(USUAL_SERVER).parse().map_err(Failure::usage)
    }

    /// The profile that is said.
    pub(crate) fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }
}

/// A key as it was said, blanks and line ends around it left out. It is not repeated.
pub(crate) fn presented(text: Vec<u8>) -> Result<PlainKey, Failure> {
    let text = Zeroizing::new(text);
    PlainKey::presented(text.trim_ascii()).ok_or_else(|| Failure::usage("what was given as the key cannot be one"))
}
