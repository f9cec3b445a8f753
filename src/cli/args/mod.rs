//! What several commands take as arguments: where the configuration is, texts from files, values such as spans and times.

pub(crate) mod certificate;
pub(crate) mod config;
pub(crate) mod input_file;
pub(crate) mod value;
