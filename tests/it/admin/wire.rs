//! The listener itself: what is malformed, too large, too much; and what describes it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::client::Api;
use crate::support::http;
use crate::support::server::{Server, Setup};

#[test]
fn what_is_malformed_is_refused_with_a_code_and_a_sentence() {
    let server = Server::start();
    let root = Api::of_root(&server);
    let key = root.key.clone().unwrap();
    let raw = |head: &str, body: &str| {
        let request = format!(
            "{head}\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        http::exchange(server.admin(), request.as_bytes())
    };
    let json = "\r\nContent-Type: application/json";
    for (head, body, status, code) in [
        (format!("POST /api/v1/keys HTTP/1.1{json}"), "{", 400, "bad_request"),
        (format!("POST /api/v1/keys HTTP/1.1{json}"), "{}", 400, "bad_request"),
        (format!("POST /api/v1/keys HTTP/1.1{json}"), "[\"x\"]", 400, "bad_request"),
        (format!("POST /api/v1/keys HTTP/1.1{json}"), "{\"name\":\"x\",\"nmae\":\"y\"}", 400, "bad_request"),
        (format!("POST /api/v1/keys HTTP/1.1{json}"), "{\"name\":\" x\"}", 400, "bad_request"),
        (format!("POST /api/v1/keys HTTP/1.1{json}"), "{\"name\":\"x\"} trailing", 400, "bad_request"),
        (format!("POST /api/v1/keys HTTP/1.1{json}"), "{\"name\":\"clv_x\"}", 422, "invalid"),
        (format!("POST /api/v1/keys HTTP/1.1{json}"), "{\"name\":\"x\",\"expires_at\":\"2001-01-01T00:00:00Z\"}", 422, "invalid"),
        ("POST /api/v1/keys HTTP/1.1".to_owned(), "{\"name\":\"x\"}", 415, "unsupported_media_type"),
        ("GET /api/v1/nothing HTTP/1.1".to_owned(), "", 404, "not_found"),
        ("GET /nothing HTTP/1.1".to_owned(), "", 404, "not_found"),
        ("GET /api/v1/keys/no-id HTTP/1.1".to_owned(), "", 404, "not_found"),
        ("GET /api/v1/spaces/no-such HTTP/1.1".to_owned(), "", 404, "not_found"),
        ("PUT /api/v1/keys HTTP/1.1".to_owned(), "", 405, "method_not_allowed"),
    ] {
        let answer = raw(&head, body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{head} {body}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{head}");
        assert_eq!(answer.json()["request_id"], answer.header("x-request-id").unwrap());
    }
    let told = raw(&format!("POST /api/v1/keys HTTP/1.1{json}"), "{\"name\":\"x\",\"bindings\":[{\"role\":\"A\",\"space\":\"b\"}]}").json();
    assert!(told["detail"].as_str().unwrap().starts_with("bindings[0].role: "), "{told}");
    let allow = raw("PUT /api/v1/keys HTTP/1.1", "");
    assert!(allow.header("allow").unwrap().contains("POST"), "{allow:?}");
    let large = "x".repeat(2 * 1024 * 1024);
    let answer = root.post("/keys", &json!({ "name": "x", "description": large }));
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"));
}

#[test]
fn unknown_and_dead_keys_get_the_same_answer_and_two_credentials_none() {
    let server = Server::start();
    let root = Api::of_root(&server);
    let dead = root.made("/keys", &json!({ "name": "dead" }));
    root.delete(&format!("/keys/{}", dead["id"].as_str().unwrap()));
    let bare = |key: &str| {
        let mut answer = root.with_key(key).get("/whoami");
        answer.headers.retain(|(name, _)| name != "x-request-id" && name != "date");
        let mut body = answer.json();
        body["request_id"] = json!("");
        (answer.status, answer.headers, body)
    };
    assert_eq!(bare(dead["key"].as_str().unwrap()), bare("never-was-one"));
    assert_eq!(bare("clv_malformed"), bare("never-was-one"));
    let two = root.send("GET", "/whoami", None, &[("Authorization", "Bearer x")]);
    assert_eq!((two.status, two.code().as_str()), (400, "bad_request"));
}

#[test]
fn whoever_tries_keys_is_slowed_down_and_nobody_else() {
    let server = Server::start();
    let root = Api::of_root(&server);
    let from = |address: &str, key: &str| root.with_key(key).send("GET", "/whoami", None, &[("X-Forwarded-For", address)]);
    let mut answers: Vec<_> = (0..40).map(|number| from("203.0.113.9", &format!("guess-{number}"))).collect();
    let last = answers.pop().unwrap();
    assert_eq!((last.status, last.code().as_str()), (429, "rate_limited"), "{}", last.text());
    assert!(last.header("retry-after").is_some());
    assert_eq!(from("203.0.113.9", root.key.as_deref().unwrap()).status, 429, "not even told whether a key works");
    assert_eq!(from("203.0.113.10", root.key.as_deref().unwrap()).status, 200);
}

#[test]
fn silent_connections_keep_nobody_waiting() {
    let server = Server::start();
    let root = Api::of_root(&server);
    let mut silent: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(server.admin()).unwrap()).collect();
    for connection in &mut silent {
        _ = connection.write_all(b"GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\n");
    }
    assert_eq!(root.get("/whoami").status, 200);
    // A connection that asks is kept for its next question.
    let mut kept = TcpStream::connect(server.admin()).unwrap();
    for _ in 0..3 {
        let key = root.key.as_deref().unwrap();
        kept.write_all(format!("GET /api/v1/strategy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            let mut piece = [0; 4096];
            let read = kept.read(&mut piece).unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..read]);
        }
    }
}

