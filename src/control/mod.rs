//! What everybody shares who manages: who asks, what they may, and the one way to do it.
//!
//! The admin API, the console and the command line come here; nobody else has a store make a change. What a caller may is one table,
//! [`RIGHTS`]; whether they may it *now* is looked at together with the change, so that nobody acts on rights that have just been taken
//! away: the change is made only if nothing has changed since the caller's rights were read.

#![warn(clippy::wildcard_enum_match_arm)]

mod batch;
mod binding_search;
mod caller;
mod change;
mod code;
pub mod declared;
mod draw;
mod error;
mod fan_out;
mod feed;
mod follower_keys;
mod followers;
mod key_search;
mod keys;
mod latest;
mod lockout;
mod manager;
mod policies;
mod recent;
mod replica_watch;
mod replicas;
mod rights;
mod sessions;
mod signing_keys;
mod simulate;
mod standing;
mod together;

pub use self::batch::{Batch, Rehearsal};
pub use self::binding_search::BindingsFound;
pub use self::caller::{Asked, Caller};
pub use self::change::Made;
pub use self::code::Code;
pub use self::draw::{GeneratedKey, NoRandomness, binding_id, key_id, plain_key, sha256_hex};
pub use self::error::{ControlError, Forbidden};
pub use self::key_search::{KeysFound, KeysWanted};
pub use self::keys::{KeyFields, MadeKey};
pub use self::manager::{Control, Serving};
pub use self::policies::PoliciesInForce;
pub use self::replicas::{Applied, Gone, ReplicaView};
pub use self::rights::{Needs, Operation, RIGHTS};
pub use self::signing_keys::Roll;
pub use self::simulate::{Simulated, SimulatedAnswer, SimulatedAt, SimulatedFor, Simulation};
pub use self::standing::Standing;
pub use self::together::{MadeAll, RefusedBatch};
