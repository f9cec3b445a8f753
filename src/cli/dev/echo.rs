//! The upstream of `claviger dev`: answers with the request that it got, and with what its JWT says.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::token;

/// How much of a body is shown, in bytes.
const BODY_SHOWN: usize = 64 * 1024;

/// Serves until it is dropped. Speaks HTTP/1.1 and HTTP/2 by prior knowledge.
pub(super) async fn serve(listener: TcpListener) {
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: let others close theirs.
            tokio::task::yield_now().await;
            continue;
        };
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A connection that breaks concerns nobody but its client, who notices.
            let _ = server.serve_connection_with_upgrades(TokioIo::new(connection), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_SHOWN).collect().await.map(http_body_util::Collected::to_bytes);
    let body = match &body {
        Ok(bytes) => Value::from(String::from_utf8_lossy(bytes)),
        Err(_) => json!({ "not_shown": format!("longer than {BODY_SHOWN} bytes, or broken off") }),
    };
    let received = json!({
        "method": parts.method.as_str(),
        "target": parts.uri.to_string(),
        "headers": headers(&parts.headers),
        "body": body,
    });
    let shown = json!({ "received": received, "jwt": jwt(&parts.headers) });
    let mut text = serde_json::to_vec_pretty(&shown).unwrap_or_default();
    text.push(b'\n');
    let mut response = Response::new(Full::new(Bytes::from(text)));
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Every header, in order; one that came several times has an array.
fn headers(headers: &HeaderMap) -> Value {
    let shown = headers.keys().map(|name| {
        let mut values: Vec<Value> =
            headers.get_all(name).iter().map(|value| Value::from(String::from_utf8_lossy(value.as_bytes()))).collect();
        let value = if values.len() == 1 { values.remove(0) } else { Value::from(values) };
        (name.as_str().to_owned(), value)
    });
    Value::Object(shown.collect())
}

/// Header and claims of the Bearer token, or `null`.
fn jwt(headers: &HeaderMap) -> Value {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    let decoded = bearer.and_then(|token| token::decode(token).ok());
    decoded.map_or(Value::Null, |decoded| json!({ "header": decoded.header, "claims": decoded.claims }))
}
