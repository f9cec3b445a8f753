//! The same commands on a store and at a server: the same words, the same exit codes.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::place::Run;
use crate::support::server::{Server, Setup};

/// A key that is known before the store is, so that both servers begin alike.
fn bootstrap_key() -> String {
    let made = Command::new(env!("CARGO_BIN_EXE_claviger")).args(["key", "generate"]).output().unwrap();
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn server(key: &str) -> Server {
    Setup::new()
        .environment("CLAVIGER_BOOTSTRAP_KEY", key)
        .policies([(
            "office.rego",
            "package spacelift\n\nallow if input.session.member\n\nroles[\"prod\"][\"space-reader\"] if \"eu\" in input.session.teams\n",
        )])
        .start()
}

/// Runs at the server, or on its store.
fn run(server: &Server, line: &[&str], environment: &[(&str, &str)], stdin: &str) -> Run {
    let home = server.dir().join("home");
    let mut child = Command::new(env!("CARGO_BIN_EXE_claviger"))
        .args(line)
        .env_clear()
        .env("HOME", home)
        .env("CLAVIGER_ACTOR", "somebody")
        .envs(environment.iter().copied())
        .current_dir(server.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may be gone before it is written.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes());
    let done = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
}

/// What differs from run to run, made alike: ids and keys by the order in which they come, times, and who did it.
#[derive(Default)]
struct Alike {
    known: BTreeMap<String, usize>,
}

impl Alike {
    fn text(&mut self, text: &str) -> String {
        let mut words = String::new();
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_:.-".contains(letter);
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            words.push_str(&self.word(word));
            let next = after.find(is_part).unwrap_or(after.len());
            let (between, after) = after.split_at(next);
            // Columns are as wide as what stands in them.
            words.push_str(if between.len() > 1 && between.trim().is_empty() && !between.contains('\n') { "  " } else { between });
            rest = after;
        }
        words
    }

    fn word(&mut self, word: &str) -> String {
        let is_time = word.len() >= 20 && word.as_bytes()[4] == b'-' && word.as_bytes()[10] == b'T';
        let is_ulid = |text: &str| text.len() == 26 && text.starts_with("01");
        let is_key = word.starts_with("clv_");
        let is_digest = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_time {
            return "TIME".to_owned();
        }
        if word.starts_with("operator::") || word.starts_with("api::") {
            return "ACTOR".to_owned();
        }
        if is_ulid(word) || is_key || is_digest {
            let next = self.known.len();
            return format!("<{}>", self.known.entry(word.to_owned()).or_insert(next));
        }
        word.to_owned()
    }
}

