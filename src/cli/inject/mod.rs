//! `claviger inject`: what the kustomize component does, done to a file.
//!
//! The component's own patch is what is put in (`sidecar.rs`), so that there is one sidecar and not two. Documents that hold no pod are written as
//! they are; of those that do, comments are lost and everything else stays, in its order (`manifest.rs`).

mod manifest;
mod sidecar;
mod tree;

use std::path::PathBuf;

use self::manifest::Manifest;
use self::sidecar::{Sidecar, SidecarOptions};
use super::args::{config, input_file};
use super::failure::Failure;
use super::output::{self, Format, Output};
use crate::config::Settings;
use crate::control::declared::DeclaredFile;

const LEFT_TO_DO: &str = "\
what is left to do:
- the API listens on 127.0.0.1 alone, or whoever reaches its port walks around Claviger; its probes run a program in its image (exec)
- it waits some seconds in a preStop of its own: while Claviger drains, requests still come through it
- the Service's targetPort is Claviger's port";

/// Put the sidecar into every pod of a manifest: YAML in, YAML out
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Puts the sidecar into every Deployment, StatefulSet, DaemonSet, Job, CronJob and Pod of a manifest, and writes it to stdout. \
                        What has the sidecar gets the one that the options describe, so that doing it again changes nothing. Documents that hold \
                        no pod are written as they are; of the others, comments are lost.\n\nThe sidecar follows a control plane. It needs a \
                        Secret in the namespace of the pods, with `key`, a key that has the system role `replica`, and `ca.crt`, who signed the \
                        control plane's certificate."
)]
pub(crate) struct Inject {
    /// The manifest, with as many documents as it likes; or `-` for stdin. As often as needed
    #[arg(long = "file", short, value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Leave alone what has another name; as often as needed
    #[arg(long = "only", value_name = "NAME")]
    only: Vec<String>,
    #[command(flatten)]
    sidecar: SidecarOptions,
}

impl Inject {
    pub(crate) fn run(self, out: &Output) -> Result<(), Failure> {
        self.settings_are_known(out)?;
        let sidecar = Sidecar::of(&self.sidecar);
        let (mut written, mut faults, mut changed) = (Vec::new(), Vec::new(), 0);
        for name in &self.files {
            let file = DeclaredFile { name: name.clone(), text: input_file::text(name)? };
            let manifest = Manifest::read(&file);
            let injected = manifest.with(&sidecar, &self.only);
            changed += injected.pods;
            faults.extend(injected.faults);
            written.push(injected.text);
        }
        if !faults.is_empty() {
            match out.format() {
                Format::Table => output::show(&faults),
                Format::Json => out.faults(&faults)?,
            }
            return Err(Failure::refused("nothing was written"));
        }
        if changed == 0 {
            return Err(Failure::refused("nothing was written: there is no pod to put the sidecar into"));
        }
        out.raw(manifest::joined(&written).as_bytes())?;
        out.note(LEFT_TO_DO);
        Ok(())
    }

    /// A setting that there is not would keep the pod from starting.
    fn settings_are_known(&self, out: &Output) -> Result<(), Failure> {
        let survey = Settings::survey(None, [], &self.sidecar.settings);
        let Some(faults) = survey.faults.filter(|_| !self.sidecar.settings.is_empty()) else { return Ok(()) };
        match out.format() {
            Format::Table => output::show(&faults),
            Format::Json => out.faults(&faults.iter().collect::<Vec<_>>())?,
        }
        Err(Failure::usage(config::sentence(&faults)))
    }
}
