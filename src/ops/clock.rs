//! The clock: one reading per operation, taken from the database, so that several daemons agree.
//!
//! For tests and rehearsals a file can stand in: it is read at every use, so that time is set from outside.

use std::{fmt, fs, path::PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

/// What time it is, given what the database says.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The instant that an operation works with.
    fn now(&self, database_now: DateTime<Utc>) -> DateTime<Utc>;
}

/// The database's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct DatabaseClock;

impl Clock for DatabaseClock {
    fn now(&self, database_now: DateTime<Utc>) -> DateTime<Utc> {
        database_now
    }
}

/// A file says what time it is: `at 2026-03-29T00:30:00Z` (the clock stands still) or `shift 3600` (seconds beside the
/// database's clock). A file that cannot be read, or says anything else, counts as `shift 0`.
#[derive(Debug, Clone)]
pub struct FileClock {
    path: PathBuf,
}

impl FileClock {
    /// A clock that reads this file.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Clock for FileClock {
    fn now(&self, database_now: DateTime<Utc>) -> DateTime<Utc> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        read(text.trim(), database_now).unwrap_or(database_now)
    }
}

fn read(text: &str, database_now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (word, value) = text.split_once(' ')?;
    match word {
        "at" => value.trim().parse().ok(),
        "shift" => database_now.checked_add_signed(TimeDelta::try_seconds(value.trim().parse().ok()?)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_clock_stands_still_or_is_shifted() {
        let now: DateTime<Utc> = "2026-03-29T00:00:00Z".parse().expect("a valid instant");
        assert_eq!(read("at 2026-03-28T23:59:59.999999Z", now), "2026-03-28T23:59:59.999999Z".parse().ok());
        assert_eq!(read("shift -60", now), "2026-03-28T23:59:00Z".parse().ok());
        assert_eq!(read("later", now), None);
    }
}
