//! `claviger token`: looks into JWTs, verifies them, and rolls the keys that sign them.
//!
//! A token comes by file or stdin and never as an argument: until it expires it is as good as the key it stands for.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{Method, Uri};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::config;
use super::args::input_file;
use super::ask::{Scheme, ask};
use super::failure::Failure;
use super::output::Output;
use crate::clock::{Clock, SystemClock};
use crate::config::{TokenAlgorithm, TokenType};
use crate::token::{Activate, Decoded, KeyDirectory, KeyStanding, ListedKey, RollRefusal, TokenError, Withdraw, decode, verify_as};

/// How long a server may take to send its keys.
const PATIENCE: Duration = Duration::from_secs(10);
/// The lifetime of tokens where no configuration says another.
const USUAL_TTL: Duration = Duration::from_mins(1);

/// What can be done with JWTs and their keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TokenCommand {
    /// Show what a JWT says, without verifying it
    Decode {
        #[command(flatten)]
        token: TokenSource,
    },
    /// Verify a JWT as an upstream does: signature, issuer, audience, times
    Verify {
        #[command(flatten)]
        token: TokenSource,
        /// The key set: a file, or an http URL such as `http://127.0.0.1:9464/.well-known/jwks.json`
        #[arg(long, value_name = "FILE|URL")]
        jwks: String,
        /// What `iss` must be
        #[arg(long)]
        issuer: String,
        /// What `aud` must be, or hold
        #[arg(long)]
        audience: String,
        /// What `typ` must be: `at+jwt` or `JWT`, as `token.typ` says
        #[arg(long, value_name = "TYPE", default_value = "at+jwt", value_parser = token_type)]
        typ: TokenType,
    },
    /// The keys that sign: publish the next one, activate it, retire the old one
    Keys {
        #[command(flatten)]
        place: KeyPlace,
        #[command(subcommand)]
        verb: KeysVerb,
    },
}

/// Where the token is.
#[derive(Debug, clap::Args)]
pub(crate) struct TokenSource {
    /// The file that holds the token; else it is read from stdin
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Which signing keys.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyPlace {
    /// The directory of the signing keys; else that of the configuration
    #[arg(long, global = true, value_name = "DIR", help_heading = "Place")]
    keys: Option<PathBuf>,
    /// The configuration whose signing keys to work on; else `CLAVIGER_CONFIG`
    #[arg(long, global = true, value_name = "FILE", env = "CLAVIGER_CONFIG", help_heading = "Place")]
    config: Option<PathBuf>,
}

/// What can be done with signing keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeysVerb {
    /// Every signing key and where it stands
    List,
    /// Make the next key: it is in the JWKS from now on and does not sign yet
    Publish {
        /// `ES256`, `EdDSA` or `RS256`; else that of the configuration, else that of the current key
        #[arg(long, value_name = "NAME", value_parser = algorithm)]
        algorithm: Option<TokenAlgorithm>,
    },
    /// Let a published key sign from now on
    Activate {
        /// The key
        #[arg(value_name = "KID", allow_hyphen_values = true)]
        kid: String,
        /// How long tokens last; else as the configuration says, else 1m
        #[arg(long, value_name = "SPAN", value_parser = super::args::value::span)]
        ttl: Option<Duration>,
        /// Even if verifiers may not know it yet: they refuse what it signs until they read the JWKS anew
        #[arg(long)]
        now: bool,
    },
    /// Delete a key that no living token is signed by
    Retire {
        /// The key
        #[arg(value_name = "KID", allow_hyphen_values = true)]
        kid: String,
        /// Even if tokens signed by it are alive: they stop to verify
        #[arg(long)]
        now: bool,
    },
}

fn algorithm(text: &str) -> Result<TokenAlgorithm, String> {
    let named = TokenAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text));
    named.ok_or_else(|| "it is none of ES256, EdDSA, RS256".to_owned())
}

fn token_type(text: &str) -> Result<TokenType, String> {
    let named = TokenType::ALL.into_iter().find(|typ| typ.as_str().eq_ignore_ascii_case(text));
    named.ok_or_else(|| "it is neither at+jwt nor JWT".to_owned())
}

