//! The line of a request: found by what the client was told, without a key however it is written, and not one for each refused request.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::http;
use crate::support::server::Server;

fn lines(server: &Server) -> Vec<Value> {
    let lines = server.log();
    lines.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(|line: &Value| line["message"] == "request answered").collect()
}

#[test]
fn an_answer_says_what_its_line_says_and_the_line_which_trace_it_belongs_to() {
    let server = Server::start();
    let key = server.key("ci-cd-production", &["--bind", "space-reader@root"]).text;
    server.until("the key to pass", |server| server.get(&key).status == 200);

    let trace = "0af7651916cd43dd8448eb211c80319c";
    let headers = [("authorization", &*format!("Bearer {key}")), ("traceparent", &*format!("00-{trace}-b7ad6b7169203331-01"))];
    let passed = http::get(server.proxy(), &format!("/{}", key.replace('_', "%5F")), &headers);
    let refused = http::get(server.proxy(), "/", &headers[1..]);

    for (answer, status) in [(passed, 200), (refused, 401)] {
        assert_eq!(answer.status, status);
        let (_, id) = answer.headers.iter().find(|(name, _)| name == "x-request-id").expect("an id");
        let line = |server: &Server| lines(server).into_iter().find(|line| line["request_id"] == **id);
        server.until("the line", |server| line(server).is_some());
        let line = line(&server).unwrap();
        assert_eq!((&line["status"], &line["trace_id"]), (&status.into(), &trace.into()), "{line}");
    }
    let secret = key.rsplit_once('_').unwrap().1;
    assert!(!server.log().contains(secret) && server.log().contains("_…"));
}

#[test]
fn above_a_rate_refused_requests_are_sampled_and_every_one_is_counted() {
    const REFUSED: usize = 1_000;
    let server = Server::start();

    let mut connection = TcpStream::connect(server.proxy()).unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", server.proxy());
    let last = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    connection.write_all([request.repeat(REFUSED - 1), last].concat().as_bytes()).unwrap();
    let mut answers = String::new();
    connection.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 401").count(), REFUSED);

    let sampled = |server: &Server| {
        let metrics = http::get(server.ops(), "/metrics", &[]).text();
        let line =
            metrics.lines().find_map(|line| line.strip_prefix("claviger_log_lines_dropped_total{reason=\"sampled\"} ").map(str::to_owned));
        line.unwrap().parse::<usize>().unwrap()
    };
    let told = |server: &Server| lines(server).iter().filter(|line| line["code"] == "missing_key").count();
    server.until("every request to be told or counted", |server| told(server) + sampled(server) == REFUSED);
    assert!(sampled(&server) > 0 && told(&server) >= 100, "{} of {REFUSED}", sampled(&server));
}
