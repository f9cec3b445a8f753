//! The command line: one file for each sub-command.
//!
//! stdout is data, stderr is talk. Exit codes: 0 done, 1 refused or failed, 2 usage or configuration. Secrets come by file or stdin
//! and never as an argument, where every user of the machine could read them.

mod args;
mod ask;
mod audit;
mod backup;
mod binding;
mod check;
mod completion;
mod copy_store;
mod declared;
mod dev;
mod doctor;
mod drain;
mod explain;
mod failure;
mod group;
mod healthcheck;
mod impact;
mod inject;
mod key;
mod login;
mod logout;
mod man;
mod migrate;
mod open_store;
mod operator;
mod output;
mod place;
mod policy;
mod profile;
mod replicas;
mod restore;
mod role;
mod route;
mod serve;
mod space;
mod strategy;
mod token;
mod version;
mod whoami;

use std::process::ExitCode;

use clap::Parser;

use crate::telemetry;
use failure::Failure;
use output::{Output, Written};

/// An authentication sidecar proxy: an API key goes in, a short-lived JWT with the roles it holds now comes out.
#[derive(Debug, clap::Parser)]
#[command(name = "claviger", version, about, propagate_version = false, arg_required_else_help = true)]
struct Cli {
    /// How data is written to stdout
    #[arg(long, short, global = true, value_enum, default_value = "table", help_heading = "Output")]
    output: Written,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Everything in one process, with example data, to see what it does
    Dev(dev::Dev),
    /// Run the proxy
    Serve(serve::Serve),
    /// Check configuration and policies; every fault at once
    Check(check::Check),
    /// API keys
    Key(key::KeyCommand),
    /// Where roles hold: a tree under `root`
    Space(space::SpaceCommand),
    /// Named sets of actions
    Role(role::RoleCommand),
    /// Groups that the identity provider asserts
    Group(group::GroupCommand),
    /// Which key or group holds which role in which space
    Binding(binding::BindingCommand),
    /// Login policies in Rego
    Policy(policy::PolicyCommand),
    /// Which sources of roles count
    Strategy(strategy::StrategyCommand),
    /// Which request is for which route
    Route(route::RouteCommand),
    /// Bring the store to what files say about who has access; all of it or nothing
    Apply(declared::apply::Apply),
    /// Who has access, as a file that `apply` takes
    Export(declared::export::Export),
    /// Which binding, group or policy gives a key which role where, and what was left out
    Explain(explain::Explain),
    /// Keep a server and the key that it is asked with, for the commands that come after
    Login(login::Login),
    /// Forget what `login` has kept
    Logout(logout::Logout),
    /// Who asks, what they hold, and what they may manage
    Whoami(whoami::Whoami),
    /// Who changed what, when
    Audit(audit::Audit),
    /// Which processes serve, and what is in force in each
    Replicas(replicas::Replicas),
    /// Copy the store while everybody goes on with it
    Backup(backup::BackupCommand),
    /// Make the store what a copy is
    Restore(restore::RestoreCommand),
    /// The store as a whole
    #[command(subcommand)]
    Store(copy_store::StoreCommand),
    /// Bring the store to this version's schema, ahead of the next start
    Migrate(migrate::MigrateCommand),
    /// Put the sidecar into a manifest of Kubernetes
    Inject(inject::Inject),
    /// What is wrong with this installation, or will be soon
    Doctor(doctor::Doctor),
    /// Look into a JWT and verify it
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Have the process on this machine drain, as a preStop hook does
    Drain(drain::Drain),
    /// Ask a running process whether it is ready
    Healthcheck(healthcheck::Healthcheck),
    /// What makes a shell complete this command line
    Completion(completion::Completion),
    /// The manual page
    Man(man::Man),
    /// Which version this is
    Version(version::Version),
}

impl Command {
    async fn run(self, out: &Output) -> Result<(), Failure> {
        match self {
            Self::Dev(command) => command.run(out).await,
            Self::Serve(command) => command.run(out).await,
            Self::Check(command) => command.run(out).await,
            Self::Key(command) => command.run(out).await,
            Self::Space(command) => command.run(out).await,
            Self::Role(command) => command.run(out).await,
            Self::Group(command) => command.run(out).await,
            Self::Binding(command) => command.run(out).await,
            Self::Policy(command) => command.run(out).await,
            Self::Strategy(command) => command.run(out).await,
            Self::Route(command) => command.run(out).await,
            Self::Apply(command) => command.run(out).await,
            Self::Export(command) => command.run(out).await,
            Self::Explain(command) => command.run(out).await,
            Self::Login(command) => command.run(out).await,
            Self::Logout(command) => command.run(out),
            Self::Whoami(command) => command.run(out).await,
            Self::Audit(command) => command.run(out).await,
            Self::Replicas(command) => command.run(out).await,
            Self::Backup(command) => command.run(out).await,
            Self::Restore(command) => command.run(out).await,
            Self::Store(command) => command.run(out).await,
            Self::Migrate(command) => command.run(out).await,
            Self::Inject(command) => command.run(out),
            Self::Doctor(command) => command.run(out).await,
            Self::Token(command) => command.run(out).await,
            Self::Drain(command) => command.run(out).await,
            Self::Healthcheck(command) => command.run(out).await,
            Self::Completion(command) => command.run(out),
            Self::Man(command) => command.run(out),
            Self::Version(command) => command.run(out).await,
        }
    }
}

/// Does what the process's arguments say.
pub fn main() -> ExitCode {
    completion::answer();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout and are no failures; clap knows which is which.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    keep_memory_to_itself();
    let out = Output::new(cli.output);
    let done = control_runtime().and_then(|runtime| runtime.block_on(cli.command.run(&out)));
    telemetry::flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            failure.exit_code()
        }
    }
}

/// Keys and signing keys lie in memory: no image of it is written when the process dies, and no other process of the user may read it.
fn keep_memory_to_itself() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    // Nothing that a command should fail for.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// The runtime that everything but the data plane runs on: few threads, since what it does is rare. On one core a second thread would
/// only be woken up for work that the first one has done by then.
fn control_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2)))
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(|error| Failure::refused(format_args!("cannot start threads: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_output_format_may_stand_anywhere() {
        for line in ["claviger -o json key list", "claviger key list -o json", "claviger key -o json list"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();

            assert_eq!(cli.output, Written::Json, "{line}");
        }
    }
}
