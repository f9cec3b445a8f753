//! How the program is linked.
//!
//! The tables of a position-independent program are relocated when it starts. Packed (`DT_RELR`), the list of the places is 1.3 MiB
//! shorter, and that list is memory in every sidecar. glibc understands it from 2.36 on; where the one that is linked is older, or another C
//! library, the program is linked as ever.

use std::env::var;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    if for_this_machine() && glibc().is_some_and(|version| version >= (2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
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
