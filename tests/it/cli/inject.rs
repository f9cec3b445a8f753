//! `claviger inject`: every kind of pod, whatever else stands in the file, and twice the same as once.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::place::{Place, Run};
use crate::support::pyjwt;

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: orders\nspec:\n  template:\n    spec:\n      containers:\n      - name: orders\n        image: orders:1\n";

/// As a reader that is not ours understands it.
fn understood(yaml: &str) -> Vec<Value> {
    let read = "import json, sys, yaml\nprint(json.dumps(list(yaml.safe_load_all(sys.argv[1]))))";
    let output = Command::new(pyjwt::python()).args(["-c", read, yaml]).output().unwrap();
    assert!(output.status.success(), "{}\n{yaml}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn inject(manifest: &str, more: &[&str]) -> Run {
    Place::new().run_with(&[&["inject", "-f", "-"], more].concat(), &[], manifest)
}

fn injected(manifest: &str, more: &[&str]) -> String {
    let run = inject(manifest, more);
    assert_eq!(run.code, 0, "{}", run.err);
    run.out
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

/// The value of a variable of the sidecar.
fn variable<'p>(pod: &'p Value, name: &str) -> &'p str {
    let sidecar = pod["initContainers"].as_array().unwrap().iter().find(|each| each["name"] == "claviger").unwrap();
    let found: Vec<&Value> = sidecar["env"].as_array().unwrap().iter().filter(|each| each["name"] == name).collect();
    assert_eq!(found.len(), 1, "{name}");
    found[0]["value"].as_str().unwrap()
}

#[test]
fn every_kind_of_object_with_a_pod_gets_the_sidecar_wherever_its_pod_is() {
    let pod = "spec: { containers: [{ name: a, image: a }] }";
    let of_template = format!("template: {{ {pod} }}");
    for (kind, spec, path) in [
        ("Deployment", of_template.clone(), "/spec/template"),
        ("StatefulSet", of_template.clone(), "/spec/template"),
        ("DaemonSet", of_template.clone(), "/spec/template"),
        ("Job", of_template.clone(), "/spec/template"),
        ("CronJob", format!("jobTemplate: {{ spec: {{ {of_template} }} }}"), "/spec/jobTemplate/spec/template"),
        ("Pod", "containers: [{ name: a, image: a }]".to_owned(), ""),
    ] {
        let object = format!("{{ apiVersion: x, kind: {kind}, metadata: {{ name: a }}, spec: {{ {spec} }} }}");
        let alone = understood(&injected(&object, &[]));
        let listed = understood(&injected(&format!("{{ apiVersion: v1, kind: List, items: [{object}] }}"), &[]));
        assert_eq!(alone[0], listed[0]["items"][0], "{kind}");

        let pod = alone[0].pointer(path).unwrap();
        assert_eq!(pod["metadata"]["labels"]["claviger"], "sidecar", "{kind}");
        assert_eq!(names(&pod["spec"]["initContainers"]), ["claviger"], "{kind}");
        assert_eq!(pod["spec"]["initContainers"][0]["restartPolicy"], "Always", "{kind}");
        assert_eq!(names(&pod["spec"]["volumes"]), ["claviger-replica", "claviger-state"], "{kind}");
        assert_eq!(pod["spec"]["securityContext"]["fsGroup"], 65532, "{kind}");
    }
}

#[test]
fn twice_is_the_same_as_once_and_other_options_take_the_place_of_those_before() {
    let once = injected(DEPLOYMENT, &["--set", "token.audience=orders"]);
    assert_eq!(injected(&once, &["--set", "token.audience=orders"]), once);

    let options = [
        "--image",
        "example.com/claviger:2",
        "--secret",
        "other",
        "--port",
        "18080",
        "--ops-port",
        "19464",
        "--upstream",
        "http://127.0.0.1:8000",
        "--control-plane",
        "https://a:8081",
        "--control-plane",
        "https://b:8081",
        "--set",
        "proxy.trusted_proxies=10.0.0.0/8,fd00::/8",
    ];
    let other = &understood(&injected(&once, &options))[0]["spec"]["template"]["spec"];
    let sidecar = &other["initContainers"][0];
    assert_eq!(names(&other["initContainers"]), ["claviger"]);
    assert_eq!(sidecar["image"], "example.com/claviger:2");
    assert_eq!(
        sidecar["ports"],
        json!([{ "name": "http-auth", "containerPort": 18080 }, { "name": "http-metrics", "containerPort": 19464 }])
    );
    assert_eq!(other["volumes"][0]["secret"]["secretName"], "other");
    for (name, value) in [
        ("CLAVIGER_PROXY__LISTEN", "[::]:18080"),
        ("CLAVIGER_OPS__LISTEN", "[::]:19464"),
        ("CLAVIGER_TOKEN__ISSUER", "http://127.0.0.1:19464"),
        ("CLAVIGER_UPSTREAM__URL", "http://127.0.0.1:8000"),
        ("CLAVIGER_STORE__URL", "https://a:8081,https://b:8081"),
        ("CLAVIGER_PROXY__TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8"),
    ] {
        assert_eq!(variable(other, name), value);
    }
}

