//! `claviger check`, as a process: what it says and how it ends.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const SOUND_POLICY: &str = "package spacelift\n\nallow if input.session.member\n";
const BROKEN_POLICY: &str = "package spacelift\n\nallow if {\n";

/// A directory with a configuration and, if there is a text for it, a policy.
fn place(toml: &str, policy: Option<&str>) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("claviger.toml"), toml).unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    if let Some(text) = policy {
        std::fs::write(dir.path().join("policies/members.rego"), text).unwrap();
    }
    dir
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    command.current_dir(dir).env_clear().arg("check");
    command
}

fn check(dir: &TempDir, arguments: &[&str]) -> Output {
    command(dir.path()).args(["--config", "claviger.toml"]).args(arguments).output().unwrap()
}

fn said(stream: &[u8]) -> String {
    String::from_utf8(stream.to_vec()).unwrap()
}

#[test]
fn a_sound_configuration_is_ok() {
    let dir = place("[policies]\ndir = \"policies\"\n", Some(SOUND_POLICY));

    let done = check(&dir, &[]);

    assert_eq!(said(&done.stderr), "");
    assert_eq!(said(&done.stdout), "ok: claviger.toml, 1 policy\n");
    assert_eq!(done.status.code(), Some(0));
}

#[test]
fn a_check_makes_nothing() {
    let dir = place("", None);

    assert_eq!(check(&dir, &[]).status.code(), Some(0));

    let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["claviger.toml", "policies"]);
}

#[test]
fn faults_of_configuration_and_policies_are_told_together() {
    let dir = place("[token]\nttl = \"1s\"\n[policies]\ndir = \"policies\"\n", Some(BROKEN_POLICY));

    let done = check(&dir, &[]);

    let stderr = said(&done.stderr);
    assert!(stderr.contains("--> claviger.toml:2:7\n"), "{stderr}");
    assert!(stderr.contains("members.rego:"), "{stderr}");
    assert!(stderr.ends_with("error: the configuration has a fault; the policies have a fault\n"), "{stderr}");
    assert_eq!(said(&done.stdout), "");
    assert_eq!(done.status.code(), Some(2));
}

#[test]
fn faults_of_policies_alone_end_with_1() {
    let dir = place("[policies]\ndir = \"policies\"\n", Some(BROKEN_POLICY));

    let done = check(&dir, &[]);

    assert_eq!(done.status.code(), Some(1));
    assert!(said(&done.stderr).contains("members.rego:"));
}

#[test]
fn a_directory_of_policies_that_is_not_there_is_a_fault() {
    let dir = place("[policies]\ndir = \"nowhere\"\n", None);

    let done = check(&dir, &[]);

    assert_eq!(done.status.code(), Some(1));
    assert!(said(&done.stderr).contains("nowhere"));
}

#[test]
fn a_policy_that_cannot_be_read_hides_no_other_fault_and_neither_does_a_limit() {
    let dir = place("[policies]\ndir = \"policies\"\ntime_limit = \"1h\"\n", Some(BROKEN_POLICY));
    std::os::unix::fs::symlink("gone", dir.path().join("policies/deny.rego")).unwrap();
    std::fs::write(dir.path().join("policies/late.REGO"), SOUND_POLICY).unwrap();

    let done = check(&dir, &[]);

    let stderr = said(&done.stderr);
    for told in ["policies.time_limit", "members.rego:", "deny.rego\n", "late.REGO\n"] {
        assert!(stderr.contains(told), "{told}: {stderr}");
    }
    assert!(stderr.contains("the policies have 2 faults"), "{stderr}");
}

#[test]
fn programs_get_one_object_with_every_fault() {
    let dir = place("[token]\ntll = \"30s\"\n[policies]\ndir = \"policies\"\n", Some(BROKEN_POLICY));

    let done = check(&dir, &["-o", "json"]);

    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(report["faults"][0]["kind"], "configuration");
    assert_eq!(report["faults"][0]["file"], "claviger.toml");
    assert_eq!(report["faults"][0]["line"], 2);
    assert_eq!(report["faults"][0]["column"], 1);
    assert_eq!(report["faults"][0]["key"], "token.tll");
    assert_eq!(report["faults"][0]["suggestion"], "did you mean `ttl`?");
    assert_eq!(report["faults"][1]["kind"], "policy");
    assert!(report["faults"][1]["file"].as_str().unwrap().ends_with("members.rego"), "{report}");
    assert!(report["faults"][1]["line"].as_u64().unwrap() >= 3, "{report}");
    assert_eq!(done.status.code(), Some(2));
}

