//! What the PostgreSQL store promises beyond what every store does: several writers, lost connections, rights, TLS, copies.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger::clock::{Clock as _, SystemClock};
use claviger::config::{PostgresHost, StoreUrl};
use claviger::model::{Cause, Changes, ConsoleSession, Mutation, Revision, SessionDigest, Strategy};
use claviger::store::{self, Inspected, Store, StoreError, verify_audit};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::store::conformance::{all, bind_key, digest, key_id, new_key, whole};
use crate::support::place::Place;
use crate::support::postgres::{Cluster, Database, shared};
use crate::support::pyjwt;
use crate::support::waiting::comes_to_be;

async fn try_open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    store::open(&StoreUrl::parse(url).unwrap(), Strategy::Combined, Arc::new(SystemClock::start())).await
}

async fn open(url: &str) -> Arc<dyn Store> {
    try_open(url).await.unwrap_or_else(|error| panic!("{url}: {error}"))
}

async fn refusal(url: &str) -> String {
    match try_open(url).await {
        Err(StoreError::Unavailable(sentence)) => sentence,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{url} was opened"),
    }
}

async fn make_key(store: &dyn Store, number: u64) -> Result<Revision, StoreError> {
    let made = store.apply(Mutation::CreateKey(new_key(number, &format!("ci-{number}"))), &Cause::SYSTEM, None).await;
    made.map(|change| change.revision)
}

