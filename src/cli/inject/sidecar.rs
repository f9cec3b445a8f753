//! The sidecar: the kustomize component's patch, as the options want it, and how it goes into a pod.
//!
//! A pod gets it as kustomize would put it there: what has the same name is replaced, what is new comes first, and labels are set. One thing
//! differs: a pod's own `fsGroup` stays, where the component needs a patch for that.

use super::tree::{self, Step};
use crate::cli::args::config;
use crate::cli::output::Tree;
use crate::control::declared::{DeclaredFile, documents};

/// What a cluster that uses kustomize has.
const COMPONENT: &str = include_str!("../../../config/kubernetes/components/sidecar/sidecar.yaml");

/// What the sidecar is called in a pod.
pub(super) const CONTAINER: &str = "claviger";

/// What may be said of it.
#[derive(Debug, clap::Args)]
pub(super) struct SidecarOptions {
    /// Where the control plane's admin API is; several for fail-over
    #[arg(long = "control-plane", value_name = "URL", default_value = "https://claviger-admin.claviger:8081")]
    pub(super) control_planes: Vec<String>,
    /// The Secret with `key` and `ca.crt`
    #[arg(long, value_name = "NAME", default_value = "claviger-replica")]
    pub(super) secret: String,
    /// Claviger's image
    #[arg(long, value_name = "IMAGE", default_value = concat!("claviger:", env!("CARGO_PKG_VERSION")))]
    pub(super) image: String,
    /// Where the API listens, in the pod
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    pub(super) upstream: String,
    /// Where requests come in
    #[arg(long, value_name = "PORT", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: u16,
    /// For probes, metrics and public keys
    #[arg(long, value_name = "PORT", default_value_t = 9464, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) ops_port: u16,
    /// A setting of the sidecar: `--set token.audience=orders`; as often as needed
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = config::pair)]
    pub(super) settings: Vec<(String, String)>,
}

pub(super) struct Sidecar {
    /// What is put into a pod's template.
    template: Tree,
    /// Those that it listens on.
    pub(super) ports: [u16; 2],
}

impl Sidecar {
    pub(super) fn of(options: &SidecarOptions) -> Self {
        use Step::{Field, Named};

        let mut template = component();
        let mut put =
            |way: &[Step<'_>], value: Tree| tree::at(&mut template, &[&[Field("spec")], way].concat(), &mut |there| *there = value.clone());
        let container = [Field("initContainers"), Named(CONTAINER)];
        put(&[&container[..], &[Field("image")]].concat(), tree::text(&options.image));
        for (name, port) in [("http-auth", options.port), ("http-metrics", options.ops_port)] {
            let way = [Field("ports"), Named(name), Field("containerPort")];
            put(&[&container[..], &way].concat(), Tree::Scalar(port.to_string()));
        }
        let listen = |port: u16| format!("[::]:{port}");
        let fixed = [
            ("proxy.listen", listen(options.port)),
            ("ops.listen", listen(options.ops_port)),
            ("upstream.url", options.upstream.clone()),
            ("token.issuer", format!("http://127.0.0.1:{}", options.ops_port)),
            ("store.url", options.control_planes.join(",")),
        ];
        let set = options.settings.iter().map(|(key, text)| (key.as_str(), text.clone()));
        for (key, text) in fixed.into_iter().chain(set) {
            let variable = format!("CLAVIGER_{}", key.replace('.', "__").to_ascii_uppercase());
            let way = [Field("env"), Named(&variable), Field("value")];
            put(&[&container[..], &way].concat(), tree::text(&text));
        }
        let secret = [Field("volumes"), Named("claviger-replica"), Field("secret"), Field("secretName")];
        put(&secret, tree::text(&options.secret));
        Self { template, ports: [options.port, options.ops_port] }
    }

    /// Into the template of a pod.
    pub(super) fn put_into(&self, pod: &mut Tree) {
        let ours = |way: [&str; 2]| {
            way.iter().try_fold(&self.template, |tree, name| tree::field(tree, name)).cloned().unwrap_or(Tree::Map(Vec::new()))
        };
        for (name, value) in tree::fields_of(ours(["metadata", "labels"])) {
            let way = [Step::Field("metadata"), Step::Field("labels"), Step::Field(&name)];
            tree::at(pod, &way, &mut |there| *there = value.clone());
        }
        for (name, value) in tree::fields_of(ours(["spec", "securityContext"])) {
            let way = [Step::Field("spec"), Step::Field("securityContext"), Step::Field(&name)];
            tree::at(pod, &way, &mut |there| {
                if tree::is_nothing(there) {
                    *there = value.clone();
                }
            });
        }
        for list in ["initContainers", "volumes"] {
            let ours = tree::items_of(ours(["spec", list]));
            tree::at(pod, &[Step::Field("spec"), Step::Field(list)], &mut |there| *there = Tree::List(joined(&ours, there.clone())));
        }
    }
}

/// What the component puts into a pod's template.
fn component() -> Tree {
    let file = DeclaredFile { name: "sidecar.yaml".into(), text: COMPONENT.to_owned() };
    let (documents, _) = documents(&file);
    let patch = documents.first().map_or(Tree::Map(Vec::new()), |document| tree::of(document, &mut Vec::new()));
    let template = ["spec", "template"].iter().try_fold(&patch, |tree, name| tree::field(tree, name));
    template.cloned().unwrap_or(patch)
}

/// Theirs, with ours in the places of those that are called the same, and else before them.
fn joined(ours: &[Tree], theirs: Tree) -> Vec<Tree> {
    let mut theirs = tree::items_of(theirs);
    let mut new = Vec::new();
    for our in ours {
        match theirs.iter_mut().find(|their| tree::is_same(their, our)) {
            Some(there) => *there = our.clone(),
            None => new.push(our.clone()),
        }
    }
    new.append(&mut theirs);
    new
}
