//! Who serves, as it is shown.

use super::browser::Browser;
use crate::support::server::Server;

#[test]
fn the_replica_that_shows_the_page_is_on_it_and_a_script_looks_again() {
    let server = Server::start();
    let browser = Browser::of_root(&server);
    server.until("the replica to be told of", |_| browser.page("/replicas").contains("data-row="));
    let page = browser.page("/replicas?all=yes");
    assert!(page.contains("badge good\">live"), "{page}");
    assert!(page.contains("data-refresh=\"2000\"") && page.contains("/refresh.js\""), "{page}");
    let script = page.split("src=\"").find_map(|rest| rest.split('"').next().filter(|path| path.ends_with("/refresh.js"))).unwrap();
    assert_eq!(browser.get(script).header("content-type"), Some("text/javascript; charset=utf-8"));
}
