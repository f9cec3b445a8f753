//! `[log]`: what is written to stderr, and how.

use tracing::level_filters::LevelFilter;

use super::parse::one_of;
use super::reader::Section;

/// `[log]`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// From which level on.
    pub level: LevelFilter,
    /// Which requests get a line.
    pub access: AccessLog,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Which requests get a line of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Each.
    All,
    /// Those that were refused or failed.
    Errors,
    /// None.
    None,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: LevelFilter::INFO, access: AccessLog::Errors }
    }
}

impl LogSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
        let levels = [
            ("off", LevelFilter::OFF),
            ("error", LevelFilter::ERROR),
            ("warn", LevelFilter::WARN),
            ("info", LevelFilter::INFO),
            ("debug", LevelFilter::DEBUG),
            ("trace", LevelFilter::TRACE),
        ];
        let accesses = [("all", AccessLog::All), ("errors", AccessLog::Errors), ("none", AccessLog::None)];
        Self {
            format: section.live("format", default.format, one_of(&formats)),
            level: section.live("level", default.level, one_of(&levels)),
            access: section.live("access", default.access, one_of(&accesses)),
        }
    }
}
