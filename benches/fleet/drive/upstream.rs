//! The API behind every proxy, which answers with the token that it was sent; and the way to the database, which can lead elsewhere.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_local;

/// Starts it; where it is.
pub(crate) async fn start() -> std::io::Result<u16> {
    let listener = TcpListener::bind("0.0.0.0:0").await?;
    let port = listener.local_addr()?.port();
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            spawn_local(echo(stream));
        }
    });
    Ok(port)
}

async fn echo(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let (mut buffer, mut answer) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
    loop {
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            match stream.read_buf(&mut buffer).await {
                Ok(1..) => continue,
                Ok(0) | Err(_) => return,
            }
        };
        answer.clear();
        let token = token(&buffer[..end]);
        answer.extend_from_slice(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", token.len()).as_bytes());
        answer.extend_from_slice(token);
        buffer.drain(..end + 4);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn token(head: &[u8]) -> &[u8] {
    let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let value = |line: &'_ [u8]| line.iter().position(|byte| *byte == b':').filter(|at| line[..*at].eq_ignore_ascii_case(b"authorization"));
    for line in lines {
        if let Some(at) = value(line) {
            let value = line[at + 1..].trim_ascii();
            return value.strip_prefix(b"Bearer ").unwrap_or(value);
        }
    }
    b""
}

/// Connections that come here go there.
pub(crate) struct Relay {
    port: u16,
    to: watch::Sender<Option<SocketAddr>>,
}

impl Relay {
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("0.0.0.0:0").await?;
        let port = listener.local_addr()?.port();
        let (to, leads_to) = watch::channel(None);
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn_local(carry(stream, leads_to.clone()));
            }
        });
        Ok(Self { port, to })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whoever is connected is cut off, and led there when they come again.
    pub(crate) fn lead_to(&self, to: SocketAddr) {
        self.to.send_replace(Some(to));
    }
}

async fn carry(mut here: TcpStream, mut leads_to: watch::Receiver<Option<SocketAddr>>) {
    let Some(to) = *leads_to.borrow_and_update() else { return };
    let Ok(mut there) = TcpStream::connect(to).await else { return };
    let _ = (here.set_nodelay(true), there.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut here, &mut there) => {}
        _ = leads_to.changed() => {}
    }
}
