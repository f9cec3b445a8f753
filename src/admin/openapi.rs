//! The description of the API, OpenAPI 3.1, made from the handlers.

use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::problem::Problem;

/// All that does not stand at a handler.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Claviger admin API",
        description = "Who holds which role where. Send an API key as `Authorization: Bearer KEY`; what it may manage comes from its bindings \
                       and its groups' bindings. Every change answers with an `ETag`; `If-Match` makes a change only if nobody was faster. \
                       Refusals are problem documents (RFC 9457) with a stable `code`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/api/v1")),
    components(schemas(Problem)),
    modifiers(&ApiKey),
    security(("api_key" = []))
)]
pub(super) struct Description;

struct ApiKey;

impl utoipa::Modify for ApiKey {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key, `clv_…`")).build();
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::Http(scheme));
    }
}
