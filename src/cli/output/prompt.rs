//! Questions to whoever sits at the terminal, before something is done that cannot be taken back.

use std::io::{self, IsTerminal, Write as _};

use crate::cli::failure::Failure;
use crate::diagnostics::escaped;

/// Whether somebody sits at the terminal who can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks, and refuses unless the answer is yes. Nobody is asked who does not sit at a terminal: a script that runs a command means it.
pub(crate) fn agree(question: &str) -> Result<(), Failure> {
    if !can_ask() {
        return Ok(());
    }
    let failed = |error: io::Error| Failure::refused(format_args!("nothing was changed: cannot ask: {error}"));
    let mut stderr = io::stderr().lock();
    write!(stderr, "{} [y/N] ", escaped(question)).and_then(|()| stderr.flush()).map_err(failed)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(failed)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Failure::refused("nothing was changed")) }
}
