//! `claviger man`: the manual, in roff.

use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man as Page;

use super::failure::Failure;
use super::output::Output;

/// To read it: `claviger man | man -l -`
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// Write a page for each command into this directory, `claviger-key-create.1` and so on, instead of the first one to stdout
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, out: &Output) -> Result<(), Failure> {
        let mut command = super::Cli::command().disable_help_subcommand(true);
        command.build();
        let Some(dir) = self.dir else {
            let mut page = Vec::new();
            Page::new(command).render(&mut page).map_err(|error| Failure::refused(format_args!("cannot write the manual: {error}")))?;
            return out.raw(&page);
        };
        std::fs::create_dir_all(&dir)
            .and_then(|()| pages(&command, &dir))
            .map_err(|error| Failure::refused(format_args!("cannot write the manual to {}: {error}", dir.display())))
    }
}

fn pages(command: &Command, dir: &Path) -> std::io::Result<()> {
    // Built, a command below is called by its whole line, with blanks; a page's name has dashes.
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    Page::new(command.clone()).title(name.to_uppercase()).render(&mut page)?;
    std::fs::write(dir.join(format!("{name}.1")), page)?;
    command.get_subcommands().filter(|command| !command.is_hide_set()).try_for_each(|command| pages(command, dir))
}
