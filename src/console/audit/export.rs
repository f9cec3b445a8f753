//! The audit as a file: as many entries as are taken at once, a page at a time, and never more in memory than one page.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http_body::Frame;
use tokio::sync::mpsc;

use super::csv;
use super::filters;
use crate::console::fields::{Faults, Query};
use crate::console::refusal::Refusal;
use crate::console::visit::Visit;
use crate::control::{Asked, Control, ControlError, Operation};
use crate::model::{AuditEntry, AuditId};
use crate::store::{AuditOrder, AuditQuery};

/// How many entries at most: what a browser can be expected to take while its connection lasts.
pub(super) const MOST: usize = 100_000;
/// How many are read at a time. One may be as long as two policies.
const PAGE: u32 = 100;

const COLUMNS: [&str; 12] =
    ["id", "revision", "at", "actor", "remote_ip", "action", "resource", "refused", "request_id", "before", "after", "hash"];

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    JsonLines,
}

impl Format {
    pub(super) const ALL: [Self; 2] = [Self::Csv, Self::JsonLines];

    /// In the address, and behind the full stop of the file's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::JsonLines => "JSON, one entry a line",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/jsonl; charset=utf-8",
        }
    }

    fn disposition(self) -> &'static str {
        match self {
            Self::Csv => "attachment; filename=\"claviger-audit.csv\"",
            Self::JsonLines => "attachment; filename=\"claviger-audit.jsonl\"",
        }
    }

    fn begin(self) -> String {
        match self {
            Self::Csv => csv::line(COLUMNS),
            Self::JsonLines => String::new(),
        }
    }

    fn entry(self, entry: &AuditEntry) -> String {
        match self {
            Self::Csv => {
                let text = |value: Option<String>| value.unwrap_or_default();
                let json = |value: &Option<serde_json::Value>| text(value.as_ref().map(ToString::to_string));
                let fields = [
                    entry.id.to_string(),
                    text(entry.revision.map(|revision| revision.to_string())),
                    entry.at.to_string(),
                    entry.actor.clone(),
                    text(entry.remote_ip.clone()),
                    entry.action.clone(),
                    entry.resource.clone(),
                    text(entry.refused.clone()),
                    text(entry.request_id.clone()),
                    json(&entry.before),
                    json(&entry.after),
                    entry.hash.to_string(),
                ];
                csv::line(fields.iter().map(String::as_str))
            }
            Self::JsonLines => serde_json::to_string(entry).unwrap_or_default() + "\n",
        }
    }

    /// What is said in the last line if there are more entries.
    fn more(self) -> String {
        let told = format!("there are more than {MOST} entries: ask for a shorter time");
        match self {
            Self::Csv => csv::line([told.as_str()].into_iter().chain(COLUMNS.iter().skip(1).map(|_| ""))),
            Self::JsonLines => serde_json::json!({ "more": told }).to_string() + "\n",
        }
    }
}

pub(super) async fn download(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewAudit)?;
    let mut faults = Faults::default();
    let wanted = filters::wanted(&visit, &query, &mut faults).await?;
    let format = Format::ALL.into_iter().find(|format| format.name() == query.text("format"));
    if format.is_none() {
        faults.note("format", "it is csv or jsonl");
    }
    if let Some((field, what)) = faults.iter().next() {
        return Err(Refusal::bad_form(format!("{field}: {what}")));
    }
    let format = format.unwrap_or(Format::JsonLines);
    let mut reading = Reading::begin(&visit, wanted).await?;
    // A store that is away is told of by a page, and not by half a file.
    let first = reading.next().await?;
    let (tell, told) = mpsc::channel(1);
    tokio::spawn(write(reading, format, first, tell));
    let mut response = Response::new(Body::new(Chunks(told)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(format.disposition()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Until the end, or until nobody reads any more. What cannot be read breaks the answer off: half a file must not look like a whole one.
async fn write(mut reading: Reading, format: Format, first: Vec<AuditEntry>, tell: mpsc::Sender<Result<Bytes, ControlError>>) {
    let (mut page, mut text, mut written) = (first, format.begin(), 0);
    loop {
        let room = MOST.saturating_sub(written);
        page.iter().take(room).for_each(|entry| text += &format.entry(entry));
        written += page.len().min(room);
        let (is_last, is_full) = (page.is_empty(), page.len() > room);
        if is_full {
            text += &format.more();
        }
        let is_heard = text.is_empty() || tell.send(Ok(std::mem::take(&mut text).into())).await.is_ok();
        if !is_heard || is_last || is_full {
            return;
        }
        page = match reading.next().await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "an export of the audit has ended before its end");
                // If nobody reads any more, nobody needs to be told.
                let _ = tell.send(Err(error)).await;
                return;
            }
        };
    }
}

/// Entries, page by page, up to the newest that there was at the beginning.
struct Reading {
    control: Arc<Control>,
    asked: Asked,
    wanted: AuditQuery,
    newest: AuditId,
}

impl Reading {
    async fn begin(visit: &Visit, wanted: AuditQuery) -> Result<Self, Refusal> {
        let control = Arc::clone(visit.control());
        let newest = control.store().audit(&AuditQuery { limit: 1, ..AuditQuery::default() }).await?;
        let newest = newest.first().map(|entry| entry.id).unwrap_or_default();
        let before = match wanted.order {
            AuditOrder::NewestFirst => Some(newest.next()),
            AuditOrder::OldestFirst => None,
        };
        Ok(Self { control, asked: visit.asked.clone(), wanted: AuditQuery { before, limit: PAGE, ..wanted }, newest })
    }

    /// None: that was all.
    async fn next(&mut self) -> Result<Vec<AuditEntry>, ControlError> {
        // It may take minutes: whoever has been stopped meanwhile reads no further.
        self.control.may(&self.asked.caller, Operation::ViewAudit).await?;
        let mut page = self.control.store().audit(&self.wanted).await?;
        page.retain(|entry| entry.id <= self.newest);
        if let Some(last) = page.last() {
            match self.wanted.order {
                AuditOrder::NewestFirst => self.wanted.before = Some(last.id),
                AuditOrder::OldestFirst => self.wanted.newer_than = Some(last.id),
            }
        }
        Ok(page)
    }
}

/// What is written, as the body of an answer.
struct Chunks(mpsc::Receiver<Result<Bytes, ControlError>>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = ControlError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ControlError>>> {
        self.get_mut().0.poll_recv(context).map(|told| told.map(|chunk| chunk.map(Frame::data)))
    }
}
