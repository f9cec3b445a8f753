//! `claviger serve` as a process of its own, an upstream behind it, and the command line beside it as another process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use super::echo::Echo;
use super::http::{self, Answer};
use super::program;
use super::waiting;

pub(crate) struct Server {
    process: Child,
    proxy: SocketAddr,
    ops: SocketAddr,
    /// `None`: a sidecar has none.
    admin: Option<SocketAddr>,
    dir: TempDir,
    echo: Echo,
    log: Arc<Mutex<String>>,
    environment: Vec<(String, String)>,
}

/// A key as `key create -o json` tells of it.
pub(crate) struct Key {
    pub(crate) text: String,
}

/// How a server is set up before it starts.
pub(crate) struct Setup {
    dir: TempDir,
    echo: Echo,
    config: String,
    environment: Vec<(String, String)>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let (dir, echo) = (tempfile::tempdir().unwrap(), Echo::start());
        let config = format!(
            "[proxy]\nlisten = \"127.0.0.1:0\"\nthreads = 1\nclient_ip = \"x-forwarded-for\"\ntrusted_proxies = [\"127.0.0.1/32\"]\n\
             [upstream]\nurl = \"http://{}\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\nrequests_per_second = 1000000\n[token]\nkeys = \"keys\"\n\
             [store]\nurl = \"sqlite://claviger.db\"\n[log]\nformat = \"json\"\nlevel = \"info\"\naccess = \"all\"\n",
            echo.address()
        );
        // No test waits for what routes elsewhere.
        Self { dir, echo, config, environment: vec![("CLAVIGER_DRAIN_DELAY".to_owned(), "0s".to_owned())] }
    }

    /// Where it will live.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// With something else in the place of a part of its configuration.
    pub(crate) fn replacing(mut self, part: &str, by: &str) -> Self {
        assert!(self.config.contains(part), "{}", self.config);
        self.config = self.config.replace(part, by);
        self
    }

    /// With a log of the requests that are refused or fail, and of no other.
    pub(crate) fn quiet(mut self) -> Self {
        self.config = self.config.replace("access = \"all\"", "access = \"errors\"");
        self
    }

    /// With this store.
    pub(crate) fn store(mut self, url: &str) -> Self {
        self.config = self.config.replace("sqlite://claviger.db", url);
        self
    }

    /// With a store that the command line has worked on before.
    pub(crate) fn has_run(self, arguments: &[&str]) -> Self {
        let config = self.dir.path().join("claviger.toml");
        std::fs::write(&config, &self.config).unwrap();
        let done = Command::new(program::claviger()).args(arguments).arg("--config").arg(&config).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        self
    }

    /// As if the environment did not say so.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// As if the environment said so.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With these policies in `policies.dir`.
    pub(crate) fn policies<'a>(self, policies: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let dir = self.dir.path().join("policies");
        std::fs::create_dir_all(&dir).unwrap();
        for (name, text) in policies {
            std::fs::write(dir.join(name), text).unwrap();
        }
        self.environment("CLAVIGER_POLICIES__DIR", dir.to_str().unwrap())
    }

    /// Starts, and returns when the server says that it serves.
    pub(crate) fn start(self) -> Server {
        let config = self.dir.path().join("claviger.toml");
        std::fs::write(&config, &self.config).unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (process, serving) = launched(&config, &self.environment, &log);
        let address = |listener: &str| serving[listener].as_str().map(|address| address.parse().unwrap());
        Server {
            environment: self.environment,
            process,
            proxy: address("proxy").unwrap(),
            ops: address("ops").unwrap(),
            admin: address("admin"),
            dir: self.dir,
            echo: self.echo,
            log,
        }
    }
}

/// Starts a process, and returns what it says when it serves. It goes on writing to the log.
fn launched(config: &Path, environment: &[(String, String)], log: &Arc<Mutex<String>>) -> (Child, Value) {
    let mut process = Command::new(program::claviger())
        .args(["serve", "--config"])
        .arg(config)
        .envs(environment.iter().cloned())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let serving = loop {
        let line = lines.next().unwrap_or_else(|| panic!("the server ended: {}", log.lock().unwrap())).unwrap();
        log.lock().unwrap().extend([&*line, "\n"]);
        if line.contains("\"message\":\"serving\"") {
            break serde_json::from_str::<Value>(&line).unwrap();
        }
    };
    let rest = Arc::clone(log);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            rest.lock().unwrap().extend([&*line, "\n"]);
        }
    });
    (process, serving)
}

