//! What keys have to do with each other.

use std::net::SocketAddr;

use super::credentials::CredentialPlace;
use super::proxy::{ClientIp, ProxySettings};
use super::reader::Reader;
use super::routes::RouteSettings;
use super::server_url::ServerUrl;
use super::settings::Settings;
use super::store::StoreUrl;
use super::tls::ClientCertificates;
use super::token_headers::TokenHeader;
use super::upstream_url::UpstreamUrl;

/// Looks at the settings as a whole.
pub(super) fn relate(settings: &Settings, reader: &mut Reader<'_>) {
    listeners(settings, reader);
    limits(settings, reader);
    trust(settings, reader);
    admin(settings, reader);
    store(settings, reader);
    client_certificates(settings, reader);
    upstreams(settings, reader);
    token_headers(settings, reader);
    if settings.token.include_actions && !settings.routes.iter().any(|route| route.space.is_some()) {
        reader.warn("token.include_actions", "only a token about one space lists actions, and no route names a space");
    }
}

fn listeners(settings: &Settings, reader: &mut Reader<'_>) {
    let (proxy, ops) = (settings.proxy.listen, settings.ops.listen);
    reader.rule(
        &["ops.listen", "proxy.listen"],
        !collide(proxy, ops),
        format!("the proxy on {proxy} and ops on {ops} cannot both listen"),
        None,
    );
    if let Some(admin) = settings.admin.listen {
        for (name, key, other) in [("the proxy", "proxy.listen", proxy), ("ops", "ops.listen", ops)] {
            let message = format!("the admin API on {admin} and {name} on {other} cannot both listen");
            reader.rule(&["admin.listen", key], !collide(admin, other), message, None);
        }
    }
    for (name, key, listener) in [("the proxy", "proxy.listen", proxy), ("the ops listener", "ops.listen", ops)] {
        let message = format!("this is {name} itself: requests would go round in circles");
        let suggestion = Some("name the API that stands behind the proxy");
        for (section, upstream) in settings.all_upstreams() {
            let circles = upstream.url.all().any(|url| reaches(url, listener));
            reader.rule(&[url_key(&section).as_str(), key], !circles, message.as_str(), suggestion);
        }
    }
}

fn admin(settings: &Settings, reader: &mut Reader<'_>) {
    // A pair that is wrong is no reason to say that there is none.
    let Some(listen) = settings.admin.exposed().filter(|_| !reader.is_faulty("admin.tls")) else { return };
    reader.rule(
        &["admin.listen"],
        false,
        format!("keys that manage everything would cross the network to {listen} in the clear"),
        Some("say admin.tls, listen on 127.0.0.1, or say admin.insecure = true where something else encrypts what comes there"),
    );
}

fn store(settings: &Settings, reader: &mut Reader<'_>) {
    if let (StoreUrl::Files(_), Some(at)) = (&settings.store.url, reader.given("admin.listen").filter(|_| settings.admin.listen.is_some()))
    {
        let reason = "where access is declared in files, nothing is managed: there is no admin API";
        reader.fault(&at, "admin.listen", reason, Some("take admin.listen out, or say \"off\"".to_owned()));
    }
    let store = &settings.store;
    let StoreUrl::ControlPlanes(planes) = &store.url else {
        for (key, said) in [("store.key_file", store.key_file.is_some()), ("store.insecure", store.insecure)] {
            if said {
                reader.warn(key, "this counts for a sidecar alone, whose store.url is that of a control plane");
            }
        }
        return;
    };
    // Each is told, whatever else is wrong with the same key: they are mended in one go.
    let at = reader.given("store.url");
    if let Some(at) = at.as_ref().filter(|_| store.key_file.is_none() && reader.given("store.key_file").is_none()) {
        let suggestion = "name it in store.key_file: `claviger key create --name sidecars --bind replica@root` makes one";
        reader.fault(at, "store.url", "a control plane is asked with a key, and no file holds one", Some(suggestion.to_owned()));
    }
    let in_the_clear = planes.iter().any(|plane| !plane.is_encrypted() && !plane.is_loopback());
    if let Some(at) = at.as_ref().filter(|_| in_the_clear && !store.insecure) {
        let reason = "the sidecar's key, and what it is told, would cross the network in the clear";
        let suggestion = "write https://, or say store.insecure = true where something else encrypts what goes there";
        reader.fault(at, "store.url", reason, Some(suggestion.to_owned()));
    }
    if store.ca.is_some() && !planes.iter().any(ServerUrl::is_encrypted) {
        reader.warn("store.ca", "no control plane is spoken to by https, so nobody has to vouch for one");
    }
    // Where it is not said, there is none.
    if let Some(at) = reader.given("admin.listen").filter(|_| settings.admin.listen.is_some()) {
        let reason = "a sidecar has no admin API: it follows a control plane, where things are managed";
        reader.fault(&at, "admin.listen", reason, Some("take admin.listen out, or say \"off\"".to_owned()));
    }
}

