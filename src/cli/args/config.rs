//! Where a command finds its configuration, and how what is wrong with it is shown.

use std::path::{Path, PathBuf};

use crate::app::App;
use crate::cli::failure::Failure;
use crate::cli::output::{Format, Output, show};
use crate::config::{Faults, Loaded, Settings, Survey, TakesEffect, Values, environment, without_line_end};
use crate::diagnostics::{Diagnostic, Place};

/// Which configuration.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ConfigArgs {
    /// The configuration; else `CLAVIGER_CONFIG`; without either, the defaults and the environment's variables
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    config: Option<PathBuf>,
    /// Sets one key, whatever file and environment say: `--set proxy.listen=127.0.0.1:8080`
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair, help_heading = "Configuration")]
    flags: Vec<(String, String)>,
}

impl ConfigArgs {
    /// The file that the line or the environment names.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(file_in_environment)
    }

    /// The file and the flags, to be read now and at every reload.
    pub(crate) fn sources(&self) -> Sources {
        Sources { file: self.file(), flags: self.flags.clone() }
    }

    /// The settings as far as they can be read, with all that is wrong or odd.
    pub(crate) fn survey(&self) -> Survey {
        Settings::survey(self.file().as_deref(), environment(), &self.flags)
    }
}

/// The file that the environment names; none where it says nothing in so many words, as over an image that names one.
pub(crate) fn file_in_environment() -> Option<PathBuf> {
    let file = std::env::var_os("CLAVIGER_CONFIG")?;
    let file = match file.to_str() {
        Some(text) => PathBuf::from(without_line_end(text)),
        None => PathBuf::from(file),
    };
    (!file.as_os_str().is_empty()).then_some(file)
}

/// What a running process is configured by, besides the environment.
pub(crate) struct Sources {
    pub(crate) file: Option<PathBuf>,
    pub(crate) flags: Vec<(String, String)>,
}

impl Sources {
    /// The settings to run on. What is odd is said; what is wrong is shown, all of it, and is a failure.
    pub(crate) fn load(&self, out: &Output) -> Result<Loaded, Failure> {
        match self.read() {
            Ok(loaded) => {
                show(&loaded.warnings);
                Ok(loaded)
            }
            Err(faults) => Err(refused_for(&faults, out)?),
        }
    }

    /// Puts in force what the configuration, policies and signing keys say now, if they are without fault. `started` is what the
    /// configuration said when the process started, `in_force` what it said when it was last read. All of it is logged: what a process says while it runs goes where its log goes.
    pub(crate) async fn reload(&self, app: &mut App, started: &Values, in_force: &mut Values) {
        match self.read() {
            // Whoever writes a file anew empties it first. What is seen then would put every default in force.
            Ok(loaded) if loaded.is_empty && !in_force.changed(&loaded.values).is_empty() => {
                let file = self.file.as_deref().unwrap_or(Path::new(""));
                app.reload_refused(
                    &Diagnostic::error(Place::whole(file), "there is nothing in it: it is being written, or was emptied").into(),
                );
            }
            Ok(loaded) => {
                for warning in &loaded.warnings {
                    warning.log("the configuration may not do what it seems to");
                }
                let changed = started.changed(&loaded.values);
                let restart = changed.iter().filter(|(_, takes_effect)| **takes_effect == TakesEffect::AtStart);
                let restart: Vec<&str> = restart.map(|(key, _)| *key).collect();
                let changed = in_force.changed(&loaded.values);
                let live = changed.iter().filter(|(_, takes_effect)| **takes_effect == TakesEffect::Live);
                let live: Vec<&str> = live.map(|(key, _)| *key).collect();
                if app.reload(loaded.settings, &live, &restart).await {
                    app.configured_by(loaded.values.clone().with_start_of(started));
                    *in_force = loaded.values;
                }
            }
            Err(faults) => app.reload_refused(&faults),
        }
    }

    fn read(&self) -> Result<Loaded, Faults> {
        Settings::load(self.file.as_deref(), environment(), &self.flags)
    }
}

/// The settings for a command that works beside a process: what is odd, that process has said.
pub(crate) fn quiet_settings(file: Option<&Path>, out: &Output) -> Result<Settings, Failure> {
    match Settings::load(file, environment(), &[]) {
        Ok(loaded) => Ok(loaded.settings),
        Err(faults) => Err(refused_for(&faults, out)?),
    }
}

/// Shows what is wrong; what is left is to refuse.
fn refused_for(faults: &Faults, out: &Output) -> Result<Failure, Failure> {
    match out.format() {
        Format::Table => show(faults),
        Format::Json => out.faults(&faults.iter().collect::<Vec<_>>())?,
    }
    Ok(Failure::usage(sentence(faults)))
}

/// How many there are, in words.
pub(crate) fn sentence(faults: &Faults) -> String {
    match faults.len() {
        1 => "the configuration has a fault".to_owned(),
        many => format!("the configuration has {many} faults"),
    }
}

/// Reads `KEY=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it must look like `proxy.listen=127.0.0.1:8080`")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
