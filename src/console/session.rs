//! Who has signed in: what a browser keeps of it, and what is remembered here.
//!
//! A browser keeps a random text in a cookie; its SHA-256 is what the session is found by, so whoever reads what is remembered cannot take
//! anybody's place. A session is short and goes on as long as it is used; it ends when it is signed out, and with any change of its key.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use crate::clock::later;
use crate::control::{Asked, Caller, Control, ControlError, NoRandomness};
use crate::model::{ConsoleSession, Resource, Revision, SessionDigest};
use crate::store::StoreError;

/// For how long a session goes on that nobody uses.
const UNUSED_FOR: Duration = Duration::from_mins(30);
/// For how long it goes on though it is used.
const LONGEST: Duration = Duration::from_hours(12);

/// Beside a name with this prefix a browser keeps no cookie of another host, path or of cleartext.
const SECURE_NAME: &str = "__Host-claviger";
/// Where cleartext is spoken: on loopback, or by whoever said that it was to be.
const PLAIN_NAME: &str = "claviger";

/// The random text that a browser keeps.
pub(super) struct CookieText(Zeroizing<String>);

impl CookieText {
    pub(super) fn draw() -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        getrandom::fill(&mut *bytes).map_err(NoRandomness::from)?;
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes))))
    }

    /// What the browser has sent, if it can be one. Two of them are none: nobody knows which is meant.
    pub(super) fn sent(headers: &HeaderMap, is_secure: bool) -> Option<Self> {
        let name = if is_secure { SECURE_NAME } else { PLAIN_NAME };
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut found = lines.flat_map(|line| line.split(';')).filter_map(|pair| {
            let (called, value) = pair.trim().split_once('=')?;
            (called == name).then_some(value)
        });
        let (first, other) = (found.next()?, found.next());
        if other.is_some() { None } else { Self::read(first) }
    }

    /// A text that can be one.
    pub(super) fn read(text: &str) -> Option<Self> {
        let well_formed = URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
        well_formed.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn digest(&self) -> SessionDigest {
        SessionDigest::of(self.0.as_bytes())
    }

    /// What forms of this session carry, so that no other page can send one: nobody else knows it, and it says nothing of the cookie.
    pub(super) fn form_token(&self) -> FormToken {
        FormToken(URL_SAFE_NO_PAD.encode(sha256(&["a form of the session ", &self.0])))
    }

    /// Has the browser keep it as long as it runs.
    pub(super) fn kept(&self, is_secure: bool) -> HeaderValue {
        cookie(&self.0, is_secure, "")
    }
}

/// Has a browser forget what it keeps.
pub(super) fn forgotten(is_secure: bool) -> HeaderValue {
    cookie("", is_secure, "; Max-Age=0")
}

fn cookie(value: &str, is_secure: bool, more: &str) -> HeaderValue {
    let (name, secure) = if is_secure { (SECURE_NAME, "; Secure") } else { (PLAIN_NAME, "") };
    let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
    let mut line = HeaderValue::try_from(line).expect("a cookie is visible ASCII");
    line.set_sensitive(true);
    line
}

fn sha256(parts: &[&str]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, parts.concat().as_bytes()).as_ref());
    bytes
}

/// What forms carry.
#[derive(Clone)]
pub(super) struct FormToken(String);

impl FormToken {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is(&self, sent: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), sent.as_bytes()).is_ok()
    }
}

/// What is remembered of those who have signed in.
pub(super) struct Sessions(Arc<Control>);

impl Sessions {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self(control)
    }

    /// Of which version the key is that a session is to be for.
    ///
    /// It is asked before the key is looked at for the last time: a change that comes after this ends the session, and one that came before it is one
    /// that the key has been looked at after.
    pub(super) async fn key_at(&self, asked: &Asked) -> Result<Revision, ControlError> {
        let Caller::Key { id, .. } = &asked.caller else { return Err(ControlError::NoSuchCaller) };
        self.0.store().revision_of(&Resource::Key(*id)).await?.ok_or(ControlError::NoSuchCaller)
    }

    /// Begins one for a key that works and was of this version, or a later one, when it was seen to.
    pub(super) async fn begin(&self, asked: &Asked, key_at: Revision) -> Result<CookieText, ControlError> {
        let Caller::Key { id, digest } = &asked.caller else { return Err(ControlError::NoSuchCaller) };
        let text = CookieText::draw()?;
        let began_at = self.0.now();
        let ends_at = later(began_at, UNUSED_FOR);
        let session = ConsoleSession { digest: text.digest(), key: *id, secret: *digest, key_at, began_at, ends_at };
        self.0.begin_session(&session, asked).await?;
        Ok(text)
    }

    /// The session that a browser's text is for, if it goes on: renewed by being used.
    pub(super) async fn find(&self, text: &CookieText) -> Result<Option<ConsoleSession>, StoreError> {
        let store = self.0.store();
        let Some(session) = store.session(&text.digest()).await? else { return Ok(None) };
        let now = self.0.now();
        let last = later(session.began_at, LONGEST);
        if session.ends_at <= now || last <= now {
            store.end_session(&session.digest).await?;
            return Ok(None);
        }
        // Before the key is looked at: one that changes in between is found out by the next look.
        if store.revision_of(&Resource::Key(session.key)).await? != Some(session.key_at) {
            store.end_session(&session.digest).await?;
            return Ok(None);
        }
        // Seldom enough that looking at pages writes little.
        let renewed = later(now, UNUSED_FOR).min(last);
        if later(session.ends_at, Duration::from_mins(1)) < renewed && !store.renew_session(&session.digest, renewed).await? {
            return Ok(None);
        }
        Ok(Some(session))
    }

    pub(super) async fn end(&self, text: &CookieText, asked: &Asked) -> Result<(), ControlError> {
        self.0.end_session(&text.digest(), asked).await
    }
}
