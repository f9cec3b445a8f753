//! The lines of the log.
//!
//! One event is one line. Text for people on a terminal, JSON for everything else; in both, control characters, line separators and what
//! turns the direction of writing are escaped, wherever they come from.
//!
//! Whoever has something to say leaves the line in a [queue](queue) and goes on; one thread writes. If nobody reads stderr, lines are lost
//! and counted, and nothing else happens.

mod line;
mod queue;

use std::cell::RefCell;
use std::io::IsTerminal as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{Registry, reload};

use self::line::Colour;
use self::queue::Queue;
use super::access::Access;
use super::metrics::LogLosses;
use crate::clock::{Clock, SystemClock};
use crate::config::{LogFormat, LogSettings};

/// How long the end of the process waits for whoever reads the log.
const FAREWELL: Duration = Duration::from_millis(500);

/// The log of this process.
struct InForce {
    counts: reload::Handle<Targets, Registry>,
    format: Arc<ArcSwap<Format>>,
    queue: Arc<Queue>,
}

static IN_FORCE: OnceLock<InForce> = OnceLock::new();

/// Sets up logs for the whole process, panics included. The first call counts; later ones change nothing.
///
/// # Errors
/// There is no thread to be had.
pub fn init(settings: LogSettings) -> std::io::Result<()> {
    if IN_FORCE.get().is_some() {
        return Ok(());
    }
    let queue = Arc::new(Queue::new(LogLosses::of_this_process()));
    Queue::write_to_stderr(&queue)?;
    let format = Arc::new(ArcSwap::from_pointee(Format::of(settings)));
    let (counts, handle) = reload::Layer::new(what_counts(settings.level));
    let said = Arc::clone(&queue);
    let lines = Lines { format: Arc::clone(&format), clock: SystemClock::start(), write: move |line: &[u8]| said.push(line) };
    if tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines.with_filter(counts))).is_ok() {
        _ = IN_FORCE.set(InForce { counts: handle, format, queue });
        // What the hook of the standard library prints waits for its reader.
        std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a fault of the program")));
    }
    Ok(())
}

/// Puts other settings in force for the whole process, if its log has been set up.
pub fn change(settings: LogSettings) {
    if let Some(in_force) = IN_FORCE.get() {
        in_force.format.store(Arc::new(Format::of(settings)));
        // An error says that there is no log any more.
        _ = in_force.counts.reload(what_counts(settings.level));
    }
}

/// Waits until what was said is written, but not long: nobody may be reading.
pub fn flush() {
    if let Some(in_force) = IN_FORCE.get() {
        in_force.queue.flush(FAREWELL);
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
        LINE.with(|kept| {
            // An event inside a field's `Debug` finds the line taken; it gets one of its own.
            let mut own = String::new();
            let mut kept = kept.try_borrow_mut();
            let line = kept.as_deref_mut().unwrap_or(&mut own);
            line.clear();
            match **self.format.load() {
                Format::Json => line::json(line, at, event),
                Format::Text => line::text(line, at, event, Colour::Without),
                Format::ColouredText => line::text(line, at, event, Colour::With),
            }
            line.push('\n');
            (self.write)(line.as_bytes());
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;
    use crate::diagnostics::steers;

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
            route: None,
            policy: Some("night"),
            revision: Some(4711),
            key: Some(crate::model::KeyId::new(0, 7)),
            request_id: "r-1",
            trace_id: Some("0af7651916cd43dd8448eb211c80319c"),
            took: Duration::from_micros(1_234),
            upstream: None,
            endpoint: None,
            client: Some([10, 1, 2, 3].into()),
            certificate: None,
        };
        let line = logged(Format::Json, LevelFilter::ERROR, || access.log());
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        let expected = serde_json::json!({
            "timestamp": "2026-01-02T03:04:05.678901Z", "level": "INFO", "message": "request answered", "method": "GET",
            "path": "/v1/runs", "status": 403, "code": "denied", "reason": "denied", "policy": "night", "revision": 4711,
            "key": "00000000000000000000000007",
            "request_id": "r-1", "trace_id": "0af7651916cd43dd8448eb211c80319c", "duration_ms": 1.234, "client": "10.1.2.3", "target": "claviger::access",
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
