//! How an event repeats: rules of days, followed up to a last day and no further.

use chrono::{NaiveDateTime, TimeDelta};
use chrono_tz::Tz;
use rrule::{RRule, RRuleSet, Unvalidated};

use super::{
    SkipReason,
    lines::{Line, head},
    moment::{Moment, Place},
};

/// Beginnings that the rules of one file may come to, those long past included.
pub(super) const BEGINNINGS_MAX: usize = 200_000;
/// What a rule counts for even if it comes to little.
const PER_RULE: usize = 100;
/// What a rule counts for that never comes again: it is followed to the year 10000 before that is known.
const PER_ENDLESS_SEARCH: usize = 25_000;

/// A rule that an event repeats by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// Where it stands.
    pub line: usize,
    /// Without UNTIL, COUNT and times of day.
    parts: String,
    until: Option<Moment>,
    count: Option<usize>,
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong. A rule that is right, but no rule of days, is told in `skip`.
    pub fn read(line: &Line, skip: &mut Option<SkipReason>) -> Result<Self, (usize, String)> {
        let wrong = |why: String| (line.number, format!("RRULE '{}': {why}", head(&line.value)));
        let mut rule = Self { line: line.number, parts: String::new(), until: None, count: None };
        let (mut frequency, mut counted_days) = (String::new(), false);
        for part in line.value.to_ascii_uppercase().split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| wrong(format!("'{}' has no '='", head(part))))?;
            match name {
                "UNTIL" => rule.until = until(line, value).map_err(wrong)?,
                "COUNT" => {
                    rule.count =
                        Some(value.parse().map_err(|_| wrong(format!("COUNT '{}' is no number", head(value))))?);
                }
                // Of a day they must be ignored; a time that repeats within its day never is a whole day.
                "BYHOUR" | "BYMINUTE" | "BYSECOND" => {}
                "INTERVAL" if value.parse::<u16>().is_ok_and(|interval| interval == 0) => {
                    return Err(wrong("INTERVAL must be 1 or more".into()));
                }
                _ => {
                    if name == "FREQ" {
                        value.clone_into(&mut frequency);
                    }
                    counted_days |= name == "BYDAY" && value.contains(|letter: char| letter.is_ascii_digit());
                    rule.parts.push_str(if rule.parts.is_empty() { "" } else { ";" });
                    rule.parts.push_str(part);
                }
            }
        }
        match frequency.as_str() {
            "DAILY" | "WEEKLY" if counted_days => {
                return Err(wrong(format!("FREQ={frequency} takes no numbers in BYDAY")));
            }
            "DAILY" | "WEEKLY" | "MONTHLY" | "YEARLY" => {}
            _ => *skip = Some(SkipReason::RuleNotUnderstood(format!("FREQ={frequency}"))),
        }
        Ok(rule)
    }

    /// Whether the parts of the rule go together, and with the first beginning.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, first: NaiveDateTime) -> Result<(), String> {
        self.from(first).map(drop)
    }

    /// As the library has it. Walls are compared with walls, so that no change of the clocks gets between.
    fn from(&self, first: NaiveDateTime) -> Result<RRuleSet, String> {
        let start = first.and_utc().with_timezone(&rrule::Tz::UTC);
        let rule = self.parts.parse::<RRule<Unvalidated>>().and_then(|rule| rule.validate(start));
        rule.map(|rule| RRuleSet::new(start).rrule(rule).limit()).map_err(|error| format!("RRULE: {error}"))
    }

    /// The beginnings from the first one up to `last`, as the wall of `place` shows them; `home` is the zone of the calendar.
    /// What they come to is taken from `left`.
    ///
    /// # Errors
    /// What is wrong with the rule, or that nothing is left.
    pub fn beginnings(
        &self,
        first: NaiveDateTime,
        last: NaiveDateTime,
        (place, home): (Place, Tz),
        left: &mut usize,
    ) -> Result<Vec<NaiveDateTime>, String> {
        let last = self.until.map_or(last, |until| last.min(end_of(until, place, home)));
        spend(left, PER_RULE)?;
        // The first beginning counts, whether the rule comes to it or not.
        let mut found = vec![first];
        for beginning in &self.from(first)? {
            let beginning = beginning.naive_utc();
            if beginning > last || self.count.is_some_and(|count| found.len() >= count && beginning != first) {
                return Ok(found);
            }
            spend(left, 1)?;
            if beginning != first {
                found.push(beginning);
            }
        }
        // Neither COUNT nor UNTIL ended it: they are not told to the library.
        spend(left, PER_ENDLESS_SEARCH)?;
        Ok(found)
    }
}

fn spend(left: &mut usize, amount: usize) -> Result<(), String> {
    let too_many = || format!("RRULE: the rules of the file come to more than {BEGINNINGS_MAX} days");
    *left = left.checked_sub(amount).ok_or_else(too_many)?;
    Ok(())
}

/// `None`: further away than any calendar goes; some programs write the year 9999 for ever.
fn until(line: &Line, value: &str) -> Result<Option<Moment>, String> {
    if value.get(..4).and_then(|year| year.parse::<u16>().ok()).is_some_and(|year| year >= 2200) {
        return Ok(None);
    }
    let line = Line::bare(line.number, "UNTIL", value);
    match Moment::of_line(&line, &mut None)?.as_slice() {
        [until] => Ok(Some(*until)),
        _ => Err("UNTIL is not one day or time".into()),
    }
}

/// The last moment that a rule reaches: of a day, its end.
fn end_of(until: Moment, place: Place, home: Tz) -> NaiveDateTime {
    let at = until.shown_in(place, home);
    if until.place == Place::Day { at + TimeDelta::days(1) - TimeDelta::seconds(1) } else { at }
}
