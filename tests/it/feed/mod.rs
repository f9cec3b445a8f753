//! What sidecars are told by a control plane, and how they serve by it.

mod asleep;
mod encrypted;
mod faults;
mod intruder;
mod newcomer;
mod sidecar;
mod source;
mod wire;

use std::path::PathBuf;

use serde_json::json;

use crate::admin::client::Api;
use crate::support::server::{Server, Setup};

/// A sidecar's key, and its id.
fn sidecar_key(root: &Api, name: &str) -> (Api, String) {
    let made = root.made("/keys", &json!({ "name": name, "bindings": [{ "role": "replica", "space": "root" }] }));
    (root.with_key(made["key"].as_str().unwrap()), made["id"].as_str().unwrap().to_owned())
}

/// A sidecar of these control planes, whose key is in a file beside the first one's store.
fn sidecar_of(planes: &str, key_file: &std::path::Path) -> Setup {
    Setup::new()
        .environment("CLAVIGER_STORE__URL", planes)
        .environment("CLAVIGER_STORE__KEY_FILE", key_file.to_str().unwrap())
        .environment("CLAVIGER_ADMIN__LISTEN", "off")
}

fn key_file(server: &Server, key: &Api) -> PathBuf {
    let file = server.dir().join("replica.key");
    std::fs::write(&file, format!("{}\n", key.key.as_ref().unwrap())).unwrap();
    file
}

fn url(server: &Server) -> String {
    format!("http://{}", server.admin())
}
