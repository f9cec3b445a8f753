//! Key → credential: the only way for the data plane to pass.
//!
//! Hot, a credential is one look-up: [`Exchange::cached`]. Cold, it is eight steps that all who wait for the same answer share:
//! `resolve`. What is remembered is served only while its stamp is current; `generation` says why that is never too long. Every
//! change, whoever made it, goes through the same steps in `follower`: publish, announce, evict.
//!
//! In doubt it refuses: a store that cannot be read, a policy that fails, a signer without a key, state older than allowed.

mod bells;
mod cache;
mod credential;
mod decide;
mod difference;
mod error;
mod explain;
mod feed;
mod files;
mod flight;
mod follower;
mod generation;
mod monotonic;
mod open;
mod origin;
mod past;
mod purpose;
mod remarks;
mod remembered_key;
mod resolve;
mod sample_writer;
mod samples;
mod service;
mod signing_keys;
mod single_flight;
mod start;
mod state;
mod sync;
mod timed;
mod uses;

pub use self::credential::Credential;
pub use self::difference::{Difference, Held};
pub use self::error::ExchangeError;
pub use self::explain::{Explainer, Explanation, WhatIf, oversize};
pub use self::origin::Origin;
pub use self::past::{AsOf, as_of};
pub use self::purpose::Purpose;
pub use self::service::{Exchange, KeyStamp};