#[test]
fn the_description_names_every_operation_and_the_page_loads_nothing_from_elsewhere() {
    let server = Server::start();
    let description = http::get(server.admin(), "/openapi.json", &[]).json();
    assert_eq!(description["openapi"].as_str().unwrap().split('.').next(), Some("3"));
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in [
        "/keys",
        "/keys/{id}/rotate",
        "/bindings/{id}",
        "/policies/validate",
        "/explain",
        "/audit",
        "/whoami",
        "/signing-keys/{kid}/activate",
    ] {
        assert!(description["paths"][path].is_object(), "{path}");
    }
    let parameters = |path: &str, method: &str| description["paths"][path][method]["parameters"].to_string();
    assert!(parameters("/keys", "post").contains("\"wait\"") && parameters("/bindings/{id}", "delete").contains("\"timeout\""));
    assert!(!parameters("/explain", "post").contains("\"wait\"") && !parameters("/keys", "get").contains("\"wait\""));
    let operations = description["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let mut ids: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(count > 40 && ids.len() == count && ids.contains(&"keys_rotate"), "{ids:?}");
    let page = http::get(server.admin(), "/api", &[]);
    let text = page.text();
    assert!(text.contains("/api/v1/keys/{id}/rotate") && text.contains("Gives a key a new secret"), "{text}");
    assert!(!text.contains("<script") && !text.contains("http://") && !text.contains("https://"), "{text}");
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert_eq!(http::get(server.admin(), "/api/reference.css", &[]).status, 200);
}

#[test]
fn no_part_of_a_schema_refuses_the_fields_of_another_part() {
    let server = Server::start();
    let description = http::get(server.admin(), "/openapi.json", &[]).json();
    let schemas = description["components"]["schemas"].as_object().unwrap();
    let named = |part: &Value| part["$ref"].as_str().map_or_else(|| part.clone(), |at| schemas[at.rsplit('/').next().unwrap()].clone());
    let parts = |schema: &Value| schema["allOf"].as_array().into_iter().flatten().map(named).collect::<Vec<_>>();
    let torn = schemas.iter().filter(|(_, schema)| parts(schema).iter().any(|part| part["additionalProperties"] == json!(false)));
    assert_eq!(torn.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_key_that_is_pasted_into_a_path_stands_in_no_log_and_not_in_the_audit() {
    let server = Setup::new().environment("CLAVIGER_LOG__LEVEL", "debug").start();
    let root = Api::of_root(&server);
    let key = root.made("/keys", &json!({ "name": "pasted" }))["key"].as_str().unwrap().to_owned();
    for path in [format!("/keys/{key}"), format!("/keys/{key}/rotate"), format!("/groups/{key}"), format!("/keys?q={key}")] {
        for method in ["GET", "DELETE", "PATCH"] {
            root.send(method, &path, Some(&json!({ "description": "x" })), &[]);
        }
    }
    root.post("/explain", &json!({ "key": key }));
    server.until("the requests in the log", |server| server.log().contains("the admin API has answered"));
    let told = [server.log(), root.get("/audit").text()].concat();
    assert!(told.contains("/keys/clv_") && !told.contains(&key[31..60]), "{told}");
}