#[test]
fn a_file_named_by_the_environment_is_checked_with_its_variables() {
    let dir = place("", None);

    let done = command(dir.path()).env("CLAVIGER_CONFIG", "claviger.toml").env("CLAVIGER_TOKEN__TTL", "1s").output().unwrap();

    assert!(said(&done.stderr).contains("--> environment variable CLAVIGER_TOKEN__TTL\n"), "{}", said(&done.stderr));
    assert_eq!(done.status.code(), Some(2));
}

#[test]
fn a_flag_heals_what_the_file_says() {
    let dir = place("[token]\nttl = \"1s\"\n", None);

    assert_eq!(check(&dir, &[]).status.code(), Some(2));
    assert_eq!(check(&dir, &["--set", "token.ttl=30s"]).status.code(), Some(0));
}

#[test]
fn a_warning_is_told_and_ends_with_0() {
    let dir = place("[proxy]\ntrusted_proxies = [\"0.0.0.0/0\"]\n", None);

    let done = check(&dir, &[]);

    assert!(said(&done.stderr).starts_with("warning: proxy.trusted_proxies: "), "{}", said(&done.stderr));
    assert_eq!(done.status.code(), Some(0));
}

/// Puts a sound policy into a new store, `claviger.db`, by the command line.
fn store_a_policy(dir: &TempDir, name: &str) {
    let run = |arguments: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_claviger")).current_dir(dir.path()).env_clear().args(arguments).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", said(&done.stderr));
    };
    std::fs::write(dir.path().join("stored.rego"), SOUND_POLICY).unwrap();
    run(&["policy", "create", name, "--file", "stored.rego", "--store", "sqlite://claviger.db"]);
}

#[test]
fn the_stores_policies_are_checked_together_with_the_directorys() {
    let dir = place("[policies]\ndir = \"policies\"\n", Some(SOUND_POLICY));
    store_a_policy(&dir, "contractors");
    assert_eq!(said(&check(&dir, &[]).stdout), "ok: claviger.toml, 2 policies\n");

    store_a_policy(&dir, "members");

    let done = check(&dir, &[]);
    assert!(said(&done.stderr).contains("members"), "{}", said(&done.stderr));
    assert_eq!(done.status.code(), Some(1));
}

#[test]
fn a_store_that_cannot_be_read_is_told() {
    let dir = place("", None);
    std::fs::write(dir.path().join("claviger.db"), "this is no database, whatever its name says").unwrap();

    let done = check(&dir, &["-o", "json"]);

    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(report["faults"][0]["kind"], "store");
    assert_eq!(done.status.code(), Some(1));
}