/// Lines, each with what stands on its stdin.
const LINES: &[(&str, &str)] = &[
    ("space create prod --description Production --label eu", ""),
    ("space create stage --parent prod", ""),
    ("space create stage", ""),
    ("space create x --parent nowhere", ""),
    ("space list", ""),
    ("space show stage -o json", ""),
    ("space update stage --name Staging --label a --label b", ""),
    ("space update stage --parent root", ""),
    ("space update prdo --name x", ""),
    ("role create deployer --action run:trigger --action run:*", ""),
    ("role update deployer --description Deploys -o json", ""),
    ("role delete space-admin --yes", ""),
    ("role list -o name", ""),
    ("group create eu --description Europe", ""),
    ("group list -o yaml", ""),
    ("key create --name ci --group eu --bind deployer@prod -o json", ""),
    ("key create --name ci", ""),
    ("key create --name other --expires 90d --bind deployr@prod", ""),
    ("key create --name other --expires 90d --bind deployer@stage", ""),
    ("key import --name imported --sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", ""),
    ("key import --name again --sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", ""),
    ("key list", ""),
    ("key list -o json", ""),
    ("key show ci", ""),
    ("key show c1", ""),
    ("key update ci --description Builds --add-group us", ""),
    ("key update ci --remove-group us --expires never -o json", ""),
    ("key rotate ci --grace 1h", ""),
    ("key disable other", ""),
    ("key enable other", ""),
    ("key revoke other --yes", ""),
    ("key show other", ""),
    ("key revoke root-admin --yes", ""),
    ("binding create --group eu --role space-writer --space stage", ""),
    ("binding create --group eu --role space-writer --space stage", ""),
    ("binding create --key ci --role space-reader --space stage --dry-run", ""),
    ("binding list", ""),
    ("binding list --group eu -o json", ""),
    ("policy create deny --file -", "package spacelift\n\ndeny if input.session.login == \"ci\"\n"),
    ("policy create broken --file -", "package spacelift\n\ndeny if {\n"),
    ("policy list", ""),
    ("policy show office", ""),
    ("policy show deny -o json", ""),
    ("policy update deny --file - --dry-run", "package spacelift\n\ndeny if false\n"),
    ("policy simulate --file - --key ci", "package spacelift\n\nallow if true\n"),
    ("explain --key ci --ip 10.0.0.1", ""),
    ("explain --key imported -o json", ""),
    ("policy delete deny --yes", ""),
    ("explain --key ci --ip 10.0.0.1", ""),
    ("strategy show", ""),
    ("strategy set user-management --yes", ""),
    ("apply -f - --dry-run", "spaces:\n- id: new\n  parent: prod\n"),
    (
        "apply -f -",
        "spaces:\n- id: new\n  parent: prod\nkeys:\n- name: declared\n  sha256: \"60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752\"\nbindings:\n- key: declared\n  role: space-reader\n  space: new\n",
    ),
    ("apply -f - --prune --yes", "spaces:\n- id: new\n  parent: prod\n"),
    ("apply -f -", "spaces:\n- id: new\n  parent: nowhere\n- id: 7 7\n"),
    ("export", ""),
    ("space delete prod --yes", ""),
    ("audit --action policy.", ""),
    ("audit --action key.rotate", ""),
    ("policy sample list", ""),
];

#[test]
fn commands_say_the_same_on_a_store_and_at_a_server() {
    let key = bootstrap_key();
    let (there, here) = (server(&key), server(&key));
    let (url, config) = (format!("http://{}", there.admin()), here.config().display().to_string());
    // What a policy is asked with depends on the place of its directory alone.
    let dir = here.dir().join("policies").display().to_string();
    let (mut over_http, mut on_store) = (Alike::default(), Alike::default());
    for (line, stdin) in LINES {
        let line: Vec<&str> = line.split(' ').collect();
        let remote = run(&there, &line, &[("CLAVIGER_SERVER", &url), ("CLAVIGER_KEY", &key)], stdin);
        let local = run(&here, &line, &[("CLAVIGER_CONFIG", &config), ("CLAVIGER_POLICIES__DIR", &dir)], stdin);
        let places = |text: &str, server: &Server| text.replace(&server.dir().display().to_string(), "DIR");
        // A change over the network comes from somewhere.
        let from = |text: String| {
            text.replace("\"remote_ip\": \"127.0.0.1\"", "\"remote_ip\": null").replace("remote_ip: \"127.0.0.1\"", "remote_ip: null")
        };
        let without_hash = |text: String| -> String {
            let told = |line: &&str| ["hash", "request_id"].iter().all(|field| !line.contains(field));
            text.lines().filter(told).flat_map(|line| [line, "\n"]).collect()
        };
        let out = |alike: &mut Alike, run: &Run, server: &Server| without_hash(from(alike.text(&places(&run.out, server))));
        let (there_out, here_out) = (out(&mut over_http, &remote, &there), out(&mut on_store, &local, &here));
        let (there_err, here_err) = (over_http.text(&places(&remote.err, &there)), on_store.text(&places(&local.err, &here)));
        assert_eq!((remote.code, &there_err), (local.code, &here_err), "{line:?}");
        assert_eq!(there_out, here_out, "{line:?}");
    }
    // They came by the key, with its rights, and the audit says so.
    let audit = run(&there, &["audit", "--limit", "500", "-o", "json"], &[("CLAVIGER_SERVER", &url), ("CLAVIGER_KEY", &key)], "");
    let audit: Value = serde_json::from_str(&audit.out).unwrap();
    let entries = audit.as_array().unwrap();
    assert!(entries.iter().filter(|entry| entry["actor"].as_str().unwrap().starts_with("api::")).count() > 30, "{audit}");
    assert!(entries.iter().all(|entry| !entry["actor"].as_str().unwrap().starts_with("operator::")), "{audit}");
}

