//! Policies in files.

use std::borrow::Cow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::diagnostics::Severity;
use crate::model::PolicyName;
use crate::policy::fault::PolicyFault;
use crate::policy::source::PolicySource;
use crate::policy::syntax;

/// What a directory of policies holds.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// What can be read, sorted by file name.
    pub sources: Vec<PolicySource>,
    /// What cannot be read, by the file: errors. What looks like a policy or its tests and does not count: warnings.
    pub findings: Vec<PolicyFault>,
}

/// Reads `*.rego` of a directory (not `*_test.rego`); the policy's name is the file's name without `.rego`. Directories within are not
/// entered, and names that begin with a dot are passed over: a mounted `ConfigMap` keeps its history there.
#[must_use]
pub fn survey_dir(dir: &Path) -> Directory {
    let entries = match entries(dir) {
        Ok(entries) => entries,
        Err(fault) => return Directory { sources: Vec::new(), findings: vec![fault] },
    };
    let mut found = read_files(&entries, |name| !name.ends_with(TEST_ENDING));
    if found.sources.is_empty() && found.findings.is_empty() {
        let empty = PolicyFault::of(&dir.display().to_string(), "there is no policy in this directory");
        found.findings.push(empty.hint("is something mounted there? without policies nobody is denied by one").weighing(Severity::Warning));
    }
    let policies = found.sources.iter().filter_map(|source| source.file.as_deref());
    let writable: Vec<PolicyFault> = [dir].into_iter().chain(policies).filter_map(open_to_everybody).collect();
    found.findings.extend(writable);
    found.findings.extend(entries.iter().filter_map(|path| passed_over(path)));
    found.findings.extend(entries.iter().filter_map(|path| alone(path, &entries)));
    found
}

/// Does what [`survey_dir`] does, for those who want all of it or nothing.
///
/// # Errors
/// Every file that cannot be read, or whose name is not a policy's name.
pub fn read_dir(dir: &Path) -> Result<Vec<PolicySource>, Vec<PolicyFault>> {
    survey_dir(dir).sound()
}

/// Reads `*_test.rego` of a directory in the same way.
pub(in crate::policy) fn read_tests(dir: &Path) -> Result<Vec<PolicySource>, Vec<PolicyFault>> {
    read_files(&entries(dir).map_err(|fault| vec![fault])?, |name| name.ends_with(TEST_ENDING)).sound()
}

impl Directory {
    /// The policies if nothing is wrong, else everything that is.
    fn sound(self) -> Result<Vec<PolicySource>, Vec<PolicyFault>> {
        let faults: Vec<PolicyFault> = self.findings.into_iter().filter(PolicyFault::is_error).collect();
        if faults.is_empty() { Ok(self.sources) } else { Err(faults) }
    }
}

const ENDING: &str = ".rego";
const TEST_ENDING: &str = "_test.rego";

/// The file that a file of tests is about; `None` for the store's policies.
pub(in crate::policy) fn policy_of(tests: &PolicySource) -> Option<PathBuf> {
    tests.file.as_deref().map(|file| siblings(file).0)
}

/// A policy's file and that of its tests, whichever of the two this is.
pub(in crate::policy) fn siblings(file: &Path) -> (PathBuf, PathBuf) {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(TEST_ENDING).or_else(|| name.strip_suffix(".rego")).unwrap_or(&name);
    (file.with_file_name(format!("{stem}.rego")), file.with_file_name(format!("{stem}{TEST_ENDING}")))
}

/// What is in the directory, sorted, but for what is hidden.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, PolicyFault> {
    let of_dir = |error: io::Error| PolicyFault::of(&dir.display().to_string(), format!("the directory cannot be read: {error}"));
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(of_dir)?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(|path| !name_of(path).starts_with('.')).collect();
    paths.sort();
    Ok(paths)
}

/// Replacement characters stand where the name is not UTF-8.
fn name_of(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

fn read_files(entries: &[PathBuf], wanted: impl Fn(&str) -> bool) -> Directory {
    let mut found = Directory::default();
    for path in entries.iter().filter(|path| name_of(path).ends_with(ENDING) && wanted(&name_of(path))) {
        // Only what is certainly a directory is passed over: a link that leads nowhere may have been a `deny`.
        if path.is_dir() {
            continue;
        }
        match read(path) {
            Ok(source) => found.sources.push(source),
            Err(fault) => found.findings.push(fault),
        }
    }
    found
}

/// A warning about a place that everybody on the machine may write to: who writes policies says who gets in.
fn open_to_everybody(path: &Path) -> Option<PolicyFault> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    let reason = format!("everybody on this machine may write here (mode {:04o})", mode & 0o7777);
    let fault = || PolicyFault::of(&path.display().to_string(), reason).hint("`chmod o-w` it").weighing(Severity::Warning);
    (mode & 0o002 != 0).then(fault)
}

/// A warning about what somebody may have meant to be a policy.
fn passed_over(path: &Path) -> Option<PolicyFault> {
    let warning = |reason: &str, hint: &str| {
        Some(PolicyFault::of(&path.display().to_string(), reason.to_owned()).hint(hint).weighing(Severity::Warning))
    };
    let name = name_of(path);
    if path.is_dir() {
        return match name.ends_with(ENDING) {
            true => warning("this is a directory, and no policy", "put the file itself here"),
            false if holds_policies(path, DEPTH) => {
                warning("directories are not entered, and there are `.rego` files in this one", "put the files themselves here")
            }
            false => None,
        };
    }
    if is_module(&name) && !name.ends_with(ENDING) {
        return warning("this is no policy: its name does not end in `.rego` in small letters", "rename it if it should be one");
    }
    None
}