#[test]
fn what_a_start_would_refuse_is_told_and_nothing_is_made() {
    let dir = place("[token]\nkeys = \"keys\"\n[store]\nurl = \"sqlite://nowhere/claviger.db\"\n", None);
    std::fs::create_dir(dir.path().join("keys")).unwrap();
    std::fs::write(dir.path().join("keys/a.pem"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
    std::fs::set_permissions(dir.path().join("keys/a.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();

    let done = check(&dir, &["-o", "json"]);

    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let faults = report["faults"].as_array().unwrap();
    let told: Vec<_> = faults.iter().map(|fault| (fault["kind"].as_str().unwrap(), fault["message"].as_str().unwrap())).collect();
    assert!(matches!(&*told, [("store", store), ("keys", keys)] if store.contains("does not exist") && keys.contains("a.pem")), "{told:?}");
    assert_eq!(done.status.code(), Some(1));
    assert!(!dir.path().join("nowhere").exists());
}

#[test]
fn a_store_that_only_commands_work_on_is_warned_of() {
    let dir = place("", None);

    let other = command(dir.path()).env("CLAVIGER_STORE", "sqlite://other.db").args(["--config", "claviger.toml"]).output().unwrap();
    let same = command(dir.path()).env("CLAVIGER_STORE", "sqlite://claviger.db").args(["--config", "claviger.toml"]).output().unwrap();

    let stderr = said(&other.stderr);
    assert!(stderr.contains("the variable names another store") && stderr.contains("CLAVIGER_STORE__URL"), "{stderr}");
    assert!(!stderr.contains("other.db"), "{stderr}");
    assert_eq!((other.status.code(), said(&same.stderr)), (Some(0), String::new()));
}

#[test]
fn a_file_without_end_is_no_configuration() {
    let dir = place("", None);

    let done = command(dir.path()).args(["--config", "/dev/zero"]).output().unwrap();

    assert!(said(&done.stderr).contains("it is longer than 1 MiB"), "{}", said(&done.stderr));
    assert_eq!(done.status.code(), Some(2));
}

/// Every file in the directory, and what is in it.
fn contents(dir: &TempDir) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let mut files: Vec<_> = files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    files.sort();
    files
}

/// All that a store says. Not its bytes: a log that the command before has left is taken in by whoever comes next.
fn said_by_the_store(dir: &TempDir) -> Vec<String> {
    let lists: [&[&str]; 3] = [&["audit"], &["policy", "list"], &["key", "list"]];
    let ask = |list: &[&str]| {
        let arguments = list.iter().chain(&["--store", "sqlite://claviger.db", "-o", "json"]);
        let done = Command::new(env!("CARGO_BIN_EXE_claviger")).current_dir(dir.path()).env_clear().args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", said(&done.stderr));
        said(&done.stdout)
    };
    lists.map(ask).into()
}

#[test]
fn a_check_leaves_a_store_as_it_is() {
    let dir = place("", None);
    store_a_policy(&dir, "contractors");
    let before = said_by_the_store(&dir);
    assert!(before.iter().any(|list| list.contains("contractors")), "{before:?}");

    assert_eq!(said(&check(&dir, &[]).stdout), "ok: claviger.toml, 1 policy\n");

    assert_eq!(said_by_the_store(&dir), before);
}

#[test]
fn a_store_that_needs_migration_is_told_and_not_migrated() {
    let dir = place("", None);
    std::fs::write(dir.path().join("claviger.db"), "").unwrap();
    let before = contents(&dir);

    let (table, json) = (check(&dir, &["--strict"]), check(&dir, &["-o", "json"]));

    assert_eq!(contents(&dir), before);
    let stderr = said(&table.stderr);
    assert!(stderr.starts_with("warning: ") && stderr.contains("claviger.db: it is empty and needs migration"), "{stderr}");
    assert_eq!((said(&table.stdout), table.status.code()), ("ok: claviger.toml, no policies\n".to_owned(), Some(0)));
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    let warning = &report["warnings"][0];
    assert_eq!((&warning["severity"], &warning["kind"], &report["ok"]), (&"warning".into(), &"store".into(), &true.into()));
    assert!(warning["message"].as_str().unwrap().contains("needs migration"), "{report}");
}

#[test]
fn what_is_odd_about_a_policy_is_told_and_ends_with_0() {
    let odd = "package spacelift\n\nallow if input.session.logn == \"ci\"\n\ndeny if not net.cidr_contains(\"10.1.2.3/8\", input.request.remote_ip)\n";
    let dir = place("[policies]\ndir = \"policies\"\n", Some(odd));
    std::fs::write(dir.path().join("policies/nobody_test.rego"), "package spacelift_test\n").unwrap();

    let done = check(&dir, &[]);

    let stderr = said(&done.stderr);
    assert!(
        stderr.contains("warning: there is no `input.session.logn`, so this never holds\n  --> policies/members.rego:3:24\n"),
        "{stderr}"
    );
    assert!(stderr.contains("\n 3 | allow if input.session.logn == \"ci\"\n   |                        ^^^^\n"), "{stderr}");
    assert!(stderr.contains("= help: did you mean `input.session.login`?\n"), "{stderr}");
    assert!(stderr.contains("note: `10.1.2.3/8` has bits set behind its prefix"), "{stderr}");
    assert!(stderr.contains("there is no nobody.rego that these would be tests of"), "{stderr}");
    assert_eq!(said(&done.stdout), "ok: claviger.toml, 1 policy, 2 warnings, 1 note\n");
    assert_eq!(done.status.code(), Some(0));
}

#[test]
fn programs_get_warnings_with_their_severity_and_place() {
    let dir = place("[policies]\ndir = \"policies\"\n", Some("package spacelift\n\nallow if input.session.logn == \"ci\"\n"));

    let report: Value = serde_json::from_slice(&check(&dir, &["-o", "json"]).stdout).unwrap();

    assert_eq!(report["ok"], true);
    assert_eq!(report["faults"], serde_json::json!([]));
    let warning = &report["warnings"][0];
    assert_eq!((&warning["severity"], &warning["kind"]), (&"warning".into(), &"policy".into()));
    assert_eq!((&warning["line"], &warning["column"], &warning["width"]), (&3.into(), &24.into(), &4.into()));
    assert_eq!(warning["suggestion"], "did you mean `input.session.login`?");
}

#[test]
fn warnings_end_with_1_where_that_is_asked_for_and_notes_never_do() {
    let dir = place("[policies]\ndir = \"policies\"\n", Some("package spacelift\n\nallow if input.session.logn == \"ci\"\n"));

    let strict = check(&dir, &["--strict"]);
    std::fs::write(dir.path().join("policies/members.rego"), "package spacelift\n\nallow := true\n").unwrap();
    let noted = check(&dir, &["--strict"]);

    assert!(said(&strict.stderr).ends_with("error: there is a warning about the policies\n"), "{}", said(&strict.stderr));
    assert_eq!(strict.status.code(), Some(1));
    assert!(said(&noted.stderr).starts_with("note: "), "{}", said(&noted.stderr));
    assert_eq!(noted.status.code(), Some(0));
}

#[test]
fn a_strict_check_that_does_not_pass_says_so_in_its_report_too() {
    let dir = place("[policies]\ndir = \"policies\"\n", Some("package spacelift\n\nallow if input.session.logn == \"ci\"\n"));

    let (lenient, strict, table) = (check(&dir, &["-o", "json"]), check(&dir, &["--strict", "-o", "json"]), check(&dir, &["--strict"]));

    let ok = |done: &Output| serde_json::from_slice::<Value>(&done.stdout).unwrap()["ok"].clone();
    assert_eq!((ok(&lenient), lenient.status.code()), (true.into(), Some(0)));
    assert_eq!((ok(&strict), strict.status.code()), (false.into(), Some(1)));
    assert_eq!((said(&table.stdout), table.status.code()), (String::new(), Some(1)));
}

#[test]
fn nothing_is_odd_about_the_example_policies() {
    let behind = "[proxy]\nclient_ip = \"x-forwarded-for\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n";
    let dir = place(&format!("{behind}[policies]\ndir = \"{}/policies\"\n", env!("CARGO_MANIFEST_DIR")), None);

    let done = check(&dir, &["--strict"]);

    assert_eq!(said(&done.stderr), "");
    assert!(said(&done.stdout).ends_with(" policies\n"), "{}", said(&done.stdout));
}

#[test]
fn a_policy_that_reads_addresses_is_noted_where_every_client_may_have_the_ingress_s() {
    let reads = "package spacelift\n\ndeny if not net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)\n";
    let (plain, behind, blind) = (
        place("[policies]\ndir = \"policies\"\n", Some(reads)),
        place("[policies]\ndir = \"policies\"\n[proxy]\nclient_ip = \"forwarded\"\ntrusted_proxies = [\"10.0.0.7\"]\n", Some(reads)),
        place("[policies]\ndir = \"policies\"\n", Some(SOUND_POLICY)),
    );

    let (noted, json) = (check(&plain, &["--strict"]), check(&plain, &["-o", "json"]));

    let stderr = said(&noted.stderr);
    assert!(stderr.starts_with("note: proxy.client_ip: a policy reads the client's address"), "{stderr}");
    assert!(stderr.contains("proxy.trusted_proxies"), "{stderr}");
    assert_eq!(noted.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&report["warnings"][0]["severity"], &report["warnings"][0]["key"]), (&"note".into(), &"proxy.client_ip".into()));
    assert_eq!((said(&check(&behind, &[]).stderr), said(&check(&blind, &[]).stderr)), (String::new(), String::new()));
}

#[test]
fn a_policy_that_looks_at_certificates_is_noted_where_nobody_is_asked_for_one() {
    let reads = "package spacelift\n\ndeny if input.request.client_certificate == null\n";
    let dir = place("[policies]\ndir = \"policies\"\n", Some(reads));
    let done = check(&dir, &[]);
    let stderr = said(&done.stderr);
    assert!(stderr.starts_with("note: proxy.client_certificates: a policy looks at the client's certificate"), "{stderr}");
    assert_eq!(done.status.code(), Some(0));
}

#[test]
fn a_directory_without_a_policy_or_open_to_everybody_is_warned_of() {
    let dir = place("[policies]\ndir = \"policies\"\n", None);
    let empty = check(&dir, &[]);
    assert!(said(&empty.stderr).starts_with("warning: there is no policy in this directory\n  --> policies\n"), "{}", said(&empty.stderr));
    assert_eq!((empty.status.code(), check(&dir, &["--strict"]).status.code()), (Some(0), Some(1)));

    std::fs::write(dir.path().join("policies/members.rego"), SOUND_POLICY).unwrap();
    let mode = |path: &str, mode| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(dir.path().join(path), permissions).unwrap();
    };
    mode("policies", 0o777);
    mode("policies/members.rego", 0o666);

    let open = said(&check(&dir, &[]).stderr);

    for told in ["(mode 0777)\n  --> policies\n", "(mode 0666)\n  --> policies/members.rego\n"] {
        assert!(open.contains(told), "{told}: {open}");
    }
}

#[test]
fn programs_are_told_of_each_key_when_another_value_counts() {
    let dir = place("", None);

    let report: Value = serde_json::from_slice(&check(&dir, &["-o", "json"]).stdout).unwrap();

    let keys = &report["keys"];
    assert_eq!((&keys["token.ttl"], &keys["proxy.listen"], &keys["login.strategy"]), (&"live".into(), &"at-start".into(), &"once".into()));
}
