//! Until when the holidays of a calendar are maintained: what is counted beyond may move when the next ones are entered.

use chrono::{NaiveDate, TimeDelta};

use super::{calendar::CalendarSpec, compiled::Calendar};

/// A calendar whose holidays end within so many days asks for the next ones.
pub const ENDS_SOON_DAYS: i64 = 90;

/// How the holidays of a calendar are looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// Nobody said until when.
    NotSaid,
    /// They are maintained for longer than `ENDS_SOON_DAYS`.
    Maintained,
    /// They end within `ENDS_SOON_DAYS`, the last day included.
    EndsSoon,
    /// They have ended.
    Ended,
}

impl Upkeep {
    /// As of a day in the calendar's zone.
    #[must_use]
    pub fn of(spec: &CalendarSpec, today: NaiveDate) -> Self {
        match spec.maintained_until {
            None => Self::NotSaid,
            Some(until) if until < today => Self::Ended,
            Some(until) if until - today <= TimeDelta::days(ENDS_SOON_DAYS) => Self::EndsSoon,
            Some(_) => Self::Maintained,
        }
    }
}

/// Whether a day lies beyond the holidays that a calendar maintains; the last maintained day does not. Where nobody said until
/// when, no day does: nothing is known about any of them, and a mark on all would mark none.
#[must_use]
pub fn beyond_holidays(calendar: &Calendar, day: NaiveDate) -> bool {
    calendar.spec().maintained_until.is_some_and(|until| day > until)
}

#[cfg(test)]
mod tests {
    use super::{
        super::calendar::tests::{date, weekdays},
        *,
    };

    #[test]
    fn the_last_maintained_day_is_not_beyond_and_the_next_one_is() {
        let mut spec = weekdays(chrono_tz::UTC);
        assert!(!beyond_holidays(&Calendar::compile(&spec), date("2199-12-31")));
        spec.maintained_until = Some(date("2026-12-31"));
        let calendar = Calendar::compile(&spec);
        let days = ["2026-12-30", "2026-12-31", "2027-01-01"];
        assert_eq!(days.map(|day| beyond_holidays(&calendar, date(day))), [false, false, true]);
    }

    #[test]
    fn holidays_end_soon_from_90_days_before_their_last_day() {
        let mut spec = weekdays(chrono_tz::UTC);
        assert_eq!(Upkeep::of(&spec, date("2026-12-31")), Upkeep::NotSaid);
        spec.maintained_until = Some(date("2026-12-31"));
        for (today, expected) in [
            ("2026-10-01", Upkeep::Maintained),
            ("2026-10-02", Upkeep::EndsSoon),
            ("2026-12-31", Upkeep::EndsSoon),
            ("2027-01-01", Upkeep::Ended),
        ] {
            assert_eq!(Upkeep::of(&spec, date(today)), expected, "{today}");
        }
    }
}
