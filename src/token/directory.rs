//! The directory of signing keys: PEM files, and `ring.toml`, which says which of them signs (see [`ring_file`](super::ring_file)).
//!
//! A directory with one key and no `ring.toml` needs none: that key signs. A key that `ring.toml` does not name is the next one. Where the
//! directory is read-only, as a mounted secret is, the configuration can name the key that signs instead.
//!
//! Writers take turns by a lock, write a new file beside the old one and rename it; the order of their steps is such that a reader at any
//! moment finds a ring that is either the old or the new one. Readers wait for nobody: not for a turn, and not for the other end of what
//! turns out to be a pipe.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::error::{RollRefusal, TokenError};
use super::key_file::{KeyFile, fault, read_text};
use super::ring_file::{KeyStanding, Published, Retiring, RingFile};
use super::signing_key::SigningKey;
use crate::config::{TokenAlgorithm, TokenSettings};

const RING: &str = "ring.toml";
const LOCK: &str = ".lock";
/// How often the directory is read anew because it has changed meanwhile. Whoever rolls keys does it once; this is for a machine that lets a
/// reader run between two rolls alone.
const READINGS: usize = 100;

/// A key as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct ListedKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// `ES256`, `EdDSA` or `RS256`.
    pub algorithm: &'static str,
    /// Where it stands.
    #[serde(flatten)]
    pub standing: KeyStanding,
    /// Its file.
    pub file: PathBuf,
}

/// How to let a key sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activate {
    /// Only if every verifier can be expected to know it.
    WhenKnown,
    /// Even so; verifiers that have not read the JWKS anew refuse what it signs.
    AtOnce,
}

/// How to take a key away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdraw {
    /// Only if no token of it can be alive.
    WhenQuiet,
    /// Even so; what it has signed stops to verify as soon as verifiers read the JWKS anew.
    AtOnce,
}

/// The directory `token.keys`.
#[derive(Clone, Debug)]
pub struct KeyDirectory {
    path: PathBuf,
    /// The key that the configuration lets sign.
    named: Option<String>,
    /// For how long tokens live at least, whatever was said when a key was replaced.
    ttl: Duration,
}

/// One consistent reading of the directory.
pub(super) struct Reading {
    path: PathBuf,
    pub(super) keys: Vec<KeyFile>,
    ring: Option<RingFile>,
    named: Option<String>,
}

