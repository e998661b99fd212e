//! Holidays from an iCalendar file: which whole days its events close.
//!
//! `Icalendar::read` takes the text apart and finds all that is wrong with it; `Icalendar::closed_days` follows the events and
//! their rules through a window of days. Nothing is lost in silence: what closes no day is told with its reason.
//!
//! # Source
//! RFC 5545, with the kindness that files in the wild need; where it is kinder, the place says so.

mod days;
mod event;
mod lines;
mod moment;
mod rule;

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use days::{ClosedDays, Holiday, Window};
use event::{Draft, Event};
use lines::{Line, head, lines};

use crate::domain::violation::Violations;

/// Bytes of a file.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Events of a file.
pub const EVENTS_MAX: usize = 5_000;
/// Wrong lines that are told at once.
const WRONG_MAX: usize = 20;
/// The field that is named for what is wrong with a file.
const FIELD: &str = "icalendar";

/// Why an event of a file closes no day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkipReason {
    /// It does not last from midnight to midnight in the calendar's zone.
    NotWholeDays,
    /// Its status, or that of the file, is CANCELLED.
    Cancelled,
    /// None of its days lies in the window.
    OutsideWindow,
    /// It is told in a zone that is not known.
    UnknownZone(String),
    /// It repeats in a way that is not understood.
    RuleNotUnderstood(String),
    /// It is something else: a task, an entry of a journal.
    NotAnEvent(String),
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWholeDays => f.write_str("it does not last whole days in the calendar's zone"),
            Self::Cancelled => f.write_str("it is cancelled"),
            Self::OutsideWindow => f.write_str("none of its days lies in the window"),
            Self::UnknownZone(name) => write!(f, "the time zone '{name}' is not known"),
            Self::RuleNotUnderstood(what) => write!(f, "{what} is not understood for whole days"),
            Self::NotAnEvent(what) => write!(f, "a {what} is no event"),
        }
    }
}

/// An event that closes no day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its summary.
    pub name: String,
    /// Where it stands in the file.
    pub line: usize,
    /// Its first day.
    pub day: Option<NaiveDate>,
    /// Why.
    pub reason: SkipReason,
}

/// A file that was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Icalendar {
    events: Vec<Event>,
    others: Vec<Skipped>,
}

impl Icalendar {
    /// Reads a file; what is wrong is told with the number of its line.
    pub fn read(text: &str, v: &mut Violations) -> Self {
        let mut reader = Reader::default();
        if text.len() > FILE_BYTES_MAX {
            v.add(FIELD, format!("has {} bytes; at most {FILE_BYTES_MAX} are allowed", text.len()));
            return reader.file;
        }
        let mut wrong = Vec::new();
        let mut last = 0;
        for line in lines(text) {
            let taken = line.and_then(|line| {
                last = line.number;
                reader.take(line)
            });
            if let Err((number, why)) = taken {
                let hopeless = !reader.begun;
                wrong.push(format!("line {number}: {why}"));
                if hopeless || wrong.len() >= WRONG_MAX {
                    break;
                }
            }
        }
        if wrong.is_empty() {
            wrong.extend(reader.unfinished(last));
        }
        for why in wrong {
            v.add(FIELD, why);
        }
        reader.file
    }

    /// Whether it has any event.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }
}

/// Takes line after line.
#[derive(Debug, Default)]
struct Reader {
    file: Icalendar,
    /// Components that have begun and not ended, with their lines.
    open: Vec<(String, usize)>,
    /// A calendar has begun.
    begun: bool,
    cancelled: bool,
    draft: Option<Draft>,
}

impl Reader {
    fn take(&mut self, line: Line) -> Result<(), (usize, String)> {
        let number = line.number;
        match line.name.as_str() {
            "BEGIN" => self.begin(&line).map_err(|why| (number, why)),
            "END" => self.end(&line),
            _ if self.open.is_empty() => Err((number, self.outside())),
            _ => {
                let depth = self.open.len();
                if let (Some(draft), 2) = (&mut self.draft, depth) {
                    draft.take(line);
                } else if depth == 1 && line.name == "METHOD" {
                    self.cancelled = line.value.trim().eq_ignore_ascii_case("CANCEL");
                }
                Ok(())
            }
        }
    }

    fn outside(&self) -> String {
        let what = if self.begun { "a further part" } else { "this is no iCalendar file: it" };
        format!("{what} must begin with BEGIN:VCALENDAR")
    }

    fn begin(&mut self, line: &Line) -> Result<(), String> {
        let name = line.value.trim().to_ascii_uppercase();
        match (self.open.len(), name.as_str()) {
            (0, "VCALENDAR") => (self.begun, self.cancelled) = (true, false),
            (0, _) => return Err(self.outside()),
            (1, "VEVENT") if self.file.events.len() >= EVENTS_MAX => {
                return Err(format!("more than {EVENTS_MAX} events; take a part of the file"));
            }
            (1, "VEVENT" | "VTODO" | "VJOURNAL" | "VFREEBUSY") => self.draft = Some(Draft::at(line.number)),
            _ => {}
        }
        self.open.push((name, line.number));
        Ok(())
    }

    fn end(&mut self, line: &Line) -> Result<(), (usize, String)> {
        let name = line.value.trim().to_ascii_uppercase();
        match self.open.last() {
            Some((open, _)) if *open == name => {}
            Some((open, begun)) => {
                let why = format!("END:{} without its beginning: {open} of line {begun} is open", head(&name));
                return Err((line.number, why));
            }
            None => return Err((line.number, self.outside())),
        }
        self.open.pop();
        match (self.open.len(), self.draft.take()) {
            (1, Some(draft)) if name == "VEVENT" => {
                let mut event = draft.finish()?;
                if self.cancelled {
                    event.skip = Some(SkipReason::Cancelled);
                }
                self.file.events.push(event);
            }
            (1, Some(draft)) => self.file.others.push(draft.skipped(SkipReason::NotAnEvent(name))),
            (_, draft) => self.draft = draft,
        }
        Ok(())
    }

    /// Why the file cannot end here.
    fn unfinished(&self, last: usize) -> Option<String> {
        match self.open.last() {
            Some((name, begun)) => Some(format!("line {last}: the file ends in {name}, which began in line {begun}")),
            None if !self.begun => Some("is empty; an iCalendar file begins with BEGIN:VCALENDAR".to_owned()),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests;
