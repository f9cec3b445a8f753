//! Files that hold keys: opened without waiting for anybody, and looked at by their handle before anything of them is read.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::OFlags;
use rustix::process::{getegid, geteuid, getgroups};
use zeroize::Zeroizing;

use super::error::TokenError;
use super::signing_key::SigningKey;

/// Longer files are no keys: an RSA key of 16,384 bits takes 13 kB.
const LONGEST_FILE: u64 = 64 * 1024;

/// A signing key, and where it lies.
pub(super) struct KeyFile {
    pub(super) path: PathBuf,
    pub(super) key: SigningKey,
    /// When the file was put there or last changed.
    pub(super) since: Timestamp,
}

impl KeyFile {
    /// Reads a key that nobody but this process' user, root and this process' groups may read or change. `None`: it was retired while the
    /// directory was being read. A link to nothing is a fault and not a key that is gone.
    pub(super) fn read(path: PathBuf) -> Result<Option<Self>, TokenError> {
        let bad = |why: &dyn fmt::Display| TokenError::Keys(format!("the signing key {}: {why}", path.display()));
        let (file, metadata) = match open(&path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(&path).is_err() => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(TokenError::Keys(format!("{} cannot be read: {error}; {IN_KUBERNETES}", path.display())));
            }
            Err(error) => return Err(fault(&path, "cannot be read", &error)),
        };
        if let Some(why) = exposed(&Owner::of(&metadata), &Process::this()) {
            return Err(bad(&why));
        }
        let mut pem = Zeroizing::new(String::new());
        file.take(LONGEST_FILE).read_to_string(&mut pem).map_err(|error| fault(&path, "cannot be read", &error))?;
        let key = SigningKey::from_pem(&pem).map_err(|why| bad(&why))?;
        let since = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Some(Self { path, key, since }))
    }
}

/// The text of a file that is no secret but must not be changed by others; `None` if there is none.
pub(super) fn read_text(path: &Path) -> Result<Option<String>, TokenError> {
    let (file, metadata) = match open(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(path, "cannot be read", &error)),
    };
    if metadata.mode() & 0o002 != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(TokenError::Keys(format!("anybody may change {} (mode {mode:04o}): chmod 0600 it", path.display())));
    }
    let mut text = String::new();
    file.take(LONGEST_FILE).read_to_string(&mut text).map_err(|error| fault(path, "cannot be read", &error))?;
    Ok(Some(text))
}

/// Opens a regular file. Of a pipe, nobody waits for the other end: it is opened without, and refused.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // Of the handle: what the name stands for may be another file by now.
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")) }
}

const IN_KUBERNETES: &str = "in Kubernetes, give the volume `defaultMode: 0440` and the pod a securityContext with `fsGroup`";

/// What a file says of itself.
struct Owner {
    user: u32,
    group: u32,
    mode: u32,
}

impl Owner {
    fn of(metadata: &Metadata) -> Self {
        Self { user: metadata.uid(), group: metadata.gid(), mode: metadata.mode() & 0o777 }
    }
}

/// Who reads it.
struct Process {
    user: u32,
    groups: Vec<u32>,
}

impl Process {
    fn this() -> Self {
        let others = getgroups().unwrap_or_default();
        let groups = std::iter::once(getegid()).chain(others).map(rustix::process::Gid::as_raw).collect();
        Self { user: geteuid().as_raw(), groups }
    }
}

/// Whom a key is exposed to, if to anybody. A group of this process' own may read and change it: where a volume belongs to a group
/// (`fsGroup`), the kubelet gives it both at every mount, whatever the file's mode was.
fn exposed(file: &Owner, process: &Process) -> Option<String> {
    let Owner { user, group, mode } = *file;
    if user != 0 && user != process.user {
        return Some(format!("it belongs to the user {user}, who may change it: chown it to {}, or to root", process.user));
    }
    if mode & 0o007 != 0 {
        return Some(format!("anybody may read or change it (mode {mode:04o}): chmod 0600 it; {IN_KUBERNETES}"));
    }
    if mode & 0o070 != 0 && !process.groups.contains(&group) {
        return Some(format!(
            "the group {group}, which this process is not in, may read or change it (mode {mode:04o}): chmod 0600 it; {IN_KUBERNETES}"
        ));
    }
    None
}

pub(super) fn fault(path: &Path, what: &str, error: &io::Error) -> TokenError {
    TokenError::Keys(format!("{} {what}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONROOT: u32 = 65_532;

    fn told(user: u32, group: u32, mode: u32) -> Option<String> {
        exposed(&Owner { user, group, mode }, &Process { user: NONROOT, groups: vec![NONROOT, 2000] })
    }

    #[test]
    fn what_a_volume_does_to_a_file_of_ours_is_no_exposure() {
        for (user, group, mode) in [
            (NONROOT, NONROOT, 0o600),
            // A PersistentVolume with fsGroup, before and after the kubelet has mounted it anew.
            (NONROOT, 2000, 0o600),
            (NONROOT, 2000, 0o660),
            // A Secret with fsGroup and defaultMode.
            (0, 2000, 0o440),
            (0, 2000, 0o640),
            // Nobody but the owner reads it, whatever its group.
            (NONROOT, 7, 0o400),
        ] {
            assert_eq!(told(user, group, mode), None, "{user}:{group} {mode:o}");
        }
    }

    #[test]
    fn a_key_that_the_world_another_group_or_another_user_has_in_hand_is_refused() {
        for mode in [0o644, 0o604, 0o602, 0o666] {
            let why = told(NONROOT, 2000, mode).unwrap();
            assert!(why.contains(&format!("mode {mode:04o}")) && why.contains("defaultMode: 0440"), "{why}");
        }
        for mode in [0o640, 0o660, 0o620] {
            assert!(told(NONROOT, 7, mode).unwrap().contains("the group 7"), "{mode:o}");
        }
        assert!(told(1001, NONROOT, 0o600).unwrap().contains("belongs to the user 1001"));
    }
}
