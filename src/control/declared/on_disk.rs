//! Files that declare access, where they lie.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::files::DeclaredFile;
use crate::diagnostics::{Diagnostic, Place};

/// How files that declare access end.
const ENDS: [&str; 3] = ["yaml", "yml", "json"];
/// In bytes: memory has an end, and `/dev/zero` has none.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The text of a file, or of all that declare access in a directory.
pub(super) fn read(place: &Path) -> Result<Vec<DeclaredFile>, Vec<Diagnostic>> {
    let fault = |file: &Path, why: String| Diagnostic::error(Place::whole(file), why);
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for file in meant(place).map_err(|why| vec![fault(place, why)])? {
        match text(&file) {
            Ok(text) => files.push(DeclaredFile { name: file, text }),
            Err(error) => faults.push(fault(&file, format!("cannot be read: {error}"))),
        }
    }
    if faults.is_empty() { Ok(files) } else { Err(faults) }
}

/// A file itself; of a directory those in it that declare access, by name. Hidden ones are not looked at: where Kubernetes mounts a
/// `ConfigMap`, everything is there once more behind one.
///
/// # Errors
/// The directory cannot be read, or declares nothing: a sentence without its name.
pub fn meant(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries: io::Result<Vec<PathBuf>> = std::fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut files = entries.map_err(|error| format!("cannot be read: {error}"))?;
    files.retain(|file| {
        let is_hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !is_hidden && file.extension().is_some_and(|end| ENDS.iter().any(|known| end == *known)) && !file.is_dir()
    });
    files.sort();
    // Nothing that is declared would be nothing that stays.
    if files.is_empty() { Err("there is no *.yaml, *.yml or *.json in it".to_owned()) } else { Ok(files) }
}

/// The text of a file in a directory or below it. A link that leads out of it is not followed: a pull request may hold one.
///
/// # Errors
/// It cannot be read: a sentence.
pub fn beside(directory: &Path, file: &Path) -> Result<String, String> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let path = directory.join(file);
    let cannot = |error: &io::Error| format!("cannot read {}: {error}", path.display());
    let (root, real) = (directory.canonicalize().map_err(|error| cannot(&error))?, path.canonicalize().map_err(|error| cannot(&error))?);
    if !real.starts_with(&root) {
        return Err(format!("cannot read {}: it is a link that leads out of {}", path.display(), directory.display()));
    }
    text(&real).map_err(|error| cannot(&error))
}

fn text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST { Err(io::Error::other(format!("it has more than {LONGEST} bytes"))) } else { Ok(text) }
}
