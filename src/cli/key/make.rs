//! New keys: made here, or taken over from another system.

use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use super::view::KeyView;
use crate::cli::args::value::{End, RoleAtSpace};
use crate::cli::failure::Failure;
use crate::cli::group::remark_on_near_miss;
use crate::cli::open_store::OpenStore;
use crate::cli::output::{Changed, Output};
use crate::clock::{Clock, SystemClock};
use crate::control::{self, GeneratedKey};
use crate::model::{Expiry, GroupName, IMPORTED_KEY_MAX, KeyDigest, KeyId, KeyName, Mutation, NewKey, PlainKey, Revision};

/// What a key is called and what it may do, however its text came about.
#[derive(Debug, clap::Args)]
struct KeyFields {
    /// What the key is called; unique among the keys that are not revoked
    #[arg(long, value_name = "N")]
    name: KeyName,
    #[command(flatten)]
    terms: KeyTerms,
}

/// What a key may do, and for how long.
#[derive(Debug, clap::Args)]
pub(super) struct KeyTerms {
    /// What it is for
    #[arg(long, value_name = "D", default_value = "", hide_default_value = true)]
    description: String,
    /// A group that it is a member of; can be given several times
    #[arg(long = "group", value_name = "G")]
    groups: Vec<GroupName>,
    /// When it ends: `90d`, an RFC 3339 time, or `never`
    #[arg(long, value_name = "WHEN", default_value = "never")]
    expires: End,
    /// A role bound to it from the start, such as `deployer@production`; can be given several times
    #[arg(long = "bind", value_name = "ROLE@SPACE")]
    bindings: Vec<RoleAtSpace>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateKey {
    #[command(flatten)]
    fields: KeyFields,
    #[command(flatten)]
    shown: SecretOutput,
}

/// How much of a key is shown beside its new text.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct SecretOutput {
    /// Print the text of the key and nothing else, for `KEY="$(claviger …)"`
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("secret").required(true).args(["sha256", "text_file"])))]
pub(crate) struct ImportKey {
    #[command(flatten)]
    fields: KeyFields,
    /// The SHA-256 of the key's text, as `printf %s TEXT | sha256sum` prints it
    // This and `id` are parsed later: clap would repeat an ill-formed value on stderr, and that value may be a key pasted by mistake.
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// A file with the key's text, `-` for stdin
    #[arg(long, value_name = "FILE")]
    text_file: Option<PathBuf>,
    /// The id that the key gets; else that in its text, or a new one
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// `printf %s "" | sha256sum`.
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A key with its text, which is shown this once.
#[derive(Serialize)]
struct KeyWithText<'a> {
    #[serde(flatten)]
    view: &'a KeyView,
    key: &'a str,
}

/// `key generate`.
pub(crate) fn generate(out: &Output) -> Result<(), Failure> {
    let id = control::key_id(SystemClock::start().now().wall)?;
    let plain = control::plain_key(id)?;
    out.line(plain.reveal(), &GeneratedKey::of(id, &plain))
}

impl CreateKey {
    pub(crate) async fn run(self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        let id = control::key_id(store.now())?;
        let plain = control::plain_key(id)?;
        let new = self.fields.into_new_key(id, KeyDigest::of(&plain), store, out).await?;
        let revision = store.apply(Mutation::CreateKey(new)).await?;
        let view = KeyView::of(store.changed_key(id, out).await?, store.now());
        let changed = KeyWithText { view: &view, key: plain.reveal() };
        show_once(&view, &plain, &Changed::now(&changed, revision), self.shown, out)
    }
}

impl ImportKey {
    pub(crate) async fn run(self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        let said = self.id.as_deref().map(id).transpose()?;
        let (digest, id_in_text) = match (&self.sha256, &self.text_file) {
            (Some(hex), _) => (digest(hex)?, None),
            (None, Some(file)) => {
                let plain = read_key(file)?;
                (KeyDigest::of(&plain), plain.id())
            }
            (None, None) => return Err(Failure::usage("which key? Say --sha256 HEX or --text-file FILE")),
        };
        let id = match (said, id_in_text) {
            (Some(said), Some(read)) if said != read => {
                return Err(Failure::usage(format_args!("--id says {said}, but the key's text says {read}")));
            }
            (Some(id), _) | (None, Some(id)) => id,
            (None, None) => control::key_id(store.now())?,
        };
        let revision = store.apply(Mutation::ImportKey(self.fields.into_new_key(id, digest, store, out).await?)).await?;
        KeyView::of(store.changed_key(id, out).await?, store.now()).changed(revision, out)
    }
}

