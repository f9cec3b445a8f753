//! The certificate of a client that is thought of, where an address can be said, too.

use std::path::Path;
use std::sync::Arc;

use super::input_file;
use crate::cli::failure::Failure;
use crate::edge::tls::client_certificate_of_pem;
use crate::model::ClientCertificate;

/// Reads one from a PEM file, `-` for stdin; nothing where none is named.
pub(crate) fn certificate(file: Option<&Path>) -> Result<Option<Arc<ClientCertificate>>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let read = client_certificate_of_pem(input_file::text(file)?.as_bytes());
    read.map(|certificate| Some(Arc::new(certificate))).map_err(|why| Failure::usage(format_args!("{}: {why}", file.display())))
}
