//! A request as the log of whoever answered it tells of it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::cli::failure::Failure;
use crate::model::KeyId;

/// What stands in the line of a request that was answered, as far as it is needed here.
#[derive(Debug, Deserialize)]
pub(super) struct LoggedRequest {
    /// When it had been answered.
    timestamp: Timestamp,
    request_id: String,
    status: u16,
    code: String,
    policy: Option<String>,
    revision: Option<u64>,
    pub(super) key: Option<KeyId>,
    pub(super) client: Option<IpAddr>,
    /// The fingerprint of the certificate that the client had shown.
    pub(super) certificate: Option<String>,
    duration_ms: f64,
}

impl LoggedRequest {
    /// The last request with this id that lines of JSON tell of; `-` is standard input. Other lines are passed over.
    pub(super) fn find(log: &Path, id: &str) -> Result<Self, Failure> {
        if log == Path::new("-") {
            return Self::last_of(std::io::stdin().lock(), log, id);
        }
        let file = File::open(log).map_err(|error| Failure::refused(format_args!("cannot read {}: {error}", log.display())))?;
        Self::last_of(BufReader::new(file), log, id)
    }

    fn last_of(lines: impl BufRead, log: &Path, id: &str) -> Result<Self, Failure> {
        let (mut found, mut is_told_otherwise) = (None, false);
        for line in lines.split(b'\n') {
            let line = line.map_err(|error| Failure::refused(format_args!("cannot read {}: {error}", log.display())))?;
            // Whatever is before it was put there by whoever collects the lines.
            let Some(begin) = line.iter().position(|byte| *byte == b'{') else {
                is_told_otherwise |= holds(&line, id);
                continue;
            };
            match serde_json::from_slice::<Self>(line.get(begin..).unwrap_or_default()) {
                Ok(request) if request.request_id == id => found = Some(request),
                Ok(_) => {}
                Err(_) => is_told_otherwise |= holds(&line, id),
            }
        }
        found.ok_or_else(|| {
            let why = if is_told_otherwise {
                "it is named there, in no line of an answer as JSON: `log.format = \"json\"` writes such lines"
            } else {
                "`log.access = \"all\"` writes a line for every request, `\"errors\"` for those that are refused or fail"
            };
            Failure::refused(format_args!("no answer to a request {id} in {}: {why}", log.display()))
        })
    }

    /// When it came.
    pub(super) fn came_at(&self) -> Timestamp {
        let took = Duration::try_from_secs_f64(self.duration_ms / 1000.0).unwrap_or_default();
        self.timestamp.checked_sub(took).unwrap_or(self.timestamp)
    }

    /// How it was answered.
    pub(super) fn answer(&self) -> String {
        let policy = self.policy.as_ref().map(|policy| format!(" by policy {policy}")).unwrap_or_default();
        let revision = self.revision.map(|revision| format!(", as of revision {revision}")).unwrap_or_default();
        format!("answered {} {}{policy}{revision}", self.status, self.code)
    }
}

fn holds(line: &[u8], id: &str) -> bool {
    line.windows(id.len().max(1)).any(|part| part == id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-01-02T03:04:05.500000Z","level":"INFO","message":"request answered","status":403,"code":"denied","policy":"night","revision":12,"key":"00000000000000000000000007","request_id":"r-1","duration_ms":500.0,"client":"10.1.2.3","target":"claviger::access"}"#;

    fn find(log: &str, id: &str) -> Result<LoggedRequest, String> {
        LoggedRequest::last_of(log.as_bytes(), Path::new("-"), id).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_last_line_of_the_request_counts_whatever_stands_before_or_between_the_lines() {
        let first = LINE.replace("403", "401").replace("denied", "expired_key");
        let log = format!("booting\n{first}\n[pod/api-0/claviger] {LINE}\n{{\"torn\": \n{}\n", LINE.replace("r-1", "r-2"));
        let request = find(&log, "r-1").unwrap();
        assert_eq!(request.answer(), "answered 403 denied by policy night, as of revision 12");
        assert_eq!(request.came_at(), "2026-01-02T03:04:05Z".parse().unwrap());
        assert_eq!((request.key, request.client), (Some(KeyId::new(0, 7)), Some([10, 1, 2, 3].into())));
    }

    #[test]
    fn what_is_not_there_or_not_as_json_is_told_apart() {
        assert!(find(LINE, "r-9").unwrap_err().contains("log.access"), "{:?}", find(LINE, "r-9"));
        let text = "03:04:05 INFO request answered status=403 request_id=r-9\n";
        assert!(find(text, "r-9").unwrap_err().contains("log.format"), "{:?}", find(text, "r-9"));
    }
}
