//! What is written to a stdout that nobody reads.

use std::fs::File;
use std::io::{BufRead as _, BufReader, PipeWriter};
use std::process::Stdio;

use crate::support::place::{Place, Run};

/// A pipe whose reader has gone.
fn unread() -> PipeWriter {
    std::io::pipe().unwrap().1
}

/// A disk without room.
fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn a_new_key_whose_text_reaches_nobody_is_a_failure_that_says_how_to_get_another() {
    let place = Place::new();
    let lost = |name: &str, run: Run| {
        let way_on =
            format!("`claviger key rotate {} --grace 0` makes another", place.json(&["key", "show", name])["id"].as_str().unwrap());
        assert!(
            run.code == 1 && run.err.contains(&format!("key {name} is stored")) && run.err.contains("is lost"),
            "{} {}",
            run.code,
            run.err
        );
        assert!(run.err.contains(&way_on), "{}", run.err);
        assert!(!run.err.contains("shown this once") && !run.err.contains("clv_"), "{}", run.err);
    };

    lost("one", place.run_into(&["key", "create", "--name", "one"], unread()));
    lost("two", place.run_into(&["key", "create", "--name", "two", "-o", "json"], full()));
    lost("one", place.run_into(&["key", "rotate", "one", "--grace", "0"], unread()));
    lost("two", place.run_into(&["key", "rotate", "two", "--grace", "1h"], full()));

    assert_eq!(place.names(&["key", "list"], "name"), ["one", "two"]);
}

#[test]
fn a_generated_key_that_reaches_nobody_is_no_success() {
    let place = Place::new();

    assert_eq!(place.run_into(&["key", "generate"], full()).code, 1);
}

#[test]
fn a_first_key_that_reaches_nobody_ends_the_start_and_says_how_to_get_another() {
    let place = Place::new();
    let config = place.file("claviger.toml", "[store]\nurl = \"sqlite://claviger.db\"\n[token]\nkeys = \"keys\"\n");

    let run = place.run_into(&["serve", "--config", &config], unread());

    let id = place.json(&["key", "show", "root-admin"])["id"].as_str().unwrap().to_owned();
    assert!(run.code == 1 && run.err.contains(&format!("`claviger key rotate {id} --grace 0` makes another")), "{}", run.err);
}

#[test]
fn a_list_of_which_somebody_has_had_enough_is_no_failure() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);

    let run = place.run_into(&["space", "list"], unread());

    assert_eq!((run.code, &*run.err), (0, ""));
}

#[test]
fn a_followed_audit_ends_when_nobody_reads_it_though_nothing_happens() {
    let place = Place::new();
    place.json(&["space", "create", "production"]);

    let mut following = place.start(&["audit", "--follow"], &[("CLAVIGER_STORE", &place.url())], Stdio::piped());
    let mut stdout = BufReader::new(following.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    drop(stdout);

    assert!(following.wait().unwrap().success());
    assert!(line.contains("space.create"), "{line}");
}