/// Of what is not the sidecar's, every value means what it meant, whoever reads it, and stands where it stood.
#[test]
fn what_stands_beside_the_sidecar_stays_as_it_is() {
    let before = r#"# Ours.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: orders
  annotations: { version: "1.10", on: "yes", "8080": 'true', empty: , note: plain words # and why
    }
spec:
  replicas: 3
  template:
    metadata: { labels: { app: orders } }
    spec:
      securityContext: { fsGroup: 1000, runAsUser: 0x3e8 }
      initContainers:
      - &first { name: first, image: "a:1", command: [sh, -c, "echo \"é\tx\""] }
      - { <<: *first, name: second }
      containers:
      - name: orders
        args:
        - |
          if true; then
            echo "hello: $HOME" # no comment
          fi
        - >-
          one
          line
        - ""
        env: [{ name: A, value: "0440" }, { name: B, value: ~ }, { name: C, value: 1e3 }]
        ports: [{ containerPort: 3000 }]
      volumes: [{ name: data, emptyDir: {} }, { name: key, secret: { secretName: key, defaultMode: 0440 } }]
"#;
    let text = injected(before, &[]);
    let (mut after, mut before) = (understood(&text).remove(0), understood(before).remove(0));
    assert!(text.starts_with("# Ours.\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: orders\n"), "{text}");
    assert!(text.find("replicas").unwrap() < text.find("template").unwrap(), "{text}");

    let pod = &mut after["spec"]["template"];
    assert_eq!(names(&pod["spec"]["initContainers"]), ["claviger", "first", "second"]);
    assert_eq!(names(&pod["spec"]["volumes"]), ["claviger-replica", "claviger-state", "data", "key"]);
    pod["spec"]["initContainers"].as_array_mut().unwrap().remove(0);
    pod["spec"]["volumes"].as_array_mut().unwrap().drain(..2);
    assert_eq!(pod["metadata"]["labels"].as_object_mut().unwrap().remove("claviger").unwrap(), "sidecar");
    // The reader takes a key without quotes for a number or a truth value, and Kubernetes for its text.
    before["metadata"]["annotations"].as_object_mut().unwrap().retain(|name, _| name != "True" && name != "true");
    after["metadata"]["annotations"].as_object_mut().unwrap().retain(|name, _| name != "on");
    assert_eq!(after, before);
}

#[test]
fn documents_without_a_pod_are_passed_through_byte_for_byte() {
    let service = "---\n# Comments stay.\nkind:   Service   # here\nmetadata: {name: orders}\n---\n\n";
    let other = "---\nkind: Pod\nmetadata: { name: other }\nspec: { containers: [ { name: x } ] }  # not this one\n";
    let manifest = format!("{service}{DEPLOYMENT}{other}");

    let text = injected(&manifest, &["--only", "orders"]);

    assert!(text.starts_with(service) && text.ends_with(other), "{text}");
    assert_eq!(understood(&text).len(), 3, "{text}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line_and_nothing_is_written() {
    let manifest = "kind: Service\n---\nkind: Deployment\nspec:\n  template:\n    spec:\n      hostNetwork: true\n      containers:\n      - name: claviger\n\
                    \x20     - name: b\n        ports:\n        - containerPort: 8080\n---\nkind: Job\nspec: {}\n---\nkind: Pod\nspec:\n  containers:\n  - [\n";
    let run = inject(manifest, &[]);

    assert_eq!((run.code, run.out.as_str()), (1, ""), "{}", run.err);
    for (line, why) in [
        (7, "node's network"),
        (9, "is called claviger already"),
        (12, "port 8080 is the sidecar's"),
        (14, "a Job without spec.template.spec.containers"),
        (21, "this is not YAML"),
    ] {
        let told = run.err.lines().any(|told| told.contains(why)) && run.err.contains(&format!("-:{line}:"));
        assert!(told, "{line}: {why}\n{}", run.err);
    }

    let nothing = inject("kind: Service\n", &[]);
    assert!(nothing.code == 1 && nothing.err.contains("there is no pod"), "{}", nothing.err);
    let unknown = inject(DEPLOYMENT, &["--set", "token.audiense=x"]);
    assert!(unknown.code == 2 && unknown.err.contains("audiense"), "{}", unknown.err);
}
