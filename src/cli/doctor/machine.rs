//! Files that others can get at, room on the disk, and how many files may be open.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::process::{Resource, getrlimit};

use super::finding::Finding;
use crate::app::files_needed;
use crate::config::{Settings, StoreUrl};
use crate::store;

const PERMISSIONS: &str = "permissions";
const DISK: &str = "disk";
const DESCRIPTORS: &str = "descriptors";

const MIB: u64 = 1 << 20;
/// What a store needs to write anything: its log may grow to this before it is put in the file.
const NO_ROOM: u64 = 32 * MIB;
const LITTLE_ROOM: u64 = 512 * MIB;

/// The store, the directory of the signing keys (each key is looked at with them), the secret of the webhook, and the configuration.
pub(super) fn permissions(settings: &Settings, file: Option<&Path>) -> Vec<Finding> {
    let mut found = Vec::new();
    match &settings.store.url {
        url @ StoreUrl::Sqlite(path) => found.extend(
            store::remarks(url)
                .into_iter()
                .map(|remark| Finding::warning(PERMISSIONS, format!("{url}: {remark}"), format!("chmod 600 {}", path.display()))),
        ),
        StoreUrl::Postgres(postgres) => found.extend(postgres.password_file.as_deref().and_then(|file| {
            let advice = "the store cannot be reached without it: write it there, mode 0600";
            secret(file, "store's password", advice)
        })),
        StoreUrl::ControlPlanes(_) => found.extend(settings.store.key_file.as_deref().and_then(|file| {
            let advice = "nothing is known of the store without it: write the key there, mode 0600";
            secret(file, "sidecar's key", advice)
        })),
        StoreUrl::Files(place) => found.extend(writable(place, "whoever changes it says who has access", "chmod go-w")),
    }
    // Whoever can put a key there makes tokens.
    found.extend(writable(&settings.token.keys, "whoever puts a key there signs tokens", "chmod 700"));
    if let Some(file) = file {
        found.extend(writable(file, "whoever changes it says where requests go", "chmod go-w"));
    }
    if settings.audit.webhook.url.is_some() {
        let advice = "nothing is sent to audit.webhook.url without a secret: write one there, mode 0600";
        found.extend(secret(&settings.audit.webhook.secret_file, "webhook's secret", advice));
    }
    if found.is_empty() {
        found.push(Finding::ok(PERMISSIONS, "nobody else can get at the store, the signing keys and the secrets"));
    }
    found
}

/// That everybody may write it.
fn writable(path: &Path, why: &str, advice: &str) -> Option<Finding> {
    let mode = std::fs::metadata(path).ok()?.mode() & 0o7777;
    let path = path.display();
    let said = || format!("everybody on this machine may write {path} (mode {mode:04o}): {why}");
    (mode & 0o1002 == 0o002).then(|| Finding::failed(PERMISSIONS, said(), format!("{advice} {path}")))
}

/// That a secret is missing, or none.
fn secret(path: &Path, what: &str, advice: &str) -> Option<Finding> {
    let shown = path.display();
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) => {
            return Some(Finding::failed(PERMISSIONS, format!("the {what} {shown} cannot be read: {error}"), advice));
        }
    };
    let mode = found.mode() & 0o7777;
    let said = || format!("everybody on this machine may read or change the {what} {shown} (mode {mode:04o})");
    (mode & 0o006 != 0)
        .then(|| Finding::failed(PERMISSIONS, said(), format!("chmod 600 {shown}, and use another secret: this one is known")))
}

/// Where the store is.
pub(super) fn disk(settings: &Settings) -> Finding {
    let url = &settings.store.url;
    let Some(path) = url.file() else {
        return Finding::skipped(DISK, format!("{url} has a disk of its own, of which nothing is known here"));
    };
    let Some(there) = nearest_directory(path) else { return Finding::skipped(DISK, format!("{} is nowhere", path.display())) };
    let shown = there.display();
    let state = match statvfs(&there) {
        Ok(state) => state,
        Err(error) => return Finding::skipped(DISK, format!("the file system of {shown} does not tell: {error}")),
    };
    let free = state.f_bavail.saturating_mul(state.f_frsize);
    let said = format!("{} free for the store at {shown}", mib(free));
    let advice = "a store that cannot grow refuses every change: make room, or move it to a larger volume";
    if state.f_flag.contains(StatVfsMountFlags::RDONLY) {
        Finding::failed(DISK, format!("the file system of the store, {shown}, is read-only"), "mount it so that it can be written")
    } else if state.f_files > 0 && state.f_favail == 0 {
        Finding::failed(DISK, format!("no more files can be made where the store is, {shown}"), advice)
    } else if free < NO_ROOM {
        Finding::failed(DISK, said, advice)
    } else if free < LITTLE_ROOM {
        Finding::warning(DISK, said, advice)
    } else {
        Finding::ok(DISK, said)
    }
}

/// The directory of a file, or the nearest above it that is there.
fn nearest_directory(file: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(file).ok()?;
    absolute.ancestors().skip(1).find(|path| path.is_dir()).map(Path::to_owned)
}

fn mib(bytes: u64) -> String {
    match bytes / MIB {
        mib @ ..10_240 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib / 1024),
    }
}

/// `of_process`: how many files the process may have open, if it has told.
pub(super) fn descriptors(settings: &Settings, of_process: Option<u64>) -> Finding {
    let needed = files_needed(settings);
    let (allowed, whose) = match of_process {
        Some(allowed) => (allowed, "the process may have"),
        // A start raises the soft limit to this one.
        None => match getrlimit(Resource::Nofile).maximum {
            Some(allowed) => (allowed, "a process started from here may have"),
            None => return Finding::ok(DESCRIPTORS, "any number of files may be open"),
        },
    };
    let said = format!("{whose} {allowed} files open; {} connections take up to {needed}", settings.limits.max_connections);
    if allowed < needed {
        let advice = "raise the limit (ulimit -n, LimitNOFILE), or set limits.max_connections lower: fewer are taken until then";
        Finding::warning(DESCRIPTORS, said, advice)
    } else {
        Finding::ok(DESCRIPTORS, said)
    }
}
