//! `claviger dev`: everything in one process, to see what it does.

mod echo;
mod example;
mod ports;
mod terminal;

use std::fmt::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;

use self::ports::{Ports, reachable};
use self::terminal::Terminal;
use super::args::config::{self, Sources};
use super::failure::Failure;
use super::output::{Format, Output};
use super::serve::{self, Signal, Signals};
use crate::app::{App, Watched};
use crate::clock::SystemClock;
use crate::config::{Loaded, Settings, environment};
use crate::control::Control;
use crate::model::{KeyDigest, PlainKey};
use crate::store;
use crate::telemetry;

/// The configuration that a new directory gets. It can be changed, and other commands can be given it.
const CONFIGURATION: &str = include_str!("claviger.toml");

/// Arguments of `claviger dev`.
#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// Where everything is kept; starting again finds it there
    #[arg(long, value_name = "DIR", default_value = "claviger-dev")]
    dir: PathBuf,
    /// Sets one key, whatever the directory's configuration says: `--set proxy.listen=127.0.0.1:9000`
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = config::pair)]
    flags: Vec<(String, String)>,
}

impl Dev {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        prepare(&self.dir)?;
        let mut sources = Sources { file: Some(self.dir.join("claviger.toml")), flags: self.flags };
        let Loaded { settings, .. } = sources.load(out)?;
        let ports = Ports::take(&settings, out).await?;
        let derived = ports.flags(&settings);
        sources.flags.retain(|(key, _)| derived.iter().all(|(other, _)| other != key));
        sources.flags.extend(derived);
        let configuration = sources.file.as_deref().map(Watched::file);
        let Loaded { settings, values, .. } = Settings::load(sources.file.as_deref(), environment(), &sources.flags)
            .map_err(|faults| Failure::usage(config::sentence(&faults)))?;
        telemetry::init(settings.log).context("cannot start the log")?;
        let mut signals = Signals::listen()?;
        let terminal = Terminal::of_stdin();

        let echo = tokio::spawn(echo::serve(ports.into_upstream()));
        let clock = Arc::new(SystemClock::start());
        let store = store::open(&settings.store.url, settings.login.strategy, clock.clone()).await?;
        let keys = example::prepare(&self.dir, &Control::of_store(Arc::clone(&store), clock.clone())).await?;
        let mut app = serve::start(&settings, store, clock, out).await?.watching(configuration);
        serve::announce(&app, &settings);
        if let Err(failure) = show(out, &self.dir, &app, &keys)
            && !terminal.has_hung_up().await
        {
            return Err(failure);
        }

        app.configured_by(values.clone());
        let mut in_force = values.clone();
        let mut asked = pin!(app.asked_to_drain());
        loop {
            let signal = tokio::select! {
                signal = signals.next() => signal,
                () = &mut asked => Signal::Drain,
                () = terminal.hung_up() => Signal::Stop,
                () = app.changed() => {
                    sources.reload(&mut app, &values, &mut in_force).await;
                    continue;
                }
            };
            match signal {
                Signal::Stop | Signal::Drain => break,
                // A terminal that is closed says so by the same signal, and nobody would see what runs on behind it.
                Signal::Reload if terminal.is_there() => break,
                Signal::Reload => sources.reload(&mut app, &values, &mut in_force).await,
            }
        }
        serve::drain(app, signals).await;
        echo.abort();
        Ok(())
    }
}

/// Makes the directory with its configuration and its policies. What is there already is left as it is.
fn prepare(dir: &Path) -> Result<(), Failure> {
    let made = |what: &Path| format!("cannot make {}", what.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| made(dir))?;
    let configuration = dir.join("claviger.toml");
    if !configuration.exists() {
        std::fs::write(&configuration, CONFIGURATION).with_context(|| made(&configuration))?;
    }
    let policies = dir.join("policies");
    if !policies.exists() {
        std::fs::create_dir(&policies).with_context(|| made(&policies))?;
        for (name, text) in example::POLICIES {
            let file = policies.join(name);
            std::fs::write(&file, text).with_context(|| made(&file))?;
        }
    }
    Ok(())
}

/// A request to try, as it is shown.
#[derive(Serialize)]
struct TryView<'a> {
    name: &'a str,
    key: &'a str,
    curl: String,
    expect: &'a str,
}

/// A path as a shell reads it back.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/._-+:@%,=".contains(character);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn show(out: &Output, dir: &Path, app: &App, keys: &example::ExampleKeys) -> Result<(), Failure> {
    let (proxy, ops) = (reachable(app.proxy_address()), reachable(app.ops_address()));
    let admin = app.admin_address().map(reachable);
    let signs_in = keys.root_admin().and_then(|key| app.link_that_signs_in(KeyDigest::of(&PlainKey::presented(key.as_bytes())?)));
    let tries: Vec<TryView<'_>> = keys
        .iter()
        .flat_map(|(example, key)| example.tries.iter().map(move |one| (example, key, one)))
        .map(|(example, key, one)| {
            let mut curl = format!("curl -s http://{proxy}/hello -H 'Authorization: Bearer {key}'");
            if let Some(from) = one.from {
                let _ = write!(curl, " -H 'X-Forwarded-For: {from}'");
            }
            TryView { name: example.name, key, curl, expect: one.expect }
        })
        .collect();
    match out.format() {
        Format::Json => out.record(&serde_json::json!({ "proxy": proxy.to_string(), "ops": ops.to_string(), "admin": admin.map(|admin| admin.to_string()), "console": signs_in, "tries": tries }), []),
        Format::Table => {
            let mut text = String::new();
            let _ = writeln!(text, "Claviger is running. The proxy is at http://{proxy}, an echo of what it forwards stands behind it.\n");
            for one in &tries {
                let _ = writeln!(text, "# {}: {}\n{}\n", one.name, one.expect, one.curl);
            }
            if let Some(link) = &signs_in {
                let _ = writeln!(text, "The console; this link signs in once, within a quarter of an hour:\n  {link}\n");
            }
            let _ = writeln!(text, "Metrics, readiness, keys to verify tokens by:");
            let _ = writeln!(text, "  http://{ops}/metrics  http://{ops}/readyz?verbose  http://{ops}/.well-known/jwks.json");
            if let (Some(admin), Some(key)) = (admin, keys.root_admin()) {
                let _ = writeln!(text, "The admin API, described at http://{admin}/api:");
                let _ = writeln!(text, "  curl -s http://{admin}/api/v1/whoami -H 'Authorization: Bearer {key}'");
            }
            let _ = writeln!(text, "Change something while it runs (in force within a second), and try again:");
            let _ = writeln!(text, "  claviger key disable laptop --config {}", quoted(&dir.join("claviger.toml")));
            let _ = writeln!(text, "Everything is kept in {}; Ctrl-C ends it.", dir.display());
            out.text(&text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_shown_where_a_client_reaches_it() {
        let shown = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(shown("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(shown("[::]:8080"), "[::1]:8080");
        assert_eq!(shown("10.0.0.1:8080"), "10.0.0.1:8080");
    }

    #[test]
    fn a_path_is_shown_as_a_shell_reads_it() {
        assert_eq!(quoted(Path::new("claviger-dev/claviger.toml")), "claviger-dev/claviger.toml");
        assert_eq!(quoted(Path::new("it's mine/$a")), r"'it'\''s mine/$a'");
    }
}
