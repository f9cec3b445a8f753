//! Requests by their routes: what is forwarded, byte for byte, what is refused, and what the API is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger::config::Settings;
use claviger::model::{AdmitWithoutRoles, BindingId, Mutation, Space, Subject};
use claviger::token;
use serde_json::{Value, json};

use crate::proxy::http2;
use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::World;
use crate::wire::frames::{END_HEADERS, END_STREAM, End, Frames, HEADERS, block, frame};

fn ok(_: &Received) -> Reply {
    Reply::with(OK)
}

/// With these routes, and more of the configuration.
async fn world(toml: &str) -> World {
    let configured = Settings::from_toml(toml).unwrap_or_else(|faults| panic!("{faults}")).settings;
    let world = World::with(ok, |settings| {
        settings.routes = configured.routes;
        settings.proxy.credentials = configured.proxy.credentials;
        settings.token.include_actions = configured.token.include_actions;
        settings.login.admit_without_roles = AdmitWithoutRoles::Yes;
    })
    .await;
    for (id, parent) in [("production", "root"), ("eu", "production"), ("staging", "root")] {
        let space =
            Space { id: id.parse().unwrap(), name: id.to_owned(), description: String::new(), parent: parent.parse().ok(), labels: vec![] };
        world.change(Mutation::CreateSpace(space)).await;
    }
    let actions = vec!["run:trigger".parse().unwrap(), "stack:*".parse().unwrap()];
    let id = "deployer".parse().unwrap();
    world.change(Mutation::CreateRole { id, name: String::new(), description: String::new(), actions }).await;
    world
}

async fn bind(world: &World, role: &str, space: &str) -> BindingId {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let id = BindingId::new(1, u128::from(DRAWN.fetch_add(1, Ordering::Relaxed)));
    let (role, space) = (role.parse().unwrap(), space.parse().unwrap());
    world.change(Mutation::CreateBinding { id, subject: Subject::Key(world.id), role, space }).await;
    id
}

fn request(method: &str, target: &str, headers: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: api\r\n{headers}\r\n")
}

const KEY: &str = "Authorization: Bearer KEY\r\n";

async fn status(world: &World, method: &str, target: &str) -> u16 {
    world.ask(&request(method, target, KEY)).await.status
}

/// What the token of the last request says.
fn claims(world: &World) -> Value {
    let received = world.last();
    let jwt = received.header("authorization")[0].strip_prefix("Bearer ").unwrap().to_owned();
    token::decode(&jwt).unwrap().claims
}

async fn over_http2(world: &World, method: &str, path: &str) -> End {
    let fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "api"), ("x-api-key", &*world.key)];
    let mut client = Frames::connect(world.address).await;
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields))).await;
    client.end_of(1).await
}

const RUNS: &str = "[[routes]]\npath = \"/v1/spaces/{space}/runs\"\nmethods = [\"POST\"]\nspace = \"{space}\"\nrequire = \"run:trigger\"\n\
                    [[routes]]\npath = \"/v1/{*rest}\"\nmethods = [\"GET\"]\n[[routes]]\npath = \"/health\"\nauth = \"none\"\n";

#[tokio::test]
async fn what_no_route_is_for_is_refused_before_any_key_is_looked_at() {
    let world = world(RUNS).await;
    for headers in ["", KEY, "Authorization: Bearer nonsense\r\n", "Authorization: Bearer KEY\r\nX-API-Key: KEY\r\n"] {
        for (method, target) in [("GET", "/"), ("DELETE", "/v1/x"), ("POST", "/v1/spaces/production/runs/"), ("OPTIONS", "/v1/x")] {
            let answer = world.ask(&request(method, target, headers)).await;
            assert_eq!((answer.status, answer.code()), (404, "no_route".to_owned()), "{method} {target} {headers}");
            assert_eq!(answer.header("www-authenticate"), Vec::<&str>::new());
        }
    }
    assert_eq!(over_http2(&world, "GET", "/other").await, End::Answered(404));
    assert_eq!(world.upstream.bytes(), "");
    assert_eq!(status(&world, "GET", "/v1/x?q=/../%2e").await, 200);
    let mut client = world.client().await;
    client.send(&request("HEAD", "/v1/x", KEY)).await;
    assert_eq!(client.answer_to("HEAD").await.status, 200);
    assert_eq!(world.ask(&request("GET", "/v1/x", "")).await.code(), "missing_key");
}

