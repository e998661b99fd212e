//! Business calendars as TOML.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    cli::{dates, failure::Failure},
    grpc::proto::v1::{Calendar, CalendarException, DayHours, MonthDay, WorkingInterval},
};

/// As files name them, Monday first.
pub const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A calendar, for example:
///
/// ```toml
/// id = "vienna"
/// name = "Vienna"
/// zone = "Europe/Vienna"
/// week = { monday = "open", friday = ["07:00-13:00"] }   # days left out are closed
/// exceptions = [{ name = "Christmas", from = "12-25", to = "12-26" }, { name = "Stocktaking", from = "2026-07-03" }]
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarFile {
    pub id: String,
    pub name: String,
    zone: String,
    week: BTreeMap<String, Hours>,
    #[serde(default)]
    exceptions: Vec<ExceptionFile>,
    maintained_until: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Hours {
    Word(Word),
    Intervals(Vec<String>),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Open,
    Closed,
}

/// `from` and `to` (inclusive) as `YYYY-MM-DD`, or every year as `MM-DD`; closed unless `hours` says otherwise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptionFile {
    name: String,
    from: String,
    to: Option<String>,
    hours: Option<Hours>,
}

impl CalendarFile {
    /// As the API has it.
    ///
    /// # Errors
    /// `Usage`: a weekday, a time or a date is none.
    pub fn to_message(&self) -> Result<Calendar, Failure> {
        let wrong = |cause: String| Failure::Usage(format!("calendar {}: {cause}", self.id));
        if let Some(day) = self.week.keys().find(|day| !WEEKDAYS.contains(&day.as_str())) {
            return Err(wrong(format!("week.{day} is no weekday; use monday to sunday")));
        }
        let closed = Hours::Word(Word::Closed);
        let week = WEEKDAYS.iter().map(|day| hours(self.week.get(*day).unwrap_or(&closed)));
        let week = week.collect::<Result<_, _>>().map_err(wrong)?;
        let exceptions = self.exceptions.iter().map(exception).collect::<Result<_, _>>().map_err(wrong)?;
        let until = self.maintained_until.as_deref().map(dates::parse).transpose().map_err(wrong)?;
        Ok(Calendar {
            id: self.id.clone(),
            name: self.name.clone(),
            zone: self.zone.clone(),
            week,
            exceptions,
            maintained_until_date: until,
            ..Calendar::default()
        })
    }
}

fn hours(hours: &Hours) -> Result<DayHours, String> {
    match hours {
        Hours::Word(word) => Ok(DayHours { open: matches!(word, Word::Open), intervals: Vec::new() }),
        Hours::Intervals(texts) => {
            let intervals = texts.iter().map(|text| interval(text)).collect::<Result<_, _>>()?;
            Ok(DayHours { open: true, intervals })
        }
    }
}

fn interval(text: &str) -> Result<WorkingInterval, String> {
    let parsed = text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
    let (from_minute, to_minute) = parsed.ok_or_else(|| format!("`{text}`: expected HH:MM-HH:MM"))?;
    Ok(WorkingInterval { from_minute, to_minute })
}

/// Minutes after midnight of `HH:MM`, up to 24:00.
fn minute(text: &str) -> Option<i32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (i32, i32) = (hour.parse().ok()?, minute.parse().ok()?);
    ((0..60).contains(&minute) && (0..=24 * 60).contains(&(hour * 60 + minute))).then_some(hour * 60 + minute)
}

fn exception(file: &ExceptionFile) -> Result<CalendarException, String> {
    let mut exception = CalendarException { name: file.name.clone(), ..CalendarException::default() };
    if let Some(from) = month_day(&file.from) {
        exception.from_yearly = Some(from);
        let to = file.to.as_deref().map(|to| month_day(to).ok_or_else(|| format!("`{to}`: expected MM-DD")));
        exception.to_yearly = to.transpose()?;
    } else {
        let date = |text: &str| dates::parse(text).map_err(|_| format!("`{text}`: expected YYYY-MM-DD or MM-DD"));
        exception.from_date = Some(date(&file.from)?);
        exception.to_date = file.to.as_deref().map(date).transpose()?;
    }
    exception.hours = Some(file.hours.as_ref().map_or_else(|| Ok(DayHours::default()), hours)?);
    Ok(exception)
}

fn month_day(text: &str) -> Option<MonthDay> {
    let (month, day) = text.split_once('-')?;
    Some(MonthDay { month: month.parse().ok()?, day: day.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::Date;

    fn calendar(more: &str) -> Result<Calendar, Failure> {
        let text = format!("id = 'x'\nname = 'X'\nzone = 'Europe/Vienna'\n{more}");
        toml::from_str::<CalendarFile>(&text).expect("toml").to_message()
    }

    #[test]
    fn days_left_out_are_closed_and_monday_stands_first() {
        let calendar = calendar("week = { monday = 'open', friday = ['07:00-13:00'] }").expect("calendar");
        let open: Vec<_> = calendar.week.iter().map(|day| day.open).collect();
        assert_eq!(open, [true, false, false, false, true, false, false]);
        assert_eq!(calendar.week[4].intervals, [WorkingInterval { from_minute: 420, to_minute: 780 }]);
    }

    #[test]
    fn exceptions_are_dated_or_yearly() {
        let calendar = calendar(
            "week = { monday = 'open' }\nexceptions = [{ name = 'New Year', from = '12-31', to = '01-01' }, \
             { name = 'Extra', from = '2026-07-04', hours = 'open' }]",
        );
        let exceptions = calendar.expect("calendar").exceptions;
        assert_eq!(exceptions[0].to_yearly, Some(MonthDay { month: 1, day: 1 }));
        assert_eq!(exceptions[0].hours, Some(DayHours::default()));
        assert_eq!(exceptions[1].from_date, Some(Date { year: 2026, month: 7, day: 4 }));
        assert_eq!(exceptions[1].hours.as_ref().map(|hours| hours.open), Some(true));
    }

    #[test]
    fn a_wrong_weekday_is_named() {
        let failure = calendar("week = { moonday = 'open' }").expect_err("refused").text(false);
        assert!(failure.contains("week.moonday"), "{failure}");
    }

    #[test]
    fn a_day_ends_at_24_hours() {
        assert_eq!((minute("24:00"), minute("24:01"), minute("23:59")), (Some(1440), None, Some(1439)));
        assert_eq!((minute("7:60"), minute("-1:00"), minute("7")), (None, None, None));
    }
}
