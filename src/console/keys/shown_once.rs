//! A key's text, which nobody will see again.

use axum::response::Response;
use maud::html;

use super::header::Shown;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::Seen;
use crate::control::MadeKey;

/// The page that shows it, once: it comes as the answer to the form, and is kept by nobody.
pub(super) async fn page(visit: &Seen, made: MadeKey, title: &str) -> Result<Response, Refusal> {
    let MadeKey { id, plain, revision } = made;
    let shown = Shown::read(visit, id).await?;
    let proxy = proxy_address(visit);
    let body = html! {
        h1 { (title) ": " (shown.key.name) }
        (parts::notice(revision))
        @match &plain {
            Some(plain) => {
                p { strong { "Copy it now: it is shown this once." } " Only its SHA-256 is kept." }
                h2 { "The key" }
                pre class="wraps" { code id="secret" class="secret" { (plain.reveal()) } }
                p { (parts::copy("#secret", "Copy key")) }
                h2 { "A request with it" }
                pre class="wraps" { code id="curl" { "curl -H 'Authorization: Bearer " (plain.reveal()) "' " (proxy) } }
                p { (parts::copy("#curl", "Copy curl")) }
                h2 { "For an .env file" }
                pre class="wraps" { code id="env" { "CLAVIGER_KEY=" (plain.reveal()) } }
                p { (parts::copy("#env", "Copy line")) }
            }
            None => p { "It was made by the same form before, and shown then." }
        }
        p { a class="button" href=(shown.path()) { "Done: to the key" } " " a class="button second" href={ (shown.path()) "/roles" } { "Manage its roles" } }
    };
    Ok(visit.page(title, &body))
}

/// Where requests go, as far as the configuration says.
fn proxy_address(visit: &Seen) -> String {
    let settings = visit.state.settings();
    let (listen, scheme) = (settings.proxy.listen, if settings.proxy.tls.is_empty() { "http" } else { "https" });
    let host = if listen.ip().is_unspecified() { "localhost".to_owned() } else { listen.ip().to_string() };
    let host = if listen.ip().is_ipv6() && !listen.ip().is_unspecified() { format!("[{host}]") } else { host };
    format!("{scheme}://{host}:{}/", listen.port())
}
