//! Open files: as many as the system grants, and connections no more than there are files for.
//!
//! A process that has none left can neither reach the upstream nor answer a probe.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for the store, files, the ops listener and whatever else is not a connection of the data plane.
const KEPT: u64 = 192;
/// A client's connection, and the one to the upstream that its request takes.
const EACH: u64 = 2;

/// Raises the soft limit to the hard one. How many files may be open then; `None`: any number.
pub(super) fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => {
            tracing::info!(from = current, to = maximum, "raised the limit of open files");
            maximum
        }
        Err(error) => {
            tracing::warn!(%error, current, "the limit of open files cannot be raised");
            current
        }
    }
}

/// How many files so many connections of clients take, and all that is none.
pub fn needed(connections: usize) -> u64 {
    u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(EACH).saturating_add(KEPT)
}

/// How many connections of clients there may be with so many open files; says so if it is fewer than was asked for.
pub(super) fn connections(wanted: usize, files: Option<u64>) -> usize {
    let possible = files.map_or(usize::MAX, |files| usize::try_from((files.saturating_sub(KEPT) / EACH).max(1)).unwrap_or(usize::MAX));
    if possible < wanted {
        tracing::warn!(
            open_files = files,
            max_connections = wanted,
            in_force = possible,
            "the limit of open files is too low for limits.max_connections: raise it (ulimit -n), or set fewer connections"
        );
    }
    wanted.min(possible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_are_kept_for_all_that_is_no_connection_of_a_client() {
        assert_eq!(connections(10_000, None), 10_000);
        assert_eq!(connections(10_000, Some(1_048_576)), 10_000);
        assert_eq!(connections(10_000, Some(1_024)), 416);
        assert_eq!(connections(10_000, Some(10)), 1);
        assert_eq!(connections(5, Some(1_024)), 5);
    }
}
