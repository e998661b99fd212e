//! Where a local time of day lies on the line of instants.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The first instant at which clocks in `zone` read `minute` minutes after midnight of `day`, 0 to 1440 (24:00, which is
/// midnight of the day after). Where the clocks skip that reading, the first instant after the gap; where it comes twice, the
/// first of the two.
#[must_use]
pub fn instant(zone: Tz, day: NaiveDate, minute: u16) -> DateTime<Utc> {
    let local = day.and_time(NaiveTime::MIN) + TimeDelta::minutes(i64::from(minute));
    if let Some(instant) = zone.from_local_datetime(&local).earliest() {
        return instant.with_timezone(&Utc);
    }
    // The reading does not exist. A gap is at most a day long (a zone that jumped over the date line), so the first instant
    // with a later reading lies within two days around the reading taken as UTC.
    let (mut early, mut late) = (local.and_utc() - TimeDelta::days(2), local.and_utc() + TimeDelta::days(2));
    while late - early > TimeDelta::seconds(1) {
        let middle = early + (late - early) / 2;
        let middle = DateTime::from_timestamp(middle.timestamp(), 0).unwrap_or(middle);
        if zone.from_utc_datetime(&middle.naive_utc()).naive_local() >= local {
            late = middle;
        } else {
            early = middle;
        }
    }
    late
}

#[cfg(test)]
mod tests {
    use super::{super::calendar::tests::date, *};

    #[test]
    fn a_time_of_day_is_the_first_instant_that_reads_it_or_a_later_one() {
        // zone, day, minute, the instant
        for (zone, day, minute, expected) in [
            ("Europe/Vienna", "2026-03-28", 1440, "2026-03-28T23:00:00Z"),
            ("Europe/Vienna", "2026-03-29", 119, "2026-03-29T00:59:00Z"),
            ("Europe/Vienna", "2026-03-29", 120, "2026-03-29T01:00:00Z"), // 02:00 to 03:00 skipped
            ("Europe/Vienna", "2026-03-29", 179, "2026-03-29T01:00:00Z"),
            ("Europe/Vienna", "2026-03-29", 180, "2026-03-29T01:00:00Z"),
            ("Europe/Vienna", "2026-10-25", 120, "2026-10-25T00:00:00Z"), // 02:00 to 03:00 twice
            ("Europe/Vienna", "2026-10-25", 179, "2026-10-25T00:59:00Z"),
            ("Europe/Vienna", "2026-10-25", 180, "2026-10-25T02:00:00Z"),
            ("Australia/Lord_Howe", "2021-10-03", 135, "2021-10-02T15:30:00Z"), // 02:00 to 02:30 skipped
            ("Australia/Lord_Howe", "2022-04-03", 90, "2022-04-02T14:30:00Z"),  // 01:30 to 02:00 twice
            ("Australia/Lord_Howe", "2022-04-03", 120, "2022-04-02T15:30:00Z"),
            ("America/Sao_Paulo", "2018-02-17", 1440, "2018-02-18T03:00:00Z"), // the hour before twice
            ("Pacific/Apia", "2011-12-29", 1440, "2011-12-30T10:00:00Z"),      // the day after does not exist
            ("Pacific/Apia", "2011-12-30", 720, "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", "2011-12-31", 0, "2011-12-30T10:00:00Z"),
            ("Pacific/Kwajalein", "1993-08-21", 720, "1993-08-21T12:00:00Z"), // nor this one
            ("Africa/Monrovia", "1972-01-07", 30, "1972-01-07T00:44:30Z"),    // 44 minutes and 30 seconds skipped
            ("Africa/Monrovia", "1972-01-07", 45, "1972-01-07T00:45:00Z"),
        ] {
            let zone: Tz = zone.parse().expect("a known zone");
            let expected: DateTime<Utc> = expected.parse().expect("a valid instant");
            assert_eq!(instant(zone, date(day), minute), expected, "{zone} {day} {minute}");
        }
    }
}
