//! The console: who holds which role where, managed in a browser, on the admin listener beside the API.
//!
//! Pages are made here and work without script; what script there is makes them livelier. Whoever looks at a page has signed in with a key, and sees
//! and does by it what the admin API would let them: a page reads a request, has [`Control`](crate::control::Control) decide and do, and shows what came
//! of it. What somebody may not do is not offered, and is refused if it is tried.
//!
//! All text is escaped where it becomes HTML (`maud`), scripts and styles are files of this room, and browsers are told to take nothing else.

#![warn(clippy::wildcard_enum_match_arm)]

mod assets;
mod audit;
mod bindings;
mod difference;
mod docs;
mod door;
mod entries;
mod fields;
mod forms;
mod groups;
mod in_force;
mod in_path;
mod keys;
mod once;
mod overview;
mod paged;
mod parts;
mod policies;
mod refusal;
mod replicas;
mod roles;
mod router;
mod search;
mod session;
mod settings;
mod shell;
mod sign_in;
mod signing_keys;
mod spaces;
mod state;
mod strategy;
mod submitted;
mod try_key;
mod version;
mod visit;

pub use router::pages;
pub use state::ConsoleState;
