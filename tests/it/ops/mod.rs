//! The listener for probes, scrapers and verifiers.

mod listener;
