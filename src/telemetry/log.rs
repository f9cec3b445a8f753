//! The lines of the log.
//!
//! One event is one line and one write. Text for people on a terminal, JSON for everything else; in both, control characters, line
//! separators and what turns the direction of writing are escaped, wherever they come from.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::{IsTerminal, Write};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{Registry, reload};

use super::access::Access;
use crate::clock::{Clock, SystemClock};
use crate::config::{LogFormat, LogSettings};
use crate::diagnostics::steers;

/// What a change of the settings reaches.
struct InForce {
    counts: reload::Handle<Targets, Registry>,
    format: Arc<ArcSwap<Format>>,
}

static IN_FORCE: OnceLock<InForce> = OnceLock::new();

/// Sets up logs for the whole process. The first call counts; later ones change nothing.
pub fn init(settings: LogSettings) {
    let format = Arc::new(ArcSwap::from_pointee(Format::of(settings)));
    let (counts, handle) = reload::Layer::new(what_counts(settings.level));
    let write = |line: &[u8]| _ = std::io::stderr().write_all(line);
    let lines = Lines { format: Arc::clone(&format), clock: SystemClock::start(), write };
    if tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines.with_filter(counts))).is_ok() {
        _ = IN_FORCE.set(InForce { counts: handle, format });
    }
}

/// Puts other settings in force for the whole process, if its log has been set up.
pub fn change(settings: LogSettings) {
    if let Some(in_force) = IN_FORCE.get() {
        in_force.format.store(Arc::new(Format::of(settings)));
        // An error says that there is no log any more.
        _ = in_force.counts.reload(what_counts(settings.level));
    }
}

/// Other crates speak only when something is wrong: at `trace` they would print the headers that pass through them.
fn what_counts(level: LevelFilter) -> Targets {
    let of_access = if level == LevelFilter::OFF { level } else { level.max(LevelFilter::INFO) };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), level)
        .with_target(Access::TARGET, of_access)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    ColouredText,
    Text,
    Json,
}

impl Format {
    fn of(settings: LogSettings) -> Self {
        let terminal = std::io::stderr().is_terminal();
        match settings.format {
            LogFormat::Auto | LogFormat::Text if terminal => Self::ColouredText,
            LogFormat::Text => Self::Text,
            LogFormat::Auto | LogFormat::Json => Self::Json,
        }
    }
}

/// Makes each event a line and hands it to `write`. Spans are not used in this program and do not show.
struct Lines<C, W> {
    format: Arc<ArcSwap<Format>>,
    clock: C,
    write: W,
}

impl<S: Subscriber, C: Clock, W: Fn(&[u8]) + 'static> Layer<S> for Lines<C, W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        thread_local! {
            static LINE: RefCell<String> = const { RefCell::new(String::new()) };
        }
        let at = self.clock.now().wall;
        LINE.with(|line| {
            // An event inside a field's `Debug` finds the line taken; it gets one of its own.
            let mut own = String::new();
            let mut kept = line.try_borrow_mut();
            let line = kept.as_deref_mut().unwrap_or(&mut own);
            line.clear();
            match **self.format.load() {
                Format::Json => json(line, at, event),
                Format::Text => text(line, at, event, Colour::Without),
                Format::ColouredText => text(line, at, event, Colour::With),
            }
            line.push('\n');
            (self.write)(line.as_bytes());
        });
    }
}

/// `{"timestamp":"…","level":"INFO","message":"…","field":…,"target":"…"}`
fn json(line: &mut String, at: Timestamp, event: &Event<'_>) {
    let metadata = event.metadata();
    _ = write!(line, r#"{{"timestamp":"{at:.6}","level":"{}","message":"#, metadata.level());
    let mut message = Message(String::new());
    event.record(&mut message);
    json_string(line, &message.0);
    event.record(&mut JsonFields(line));
    line.push_str(r#","target":"#);
    json_string(line, metadata.target());
    line.push('}');
}

#[derive(Clone, Copy)]
enum Colour {
    With,
    Without,
}

/// `2026-11-23T08:12:39.123456Z  INFO claviger::app: message field=value`
fn text(line: &mut String, at: Timestamp, event: &Event<'_>, colour: Colour) {
    let metadata = event.metadata();
    let tint = match *metadata.level() {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        Level::DEBUG => "34",
        Level::TRACE => "35",
    };
    _ = match colour {
        Colour::With => write!(line, "\x1b[2m{at:.6}\x1b[0m \x1b[{tint}m{:>5}\x1b[0m ", metadata.level()),
        Colour::Without => write!(line, "{at:.6} {:>5} ", metadata.level()),
    };
    escape(line, metadata.target(), Quotes::Outside);
    line.push_str(": ");
    let mut message = Message(String::new());
    event.record(&mut message);
    escape(line, &message.0, Quotes::Outside);
    event.record(&mut TextFields(line));
}

/// Picks the message out of an event's fields.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            _ = write!(self.0, "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.push_str(value);
        }
    }
}

struct JsonFields<'a>(&'a mut String);

impl JsonFields<'_> {
    /// Writes the name; whether there is a value to follow.
    fn name(&mut self, field: &Field) -> bool {
        match field.name() {
            "message" => return false,
            // These have their own meaning in the line: an object does not say anything twice.
            reserved @ ("timestamp" | "level" | "target") => _ = write!(self.0, r#","{reserved}_":"#),
            name => {
                self.0.push(',');
                json_string(self.0, name);
                self.0.push(':');
            }
        }
        true
    }

    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        if self.name(field) {
            _ = write!(self.0, "{value}");
        }
    }
}

