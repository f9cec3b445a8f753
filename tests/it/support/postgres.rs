//! PostgreSQL servers of the tests' own: one that all share, each test with a database of its own, and one for whoever stops it.
//!
//! A server ends with the process of the tests, however that ends: a shell that keeps it waits for the other end of a pipe. PostgreSQL
//! refuses to run as root, so whoever runs the tests as root has it run as `nobody`.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use claviger::clock::SystemClock;
use claviger::config::StoreUrl;
use claviger::model::Strategy;
use claviger::store;

/// `$1`: the programs; `$2`: a directory that is there; `$3`: options of the server; `$4`: its port. A locale that orders otherwise than bytes do, so that
/// whoever forgets to say how to compare is found out. Nothing is synced to a disk: what a machine's end does is not what is tested.
const KEEPER: &str = r#"
trap '' INT TERM HUP
export PATH="$1:$PATH"
locale='--locale=C.UTF-8'
case "$(postgres --version)" in *' 13.'* | *' 14.'*) ;; *) locale="$locale --locale-provider=icu --icu-locale=en" ;; esac
start() { pg_ctl -w -t 120 -D "$2/data" -l "$2/log" -o "-k $2 -p $4 -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=300 $3" start >/dev/null; }
initdb -D "$2/data" -U postgres -A trust -E UTF8 $locale --no-sync >"$2/initdb.log" 2>&1 && start "$@" || { cat "$2/initdb.log" "$2/log" >&2; rm -rf -- "$2"; exit 1; }
echo started
while read -r what; do
  case "$what" in
    stop) pg_ctl -w -D "$2/data" -m immediate stop >/dev/null ;;
    start) start "$@" ;;
    restart) pg_ctl -w -D "$2/data" -m fast stop >/dev/null; start "$@" ;;
  esac
  echo done
done
pg_ctl -w -D "$2/data" -m immediate stop >/dev/null 2>&1
rm -rf -- "$2"
"#;
/// `nobody` and their group.
const NOBODY: u32 = 65_534;
/// What sockets are called by, each in a directory of its own.
const PORT: u16 = 5432;
/// A database as `open` makes it, for others to be made from.
const TEMPLATE: &str = "store";

pub(crate) struct Cluster {
    dir: PathBuf,
    port: u16,
    keeper: std::sync::Mutex<(Child, BufReader<std::process::ChildStdout>)>,
    made: AtomicU32,
}

/// A database of one test; it goes with the test.
pub(crate) struct Database {
    cluster: Arc<Cluster>,
    name: String,
}

/// The server that all tests share, which nobody stops.
pub(crate) fn shared() -> Arc<Cluster> {
    static SHARED: OnceLock<Arc<Cluster>> = OnceLock::new();
    Arc::clone(SHARED.get_or_init(|| Arc::new(Cluster::start(""))))
}

impl Cluster {
    /// A server of its own. It is reached by a socket in [`dir`](Self::dir).
    pub(crate) fn start(options: &str) -> Self {
        Self::start_with(PORT, |_| options.to_owned())
    }

    /// The same with files of its own in that directory, which the options may name.
    pub(crate) fn start_with(port: u16, prepare: impl FnOnce(&Path) -> String) -> Self {
        let dir = tempfile::Builder::new().prefix("pg-").tempdir_in("/tmp").unwrap().keep();
        let options = prepare(&dir);
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(programs()).arg(&dir).arg(&options).arg(port.to_string()).current_dir("/");
        if rustix::process::geteuid().is_root() {
            let files = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
            for path in files.chain([dir.clone()]) {
                std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            keeper.uid(NOBODY).gid(NOBODY).env("HOME", &dir);
        }
        let mut keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(keeper.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "started\n", "PostgreSQL does not start (see above)");
        let cluster = Self { dir, port, keeper: std::sync::Mutex::new((keeper, said)), made: AtomicU32::new(0) };
        cluster.sql("postgres", &format!("CREATE DATABASE {TEMPLATE}"));
        let url = cluster.url(TEMPLATE, "postgres");
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let url = StoreUrl::parse(&url).unwrap();
                store::open(&url, Strategy::Combined, Arc::new(SystemClock::start())).await.unwrap().close().await;
            });
        })
        .join()
        .unwrap();
        cluster
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn url(&self, database: &str, user: &str) -> String {
        format!("postgres://{user}@:{}/{database}?host={}", self.port, self.dir.display())
    }

    /// What `psql` prints, without headings.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        self.sql_as("postgres", database, statement).unwrap_or_else(|why| panic!("{statement}: {why}"))
    }

    pub(crate) fn sql_as(&self, user: &str, database: &str, statement: &str) -> Result<String, String> {
        let mut psql = Command::new(programs().join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h"])
            .arg(&self.dir)
            .args(["-U", user, "-d", database, "-c", statement]);
        let out = psql.env("PGPORT", self.port.to_string()).output().unwrap();
        if out.status.success() {
            Ok(String::from_utf8(out.stdout).unwrap().trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&out.stderr).into_owned())
        }
    }

    /// `stop` as if the machine had ended, `start`, or `restart` in order.
    pub(crate) fn tell(&self, what: &str) {
        use std::io::Write as _;
        let mut keeper = self.keeper.lock().unwrap();
        writeln!(keeper.0.stdin.as_mut().unwrap(), "{what}").unwrap();
        let mut line = String::new();
        keeper.1.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
    }
}

/// A server that is not shared ends with its test.
impl Drop for Cluster {
    fn drop(&mut self) {
        let (keeper, _) = self.keeper.get_mut().unwrap();
        drop(keeper.stdin.take());
        let _ = keeper.wait();
    }
}

impl Database {
    /// With a store in it.
    pub(crate) fn with_store(cluster: Arc<Cluster>) -> Self {
        Self::make(cluster, TEMPLATE)
    }

    pub(crate) fn empty(cluster: Arc<Cluster>) -> Self {
        Self::make(cluster, "template0")
    }

    fn make(cluster: Arc<Cluster>, template: &str) -> Self {
        let name = format!("test_{}", cluster.made.fetch_add(1, Ordering::Relaxed));
        cluster.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Self { cluster, name }
    }

    pub(crate) fn url(&self) -> String {
        self.cluster.url(&self.name, "postgres")
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn sql(&self, statement: &str) -> String {
        self.cluster.sql(&self.name, statement)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // It takes whoever is still connected with it. Where it cannot be dropped, it goes with its server.
        let _ = self.cluster.sql_as("postgres", "postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// Where `initdb` and the others are.
pub(crate) fn programs() -> PathBuf {
    let on_path = std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let mut debian: Vec<PathBuf> = debian.collect();
    debian.sort();
    debian.reverse();
    let found = on_path.chain(debian).find(|dir| ["initdb", "pg_ctl", "psql", "postgres"].iter().all(|name| dir.join(name).exists()));
    found.expect("PostgreSQL is missing: tests/run installs it (Debian: postgresql)")
}
