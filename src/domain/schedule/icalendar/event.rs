//! One event of a file as it is written: when it begins, how long it lasts, how it repeats.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{
    SkipReason, Skipped,
    lines::{Line, head},
    moment::{Moment, Place, duration},
    rule::Rule,
};

/// Days that one event may last.
const DAYS_MAX: i64 = 366;
/// Letters of a name.
const NAME_MAX: usize = 200;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Where it begins in the file.
    pub line: usize,
    /// What stands for it and for changes of it.
    pub uid: String,
    /// Its summary, fit to be a name.
    pub name: String,
    /// First day or time.
    pub start: Moment,
    /// How long it lasts; whole days for an event of days.
    pub length: TimeDelta,
    /// How it repeats.
    pub rules: Vec<Rule>,
    /// More beginnings.
    pub more: Vec<Moment>,
    /// Beginnings that are left out.
    pub without: Vec<Moment>,
    /// Beginning of the repetition that it stands for.
    pub instead_of: Option<Moment>,
    /// Why none of its days is taken.
    pub skip: Option<SkipReason>,
}

/// The properties of an event that is being read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    line: usize,
    once: BTreeMap<String, Line>,
    rules: Vec<Line>,
    more: Vec<Line>,
    without: Vec<Line>,
    excluded_by_rule: bool,
}

impl Draft {
    /// Nothing but its first line is known.
    pub fn at(line: usize) -> Self {
        Self { line, ..Self::default() }
    }

    /// Takes a property; of those that may come once the first counts.
    pub fn take(&mut self, line: Line) {
        match line.name.as_str() {
            "RRULE" => self.rules.push(line),
            "RDATE" => self.more.push(line),
            "EXDATE" => self.without.push(line),
            "EXRULE" => self.excluded_by_rule = true,
            "UID" | "SUMMARY" | "DTSTART" | "DTEND" | "DURATION" | "STATUS" | "RECURRENCE-ID" => {
                self.once.entry(line.name.clone()).or_insert(line);
            }
            _ => {}
        }
    }

    /// What is no event, as something that closes no day.
    pub fn skipped(&self, reason: SkipReason) -> Skipped {
        Skipped { name: name(self.once.get("SUMMARY")), line: self.line, day: None, reason }
    }

    /// The event.
    ///
    /// # Errors
    /// What is wrong, with the number of the line.
    pub fn finish(mut self) -> Result<Event, (usize, String)> {
        let name = name(self.once.get("SUMMARY"));
        let mut skip = None;
        let Some(begins) = self.once.remove("DTSTART") else {
            return Err((self.line, format!("the event '{}' has no DTSTART", head(&name))));
        };
        let start = one(&begins, &mut skip)?;
        let length = self.length(start, &mut skip)?;
        let instead_of = self.once.get("RECURRENCE-ID").map(|line| one(line, &mut skip)).transpose()?;
        let (more, without) = (all(&self.more, &mut skip)?, all(&self.without, &mut skip)?);
        let rules = self.rules.iter().map(|line| Rule::read(line, &mut skip)).collect::<Result<Vec<_>, _>>()?;
        for rule in &rules {
            rule.check(start.at).map_err(|why| (rule.line, why))?;
        }
        let range = self.once.get("RECURRENCE-ID").and_then(|line| line.parameter("RANGE"));
        if self.excluded_by_rule {
            skip.get_or_insert(SkipReason::RuleNotUnderstood("EXRULE".into()));
        }
        if range.is_some() {
            skip.get_or_insert(SkipReason::RuleNotUnderstood("RECURRENCE-ID with RANGE".into()));
        }
        if self.once.get("STATUS").is_some_and(|line| line.value.trim().eq_ignore_ascii_case("CANCELLED")) {
            skip = Some(SkipReason::Cancelled);
        }
        let uid = self.once.get("UID").map(|line| line.value.trim().to_owned()).unwrap_or_default();
        Ok(Event { line: self.line, uid, name, start, length, rules, more, without, instead_of, skip })
    }

    fn length(&self, start: Moment, skip: &mut Option<SkipReason>) -> Result<TimeDelta, (usize, String)> {
        let is_day = start.place == Place::Day;
        let (line, length) = match (self.once.get("DTEND"), self.once.get("DURATION")) {
            (Some(line), _) => {
                let end = one(line, skip)?;
                if (end.place == Place::Day) != is_day {
                    return Err((line.number, "DTSTART and DTEND must both be days, or both times".into()));
                }
                // Where a zone is needed, days and times of one event are told in the same one, or none is taken.
                let end = match (start.place, end.place) {
                    (Place::Zone(_), Place::Zone(home)) => end.shown_in(start.place, home),
                    _ => end.at,
                };
                (line, end - start.at)
            }
            (None, Some(line)) => (line, duration(line).map_err(|why| (line.number, why))?),
            (None, None) => return Ok(if is_day { TimeDelta::days(1) } else { TimeDelta::zero() }),
        };
        let wrong = |why: String| Err((line.number, why));
        if length < TimeDelta::zero() {
            return wrong(format!("{} lies before DTSTART", line.name));
        }
        if length > TimeDelta::days(DAYS_MAX) {
            return wrong(format!("the event lasts {} days; at most {DAYS_MAX} are understood", length.num_days()));
        }
        if is_day && length != TimeDelta::days(length.num_days()) {
            return wrong(format!("DURATION '{}' is not whole days, as DTSTART is", head(&line.value)));
        }
        // Some programs write the last day as the end, though it is the day after by the standard.
        Ok(if is_day { length.max(TimeDelta::days(1)) } else { length })
    }
}

/// The summary as a name: one line, at most 200 letters, never empty.
fn name(summary: Option<&Line>) -> String {
    let text = summary.map(Line::text).unwrap_or_default();
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text.chars().take(NAME_MAX).collect();
    let text = text.trim_end();
    if text.is_empty() { "Closed".to_owned() } else { text.to_owned() }
}

fn one(line: &Line, skip: &mut Option<SkipReason>) -> Result<Moment, (usize, String)> {
    match all(std::slice::from_ref(line), skip)?.as_slice() {
        [moment] => Ok(*moment),
        _ => Err((line.number, format!("{} has more than one value", line.name))),
    }
}

/// The moments of the lines; a zone that is not known is told in `skip`.
fn all(lines: &[Line], skip: &mut Option<SkipReason>) -> Result<Vec<Moment>, (usize, String)> {
    let mut moments = Vec::new();
    for line in lines {
        let mut unknown = None;
        moments.extend(Moment::of_line(line, &mut unknown).map_err(|why| (line.number, why))?);
        if let Some(zone) = unknown {
            *skip = Some(SkipReason::UnknownZone(zone));
        }
    }
    Ok(moments)
}
