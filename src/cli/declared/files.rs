//! The files that a command is pointed at.

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::args::input_file;
use crate::cli::failure::Failure;
use crate::control::declared::DeclaredFile;
use crate::diagnostics::{Diagnostic, Place};

/// How files that declare access end.
const ENDS: [&str; 3] = ["yaml", "yml", "json"];

/// Every file that is meant, in order, and what is wrong with those that cannot be read.
pub(super) fn read(paths: &[PathBuf]) -> Result<(Vec<DeclaredFile>, Vec<Diagnostic>), Failure> {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for path in paths {
        for file in meant(path)? {
            match input_file::text(&file) {
                Ok(text) => files.push(DeclaredFile { name: file, text }),
                Err(why) => faults.push(Diagnostic::error(Place::whole(&file), why.to_string())),
            }
        }
    }
    Ok((files, faults))
}

/// A file itself; of a directory those in it that declare access, by name. Hidden ones are not looked at: where Kubernetes mounts a
/// `ConfigMap`, everything is there once more behind one.
fn meant(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path == Path::new("-") || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries: io::Result<Vec<PathBuf>> = std::fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut files = entries.map_err(|error| Failure::refused(format_args!("cannot read {}: {error}", path.display())))?;
    files.retain(|file| {
        let is_hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !is_hidden && file.extension().is_some_and(|end| ENDS.iter().any(|known| end == *known)) && !file.is_dir()
    });
    files.sort();
    if files.is_empty() {
        // Nothing that is declared would be nothing that stays, with `--prune`.
        return Err(Failure::refused(format_args!("there is no *.yaml, *.yml or *.json in {}", path.display())));
    }
    Ok(files)
}

/// The text of a file in a directory or below it. A link that leads out of it is not followed: a pull request may hold one.
pub(super) fn beside(directory: &Path, file: &Path) -> Result<String, String> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let path = directory.join(file);
    let cannot = |error: &io::Error| format!("cannot read {}: {error}", path.display());
    let (root, real) = (directory.canonicalize().map_err(|error| cannot(&error))?, path.canonicalize().map_err(|error| cannot(&error))?);
    if !real.starts_with(&root) {
        return Err(format!("cannot read {}: it is a link that leads out of {}", path.display(), directory.display()));
    }
    input_file::text(&real).map_err(|why| why.to_string())
}
