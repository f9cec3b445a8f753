//! Memory: connections no more than there is room for, where the process has a limit and nobody has said how many there may be.
//!
//! What kills a process that takes too much says nothing; who starts with less tells so.

use std::path::{Path, PathBuf};

/// What a connection takes with its request, in bytes: buffers on both sides, here and in the kernel, which counts them, too.
const EACH: u64 = 16 << 10;
/// Which part of the memory is for connections; the rest is for keys that are remembered, policies, the store.
const SHARE: u64 = 2;
/// Where groups of processes and their limits are.
const MOUNT: &str = "/sys/fs/cgroup";
const OWN: &str = "/proc/self/cgroup";
/// Version 1 says so for "no limit", or whatever is near.
const UNLIMITED: u64 = 1 << 60;

/// How much memory the process may take, in bytes; `None`: as much as there is.
pub(super) fn limit() -> Option<u64> {
    limit_in(Path::new(MOUNT), &std::fs::read_to_string(OWN).unwrap_or_default())
}

/// How many connections of clients there may be with so much memory, if nobody has said how many; says so if it is fewer than usual.
pub(super) fn connections(wanted: usize, usual: usize, memory: Option<u64>) -> usize {
    let room = memory.map_or(usize::MAX, |memory| usize::try_from((memory / SHARE / EACH).max(1)).unwrap_or(usize::MAX));
    if wanted != usual || room >= wanted {
        return wanted;
    }
    tracing::info!(
        memory_limit = memory,
        max_connections = wanted,
        in_force = room,
        "the memory limit is too low for as many connections as there may be by default: set limits.max_connections to say how many"
    );
    room
}

/// The least limit of the process's own group and those above it. `own`: which groups it is in, as the kernel says it.
fn limit_in(mount: &Path, own: &str) -> Option<u64> {
    own.lines().filter_map(|line| group(mount, line)).flat_map(|(root, group, file)| limits(&root, group, file)).min()
}

/// Where a line's groups begin, the process's own, and the file that has the limit of each; version 2 has one line without a name.
fn group<'a>(mount: &Path, line: &'a str) -> Option<(PathBuf, &'a Path, &'static str)> {
    let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
    let group = Path::new(group.trim_start_matches('/'));
    if controllers.is_empty() {
        Some((mount.to_owned(), group, "memory.max"))
    } else if controllers.split(',').any(|controller| controller == "memory") {
        Some((mount.join("memory"), group, "memory.limit_in_bytes"))
    } else {
        None
    }
}

/// In a container the group's own place is often the root of what can be seen.
fn limits(root: &Path, group: &Path, file: &str) -> Vec<u64> {
    let limit = |group: &Path| std::fs::read_to_string(root.join(group).join(file)).ok()?.trim().parse().ok();
    group.ancestors().chain([Path::new("")]).filter_map(limit).filter(|limit| *limit < UNLIMITED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_gives_way_to_the_memory_limit_and_what_was_said_does_not() {
        assert_eq!(connections(10_000, 10_000, None), 10_000);
        assert_eq!(connections(10_000, 10_000, Some(1 << 30)), 10_000);
        assert_eq!(connections(10_000, 10_000, Some(128 << 20)), 4_096);
        assert_eq!(connections(10_000, 10_000, Some(1)), 1);
        assert_eq!(connections(9_000, 10_000, Some(128 << 20)), 9_000);
    }

    #[test]
    fn the_least_limit_counts_of_all_groups_that_the_process_is_in() {
        let mount = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let file = mount.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        let limit = |own: &str| limit_in(mount.path(), own);
        assert_eq!(limit("0::/pod/claviger\n"), None);
        write("pod/claviger/memory.max", "max\n");
        assert_eq!(limit("0::/pod/claviger\n"), None);
        write("pod/memory.max", "134217728\n");
        assert_eq!(limit("0::/pod/claviger\n"), Some(128 << 20));
        // In a namespace of its own.
        write("memory.max", "67108864\n");
        assert_eq!(limit("0::/\n"), Some(64 << 20));
        assert_eq!(limit("0::/../elsewhere\n"), Some(64 << 20));
        // Version 1.
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit("5:cpu,cpuacct:/x\n3:memory:/docker/abc\n"), None);
        write("memory/memory.limit_in_bytes", "33554432\n");
        assert_eq!(limit("5:cpu,cpuacct:/x\n3:memory:/docker/abc\n"), Some(32 << 20));
        assert_eq!(limit("nonsense\n"), None);
    }
}
