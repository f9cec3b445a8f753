//! `docs/verify-tokens.md` shows how an API verifies tokens; here its code meets good tokens, bad ones, and a clock that is behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::pyjwt;
use crate::support::server::Server;

const PAGE: &str = include_str!("../../../docs/verify-tokens.md");

/// The block behind the mark that says it is to be run.
fn code(language: &str) -> String {
    let (_, rest) = PAGE.split_once(&format!("<!-- run: {language} -->\n```")).unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("\n```").unwrap().0.to_owned()
}

/// Where `jose` is installed: by `tests/run`, beside the Python of the tests.
fn node_modules() -> PathBuf {
    let modules = pyjwt::python().ancestors().nth(3).unwrap().join("test-node/node_modules");
    assert!(modules.join("jose").exists(), "{} is missing: tests/run --tools makes it", modules.display());
    modules
}

/// What a program says of tokens by their names: `ok`, or why not.
fn said(mut program: Command, tokens: &Value) -> Value {
    let mut running = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(running.stdin.take().unwrap(), tokens).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn python(dir: &Path, script: &str) -> Command {
    let file = dir.join("asked.py");
    std::fs::write(&file, script).unwrap();
    let mut python = Command::new(pyjwt::python());
    python.arg(file);
    python
}

/// Makes tokens of the server's own, with its signing key, as it would never make them; and one as a server does whose clock is ahead.
const MAKE: &str = r#"
import glob, json, sys, jwt
token, ways = json.load(sys.stdin), {}
key = open(glob.glob(sys.argv[1] + "/*.pem")[0]).read()
header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
def made(headers={}, **changed):
    return jwt.encode(claims | changed, key, algorithm="ES256", headers=header | headers)
ahead = {name: claims[name] + 3 for name in ("iat", "nbf", "exp")}
body, signature = token.rsplit(".", 1)
print(json.dumps({
    "as it is": token, "of a clock that is ahead": made(**ahead),
    "tampered with": body + "." + ("B" if signature[0] != "B" else "C") + signature[1:],
    "for another API": made(aud="another"), "of another issuer": made(iss="https://other.example"),
    "long over": made(exp=claims["iat"] - 60), "not yet": made(nbf=claims["iat"] + 600), "of another type": made({"typ": "JWT"}),
    "without a signature": jwt.encode(claims, None, algorithm="none", headers={"typ": "at+jwt"}),
    "signed by a password": jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"typ": "at+jwt", "kid": header["kid"]}),
}))
"#;

const PYTHON_ASKS: &str = r#"
import json, sys
def answer(token):
    try:
        return "ok" if "roles" in verify(token) else "no roles"
    except Exception as error:
        return repr(error)
print(json.dumps({name: answer(token) for name, token in json.load(sys.stdin).items()}))
"#;

const NODE_ASKS: &str = r#"
import { readFileSync } from "node:fs";
const answers = {};
for (const [name, token] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  answers[name] = await verify(token).then(claims => claims.roles ? "ok" : "no roles", String);
}
console.log(JSON.stringify(answers));
"#;

#[test]
fn the_code_for_apis_takes_good_tokens_of_a_clock_that_is_ahead_too_and_refuses_the_rest() {
    let server = Server::with_spaces();
    let key = server.key("ci-cd-production", &[]);
    server.run(&["binding", "create", "--key", "ci-cd-production", "--role", "deployer", "--space", "production"]);
    server.until("the key to have its role", |server| server.get(&key.text).status == 200);
    let answer = server.get(&key.text).json();
    let environment = [
        ("JWKS", format!("http://{}/.well-known/jwks.json", server.ops())),
        ("ISSUER", answer["claims"]["iss"].as_str().unwrap().to_owned()),
        ("AUDIENCE", answer["claims"]["aud"].as_str().unwrap().to_owned()),
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut make = python(dir.path(), MAKE);
    make.arg(server.dir().join("keys"));
    let tokens = said(make, &answer["token"]);

    let mut by_python = python(dir.path(), &format!("{}\n{PYTHON_ASKS}", code("python")));
    by_python.envs(environment.clone());
    std::os::unix::fs::symlink(node_modules(), dir.path().join("node_modules")).unwrap();
    let script = dir.path().join("asked.mjs");
    std::fs::write(&script, format!("{}\n{NODE_ASKS}", code("node"))).unwrap();
    let mut by_node = Command::new("node");
    by_node.arg(script).envs(environment);

    for program in [by_python, by_node] {
        let called = format!("{program:?}");
        let answers = said(program, &tokens);
        for (name, answer) in answers.as_object().unwrap() {
            let good = matches!(name.as_str(), "as it is" | "of a clock that is ahead");
            assert_eq!(*answer == json!("ok"), good, "{called}: {name}: {answer}");
        }
        assert_eq!(answers.as_object().unwrap().len(), 10);
    }
}