#[tokio::test]
async fn an_open_route_takes_no_key_and_passes_none_on() {
    let world = world(RUNS).await;
    for headers in ["", KEY, "X-API-Key: KEY\r\n", "Authorization: Bearer KEY\r\nX-API-Key: KEY\r\n", "Authorization: Basic YTpi\r\n"] {
        let more = format!("{headers}X-Roles: admin\r\nX-User-Id: 1\r\nAccept: */*\r\n");
        assert_eq!(world.ask(&request("GET", "/health", &more)).await.status, 200, "{headers}");
        let received = world.last();
        for name in ["authorization", "x-api-key", "x-roles", "x-user-id"] {
            assert_eq!(received.header(name), Vec::<&str>::new(), "{}", received.head);
        }
        assert_eq!((received.header("accept"), received.header("x-request-id").len()), (vec!["*/*"], 1));
    }
    assert!(!world.upstream.bytes().contains(&world.key));
    assert_eq!(over_http2(&world, "GET", "/health").await, End::Answered(200));
    assert_eq!(world.series("claviger_auth_decisions_total{result=\"allow\",reason=\"ok\"}"), 0);
}

#[tokio::test]
async fn an_open_route_passes_no_key_on_wherever_it_may_stand() {
    let places = "[proxy]\ncredentials = [\"basic\", \"query:api_key\", \"cookie:key\"]\n";
    let world = world(&format!("{places}{RUNS}")).await;
    for target in ["/health?api_key=KEY&a=1", "/health?a=1&api_key=KEY&api_key=KEY", "/health?a=1"] {
        let more = "Cookie: key=KEY; b=2\r\nReferer: http://api/?api_key=KEY\r\nAuthorization: Basic S0VZOg==\r\n";
        assert_eq!(world.ask(&request("GET", target, more)).await.status, 200, "{target}");
        let received = world.last();
        assert_eq!((received.target(), received.header("cookie")), ("/health?a=1", vec!["b=2"]));
        assert_eq!(received.header("authorization"), Vec::<&str>::new());
    }
    assert!(!world.upstream.bytes().contains(&world.key));
}

#[tokio::test]
async fn a_route_takes_the_action_in_the_space_that_its_path_names() {
    let world = world(RUNS).await;
    let refusal = |answer: &crate::proxy::world::Answer| {
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        (answer.status, problem["code"].as_str().unwrap().to_owned(), problem["detail"].as_str().unwrap().to_owned())
    };
    let missing = |space: &str| (403, "missing_action".to_owned(), format!("the API key may not run:trigger in space {space}"));
    let binding = bind(&world, "deployer", "production").await;
    assert_eq!(
        (status(&world, "POST", "/v1/spaces/production/runs").await, status(&world, "POST", "/v1/spaces/eu/runs").await),
        (200, 200)
    );
    // One that is not there is answered like one in which nothing is held.
    for space in ["staging", "root", "nowhere"] {
        let answer = world.ask(&request("POST", &format!("/v1/spaces/{space}/runs"), KEY)).await;
        assert_eq!(refusal(&answer), missing(space));
    }
    assert_eq!(over_http2(&world, "POST", "/v1/spaces/staging/runs").await, End::Answered(403));
    assert_eq!(world.series("claviger_auth_decisions_total{result=\"refuse\",reason=\"missing_action\"}"), 4);
    world.change(Mutation::DeleteBinding { id: binding }).await;
    assert_eq!(refusal(&world.ask(&request("POST", "/v1/spaces/production/runs", KEY)).await), missing("production"));
    assert_eq!(status(&world, "GET", "/v1/spaces/production/runs").await, 200);
}

