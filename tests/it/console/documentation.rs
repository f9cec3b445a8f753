//! The documentation, inside the program.

use super::browser::Browser;
use crate::support::server::Server;

#[test]
fn pages_lead_to_what_explains_them_and_refusals_to_what_they_mean() {
    let server = Server::start();
    let browser = Browser::of_root(&server);
    let list = browser.page("/docs");
    for path in ["/docs/audit", "/docs/errors", "/docs/errors/not_found", "/docs/runbooks/claviger-down", "/docs/README"] {
        assert!(list.contains(&format!("href=\"{path}\"")), "{path}");
        assert_eq!(browser.page(path).matches("<h1").count(), 1, "{path}");
    }
    assert!(browser.page("/audit").contains("href=\"/docs/audit\""));
    assert!(
        browser.page("/docs/errors/too_early").contains("href=\"/docs")
            || browser.page("/docs/signing-keys").contains("/docs/errors/too_early")
    );
    for path in ["/docs/none", "/docs/errors/none", "/docs/..%2FCargo", "/docs/errors/..%2F..%2Fsrc"] {
        assert_eq!(browser.get(path).status, 404, "{path}");
    }
}