/// For people who read `ring.toml`; the leeway is generous enough for the rest of the second.
fn to_the_second(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

impl Reading {
    /// Which key signs.
    pub(super) fn current_kid(&self) -> Result<&str, TokenError> {
        match (&self.named, &self.ring, self.keys.as_slice()) {
            (Some(named), Some(ring), _) if *named != ring.active => Err(TokenError::Keys(format!(
                "token.active names the key {named}, but {} names {}: take one of them away",
                self.path.join(RING).display(),
                ring.active
            ))),
            (Some(named), _, _) => Ok(named),
            (None, Some(ring), _) => Ok(&ring.active),
            (None, None, [only]) => Ok(only.key.kid()),
            (None, None, _) => Err(TokenError::Keys(format!(
                "{} holds {} keys and no {RING} that says which one signs: name it by claviger token keys activate, or, where the \
                 directory is read-only, by token.active",
                self.path.display(),
                self.keys.len()
            ))),
        }
    }

    /// Where a key stands. Without a ring, whatever does not sign is only published.
    pub(super) fn standing(&self, file: &KeyFile, ttl: Duration, now: Timestamp) -> KeyStanding {
        match (&self.ring, &self.named, self.keys.as_slice()) {
            (Some(ring), _, _) => ring.standing(file, ttl, now),
            (None, Some(named), _) if named == file.key.kid() => KeyStanding::Current { since: file.since },
            (None, None, [_]) => KeyStanding::Current { since: file.since },
            (None, _, _) => KeyStanding::next(file.since),
        }
    }

    fn find(&self, kid: &str) -> Result<&KeyFile, RollRefusal> {
        let missing = || RollRefusal::NoSuchKey { kid: kid.to_owned(), directory: self.path.clone() };
        self.keys.iter().find(|file| file.key.kid() == kid).ok_or_else(missing)
    }

    /// Fails if a directory without keys has had some.
    fn has_lost_none(&self) -> Result<(), TokenError> {
        let Some(ring) = &self.ring else { return Ok(()) };
        let (path, active) = (self.path.display(), &ring.active);
        Err(TokenError::Keys(format!("{path} holds no key, but its {RING} names {active}: put it back, or remove {RING}")))
    }

    /// The ring as it stands, made up if one key needs none.
    fn ring_to_change(&self) -> Result<RingFile, TokenError> {
        Ok(match &self.ring {
            Some(ring) => ring.clone(),
            None => RingFile::with_active(self.current_kid()?),
        })
    }
}

impl KeyDirectory {
    /// The directory at `path`, which need not exist yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), named: None, ttl: Duration::ZERO }
    }

    /// That of these settings.
    pub fn of(settings: &TokenSettings) -> Self {
        Self { path: settings.keys.clone(), named: settings.active.clone(), ttl: settings.ttl }
    }

    /// Every key, and where it stands for tokens that live as long as the settings say, and at least as long as was said when the current
    /// key was activated.
    pub fn list(&self, now: Timestamp) -> Result<Vec<ListedKey>, TokenError> {
        let reading = self.read()?;
        let listed = |file: &KeyFile| ListedKey {
            kid: file.key.kid().to_owned(),
            algorithm: file.key.algorithm().as_str(),
            standing: reading.standing(file, self.ttl, now),
            file: file.path.clone(),
        };
        Ok(reading.keys.iter().map(listed).collect())
    }

    /// Makes the next key, so that verifiers know it before it signs; in a directory without keys, the first, which signs at once.
    /// Returns its kid.
    pub fn publish(&self, algorithm: TokenAlgorithm, now: Timestamp) -> Result<String, TokenError> {
        self.is_not_named()?;
        self.create()?;
        let _turn = self.turn()?;
        let reading = self.read()?;
        if reading.keys.is_empty() {
            return self.begin(&reading, algorithm, now);
        }
        let mut ring = reading.ring_to_change()?;
        let is_next = |file: &&KeyFile| matches!(ring.standing(file, Duration::ZERO, now), KeyStanding::Next { .. });
        if let Some(next) = reading.keys.iter().find(is_next) {
            return Err(RollRefusal::NextIsThere { kid: next.key.kid().to_owned() }.into());
        }
        // First, so that nobody ever finds two keys and nothing that says which one signs.
        if reading.ring.is_none() {
            self.write_ring(&ring)?;
        }
        let kid = self.write_new_key(algorithm)?;
        ring.next = vec![Published { kid: kid.clone(), published_at: to_the_second(now) }];
        self.write_ring(&ring)?;
        Ok(kid)
    }

    /// Lets `kid` sign from now on. The key that signed until now stays in the JWKS until its last token, which lives for `ttl` at most,
    /// has expired everywhere.
    pub fn activate(&self, kid: &str, how: Activate, ttl: Duration, now: Timestamp) -> Result<(), TokenError> {
        self.is_not_named()?;
        let _turn = self.turn()?;
        let reading = self.read()?;
        // Where nothing says yet which key signs, none has signed, and there is nobody to wait for.
        let nothing_signs = reading.current_kid().is_err();
        match (reading.standing(reading.find(kid)?, self.ttl, now), how) {
            (KeyStanding::Current { .. }, _) => return Ok(()),
            (KeyStanding::Next { published_at, may_sign_from }, Activate::WhenKnown) if now < may_sign_from && !nothing_signs => {
                return Err(RollRefusal::NotKnownYet { kid: kid.to_owned(), published_at, may_sign_from }.into());
            }
            (KeyStanding::Next { .. } | KeyStanding::Retiring { .. }, _) => {}
            (KeyStanding::Retired { since }, _) => {
                return Err(RollRefusal::OutOfJwks { kid: kid.to_owned(), since }.into());
            }
        }
        let mut retiring = Vec::new();
        if let Some(ring) = &reading.ring {
            let still_there = |old: &&Retiring| old.kid != kid && reading.find(&old.kid).is_ok();
            retiring.extend(ring.retiring.iter().filter(still_there).cloned());
        }
        // Without a ring there is one key, which is current, or nothing has said yet which of several signs.
        if let Some(replaced) = reading.ring.as_ref().map(|ring| ring.active.clone()) {
            retiring.push(Retiring::from(replaced, to_the_second(now), ttl));
        }
        let mut next = reading.ring.map(|ring| ring.next).unwrap_or_default();
        next.retain(|published| published.kid != kid);
        self.write_ring(&RingFile { active: kid.to_owned(), activated_at: Some(to_the_second(now)), next, retiring })
    }

    /// Takes a key away for good: its file is deleted.
    pub fn retire(&self, kid: &str, how: Withdraw, now: Timestamp) -> Result<(), TokenError> {
        self.is_not_named()?;
        let _turn = self.turn()?;
        let reading = self.read()?;
        let file = reading.find(kid)?;
        match (reading.standing(file, self.ttl, now), how) {
            (KeyStanding::Current { .. }, _) => return Err(RollRefusal::Signs { kid: kid.to_owned() }.into()),
            (KeyStanding::Retiring { until, .. }, Withdraw::WhenQuiet) => {
                return Err(RollRefusal::TokensLive { kid: kid.to_owned(), until }.into());
            }
            (KeyStanding::Retiring { .. }, Withdraw::AtOnce) | (KeyStanding::Next { .. } | KeyStanding::Retired { .. }, _) => {}
        }
        // The file first: a key that is there and not named as retiring would be taken for the next one.
        fs::remove_file(&file.path).map_err(|error| TokenError::unwritten(&file.path, "cannot be removed", &error))?;
        self.sync()?;
        if let Some(mut ring) = reading.ring {
            ring.retiring.retain(|retiring| retiring.kid != kid);
            ring.next.retain(|published| published.kid != kid);
            self.write_ring(&ring)?;
        }
        Ok(())
    }

    /// What the configuration names, nobody changes here: a ring that names another key would be a fault once the configuration changes.
    fn is_not_named(&self) -> Result<(), RollRefusal> {
        match &self.named {
            Some(kid) => Err(RollRefusal::NamedByConfiguration { kid: kid.clone() }),
            None => Ok(()),
        }
    }

    /// Reads the keys; makes the first one where there is nothing at all.
    pub(super) fn read_or_begin(&self, algorithm: TokenAlgorithm, now: Timestamp) -> Result<Reading, TokenError> {
        let reading = self.read()?;
        if !reading.keys.is_empty() {
            return Ok(reading);
        }
        self.create()?;
        let turn = self.turn()?;
        // Another process may have made it while this one waited for its turn.
        let reading = self.read()?;
        if reading.keys.is_empty() {
            let kid = self.begin(&reading, algorithm, now)?;
            tracing::info!(kid, algorithm = algorithm.as_str(), directory = %self.path.display(), "made the first signing key");
        }
        drop(turn);
        self.read()
    }

    /// Reads the keys; `None` where there is nothing at all, and the first could be made.
    pub(super) fn read_if_begun(&self) -> Result<Option<Reading>, TokenError> {
        let reading = self.read()?;
        if !reading.keys.is_empty() {
            return Ok(Some(reading));
        }
        reading.has_lost_none()?;
        Ok(None)
    }

    /// Makes the first key. One that `ring.toml` names and that has gone is not made up for: somebody has to look.
    fn begin(&self, reading: &Reading, algorithm: TokenAlgorithm, now: Timestamp) -> Result<String, TokenError> {
        reading.has_lost_none()?;
        let kid = self.write_new_key(algorithm)?;
        self.write_ring(&RingFile { activated_at: Some(to_the_second(now)), ..RingFile::with_active(&kid) })?;
        Ok(kid)
    }

    /// Reads again if the ring changed meanwhile: a key that the old one names may have been taken away since.
    fn read(&self) -> Result<Reading, TokenError> {
        let mut text = self.ring_text()?;
        for _ in 0..READINGS {
            let keys = self.keys();
            let afterwards = self.ring_text()?;
            if text == afterwards {
                let ring = text.map(|text| RingFile::parse(&self.path.join(RING), &text)).transpose()?;
                return Ok(Reading { path: self.path.clone(), keys: keys?, ring, named: self.named.clone() });
            }
            text = afterwards;
        }
        Err(TokenError::Keys(format!("{} changes faster than it can be read", self.path.display())))
    }

    fn ring_text(&self) -> Result<Option<String>, TokenError> {
        read_text(&self.path.join(RING))
    }

    /// Every `*.pem`, by name. What begins with a dot is somebody's way of swapping files.
    fn keys(&self) -> Result<Vec<KeyFile>, TokenError> {
        let unreadable = |error: io::Error| fault(&self.path, "cannot be read", &error);
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let mode = fs::metadata(&self.path).map_err(unreadable)?.mode();
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            let path = self.path.display();
            return Err(TokenError::Keys(format!("anybody may put keys into {path} (mode {:04o}): chmod 0700 it", mode & 0o7777)));
        }
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && path.extension().is_some_and(|extension| extension == "pem") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut keys: Vec<KeyFile> = Vec::with_capacity(paths.len());
        for path in paths {
            let Some(file) = KeyFile::read(path)? else { continue };
            if let Some(twin) = keys.iter().find(|other| other.key.kid() == file.key.kid()) {
                let (one, other) = (twin.path.display(), file.path.display());
                return Err(TokenError::Keys(format!("{one} and {other} hold the same key: remove one of them")));
            }
            keys.push(file);
        }
        Ok(keys)
    }

    fn create(&self) -> Result<(), TokenError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(|error| TokenError::unwritten(&self.path, "cannot be made", &error))
    }

    /// Waits until no other process writes here; ends with the file's life.
    fn turn(&self) -> Result<File, TokenError> {
        let path = self.path.join(LOCK);
        let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        open.and_then(|lock| lock.lock().map(|()| lock)).map_err(|error| TokenError::unwritten(&path, "cannot be locked", &error))
    }

    fn write_new_key(&self, algorithm: TokenAlgorithm) -> Result<String, TokenError> {
        let (key, pem) = SigningKey::generate(algorithm).map_err(TokenError::Keys)?;
        self.write(&format!("{}.pem", key.kid()), pem.as_bytes())?;
        Ok(key.kid().to_owned())
    }

    fn write_ring(&self, ring: &RingFile) -> Result<(), TokenError> {
        let text = toml::to_string(ring).map_err(|error| TokenError::Keys(error.to_string()))?;
        self.write(RING, text.as_bytes())
    }

    /// Puts a file in its place at once and for good; only its owner may read it. Needs the caller's turn.
    fn write(&self, name: &str, content: &[u8]) -> Result<(), TokenError> {
        let path = self.path.join(name);
        let beside = self.path.join(format!(".{name}.new"));
        let written = (|| {
            // Left by a process that died in its turn.
            match fs::remove_file(&beside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        })();
        written.map_err(|error| TokenError::unwritten(&path, "cannot be written", &error))?;
        self.sync()
    }

    /// A name is durable only once its directory is.
    fn sync(&self) -> Result<(), TokenError> {
        let synced = File::open(&self.path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| fault(&self.path, "cannot be made durable", &error))
    }
}