#[tokio::test]
async fn one_of_two_transactions_that_each_take_one_of_the_last_two_root_admins_fails_a_thousand_times() {
    let database = Database::with_store(shared());
    let (here, there) = (open(&database.url()).await, open(&database.url()).await);
    here.apply(Mutation::Bootstrap(new_key(1, "first")), &Cause::SYSTEM, None).await.unwrap();
    make_key(&*here, 2).await.unwrap();
    here.apply(bind_key(2, 2, "space-admin", "root"), &Cause::SYSTEM, None).await.unwrap();
    for round in 0..1000 {
        let (one, other) = tokio::join!(
            here.apply(Mutation::DisableKey { id: key_id(1) }, &Cause::SYSTEM, None),
            there.apply(Mutation::DisableKey { id: key_id(2) }, &Cause::SYSTEM, None),
        );
        assert!(one.is_ok() ^ other.is_ok(), "{round}: {one:?} {other:?}");
        let gone = if one.is_ok() { key_id(1) } else { key_id(2) };
        here.apply(Mutation::EnableKey { id: gone }, &Cause::SYSTEM, None).await.unwrap();
    }
    assert_eq!(here.snapshot().await.unwrap().revision, Revision(3 + 2000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_sees_every_revision_once_however_many_write() {
    const WRITERS: u64 = 4;
    const EACH: u64 = 75;
    let database = Database::with_store(shared());
    let follower = open(&database.url()).await;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let store = open(&database.url()).await;
        writers.push(tokio::spawn(async move {
            for number in 0..EACH {
                make_key(&*store, 1 + writer * EACH + number).await.unwrap();
            }
        }));
    }
    let follow = async {
        let mut seen = Revision::default();
        while seen < Revision(WRITERS * EACH) {
            follower.woken().await;
            let Changes::Since(changes) = follower.changes_after(seen).await.unwrap() else { panic!("the feed was lost") };
            for change in changes {
                assert_eq!(change.revision, seen.next());
                seen = change.revision;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(2), follow).await.expect("the follower was never woken");
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(verify_audit(&*follower, &[], |_| {}).await.unwrap().faults, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_is_lost_with_the_connections_that_it_was_written_by() {
    const CUTS: u64 = 100;
    let database = Database::with_store(shared());
    let store = open(&database.url()).await;
    let cuts = Arc::new(AtomicU64::new(0));
    let cutter = {
        let (cuts, cluster, name) = (Arc::clone(&cuts), shared(), database.name().to_owned());
        std::thread::spawn(move || {
            let cut = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'");
            while cuts.fetch_add(1, Ordering::Relaxed) < CUTS {
                cluster.sql("postgres", &cut);
            }
        })
    };
    let (mut acknowledged, mut number) = (Vec::new(), 0);
    while cuts.load(Ordering::Relaxed) < CUTS || acknowledged.len() < 20 {
        number += 1;
        match make_key(&*store, number).await {
            Ok(_) => acknowledged.push(number),
            Err(StoreError::Unavailable(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    cutter.join().unwrap();
    // The server tells a connection that it is cut when it comes to it: that may be after whoever asked for it has been answered.
    let found = async |number| loop {
        match store.find_key(&digest(number)).await {
            Err(StoreError::Unavailable(_)) => tokio::task::yield_now().await,
            answered => break answered.unwrap(),
        }
    };
    for number in &acknowledged {
        let found = tokio::time::timeout(Duration::from_mins(1), found(*number)).await.expect("it answers again");
        assert_eq!(found.expect("it was acknowledged").key.id, key_id(*number));
    }
    let revision = store.snapshot().await.unwrap().revision;
    assert!(revision.0 >= acknowledged.len() as u64);
    assert_eq!(verify_audit(&*store, &[], |_| {}).await.unwrap().faults, []);
}

#[tokio::test]
async fn an_empty_database_is_told_and_made_a_store_by_one_of_those_who_come() {
    let database = Database::empty(shared());
    let url = StoreUrl::parse(&database.url()).unwrap();
    let look = async || store::inspect(&url, Arc::new(SystemClock::start())).await.unwrap();
    let Inspected::Outdated(why) = look().await else { panic!("it is no store yet") };
    assert!(why.contains("needs migration"), "{why}");
    let url = database.url();
    let (one, other, third) = tokio::join!(open(&url), open(&url), open(&url));
    for store in [one, other, third] {
        assert_eq!(store.snapshot().await.unwrap().roles.len(), claviger::model::SystemRole::ALL.len());
    }
    let Inspected::Open(looked) = look().await else { panic!("it is one now") };
    assert_eq!(looked.snapshot().await.unwrap().revision, Revision(0));
    let refused = make_key(&*looked, 1).await.unwrap_err();
    assert!(refused.to_string().contains("takes no changes"), "{refused}");
}

#[tokio::test]
async fn what_is_no_store_of_this_version_is_refused_and_left_as_it_is() {
    let database = Database::with_store(shared());
    database
        .sql("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'newer', true, '', 0)");
    let why = refusal(&database.url()).await;
    assert!(why.contains("a newer claviger has written it (schema 99;"), "{why}");

    let database = Database::empty(shared());
    database.sql("CREATE TABLE keys (theirs text)");
    let why = refusal(&database.url()).await;
    assert!(why.contains("tables of another program"), "{why}");
    assert_eq!(database.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "1");

    let url = shared().url("nowhere", "postgres");
    let why = refusal(&url).await;
    assert!(why.contains("there is no such database") && why.contains("nowhere"), "{why}");
    let why = refusal("postgres://me:s3cret@/db?host=/nowhere").await;
    assert!(why.contains("/nowhere") && !why.contains("s3cret"), "{why}");
}

/// The script of the documentation, as it stands there.
fn grants() -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/postgresql.md")).unwrap();
    let (_, rest) = text.split_once("```sql\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[tokio::test]
async fn each_role_of_the_documentation_can_do_what_it_must_and_nothing_else() {
    let cluster = Arc::new(Cluster::start(""));
    let database = Database::empty(Arc::clone(&cluster));
    database.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    database.sql(&grants());
    let url = |role: &str| cluster.url(database.name(), role);

    // Who serves makes no tables; the owner does.
    let why = refusal(&url("claviger_control")).await;
    assert!(why.contains("lacks a right") && why.contains("docs/postgresql.md"), "{why}");
    open(&url("claviger_owner")).await.close().await;

    let control = open(&url("claviger_control")).await;
    control.apply(Mutation::Bootstrap(new_key(1, "root-admin")), &Cause::SYSTEM, None).await.unwrap();
    make_key(&*control, 2).await.unwrap();
    control.record_use(&[(digest(2), SystemClock::start().now().wall)]).await.unwrap();
    control.tend_audit(Some(jiff::Timestamp::MIN)).await.unwrap();
    control.keep_samples(&[]).await.unwrap();
    let session = session(1);
    control.open_session(&session).await.unwrap();
    assert!(control.renew_session(&session.digest, session.ends_at).await.unwrap());
    assert_eq!(control.session(&session.digest).await.unwrap(), Some(session.clone()));
    assert_eq!(verify_audit(&*control, &[], |_| {}).await.unwrap().faults, []);

    let reader = StoreUrl::parse(&url("claviger_reader")).unwrap();
    let Inspected::Open(reader) = store::inspect(&reader, Arc::new(SystemClock::start())).await.unwrap() else { panic!("it is a store") };
    assert_eq!(reader.keys(&all()).await.unwrap().len(), 2);
    assert_eq!(reader.audit(&whole()).await.unwrap().len(), 2);
    let Changes::Since(changes) = reader.changes_after(Revision(0)).await.unwrap() else { panic!("the feed was lost") };
    assert_eq!(changes.len(), 2);
    assert!(make_key(&*reader, 3).await.is_err());
    // Who may only read does not learn who is signed in.
    let refused = reader.session(&session.digest).await.unwrap_err();
    assert!(refused.to_string().contains("lacks a right"), "{refused}");
    assert!(control.end_session(&session.digest).await.unwrap());

    let may = |role: &str, statement: &str| cluster.sql_as(role, database.name(), statement).is_ok();
    for forbidden in [
        "DELETE FROM keys",
        "UPDATE state SET revision = 9",
        "CREATE TABLE t (x text)",
        "SELECT nextval('samples_id_seq')",
        "SELECT count(*) FROM console_sessions",
    ] {
        assert!(!may("claviger_reader", forbidden), "{forbidden}");
    }
    for forbidden in [
        "DROP TABLE audit",
        "TRUNCATE audit",
        "ALTER TABLE keys ADD COLUMN x text",
        "CREATE TABLE t (x text)",
        "CREATE TABLE public.t (x text)",
    ] {
        assert!(!may("claviger_control", forbidden), "{forbidden}");
    }
    assert!(may("claviger_reader", "SELECT count(*) FROM audit"));
}

fn session(number: u8) -> ConsoleSession {
    let now = SystemClock::start().now().wall.round(jiff::Unit::Second).unwrap();
    ConsoleSession {
        digest: SessionDigest::of(&[number]),
        key: key_id(1),
        secret: digest(1),
        key_at: Revision(1),
        began_at: now,
        ends_at: claviger::clock::later(now, Duration::from_hours(1)),
    }
}

/// As a database of the version before has it: what came later is taken away, and the step with it.
#[tokio::test]
async fn a_database_of_the_version_before_serves_on_while_it_gets_what_is_new_and_readers_get_nothing_of_sessions() {
    let cluster = Arc::new(Cluster::start(""));
    let database = Database::empty(Arc::clone(&cluster));
    database.sql(&grants());
    database.sql("CREATE ROLE \"a \"\"second\"\" reader\" LOGIN");
    let url = |role: &str| cluster.url(database.name(), role);
    open(&url("claviger_owner")).await.close().await;
    let before = open(&url("claviger_control")).await;
    before.apply(Mutation::Bootstrap(new_key(1, "root-admin")), &Cause::SYSTEM, None).await.unwrap();
    database.sql(
        "SET search_path = claviger; DROP TABLE console_sessions; \
         DROP INDEX keys_not_revoked, keys_revoked, keys_disabled, keys_by_end, bindings_of_roles, keys_by_name_parts; \
         DROP FUNCTION name_parts; DELETE FROM _sqlx_migrations WHERE version > 1; \
         ALTER DEFAULT PRIVILEGES FOR ROLE claviger_owner IN SCHEMA claviger GRANT SELECT ON TABLES TO PUBLIC, \"a \"\"second\"\" reader\"",
    );
    let why = refusal(&url("claviger_control")).await;
    assert!(why.contains("lacks a right"), "{why}");

    open(&url("claviger_owner")).await.close().await;

    make_key(&*before, 2).await.unwrap();
    let control = open(&url("claviger_control")).await;
    assert_eq!(control.snapshot().await.unwrap().revision, Revision(2));
    control.open_session(&session(1)).await.unwrap();
    assert_eq!(before.session(&session(1).digest).await.unwrap().map(|session| session.key), Some(key_id(1)));
    let may = |role: &str| cluster.sql_as(role, database.name(), "SELECT count(*) FROM claviger.console_sessions");
    assert_eq!(may("claviger_control").as_deref(), Ok("1"));
    for reader in ["claviger_reader", "a \"second\" reader"] {
        let why = may(reader).unwrap_err();
        assert!(why.contains("permission denied"), "{reader}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_has_to_give_way_to_whoever_uses_the_tables_is_begun_anew() {
    let cluster = Arc::new(Cluster::start("-c deadlock_timeout=2s"));
    let database = Database::with_store(Arc::clone(&cluster));
    database.sql(
        "DROP INDEX keys_not_revoked, keys_revoked, keys_disabled, keys_by_end, bindings_of_roles, keys_by_name_parts; \
         DROP FUNCTION name_parts; DELETE FROM _sqlx_migrations WHERE version = 3",
    );
    // Holds what the migration needs last until that waits for it, and then wants what it has; the migration is the one that finds out first.
    let (of, name) = (Arc::clone(&cluster), database.name().to_owned());
    let holder = std::thread::spawn(move || {
        of.sql_as(
            "postgres",
            &name,
            "SET deadlock_timeout = '10min'; BEGIN; LOCK TABLE bindings IN ROW EXCLUSIVE MODE; \
             DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$; \
             LOCK TABLE keys IN ROW EXCLUSIVE MODE; COMMIT",
        )
    });
    let held = || database.sql("SELECT count(*) FROM pg_locks WHERE relation = 'bindings'::regclass AND mode = 'RowExclusiveLock'");
    assert!(comes_to_be(|| held() == "1"), "nobody holds the table");

    let store = open(&database.url()).await;

    holder.join().unwrap().unwrap();
    make_key(&*store, 1).await.unwrap();
    let made = database.sql("SELECT count(*) FROM pg_indexes WHERE indexname = 'keys_by_name_parts'");
    assert_eq!((made.as_str(), &*database.sql("SELECT count(*) FROM _sqlx_migrations")), ("1", "3"));
}

/// Certificates of `localhost` by an authority of its own, as PEM in this directory.
const AUTHORITY: &str = r#"
import datetime, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
name = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
day = datetime.timedelta(days=1)
now = datetime.datetime.now(datetime.timezone.utc)
def made(subject, issuer, key, by, more, critical):
    made = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    return made.add_extension(more, critical).sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
ca, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
open(sys.argv[1] + "/ca.pem", "wb").write(made("authority", "authority", ca, ca, x509.BasicConstraints(True, None), True))
open(sys.argv[1] + "/server.pem", "wb").write(made("localhost", "authority", key, ca, names, False))
form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
open(sys.argv[1] + "/server.key", "wb").write(key.private_bytes(*form))
"#;

#[tokio::test]
async fn a_server_is_told_nothing_before_its_certificate_and_its_name_are_verified() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cluster = Arc::new(Cluster::start_with(port, |dir| {
        let made = Command::new(pyjwt::python()).args(["-c", AUTHORITY]).arg(dir).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::set_permissions(dir.join("server.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(dir.join("hba.conf"), "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
        let dir = dir.display();
        format!(
            "-c listen_addresses=127.0.0.1 -c hba_file={dir}/hba.conf -c password_encryption=scram-sha-256 \
             -c ssl=on -c ssl_cert_file={dir}/server.pem -c ssl_key_file={dir}/server.key"
        )
    }));
    cluster.sql("postgres", "CREATE ROLE remote LOGIN SUPERUSER PASSWORD 's3cret word'");
    let database = Database::with_store(Arc::clone(&cluster));
    let (name, ca) = (database.name(), cluster.dir().join("ca.pem").display().to_string());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "s3cret word\n").unwrap();
    let file = file.display();

    // By name, with the authority, and a password from the file or the url.
    for url in [
        format!("postgres://remote@localhost:{port}/{name}?sslmode=verify-full&sslrootcert={ca}&password_file={file}"),
        format!("postgres://remote:s3cret%20word@localhost:{port}/{name}?sslmode=verify-full&sslrootcert={ca}"),
        format!("postgres://remote:s3cret%20word@127.0.0.1:{port}/{name}?sslmode=verify-ca&sslrootcert={ca}"),
        format!("postgres://remote:s3cret%20word@127.0.0.1:{port}/{name}?sslmode=require"),
    ] {
        open(&url).await.close().await;
    }
    for (url, said) in [
        // An authority that nobody knows, another name, no encryption.
        (format!("localhost:{port}/{name}?sslmode=verify-full"), "certificate"),
        (format!("127.0.0.1:{port}/{name}?sslmode=verify-full&sslrootcert={ca}"), "certificate"),
        (format!("127.0.0.1:{port}/{name}?sslmode=disable"), "lets nobody in"),
        (format!("localhost:{port}/{name}?sslmode=verify-full&sslrootcert={file}"), "no certificate in it"),
    ] {
        let why = refusal(&format!("postgres://remote:s3cret%20word@{url}")).await;
        assert!(why.contains(said) && !why.contains("s3cret"), "{url}: {why}");
    }
    let why = refusal(&format!("postgres://remote:wr0ng@localhost:{port}/{name}?sslmode=verify-full&sslrootcert={ca}")).await;
    assert!(why.contains("does not take the password") && !why.contains("wr0ng"), "{why}");

    // Another password in the file counts with the next connection.
    let store = open(&format!("postgres://remote@localhost:{port}/{name}?sslrootcert={ca}&sslmode=verify-full&password_file={file}")).await;
    cluster.sql("postgres", "ALTER ROLE remote PASSWORD 'an0ther'");
    std::fs::write(directory.path().join("password"), "an0ther").unwrap();
    cluster.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'remote'");
    store.snapshot().await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_away_says_so_at_once_and_is_there_again_by_itself() {
    let cluster = Arc::new(Cluster::start(""));
    let database = Database::with_store(Arc::clone(&cluster));
    let store = open(&database.url()).await;
    make_key(&*store, 1).await.unwrap();

    cluster.tell("stop");
    let asked = SystemClock::start();
    for _ in 0..20 {
        assert!(store.find_key(&digest(1)).await.is_err());
    }
    assert!(asked.monotonic() < Duration::from_secs(5), "who is away is not waited for");
    assert!(matches!(make_key(&*store, 2).await, Err(StoreError::Unavailable(_))));

    // Whoever waits is woken when the server is there again: something may have been missed.
    let waiting = Arc::clone(&store);
    let woken = tokio::spawn(async move { waiting.woken().await });
    tokio::task::yield_now().await;
    cluster.tell("start");
    tokio::time::timeout(Duration::from_mins(1), woken).await.expect("nobody was woken").unwrap();
    make_key(&*store, 3).await.unwrap();
    assert_eq!(store.find_key(&digest(1)).await.unwrap().unwrap().key.id, key_id(1));

    // In order, and between two questions: nobody notices.
    for number in 4..7 {
        cluster.tell("restart");
        store.snapshot().await.unwrap();
        make_key(&*store, number).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_does_not_wait_behind_those_who_wait_to_change_something() {
    const WRITERS: u64 = 20;
    let database = Database::with_store(shared());
    let store = open(&database.url()).await;
    make_key(&*store, 1).await.unwrap();
    let name = database.name().to_owned();
    let holder = std::thread::spawn(move || {
        shared().sql_as("postgres", &name, "BEGIN; SELECT revision FROM state FOR UPDATE; SELECT pg_sleep(600)")
    });
    let waiting = |what: &str| {
        let count = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = '{what}'", database.name());
        shared().sql("postgres", &count).parse::<u64>().unwrap()
    };
    assert!(comes_to_be(|| waiting("Timeout") == 1), "nobody holds the row");
    let writers: Vec<_> = (2..2 + WRITERS)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { make_key(&*store, number).await })
        })
        .collect();
    assert!(comes_to_be(|| waiting("Lock") >= 4), "nobody waits to change something");

    assert_eq!(store.find_key(&digest(1)).await.unwrap().unwrap().key.id, key_id(1));
    assert_eq!(store.snapshot().await.unwrap().revision, Revision(1));

    database
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Timeout'");
    holder.join().unwrap().unwrap_err();
    for writer in writers {
        // Who has not waited for too long has made theirs.
        drop(writer.await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_heard_of_though_all_who_look_keys_up_have_to_wait() {
    let database = Database::with_store(shared());
    let StoreUrl::Postgres(mut settings) = StoreUrl::parse(&database.url()).unwrap() else { unreachable!() };
    settings.connections = 2;
    let store = store::open(&StoreUrl::Postgres(settings), Strategy::Combined, Arc::new(SystemClock::start())).await.unwrap();
    make_key(&*store, 1).await.unwrap();
    store.snapshot().await.unwrap();
    let name = database.name().to_owned();
    let holder = std::thread::spawn(move || {
        shared().sql_as("postgres", &name, "BEGIN; LOCK TABLE keys IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)")
    });
    let waiting = |what: &str| {
        let count = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = '{what}'", database.name());
        shared().sql("postgres", &count).parse::<u64>().unwrap()
    };
    assert!(comes_to_be(|| waiting("Timeout") == 1), "nobody holds the table");
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.find_key(&digest(1)).await })
        })
        .collect();
    assert!(comes_to_be(|| waiting("Lock") >= 1), "nobody waits for a key");

    let Changes::Since(changes) = store.changes_after(Revision(0)).await.unwrap() else { panic!("it is not too long ago") };
    assert_eq!((changes.len(), store.snapshot().await.unwrap().revision), (1, Revision(1)));
    assert!(!readers.iter().any(tokio::task::JoinHandle::is_finished), "it had to wait for one of them");

    database
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Timeout'");
    holder.join().unwrap().unwrap_err();
    for reader in readers {
        // Who has not waited for too long has found it.
        drop(reader.await.unwrap());
    }
    store.close().await;
}

/// Passes connections on to a server's socket, but not those that come while it holds them.
struct Relay {
    dir: tempfile::TempDir,
    come: watch::Receiver<u64>,
    holds: watch::Sender<bool>,
}

impl Relay {
    fn to(server: &Path, port: u16) -> Self {
        let name = format!(".s.PGSQL.{port}");
        let (dir, server) = (tempfile::tempdir().unwrap(), server.join(&name));
        let listener = UnixListener::bind(dir.path().join(name)).unwrap();
        let ((come, seen), (holds, held)) = (watch::channel(0), watch::channel(false));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                come.send_modify(|come| *come += 1);
                let (mut held, server) = (held.clone(), server.clone());
                tokio::spawn(async move {
                    held.wait_for(|held| !held).await.unwrap();
                    let mut server = UnixStream::connect(server).await.unwrap();
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Self { dir, come: seen, holds }
    }
}

#[tokio::test]
async fn a_connection_that_takes_longer_than_anybody_waits_is_made_and_used_by_who_comes_next() {
    let database = Database::with_store(shared());
    let StoreUrl::Postgres(mut settings) = StoreUrl::parse(&database.url()).unwrap() else { unreachable!() };
    let PostgresHost::Socket(server) = &settings.host else { unreachable!() };
    let mut relay = Relay::to(server, settings.port);
    settings.host = PostgresHost::Socket(relay.dir.path().to_owned());
    settings.connections = 1;
    let store = store::open(&StoreUrl::Postgres(settings), Strategy::Combined, Arc::new(SystemClock::start())).await.unwrap();
    make_key(&*store, 1).await.unwrap();
    relay.holds.send(true).unwrap();
    database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");

    let (before, wanted) = (*relay.come.borrow(), digest(1));
    tokio::select! {
        _ = store.find_key(&wanted) => panic!("nothing comes through"),
        come = relay.come.wait_for(|come| *come > before) => assert_eq!(*come.unwrap(), before + 1),
    }
    relay.holds.send(false).unwrap();

    assert_eq!(store.find_key(&wanted).await.unwrap().unwrap().key.id, key_id(1));
    assert_eq!(*relay.come.borrow(), before + 1, "it was begun with once more");
    store.close().await;
}

#[tokio::test]
async fn a_standby_refuses_changes_and_the_next_connection_may_do_better() {
    let database = Database::with_store(shared());
    let store = open(&database.url()).await;
    make_key(&*store, 1).await.unwrap();
    let read_only = |word: &str| {
        let name = database.name();
        shared().sql("postgres", &format!("ALTER DATABASE {name} SET default_transaction_read_only = {word}"));
    };
    let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", database.name());
    read_only("on");
    shared().sql("postgres", &cut);
    let refused = make_key(&*store, 2).await.unwrap_err();
    assert!(refused.to_string().contains("takes no changes"), "{refused}");
    assert_eq!(store.find_key(&digest(1)).await.unwrap().unwrap().key.id, key_id(1));
    // Nobody cuts anything: who has been refused like that connects anew.
    read_only("off");
    assert!(make_key(&*store, 2).await.is_err() || store.snapshot().await.unwrap().revision == Revision(2));
    make_key(&*store, 3).await.unwrap();
}

#[test]
fn a_store_is_copied_into_postgresql_and_back_and_is_the_same_everywhere() {
    let place = super::chain::with_a_history();
    let database = Database::empty(shared());
    let (first, second, third) = (place.url(), database.url(), format!("sqlite://{}", place.path("back.db").display()));
    let export = |url: &str| {
        let run = |line: &[&str]| {
            let here = ["--store", url];
            let run = place.run(&[line, &here].concat());
            assert_eq!(run.code, 0, "{line:?}: {}", run.err);
            run.out
        };
        let shown = [&["audit", "export"] as &[&str], &["export"], &["key", "list", "-o", "json"], &["binding", "list", "-o", "json"]];
        shown.map(run)
    };

    let copied = place.json(&["store", "copy", &first, &second]);
    assert_eq!(copied["head"], place.json(&["audit", "verify"])["head"]);
    assert!(!copied.to_string().contains("?password"), "{copied}");
    assert_eq!(export(&first), export(&second));
    let back = place.json(&["store", "copy", &second, &third]);
    assert_eq!((&back["revision"], &back["head"]), (&copied["revision"], &copied["head"]));
    assert_eq!(export(&first), export(&third));

    // What holds something is not written over, and the copy goes on where the first one was.
    assert!(place.refused(&["store", "copy", &first, &second]).contains("nothing is written over"));
    let made = place.json(&["space", "create", "further", "--parent", "root", "--store", &second]);
    assert_eq!(made["revision"].as_u64(), copied["revision"].as_u64().map(|revision| revision + 1));
    assert_eq!(place.run(&["audit", "verify", "--store", &second, "--expect", copied["head"].as_str().unwrap()]).code, 0);
}

#[test]
fn commands_work_on_postgresql_as_they_do_on_a_file() {
    let place = Place::new();
    let database = Database::empty(shared());
    let url = database.url();
    let here = ["--store", url.as_str()];
    let run = |line: &[&str]| place.run(&[line, &here].concat());
    assert_eq!(run(&["migrate", "--check"]).code, 1);
    assert_eq!(run(&["migrate"]).code, 0);
    assert_eq!(run(&["migrate", "--check"]).code, 0);
    assert_eq!(run(&["space", "create", "production", "--parent", "root"]).code, 0);
    assert_eq!(run(&["audit", "verify"]).code, 0);
    let backup = run(&["backup", "copy.db"]);
    assert!(backup.code == 1 && backup.err.contains("pg_dump"), "{}", backup.err);

    let config = place.file("claviger.toml", &format!("[upstream]\nurl = \"http://127.0.0.1:9\"\n[store]\nurl = \"{url}\"\n"));
    let checked = place.run(&["check", "--config", &config]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    let doctor = place.run(&["doctor", "--config", &config, "-o", "json"]);
    assert!(doctor.out.contains("is at revision 1"), "{} {}", doctor.out, doctor.err);
}
