//! The key that a sidecar asks with.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use http::HeaderValue;

use crate::model::PlainKey;
use crate::store::StoreError;

/// Longer files hold no key.
const LONGEST: u64 = 4096;

/// A file with a key in it, which may be another one by and by.
pub(super) struct KeyFile {
    path: PathBuf,
    authorization: Mutex<HeaderValue>,
}

impl KeyFile {
    /// # Errors
    /// The file cannot be read, or holds no key.
    pub(super) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let authorization = read(&path).map_err(StoreError::Unavailable)?;
        Ok(Self { path, authorization: Mutex::new(authorization) })
    }

    /// What is sent. It shows as nothing.
    pub(super) fn authorization(&self) -> HeaderValue {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the file holds another key than this one by now, which is then the one to ask with.
    pub(super) fn has_another_than(&self, refused: &HeaderValue) -> bool {
        let mut authorization = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        match read(&self.path) {
            Ok(read) if read != *refused => {
                *authorization = read;
                true
            }
            Ok(_) => *authorization != *refused,
            Err(error) => {
                tracing::warn!(error, "the sidecar's key cannot be read again");
                false
            }
        }
    }

    /// For people.
    pub(super) fn name(&self) -> std::path::Display<'_> {
        self.path.display()
    }
}

/// The key's text stands in no message.
fn read(path: &std::path::Path) -> Result<HeaderValue, String> {
    use std::io::Read as _;
    let mut text = zeroize::Zeroizing::new(String::new());
    let file = std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    file.take(LONGEST).read_to_string(&mut text).map_err(|error| format!("{}: {error}", path.display()))?;
    let no_key = || format!("{} does not hold a key, as `claviger key create` prints it", path.display());
    let key = PlainKey::presented(text.trim().as_bytes()).ok_or_else(no_key)?;
    let mut authorization = HeaderValue::try_from(format!("Bearer {}", key.reveal())).map_err(|_| no_key())?;
    authorization.set_sensitive(true);
    Ok(authorization)
}
