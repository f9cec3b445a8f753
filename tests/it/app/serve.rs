//! The life of a serving process: first key, readiness, reload, signals, kill -9.

use serde_json::Value;

use crate::support::http;
use crate::support::server::{Server, Setup};

fn generate() -> Value {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_claviger")).args(["key", "generate", "-o", "json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_first_root_admin_key_comes_from_the_environment() {
    let key = generate()["key"].as_str().unwrap().to_owned();
    let server = Setup::new().environment("CLAVIGER_BOOTSTRAP_KEY", &key).start();

    assert_eq!(server.roles(&key), serde_json::json!({ "root": ["space-admin"] }));
    assert!(!server.log().contains(&key));
}

#[test]
fn a_ready_server_says_so_and_a_metric_scraper_is_content() {
    let server = Server::start();

    assert_eq!(http::get(server.ops(), "/livez", &[]).status, 200);
    let ready = http::get(server.ops(), "/readyz?verbose", &[]);
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert!(http::get(server.ops(), "/metrics", &[]).text().contains("claviger_build_info"));
}

#[test]
fn the_last_root_admin_cannot_be_locked_out() {
    let server = Server::start();

    let refused = server.try_run(&["key", "revoke", "root-admin"]);

    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}

#[test]
fn a_terminated_server_ends_well_and_what_it_acknowledged_is_there_at_the_next_start() {
    let mut server = Server::with_spaces();
    server.key("ci", &["--bind", "deployer@production"]);

    server.signal("TERM");

    assert!(server.wait().success(), "{}", server.log());
    assert_eq!(server.run(&["key", "show", "ci"])["name"], "ci");
}

#[test]
fn a_server_that_is_to_end_is_not_ready_at_once_and_takes_connections_for_a_while() {
    let mut server = Setup::new().environment("CLAVIGER_DRAIN_DELAY", "3s").start();
    let key = server.key("ci", &["--bind", "space-reader@root"]);
    server.until("the key", |server| server.get(&key.text).status == 200);

    server.signal("TERM");

    server.until("the end of readiness", |server| http::get(server.ops(), "/readyz", &[]).status == 503);
    assert_eq!(server.get(&key.text).status, 200, "a new connection is served");
    assert!(server.wait().success(), "{}", server.log());
}

#[test]
fn who_asks_for_a_drain_gets_one_and_the_signal_that_comes_then_cuts_off_nothing() {
    let mut server = Setup::new().environment("CLAVIGER_DRAIN_DELAY", "3s").start();
    let key = server.key("ci", &["--bind", "space-reader@root"]);
    server.until("the key", |server| server.get(&key.text).status == 200);

    let asked = server.try_run(&["drain", "--set", &format!("ops.listen={}", server.ops())]);

    assert!(asked.status.success(), "{asked:?}");
    server.until("the end of readiness", |server| http::get(server.ops(), "/readyz", &[]).status == 503);
    server.signal("TERM");
    assert_eq!(server.get(&key.text).status, 200, "a new connection is served");
    assert!(server.wait().success(), "{}", server.log());
    assert!(!server.log().contains("before everything was finished"), "{}", server.log());
}

#[test]
fn an_empty_variable_takes_back_the_configuration_that_an_image_names() {
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_claviger"))
        .args(["check", "-o", "json"])
        .env("CLAVIGER_CONFIG", "")
        .env("CLAVIGER_STORE__MAX_STALENESS", "7 parsecs")
        .output()
        .unwrap();

    let told: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(told["faults"].as_array().unwrap().iter().map(|fault| &fault["key"]).collect::<Vec<_>>(), ["store.max_staleness"], "{told}");
}

#[test]
fn the_limit_of_open_files_is_raised_and_told() {
    let limit = |name: &str| {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
        line.split_whitespace().nth(if name == "soft" { 3 } else { 4 }).unwrap().to_owned()
    };
    let (soft, hard) = (limit("soft"), limit("hard"));
    let server = Server::start();

    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(line.split_whitespace().nth(3), Some(&*hard), "{line}");
    assert_eq!(server.log().contains("raised the limit of open files"), soft != hard);
}

#[test]
fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let mut server = Server::with_spaces();
    let mut names = Vec::new();
    for number in 0..10 {
        names.push(format!("key-{number}"));
        server.key(&names[number], &[]);
    }

    server.signal("KILL");
    server.wait();

    for name in names {
        assert_eq!(server.run(&["key", "show", &name])["name"], name);
    }
}

