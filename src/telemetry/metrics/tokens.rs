//! Tokens, and the keys that sign them.

use super::exposition::Family;
use super::label::{Label, label};
use super::series::{Counters, Levels};
use crate::config::TokenAlgorithm;

/// As in a token's header.
impl Label for TokenAlgorithm {
    const NAME: &'static str = "alg";
    const ALL: &'static [Self] = &TokenAlgorithm::ALL;

    fn value(self) -> &'static str {
        self.as_str()
    }

    fn place(self) -> usize {
        match self {
            Self::Es256 => 0,
            Self::EdDsa => 1,
            Self::Rs256 => 2,
        }
    }
}

label! {
    /// What a published signing key is there for.
    pub enum SigningKeyState: "state" {
        /// It signs.
        Current = "current",
        /// It will.
        Next = "next",
        /// It did; what it signed still verifies.
        Retiring = "retiring",
    }
}

pub(super) struct Tokens {
    issued: Counters<(TokenAlgorithm,)>,
    signing_keys: Levels<(SigningKeyState,)>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self {
            issued: Counters::new("claviger_tokens_issued_total", "Tokens signed."),
            signing_keys: Levels::new("claviger_signing_keys", "Published signing keys."),
        }
    }

    pub(super) fn families(&self) -> [&dyn Family; 2] {
        [&self.issued, &self.signing_keys]
    }

    pub(super) fn issued(&self, algorithm: TokenAlgorithm) {
        self.issued.increment((algorithm,));
    }

    pub(super) fn signing_keys(&self, states: [(SigningKeyState, usize); 3]) {
        for (state, keys) in states {
            self.signing_keys.set((state,), u64::try_from(keys).unwrap_or(u64::MAX));
        }
    }
}
