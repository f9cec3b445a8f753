//! Access as files beside the code: `claviger export` writes them, `claviger apply` brings a store there.

pub(crate) mod apply;
pub(crate) mod export;
mod files;