#[tokio::test]
async fn a_token_about_a_space_says_what_holds_there_and_nothing_else() {
    let toml = "[token]\ninclude_actions = true\n[[routes]]\npath = \"/s/{space}/{*rest}\"\nspace = \"{space}\"\n[[routes]]\npath = \"/{*rest}\"\n";
    let world = world(toml).await;
    bind(&world, "deployer", "production").await;
    bind(&world, "space-reader", "root").await;
    for _ in 0..2 {
        for (target, said) in [
            ("/s/eu/x", json!({"space": "eu", "roles": ["deployer", "space-reader"]})),
            ("/s/staging/", json!({"space": "staging", "roles": ["space-reader"]})),
            ("/s/nowhere", json!({"space": "nowhere", "roles": []})),
            (
                "/x",
                json!({"roles": {
                    "root": ["space-reader"], "staging": ["space-reader"],
                    "production": ["deployer", "space-reader"], "eu": ["deployer", "space-reader"],
                }}),
            ),
        ] {
            assert_eq!(status(&world, "GET", target).await, 200);
            let claims = claims(&world);
            assert_eq!((&claims["space"], &claims["roles"]), (&said["space"], &said["roles"]), "{target}");
            assert_eq!(claims["roles_scope"], "effective");
            let actions = claims["actions"].as_array().map(|actions| actions.iter().any(|action| action == "run:trigger"));
            assert_eq!(actions, said["space"].as_str().map(|space| space == "eu"), "{claims}");
        }
    }
    assert_eq!(world.series("claviger_tokens_issued_total{alg=\"ES256\"}"), 4, "each is signed once");
}

#[tokio::test]
async fn a_path_that_may_be_read_in_two_ways_reaches_nobody() {
    let world =
        world("[[routes]]\npath = \"/{*rest}\"\n[[routes]]\npath = \"/admin/{*rest}\"\nspace = \"root\"\nrequire = \"run:trigger\"\n")
            .await;
    for path in [
        "//admin",
        "/x/../admin",
        "/x/..",
        "/./x",
        "/x/%2e%2e/admin",
        "/%2e/x",
        "/x%2fadmin",
        "/x%5cadmin",
        "/x\\admin",
        "/x;a=b/y",
        "/..;/x",
        "/x%00",
        "/x%0a",
        "/%c0%ae%c0%ae/x",
        "/%c1%9c",
        "/%252e%252e/x",
        "/x%3b",
        "/%",
        "/%zz",
        "/%61dmin",
        "/%61dmin/x",
        "/a//b",
    ] {
        for headers in ["", KEY] {
            assert_eq!(world.refused(&request("GET", path, headers)).await, (400, "bad_request".to_owned()), "{path}");
        }
        assert_eq!(over_http2(&world, "GET", path).await, End::Answered(400), "{path}");
    }
    assert_eq!(world.refused(&request("GET", "http://api/x", KEY)).await, (400, "bad_request".to_owned()));
    assert_eq!(world.upstream.bytes(), "");
    for target in ["/", "/x/", "/x.y/.z", "/caf%C3%A9?a=//..;%2e", "/a%20b%40", "/\"<>`{}|^", "/100%25"] {
        assert_eq!(status(&world, "GET", target).await, 200, "{target}");
        assert_eq!(world.last().target(), target);
    }
    assert_eq!(status(&world, "GET", "/admin/x").await, 403);
}

#[tokio::test]
async fn no_header_makes_another_method_of_the_one_that_was_matched() {
    let world = world("[[routes]]\npath = \"/{*rest}\"\nmethods = [\"POST\"]\n").await;
    let overrides = "X-HTTP-Method-Override: DELETE\r\nX_HTTP_Method: DELETE\r\nX-Method-Override: DELETE\r\nX-Plain: 1\r\n";
    assert_eq!(world.ask(&request("POST", "/x", &format!("{KEY}{overrides}"))).await.status, 200);
    let head = world.last().head.to_ascii_lowercase();
    assert!(!head.contains("delete") && head.contains("x-plain: 1"), "{head}");
}