impl TokenCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let now = SystemClock::start().now().wall;
        match self {
            Self::Decode { token } => {
                let decoded = decode(&token.read(out)?).map_err(Failure::refused)?;
                show(out, &decoded)?;
                out.note("nothing of this has been verified");
                Ok(())
            }
            Self::Verify { token, jwks, issuer, audience, typ } => {
                let jwks = read_jwks(&jwks).await?;
                let verified = verify_as(typ, &token.read(out)?, &jwks, &issuer, &audience, now).map_err(Failure::refused)?;
                show(out, &verified)?;
                out.note("the token is valid");
                Ok(())
            }
            Self::Keys { place, verb } => verb.run(&place.find(out)?, now, out),
        }
    }
}

impl KeysVerb {
    fn run(self, keys: &Keys, now: Timestamp, out: &Output) -> Result<(), Failure> {
        let listed = || keys.directory.list(now).map_err(refused);
        match self {
            Self::List => {
                let keys = listed()?;
                out.list("signing keys", &["KID", "ALGORITHM", "STATE", "TIME", "FILE"], keys.iter().map(row), &keys)
            }
            Self::Publish { algorithm } => {
                let algorithm = match algorithm.or(keys.algorithm) {
                    Some(algorithm) => algorithm,
                    None => of_current(&listed()?).unwrap_or(TokenAlgorithm::Es256),
                };
                let kid = keys.directory.publish(algorithm, now).map_err(refused)?;
                out.line(&kid, &json!({"kid": kid, "algorithm": algorithm.as_str()}))?;
                let standing = listed()?.into_iter().find(|key| key.kid == kid).map(|key| key.standing);
                match standing {
                    Some(KeyStanding::Next { may_sign_from, .. }) => {
                        out.note(format_args!("published; verifiers know it by {may_sign_from:.0}, when it may be activated"));
                    }
                    Some(KeyStanding::Current { .. }) => out.note("this is the first key; it signs from now on"),
                    Some(KeyStanding::Retiring { .. } | KeyStanding::Retired { .. }) | None => {}
                }
                Ok(())
            }
            Self::Activate { kid, ttl, now: at_once } => {
                let how = if at_once { Activate::AtOnce } else { Activate::WhenKnown };
                keys.directory.activate(&kid, how, ttl.or(keys.ttl).unwrap_or(USUAL_TTL), now).map_err(refused)?;
                out.line(&kid, &json!({"kid": kid, "state": "current"}))
            }
            Self::Retire { kid, now: at_once } => {
                let how = if at_once { Withdraw::AtOnce } else { Withdraw::WhenQuiet };
                keys.directory.retire(&kid, how, now).map_err(refused)?;
                out.line(&kid, &json!({"kid": kid, "deleted": true}))
            }
        }
    }
}

fn refused(error: TokenError) -> Failure {
    match &error {
        TokenError::Roll(RollRefusal::NotKnownYet { .. } | RollRefusal::TokensLive { .. }) => {
            Failure::refused(format_args!("{error} (--now)"))
        }
        TokenError::Roll(_) | TokenError::Keys(_) | TokenError::TooLarge(_) | TokenError::Signing(_) => Failure::refused(error),
    }
}

fn row(key: &ListedKey) -> Vec<String> {
    let (state, until) = match key.standing {
        KeyStanding::Current { since } => ("current", format!("since {since:.0}")),
        KeyStanding::Next { may_sign_from, .. } => ("next", format!("may sign from {may_sign_from:.0}")),
        KeyStanding::Retiring { until, .. } => ("retiring", format!("until {until:.0}")),
        KeyStanding::Retired { since } => ("retired", format!("since {since:.0}")),
    };
    vec![key.kid.clone(), key.algorithm.to_owned(), state.to_owned(), until, key.file.display().to_string()]
}

fn of_current(keys: &[ListedKey]) -> Option<TokenAlgorithm> {
    let current = keys.iter().find(|key| matches!(key.standing, KeyStanding::Current { .. }))?;
    algorithm(current.algorithm).ok()
}

/// The signing keys that a command works on, and what their configuration says about tokens.
struct Keys {
    directory: KeyDirectory,
    algorithm: Option<TokenAlgorithm>,
    ttl: Option<Duration>,
}

