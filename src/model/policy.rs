//! Login policies as they are kept, and which sources of roles count.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::id::{Invalid, PolicyName};

/// A Rego module, `package spacelift`, evaluated when a credential is minted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginPolicy {
    /// Unique.
    pub name: PolicyName,
    /// The module's text.
    pub source: Box<str>,
    /// `None`: v1 is tried first, v0 if that fails.
    pub rego: Option<RegoVersion>,
}

/// Which Rego a module is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegoVersion {
    /// Before OPA 1.0: no `if`, no `contains`.
    V0,
    /// OPA 1.0 and later.
    V1,
}

/// Which sources of roles count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Bindings, groups and login policies.
    #[default]
    Combined,
    /// Bindings and groups; policies are not asked.
    UserManagement,
    /// Login policies alone.
    LoginPolicies,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Combined, Self::UserManagement, Self::LoginPolicies];

    /// The strategy as the contract spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Combined => "combined",
            Self::UserManagement => "user-management",
            Self::LoginPolicies => "login-policies",
        }
    }

    /// Whether the roles of bindings and groups count.
    #[must_use]
    pub fn counts_bindings(self) -> bool {
        match self {
            Self::Combined | Self::UserManagement => true,
            Self::LoginPolicies => false,
        }
    }

    /// Whether login policies are asked.
    #[must_use]
    pub fn asks_policies(self) -> bool {
        match self {
            Self::Combined | Self::LoginPolicies => true,
            Self::UserManagement => false,
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Strategy {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.as_str() == text)
            .ok_or_else(|| Invalid::new("a strategy", text, "it is one of combined, user-management, login-policies"))
    }
}

impl RegoVersion {
    /// The version as the contract spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0 => "v0",
            Self::V1 => "v1",
        }
    }
}

impl FromStr for RegoVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "v0" => Ok(Self::V0),
            "v1" => Ok(Self::V1),
            _ => Err(Invalid::new("a version of Rego", text, "it is v0 or v1")),
        }
    }
}
