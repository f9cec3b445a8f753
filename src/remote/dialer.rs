//! Makes connections: over TLS where the url says so, to nobody but who is vouched for under the name that the url says.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::connection::Connection;
use crate::config::ServerUrl;

/// How long a connection may take to be made, and TLS on it, where nobody says otherwise.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// What it takes to connect.
pub struct Dialer {
    tls: TlsConnector,
}

/// Why nobody can be vouched for.
#[derive(Debug, thiserror::Error)]
pub enum DialerError {
    /// The file cannot be read as certificates.
    #[error("{file}: {why}")]
    Certificates {
        /// Which.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The library refuses what it is told.
    #[error("TLS cannot be spoken: {0}")]
    Tls(#[from] rustls::Error),
}

impl Dialer {
    /// Vouched for by the certificates in this file, in PEM, and by nobody else; without one, by those that browsers go by.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub fn new(ca: Option<&Path>) -> Result<Self, DialerError> {
        let mut roots = RootCertStore::empty();
        match ca {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(file) => {
                let wrong = |why: String| DialerError::Certificates { file: file.display().to_string(), why };
                let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
                for certificate in read {
                    let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                    roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(wrong("there is no certificate in it".to_owned()));
                }
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Connects, which may take so long.
    ///
    /// # Errors
    /// Why there is no connection, as a sentence.
    pub(super) async fn connect(&self, url: &ServerUrl, most: Duration) -> Result<Connection, String> {
        let connecting = tokio::time::timeout(most, self.connected(url));
        connecting.await.unwrap_or_else(|_| Err("it does not take the connection".to_owned()))
    }

    async fn connected(&self, url: &ServerUrl) -> Result<Connection, String> {
        let stream = TcpStream::connect((url.name(), url.port())).await.map_err(|error| error.to_string())?;
        // Questions are small, and each is waited for.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        if !url.is_encrypted() {
            return Connection::over(TokioIo::new(stream)).await;
        }
        let name = ServerName::try_from(url.name().to_owned()).map_err(|error| error.to_string())?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            Connection::over_http2(TokioIo::new(stream)).await
        } else {
            Connection::over(TokioIo::new(stream)).await
        }
    }
}
