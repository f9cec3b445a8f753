//! What sidecars cost the control plane that they follow, and when they hear of changes.
//!
//! `cargo run --profile dist --example followers -- target/dist/claviger 10 1000`: for each number, in turns, a control plane with a store of its own and so
//! many sidecars, each with a connection of its own and the real protocol: everything but the keys, then one question after the other for what
//! has changed, a sign of life every four seconds. Keys are changed as often as is wanted, or as often as the machine can commit.
//! Followers and control plane share the machine: what a follower takes here is not the control plane's, but in its way.

use std::io::{BufRead as _, BufReader as StdReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use claviger::clock::{Clock as _, SystemClock};
use claviger::model::{FeedChanges, FeedReach, KeyId, PlainKey};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const TURNS: usize = 2;
const CHANGES_A_SECOND: u32 = 100;
const LASTS: Duration = Duration::from_secs(10);
/// Who makes changes, each one after the other.
const CHANGERS: u32 = 8;
/// For how long a control plane waits before it says that nothing has changed, and how often a sidecar says that it is there.
const WAIT: u32 = 2;
const PULSE: Duration = Duration::from_secs(4);
/// How often a connection is made anew that was cut off.
const PATIENCE: u32 = 100;
/// Between two answers that tell something.
const BREATH: Duration = Duration::from_millis(5);

const CONFIGURATION: &str = r#"
drain_delay = "0s"
[proxy]
listen = "127.0.0.1:0"
[upstream]
url = "http://127.0.0.1:9"
[ops]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
requests_per_second = 100000
[token]
keys = "keys"
[log]
format = "json"
"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().context("usage: followers CLAVIGER NUMBER…; CLAVIGER_STORE__URL for another store")?;
    let numbers: Vec<usize> = arguments.map(|number| number.parse()).collect::<Result<_, _>>()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "followers\tchanges/s\tanswers/s\tCPU %\tRSS MiB\tpropagation p50 ms\tp99 ms\tmost ms")?;
    for _ in 0..TURNS {
        for number in &numbers {
            let measured = measure(&program, *number).await?;
            writeln!(out, "{number}\t{measured}")?;
        }
    }
    Ok(())
}

static CLOCK: LazyLock<SystemClock> = LazyLock::new(SystemClock::start);

#[expect(clippy::disallowed_methods, reason = "the pace of a measurement")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

/// A control plane that ends with this.
struct Plane {
    process: Child,
    admin: String,
    key: String,
    _folder: tempfile::TempDir,
}

impl Plane {
    fn start(program: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("claviger.toml"), CONFIGURATION)?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let key = PlainKey::generate(KeyId::new(1_700_000_000_000, 1), &secret).reveal().to_owned();
        let program = std::fs::canonicalize(program)?;
        let mut command = Command::new(program);
        command.args(["serve", "--config", "claviger.toml"]).current_dir(folder.path()).env("CLAVIGER_BOOTSTRAP_KEY", &key);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut log = StdReader::new(process.stderr.take().context("it has no log")?).lines();
        let admin = loop {
            let line = log.next().context("the control plane has ended")??;
            let told: Value = serde_json::from_str(&line).unwrap_or_default();
            if told.get("message").and_then(Value::as_str) == Some("serving") {
                break told.get("admin").and_then(Value::as_str).context("there is no admin API")?.to_owned();
            }
        };
        std::thread::spawn(move || log.for_each(drop));
        Ok(Self { process, admin, key, _folder: folder })
    }

    /// Processor time so far.
    fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let after = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident memory, in KiB.
    fn resident(&self) -> anyhow::Result<u32> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("there is no VmRSS")?;
        Ok(line.split_whitespace().nth(1).context("there is no number")?.parse()?)
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        // It has nothing to finish.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection to the admin API.
struct Client {
    stream: BufReader<TcpStream>,
    key: String,
    name: String,
}

impl Client {
    async fn connect(plane: &str, key: &str, name: String) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(plane).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), key: key.to_owned(), name })
    }

    async fn ask(&mut self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Vec<u8>> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: plane\r\nauthorization: Bearer {}\r\nclaviger-replica: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.key,
            self.name,
            body.len()
        );
        self.stream.write_all(format!("{head}{body}").as_bytes()).await?;
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        let status = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).await?;
            if line.trim_end().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        if !status.starts_with('2') {
            bail!("{method} {path} is answered with {status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(answer)
    }
}

