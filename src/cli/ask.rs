//! Asks the person at the terminal before something is changed.

use std::io::{self, IsTerminal as _, Write as _};

/// Whether somebody is there to be asked.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks; only a clear yes counts, and where nobody is there the answer is no. On standard error, since standard output is for the
/// answer.
pub fn ask(question: &str) -> bool {
    if !can_ask() {
        return false;
    }
    let _ = write!(io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
