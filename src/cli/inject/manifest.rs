//! A manifest's documents: which of them hold a pod, and what in it the sidecar could not stand beside.

use super::sidecar::{CONTAINER, Sidecar};
use super::tree::{self, Step};
use crate::cli::output::Tree;
use crate::control::declared::{At, DeclaredFile, Node, PlacedText, Value, documents};
use crate::diagnostics::{Diagnostic, Place, Spot};

/// A file, cut into its documents.
pub(super) struct Manifest<'f> {
    file: &'f DeclaredFile,
    documents: Vec<Document<'f>>,
}

struct Document<'f> {
    /// With the line that separates it from the one before.
    text: &'f str,
    /// How many lines of the file stand before it.
    line: usize,
}

/// What has become of a manifest.
pub(super) struct Injected {
    pub(super) text: String,
    /// How many there were to put the sidecar into.
    pub(super) pods: usize,
    pub(super) faults: Vec<Diagnostic>,
}

/// Several manifests as one.
pub(super) fn joined(texts: &[String]) -> String {
    let mut whole = String::new();
    for text in texts {
        if !whole.is_empty() && !text.starts_with("---") {
            whole.push_str("---\n");
        }
        whole.push_str(text);
        if !text.ends_with('\n') {
            whole.push('\n');
        }
    }
    whole
}

impl<'f> Manifest<'f> {
    pub(super) fn read(file: &'f DeclaredFile) -> Self {
        let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
        let (mut cut, mut start, mut first, mut at) = (Vec::new(), 0, 0, 0);
        for (number, line) in text.split_inclusive('\n').enumerate() {
            if separates(line) && at > start {
                cut.push(Document { text: text.get(start..at).unwrap_or_default(), line: first });
                (start, first) = (at, number);
            }
            at += line.len();
        }
        cut.push(Document { text: text.get(start..).unwrap_or_default(), line: first });
        Self { file, documents: cut }
    }

    /// The sidecar in each pod whose object has one of these names, or in every one if there are none.
    pub(super) fn with(&self, sidecar: &Sidecar, only: &[String]) -> Injected {
        let mut injected = Injected { text: String::new(), pods: 0, faults: Vec::new() };
        for document in &self.documents {
            // Lines count from the beginning of the file.
            let placed = DeclaredFile { name: self.file.name.clone(), text: "\n".repeat(document.line) + document.text };
            let (nodes, faults) = documents(&placed);
            injected.faults.extend(faults);
            let mut reading = Reading { sidecar, only, file: &placed, pods: 0, faults: Vec::new() };
            let trees: Vec<Tree> = nodes.iter().map(|node| reading.object(node)).collect();
            injected.faults.append(&mut reading.faults);
            injected.pods += reading.pods;
            if reading.pods == 0 {
                injected.text.push_str(document.text);
            } else {
                injected.text.push_str(&document.head());
                injected.text.extend(trees.iter().map(Tree::yaml));
            }
        }
        injected
    }
}

impl Document<'_> {
    /// The lines before anything is said: what separates, and the comments that stand there.
    fn head(&self) -> String {
        let is_head = |line: &&str| separates(line) || line.trim().is_empty() || line.trim_start().starts_with('#');
        let head: String = self.text.split_inclusive('\n').take_while(is_head).collect();
        if head.is_empty() || head.ends_with('\n') { head } else { head + "\n" }
    }
}

fn separates(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}

/// A document that is being looked at.
struct Reading<'r> {
    sidecar: &'r Sidecar,
    only: &'r [String],
    file: &'r DeclaredFile,
    pods: usize,
    faults: Vec<Diagnostic>,
}

impl Reading<'_> {
    /// The object with the sidecar, or as it is.
    fn object(&mut self, node: &Node) -> Tree {
        let kind = field(node, "kind").and_then(text).unwrap_or_default();
        let path: &[&str] = match kind {
            "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => &["spec", "template"],
            "CronJob" => &["spec", "jobTemplate", "spec", "template"],
            "Pod" => &[],
            "List" => return self.list(node),
            _ => return self.tree(node),
        };
        let name = field(node, "metadata").and_then(|metadata| field(metadata, "name")).and_then(text).unwrap_or_default();
        if !self.only.is_empty() && !self.only.iter().any(|only| only == name) {
            return self.tree(node);
        }
        self.pods += 1;
        let template = path.iter().try_fold(node, |node, name| field(node, name));
        match template.and_then(|template| field(template, "spec")).filter(|spec| items(spec, "containers").next().is_some()) {
            Some(spec) => self.pod(spec),
            None => self.fault(&node.at, format!("a {kind} without {}", [path, &["spec", "containers"]].concat().join("."))),
        }
        let mut tree = self.tree(node);
        let way: Vec<Step<'_>> = path.iter().map(|name| Step::Field(name)).collect();
        tree::at(&mut tree, &way, &mut |template| self.sidecar.put_into(template));
        tree
    }

    /// Where `kubectl get` has gathered several.
    fn list(&mut self, node: &Node) -> Tree {
        let objects: Vec<Tree> = items(node, "items").map(|item| self.object(item)).collect();
        let mut tree = self.tree(node);
        tree::at(&mut tree, &[Step::Field("items")], &mut |items| *items = Tree::List(objects.clone()));
        tree
    }

    /// What would keep the sidecar, or what stands beside it, from working.
    fn pod(&mut self, spec: &Node) {
        if let Some(shared) = field(spec, "hostNetwork").filter(|shared| text(shared) == Some("true")) {
            self.fault(&shared.at, "a pod in the node's network: whoever is on the node reaches the API at 127.0.0.1".to_owned());
        }
        for container in items(spec, "containers") {
            if let Some(name) = field(container, "name").filter(|name| text(name) == Some(CONTAINER)) {
                self.fault(&name.at, format!("a container is called {CONTAINER} already, and is no sidecar"));
            }
        }
        let others = |container: &&Node| field(container, "name").and_then(text) != Some(CONTAINER);
        for container in items(spec, "containers").chain(items(spec, "initContainers")).filter(others) {
            for port in items(container, "ports").filter_map(|port| field(port, "containerPort")) {
                let taken = text(port).and_then(|port| port.parse().ok()).filter(|port| self.sidecar.ports.contains(port));
                if let Some(taken) = taken {
                    self.fault(&port.at, format!("port {taken} is the sidecar's in this pod: give it another one by --port or --ops-port"));
                }
            }
        }
    }

    /// As it will be written.
    fn tree(&mut self, node: &Node) -> Tree {
        let mut faults = Vec::new();
        let tree = tree::of(node, &mut faults);
        for (at, why) in faults {
            self.fault(&at, why.to_owned());
        }
        tree
    }

    fn fault(&mut self, at: &At, why: String) {
        let line = self.file.text.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
        let spot = Some(Spot::new(at.line, at.column, line, at.width));
        self.faults.push(Diagnostic::error(Place::File { file: self.file.name.clone(), spot }, why));
    }
}

fn field<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Map(entries) => entries.iter().find_map(|(key, value)| (text(key) == Some(name)).then_some(value)),
        Value::Text(_) | Value::List(_) => None,
    }
}

fn items<'n>(node: &'n Node, name: &str) -> impl Iterator<Item = &'n Node> {
    let list = match field(node, name).map(|list| &list.value) {
        Some(Value::List(items)) => items.as_slice(),
        Some(Value::Text(_) | Value::Map(_)) | None => &[],
    };
    list.iter()
}

fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(PlacedText { text, .. }) => Some(text),
        Value::List(_) | Value::Map(_) => None,
    }
}