impl Visit for JsonFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.name(field) {
            json_string(self.0, &format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if self.name(field) {
            json_string(self.0, value);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for what is not a number.
        if value.is_finite() { self.plain(field, value) } else { self.plain(field, "null") }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }
}

struct TextFields<'a>(&'a mut String);

impl Visit for TextFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            return;
        }
        _ = write!(self.0, " {}=", field.name());
        let bare = !value.is_empty() && !value.contains([' ', '"', '=', '\\']) && !value.chars().any(steers);
        if bare {
            self.0.push_str(value);
        } else {
            self.0.push('"');
            escape(self.0, value, Quotes::Inside);
            self.0.push('"');
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Inside,
    Outside,
}

fn escape(line: &mut String, text: &str, quotes: Quotes) {
    for character in text.chars() {
        match character {
            '"' | '\\' if quotes == Quotes::Inside => line.extend(['\\', character]),
            hostile if steers(hostile) => line.extend(hostile.escape_default()),
            plain => line.push(plain),
        }
    }
}

fn json_string(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            '\n' => line.push_str("\\n"),
            // All of them lie in the basic plane: four digits are enough.
            hostile if steers(hostile) => _ = write!(line, "\\u{:04x}", u32::from(hostile)),
            plain => line.push(plain),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    fn logged(format: Format, level: LevelFilter, speak: impl FnOnce()) -> String {
        let lines: Arc<Mutex<Vec<u8>>> = Arc::default();
        let sink = Arc::clone(&lines);
        let write = move |line: &[u8]| sink.lock().unwrap().extend_from_slice(line);
        let layer = Lines {
            format: Arc::new(ArcSwap::from_pointee(format)),
            clock: ManualClock::at("2026-01-02T03:04:05.678901Z".parse().unwrap()),
            write,
        };
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(what_counts(level)));
        tracing::subscriber::with_default(subscriber, speak);
        String::from_utf8(std::mem::take(&mut *lines.lock().unwrap())).unwrap()
    }

    const HOSTILE: &str = "a\r\n{\"level\":\"ERROR\"}\u{1b}[2J\u{7f}\u{9b}31m\u{0}\u{2028}\u{202e}\"\\ z";

    #[test]
    fn json_lines_are_flat_objects() {
        let line = logged(Format::Json, LevelFilter::INFO, || {
            tracing::warn!(keys = 3, share = 0.5, odd = f64::NAN, on = true, level = "mine", path = "/a", "it \"went\" on");
        });
        assert_eq!(line.lines().count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        let expected = serde_json::json!({
            "timestamp": "2026-01-02T03:04:05.678901Z", "level": "WARN", "message": "it \"went\" on", "keys": 3, "share": 0.5,
            "odd": null, "on": true, "level_": "mine", "path": "/a", "target": "claviger::telemetry::log::tests",
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn text_lines_read_from_left_to_right() {
        let line = logged(Format::Text, LevelFilter::INFO, || tracing::info!(keys = 3, name = "two words", empty = "", "ready"));
        let expected = "2026-01-02T03:04:05.678901Z  INFO claviger::telemetry::log::tests: ready keys=3 name=\"two words\" empty=\"\"\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn hostile_bytes_stay_on_their_line_and_escaped() {
        for format in [Format::Text, Format::Json] {
            let lines = logged(format, LevelFilter::INFO, || {
                tracing::info!(field = HOSTILE, "plain");
                tracing::info!(field = %HOSTILE, "plain");
                tracing::info!(field = ?HOSTILE, "plain");
                tracing::info!("{HOSTILE}");
            });
            assert_eq!(lines.matches('\n').count(), 4, "{lines:?}");
            assert!(!lines.chars().any(|character| character != '\n' && steers(character)), "{lines:?}");
        }
    }

    #[test]
    fn json_gives_hostile_text_back_unharmed() {
        let line = logged(Format::Json, LevelFilter::INFO, || tracing::info!(field = HOSTILE, "{HOSTILE}"));
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((object["field"].as_str(), object["message"].as_str()), (Some(HOSTILE), Some(HOSTILE)));
    }

    #[test]
    fn the_request_record_comes_at_every_level_but_off() {
        let access = Access {
            method: "GET",
            path: "/v1/runs",
            status: 403,
            code: "denied",
            reason: Some("denied"),
            policy: Some("night"),
            revision: Some(4711),
            key: Some(crate::model::KeyId::new(0, 7)),
            request_id: "r-1",
            took: Duration::from_micros(1_234),
            upstream: None,
            client: Some([10, 1, 2, 3].into()),
        };
        let line = logged(Format::Json, LevelFilter::ERROR, || access.log());
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        let expected = serde_json::json!({
            "timestamp": "2026-01-02T03:04:05.678901Z", "level": "INFO", "message": "request answered", "method": "GET",
            "path": "/v1/runs", "status": 403, "code": "denied", "reason": "denied", "policy": "night", "revision": 4711,
            "key": "00000000000000000000000007",
            "request_id": "r-1", "duration_ms": 1.234, "client": "10.1.2.3", "target": "claviger::access",
        });
        assert_eq!(object, expected);
        assert_eq!(logged(Format::Json, LevelFilter::OFF, || access.log()), "");
    }

    #[test]
    fn other_crates_are_quiet_at_trace() {
        let lines = logged(Format::Json, LevelFilter::TRACE, || {
            tracing::trace!(target: "h2::hpack", header = "authorization: secret", "decoded");
            tracing::info!(target: "hyper", "idle");
            tracing::warn!(target: "sqlx::query", "slow");
        });
        assert_eq!(lines.lines().count(), 1, "{lines}");
    }
}