/// The same, held against what is there.
pub(super) struct CheckedTerms {
    description: String,
    groups: Vec<GroupName>,
    expires_at: Option<Timestamp>,
    bindings: Vec<RoleAtSpace>,
}

impl KeyTerms {
    pub(super) async fn checked(self, store: &OpenStore, out: &Output) -> Result<CheckedTerms, Failure> {
        let expires_at = match self.expires.from(store.now()) {
            Some(Expiry::At(at)) => Some(at),
            Some(Expiry::Never) => None,
            None => return Err(Failure::usage("--expires: that time has passed")),
        };
        // Else the store would name a binding of this very change, which nobody can look up.
        let is_repeated = |(number, bound): &(usize, &RoleAtSpace)| self.bindings.iter().take(*number).any(|other| other == *bound);
        if let Some((_, twice)) = self.bindings.iter().enumerate().find(is_repeated) {
            return Err(Failure::usage(format_args!("--bind: {}@{} is given twice", twice.role, twice.space)));
        }
        for group in &self.groups {
            remark_on_near_miss(group, store, out).await?;
        }
        if !self.bindings.is_empty() {
            let snapshot = store.snapshot().await?;
            if let Some(right) = self.bindings.iter().find_map(|bound| bound.swapped(&snapshot)) {
                let RoleAtSpace { role, space } = &right;
                return Err(Failure::usage(format_args!("--bind: {space}@{role} has role and space swapped; write {role}@{space}")));
            }
        }
        let Self { description, groups, bindings, .. } = self;
        Ok(CheckedTerms { description, groups, expires_at, bindings })
    }
}

impl CheckedTerms {
    /// A key of this name that is made at `now`.
    pub(super) fn new_key(&self, id: KeyId, name: KeyName, digest: KeyDigest, now: Timestamp) -> Result<NewKey, Failure> {
        let Self { description, groups, expires_at, bindings } = self;
        let bindings = bindings.iter().map(|bound| Ok((control::binding_id(now)?, bound.role.clone(), bound.space.clone())));
        Ok(NewKey {
            id,
            name,
            description: description.clone(),
            groups: groups.clone(),
            expires_at: *expires_at,
            digest,
            bindings: bindings.collect::<Result<_, Failure>>()?,
        })
    }
}

impl KeyFields {
    async fn into_new_key(self, id: KeyId, digest: KeyDigest, store: &OpenStore, out: &Output) -> Result<NewKey, Failure> {
        let now = store.now();
        self.terms.checked(store, out).await?.new_key(id, self.name, digest, now)
    }
}

/// The digest that `sha256sum` has printed, with or without what it prints behind.
fn digest(said: &str) -> Result<KeyDigest, Failure> {
    let digest: KeyDigest =
        said.split_whitespace().next().unwrap_or_default().parse().map_err(|error| Failure::usage(format_args!("--sha256: {error}")))?;
    if NOTHING.parse() == Ok(digest) {
        let slip = "that is the SHA-256 of an empty text, which nobody can present: was the variable set that held the key?";
        return Err(Failure::usage(format_args!("--sha256: {slip}")));
    }
    Ok(digest)
}

/// The id that a key is to get. What is none is not repeated.
fn id(said: &str) -> Result<KeyId, Failure> {
    let ill_formed = || Failure::usage("--id: it must be a ULID in lower case, 26 characters (not shown: it may be the text of a key)");
    said.parse().map_err(|_| ill_formed())
}

