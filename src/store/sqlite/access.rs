//! Who besides its owner may read and write a store's file.
//!
//! Whoever may write it can make themselves an admin, so a file that everybody may write is refused. What a volume does to files when it is
//! mounted, in Kubernetes the group of `fsGroup` and the mode 0660, is as it should be: the group is one of ours.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Refuses a path that no store should have, such as one with the end of a line of the file that it was read from.
pub(super) fn check_path(path: &Path) -> Result<(), String> {
    match path.as_os_str().as_bytes().iter().find(|byte| byte.is_ascii_control()) {
        Some(byte) => Err(format!("there is a control character in the path (0x{byte:02x}), which nobody means")),
        None => Ok(()),
    }
}

/// Refuses a file that everybody may write. What others than its owner can do to it otherwise is only told, if it is more than a volume
/// does.
pub(super) fn check_modes(path: &Path) -> Result<(), String> {
    for file in ["", "-wal", "-shm"].map(|end| beside(path, end)) {
        let Ok(found) = std::fs::metadata(&file) else { continue };
        let mode = found.mode() & 0o7777;
        if mode & 0o002 != 0 {
            let file = file.display();
            return Err(format!("everybody on this machine may write {file} (mode {mode:04o}), and so become an admin: chmod 600 {file}"));
        }
    }
    Ok(())
}

/// What is odd about who may read and write the file, for whoever runs a server on it.
pub(in crate::store) fn remarks(path: &Path) -> Vec<String> {
    let mut remarks = Vec::new();
    let Ok(found) = std::fs::metadata(path) else { return remarks };
    let (mode, us) = (found.mode() & 0o7777, rustix::process::geteuid().as_raw());
    if mode & 0o004 != 0 {
        remarks.push(format!("everybody on this machine may read it (mode {mode:04o}): chmod o= does away with that"));
    }
    if mode & 0o020 != 0 && !is_ours(found.gid()) {
        remarks.push(format!("the group {} may write it, which is none of this process's", found.gid()));
    }
    if found.uid() != us && found.uid() != 0 && us != 0 && !is_ours(found.gid()) {
        remarks.push(format!("it belongs to the user {}, not to {us}, who runs this", found.uid()));
    }
    let directory = path.parent().and_then(|directory| std::fs::metadata(directory).ok());
    // In a directory such as /tmp everybody may make files, and nobody may put one in another's place.
    if directory.is_some_and(|directory| directory.mode() & 0o1002 == 0o002) {
        remarks.push("everybody on this machine may put another file in its place: its directory is open to all".to_owned());
    }
    remarks
}

fn is_ours(group: u32) -> bool {
    let groups = rustix::process::getgroups().unwrap_or_default();
    rustix::process::getegid().as_raw() == group || groups.iter().any(|ours| ours.as_raw() == group)
}

/// What SQLite keeps beside the file.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_everybody_may_write_is_refused_and_what_a_volume_does_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("claviger.db");
        let log = directory.path().join("claviger.db-wal");
        std::fs::write(&path, "").unwrap();
        std::fs::write(&log, "").unwrap();
        let modes = |file: u32, of_log: u32| {
            set_permissions(&path, Permissions::from_mode(file)).unwrap();
            set_permissions(&log, Permissions::from_mode(of_log)).unwrap();
            (check_modes(&path).is_ok(), remarks(&path).len())
        };

        assert_eq!(modes(0o600, 0o600), (true, 0));
        assert_eq!(modes(0o660, 0o660), (true, 0));
        assert_eq!(modes(0o644, 0o600), (true, 1));
        assert!(!modes(0o666, 0o600).0);
        assert!(!modes(0o600, 0o602).0);
        set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        assert_eq!(modes(0o600, 0o600), (true, 1));
        set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(modes(0o600, 0o600), (true, 0));
    }

    #[test]
    fn a_path_with_the_end_of_a_line_is_refused() {
        assert!(check_path(Path::new("/var/lib/claviger.db\n")).unwrap_err().contains("0x0a"));
        assert!(check_path(Path::new("/var/lib/schlüssel dienst.db")).is_ok());
    }
}
