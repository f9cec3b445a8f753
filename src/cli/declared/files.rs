//! The files that a command is pointed at.

use std::path::{Path, PathBuf};

use crate::cli::args::input_file;
use crate::cli::failure::Failure;
use crate::control::declared::{self, DeclaredFile};
use crate::diagnostics::{Diagnostic, Place};

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

/// A file itself, or those of a directory that declare access.
fn meant(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path == Path::new("-") {
        return Ok(vec![path.to_owned()]);
    }
    declared::meant(path).map_err(|why| Failure::refused(format_args!("{}: {why}", path.display())))
}
