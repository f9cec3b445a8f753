//! An upstream that answers with the request head that it got, and keeps every byte that reached it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Runs until the process ends.
#[derive(Clone)]
pub(crate) struct Echo {
    address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Echo {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let echo = Self { address: listener.local_addr().unwrap(), received: Arc::default() };
        let received = Arc::clone(&echo.received);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let received = Arc::clone(&received);
                std::thread::spawn(move || {
                    // A proxy that goes away ends the connection, and with it this thread.
                    let _ = serve(connection, &received);
                });
            }
        });
        echo
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every byte that any request has brought.
    pub(crate) fn received(&self) -> Vec<u8> {
        self.received.lock().unwrap().clone()
    }
}

fn serve(mut connection: TcpStream, received: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    let mut waiting = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        while let Some(end) = waiting.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&waiting[..end]).into_owned();
            waiting.drain(..end + 4);
            let body = serde_json::to_vec(&describe(&head)).unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
            connection.write_all(&[answer.as_bytes(), &body].concat())?;
        }
        match connection.read(&mut buffer)? {
            0 => return Ok(()),
            count => {
                received.lock().unwrap().extend_from_slice(&buffer[..count]);
                waiting.extend_from_slice(&buffer[..count]);
            }
        }
    }
}

fn describe(head: &str) -> Value {
    let mut lines = head.split("\r\n");
    let request = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let token = headers.iter().find(|(name, _)| name == "authorization").and_then(|(_, value)| value.strip_prefix("Bearer "));
    json!({ "request": request, "headers": headers, "token": token, "claims": token.map(claims) })
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_default();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap_or_default()).unwrap_or(Value::Null)
}
