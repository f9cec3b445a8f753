//! A connection, encrypted or not, to whoever reads and writes on it.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

use super::pauses::PausingSocket;
use super::records::RecordSocket;
use super::socket::PlainSocket;

/// A client's connection.
pub(crate) type ClientStream = MaybeEncrypted<TcpStream, server::TlsStream<PausingSocket>>;
/// A connection to the upstream.
pub(crate) type UpstreamStream = MaybeEncrypted<PlainSocket, client::TlsStream<RecordSocket>>;

/// A connection; `P`: what it is in the clear, `S`: how it is encrypted, if it is.
#[derive(Debug)]
pub(crate) enum MaybeEncrypted<P, S> {
    Plain(P),
    /// Apart, because it is large, and connections that are not encrypted are not to pay for it.
    Tls(Box<S>),
}

impl ClientStream {
    pub(crate) fn is_encrypted(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(_) => true,
        }
    }

    /// Whether something has come that has not been read, be it the end. Asks the system, where a read that is pending asks nobody.
    pub(crate) fn has_more(&self) -> bool {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0.socket(),
        };
        SockRef::from(socket).peek(&mut [MaybeUninit::uninit()]).is_ok()
    }

    /// Whether both sides have agreed on HTTP/2 while they shook hands.
    pub(crate) fn agreed_on_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

impl UpstreamStream {
    /// Whether both sides have agreed on HTTP/2 while they shook hands.
    pub(crate) fn agreed_on_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    /// What is under the encryption, if there is one.
    pub(crate) fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Plain(socket) => socket.as_system_has_it(),
            Self::Tls(stream) => SockRef::from(stream.get_ref().0.socket()),
        }
    }

    /// Whether what has been read so far ends amid something: bytes that nobody has been given, because the rest of them is missing.
    pub(crate) fn holds_a_part(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => !stream.get_ref().0.is_between_records(),
        }
    }
}

impl<P: AsyncRead + Unpin, S: AsyncRead + Unpin> AsyncRead for MaybeEncrypted<P, S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl<P: AsyncWrite + Unpin, S: AsyncWrite + Unpin> AsyncWrite for MaybeEncrypted<P, S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, pieces),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
