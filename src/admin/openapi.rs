//! The description of the API, `OpenAPI` 3.1, made from the handlers.

use serde_json::Value;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::problem::Problem;
use super::waiting::{self, Waited};

/// All that does not stand at a handler.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Claviger admin API",
        description = "Who holds which role where. Send an API key as `Authorization: Bearer KEY`; what it may manage comes from its bindings \
                       and its groups' bindings. Every change answers with an `ETag`; `If-Match` makes a change only if nobody was faster. \
                       Refusals are problem documents (RFC 9457) with a stable `code`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/api/v1")),
    components(schemas(Problem, Waited)),
    modifiers(&ApiKey),
    security(("api_key" = []))
)]
pub(super) struct Description;

/// The whole description, as JSON.
pub(super) fn json(description: &OpenApi) -> Value {
    let mut api = serde_json::to_value(description).unwrap_or_default();
    let paths = api.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flatten().filter_map(|(path, item)| Some((path, item.as_object_mut()?)));
    for (path, method, operation) in
        items.flat_map(|(path, item)| item.iter_mut().map(move |(method, operation)| (path, method, operation)))
    {
        // The handler's name alone is that of many: what a client is made from must tell them apart.
        let part = |at: &str| operation.pointer(at).and_then(Value::as_str).unwrap_or_default();
        let id = format!("{}_{}", part("/tags/0"), part("/operationId"));
        if let Some(operation) = operation.as_object_mut() {
            operation.insert("operationId".to_owned(), id.into());
        }
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        // One of each is asked for, and the operation has said it.
        for (status, response) in responses.into_iter().flatten() {
            let said = match status.as_str() {
                "201" => "Made",
                "204" => "Done",
                _ => "As asked",
            };
            if let Some(response) = response.as_object_mut() {
                response.entry("description").or_insert_with(|| said.into());
            }
        }
        if waiting::is_change(&method.to_ascii_uppercase(), path) {
            waiting::describe(operation);
        }
    }
    api
}

struct ApiKey;

impl utoipa::Modify for ApiKey {
    fn modify(&self, description: &mut OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key, `clv_…`")).build();
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::Http(scheme));
    }
}
