//! One command after another, on a store of their own.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use claviger::clock::{Clock as _, SystemClock};
use claviger::config::StoreUrl;
use claviger::model::{
    Grants, KeyDigest, KeyRecord, PlainKey, Sample, SampledAnswer, SampledDecision, SampledKey, SampledVerdict, Strategy,
};
use claviger::store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::program;

/// A directory with a store that does not exist yet.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
}

/// What a command has left behind.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}", self.path("claviger.db").display())
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs on the store.
    pub(crate) fn run(&self, line: &[&str]) -> Run {
        self.run_with(line, &[("CLAVIGER_STORE", &self.url())], "")
    }

    pub(crate) fn run_with(&self, line: &[&str], environment: &[(&str, &str)], stdin: &str) -> Run {
        let mut child = self.start(line, environment, Stdio::piped());
        // A command that does not read its input may be gone before it is written.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        ended(child)
    }

    /// Runs on the store with another stdout, such as a pipe that nobody reads.
    pub(crate) fn run_into(&self, line: &[&str], stdout: impl Into<Stdio>) -> Run {
        ended(self.start(line, &[("CLAVIGER_STORE", &self.url())], stdout))
    }

    /// Starts and does not wait.
    pub(crate) fn start(&self, line: &[&str], environment: &[(&str, &str)], stdout: impl Into<Stdio>) -> Child {
        Command::new(program::claviger())
            .args(line)
            .env_clear()
            .envs(environment.iter().copied())
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs with `-o json`, which must succeed and leave nothing but JSON on stdout.
    pub(crate) fn json(&self, line: &[&str]) -> Value {
        let run = self.run(&[line, &["-o", "json"]].concat());
        assert_eq!(run.code, 0, "{line:?}: {}", run.err);
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{line:?}: {error}: {}", run.out))
    }

    /// Runs, which must be refused; the words on stderr.
    pub(crate) fn refused(&self, line: &[&str]) -> String {
        let run = self.run(line);
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{line:?}: {}", run.err);
        run.err
    }

    /// Runs, which must not be understood; the words on stderr.
    pub(crate) fn misunderstood(&self, line: &[&str]) -> String {
        let run = self.run(line);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{line:?}: {}", run.err);
        run.err
    }

    pub(crate) fn names(&self, line: &[&str], field: &str) -> Vec<String> {
        self.json(line).as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
    }

    /// Keeps a request of this key, as a server does it for a policy that says `sample`.
    pub(crate) fn keep_request(&self, name: &str, address: &str) {
        let key = self.json(&["key", "show", name]);
        let at = SystemClock::start().now().wall;
        let input = json!({
            "attachment": null,
            "request": { "remote_ip": address, "timestamp_ns": i64::try_from(at.as_nanosecond()).unwrap() },
            "session": { "login": name, "name": name, "api_key_id": key["id"], "teams": key["groups"] },
        });
        let (decision, code) = (SampledDecision::Refuse, "no_roles".to_owned());
        let verdict = SampledVerdict {
            policy: "watch".parse().unwrap(),
            allow: false,
            deny: false,
            admin: false,
            deny_admin: false,
            sample: true,
            roles: Vec::new(),
            teams: Vec::new(),
        };
        let answer = SampledAnswer { decision, code, groups: Vec::new(), grants: Grants::default(), verdicts: vec![verdict] };
        let key = SampledKey { id: key["id"].as_str().unwrap().parse().unwrap(), name: name.parse().unwrap() };
        self.in_store(async |store| store.keep_samples(&[Sample { at, key, answer, input }]).await.unwrap());
    }

    /// What the store itself says of a key's text.
    pub(crate) fn look_up(&self, text: &str) -> Option<KeyRecord> {
        let digest = KeyDigest::of(&PlainKey::presented(text.as_bytes()).unwrap());
        self.in_store(async |store| store.find_key(&digest).await.unwrap().map(|found| found.key))
    }

    /// Does something in the store itself.
    pub(crate) fn in_store<T>(&self, work: impl AsyncFnOnce(Arc<dyn Store>) -> T) -> T {
        let url = StoreUrl::parse(&self.url()).unwrap();
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(async { work(claviger::store::open(&url, Strategy::default(), Arc::new(SystemClock::start())).await.unwrap()).await })
    }
}

fn ended(child: Child) -> Run {
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