fn client_certificates(settings: &Settings, reader: &mut Reader<'_>) {
    let ProxySettings { tls, client_ca, client_certificates, .. } = &settings.proxy;
    let asks = *client_certificates != ClientCertificates::Off;
    reader.rule(
        &["proxy.client_certificates"],
        !asks || client_ca.is_some() || reader.is_faulty("proxy.client_ca"),
        "nobody is named who vouches for clients",
        Some("say proxy.client_ca, a file of PEM certificates"),
    );
    reader.rule(
        &["proxy.client_certificates"],
        !asks || !tls.is_empty() || reader.is_faulty("proxy.tls"),
        "clients show certificates over TLS alone, which the proxy does not speak",
        Some("say proxy.tls, a certificate and its key"),
    );
    if client_ca.is_some() && !asks {
        reader.warn("proxy.client_ca", "nobody is asked for a certificate: say proxy.client_certificates = \"optional\" or \"required\"");
    }
}

fn upstreams(settings: &Settings, reader: &mut Reader<'_>) {
    for (section, upstream) in settings.all_upstreams() {
        let tls = &upstream.tls;
        for (key, other, is_alone) in
            [("cert", "key", tls.cert.is_some() && tls.key.is_none()), ("key", "cert", tls.key.is_some() && tls.cert.is_none())]
        {
            let (said, missing) = (format!("{section}.tls.{key}"), format!("{section}.tls.{other}"));
            reader.rule(
                &[said.as_str()],
                !is_alone || reader.is_faulty(&missing),
                format!("a certificate takes its key: {missing} is missing"),
                None,
            );
        }
        // Whoever says how TLS is to be spoken believes that it is.
        let url = url_key(&section);
        for key in ["ca", "cert", "key", "name"].map(|key| format!("{section}.tls.{key}")) {
            if reader.given(&key).is_some() {
                let message = "the upstream is spoken to in the clear: its url is not https://";
                let suggestion = format!("write {url} with https://, or take {section}.tls out");
                reader.rule(&[key.as_str(), url.as_str()], upstream.is_encrypted(), message, Some(suggestion.as_str()));
            }
        }
    }
    for name in settings.upstreams.keys() {
        let is_named = |route: &RouteSettings| route.upstream.as_ref().is_some_and(|upstream| upstream.name.as_ref() == Some(name));
        if !settings.routes.iter().any(is_named) {
            reader.warn(&format!("upstreams.{name}.url"), "no route is for this upstream: write its name as the upstream of one");
        }
    }
}

/// Where the url of the upstream is said that this section says.
fn url_key(section: &str) -> String {
    if section.starts_with("routes.") { format!("{section}.upstream") } else { format!("{section}.url") }
}

