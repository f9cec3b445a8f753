//! Open files: as many as the system grants, and connections no more than there are files for.
//!
//! A process that has none left can neither reach the upstream nor answer a probe.

use std::collections::BTreeSet;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Settings, UpstreamProtocol};

/// Kept for the store, files, the ops listener and whatever else is not a connection of the data plane.
const KEPT: u64 = 192;

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

/// A client's connection, and one to each endpoint that its requests may go to: those to the one before still rest, and each endpoint may
/// have as many. Over HTTP/2 a few carry all.
fn each(settings: &Settings) -> u64 {
    let (mut endpoints, mut others) = (BTreeSet::new(), 0);
    for (_, upstream) in settings.all_upstreams() {
        match upstream.protocol {
            UpstreamProtocol::Http1 | UpstreamProtocol::Either => endpoints.extend(upstream.url.all().map(ToString::to_string)),
            UpstreamProtocol::Http2 => others = 1,
        }
    }
    u64::try_from(endpoints.len()).unwrap_or(u64::MAX).max(others).saturating_add(1)
}

/// How many files the connections of clients take that these settings allow, and all that is none.
pub fn needed(settings: &Settings) -> u64 {
    u64::try_from(settings.limits.max_connections).unwrap_or(u64::MAX).saturating_mul(each(settings)).saturating_add(KEPT)
}

/// How many connections of clients there may be with so many open files; says so if it is fewer than was asked for, which is `wanted`.
pub(super) fn connections(wanted: usize, settings: &Settings, files: Option<u64>) -> usize {
    let affordable = |files: u64| usize::try_from((files.saturating_sub(KEPT) / each(settings)).max(1)).unwrap_or(usize::MAX);
    let possible = files.map_or(usize::MAX, affordable);
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
        let connections = |wanted, files| connections(wanted, &Settings::default(), files);
        assert_eq!(connections(10_000, None), 10_000);
        assert_eq!(connections(10_000, Some(1_048_576)), 10_000);
        assert_eq!(connections(10_000, Some(1_024)), 416);
        assert_eq!(connections(10_000, Some(10)), 1);
        assert_eq!(connections(5, Some(1_024)), 5);
    }

    #[test]
    fn each_endpoint_over_http_1_takes_as_many_files_as_clients_do() {
        let needed = |toml: &str| {
            let settings = Settings::from_toml(&format!("limits.max_connections = 1000\n{toml}")).unwrap().settings;
            (needed(&settings), connections(1000, &settings, Some(2_192)))
        };
        assert_eq!(needed(""), (2_192, 1_000));
        assert_eq!(needed("upstream.url = [\"http://a\", \"http://b\", \"http://c\"]"), (4_192, 500));
        assert_eq!(needed("upstream.url = [\"h2c://a\", \"h2c://b\"]"), (2_192, 1_000));
        let routes =
            "upstream.url = \"http://a\"\nupstreams.x.url = [\"http://a\", \"http://b\"]\nroutes = [{ path = \"/\", upstream = \"x\" }]";
        assert_eq!(needed(routes), (3_192, 666));
    }
}
