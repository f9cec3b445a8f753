//! How the program is linked, and the pages that it has inside.
//!
//! The tables of a position-independent program are relocated when it starts. Packed (`DT_RELR`), the list of the places is 1.3 MiB
//! shorter, and that list is memory in every sidecar. glibc understands it from 2.36 on; where the one that is linked is older, or another C
//! library, the program is linked as ever.

use std::env::var;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    if for_this_machine() && glibc().is_some_and(|version| version >= (2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    let root = PathBuf::from(var("CARGO_MANIFEST_DIR").expect("Cargo says where the package is"));
    let out = PathBuf::from(var("OUT_DIR").expect("Cargo says where to put what is made"));
    fs::write(out.join("documents.rs"), documents(&root)).expect("what is made can be written");
}

/// Every page of `docs`, and the README: a list of names, as addresses have them, and texts. A page that is added is there without anybody's doing.
fn documents(root: &Path) -> String {
    println!("cargo::rerun-if-changed=README.md");
    println!("cargo::rerun-if-changed=docs");
    let mut files = Vec::new();
    below(&root.join("docs"), &mut files);
    files.sort();
    let mut list = "&[\n".to_owned();
    for file in files.into_iter().chain([root.join("README.md")]) {
        let name = file.strip_prefix(root.join("docs")).unwrap_or(Path::new("README.md"));
        let name = name.with_extension("");
        writeln!(list, "    ({:?}, include_str!({:?})),", name.display().to_string(), file.display().to_string())
            .expect("a String takes any text");
    }
    list + "]\n"
}

fn below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("docs stands beside src") {
        let path = entry.expect("docs can be read").path();
        if path.is_dir() {
            below(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}

/// Whether the C library of this machine is the one that is linked.
fn for_this_machine() -> bool {
    var("TARGET") == var("HOST") && var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu")
}

/// As `getconf` has it: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