impl Server {
    /// With nothing but a root admin key.
    pub(crate) fn start() -> Self {
        Setup::new().start()
    }

    /// With the spaces and roles that most tests want.
    pub(crate) fn with_spaces() -> Self {
        let server = Self::start();
        server.make_spaces();
        server
    }

    pub(crate) fn make_spaces(&self) {
        for space in ["development", "staging", "production"] {
            self.run(&["space", "create", space, "--parent", "root"]);
        }
        self.run(&["role", "create", "deployer", "--action", "run:trigger"]);
        let last = self.run(&["role", "create", "observer", "--action", "run:read"])["revision"].as_u64().unwrap();
        self.until("the spaces and roles to be known", |server| server.applied_revision() >= last);
    }

    /// The last change that is in force in the server, as its metrics tell.
    pub(crate) fn applied_revision(&self) -> u64 {
        let metrics = http::get(self.ops, "/metrics", &[]).text();
        let line = metrics.lines().find(|line| line.starts_with("claviger_applied_revision ")).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Makes a role with this action, and waits until the server knows it.
    pub(crate) fn make_role(&self, id: &str, action: &str) {
        let made = self.run(&["role", "create", id, "--action", action])["revision"].as_u64().unwrap();
        self.until("the role to be known", |server| server.applied_revision() >= made);
    }

    /// The value of a series, labels and all.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let metrics = http::get(self.ops, "/metrics", &[]).text();
        let line = metrics.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.unwrap_or_else(|| panic!("there is no {series}: {metrics}")).rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub(crate) fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    pub(crate) fn ops(&self) -> SocketAddr {
        self.ops
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin.expect("an admin API")
    }

    pub(crate) fn echo(&self) -> &Echo {
        &self.echo
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir().join("claviger.toml")
    }

    /// What the server has written to stderr so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How much of its memory is resident.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Asks the proxy with this key.
    pub(crate) fn get(&self, key: &str) -> Answer {
        self.get_from(key, "198.51.100.7")
    }

    /// The same from another address.
    pub(crate) fn get_from(&self, key: &str, address: &str) -> Answer {
        http::get(self.proxy, "/", &[("Authorization", &format!("Bearer {key}")), ("X-Forwarded-For", address)])
    }

    /// The roles that the upstream is told of, as `space` → roles; fails if the request does not pass.
    pub(crate) fn roles(&self, key: &str) -> Value {
        let answer = self.get(key);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["claims"]["roles"].clone()
    }

    /// Runs the command line on the server's store: another process. Fails if it fails.
    pub(crate) fn run(&self, arguments: &[&str]) -> Value {
        let output = self.try_run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    pub(crate) fn try_run(&self, arguments: &[&str]) -> Output {
        Command::new(program::claviger())
            .args(arguments)
            .args(["-o", "json", "--config"])
            .arg(self.config())
            .envs(self.environment.clone())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Makes a key; `more` are further arguments of `key create`.
    pub(crate) fn key(&self, name: &str, more: &[&str]) -> Key {
        let made = self.run(&[&["key", "create", "--name", name], more].concat());
        Key { text: made["key"].as_str().unwrap().to_owned() }
    }

    /// Asks again and again until the answer is as it should be.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        assert!(waiting::comes_to_be(|| holds(self)), "{what} never came to be; the log:\n{}", self.log());
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap().success());
    }

    /// Ends it as nobody can prevent.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again when it has ended: on its store, and with its admin API where it was.
    pub(crate) fn start_again(&mut self) {
        let mut environment = self.environment.clone();
        environment.push(("CLAVIGER_ADMIN__LISTEN".to_owned(), self.admin().to_string()));
        let (process, serving) = launched(&self.config(), &environment, &self.log);
        let address = |listener: &str| serving[listener].as_str().unwrap().parse().unwrap();
        (self.process, self.proxy, self.ops) = (process, address("proxy"), address("ops"));
    }

    /// Waits for the process to end.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.process.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