#[test]
fn a_space_admin_manages_the_own_space_from_the_command_line_and_nothing_else() {
    let server = Server::start();
    for line in
        [&["space", "create", "team"][..], &["space", "create", "other"], &["role", "create", "deployer", "--action", "run:trigger"]]
    {
        server.run(line);
    }
    let admin = server.key("admin", &["--bind", "space-admin@team"]).text;
    server.key("ci", &[]);
    let url = format!("http://{}", server.admin());
    let environment = [("CLAVIGER_SERVER", url.as_str()), ("CLAVIGER_KEY", admin.as_str())];
    let done = |line: &str| {
        let ran = run(&server, &line.split(' ').collect::<Vec<_>>(), &environment, "");
        assert_eq!(ran.code, 0, "{line}: {}", ran.err);
        ran.out
    };
    let refused = |line: &str, why: &str| {
        let ran = run(&server, &line.split(' ').collect::<Vec<_>>(), &environment, "package spacelift\nallow if true\n");
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{line}: {}", ran.err);
        assert!(ran.err.contains(why), "{line}: {}", ran.err);
    };
    done("space create below --parent team");
    done("binding create --key ci --role deployer --space below");
    assert!(done("key list").contains("ci"));
    assert!(!done("key show ci -o json").contains("sha256"));
    assert!(done("whoami").contains("administers  team"));
    refused("binding create --key ci --role deployer --space other", "only an admin of space other may bind roles there");
    refused("binding create --key admin --role space-admin --space root", "only an admin of space root");
    refused("key create --name mine", "only a root admin may create keys");
    refused("policy list", "only a root admin may see login policies");
    refused("policy create mine --file -", "only a root admin may see login policies");
    refused("strategy show", "only a root admin may see the strategy");
    refused("explain --key ci", "only a root admin may have decisions explained");
    refused("audit", "only a root admin may see the audit");
    refused("export", "only a root admin may");
    refused("space update team --parent other", "only an admin of space");
}