#[test]
fn a_broken_policy_file_leaves_the_old_policies_in_force_and_is_told() {
    let server = Setup::new().policies([("deny.rego", "package spacelift\n\ndeny if input.session.login == \"ci\"\n")]).start();
    server.make_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]);
    assert_eq!(server.get(&key.text).code(), "denied");

    std::fs::write(server.dir().join("policies/deny.rego"), "package spacelift\n\ndeny if {\n").unwrap();
    server.signal("HUP");
    server.until("the complaint", |server| server.log().contains("deny.rego"));
    assert_eq!(server.get(&key.text).code(), "denied");

    std::fs::write(server.dir().join("policies/deny.rego"), "package spacelift\n\ndeny if input.session.login == \"other\"\n").unwrap();
    server.until("the new policy", |server| server.get(&key.text).status == 200);
}

#[test]
fn a_policy_that_names_a_key_in_the_wrong_case_is_told_at_the_start_and_at_a_reload() {
    let policy = |login: &str| format!("package spacelift\n\nallow if input.session.login == \"{login}\"\n");
    let server = Setup::new().has_run(&["key", "create", "--name", "cd"]).policies([("login.rego", &*policy("CD"))]).start();
    let log = server.log();
    assert!(log.contains("`CD` is not one of them") && log.contains("cd\\\"`?"), "{log}");
    server.key("ci-production", &[]);

    std::fs::write(server.dir().join("policies/login.rego"), policy("CI-Production")).unwrap();
    server.signal("HUP");

    server.until("the warning", |server| server.log().contains("ci-production\\\"`?"));
}

#[test]
fn policies_of_a_config_map_are_read_anew_when_its_link_is_swapped() {
    let server = Setup::new().policies([]).start();
    server.make_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]);
    let dir = server.dir().join("policies");
    // As the kubelet does it: each version in a directory of its own, `..data` leading to one of them, and each file through `..data`.
    let publish = |version: &str, text: &str| {
        std::fs::create_dir(dir.join(version)).unwrap();
        std::fs::write(dir.join(version).join("login.rego"), text).unwrap();
        std::os::unix::fs::symlink(version, dir.join("..data_tmp")).unwrap();
        std::fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    };
    let metric = |server: &Server, line: &str| http::get(server.ops(), "/metrics", &[]).text().lines().any(|found| found == line);
    publish("..v1", "package spacelift\n\ndeny if input.session.login == \"ci\"\n");
    std::os::unix::fs::symlink("..data/login.rego", dir.join("login.rego")).unwrap();
    server.until("the first version", |server| server.get(&key.text).code() == "denied");

    publish("..v2", "package spacelift\n\ndeny if inputs.session.login == \"other\"\n");
    server.until("the complaint", |server| metric(server, "claviger_config_last_reload_success 0"));
    server.until("the reason", |server| server.log().contains("variable `inputs` is unsafe"));
    assert_eq!(server.get(&key.text).code(), "denied");

    publish("..v3", "package spacelift\n\ndeny if input.session.logn == \"other\"\n");
    server.until("the third version", |server| server.get(&key.text).status == 200);
    assert!(metric(&server, "claviger_config_last_reload_success 1"));
    server.until("the warning", |server| server.log().contains("there is no `input.session.logn`"));
}

#[test]
fn the_file_alone_is_the_store_once_nobody_has_it_open() {
    let mut server = Server::start();
    server.key("ci", &[]);
    let file = server.dir().join("claviger.db");
    let log = |file: &std::path::Path| std::fs::metadata(file.with_extension("db-wal")).map_or(0, |log| log.len());
    server.signal("TERM");
    assert!(server.wait().success());
    assert_eq!(log(&file), 0, "after serve");
    server.key("cd", &[]);
    assert_eq!(log(&file), 0, "after a command");

    let copy = server.dir().join("copy.db");
    std::fs::copy(&file, &copy).unwrap();

    let listed = server.run(&["key", "list", "--store", &format!("sqlite://{}", copy.display())]);
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["root-admin", "ci", "cd"]);
}