/// Shows a key whose text nobody will see again.
pub(super) fn show_once(
    view: &KeyView,
    plain: &PlainKey,
    as_json: &impl Serialize,
    shown: SecretOutput,
    out: &Output,
) -> Result<(), Failure> {
    if shown.quiet {
        return shown_once(out.text(plain.reveal()), view.name(), view.id(), out);
    }
    let mut rows = view.rows();
    rows.push(("key", plain.reveal().to_owned()));
    shown_once(out.record(as_json, rows), view.name(), view.id(), out)?;
    out.note("The key is shown this once; only its digest is kept.");
    Ok(())
}

/// What came of showing the text of a key that is stored already. If nobody can have read it, it is lost, and whoever waits for it must hear
/// of that and of the way on.
pub(crate) fn shown_once(written: Result<(), Failure>, name: &KeyName, id: KeyId, out: &Output) -> Result<(), Failure> {
    let why = match written {
        Ok(()) if out.is_read() => return Ok(()),
        Ok(()) => "nobody reads stdout".to_owned(),
        Err(failure) => failure.to_string(),
    };
    Err(Failure::refused(format_args!(
        "the new secret of key {name} is stored, but its text could not be shown and is lost: {why}; \
         `claviger key rotate {id} --grace 0` makes another"
    )))
}

/// The same, as JSON, after a rotation.
pub(super) fn show_rotated(
    view: &KeyView,
    plain: &PlainKey,
    cut_short: Option<Timestamp>,
    revision: Revision,
    shown: SecretOutput,
    out: &Output,
) -> Result<(), Failure> {
    let rotated = RotatedKey { new: KeyWithText { view, key: plain.reveal() }, cut_short };
    show_once(view, plain, &Changed::now(&rotated, revision), shown, out)
}

/// A key with its new secret.
#[derive(Serialize)]
struct RotatedKey<'a> {
    #[serde(flatten)]
    new: KeyWithText<'a>,
    /// Until when an older secret had been promised to work, if this rotation has ended it before that.
    cut_short: Option<Timestamp>,
}

/// The key in a file, one line-break at its end left out.
fn read_key(file: &Path) -> Result<PlainKey, Failure> {
    let unreadable = |error| Failure::refused(format_args!("cannot read {}: {error}", file.display()));
    // As long as the longest key, a line-break, and one byte to see that there is more: the buffer never grows, so that no copy of a
    // key is left in freed memory.
    let mut text = Zeroizing::new(Vec::with_capacity(IMPORTED_KEY_MAX + 3));
    let longest = IMPORTED_KEY_MAX as u64 + 3;
    if file == Path::new("-") {
        std::io::stdin().lock().take(longest).read_to_end(&mut text).map_err(unreadable)?;
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(longest).read_to_end(&mut text)).map_err(unreadable)?;
    }
    let line = text.strip_suffix(b"\n").unwrap_or(&text);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    PlainKey::presented(line).ok_or_else(|| {
        let rule =
            format!("a key is one line of at most {IMPORTED_KEY_MAX} visible ASCII characters, with its checksum if it begins with clv_");
        Failure::refused(format_args!("{} does not hold a key: {rule}", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file_with(text: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        file
    }

    #[test]
    fn a_key_is_read_from_a_file_without_its_line_break() {
        for text in [&b"an-old-key"[..], b"an-old-key\n", b"an-old-key\r\n"] {
            assert_eq!(read_key(file_with(text).path()).unwrap().reveal(), "an-old-key");
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_without_its_text() {
        let too_long = vec![b'x'; IMPORTED_KEY_MAX + 1];
        for text in [&b""[..], b"\n", b"two lines\nof it", b"clv_wrong-checksum", &too_long] {
            let failure = read_key(file_with(text).path()).unwrap_err();

            assert!(!failure.to_string().contains("wrong-checksum"), "{failure}");
        }
    }

    #[test]
    fn a_generated_key_is_one_that_can_be_presented() {
        let id = KeyId::new(1, 2);
        let plain = control::plain_key(id).unwrap();

        assert_eq!(PlainKey::presented(plain.reveal().as_bytes()).unwrap().id(), Some(id));
        assert_eq!(control::sha256_hex(&plain).parse(), Ok(KeyDigest::of(&plain)));
    }
}
