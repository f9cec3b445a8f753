//! The README's first half hour, as it stands there.

use std::process::Command;

use serde_json::{Value, json};

use super::client::Api;
use crate::support::program;
use crate::support::server::Server;

#[test]
fn the_first_half_hour_goes_as_the_readme_tells_it() {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("<!-- half an hour: begin -->\n```bash\n").unwrap();
    let (script, _) = rest.split_once("```\n<!-- half an hour: end -->").unwrap();
    let server = Server::start();
    let root = Api::of_root(&server);
    let script = script
        .replace("http://127.0.0.1:8081", &format!("http://{}", server.admin()))
        .replace("http://127.0.0.1:8080", &format!("http://{}", server.proxy()));
    let program = program::claviger();
    let bin = program.parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());

    let done = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(server.dir())
        .env("PATH", path)
        .env("KEY", root.key.as_deref().unwrap())
        .env("CLAVIGER_CONFIG", server.config())
        .output()
        .unwrap();

    let (told, talk) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{told}\n{talk}");
    assert_eq!(told.matches("\"code\":\"forbidden\"").count(), 1, "{told}");
    assert!(!told.contains("\"status\":4") || told.matches("\"status\":4").count() == 1, "{told}");
    // Three requests have passed, by two texts of one key.
    assert!(told.matches("\"deployer\"").count() >= 3, "{told}");
    let bound = root.get("/bindings?space=team").json();
    let who: Vec<&Value> = bound["items"].as_array().unwrap().iter().map(|binding| &binding["role"]).collect();
    assert!(who.contains(&&json!("space-admin")) && who.contains(&&json!("deployer")) && who.contains(&&json!("space-reader")), "{bound}");
    assert_eq!(root.get("/spaces/team").json()["description"], "What the team runs");
    let refused = root.get("/audit?action=binding.create").json();
    assert!(refused["items"].as_array().unwrap().iter().any(|entry| entry["refused"] == "forbidden"), "{refused}");
}
