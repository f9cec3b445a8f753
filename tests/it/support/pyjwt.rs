//! `PyJWT`, to say whether others can read what is signed here.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// A Python with `PyJWT`: the one that `tests/run` has made.
pub(crate) fn python() -> PathBuf {
    let made = std::env::var_os("CLAVIGER_TEST_PYTHON")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/bin/python"), PathBuf::from);
    assert!(
        made.exists(),
        "{} is missing: tests/run makes it (or: python3 -m venv target/test-venv, then pip install 'PyJWT[crypto]')",
        made.display()
    );
    made
}

/// Asks `verify_jwt.py`, whose first lines say what a question looks like: the claims of each token, or what it complains of.
pub(crate) fn verify(question: &Value) -> Result<Vec<Value>, String> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/verify_jwt.py");
    let (stdin, stdout) = (Stdio::piped(), Stdio::piped());
    let mut python = Command::new(python()).arg(script).stdin(stdin).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let answer = python.wait_with_output().unwrap();
    if answer.status.success() {
        Ok(serde_json::from_slice(&answer.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&answer.stderr).into_owned())
    }
}