/// One sidecar, until it is told to end; how long after its commit it has heard of each change, in microseconds, and how many answers it got.
async fn follow(
    plane: String,
    key: String,
    number: usize,
    ready: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
) -> anyhow::Result<(Vec<u32>, u32)> {
    let started_at = CLOCK.now().wall;
    let mut patience = PATIENCE;
    // All come at once, which is more than the listener lets in before it knows that they follow.
    let (mut client, snapshot) = loop {
        let begun = async {
            let mut client = Client::connect(&plane, &key, format!("pod-{number}")).await?;
            let snapshot = client.ask("GET", "/feed/snapshot", None).await?;
            anyhow::Ok((client, snapshot))
        };
        match begun.await {
            Err(error) if error.is::<std::io::Error>() && patience > 0 => {
                patience -= 1;
                pause(BREATH * u32::try_from(20 + number % 100)?).await;
            }
            begun => break begun?,
        }
    };
    let snapshot: Value = serde_json::from_slice(&snapshot)?;
    let mut after = snapshot.get("revision").and_then(Value::as_u64).context("a snapshot has a revision")?;
    let (mut heard, mut answers, mut seen) = (Vec::new(), 0, None::<Duration>);
    ready.fetch_add(1, Ordering::Relaxed);
    while !ends.load(Ordering::Relaxed) {
        if seen.is_none_or(|at| CLOCK.monotonic().saturating_sub(at) >= PULSE) {
            let report = json!({ "version": "0.1.0", "applied": after, "started_at": started_at });
            client.ask("POST", "/feed/replica", Some(report)).await?;
            seen = Some(CLOCK.monotonic());
        }
        let told: FeedChanges =
            serde_json::from_slice(&client.ask("GET", &format!("/feed/changes?after={after}&wait={WAIT}"), None).await?)?;
        answers += 1;
        let now = CLOCK.now().wall;
        for change in &told.changes {
            heard.push(u32::try_from(now.duration_since(change.at).as_micros().max(0)).unwrap_or(u32::MAX));
        }
        let is_for_all = told.changes.iter().any(|change| matches!(change.reach, FeedReach::All));
        if is_for_all || told.too_old {
            client.ask("GET", "/feed/snapshot", None).await?;
        }
        after = told.revision.0;
        if !told.changes.is_empty() {
            pause(BREATH).await;
        }
    }
    Ok((heard, answers))
}

/// Changes keys of its own, at its pace; how often.
async fn change(plane: String, key: String, changer: u32) -> anyhow::Result<u32> {
    let mut client = Client::connect(&plane, &key, String::new()).await?;
    let made: Value = serde_json::from_slice(&client.ask("POST", "/keys", Some(json!({ "name": format!("changed-{changer}") }))).await?)?;
    let id = made.get("id").and_then(Value::as_str).context("a key has an id")?.to_owned();
    let (began, mut count) = (CLOCK.monotonic(), 0);
    while CLOCK.monotonic().saturating_sub(began) < LASTS {
        let what = if count % 2 == 0 { "disable" } else { "enable" };
        client.ask("POST", &format!("/keys/{id}/{what}"), None).await?;
        count += 1;
        let due = Duration::from_secs(1) * CHANGERS * count / CHANGES_A_SECOND;
        pause(due.saturating_sub(CLOCK.monotonic().saturating_sub(began))).await;
    }
    Ok(count)
}

async fn measure(program: &str, number: usize) -> anyhow::Result<String> {
    let plane = Plane::start(program)?;
    let mut admin = Client::connect(&plane.admin, &plane.key, String::new()).await?;
    let wanted = json!({ "name": "sidecars", "bindings": [{ "role": "replica", "space": "root" }] });
    let made: Value = serde_json::from_slice(&admin.ask("POST", "/keys", Some(wanted)).await?)?;
    let key = made.get("key").and_then(Value::as_str).context("a key has a text")?.to_owned();
    let (ready, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut followers = Vec::new();
    for follower in 0..number {
        let (ready, ends) = (Arc::clone(&ready), Arc::clone(&ends));
        followers.push(tokio::spawn(follow(plane.admin.clone(), key.clone(), follower, ready, ends)));
    }
    while ready.load(Ordering::Relaxed) < number {
        if followers.iter().any(tokio::task::JoinHandle::is_finished) {
            ends.store(true, Ordering::Relaxed);
            break;
        }
        pause(Duration::from_millis(20)).await;
    }
    pause(Duration::from_secs(1)).await;

    let (cpu, began) = (plane.cpu()?, CLOCK.monotonic());
    let changers: Vec<_> = (0..CHANGERS).map(|changer| tokio::spawn(change(plane.admin.clone(), plane.key.clone(), changer))).collect();
    let mut made_in_all = 0;
    for changer in changers {
        made_in_all += changer.await??;
    }
    let (cpu, took, resident) = (plane.cpu()?.saturating_sub(cpu), CLOCK.monotonic().saturating_sub(began), plane.resident()?);
    ends.store(true, Ordering::Relaxed);
    let (mut heard, mut answers) = (Vec::new(), 0);
    for follower in followers {
        let (own, count) = follower.await??;
        heard.extend(own);
        answers += count;
    }
    heard.sort_unstable();
    let at = |share: f64| heard.get(percentile(heard.len(), share)).map_or(0.0, |micros| f64::from(*micros) / 1000.0);
    let (seconds, resident) = (took.as_secs_f64(), f64::from(resident) / 1024.0);
    Ok(format!(
        "{:.0}\t{:.0}\t{:.0}\t{resident:.1}\t{:.1}\t{:.1}\t{:.1}",
        f64::from(made_in_all) / seconds,
        f64::from(answers) / seconds,
        100.0 * cpu.as_secs_f64() / seconds,
        at(0.5),
        at(0.99),
        at(1.0)
    ))
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list, about")]
fn percentile(count: usize, share: f64) -> usize {
    ((count.saturating_sub(1)) as f64 * share) as usize
}