/// How deep directories are looked into for the sake of a warning.
const DEPTH: u8 = 4;

fn holds_policies(dir: &Path, depth: u8) -> bool {
    // What cannot be read gives no warning: it would not have been read anyway.
    fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Links are not followed: they may lead round in circles.
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        !name.starts_with('.') && if is_dir { depth > 0 && holds_policies(&entry.path(), depth - 1) } else { is_module(&name) }
    })
}

fn is_module(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("rego"))
}

/// A warning about tests without the policy that they would be tests of.
fn alone(path: &Path, entries: &[PathBuf]) -> Option<PolicyFault> {
    let policy = siblings(path).0;
    if !name_of(path).ends_with(TEST_ENDING) || entries.contains(&policy) {
        return None;
    }
    let warning = PolicyFault::of(&path.display().to_string(), format!("there is no {} that these would be tests of", name_of(&policy)))
        .hint("a file whose name ends in `_test.rego` is never a policy: rename it if it should be one");
    Some(warning.weighing(Severity::Warning))
}

/// Reads one file, whatever its name ends in.
pub(in crate::policy) fn read(file: &Path) -> Result<PolicySource, PolicyFault> {
    let place = file.display().to_string();
    let fault = |reason: String| PolicyFault::of(&place, reason);
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name: PolicyName = stem.parse().map_err(|invalid: crate::model::Invalid| fault(invalid.to_string()))?;
    // Looked at before it is read: a file of many gigabytes is no policy.
    let metadata = fs::metadata(file).map_err(|error| fault(format!("the file cannot be read: {error}")))?;
    if !metadata.is_file() {
        // A pipe would keep whoever reads it waiting.
        return Err(fault("this is not a file".to_owned()));
    }
    let size = metadata.len();
    if size > syntax::TEXT_MAX as u64 {
        return Err(fault(format!("the file has {size} bytes; at most {} are taken", syntax::TEXT_MAX)));
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
    fn every_file_that_cannot_be_read_is_named_and_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("binary.rego"), [0xff, 0xfe]).unwrap();
        fs::write(dir.path().join("long.rego"), vec![b'#'; syntax::TEXT_MAX + 1]).unwrap();
        fs::write(dir.path().join("sound.rego"), "package spacelift\n").unwrap();
        let faults = read_dir(dir.path()).unwrap_err();
        assert_eq!(faults.len(), 2);
        assert!(faults[0].policy.ends_with("binary.rego") && faults[1].reason.contains("at most"));
        let found = survey_dir(dir.path());
        assert_eq!((found.sources.len(), found.findings.len()), (1, 2));
    }

    #[test]
    fn a_link_that_leads_nowhere_is_a_fault_and_not_an_absent_policy() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("gone", dir.path().join("deny.rego")).unwrap();
        std::os::unix::fs::symlink("deny_test.rego", dir.path().join("deny_test.rego")).unwrap();
        let faults = read_dir(dir.path()).unwrap_err();
        assert!(faults.len() == 1 && faults[0].policy.ends_with("deny.rego") && faults[0].reason.contains("cannot be read"), "{faults:?}");
        assert_eq!(read_tests(dir.path()).unwrap_err().len(), 1);
    }

    #[test]
    fn what_is_neither_file_nor_directory_is_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("deny.rego")).unwrap();
        assert_eq!(read_dir(dir.path()).unwrap_err()[0].reason, "this is not a file");
    }

    #[test]
    fn what_looks_like_a_policy_and_is_passed_over_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        for (within, name) in [("sub/deeper", "deny.rego"), ("deny.rego", "x"), ("notes", "x.txt"), ("..2026", "deny.rego"), ("", "b.REGO")]
        {
            fs::create_dir_all(dir.path().join(within)).unwrap();
            fs::write(dir.path().join(within).join(name), "package spacelift\n").unwrap();
        }
        std::os::unix::fs::symlink("..2026", dir.path().join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/deny.rego", dir.path().join("a.rego")).unwrap();
        let found = survey_dir(dir.path());
        assert_eq!(found.sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["a"]);
        let told: Vec<_> = found.findings.iter().map(|finding| finding.policy.rsplit_once('/').unwrap().1).collect();
        assert_eq!(told, ["b.REGO", "deny.rego", "sub"]);
        assert!(found.findings.iter().all(|finding| finding.severity == Severity::Warning), "{:?}", found.findings);
    }

    #[test]
    fn tests_without_their_policy_are_told_of() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.rego", "a_test.rego", "b_test.rego"] {
            fs::write(dir.path().join(name), "package spacelift\n").unwrap();
        }
        let told = survey_dir(dir.path()).findings;
        assert_eq!(told.len(), 1);
        assert!(told[0].policy.ends_with("b_test.rego") && told[0].reason.contains("no b.rego") && !told[0].is_error(), "{told:?}");
    }

    #[test]
    fn a_directory_that_is_not_there_is_a_fault() {
        assert_eq!(read_dir(Path::new("/nonexistent/policies")).unwrap_err().len(), 1);
    }
}
