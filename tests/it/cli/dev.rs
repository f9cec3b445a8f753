//! `claviger dev` keeps what it promises: every line that it prints does what it says.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

struct Dev {
    process: Child,
    shown: Value,
}

impl Dev {
    fn start(dir: &Path) -> Self {
        let free_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = Command::new(env!("CARGO_BIN_EXE_claviger"))
            .args(["dev", "-o", "json", "--set", "proxy.listen=127.0.0.1:0", "--set", "ops.listen=127.0.0.1:0"])
            .args(["--set", &format!("upstream.url=http://127.0.0.1:{free_port}"), "--dir"])
            .arg(dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().unwrap();
        let shown = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>().next().expect("it shows what to try").unwrap();
        assert!(shown["faults"].is_null(), "{shown}");
        Self { process, shown }
    }

    fn tries(&self) -> &[Value] {
        self.shown["tries"].as_array().unwrap()
    }

    fn end(mut self) {
        assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the line as a user would, in a shell; gives the status and the body.
fn run(line: &str) -> (u16, Value) {
    let output = Command::new("sh").args(["-c", &format!("{line} -w '\\n%{{http_code}}'")]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap_or_else(|| panic!("curl said: {text}"));
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

#[test]
fn every_printed_line_does_what_it_says_and_no_key_reaches_the_upstream() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("dev"));
    assert!(dev.tries().len() >= 6);

    for one in dev.tries() {
        let (status, body) = run(one["curl"].as_str().unwrap());
        let expect = one["expect"].as_str().unwrap();

        assert!(expect.starts_with(&status.to_string()), "{expect}, but it is {status}: {body}");
        assert!(!body.to_string().contains("clv_"), "{body}");
        if status == 200 {
            let role = ["observer", "operator", "deployer"].into_iter().find(|role| expect.contains(role)).unwrap();
            let roles = body["jwt"]["claims"]["roles"].to_string();
            assert!(roles.contains(role), "{expect}, but the roles are {roles}");
        }
    }
    dev.end();
}

#[test]
fn starting_again_keeps_the_keys_and_what_was_changed() {
    let dir = tempfile::tempdir().unwrap();
    let first = Dev::start(&dir.path().join("dev"));
    let before = first.tries().iter().map(|one| one["key"].clone()).collect::<Vec<_>>();
    let config = dir.path().join("dev/claviger.toml");
    let disabled =
        Command::new(env!("CARGO_BIN_EXE_claviger")).args(["key", "disable", "laptop", "--config"]).arg(&config).status().unwrap();
    assert!(disabled.success());
    first.end();

    let second = Dev::start(&dir.path().join("dev"));

    assert_eq!(second.tries().iter().map(|one| one["key"].clone()).collect::<Vec<_>>(), before);
    let laptop = second.tries().iter().find(|one| one["name"] == "laptop").unwrap();
    assert_eq!(run(laptop["curl"].as_str().unwrap()).0, 401);
    second.end();
}
