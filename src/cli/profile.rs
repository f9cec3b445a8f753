//! Servers that somebody has logged in to, kept with their keys in a file that nobody else may read.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// What the first one is called if nothing is said.
pub(crate) const USUAL: &str = "default";

/// What is remembered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profiles {
    /// The one that is used if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// By name.
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, Profile>,
}

/// A server, and the key that it is asked with.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) server: String,
    pub(crate) key: String,
}

/// Without the key.
impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Where they are kept: `$XDG_CONFIG_HOME/claviger/profiles.toml`, else below `~/.config`.
pub(crate) fn file() -> Option<PathBuf> {
    let said = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = said("XDG_CONFIG_HOME").or_else(|| said("HOME").map(|home| home.join(".config")))?;
    Some(home.join("claviger/profiles.toml"))
}

impl Profiles {
    /// Those that are kept; none if there is no file.
    pub(crate) fn read() -> Result<Self, Failure> {
        let Some(file) = file() else { return Ok(Self::default()) };
        let cannot = |why: &dyn std::fmt::Display| Failure::usage(format_args!("cannot read {}: {why}", file.display()));
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                // A key that others may read is no secret any more.
                let mode = std::fs::metadata(&file).map_err(|error| cannot(&error))?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(cannot(&"others may read it, and keys stand in it: `chmod 600` it, and rotate the keys"));
                }
                // What stands in the file is not repeated.
                toml::from_str(&text).map_err(|error| cannot(&error.message()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(cannot(&error)),
        }
    }

    /// Keeps these instead.
    pub(crate) fn write(&self) -> Result<PathBuf, Failure> {
        let file =
            file().ok_or_else(|| Failure::refused("there is no place to keep a profile: neither XDG_CONFIG_HOME nor HOME is set"))?;
        let text = toml::to_string(self).map_err(Failure::refused)?;
        replace(&file, text.as_bytes()).map_err(|error| Failure::refused(format_args!("cannot write {}: {error}", file.display())))?;
        Ok(file)
    }
}

/// As a whole or not at all, and for nobody else's eyes at any moment.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let new = file.with_extension("toml.new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut writing = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    writing.write_all(bytes)?;
    writing.sync_all()?;
    std::fs::rename(&new, file)
}
