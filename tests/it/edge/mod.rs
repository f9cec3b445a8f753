//! What every entrance shares.

mod client_certificates;
pub(crate) mod tls;
mod tls_files;
mod tls_reload;
mod upstream_tls_reload;