#[test]
fn who_has_logged_in_needs_to_say_neither_server_nor_key() {
    let server = Server::start();
    let root = server.key("root", &["--bind", "space-admin@root"]).text;
    let url = format!("http://{}", server.admin());
    let plain = |line: &str, stdin: &str| run(&server, &line.split(' ').collect::<Vec<_>>(), &[], stdin);

    let nowhere = plain("space list", "");
    assert_eq!((nowhere.code, nowhere.out.as_str()), (2, ""), "{}", nowhere.err);
    for (wrong, code) in [("clv_wrong", 2), ("another-wrong-one", 1)] {
        let ran = plain(&format!("login --server {url}"), &format!("{wrong}\n"));
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{}", ran.err);
        assert!(!ran.err.contains(wrong), "{}", ran.err);
    }

    let logged_in = plain(&format!("login --server {url} --as test"), &format!("{root}\n"));
    assert_eq!(logged_in.code, 0, "{}", logged_in.err);
    assert!(!logged_in.out.contains(&root) && !logged_in.err.contains(&root));
    let file = server.dir().join("home/.config/claviger/profiles.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(plain("space create made", "").code, 0);
    assert!(plain("space list --profile test", "").out.contains("made"));
    assert!(plain("space list --profile tset", "").err.contains("there are: test"));

    // What is shown for a shell has the same effect in one, and no key in it.
    let shown = plain("space create shown --print-curl", "");
    let lines: Vec<&str> = shown.err.lines().filter(|line| line.starts_with("curl ")).collect();
    assert!(lines.iter().any(|line| line.contains("/api/v1/changes")) && !shown.err.contains(&root), "{}", shown.err);
    let change = lines.iter().find(|line| line.contains("/api/v1/changes")).unwrap().replace("shown", "by_curl");
    let curled = Command::new("sh").args(["-c", &change]).env("CLAVIGER_KEY", &root).output().unwrap();
    assert!(String::from_utf8_lossy(&curled.stdout).contains("\"revision\""), "{curled:?}");
    assert!(plain("space list", "").out.contains("by_curl"));

    // A key that others may read is not used.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let readable = plain("space list", "");
    assert_eq!((readable.code, readable.out.as_str()), (2, ""), "{}", readable.err);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(plain("logout", "").code, 0);
    assert_eq!(plain("space list", "").code, 2);
    assert!(!std::fs::read_to_string(&file).unwrap().contains(&root));
}

#[test]
fn nothing_is_guessed_between_a_server_and_a_store() {
    let server = Server::start();
    let root = server.key("root", &["--bind", "space-admin@root"]).text;
    let (url, store) = (format!("http://{}", server.admin()), format!("sqlite://{}", server.dir().join("claviger.db").display()));
    let both = run(&server, &["space", "list"], &[("CLAVIGER_SERVER", &url), ("CLAVIGER_STORE", &store), ("CLAVIGER_KEY", &root)], "");
    assert_eq!((both.code, both.out.as_str()), (2, ""), "{}", both.err);
    for (line, environment) in [
        (vec!["space", "list", "--server", &url, "--store", &store], vec![("CLAVIGER_KEY", root.as_str())]),
        (vec!["space", "list", "--server", &url], vec![]),
        (vec!["space", "list", "--server", "ftp://127.0.0.1:1"], vec![("CLAVIGER_KEY", root.as_str())]),
        (vec!["audit", "verify", "--server", &url], vec![("CLAVIGER_KEY", root.as_str())]),
        (vec!["policy", "test", ".", "--server", &url], vec![("CLAVIGER_KEY", root.as_str())]),
    ] {
        let ran = run(&server, &line, &environment, "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{line:?}: {}", ran.err);
        assert!(!ran.err.contains(&root), "{}", ran.err);
    }
    // Said on the line, either counts before what the environment says.
    assert_eq!(run(&server, &["space", "list", "--store", &store], &[("CLAVIGER_SERVER", &url)], "").code, 0);
    assert_eq!(run(&server, &["space", "list", "--server", &url], &[("CLAVIGER_STORE", &store), ("CLAVIGER_KEY", &root)], "").code, 0);
    // Nobody there.
    let away = run(&server, &["space", "list", "--server", "http://127.0.77.2:1"], &[("CLAVIGER_KEY", &root)], "");
    assert_eq!((away.code, away.out.as_str()), (1, ""), "{}", away.err);
    assert!(away.err.contains("http://127.0.77.2:1"), "{}", away.err);
}

#[test]
fn many_keys_are_made_and_ended_at_once_or_not_at_all() {
    let server = Server::with_spaces();
    let root = server.key("root", &["--bind", "space-admin@root"]).text;
    let url = format!("http://{}", server.admin());
    let config = server.config().display().to_string();
    let at_server = [("CLAVIGER_SERVER", url.as_str()), ("CLAVIGER_KEY", root.as_str())];
    let on_store = [("CLAVIGER_CONFIG", config.as_str())];
    for (way, environment) in [("http", &at_server[..]), ("store", &on_store[..])] {
        let bulk = |verb: &str, rest: &[&str], list: &str| {
            run(&server, &[&["key", "bulk", verb, "--from", "-", "-o", "json"][..], rest].concat(), environment, list)
        };
        let names: Vec<String> = (0..300).map(|number| format!("{way}-{number:03}")).collect();
        let list = format!("# of the team\n\n{}   # the last one\n", names.join("\n"));
        let made = bulk("create", &["--group", "eu", "--expires", "30d", "--bind", "space-reader@production"], &list);
        assert_eq!(made.code, 0, "{}", made.err);
        let made: Vec<Value> = serde_json::from_str(&made.out).unwrap();
        assert_eq!(made.iter().map(|key| key["name"].as_str().unwrap()).collect::<Vec<_>>(), names);
        assert_eq!(server.get(made[299]["key"].as_str().unwrap()).status, 200);

        let newest = || server.run(&["audit", "--limit", "20"]).as_array().unwrap().iter().find_map(|entry| entry["revision"].as_u64());
        let before = newest();
        let twice = bulk("create", &[], &format!("{way}-new\n{way}-007\n"));
        assert_eq!((twice.code, twice.out.as_str()), (1, ""));
        assert!(twice.err.contains(&format!("nothing was changed: {way}-007: the name {way}-007 is taken")), "{}", twice.err);
        let missing = bulk("revoke", &["--yes"], &format!("{way}-001\nnobody\n{way}-002\nneither\n{way}-001\n"));
        assert_eq!((missing.code, missing.out.as_str()), (1, ""));
        for told in ["there is no key nobody", "there is no key neither", "named twice"] {
            assert!(missing.err.contains(told), "{told}: {}", missing.err);
        }
        let last_admins = bulk("disable", &[], &format!("root\nroot-admin\n{way}-003\n"));
        assert_eq!((last_admins.code, last_admins.out.as_str()), (1, ""));
        assert_eq!(newest(), before);

        for (verb, state, status) in [("disable", "disabled", 401), ("enable", "active", 200), ("revoke", "revoked", 401)] {
            let changed = bulk(verb, if verb == "revoke" { &["--yes"] } else { &[] }, &list);
            assert_eq!(changed.code, 0, "{verb}: {}", changed.err);
            let changed: Vec<Value> = serde_json::from_str(&changed.out).unwrap();
            assert!(changed.len() == 300 && changed.iter().all(|key| key["state"] == state), "{verb}");
            server.until("the change", |server| server.get(made[150]["key"].as_str().unwrap()).status == status);
        }
    }
}

#[test]
fn a_key_sees_rotates_and_revokes_itself_from_the_command_line() {
    let server = Server::with_spaces();
    server.run(&["role", "create", "self-service", "--action", "key:rotate-self"]);
    let url = format!("http://{}", server.admin());
    let (rotates, other) = (server.key("rotates", &["--bind", "self-service@production"]), server.key("other", &[]));
    let id = |key: &str| server.run(&["key", "show", key])["id"].as_str().unwrap().to_owned();
    let by = |key: &str, line: &[&str]| run(&server, line, &[("CLAVIGER_SERVER", &url), ("CLAVIGER_KEY", key)], "");

    let seen = by(&rotates.text, &["key", "show", &id("rotates")]);
    assert!(seen.code == 0 && seen.out.contains("self-service@production"), "{}", seen.err);
    let done = by(&rotates.text, &["key", "rotate", &id("rotates"), "--grace", "1h", "-o", "json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let next = serde_json::from_str::<Value>(&done.out).unwrap()["key"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&next).status, 200);
    // By the secret that is on its way out it cannot get another one, but it can end itself.
    assert_eq!(by(&rotates.text, &["key", "rotate", &id("rotates"), "--grace", "0"]).code, 1);
    for (line, key) in
        [(["key", "show"], "rotates"), (["key", "rotate"], "rotates"), (["key", "disable"], "other"), (["key", "revoke"], "rotates")]
    {
        let id = id(key);
        let grace: &[&str] = if line[1] == "rotate" { &["--grace", "0"] } else { &[] };
        let refused = by(&other.text, &[&line[..], &[id.as_str()], grace].concat());
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{line:?}");
    }
    assert_eq!(by(&rotates.text, &["key", "revoke", &id("rotates"), "--yes"]).code, 0);
    assert_eq!((server.get(&next).status, server.get(&rotates.text).status), (401, 401));
}
