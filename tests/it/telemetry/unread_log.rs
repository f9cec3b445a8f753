//! A log that nobody reads: requests are served as if somebody did, and the process ends when it is told to.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::echo::Echo;
use crate::support::{http, waiting};

/// Each has a line with its path. A pipe holds 64 KiB, and the queue before it 1 MiB.
const REQUESTS: usize = 400;
const PATH_LENGTH: usize = 6_000;

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn a_server_whose_log_nobody_reads_serves_counts_what_it_does_not_say_and_ends() {
    let (dir, echo) = (tempfile::tempdir().unwrap(), Echo::start());
    let config = dir.path().join("claviger.toml");
    // Every request has a line, refused or not: those that pass are not sampled.
    let text = format!(
        "drain_timeout = \"1s\"\n[proxy]\nlisten = \"127.0.0.1:0\"\nthreads = 1\n[upstream]\nurl = \"http://{}\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"off\"\n\
         [token]\nkeys = \"keys\"\n[store]\nurl = \"sqlite://claviger.db\"\n[log]\nformat = \"json\"\naccess = \"all\"\n",
        echo.address()
    );
    std::fs::write(&config, text).unwrap();
    let program = env!("CARGO_BIN_EXE_claviger");
    let key = Command::new(program).args(["key", "generate"]).output().unwrap().stdout;
    let key = String::from_utf8(key).unwrap().trim().to_owned();
    let process = Command::new(program)
        .args(["serve", "--config"])
        .arg(&config)
        .env("CLAVIGER_BOOTSTRAP_KEY", &key)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut process = Ended(process);
    let mut stderr = BufReader::new(process.0.stderr.take().unwrap());
    let serving = loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "the server ended");
        if line.contains("\"message\":\"serving\"") {
            break serde_json::from_str::<Value>(&line).unwrap();
        }
    };
    // From here on nobody reads.
    let address = |listener: &str| serving[listener].as_str().unwrap().parse().unwrap();
    let bearer = format!("Bearer {key}");
    let path = format!("/{}", "x".repeat(PATH_LENGTH));
    for _ in 0..REQUESTS {
        assert_eq!(http::get(address("proxy"), &path, &[("authorization", &bearer)]).status, 200);
    }

    let metrics = http::get(address("ops"), "/metrics", &[]).text();
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("claviger_log_lines_dropped_total{reason=\"full\"} "));
    assert!(dropped.unwrap().parse::<u64>().unwrap() > 0, "{dropped:?}");

    rustix::process::kill_process(rustix::process::Pid::from_child(&process.0), rustix::process::Signal::TERM).unwrap();
    assert!(waiting::comes_to_be(|| process.0.try_wait().unwrap().is_some()), "it does not end");

    // What it had said before it ran out of room is there, whole lines of it.
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    let whole = said.rsplit_once('\n').unwrap().0;
    assert!(whole.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}
