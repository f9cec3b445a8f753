//! The load on a fleet, the changes that are made meanwhile, and the judge of every answer: one process, for `benches/fleet/run`.
//!
//! What it is told comes by lines of JSON on stdin, what it finds out goes by lines of JSON on stdout. All of it runs on one thread: the
//! machine's cores are for those who are measured, and what is known of a key needs no lock.

#![expect(clippy::disallowed_methods, reason = "a load generator goes by the machine's own time")]
#![expect(clippy::cast_precision_loss, reason = "nobody opens so many connections")]
#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]
#![expect(clippy::indexing_slicing, reason = "numbers of keys and targets are made here")]

mod changes;
mod client;
mod load;
mod tally;
mod upstream;
mod world;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use crate::tally::Tally;
use crate::world::World;

/// How soon a change is to be in force everywhere.
const BOUND: Duration = Duration::from_secs(1);

/// What `{"start": …}` says.
#[derive(Clone, Deserialize)]
struct Plan {
    targets: Vec<TargetPlan>,
    root_key: String,
    keys: usize,
    /// To each target.
    connections: usize,
    /// Requests a second to each target; 0: as fast as they are answered.
    rate: f64,
    /// How many changes are made at once.
    writers: usize,
    /// Changes a second; 0: as fast as they are acknowledged.
    pace: f64,
    /// Of so many changes one waits until it is in force everywhere; 0: none.
    wait_every: u64,
}

#[derive(Clone, Deserialize)]
struct TargetPlan {
    name: String,
    proxy: SocketAddr,
    /// Of a control plane.
    admin: Option<SocketAddr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Command {
    /// Where the database is.
    Relay(SocketAddr),
    Start(Plan),
    /// Begins to ask and to change.
    Load,
    /// Another phase begins; what the one before has come to is told.
    Mark(String),
    /// How old a state may be that a target answers from, in seconds.
    Bounds(HashMap<String, f64>),
    /// How old a state may be at most that is told as late instead of wrong, in seconds; until the next bounds.
    Late(HashMap<String, f64>),
    /// For how many seconds an answer is waited for.
    Patience(f64),
    /// From now on everything should work again: it is told when it does.
    Heal,
    /// Changes a second from here on.
    Pace(f64),
    /// After so many changes, and when all of them are seen, it ends; 0: at once.
    Finish(u64),
}

/// What all that goes on here shares.
struct Shared {
    plan: Plan,
    began: Instant,
    world: RefCell<World>,
    tally: RefCell<Tally>,
    /// For whoever looks for what has just been changed, by target.
    changed: Vec<Notify>,
    bounds: RefCell<Vec<Duration>>,
    /// What is older than the bound, and not older than this, is late.
    late: RefCell<Vec<Duration>>,
    patience: Cell<Duration>,
    pace: Cell<f64>,
    /// How many changes there are to be.
    wanted: Cell<u64>,
    /// How many of those who change have come to their end.
    ended: Cell<usize>,
    over: Cell<bool>,
    healing: RefCell<Option<Healing>>,
}

/// What has been shown to work since it should.
struct Healing {
    since: Duration,
    changed: Vec<bool>,
    fresh: Vec<bool>,
    /// The first change that was acknowledged since.
    revision: Option<u64>,
}

impl Shared {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn bound(&self, target: usize) -> Duration {
        self.bounds.borrow()[target]
    }

    fn late(&self, target: usize) -> Duration {
        self.late.borrow()[target]
    }

    /// By the names of targets.
    fn set(&self, of: &RefCell<Vec<Duration>>, named: &HashMap<String, f64>) {
        for (target, plan) in self.plan.targets.iter().enumerate() {
            if let Some(seconds) = named.get(&plan.name) {
                of.borrow_mut()[target] = Duration::from_secs_f64(*seconds);
            }
        }
    }

    /// A control plane has acknowledged a change that was asked for at this time.
    fn has_changed(&self, target: usize, asked: Duration, revision: u64) {
        if let Some(healing) = &mut *self.healing.borrow_mut()
            && asked >= healing.since
        {
            healing.changed[target] = true;
            healing.revision.get_or_insert(revision);
        }
        self.tell_if_healed();
    }

