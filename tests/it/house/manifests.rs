//! `config/kubernetes/examples/standalone` is what Kubernetes takes, and what stands in it is what Claviger takes.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::pyjwt;

const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/kubernetes/examples/standalone/standalone.yaml");

fn python(script: &str, arguments: &[&str]) -> String {
    let output = Command::new(pyjwt::python()).args(["-c", script]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn objects() -> Vec<Value> {
    let read = "import json, sys, yaml\nprint(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    serde_json::from_str(&python(read, &[MANIFESTS])).unwrap()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

#[test]
fn every_object_is_what_the_oldest_and_the_newest_version_takes() {
    let validate = "import sys, yaml, kubernetes_validate\n\
                    for version in sys.argv[2:]:\n\
                    \x20   for thing in yaml.safe_load_all(open(sys.argv[1])):\n\
                    \x20       kubernetes_validate.validate(thing, version, strict=True)\n\
                    \x20       print(version, thing['kind'])";

    let taken = python(validate, &[MANIFESTS, "1.29", "1.37"]);

    assert_eq!(taken.lines().count(), 2 * objects().len());
}

#[test]
fn the_configuration_and_the_policies_in_it_are_without_fault() {
    let (objects, dir) = (objects(), tempfile::tempdir().unwrap());
    for map in of_kind(&objects, "ConfigMap") {
        for (name, text) in map["data"].as_object().unwrap() {
            std::fs::write(dir.path().join(name), text.as_str().unwrap()).unwrap();
        }
    }

    let check = Command::new(env!("CARGO_BIN_EXE_claviger"))
        .args(["check", "--config"])
        .arg(dir.path().join("claviger.toml"))
        .args(["--set", &format!("policies.dir={}", dir.path().display())])
        .args(["--set", &format!("store.url=sqlite://{}/claviger.db", dir.path().display())])
        .args(["--set", &format!("token.keys={}/keys", dir.path().display())])
        .output()
        .unwrap();

    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let said = String::from_utf8_lossy(&check.stderr).to_lowercase();
    assert!(!said.contains("warning"), "{said}");
}

/// What runs is finished before the kubelet's patience is at an end.
#[test]
fn the_pause_and_the_drain_fit_into_the_grace_period() {
    let objects = objects();
    let pod = &of_kind(&objects, "Deployment").next().unwrap()["spec"]["template"]["spec"];
    let config: toml::Table =
        of_kind(&objects, "ConfigMap").find_map(|map| map["data"]["claviger.toml"].as_str()).unwrap().parse().unwrap();
    let seconds = |key: &str| config.get(key).map_or(0, |span| span.as_str().unwrap().strip_suffix('s').unwrap().parse::<u64>().unwrap());

    let pause = pod["initContainers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or_default();

    assert!(pause + seconds("drain_delay") + seconds("drain_timeout") < pod["terminationGracePeriodSeconds"].as_u64().unwrap());
    assert!(pause + seconds("drain_delay") > 0, "routing goes on for seconds after the end has begun");
}

#[test]
fn what_is_mounted_is_what_the_configuration_names() {
    let objects = objects();
    let pod = &of_kind(&objects, "Deployment").next().unwrap()["spec"]["template"]["spec"];
    let mounts = pod["initContainers"][0]["volumeMounts"].as_array().unwrap();
    let config: toml::Table =
        of_kind(&objects, "ConfigMap").find_map(|map| map["data"]["claviger.toml"].as_str()).unwrap().parse().unwrap();

    for (section, key) in [("token", "keys"), ("store", "url"), ("policies", "dir")] {
        let path = config[section][key].as_str().unwrap().trim_start_matches("sqlite://");
        let mounted = mounts.iter().any(|mount| Path::new(path).starts_with(mount["mountPath"].as_str().unwrap()));
        assert!(mounted, "{section}.{key} = {path} is on no volume");
    }
}
