//! A fleet from nothing, as the documentation tells it.

use std::process::Command;

use crate::support::postgres::{Database, shared};
use crate::support::program;

#[test]
fn the_first_hour_with_a_fleet_goes_as_the_documentation_tells_it() {
    let page = include_str!("../../../docs/fleet.md");
    let (_, rest) = page.split_once("<!-- fleet: begin -->\n```bash\n").unwrap();
    let (script, _) = rest.split_once("```\n<!-- fleet: end -->").unwrap();
    // An address of this machine that nobody else listens on, so that all ports are free.
    let [high, low] = u16::try_from(std::process::id() % 65_000).unwrap().to_be_bytes();
    let script = script.replace("127.0.0.1", &format!("127.91.{high}.{}", low.max(2)));
    let database = Database::empty(shared());
    let program = program::claviger();
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let dir = tempfile::tempdir().unwrap();

    // What has been started goes with the script, wherever it ends.
    let done = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &format!("trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{script}")])
        .current_dir(dir.path())
        .env_clear()
        .envs([("PATH", path.as_str()), ("HOME", dir.path().to_str().unwrap()), ("DATABASE", &database.url())])
        .output()
        .unwrap();

    let (told, talk) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{told}\n{talk}");
    for line in [
        "200 200 200 200 when it has been made",
        "401 401 401 401 when it has been disabled",
        "200 200 200 200 when it has been enabled",
        "000 401 401 401 when it has been revoked, with one of four away",
        "key.revoke",
    ] {
        assert!(told.contains(line), "{line}: {told}\n{talk}");
    }
}
