//! `claviger login`: keeps a server and the key that it is asked with.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde::Serialize;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::output::Output;
use super::place::{ServerArgs, presented};
use super::profile::{Profile, Profiles, USUAL};
use crate::model::PlainKey;

#[derive(Debug, clap::Args)]
pub(crate) struct Login {
    #[command(flatten)]
    server: ServerArgs,
    /// Keep it under this name, and use it from now on where no other one is said
    #[arg(long = "as", value_name = "NAME")]
    called: Option<String>,
}

#[derive(Serialize)]
struct LoggedIn<'a> {
    profile: &'a str,
    server: &'a str,
    key: Option<&'a str>,
    file: String,
}

impl Login {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let url = self.server.url()?;
        let key = match self.server.key()? {
            Some(key) => key,
            None => typed(out)?,
        };
        let server = self.server.with(url.clone(), &key, out)?;
        // A key that does not work is not worth keeping.
        let who = server.whoami().await?;
        let name = self.called.as_deref().or_else(|| self.server.profile()).unwrap_or(USUAL);
        let mut kept = Profiles::read()?;
        kept.profiles.insert(name.to_owned(), Profile { server: url.to_string(), key: key.reveal().to_owned() });
        kept.current = Some(name.to_owned());
        let file = kept.write()?.display().to_string();
        let key = who.pointer("/key/name").and_then(serde_json::Value::as_str);
        let logged_in = LoggedIn { profile: name, server: &url.to_string(), key, file };
        out.note(format_args!("logged in to {url} as {}; what is managed from now on is managed there", key.unwrap_or("?")));
        let rows = [("profile", name.to_owned()), ("server", url.to_string()), ("key", key.unwrap_or_default().to_owned())];
        out.record(&logged_in, rows)
    }
}

/// The key, from stdin. On a terminal it is not shown.
fn typed(out: &Output) -> Result<PlainKey, Failure> {
    let stdin = io::stdin();
    let failed = |error: io::Error| Failure::refused(format_args!("cannot read the key: {error}"));
    let mut line = Zeroizing::new(String::new());
    if stdin.is_terminal() {
        let shown = tcgetattr(&stdin).map_err(|error| failed(error.into()))?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(|error| failed(error.into()))?;
        let mut stderr = io::stderr().lock();
        let read = write!(stderr, "API key: ").and_then(|()| stderr.flush()).and_then(|()| stdin.lock().read_line(&mut line));
        let restored = tcsetattr(&stdin, OptionalActions::Flush, &shown);
        // The line end was not shown either.
        let _ = writeln!(stderr);
        read.map_err(failed)?;
        restored.map_err(|error| failed(error.into()))?;
    } else {
        out.note("the key is read from stdin");
        stdin.lock().read_line(&mut line).map_err(failed)?;
    }
    presented(std::mem::take(&mut *line).into_bytes())
}
