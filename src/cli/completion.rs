//! `claviger completion`: what makes a shell complete this command line.

use clap::CommandFactory;
use clap_complete::Shell;

use super::failure::Failure;
use super::output::Output;

/// For bash: `claviger completion bash > /etc/bash_completion.d/claviger`
#[derive(Debug, clap::Args)]
pub(crate) struct Completion {
    /// The shell to write it for
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(self, out: &Output) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "claviger", &mut script);
        out.raw(&script)
    }
}