impl KeyPlace {
    fn find(self, out: &Output) -> Result<Keys, Failure> {
        let settings = match (&self.config, &self.keys) {
            // A directory that is named needs no configuration, and must not fall with a broken one that the environment names.
            (_, Some(_)) => None,
            (Some(file), None) => Some(config::quiet_settings(Some(file), out)?),
            (None, None) => return Err(Failure::usage("which signing keys? say --keys DIR or --config FILE, or set CLAVIGER_CONFIG")),
        };
        let token = settings.map(|settings| settings.token);
        let (algorithm, ttl) = (token.as_ref().map(|token| token.algorithm), token.as_ref().map(|token| token.ttl));
        let directory = match (&self.keys, &token) {
            (None, Some(token)) => KeyDirectory::of(token),
            (path, _) => KeyDirectory::at(path.clone().unwrap_or_default()),
        };
        Ok(Keys { directory, algorithm, ttl })
    }
}

impl TokenSource {
    /// The token, as it stands there or behind `Bearer`.
    fn read(&self, out: &Output) -> Result<String, Failure> {
        if self.file.is_none() && std::io::stdin().is_terminal() {
            out.note("paste the token, then press Ctrl-D:");
        }
        let text = input_file::text(self.file.as_deref().unwrap_or(Path::new("-")))?;
        let token = text.trim();
        let bare = token.get(.."bearer ".len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "));
        let token = if bare { token.get("bearer ".len()..).unwrap_or_default().trim_start() } else { token };
        if token.is_empty() { Err(Failure::usage("there is no token")) } else { Ok(token.to_owned()) }
    }
}

async fn read_jwks(place: &str) -> Result<String, Failure> {
    if place.starts_with("https://") {
        return Err(Failure::usage("--jwks: https is not supported here; fetch the set with another program and give its file"));
    }
    if !place.starts_with("http://") {
        return input_file::text(Path::new(place));
    }
    let url: Uri = place.parse().map_err(|error| Failure::usage(format_args!("--jwks: {place}: {error}")))?;
    match tokio::time::timeout(PATIENCE, fetch(&url)).await {
        Ok(answer) => answer.map_err(|error| Failure::refused(format_args!("no keys from {url}: {error:#}"))),
        Err(_) => Err(Failure::refused(format_args!("no keys from {url} within {} s", PATIENCE.as_secs()))),
    }
}

async fn fetch(url: &Uri) -> anyhow::Result<String> {
    let authority = url.authority().ok_or_else(|| anyhow::anyhow!("the URL names no host"))?;
    let place = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let (head, body) = ask(Method::GET, Scheme::Http, &place, path).await?.into_parts();
    anyhow::ensure!(head.status.is_success(), "it answers {}", head.status);
    Ok(body)
}

fn show(out: &Output, token: &Decoded) -> Result<(), Failure> {
    let parts = [("header", &token.header), ("claims", &token.claims)];
    let members = parts.into_iter().flat_map(|(part, value)| value.as_object().into_iter().flatten().map(move |member| (part, member)));
    let rows = members.map(|(part, (name, value))| vec![part.to_owned(), name.clone(), readable(name, value)]);
    out.list("claims", &["PART", "NAME", "VALUE"], rows, token)
}

/// Times as people read them beside the number.
fn readable(name: &str, value: &Value) -> String {
    let time = || Some(Timestamp::from_second(value.as_i64()?).ok()?.to_string());
    match (name, value) {
        ("iat" | "nbf" | "exp", _) => time().map_or_else(|| value.to_string(), |time| format!("{value} ({time})")),
        (_, Value::String(text)) => text.clone(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_times_and_texts_without_quotes() {
        assert_eq!(readable("exp", &json!(1_767_323_104)), "1767323104 (2026-01-02T03:05:04Z)");
        assert_eq!(readable("exp", &json!("never")), "\"never\"");
        assert_eq!(readable("iss", &json!("https://x")), "https://x");
        assert_eq!(readable("roles", &json!({"root": ["a"]})), r#"{"root":["a"]}"#);
    }

    #[test]
    fn an_algorithm_is_known_in_any_case() {
        assert_eq!(algorithm("eddsa"), Ok(TokenAlgorithm::EdDsa));
        assert!(algorithm("HS256").is_err());
    }

    #[tokio::test]
    async fn a_key_set_behind_tls_is_not_fetched_without_it() {
        assert!(matches!(read_jwks("https://auth.example.com/jwks.json").await, Err(Failure::Usage(_))));
    }
}
