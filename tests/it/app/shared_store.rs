//! Several servers on one PostgreSQL, and the server under them that comes and goes.

use std::sync::Arc;

use crate::support::postgres::{Cluster, Database, shared};
use crate::support::server::Setup;

#[test]
fn a_change_is_in_force_in_every_server_of_the_store() {
    let database = Database::empty(shared());
    let (one, other) = (Setup::new().store(&database.url()).start(), Setup::new().store(&database.url()).start());
    one.make_spaces();
    let key = one.key("ci", &["--bind", "deployer@production"]);
    for server in [&one, &other] {
        server.until("the key to work", |server| server.get(&key.text).status == 200);
        assert_eq!(server.roles(&key.text)["production"][0], "deployer");
    }

    one.run(&["key", "revoke", "ci"]);

    for server in [&one, &other] {
        server.until("the key to be refused", |server| server.get(&key.text).status == 401);
    }
    // Each has told that it is there, and what it has applied.
    one.until("both to be known", |server| server.run(&["replicas"]).as_array().is_some_and(|replicas| replicas.len() == 2));
}

#[test]
fn a_server_serves_what_it_knows_while_postgresql_is_away_and_goes_on_by_itself() {
    let cluster = Arc::new(Cluster::start(""));
    let database = Database::empty(Arc::clone(&cluster));
    let server = Setup::new()
        .store(&database.url())
        .environment("CLAVIGER_STORE__MAX_STALENESS", "4s")
        .environment("CLAVIGER_CACHE__NEGATIVE_TTL", "1s")
        .start();
    server.make_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]);
    server.until("the key to work", |server| server.get(&key.text).status == 200);

    cluster.tell("stop");
    assert_eq!(server.get(&key.text).status, 200, "what is loaded serves on");
    server.until("requests to be refused", |server| server.get(&key.text).status == 503);

    cluster.tell("start");
    server.until("requests to be served again", |server| server.get(&key.text).status == 200);
    server.run(&["key", "revoke", "ci"]);
    server.until("the key to be refused", |server| server.get(&key.text).status == 401);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
