//! Dates and instants of the API: read from the command line, written for people.

use chrono::{DateTime, Datelike as _, Days, Local, NaiveDate, TimeZone};
use prost_types::Timestamp;

use crate::grpc::proto::Date;

/// Parses `YYYY-MM-DD`.
///
/// # Errors
/// A sentence for the user, when it is no date.
pub fn parse(text: &str) -> Result<Date, String> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").map(from_chrono).map_err(|_| "expected a date as YYYY-MM-DD".to_owned())
}

/// An instant as text carries it, for example `2026-01-09T10:00:00Z`; `None` when it is none.
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let instant = DateTime::parse_from_rfc3339(text).ok()?;
    Some(Timestamp { seconds: instant.timestamp(), nanos: i32::try_from(instant.timestamp_subsec_nanos()).ok()? })
}

/// The date as the API has it.
pub fn from_chrono(date: NaiveDate) -> Date {
    let small = |part: u32| i32::try_from(part).expect("a month or day");
    Date { year: date.year(), month: small(date.month()), day: small(date.day()) }
}

/// The date with its arithmetic; `None` when it is none.
pub fn to_chrono(date: Date) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(date.year, u32::try_from(date.month).ok()?, u32::try_from(date.day).ok()?)
}

/// `days` calendar days before `date`; the date itself where there is no such day.
pub fn before(date: Date, days: u32) -> Date {
    to_chrono(date).and_then(|it| it.checked_sub_days(Days::new(days.into()))).map_or(date, from_chrono)
}

/// `YYYY-MM-DD`, empty when not set.
pub fn show(date: Option<Date>) -> String {
    date.map_or_else(String::new, |it| format!("{:04}-{:02}-{:02}", it.year, it.month, it.day))
}

/// `YYYY-MM-DD Mon`, empty when not set.
pub fn show_with_weekday(date: Option<Date>) -> String {
    let weekday = date.and_then(to_chrono).map(|it| it.format(" %a").to_string());
    show(date) + &weekday.unwrap_or_default()
}

/// `YYYY-MM-DD HH:MM` in the zone of the terminal, empty when not set.
pub fn show_instant(instant: Option<&Timestamp>) -> String {
    show_instant_in(instant, &Local)
}

fn show_instant_in<Z: TimeZone<Offset: std::fmt::Display>>(instant: Option<&Timestamp>, zone: &Z) -> String {
    let instant = instant.and_then(|it| DateTime::from_timestamp(it.seconds, u32::try_from(it.nanos).ok()?));
    instant.map_or_else(String::new, |it| it.with_timezone(zone).format("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_day_is_read_and_its_neighbour_refused() {
        assert_eq!(parse("2028-02-29"), Ok(Date { year: 2028, month: 2, day: 29 }));
        assert!(parse("2027-02-29").is_err());
        assert!(parse("29.02.2028").is_err());
    }

    #[test]
    fn dates_are_shown_with_their_weekday() {
        assert_eq!(show_with_weekday(Some(Date { year: 2026, month: 1, day: 6 })), "2026-01-06 Tue");
        assert_eq!(show_with_weekday(None), "");
    }

    #[test]
    fn days_before_cross_the_month() {
        assert_eq!(show(Some(before(Date { year: 2028, month: 3, day: 1 }, 1))), "2028-02-29");
    }

    #[test]
    fn an_instant_in_text_is_read_and_a_day_is_none() {
        assert_eq!(
            parse_instant("2012-01-30T06:24:00.5Z").map(|it| (it.seconds, it.nanos)),
            Some((1_327_904_640, 500_000_000))
        );
        assert_eq!(parse_instant("2012-01-30"), None);
    }

    #[test]
    fn instants_are_shown_in_a_zone() {
        let instant = Timestamp { seconds: 1_327_904_640, nanos: 0 };
        assert_eq!(show_instant_in(Some(&instant), &chrono_tz::Asia::Jerusalem), "2012-01-30 08:24");
    }
}
