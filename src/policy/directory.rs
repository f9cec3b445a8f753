//! Policies in files.

use std::fs;
use std::path::{Path, PathBuf};

use super::fault::{PolicyFault, Severity};
use super::{PolicySource, text};
use crate::model::PolicyName;

/// Reads `*.rego` of a directory (not `*_test.rego`), sorted by file name; the policy's name is the file's name without `.rego`.
/// Directories within are not entered, and names that begin with a dot are passed over: a mounted `ConfigMap` keeps its history there.
///
/// # Errors
/// Every file that cannot be read, or whose name is not a policy's name.
pub fn read_dir(dir: &Path) -> Result<Vec<PolicySource>, Vec<PolicyFault>> {
    read_files(dir, |name| !name.ends_with(TEST_ENDING))
}

/// Reads `*_test.rego` of a directory in the same way.
pub(super) fn read_tests(dir: &Path) -> Result<Vec<PolicySource>, Vec<PolicyFault>> {
    read_files(dir, |name| name.ends_with(TEST_ENDING))
}

/// Tells of every `NAME_test.rego` of a directory that has no `NAME.rego` beside it. What cannot be read is told of by [`read_dir`].
#[must_use]
pub fn tests_alone(dir: &Path) -> Vec<PolicyFault> {
    let policies = read_dir(dir).unwrap_or_default();
    let tests = read_tests(dir).unwrap_or_default();
    let about = |tests: &PolicySource| tests.name.as_str().strip_suffix("_test").unwrap_or_default().to_owned();
    let alone = tests.iter().filter(|tests| !policies.iter().any(|policy| policy.name.as_str() == about(tests)));
    let warning = |tests: &PolicySource| {
        PolicyFault::of(&tests.place(), format!("there is no {}.rego that these would be tests of", about(tests)))
            .hint("a file whose name ends in `_test.rego` is never a policy: rename it if it should be one")
            .weighing(Severity::Warning)
    };
    alone.map(warning).collect()
}

const TEST_ENDING: &str = "_test.rego";

/// The file that a file of tests is about; `None` for the store's policies.
pub(super) fn policy_of(tests: &PolicySource) -> Option<PathBuf> {
    tests.file.as_deref().map(|file| siblings(file).0)
}

/// A policy's file and that of its tests, whichever of the two this is.
pub(super) fn siblings(file: &Path) -> (PathBuf, PathBuf) {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(TEST_ENDING).or_else(|| name.strip_suffix(".rego")).unwrap_or(&name);
    (file.with_file_name(format!("{stem}.rego")), file.with_file_name(format!("{stem}{TEST_ENDING}")))
}

fn read_files(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PolicySource>, Vec<PolicyFault>> {
    let of_dir =
        |error: std::io::Error| vec![PolicyFault::of(&dir.display().to_string(), format!("the directory cannot be read: {error}"))];
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<std::io::Result<Vec<_>>>).map_err(of_dir)?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(|path| is_module(path, &wanted)).collect();
    files.sort();
    let (mut sources, mut faults) = (Vec::new(), Vec::new());
    for file in files {
        match read(&file) {
            Ok(source) => sources.push(source),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(sources) } else { Err(faults) }
}

fn is_module(path: &Path, wanted: impl Fn(&str) -> bool) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.extension().is_some_and(|extension| extension == "rego") && !name.starts_with('.') && wanted(name) && path.is_file()
}

/// Reads one file, whatever its name ends in.
pub(super) fn read(file: &Path) -> Result<PolicySource, PolicyFault> {
    let place = file.display().to_string();
    let fault = |reason: String| PolicyFault::of(&place, reason);
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name: PolicyName = stem.parse().map_err(|invalid: crate::model::Invalid| fault(invalid.to_string()))?;
    // Looked at before it is read: a file of many gigabytes is no policy.
    let size = fs::metadata(file).map_err(|error| fault(format!("the file cannot be read: {error}")))?.len();
    if size > text::TEXT_MAX as u64 {
        return Err(fault(format!("the file has {size} bytes; at most {} are taken", text::TEXT_MAX)));
    }
    let text = fs::read_to_string(file).map_err(|error| fault(format!("the file cannot be read: {error}")))?;
    Ok(PolicySource { name, file: Some(file.to_owned()), text: text.into(), rego: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_sorted_by_name_without_tests_and_others() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.rego", "a.rego", "a_test.rego", "notes.txt", ".hidden.rego"] {
            fs::write(dir.path().join(name), "package spacelift\n").unwrap();
        }
        fs::create_dir(dir.path().join("c.rego")).unwrap();
        let names: Vec<String> = read_dir(dir.path()).unwrap().iter().map(|source| source.name.to_string()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn every_file_that_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("binary.rego"), [0xff, 0xfe]).unwrap();
        fs::write(dir.path().join("long.rego"), vec![b'#'; text::TEXT_MAX + 1]).unwrap();
        let faults = read_dir(dir.path()).unwrap_err();
        assert_eq!(faults.len(), 2);
        assert!(faults[0].policy.ends_with("binary.rego") && faults[1].reason.contains("at most"));
    }

    #[test]
    fn tests_without_their_policy_are_told_of() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.rego", "a_test.rego", "b_test.rego"] {
            fs::write(dir.path().join(name), "package spacelift\n").unwrap();
        }
        let told = tests_alone(dir.path());
        assert_eq!(told.len(), 1);
        assert!(told[0].policy.ends_with("b_test.rego") && told[0].reason.contains("no b.rego") && !told[0].is_error(), "{told:?}");
    }

    #[test]
    fn a_directory_that_is_not_there_is_a_fault() {
        assert_eq!(read_dir(Path::new("/nonexistent/policies")).unwrap_err().len(), 1);
    }
}
