//! What is wrong or odd, for whoever sits at the terminal.

use std::io::{self, IsTerminal, Write};

use crate::diagnostics::{Colour, Diagnostic};
use crate::policy::PolicyFault;

/// Shows diagnostics to whoever sits at the terminal. They spell out what could steer it, so their own colours are all that reaches it.
pub(crate) fn show<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>) {
    let mut stderr = io::stderr().lock();
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = if stderr.is_terminal() && !plain { Colour::Always } else { Colour::Never };
    for diagnostic in diagnostics {
        // Nobody is left to be told that stderr is closed.
        let _ = writeln!(stderr, "{}", diagnostic.render(colour));
    }
}

/// Shows what is wrong with policies, or odd about them, in the same way.
pub(crate) fn show_policies(faults: &[PolicyFault]) {
    for fault in faults {
        show([&fault.diagnostic()]);
    }
}
