//! What a command says: data on stdout, as a table or for programs; talk on stderr.
//!
//! Whatever somebody could have filled in (names, descriptions, labels, a policy's text in a message) is escaped before it reaches
//! a terminal: a key named with an escape sequence must not be able to rewrite the screen of whoever lists the keys.

mod findings;
mod progress;
mod prompt;
mod script;
mod table;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub(crate) use self::findings::{show, show_policies};
pub(crate) use self::progress::Progress;
pub(crate) use self::prompt::{agree, can_ask};
pub(crate) use self::script::Tree;
use self::table::{Frame, filled, remark, table, width};
use crate::cli::failure::Failure;
use crate::diagnostics::{escaped, escaped_lines};
use crate::model::Revision;
use crate::policy::PolicyFault;

/// How data is written, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Written {
    /// For people: columns
    Table,
    /// For programs
    Json,
    /// The same as YAML
    Yaml,
    /// What commands call each thing, and nothing else: its id, or its name where it has none
    Name,
}

/// Whom data is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people: columns.
    Table,
    /// For programs: JSON, or what is made of it.
    Json,
}

/// What a change has left: the thing as it is now (as it was, if it is gone), and the number of the change.
#[derive(Serialize)]
pub(crate) struct Changed<'a, T> {
    #[serde(flatten)]
    pub(crate) thing: &'a T,
    /// Stands there only if the thing is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<bool>,
    revision: Revision,
}

impl<'a, T> Changed<'a, T> {
    pub(crate) fn now(thing: &'a T, revision: Revision) -> Self {
        Self { thing, deleted: None, revision }
    }

    pub(crate) fn gone(thing: &'a T, revision: Revision) -> Self {
        Self { thing, deleted: Some(true), revision }
    }
}

/// Where a command's words go.
#[derive(Debug)]
pub(crate) struct Output {
    written: Written,
    frame: Frame,
    /// How wide tables may be.
    width: Option<u16>,
    /// Something was written to stdout after whoever read it had gone.
    abandoned: AtomicBool,
}

impl Output {
    /// Writes to the process's own streams.
    pub(crate) fn new(written: Written) -> Self {
        let frame = if io::stdout().is_terminal() { Frame::Ruled } else { Frame::Bare };
        Self { written, frame, width: width(), abandoned: AtomicBool::new(false) }
    }

    /// For whom it is, for the commands whose data is neither a record nor a list.
    pub(crate) fn format(&self) -> Format {
        match self.written {
            Written::Table => Format::Table,
            Written::Json | Written::Yaml | Written::Name => Format::Json,
        }
    }

    /// Faults have no names that commands could call them by: whoever asks for names is told in words.
    fn format_of_faults(&self) -> Format {
        if self.written == Written::Name { Format::Table } else { self.format() }
    }

    /// Whether somebody may have read all that was written so far. Who has had enough of a list (`claviger key list | head`) has it, and that is
    /// no failure of ours; but what is shown once must not be lost like that, and who goes on writing has to stop.
    pub(crate) fn is_read(&self) -> bool {
        !self.abandoned.load(Ordering::Relaxed)
    }

    /// Returns when nobody reads stdout any more; never, where the system does not tell.
    #[expect(deprecated, reason = "what takes its place is unsafe to call; stdout stays open as long as the process")]
    pub(crate) async fn no_longer_read(&self) {
        let gone = async { AsyncFd::with_interest(io::stdout(), Interest::ERROR)?.ready(Interest::ERROR).await.map(drop) };
        if gone.await.is_err() {
            // A file is not something that one can wait for.
            std::future::pending::<()>().await;
        }
    }

    /// One thing: its fields, a line each, or the whole of it as a JSON object.
    pub(crate) fn record(&self, thing: &impl Serialize, rows: impl IntoIterator<Item = (&'static str, String)>) -> Result<(), Failure> {
        match self.format() {
            Format::Json => self.json(thing),
            Format::Table => {
                // A line without a label goes on with the field above it, and may well be empty.
                let value = |label: &str, value: String| if label.is_empty() { value } else { filled(value) };
                let rows = rows.into_iter().map(|(label, text)| vec![label.to_owned(), value(label, text)]);
                // Not wrapped: what a record has is copied from it, such as the text of a new key.
                self.print(&table(Frame::Bare, None, &[], rows))
            }
        }
    }

    /// Several things: a row each, or a JSON array of them. Whoever sits at a terminal is told if there are none.
    pub(crate) fn list(
        &self,
        what: &str,
        headers: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
        things: &impl Serialize,
    ) -> Result<(), Failure> {
        match self.format() {
            Format::Json => self.json(things),
            Format::Table => {
                let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.into_iter().map(filled).collect()).collect();
                let remark = remark(self.frame, what, &rows);
                self.print(&table(self.frame, self.width, headers, rows))?;
                if let Some(remark) = remark {
                    self.note(remark);
                }
                Ok(())
            }
        }
    }