/// The events of the log since it serves, all of which are objects.
fn events(server: &Server) -> Vec<Value> {
    let log = server.log();
    // Before it serves it may tell of the first key.
    let lines = log.lines().skip_while(|line| !line.contains("\"message\":\"serving\""));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

#[test]
fn a_reload_of_what_only_a_restart_puts_in_force_says_so_and_counts_as_failed() {
    let server = Server::start();
    let before = std::fs::read_to_string(server.config()).unwrap();
    let changed =
        before.replace("threads = 1", "threads = 2").replace("claviger.db", "other.db").replace("[token]", "[token]\nttl = \"30s\"");
    std::fs::write(server.config(), changed + "[login]\nstrategy = \"login-policies\"\n").unwrap();

    server.signal("HUP");

    server.until("the warnings", |server| server.log().matches("needs a restart").count() >= 2);
    let named = |message: &str| -> std::collections::BTreeSet<String> {
        let events = events(&server);
        let named = events.iter().filter(|event| event["message"].as_str().unwrap().contains(message));
        named.map(|event| event["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(named("needs a restart"), ["proxy.threads", "store.url"].map(str::to_owned).into());
    assert_eq!(named("now in force"), ["token.ttl".to_owned()].into());
    server.until("the count", |server| server.metric("claviger_config_last_reload_success") == 0);
    std::fs::write(server.config(), before).unwrap();
    server.signal("HUP");
    server.until("what is in force to be what is configured", |server| server.metric("claviger_config_last_reload_success") == 1);
}

#[test]
fn a_configuration_that_changes_is_read_anew_without_a_signal() {
    let server = Server::start();
    let before = std::fs::read_to_string(server.config()).unwrap();
    let file = server.dir().join("next.toml");
    std::fs::write(&file, before.replace("[token]", "[token]\naudience = \"others\"")).unwrap();

    // As an editor does it, and `kubectl apply` in its way.
    std::fs::rename(&file, server.config()).unwrap();

    server.until("the other audience", |server| server.log().contains("\"key\":\"token.audience\""));
}

#[test]
fn a_configuration_that_changes_as_soon_as_the_process_serves_is_read_anew() {
    let server = Server::start();
    let before = std::fs::read_to_string(server.config()).unwrap();

    std::fs::write(server.config(), before.replace("[token]", "[token]\naudience = \"others\"")).unwrap();

    server.until("the other audience", |server| server.log().contains("\"key\":\"token.audience\""));
}

#[test]
fn an_emptied_directory_of_policies_takes_nothing_out_of_force() {
    let deny = "package spacelift\n\ndeny if input.session.login == \"ci\"\n";
    let server = Setup::new().policies([("deny.rego", deny)]).start();
    server.make_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]);
    server.until("the key", |server| server.get(&key.text).code() == "denied");
    assert_eq!(server.metric("claviger_policies"), 1);
    let file = server.dir().join("policies/deny.rego");

    std::fs::remove_file(&file).unwrap();
    server.signal("HUP");

    server.until("the refusal", |server| server.log().contains("take policies.dir out of the configuration"));
    assert_eq!((server.get(&key.text).code(), server.metric("claviger_policies")), ("denied".to_owned(), 1));
    assert_eq!(server.metric("claviger_config_last_reload_success"), 0);

    std::fs::write(&file, deny.replace("ci", "other")).unwrap();
    std::fs::write(server.dir().join("policies/watch.rego"), "package spacelift\n\nsample := true\n").unwrap();
    server.signal("HUP");
    server.until("the other policies", |server| server.get(&key.text).status == 200 && server.metric("claviger_policies") == 2);
    server.until("their names", |server| server.log().contains("\"policies\":2,\"names\":\"deny, watch\""));
}

#[test]
fn a_peer_that_names_a_client_and_is_not_trusted_is_warned_of_once_where_a_policy_reads_addresses() {
    let reads = "package spacelift\n\ndeny if not net.cidr_contains(\"127.0.0.0/8\", input.request.remote_ip)\n";
    let untrusting =
        |setup: Setup| setup.environment("CLAVIGER_PROXY__TRUSTED_PROXIES", "[]").environment("CLAVIGER_PROXY__CLIENT_IP", "peer");
    let warnings = |policies: &[(&'static str, &'static str)]| {
        let server = untrusting(Setup::new().policies(policies.iter().copied())).start();
        let key = server.key("ci", &["--bind", "space-reader@root"]);
        server.until("the key", |server| server.get(&key.text).status == 200);
        http::get(server.proxy(), "/last", &[("Forwarded", "for=192.0.2.1")]);
        server.until("the last line", |server| server.log().contains("\"/last\""));
        server.log().matches("names a client").count()
    };

    assert_eq!(warnings(&[("office.rego", reads)]), 1);
    assert_eq!(warnings(&[("blind.rego", "package spacelift\n\nallow if input.session.member\n")]), 0);
}

/// Runs `serve` until it ends by itself.
fn serve(dir: &std::path::Path, variables: &[(&str, &str)], arguments: &[&str]) -> std::process::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_claviger"));
    command.current_dir(dir).env_clear().envs(variables.iter().copied()).arg("serve").args(arguments).output().unwrap()
}

#[test]
fn a_start_that_fails_has_made_and_shown_no_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let free = [("CLAVIGER_PROXY__LISTEN", "127.0.0.1:0"), ("CLAVIGER_OPS__LISTEN", "127.0.0.1:0")];
    let malformed = "clv_01hv00000000000000000000aa_x";
    for (what, variables) in [
        ("a port that is taken", [("CLAVIGER_PROXY__LISTEN", &*taken), ("CLAVIGER_OPS__LISTEN", "127.0.0.1:0")]),
        ("another one", [("CLAVIGER_PROXY__LISTEN", "127.0.0.1:0"), ("CLAVIGER_OPS__LISTEN", &*taken)]),
        ("a directory that is not there", [free[0], ("CLAVIGER_POLICIES__DIR", "nowhere")]),
        ("a key that is none", [free[0], ("CLAVIGER_BOOTSTRAP_KEY", malformed)]),
        ("a signing key that is none", [free[0], ("CLAVIGER_TOKEN__KEYS", "broken")]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("broken")).unwrap();
        std::fs::write(dir.path().join("broken/a.pem"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
        std::fs::set_permissions(dir.path().join("broken/a.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();

        let ended = serve(dir.path(), &[&free[..], &variables[..]].concat(), &[]);

        assert!(!ended.status.success(), "{what}");
        assert_eq!(String::from_utf8(ended.stdout).unwrap(), "", "{what}");
        let url = format!("sqlite://{}", dir.path().join("claviger.db").display());
        let mut list = std::process::Command::new(env!("CARGO_BIN_EXE_claviger"));
        let keys = list.env_clear().args(["key", "list", "-o", "json", "--store", &url]).output().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&keys.stdout).unwrap_or_default().as_array().map_or(0, Vec::len), 0, "{what}: {keys:?}");
    }
}

#[test]
fn the_key_from_the_environment_is_told_of_by_its_id() {
    let key = generate()["key"].as_str().unwrap().to_owned();
    let server = Setup::new().environment("CLAVIGER_BOOTSTRAP_KEY", &key).start();

    let id = key.split('_').nth(1).unwrap();
    assert!(server.log().contains(&format!("\"key\":\"{id}\"")), "{}", server.log());
}

#[test]
fn a_start_says_which_configuration_it_has_read_and_takes_none_that_lies_there() {
    let server = Server::start();
    let named = server.config().display().to_string();
    assert!(server.log().lines().any(|line| line.contains("configured by this file") && line.contains(&named)), "{}", server.log());

    let dir = tempfile::tempdir().unwrap();
    // With a fault, so that it would be told if it were read.
    std::fs::write(dir.path().join("claviger.toml"), "[token]\nttl = \"1s\"\n").unwrap();
    let variables = [("CLAVIGER_PROXY__LISTEN", "127.0.0.1:0"), ("CLAVIGER_OPS__LISTEN", "127.0.0.1:0"), ("CLAVIGER_LOG__FORMAT", "json")];
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_claviger"));
    command.current_dir(dir.path()).env_clear().envs(variables).arg("serve").stderr(std::process::Stdio::piped());
    let mut process = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(process.stderr.take().unwrap()));
    let warned = lines
        .map_while(Result::ok)
        .take_while(|line| !line.contains("\"message\":\"serving\""))
        .any(|line| line.contains("\"level\":\"WARN\"") && line.contains("claviger.toml") && line.contains("was not read"));
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(warned);
}

#[test]
fn the_default_listeners_take_both_families_and_the_healthcheck_finds_them() {
    let free = |address: &str| std::net::TcpListener::bind(address).unwrap().local_addr().unwrap().port();
    let (proxy, ops) = (free("127.0.0.1:0"), free("127.0.0.1:0"));
    let server = Setup::new()
        .environment("CLAVIGER_PROXY__LISTEN", &format!("[::]:{proxy}"))
        .environment("CLAVIGER_OPS__LISTEN", &format!("[::]:{ops}"))
        .start();

    for host in ["127.0.0.1", "[::1]"] {
        let reached = |port: u16| http::get(format!("{host}:{port}").parse().unwrap(), "/livez", &[]).status;
        assert_eq!((reached(ops), reached(proxy)), (200, 401), "{host}");
    }
    let asked = server.try_run(&["healthcheck"]);
    assert!(asked.status.success(), "{asked:?}");
}

#[test]
fn no_image_of_the_memory_is_written() {
    let server = Server::start();

    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
}

#[test]
fn the_faults_of_a_new_configuration_are_events_of_the_log() {
    let server = Server::start();
    std::fs::write(server.config(), "[token]\ntll = \"30s\"\nalgorithm = \"RS265\"\n").unwrap();

    server.signal("HUP");

    server.until("both faults", |server| server.log().matches("the old one stays in force").count() == 2);
    let events = events(&server);
    let faults: Vec<_> = events.iter().filter(|event| event["level"] == "ERROR").collect();
    assert_eq!((&faults[0]["line"], &faults[0]["column"], &faults[0]["key"]), (&2.into(), &1.into(), &"token.tll".into()));
    assert_eq!((&faults[0]["reason"], &faults[0]["hint"]), (&"there is no such key".into(), &"did you mean `ttl`?".into()));
    assert!(faults[0]["file"].as_str().unwrap().ends_with("claviger.toml"), "{:?}", faults[0]);
    assert_eq!(faults[1]["hint"], "did you mean \"RS256\"?");
}

#[test]
fn a_start_with_a_broken_policy_is_refused_and_says_where_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        "[proxy]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"off\"\n[policies]\ndir = \"policies\"\n";
    std::fs::write(dir.path().join("claviger.toml"), settings).unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    std::fs::write(dir.path().join("policies/login.rego"), "package spacelift\n\nallow if startwith(input.session.login, \"ci-\")\n")
        .unwrap();

    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_claviger"))
        .args(["serve", "--config", "claviger.toml"])
        .current_dir(dir.path())
        .env_clear()
        .output()
        .unwrap();

    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("error: there is no function `startwith`\n  --> policies/login.rego:3:10\n"), "{said}");
    assert!(said.contains("= help: did you mean `startswith`?\n") && said.ends_with("error: the policies have a fault\n"), "{said}");
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn a_refused_request_is_explained_by_its_id_and_the_log_as_of_when_it_came() {
    let deny = "package spacelift\n\nallow if true\n\ndeny if input.request.remote_ip == \"198.51.100.7\"\n";
    let server = Setup::new().policies([("night.rego", deny)]).start();
    server.make_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]).text;
    server.until("the refusal", |server| server.get(&key).status == 403);
    let refused = server.get(&key);
    let id = refused.json()["request_id"].as_str().unwrap().to_owned();
    server.until("the line", |server| server.log().contains(&id));
    server.run(&["key", "disable", "ci"]);
    let log = server.dir().join("collected.log");
    std::fs::write(&log, server.log()).unwrap();
    let log = log.to_str().unwrap();

    let explained = server.run(&["explain", "--request", &id, "--log", log]);

    assert_eq!((&explained["code"], &explained["key"]["name"], &explained["ip"]), (&"denied".into(), &"ci".into(), &"198.51.100.7".into()));
    assert!(explained["reason"].as_str().unwrap().contains("night"), "{explained}");
    let remarks = explained["remarks"].to_string();
    assert!(remarks.contains("1 change"), "disabled since: {remarks}");
    let told = server.try_run(&["explain", "--request", &id, "--log", log]);
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(told.contains("the request was answered 403 denied by policy night, as of revision "), "{told}");

    let nobodys = http::get(server.proxy(), "/v1/runs", &[]);
    let id = nobodys.json()["request_id"].as_str().unwrap().to_owned();
    server.until("the line", |server| server.log().contains(&id));
    std::fs::write(server.dir().join("collected.log"), server.log()).unwrap();
    let unknown = server.try_run(&["explain", "--request", &id, "--log", log]);
    let unknown = String::from_utf8(unknown.stderr).unwrap();
    assert!(unknown.contains("it came with no key that can be known (answered 401 missing_key)"), "{unknown}");
}
