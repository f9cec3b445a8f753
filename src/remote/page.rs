//! Lists, a page at a time.

use std::fmt::{Display, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// What a list answers with. What comes after it is asked for by its last item.
#[derive(Deserialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
    #[serde(default)]
    pub(super) next_cursor: Option<String>,
}

/// The parameters of a request, each percent-encoded.
pub(super) struct Parameters(String);

impl Parameters {
    pub(super) fn of(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// Left out if there is nothing to say.
    pub(super) fn with(mut self, name: &str, said: Option<impl Display>) -> Self {
        if let Some(said) = said {
            let sign = if self.0.contains('?') { '&' } else { '?' };
            let _ = write!(self.0, "{sign}{name}={}", encoded(&said.to_string()));
        }
        self
    }

    /// The page after one that has named what goes on.
    pub(super) fn going_on(self, cursor: &str) -> Self {
        self.with("cursor", Some(cursor))
    }

    /// The page after the one that ends with this item.
    pub(super) fn after(self, last: Option<impl Display>) -> Self {
        self.with("cursor", last.map(|last| URL_SAFE_NO_PAD.encode(last.to_string())))
    }

    pub(super) fn path(&self) -> &str {
        &self.0
    }
}

/// As one segment of a path, or the value of a parameter.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}
