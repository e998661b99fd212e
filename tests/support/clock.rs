//! The test clock: a file that says what time it is.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::guard::guard;

/// An instant from its text.
pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A clock that stands still until it is set. Several daemons may share it.
#[derive(Debug)]
pub struct TestClock {
    path: PathBuf,
}

impl TestClock {
    /// A clock that stands at this instant.
    pub fn standing_at(instant: &str) -> Self {
        let clock = Self { path: guard().folder("clock").join("now") };
        clock.set(at(instant));
        clock
    }

    /// Sets it, as a whole: a daemon reads the old instant or the new one.
    pub fn set(&self, instant: DateTime<Utc>) {
        let next = self.path.with_extension("next");
        let text = instant.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        std::fs::write(&next, format!("at {text}\n")).expect("the clock file can be written");
        std::fs::rename(&next, &self.path).expect("the clock file can be replaced");
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
