//! How a command ends when it does not end well.

use std::fmt;
use std::process::ExitCode;

use crate::control::{ControlError, NoRandomness};
use crate::store::StoreError;

/// Why a command has not done what it was asked to do. Which of the two it is decides the exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was understood, and refused or could not be done: exit code 1.
    Refused(anyhow::Error),
    /// It was asked whether something would change, and so many things would: exit code 2.
    Differs(usize),
    /// It was not understood, or the configuration was not: exit code 2.
    Usage(anyhow::Error),
}

impl Failure {
    /// Refused, for this reason.
    pub(crate) fn refused(reason: impl fmt::Display) -> Self {
        Self::Refused(anyhow::anyhow!("{reason}"))
    }

    /// Not understood, for this reason.
    pub(crate) fn usage(reason: impl fmt::Display) -> Self {
        Self::Usage(anyhow::anyhow!("{reason}"))
    }

    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(_) => ExitCode::from(1),
            Self::Usage(_) | Self::Differs(_) => ExitCode::from(2),
        }
    }
}

/// The whole chain of reasons, in one line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) | Self::Usage(reason) => write!(f, "{reason:#}"),
            Self::Differs(1) => f.write_str("1 thing would change"),
            Self::Differs(many) => write!(f, "{many} things would change"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Store(error) => error.into(),
            error => Self::Refused(error.into()),
        }
    }
}

impl From<NoRandomness> for Failure {
    fn from(error: NoRandomness) -> Self {
        Self::Refused(error.into())
    }
}
