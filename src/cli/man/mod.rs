//! `claviger man`: the manual, in roff.

mod examples;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::failure::Failure;
use super::output::Output;

/// To read it: `claviger man | man -l -`
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// Write a page for each command into this directory, `claviger-key-create.1` and so on, instead of the first one to stdout
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What of the environment is read, besides a variable for each key of the configuration.
const ENVIRONMENT: [(&str, &str); 10] = [
    ("CLAVIGER_STORE", "The store that commands work on, such as sqlite:///var/lib/claviger/claviger.db, where --store is not given."),
    ("CLAVIGER_CONFIG", "The configuration, where --config is not given. Empty: none."),
    ("CLAVIGER_CA", "Certificates, in PEM, that vouch for a server at https://…, where --ca is not given."),
    ("CLAVIGER_SERVER", "The server whose admin API commands ask, such as http://127.0.0.1:8081, where --server is not given."),
    ("CLAVIGER_KEY", "The key that the server is asked with, where --key-file is not given."),
    (
        "CLAVIGER_SECTION__KEY",
        "Sets one key of the configuration, whatever the file says: CLAVIGER_PROXY__LISTEN for proxy.listen. --set counts before it.",
    ),
    (
        "CLAVIGER_BOOTSTRAP_KEY",
        "The text of the first root admin key, for the first start on a new store. Without it one is made and printed once.",
    ),
    ("COLUMNS", "How wide tables may be; else the terminal says so. Where neither does, a row is one line."),
    ("NO_COLOR", "Faults are shown without colours if it is not empty."),
    ("COMPLETE", "A shell's name: by this variable a shell asks what completes a line. See claviger completion."),
];

const FILES: [(&str, &str); 5] = [
    ("claviger.toml", "The configuration. Where it lies is said by --config or CLAVIGER_CONFIG; paths in it start at its directory."),
    ("*.rego", "Login policies, in the directory that policies.dir names. NAME_test.rego holds the tests of NAME.rego."),
    ("*.pem", "Keys that sign tokens, in the directory that token.keys names. Nobody but the process may be able to read them."),
    (
        "~/.config/claviger/profiles.toml",
        "What claviger login keeps: servers, and the keys that they are asked with. Nobody else may be able to read it.",
    ),
    ("claviger.db", "The store that store.url names, with claviger.db-wal and claviger.db-shm beside it while it is open."),
];

const EXIT_STATUS: [(&str, &str); 3] = [
    ("0", "Done. For healthcheck: ready."),
    ("1", "Understood, and refused or failed. What was wrong stands on stderr."),
    ("2", "Not understood, or the configuration has a fault. For apply --dry-run: something would change."),
];

impl Man {
    pub(crate) fn run(self, out: &Output) -> Result<(), Failure> {
        let mut command = super::Cli::command().disable_help_subcommand(true);
        command.build();
        let Some(dir) = self.dir else {
            let mut text = Vec::new();
            page(&command, &mut text).map_err(|error| Failure::refused(format_args!("cannot write the manual: {error}")))?;
            return out.raw(&text);
        };
        std::fs::create_dir_all(&dir)
            .and_then(|()| pages(&command, &dir))
            .map_err(|error| Failure::refused(format_args!("cannot write the manual to {}: {error}", dir.display())))
    }
}

fn pages(command: &Command, dir: &Path) -> io::Result<()> {
    let mut text = Vec::new();
    page(command, &mut text)?;
    std::fs::write(dir.join(format!("{}.1", dashed(command))), text)?;
    command.get_subcommands().filter(|command| !command.is_hide_set()).try_for_each(|command| pages(command, dir))
}

/// Built, a command below is called by its whole line, with blanks; a page's name has dashes.
fn dashed(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn page(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let name = dashed(command);
    let page = Page::new(command.clone());
    let page = if command.has_subcommands() && name == "claviger" { page } else { page.title(name.to_uppercase()) };
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    if command.has_subcommands() {
        page.render_subcommands_section(out)?;
    }
    let mut roff = Roff::default();
    for (heading, entries) in [("ENVIRONMENT", &ENVIRONMENT[..]), ("FILES", &FILES), ("EXIT STATUS", &EXIT_STATUS)] {
        roff.control("SH", [heading]);
        for (word, about) in entries {
            roff.control("TP", []);
            roff.text([if heading == "FILES" { italic(*word) } else { bold(*word) }]);
            roff.text([roman(*about)]);
        }
    }
    roff.control("SH", ["EXAMPLES"]);
    for (about, line) in examples::of(&spaced(command)) {
        roff.control("TP", []);
        roff.text([roman(about)]);
        roff.text([bold(line)]);
    }
    if name != "claviger" {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("claviger"), roman("(1)")]);
    }
    roff.to_writer(out)
}

/// The words that a command is called by: `claviger key create`.
fn spaced(command: &Command) -> String {
    command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::examples::EXAMPLES;
    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_example_is_a_line_that_is_understood() {
        for (_, line) in EXAMPLES {
            let typed = line.split(" | ").next().unwrap().split(" > ").next().unwrap();
            assert!(Cli::try_parse_from(typed.split(' ')).is_ok(), "{line}: {:?}", Cli::try_parse_from(typed.split(' ')).err());
        }
    }

    #[test]
    fn every_command_has_an_example_and_every_page_says_environment_files_and_exit_status() {
        fn look(command: &Command) {
            let mut text = Vec::new();
            page(command, &mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            for heading in ["ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES"] {
                assert!(text.contains(&format!(".SH \"{heading}\"")) || text.contains(&format!(".SH {heading}")), "{heading}: {text}");
            }
            assert!(!examples::of(&spaced(command)).is_empty(), "{} has no example", spaced(command));
            command.get_subcommands().for_each(look);
        }
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        look(&command);
    }
}