#[tokio::test]
async fn a_body_that_is_longer_than_its_route_allows_is_refused() {
    let world = world("[[routes]]\npath = \"/{*rest}\"\nmax_body_bytes = 5\n").await;
    let post = |headers: &str, body: &str| format!("{}{body}", request("POST", "/x", &format!("{KEY}{headers}")));
    assert_eq!(world.ask(&post("Content-Length: 5\r\n", "12345")).await.status, 200);
    assert_eq!(world.ask(&post("Transfer-Encoding: chunked\r\n", "5\r\n12345\r\n0\r\n\r\n")).await.status, 200);
    let too_large = (413, "too_large".to_owned());
    assert_eq!(world.refused(&post("Content-Length: 6\r\n", "123456")).await, too_large);
    assert_eq!(world.refused(&post("Content-Length: 6\r\nExpect: 100-continue\r\n", "")).await, too_large);
    let answer = world.ask(&post("Transfer-Encoding: chunked\r\n", "3\r\n123\r\n3\r\n456\r\n0\r\n\r\n")).await;
    assert_eq!((answer.status, answer.code()), too_large);
    assert_eq!(world.ask(&request("GET", "/x", KEY)).await.status, 200);
}

#[tokio::test]
async fn a_route_has_a_response_timeout_of_its_own() {
    let routes = "[[routes]]\npath = \"/quick\"\nresponse_timeout = \"50ms\"\n[[routes]]\npath = \"/{*rest}\"\n";
    let routes = Settings::from_toml(routes).unwrap().settings.routes;
    let silent = |received: &Received| if received.target() == "/quick" { Reply::Silence } else { Reply::with(OK) };
    let world = World::with(silent, |settings| settings.routes = routes).await;
    let answer = world.ask(&request("GET", "/quick", KEY)).await;
    assert_eq!((answer.status, answer.code()), (504, "upstream_timeout".to_owned()));
    assert_eq!(status(&world, "GET", "/other").await, 200);
}

#[tokio::test]
async fn a_cors_preflight_passes_without_a_key_where_its_route_says_so() {
    let toml =
        "[[routes]]\npath = \"/api/{*rest}\"\nmethods = [\"GET\", \"PUT\"]\ncors_preflight = true\n[[routes]]\npath = \"/{*rest}\"\n";
    let world = world(toml).await;
    let preflight = |method: &str| format!("Origin: https://app\r\nAccess-Control-Request-Method: {method}\r\n");
    assert_eq!(world.ask(&request("OPTIONS", "/api/x", &preflight("PUT"))).await.status, 200);
    assert_eq!(world.last().header("authorization"), Vec::<&str>::new());
    for (target, headers) in [("/api/x", String::new()), ("/api/x", preflight("DELETE")), ("/other", preflight("PUT"))] {
        assert_eq!(world.ask(&request("OPTIONS", target, &headers)).await.code(), "missing_key", "{target} {headers}");
    }
    assert_eq!(world.ask(&request("PUT", "/api/x", &preflight("PUT"))).await.code(), "missing_key");
}

#[tokio::test]
async fn an_upgrade_and_a_grpc_call_go_by_routes_too() {
    let world = world(RUNS).await;
    let websocket =
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    assert_eq!(world.ask(&request("GET", "/ws", &format!("{KEY}{websocket}"))).await.code(), "no_route");
    assert_eq!(world.ask(&request("GET", "/v1/ws", websocket)).await.code(), "missing_key");
    let (mut client, _driving) = http2::connect(world.address).await;
    for (path, grpc_status) in [("/pkg.Service/Method", "12"), ("/v1/spaces/staging/runs", "7")] {
        let mut call = http2::request(&world, &[("content-type", "application/grpc"), ("te", "trailers")], http2::Pieces::default());
        *call.uri_mut() = format!("http://api{path}").parse().unwrap();
        let response = client.send_request(call).await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["grpc-status"].to_str().unwrap()), (200, grpc_status), "{path}");
    }
    assert_eq!(world.upstream.bytes(), "");
}

