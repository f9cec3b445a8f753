//! `?wait=applied`: a change is answered when it is in force in every live replica, or after a while, with those in which it is not.
//!
//! The change itself is made as without it, under no other conditions, and is not taken back if somebody is slow.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode, Uri};
use http_body_util::BodyExt as _;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::problem::ApiError;
use super::seats::{Seat, Seats};
use crate::control::{Applied, Control};
use crate::model::{KeyDigest, ReplicaName, Revision};

/// How long it is waited if nothing is said, and at most.
const USUAL: Duration = Duration::from_secs(10);
const LONGEST: u64 = 60;

/// What is not read by GET and changes nothing for which a replica could be waited for.
const NO_CHANGES: [(&str, &str); 5] =
    [("POST", "/policies/validate"), ("POST", "/policies/simulate"), ("POST", "/explain"), ("POST", "/keys/find"), ("DELETE", "/samples")];

/// What sidecars ask and tell changes nothing either, and `wait` means something else there.
const FEED: &str = "/feed/";

/// A request that waits for replicas when it has made its change. Stands among the extensions of its answer.
#[derive(Clone)]
pub(super) struct Waiting {
    most: Duration,
    /// Kept until it is answered.
    _seat: Arc<Seat>,
}

/// What waiting adds to the answer of a change.
#[derive(Serialize, ToSchema)]
pub(super) struct Waited {
    /// Only with `wait=applied`.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<AppliedBody>,
}

/// Where a change is in force.
#[derive(Serialize, ToSchema)]
struct AppliedBody {
    /// Whether it is in force in every live replica. Else the change is made all the same, and comes into force.
    everywhere: bool,
    /// The change.
    #[schema(value_type = u64)]
    revision: Revision,
    /// How many replicas were live; 0 if the store could not be asked.
    replicas: usize,
    /// Those of them in which it was not in force in time.
    #[schema(value_type = Vec<String>)]
    waiting_for: Vec<ReplicaName>,
}

impl From<Applied> for AppliedBody {
    fn from(applied: Applied) -> Self {
        let everywhere = applied.everywhere();
        let Applied { revision, replicas, waiting_for } = applied;
        Self { everywhere, revision, replicas, waiting_for }
    }
}

/// Whether it changes something that replicas apply.
pub(super) fn is_change(method: &str, path: &str) -> bool {
    matches!(method, "POST" | "PUT" | "PATCH" | "DELETE") && !NO_CHANGES.contains(&(method, path)) && !path.starts_with(FEED)
}

/// Whether the request wants to wait, and a seat for it: if there is none, nothing has been changed yet. What says so is taken off, as it
/// is no part of what the request asks for.
pub(super) fn wanted(request: &mut Request, of: KeyDigest, seats: &Seats) -> Result<Option<Waiting>, ApiError> {
    if !is_change(request.method().as_str(), request.uri().path()) {
        return Ok(None);
    }
    let Some(query) = request.uri().query().map(str::to_owned) else { return Ok(None) };
    let (mut waits, mut most, mut rest) = (None, None, Vec::new());
    for parameter in query.split('&') {
        let said_before = match parameter.split_once('=') {
            Some(("wait", what)) => waits.replace(what).is_some(),
            Some(("timeout", span)) => most.replace(seconds(span)?).is_some(),
            Some(_) | None => {
                rest.push(parameter);
                false
            }
        };
        if said_before {
            return Err(ApiError::bad_request("wait and timeout may be said once"));
        }
    }
    let uri = without_query_but(request.uri(), &rest.join("&")).ok_or_else(|| ApiError::bad_request("the query cannot be read"))?;
    *request.uri_mut() = uri;
    match waits {
        None => Ok(None),
        Some("applied") => {
            let too_many = || ApiError::rate_limited_because("too many requests wait for replicas: nothing has been changed");
            let seat = seats.take(of).ok_or_else(too_many)?;
            Ok(Some(Waiting { most: most.unwrap_or(USUAL), _seat: Arc::new(seat) }))
        }
        Some(_) => Err(ApiError::bad_request("what can be waited for is wait=applied")),
    }
}

fn seconds(text: &str) -> Result<Duration, ApiError> {
    let digits = text.strip_suffix('s').unwrap_or(text);
    let number = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())).and_then(|digits| digits.parse().ok());
    let number = number.filter(|number| *number <= LONGEST);
    number.map(Duration::from_secs).ok_or_else(|| ApiError::bad_request(format!("timeout must be from 0s to {LONGEST}s")))
}

