//! Keep-alive connections to every proxy, and one more to each that looks for what has just been changed.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::Client;
use crate::world::Fault;
use crate::{BOUND, Shared};

/// After something went wrong.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two looks for a change that is not there yet; what is not there for longer is looked for less often.
const LOOK: Duration = Duration::from_millis(1);
const LATE: Duration = Duration::from_secs(1);

pub(crate) fn start(shared: &Rc<Shared>) {
    for target in 0..shared.plan.targets.len() {
        for connection in 0..shared.plan.connections {
            spawn_local(load(Rc::clone(shared), target, connection));
        }
        spawn_local(watch(Rc::clone(shared), target));
    }
}

async fn load(shared: Rc<Shared>, target: usize, connection: usize) {
    let plan = &shared.plan;
    let mut client = Client::new(plan.targets[target].proxy);
    let all = plan.connections as f64;
    let pause = (plan.rate > 0.0).then(|| Duration::from_secs_f64(all / plan.rate));
    let mut next = Instant::now() + pause.unwrap_or_default().mul_f64(connection as f64 / all);
    let mut number = connection * plan.keys / plan.connections + target;
    while !shared.over.get() {
        if let Some(pause) = pause {
            sleep_until(next).await;
            // What could not be asked in time is not asked all at once afterwards.
            next = (next + pause).max(Instant::now());
        }
        number += 1;
        // Those that have come later stand behind.
        let key = number % shared.world.borrow().keys.len();
        ask(&shared, &mut client, target, key).await;
    }
}

async fn watch(shared: Rc<Shared>, target: usize) {
    let mut client = Client::new(shared.plan.targets[target].proxy);
    let mut newest = false;
    while !shared.over.get() {
        // Whoever has been away for long has much to show, and what is newest shows that they are there again.
        newest = !newest;
        let Some((key, acknowledged)) = shared.world.borrow_mut().unseen_at(target, newest) else {
            shared.changed[target].notified().await;
            continue;
        };
        let is_late = shared.now().saturating_sub(acknowledged) > LATE;
        if !ask(&shared, &mut client, target, key).await {
            sleep(if is_late { PAUSE } else { LOOK }).await;
        }
    }
}

/// Asks with a key, and judges what comes; whether it shows a change that had not been seen there.
async fn ask(shared: &Shared, client: &mut Client, target: usize, key: usize) -> bool {
    let request = shared.world.borrow().keys[key].request.clone();
    let sent = shared.now();
    let answer = client.ask(&request, shared.patience.get()).await;
    let answered = shared.now();
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => {
            shared.tally.borrow_mut().failed(target, failure.name().to_owned(), answered);
            sleep(PAUSE).await;
            return false;
        }
    };
    let status = answer.status;
    if !matches!(status, 200 | 401) {
        shared.tally.borrow_mut().failed(target, status.to_string(), answered);
        sleep(PAUSE).await;
        return false;
    }
    let mut world = shared.world.borrow_mut();
    let verdict = world.judge(target, key, status, answer.body, sent, answered);
    let mut tally = shared.tally.borrow_mut();
    tally.answered(target, verdict.age, answered.saturating_sub(sent));
    if let Some((fault, what)) = verdict.fault
        && verdict.age > shared.bound(target)
    {
        let id = &world.keys[key].id;
        if verdict.age > shared.late(target) {
            tally.violated(
                target,
                fault,
                &format!("{id}: {what}, {:.3} s after it was acknowledged; sent at {sent:.3?}", verdict.age.as_secs_f64()),
            );
        } else {
            tally.late(target, fault, verdict.age);
        }
    }
    if verdict.breaks_promise && shared.bound(target) <= BOUND {
        let id = &world.keys[key].id;
        tally.violated(target, Fault::Stale, &format!("{id}: a change does not show that was said to be in force everywhere"));
    }
    let seen = world.seen(target, key, status, verdict.revision, answered);
    for seen in &seen {
        tally.seen(target, seen);
    }
    drop((world, tally));
    if let Some(revision) = verdict.revision {
        shared.has_shown(target, revision);
    }
    !seen.is_empty()
}