    /// One line that is the data itself, such as the text of a new key, or as JSON the thing that it is of.
    pub(crate) fn line(&self, text: &str, thing: &impl Serialize) -> Result<(), Failure> {
        match self.format() {
            Format::Json => self.json(thing),
            Format::Table => self.print(&format!("{}\n", escaped(text))),
        }
    }

    /// One of a stream of things, as JSON on one line.
    pub(crate) fn json_line(&self, thing: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(thing).map_err(|error| not_json(&error))?;
        match self.written {
            Written::Table | Written::Json => self.print(&format!("{text}\n")),
            Written::Yaml => self.print(&format!("---\n{}", Tree::of(&text).map_err(|error| not_json(&error))?.yaml())),
            Written::Name => self.print(&Tree::of(&text).map_err(|error| not_json(&error))?.names()),
        }
    }

    /// Bytes that are the data itself, and no terminal's business.
    pub(crate) fn raw(&self, text: &[u8]) -> Result<(), Failure> {
        self.print(&String::from_utf8_lossy(text))
    }

    /// Several lines that are the data itself.
    pub(crate) fn text(&self, lines: &str) -> Result<(), Failure> {
        self.print(&format!("{}\n", escaped_lines(lines)))
    }

    /// Everything that is wrong with a policy or a configuration: for programs on stdout as `{"faults": […]}`, for people on stderr.
    pub(crate) fn faults<F: Serialize + fmt::Display>(&self, faults: &[F]) -> Result<(), Failure> {
        match self.format_of_faults() {
            Format::Json => self.json(&serde_json::json!({ "faults": faults })),
            Format::Table => {
                for fault in faults {
                    talk(&escaped_lines(&fault.to_string()));
                }
                Ok(())
            }
        }
    }

    /// Shows the faults of policies, and what is odd about them: for programs on stdout as `{"faults": […], "warnings": […]}`, for people
    /// on stderr.
    pub(crate) fn policy_findings(&self, findings: &[PolicyFault]) -> Result<(), Failure> {
        match self.format_of_faults() {
            Format::Json => {
                let (faults, warnings): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.is_error());
                self.json(&serde_json::json!({ "faults": faults, "warnings": warnings }))
            }
            Format::Table => {
                show_policies(findings);
                Ok(())
            }
        }
    }

    /// The same; what is left is to refuse.
    pub(crate) fn refused_for(&self, findings: &[PolicyFault]) -> Result<Failure, Failure> {
        self.policy_findings(findings)?;
        Ok(Failure::refused(match findings.iter().filter(|finding| finding.is_error()).count() {
            1 => "the policies have a fault".to_owned(),
            many => format!("the policies have {many} faults"),
        }))
    }

    /// A remark for whoever sits at the terminal.
    #[expect(clippy::unused_self, reason = "talk goes the same way as data: through what the command was given")]
    pub(crate) fn note(&self, text: impl fmt::Display) {
        talk(&escaped_lines(&text.to_string()));
    }

    /// What went wrong, or what somebody wanted to know by the exit code.
    pub(crate) fn failure(&self, failure: &Failure) {
        match failure {
            Failure::Refused(_) | Failure::Usage(_) => self.note(format_args!("error: {failure}")),
            Failure::Differs(_) => self.note(failure),
        }
    }

    fn json(&self, thing: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(thing).map_err(|error| not_json(&error))?;
        match self.written {
            Written::Table | Written::Json => self.print(&format!("{text}\n")),
            Written::Yaml => self.print(&Tree::of(&text).map_err(|error| not_json(&error))?.yaml()),
            Written::Name => self.print(&escaped_lines(&Tree::of(&text).map_err(|error| not_json(&error))?.names())),
        }
    }

    fn print(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.abandoned.store(true, Ordering::Relaxed);
                Ok(())
            }
            other => other.map_err(|error| Failure::refused(format_args!("cannot write to stdout: {error}"))),
        }
    }
}

fn not_json(error: &serde_json::Error) -> Failure {
    Failure::refused(format_args!("cannot write JSON: {error}"))
}

/// A line on stderr.
pub(crate) fn talk(text: &str) {
    // Nobody is left to be told that stderr is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
