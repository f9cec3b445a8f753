//! What a check has found.

use serde::Serialize;

/// What a check has found.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// Which check.
    check: &'static str,
    pub(super) result: Verdict,
    /// In one line.
    said: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    /// It works, and may not for long, or not as somebody thinks.
    Warning,
    /// It does not work.
    Failed,
    /// It could not be looked at.
    Skipped,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Finding {
    pub(super) fn ok(check: &'static str, said: impl Into<String>) -> Self {
        Self { check, result: Verdict::Ok, said: said.into(), advice: None }
    }

    pub(super) fn warning(check: &'static str, said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, result: Verdict::Warning, said: said.into(), advice: Some(advice.into()) }
    }

    pub(super) fn failed(check: &'static str, said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, result: Verdict::Failed, said: said.into(), advice: Some(advice.into()) }
    }

    /// `why` it could not be looked at.
    pub(super) fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, result: Verdict::Skipped, said: why.into(), advice: None }
    }

    /// A line, and below it what to do.
    pub(super) fn lines(&self) -> String {
        let line = format!("{:<8} {:<13} {}", self.result.as_str(), self.check, self.said);
        match &self.advice {
            Some(advice) => format!("{line}\n{:<22} -> {advice}", ""),
            None => line,
        }
    }
}
