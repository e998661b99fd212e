//! Local times of a log become instants, also in the nights in which the clocks change.

use chrono::{DateTime, Days, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

/// How sure the instant of a local time is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Certainty {
    /// There is one such instant.
    Exact,
    /// There are two, an hour apart as a rule, when clocks go back: the earlier one is taken.
    Ambiguous,
    /// There is none, when clocks go forward: the instant at which they do is taken.
    Missing,
}

/// The instant of a local time. A later local time never gives an earlier instant, so that the order of rows stays.
pub fn instant(zone: Tz, local: NaiveDateTime) -> (DateTime<Utc>, Certainty) {
    let found = zone.from_local_datetime(&local);
    match (found.earliest(), found.latest()) {
        (Some(earlier), Some(later)) if earlier == later => (earlier.to_utc(), Certainty::Exact),
        (Some(earlier), _) => (earlier.to_utc(), Certainty::Ambiguous),
        _ => (change_around(zone, local), Certainty::Missing),
    }
}

/// The instant at which the offset changes, for a local time that this change leaves out.
fn change_around(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let offset_at = |instant: NaiveDateTime| zone.offset_from_utc_datetime(&instant).fix().local_minus_utc();
    let mut before = local.checked_sub_days(Days::new(1)).unwrap_or(local);
    let mut after = local.checked_add_days(Days::new(1)).unwrap_or(local);
    let old_offset = offset_at(before);
    while after - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
        if offset_at(middle) == old_offset {
            before = middle;
        } else {
            after = middle;
        }
    }
    // Changes happen at whole seconds; the bounds carry the fraction of the local time.
    DateTime::from_timestamp(after.and_utc().timestamp(), 0).unwrap_or_else(|| after.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: Tz, local: &str) -> (String, Certainty) {
        let local = NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M:%S%.f").expect("a local time");
        let (instant, certainty) = instant(zone, local);
        (instant.format("%Y-%m-%d %H:%M:%S%.f").to_string(), certainty)
    }

    #[test]
    fn a_time_that_is_left_out_becomes_the_change_itself() {
        let zone = chrono_tz::Asia::Jerusalem;
        assert_eq!(at(zone, "2012-03-30 01:59:59"), ("2012-03-29 23:59:59".into(), Certainty::Exact));
        for left_out in ["2012-03-30 02:00:00", "2012-03-30 02:30:00.250", "2012-03-30 02:59:59"] {
            assert_eq!(at(zone, left_out), ("2012-03-30 00:00:00".into(), Certainty::Missing), "{left_out}");
        }
        assert_eq!(at(zone, "2012-03-30 03:00:00"), ("2012-03-30 00:00:00".into(), Certainty::Exact));
    }

    #[test]
    fn a_time_that_comes_twice_is_the_first_of_the_two() {
        let zone = chrono_tz::Europe::Vienna;
        assert_eq!(at(zone, "2026-10-25 01:59:59"), ("2026-10-24 23:59:59".into(), Certainty::Exact));
        assert_eq!(at(zone, "2026-10-25 02:00:00"), ("2026-10-25 00:00:00".into(), Certainty::Ambiguous));
        assert_eq!(at(zone, "2026-10-25 02:59:59"), ("2026-10-25 00:59:59".into(), Certainty::Ambiguous));
        assert_eq!(at(zone, "2026-10-25 03:00:00"), ("2026-10-25 02:00:00".into(), Certainty::Exact));
    }
}
