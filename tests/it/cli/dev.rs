//! `claviger dev` keeps what it promises: every line that it prints does what it says.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::pyjwt::python;

struct Dev {
    process: Child,
    shown: Value,
}

impl Dev {
    fn start(dir: &Path) -> Self {
        let free_port = free_port();
        let mut process = Command::new(env!("CARGO_BIN_EXE_claviger"))
            .args([
                "dev",
                "-o",
                "json",
                "--set",
                "proxy.listen=127.0.0.1:0",
                "--set",
                "ops.listen=127.0.0.1:0",
                "--set",
                "admin.listen=127.0.0.1:0",
            ])
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

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
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
fn every_port_that_is_taken_is_told_at_once_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let taken: Vec<_> = (0..4).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let [proxy, ops, upstream, admin] = [0, 1, 2, 3].map(|at: usize| taken[at].local_addr().unwrap());

    let output = Command::new(env!("CARGO_BIN_EXE_claviger"))
        .args([
            "dev",
            "--set",
            &format!("proxy.listen={proxy}"),
            "--set",
            &format!("ops.listen={ops}"),
            "--set",
            &format!("admin.listen={admin}"),
        ])
        .args(["--set", &format!("upstream.url=http://{upstream}"), "--dir"])
        .arg(dir.path().join("dev"))
        .output()
        .unwrap();

    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    for (who, address, other) in [
        ("proxy", proxy, "proxy.listen"),
        ("ops listener", ops, "ops.listen"),
        ("example upstream", upstream, "upstream.url"),
        ("admin API", admin, "admin.listen"),
    ] {
        assert!(told.contains(&format!("the {who} cannot listen on {address}")) && told.contains(&format!("--set {other}=")), "{told}");
    }
    assert!(told.contains("4 ports that are needed cannot be had"), "{told}");
    assert!(!dir.path().join("dev/claviger.db").exists());
}

#[test]
fn the_issuer_is_where_the_keys_are() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("dev"));

    let (_, body) = run(dev.tries()[0]["curl"].as_str().unwrap());
    let issuer = format!("http://{}", dev.shown["ops"].as_str().unwrap());

    assert_eq!(body["jwt"]["claims"]["iss"], issuer.as_str(), "{body}");
    assert_eq!(run(&format!("curl -s {issuer}/.well-known/jwks.json")).0, 200);
    dev.end();
}

#[test]
fn it_ends_when_its_terminal_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/closed_terminal.py");

    let output = Command::new(python())
        .arg(script)
        .args(["Claviger is running", env!("CARGO_BIN_EXE_claviger"), "dev", "--set", "proxy.listen=127.0.0.1:0"])
        .args([
            "--set",
            "ops.listen=127.0.0.1:0",
            "--set",
            "admin.listen=127.0.0.1:0",
            "--set",
            &format!("upstream.url=http://127.0.0.1:{}", free_port()),
            "--dir",
        ])
        .arg(dir.path().join("dev"))
        .output()
        .unwrap();

    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
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
