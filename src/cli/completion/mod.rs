//! `claviger completion`: what makes a shell complete this command line.
//!
//! The shell asks the program itself what comes next ([`answer`]), so that it completes the names of keys, spaces, roles, groups and policies
//! too, as they are in the store at that moment.

mod names;

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::env::Shells;

use super::failure::Failure;
use super::output::Output;

/// The variable by which a shell asks: the shell's name.
const ASKED_BY: &str = "COMPLETE";

/// For bash: `claviger completion bash > /etc/bash_completion.d/claviger`
#[derive(Debug, clap::Args)]
pub(crate) struct Completion {
    /// The shell to write it for
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completion {
    pub(crate) fn run(self, out: &Output) -> Result<(), Failure> {
        let name = self.shell.to_string();
        let shells = Shells::builtins();
        let shell = shells.completer(&name).ok_or_else(|| Failure::refused(format_args!("{name} is not known")))?;
        let mut script = Vec::new();
        shell
            .write_registration(ASKED_BY, "claviger", "claviger", "claviger", &mut script)
            .map_err(|error| Failure::refused(format_args!("cannot write the script: {error}")))?;
        out.raw(&script)
    }
}

/// Answers a shell that asks what comes next, and ends the process then. Does nothing if none asks.
pub(crate) fn answer() {
    CompleteEnv::with_factory(|| names::complete(super::Cli::command())).var(ASKED_BY).complete();
}