fn token_headers(settings: &Settings, reader: &mut Reader<'_>) {
    for TokenHeader { name, .. } in &settings.token.headers {
        let message = format!("{name} is where the API finds the token");
        reader.rule(&["token.headers", "token.header"], settings.token.header != *name, message, None);
        let holds_keys = settings.proxy.credentials.contains(&CredentialPlace::Header(name.clone()));
        let message = format!("{name} is where clients put their keys");
        reader.rule(&["token.headers", "proxy.credentials"], !holds_keys, message, None);
    }
}

fn limits(settings: &Settings, reader: &mut Reader<'_>) {
    let (cache, token, limits) = (&settings.cache, &settings.token, &settings.limits);
    reader.rule(
        &["cache.time_quantum", "token.ttl"],
        cache.time_quantum <= token.ttl,
        "policies would see the time more coarsely than a token lasts",
        Some("keep cache.time_quantum at or below token.ttl"),
    );
    reader.rule(
        &["cache.negative_ttl", "store.max_staleness"],
        cache.negative_ttl <= settings.store.max_staleness,
        "that a key is unknown would be remembered for longer than anything may be stale",
        Some("keep cache.negative_ttl at or below store.max_staleness"),
    );
    reader.rule(
        &["token.max_bytes", "limits.max_header_bytes"],
        token.max_bytes <= limits.max_header_bytes / 2,
        "a token may take no more than half of what a request's head may have",
        Some("keep token.max_bytes at or below half of limits.max_header_bytes"),
    );
}

fn trust(settings: &Settings, reader: &mut Reader<'_>) {
    if settings.proxy.client_ip != ClientIp::Peer && settings.proxy.trusted_proxies.is_empty() {
        reader.warn("proxy.client_ip", "no proxy is trusted, so the header never counts: name them in proxy.trusted_proxies");
    }
    if settings.proxy.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        reader.warn("proxy.trusted_proxies", "everybody is trusted: any client can choose the address that policies see");
    }
}

/// Whether one address takes the other's place.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    // Port 0 is whichever is free.
    one.port() != 0 && one.port() == other.port() && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

/// Whether the upstream is, for all that its name tells, this listener.
fn reaches(upstream: &UpstreamUrl, listener: SocketAddr) -> bool {
    // A socket is no listener of ours.
    let Some(port) = upstream.port() else { return false };
    let named = upstream.host().eq_ignore_ascii_case("localhost");
    let address = upstream.ip();
    // A connection to the unspecified address arrives at the loopback.
    let local = named || address.is_some_and(|address| address.is_loopback() || address.is_unspecified());
    let vague = named || address.is_some_and(|address| address.is_unspecified());
    let same_host = address == Some(listener.ip()) || (local && listener.ip().is_unspecified()) || (vague && listener.ip().is_loopback());
    same_host && port == listener.port()
}

#[cfg(test)]
mod tests {
    use super::super::upstream_url::UpstreamUrls;
    use super::*;

    #[test]
    fn the_proxy_knows_itself_by_all_its_names() {
        let reached = |url: &str, listener: &str| reaches(url.parse::<UpstreamUrls>().unwrap().first(), listener.parse().unwrap());
        for (url, listener) in [
            ("http://127.0.0.1:8080", "0.0.0.0:8080"),
            ("http://localhost:8080", "127.0.0.1:8080"),
            ("http://localhost:8080", "0.0.0.0:8080"),
            ("http://[::1]:8080", "[::]:8080"),
            ("http://0.0.0.0:8080", "127.0.0.1:8080"),
            ("http://10.0.0.1:8080", "10.0.0.1:8080"),
            ("http://127.0.0.1", "127.0.0.1:80"),
        ] {
            assert!(reached(url, listener), "{url} {listener}");
        }
        for (url, listener) in [
            ("http://127.0.0.1:3000", "0.0.0.0:8080"),
            ("http://10.0.0.1:8080", "127.0.0.1:8080"),
            ("http://localhost:8080", "10.0.0.1:8080"),
            ("http://api:8080", "0.0.0.0:8080"),
        ] {
            assert!(!reached(url, listener), "{url} {listener}");
        }
    }
}