fn without_query_but(uri: &Uri, rest: &str) -> Option<Uri> {
    let path = uri.path();
    let text = if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

impl Waiting {
    /// The answer, with where the change is in force by then. Whatever is no change that was made is answered as it is.
    pub(super) async fn answered(self, control: &Control, response: Response) -> Response {
        let Some(revision) = change_of(&response) else { return response };
        let applied = control.applied_everywhere(revision, self.most).await;
        let waited = Waited { applied: Some(applied.into()) };
        let Ok(Value::Object(added)) = serde_json::to_value(&waited) else { return response };
        let (mut parts, body) = response.into_parts();
        // It is at hand already.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        if parts.status == StatusCode::NO_CONTENT {
            parts.status = StatusCode::OK;
            parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        parts.headers.remove(CONTENT_LENGTH);
        Response::from_parts(parts, with_fields(&String::from_utf8_lossy(&body), &Value::Object(added).to_string()).into())
    }
}

/// The change that an answer speaks of.
fn change_of(response: &Response) -> Option<Revision> {
    let tag = response.headers().get(ETAG).filter(|_| response.status().is_success())?;
    tag.to_str().ok()?.trim_matches('"').parse().ok().map(Revision)
}

/// The fields of both objects, those of the first in their order.
fn with_fields(object: &str, more: &str) -> String {
    let fields = |text: &str| text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}')).map(str::to_owned);
    match (fields(object), fields(more)) {
        (Some(own), Some(more)) if !own.is_empty() => format!("{{{own},{more}}}"),
        (_, Some(more)) => format!("{{{more}}}"),
        (_, None) => object.to_owned(),
    }
}

/// Adds to the description of a change what waiting takes and gives.
pub(super) fn describe(operation: &mut Value) {
    let Some(operation) = operation.as_object_mut() else { return };
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        parameters.push(json!({
            "name": "wait", "in": "query", "required": false, "schema": { "type": "string", "enum": ["applied"] },
            "description": "`applied`: the answer comes when the change is in force in every live replica, or after `timeout`, and says where it is",
        }));
        parameters.push(json!({
            "name": "timeout", "in": "query", "required": false,
            "schema": { "type": "string", "pattern": "^([0-9]|[1-5][0-9]|60)s?$", "default": "10s" },
            "description": "For how many seconds `wait` waits at most; the change is made, whatever becomes of it",
        }));
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    let waited = json!({ "$ref": "#/components/schemas/Waited" });
    for (status, response) in responses.iter_mut() {
        if status.starts_with('2')
            && let Some(schema) = response.pointer_mut("/content/application~1json/schema")
        {
            *schema = json!({ "allOf": [schema.take(), waited] });
        }
    }
    if responses.contains_key("204") {
        let content = json!({ "application/json": { "schema": waited } });
        responses.insert("200".to_owned(), json!({ "description": "Done, and waited for", "content": content }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str) -> Result<(Option<Duration>, String), ApiError> {
        let mut request = Request::builder().method("POST").uri(target).body(axum::body::Body::empty()).unwrap();
        let waiting = wanted(&mut request, KeyDigest::from_bytes([0; 32]), &Seats::default())?;
        Ok((waiting.map(|waiting| waiting.most), request.uri().to_string()))
    }

    #[test]
    fn what_says_that_somebody_waits_is_taken_off_and_nothing_else_is() {
        let second = Duration::from_secs;
        for (target, most, left) in [
            ("/keys", None, "/keys"),
            ("/keys?wait=applied", Some(USUAL), "/keys"),
            ("/keys?timeout=3s&wait=applied", Some(second(3)), "/keys"),
            ("/keys?x=1&wait=applied&timeout=60", Some(second(60)), "/keys?x=1"),
            ("/keys?timeout=0", None, "/keys"),
            ("/explain?wait=applied", None, "/explain?wait=applied"),
        ] {
            assert_eq!(asked(target).unwrap(), (most, left.to_owned()), "{target}");
        }
        for target in
            ["/keys?wait=ready", "/keys?wait=applied&timeout=61s", "/keys?timeout=+1", "/keys?timeout=", "/keys?wait=applied&wait=applied"]
        {
            assert!(asked(target).is_err(), "{target}");
        }
    }

    #[test]
    fn an_answer_keeps_its_fields_and_their_order() {
        assert_eq!(with_fields(r#"{"b":1,"a":{}}"#, r#"{"applied":{}}"#), r#"{"b":1,"a":{},"applied":{}}"#);
        assert_eq!(with_fields("{}", r#"{"applied":{}}"#), r#"{"applied":{}}"#);
        assert_eq!(with_fields("", r#"{"applied":{}}"#), r#"{"applied":{}}"#);
    }
}
