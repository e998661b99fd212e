//! What happens, while it happens, on standard error.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressStyle};

/// With so many steps a bar tells how far it is.
const BAR_FROM: usize = 20;

/// Lines and a bar for people; nothing for programs.
pub struct Progress {
    bar: ProgressBar,
    silent: bool,
}

impl Progress {
    /// For a number of steps; `what` is done with them.
    pub fn new(steps: usize, what: &str, silent: bool) -> Self {
        let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}").expect("a fixed template");
        let bar = if silent || steps < BAR_FROM || !io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX)).with_style(style).with_message(what.to_owned())
        };
        Self { bar, silent }
    }

    /// One step more.
    pub fn advance(&self) {
        self.bar.inc(1);
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        if !self.silent {
            self.bar.suspend(|| {
                let _ = writeln!(io::stderr(), "{text}");
            });
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
