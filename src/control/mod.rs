//! What everybody shares who manages: who asks, what they may, and the one way to do it.
//!
//! The admin API, the console and the command line come here; nobody else has a store make a change. What a caller may is one table,
//! [`RIGHTS`]; whether they may it *now* is looked at together with the change, so that nobody acts on rights that have just been taken
//! away: the change is made only if nothing has changed since the caller's rights were read.

#![warn(clippy::wildcard_enum_match_arm)]

mod caller;
mod change;
mod code;
mod draw;
mod error;
mod keys;
mod rights;
mod standing;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

pub use self::caller::{Asked, Caller};
pub use self::change::Made;
pub use self::code::Code;
pub use self::draw::{GeneratedKey, NoRandomness, binding_id, key_id, plain_key, sha256_hex};
pub use self::error::{ControlError, Forbidden};
pub use self::keys::{KeyFields, MadeKey};
pub use self::rights::{Needs, Operation, RIGHTS};
pub use self::standing::Standing;
use crate::clock::Clock;
use crate::config::LiveSettings;
use crate::exchange::Exchange;
use crate::model::KeyId;
use crate::store::Store;

/// Manages a store.
pub struct Control {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Where a change is put in force before it is acknowledged, and by which settings; `None`: nobody serves here.
    serving: Option<Serving>,
    /// Changes are weighed one at a time, so that they are not weighed in vain.
    turn: tokio::sync::Mutex<()>,
    /// Who is known to have come from where.
    known: Mutex<HashSet<(KeyId, Option<IpAddr>)>>,
}

struct Serving {
    exchange: Arc<Exchange>,
    settings: LiveSettings,
}

impl Control {
    /// Manages a store that nobody serves from in this process.
    pub fn of_store(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, serving: None, turn: tokio::sync::Mutex::new(()), known: Mutex::default() }
    }

    /// Manages the store that this exchange serves from: a change is in force there when it is acknowledged.
    pub fn serving(store: Arc<dyn Store>, clock: Arc<dyn Clock>, exchange: Arc<Exchange>, settings: LiveSettings) -> Self {
        let serving = Some(Serving { exchange, settings });
        Self { store, clock, serving, turn: tokio::sync::Mutex::new(()), known: Mutex::default() }
    }

    /// What is remembered, to be read.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The time since some beginning.
    pub fn monotonic(&self) -> std::time::Duration {
        self.clock.now().monotonic
    }

    /// The time, on the wall.
    pub fn now(&self) -> Timestamp {
        self.clock.now().wall
    }
}
