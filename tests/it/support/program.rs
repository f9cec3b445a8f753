//! The program that is tested.

use std::path::PathBuf;

/// What cargo has built for the tests, or what `CLAVIGER_TEST_PROGRAM` says: `tests/run` asks some of the tests of what is shipped, too.
pub(crate) fn claviger() -> PathBuf {
    std::env::var_os("CLAVIGER_TEST_PROGRAM").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_claviger")), PathBuf::from)
}