#[tokio::test]
async fn each_route_is_counted_by_its_name() {
    let world = world(RUNS).await;
    for (method, target) in [("GET", "/health"), ("GET", "/health"), ("GET", "/nowhere"), ("POST", "/v1/spaces/staging/runs")] {
        status(&world, method, target).await;
    }
    let counted = |route: &str, code: &str| format!("claviger_http_requests_total{{route=\"{route}\",method=\"-\",code=\"{code}\"}}");
    world.until(|world| world.series(&counted("POST /v1/spaces/{space}/runs", "<500")) == 1).await;
    assert_eq!((world.series(&counted("/health", "<500")), world.series(&counted("-", "<500"))), (2, 1));
    assert_eq!(world.series("claviger_http_request_duration_seconds_count{route=\"/health\"}"), 2);
    assert_eq!(world.series("claviger_http_overhead_seconds_count{route=\"*\"}"), 4);
}

#[tokio::test]
async fn a_stream_ends_when_its_key_may_no_longer_do_what_its_route_needs() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    let toml = "[[routes]]\npath = \"/s/{space}\"\nspace = \"{space}\"\nrequire = \"run:trigger\"\n";
    let routes = Settings::from_toml(toml).unwrap().settings.routes;
    let world = World::with(move |_| Reply::Later(head.into(), b"0\r\n\r\n".to_vec()), |settings| settings.routes = routes).await;
    let actions = vec!["run:trigger".parse().unwrap()];
    let id = "deployer".parse().unwrap();
    world.change(Mutation::CreateRole { id, name: String::new(), description: String::new(), actions }).await;
    let binding = bind(&world, "deployer", "root").await;
    // Which still lets it in.
    bind(&world, "space-reader", "root").await;
    let world = Arc::new(world);
    let mut client = world.client().await;
    client.send(&request("GET", "/s/root", KEY)).await;
    assert!(client.has_answer_within(Duration::from_secs(10)).await);
    world.change(Mutation::DeleteBinding { id: binding }).await;
    let rest = client.rest().await;
    assert!(rest.contains("one") && !rest.contains("0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn a_key_and_a_route_have_rates_and_are_told_where_they_stand() {
    let toml = "[limits.rate]\nrequests_per_second = 1\nburst = 1000\n[[routes]]\npath = \"/few\"\nauth = \"none\"\n\
                rate = { requests_per_second = 1, burst = 3 }\n[[routes]]\npath = \"/{*rest}\"\n";
    let configured = Settings::from_toml(toml).unwrap().settings;
    let own = "HTTP/1.1 200 OK\r\nRateLimit: \"api\";r=1;t=1\r\nContent-Length: 2\r\n\r\nok";
    let world = World::with(
        move |_| Reply::with(own),
        |settings| {
            settings.routes = configured.routes;
            settings.limits.rate = configured.limits.rate;
            settings.proxy.threads = 3;
        },
    )
    .await;
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(world.ask(&request("GET", "/few", "")).await);
    }
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((3..8).contains(&passed), "{passed}");
    assert_eq!(answers[0].header("ratelimit"), ["\"api\";r=1;t=1", "\"route\";r=2;t=1"]);
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!((refused.code(), refused.header("retry-after")), ("rate_limited".to_owned(), vec!["1"]));
    assert_eq!(refused.header("ratelimit-policy"), ["\"route\";q=3;w=3"]);
    assert!(refused.header("ratelimit")[0].starts_with("\"route\";r=0;t="), "{}", refused.head);
    assert_eq!(world.upstream.requests().len(), passed);
    world.until(|world| world.series("claviger_rate_limited_total{by=\"route\"}") == 8 - passed as u64).await;

    let answer = world.ask(&request("GET", "/x", KEY)).await;
    assert_eq!((answer.status, answer.header("ratelimit-policy")), (200, vec!["\"key\";q=1000;w=1000"]));
    assert_eq!(answer.header("ratelimit")[1], "\"key\";r=999;t=1");
    assert_eq!(world.ask(&request("GET", "/x", "Authorization: Bearer other\r\n")).await.header("ratelimit"), Vec::<&str>::new());
}