    /// A target has answered by this state.
    fn has_shown(&self, target: usize, revision: u64) {
        if let Some(healing) = &mut *self.healing.borrow_mut()
            && healing.revision.is_some_and(|first| revision >= first)
        {
            healing.fresh[target] = true;
        } else {
            return;
        }
        self.tell_if_healed();
    }

    fn tell_if_healed(&self) {
        let mut healing = self.healing.borrow_mut();
        if let Some(Healing { since, .. }) = healing.take_if(|healing| healing.changed.iter().chain(&healing.fresh).all(|done| *done)) {
            say(&json!({ "event": "recovered", "seconds": self.now().saturating_sub(since).as_secs_f64() }));
        }
    }
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run())
}

async fn run() -> anyhow::Result<()> {
    let relay = upstream::Relay::start().await?;
    let upstream = upstream::start().await?;
    say(&json!({ "event": "ready", "upstream": upstream, "relay": relay.port() }));
    let mut lines = lines();
    let mut shared: Option<Rc<Shared>> = None;
    while let Some(line) = lines.recv().await {
        let command: Command = serde_json::from_str(&line).with_context(|| format!("no command: {line}"))?;
        let known = || shared.clone().context("it has not been started");
        match command {
            Command::Relay(to) => relay.lead_to(to),
            Command::Start(plan) => {
                let started = start(plan);
                changes::set_up(&started).await?;
                say(&json!({ "event": "started" }));
                shared = Some(started);
            }
            Command::Load => {
                let shared = known()?;
                shared.world.borrow_mut().forget_unseen();
                shared.tally.borrow_mut().begin();
                load::start(&shared);
                changes::start(&shared);
            }
            Command::Mark(label) => known()?.tally.borrow_mut().mark(&label),
            Command::Bounds(bounds) => {
                let shared = known()?;
                shared.set(&shared.bounds, &bounds);
                shared.set(&shared.late, &bounds);
            }
            Command::Late(late) => {
                let shared = known()?;
                shared.set(&shared.late, &late);
            }
            Command::Patience(seconds) => known()?.patience.set(Duration::from_secs_f64(seconds)),
            Command::Heal => {
                let shared = known()?;
                let admins = shared.plan.targets.iter().map(|target| target.admin.is_none()).collect();
                let fresh = vec![false; shared.plan.targets.len()];
                *shared.healing.borrow_mut() = Some(Healing { since: shared.now(), changed: admins, fresh, revision: None });
                shared.tally.borrow_mut().heal(shared.now());
            }
            Command::Pace(pace) => known()?.pace.set(pace),
            Command::Finish(changes) => {
                let shared = known()?;
                shared.wanted.set(changes);
                tokio::task::spawn_local(finish(shared));
            }
        }
    }
    Ok(())
}

fn start(plan: Plan) -> Rc<Shared> {
    let targets = plan.targets.len();
    Rc::new(Shared {
        began: Instant::now(),
        world: RefCell::new(World::new(targets)),
        tally: RefCell::new(Tally::new(plan.targets.iter().map(|target| target.name.clone()).collect())),
        changed: (0..targets).map(|_| Notify::new()).collect(),
        bounds: RefCell::new(vec![BOUND; targets]),
        late: RefCell::new(vec![BOUND; targets]),
        patience: Cell::new(Duration::from_secs(5)),
        pace: Cell::new(plan.pace),
        wanted: Cell::new(u64::MAX),
        ended: Cell::new(0),
        over: Cell::new(false),
        healing: RefCell::new(None),
        plan,
    })
}

/// Tells what has come of it when every change is acknowledged, and has been seen everywhere or should have been long ago.
async fn finish(shared: Rc<Shared>) {
    let pause = || tokio::time::sleep(Duration::from_millis(20));
    while shared.ended.get() < shared.plan.writers {
        pause().await;
    }
    let deadline = shared.now() + Duration::from_secs(5);
    while shared.world.borrow().is_something_unseen() && shared.now() < deadline {
        pause().await;
    }
    shared.over.set(true);
    shared.tally.borrow_mut().mark("");
    let world = shared.world.borrow();
    say(&json!({ "event": "finished", "unseen": world.unseen(), "state": world.state(), "acknowledged": shared.tally.borrow().log() }));
}

/// What whoever started this says, line by line.
fn lines() -> mpsc::UnboundedReceiver<String> {
    let (tell, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    lines
}

/// A line for whoever started this.
fn say(what: &Value) {
    println!("{what}");
}
