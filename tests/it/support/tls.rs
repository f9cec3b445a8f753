//! A client that speaks TLS, and says what came of it; and how a server does.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned, SupportedProtocolVersion};

use super::certificates::{Authority, Issued};
use super::http::{self, Answer};

/// Only keeps a broken test from hanging for ever.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection over TLS.
pub(crate) type Connection = StreamOwned<ClientConnection, TcpStream>;

/// How a client speaks TLS.
#[derive(Clone)]
pub(crate) struct Client {
    config: Arc<ClientConfig>,
    name: &'static str,
}

impl Client {
    /// Trusts this authority, and speaks any version.
    pub(crate) fn trusting(authority: &Authority) -> Self {
        Self::with(authority, rustls::ALL_VERSIONS, None)
    }

    /// Speaks these versions alone, and shows this certificate if it is asked for one.
    pub(crate) fn with(authority: &Authority, versions: &[&'static SupportedProtocolVersion], shown: Option<&Issued>) -> Self {
        let roots = roots(authority);
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(shown.key()));
                builder.with_client_auth_cert(vec![CertificateDer::from(shown.der.clone())], key).unwrap()
            }
        };
        Self { config: Arc::new(config), name: "localhost" }
    }

    /// Asks for this name.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Offers these protocols.
    pub(crate) fn offering(mut self, protocols: &[&str]) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// How it begins to shake hands.
    pub(crate) fn hello(&self) -> Vec<u8> {
        let name = ServerName::try_from(self.name).unwrap();
        let (mut connection, mut hello) = (ClientConnection::new(Arc::clone(&self.config), name).unwrap(), Vec::new());
        connection.write_tls(&mut hello).unwrap();
        hello
    }

    /// Shakes hands to the end.
    pub(crate) fn connect(&self, address: SocketAddr) -> io::Result<Connection> {
        self.connect_behind(address, b"")
    }

    /// The same after these bytes.
    pub(crate) fn connect_behind(&self, address: SocketAddr, first: &[u8]) -> io::Result<Connection> {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(first)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(self.name).unwrap();
        let mut connection = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(connection, socket))
    }

    /// The same over a connection that nobody waits for.
    pub(crate) async fn over(&self, socket: tokio::net::TcpStream) -> io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
        let name = ServerName::try_from(self.name).unwrap();
        tokio_rustls::TlsConnector::from(Arc::clone(&self.config)).connect(name, socket).await
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, address: SocketAddr, path: &str, headers: &str) -> io::Result<Answer> {
        ask(&mut self.connect(address)?, path, headers)
    }
}

/// The last request on a connection.
pub(crate) fn ask(connection: &mut Connection, path: &str, headers: &str) -> io::Result<Answer> {
    connection.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").as_bytes())?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    Ok(http::parse(&answer))
}

/// The certificate that the other end has shown.
pub(crate) fn shown(connection: &Connection) -> Vec<u8> {
    connection.conn.peer_certificates().unwrap()[0].to_vec()
}

/// How a server speaks TLS: by this certificate, in these versions, offering these protocols, and asking for certificates of this authority.
pub(crate) fn server(
    issued: &Issued,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
    clients: Option<&Authority>,
) -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(authority)), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(issued.key()));
    let mut config = builder.with_single_cert(vec![CertificateDer::from(issued.der.clone())], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.der().to_vec())).unwrap();
    roots
}
