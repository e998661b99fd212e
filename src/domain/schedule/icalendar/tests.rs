//! What files come to: tables of events and rules.

use chrono::{DateTime, NaiveDate};
use chrono_tz::{Europe::Vienna, Tz};

use super::*;

fn date(text: &str) -> NaiveDate {
    text.parse().expect("a valid date")
}

fn read(text: &str) -> Result<Icalendar, Vec<String>> {
    let mut v = Violations::new();
    let file = Icalendar::read(text, &mut v);
    let found: Vec<_> = v.into_found().into_iter().map(|wrong| (wrong.field, wrong.description)).collect();
    assert!(found.iter().all(|(field, _)| field == "icalendar"));
    if found.is_empty() { Ok(file) } else { Err(found.into_iter().map(|(_, description)| description).collect()) }
}

fn file(events: &str) -> String {
    format!("BEGIN:VCALENDAR\nVERSION:2.0\n{events}\nEND:VCALENDAR\n")
}

/// One event a line, its properties set apart by spaces, read in Vienna.
fn events(lines: &str) -> String {
    let event = |line: &str| format!("BEGIN:VEVENT\n{}\nEND:VEVENT", line.trim().replace(' ', "\n"));
    file(&lines.lines().filter(|line| !line.trim().is_empty()).map(event).collect::<Vec<_>>().join("\n"))
}

/// `2026-01-01`, or `2026-01-01/2026-01-03`, and why the rest was skipped.
fn closed_in(zone: Tz, window: (&str, &str), text: &str) -> (Vec<String>, Vec<SkipReason>) {
    let file = read(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
    let window = Window { from: date(window.0), to: date(window.1) };
    let days = file.closed_days(window, zone).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
    let span = |it: &Holiday| if it.from == it.to { it.from.to_string() } else { format!("{}/{}", it.from, it.to) };
    (days.holidays.iter().map(span).collect(), days.skipped.into_iter().map(|it| it.reason).collect())
}

/// In the years 2026 to 2029.
fn closed(lines: &str) -> (Vec<String>, Vec<SkipReason>) {
    closed_in(Vienna, ("2026-01-01", "2029-12-31"), &events(lines))
}

#[track_caller]
fn closes(lines: &str, days: &[&str]) {
    assert_eq!(closed(lines), (days.iter().map(|day| (*day).to_owned()).collect(), vec![]), "{lines}");
}

#[track_caller]
fn skips(lines: &str, reason: SkipReason) {
    assert_eq!(closed(lines), (vec![], vec![reason]), "{lines}");
}

#[test]
fn days_end_before_their_end() {
    for (event, days) in [
        ("DTSTART;VALUE=DATE:20260101", "2026-01-01"),
        ("DTSTART:20260101", "2026-01-01"),
        ("DTSTART;VALUE=DATE:20260101 DTEND;VALUE=DATE:20260102", "2026-01-01"),
        ("DTSTART;VALUE=DATE:20260101 DTEND;VALUE=DATE:20260104", "2026-01-01/2026-01-03"),
        ("DTSTART;VALUE=DATE:20260101 DTEND;VALUE=DATE:20260101", "2026-01-01"),
        ("DTSTART;VALUE=DATE:20260101 DURATION:P3D", "2026-01-01/2026-01-03"),
        ("DTSTART;VALUE=DATE:20260101 DURATION:P1W", "2026-01-01/2026-01-07"),
        ("DTSTART;VALUE=DATE:20260101 DURATION:PT48H", "2026-01-01/2026-01-02"),
        ("DTSTART;VALUE=DATE:20280228 DTEND;VALUE=DATE:20280301", "2028-02-28/2028-02-29"),
        ("DTSTART;VALUE=DATE:20260101T000000", "2026-01-01"),
        // It blocks no time, as most holidays: taken.
        ("DTSTART;VALUE=DATE:20260101 TRANSP:TRANSPARENT", "2026-01-01"),
        // It touches the window: taken whole.
        ("DTSTART;VALUE=DATE:20251224 DTEND;VALUE=DATE:20260102", "2025-12-24/2026-01-01"),
        ("DTSTART;VALUE=DATE:20291231 DURATION:P2D", "2029-12-31/2030-01-01"),
    ] {
        closes(event, &[days]);
    }
    for event in ["DTSTART:20251231", "DTSTART:20251224 DTEND:20260101", "DTSTART:20300101"] {
        skips(event, SkipReason::OutsideWindow);
    }
}

#[test]
fn times_close_days_that_are_whole_in_the_calendars_zone() {
    for (event, days) in [
        ("DTSTART:20260101T000000 DTEND:20260102T000000", "2026-01-01"),
        ("DTSTART:20260101T000000 DURATION:P2D", "2026-01-01/2026-01-02"),
        ("DTSTART:20251231T230000Z DTEND:20260101T230000Z", "2026-01-01"),
        ("DTSTART;TZID=Europe/Vienna:20260101T000000 DTEND;TZID=Europe/Vienna:20260102T000000", "2026-01-01"),
        ("DTSTART;TZID=/x/y/Europe/Vienna:20260101T000000 DURATION:P1D", "2026-01-01"),
        ("DTSTART;TZID=Europe/London:20251231T230000 DURATION:P1D", "2026-01-01"),
        // Both nights in which the clocks change, and the day that has 23 hours, then the one that has 25.
        ("DTSTART:20260328T230000Z DTEND:20260329T220000Z", "2026-03-29"),
        ("DTSTART:20261024T220000Z DTEND:20261025T230000Z", "2026-10-25"),
    ] {
        closes(event, &[days]);
    }
    for event in [
        "DTSTART:20260101T000000Z DTEND:20260102T000000Z",
        "DTSTART:20260101T000000 DTEND:20260101T235959",
        "DTSTART:20260101T080000 DTEND:20260102T080000",
        "DTSTART:20260101T000000",
        "DTSTART;TZID=Europe/London:20260101T000000 DURATION:P1D",
        "DTSTART:20260328T230000Z DTEND:20260329T230000Z",
    ] {
        skips(event, SkipReason::NotWholeDays);
    }
    skips(
        "DTSTART;TZID=W.Standard:20260101T000000 DTEND:20260101T230000Z",
        SkipReason::UnknownZone("W.Standard".into()),
    );
    // The rule falls on whole days in winter only.
    let (days, skipped) = closed("DTSTART:20251231T230000Z DURATION:P1D RRULE:FREQ=DAILY;INTERVAL=182;COUNT=3");
    assert_eq!(days, ["2026-01-01", "2026-12-31"]);
    assert_eq!(skipped, [SkipReason::NotWholeDays]);
}

#[test]
fn a_day_without_midnight_is_whole_from_its_first_instant() {
    let text = events("DTSTART:20260906T040000Z DTEND:20260907T030000Z");
    let window = ("2026-01-01", "2026-12-31");
    assert_eq!(closed_in(chrono_tz::America::Santiago, window, &text).0, ["2026-09-06"]);
}

#[test]
fn rules_are_followed_through_the_window() {
    for (event, days) in [
        ("DTSTART:20200501 RRULE:FREQ=YEARLY", &["2026-05-01", "2027-05-01", "2028-05-01", "2029-05-01"][..]),
        ("DTSTART:20200501 RRULE:FREQ=YEARLY;INTERVAL=4", &["2028-05-01"]),
        ("DTSTART:20200229 RRULE:FREQ=YEARLY", &["2028-02-29"]),
        ("DTSTART:20200501 RRULE:FREQ=YEARLY;UNTIL=20270501", &["2026-05-01", "2027-05-01"]),
        ("DTSTART:20200501 RRULE:FREQ=YEARLY;UNTIL=20270430", &["2026-05-01"]),
        ("DTSTART:20200501 RRULE:FREQ=YEARLY;UNTIL=20270430T220000Z", &["2026-05-01", "2027-05-01"]),
        ("DTSTART:20200501 RRULE:FREQ=YEARLY;UNTIL=20270430T215959Z", &["2026-05-01"]),
        ("DTSTART:20200501 RRULE:FREQ=YEARLY;COUNT=8", &["2026-05-01", "2027-05-01"]),
        ("DTSTART:20200501 RRULE:FREQ=YEARLY;COUNT=7", &["2026-05-01"]),
        ("DTSTART:20251127 RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH;COUNT=3", &["2026-11-26", "2027-11-25"]),
        ("DTSTART:20250526 RRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO;COUNT=2", &["2026-05-25"]),
        (
            "DTSTART:20250519 RRULE:FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=18,19,20,21,22,23,24;BYDAY=MO;COUNT=2",
            &["2026-05-18"],
        ),
        ("DTSTART:20251231 RRULE:FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3", &["2026-01-31", "2026-02-28"]),
        ("DTSTART:20260102 RRULE:FREQ=WEEKLY;COUNT=2", &["2026-01-02", "2026-01-09"]),
        ("DTSTART:20260101 RRULE:FREQ=YEARLY;COUNT=1", &["2026-01-01"]),
        ("DTSTART:20260101 RRULE:FREQ=YEARLY;UNTIL=20250101", &["2026-01-01"]),
        ("DTSTART:17760704 RRULE:FREQ=YEARLY;INTERVAL=250;UNTIL=99991231T235959Z", &["2026-07-04"]),
        // Of days the time of day is ignored, as the standard wants it.
        ("DTSTART:20260101 RRULE:FREQ=YEARLY;COUNT=1;BYHOUR=9,10", &["2026-01-01"]),
        // Days that follow each other are one span, whether the window cuts them or not.
        ("DTSTART:20260810 RRULE:FREQ=DAILY;COUNT=12", &["2026-08-10/2026-08-21"]),
        ("DTSTART:20251229 RRULE:FREQ=DAILY;COUNT=5", &["2025-12-29/2026-01-02"]),
        // The first day counts, even where the rule does not come to it.
        ("DTSTART:20260101 RRULE:FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=1;COUNT=2", &["2026-01-01", "2026-05-01"]),
    ] {
        closes(event, days);
    }
}

#[test]
fn days_are_added_left_out_and_changed() {
    closes("DTSTART:20260406 RDATE;VALUE=DATE:20270329,20280417", &["2026-04-06", "2027-03-29", "2028-04-17"]);
    closes("DTSTART:20260406 RDATE:20270329 EXDATE:20260406", &["2027-03-29"]);
    closes("DTSTART:20260501 RRULE:FREQ=YEARLY EXDATE;VALUE=DATE:20270501,20290501", &["2026-05-01", "2028-05-01"]);
    closes("DTSTART:20260501 RRULE:FREQ=YEARLY;COUNT=2 EXDATE:20260501T000000", &["2027-05-01"]);
    closes("DTSTART:20260501 RRULE:FREQ=YEARLY;COUNT=2 EXDATE:20260430T220000Z", &["2027-05-01"]);
    closes(
        "DTSTART:20260501T000000 DURATION:P1D RRULE:FREQ=YEARLY;COUNT=2 EXDATE;VALUE=DATE:20260501",
        &["2027-05-01"],
    );
    closes(
        "UID:a DTSTART:20260501 RRULE:FREQ=YEARLY;COUNT=3
         UID:a RECURRENCE-ID;VALUE=DATE:20270501 DTSTART:20270503 SUMMARY:Moved
         UID:b DTSTART:20270501",
        &["2026-05-01", "2027-05-01", "2027-05-03", "2028-05-01"],
    );
    let (days, skipped) = closed(
        "UID:a DTSTART:20260501 RRULE:FREQ=YEARLY;COUNT=3
         UID:a RECURRENCE-ID:20270501 DTSTART:20270501 STATUS:CANCELLED",
    );
    assert_eq!((days, skipped), (vec!["2026-05-01".into(), "2028-05-01".into()], vec![SkipReason::Cancelled]));
    skips("DTSTART:20260501 EXDATE:20260501", SkipReason::OutsideWindow);
}

#[test]
fn what_closes_no_day_is_told() {
    let rule = |what: &str| SkipReason::RuleNotUnderstood(what.into());
    skips("DTSTART:20260501 STATUS:CANCELLED", SkipReason::Cancelled);
    skips("DTSTART:20260501 RRULE:FREQ=SECONDLY", rule("FREQ=SECONDLY"));
    skips("DTSTART:20260501 RRULE:FREQ=HOURLY;COUNT=1000000000", rule("FREQ=HOURLY"));
    skips("DTSTART:20260501 RRULE:FREQ=YEARLY EXRULE:FREQ=YEARLY;COUNT=1", rule("EXRULE"));
    skips("DTSTART:20260501 RECURRENCE-ID;RANGE=THISANDFUTURE:20260501", rule("RECURRENCE-ID with RANGE"));
    let window = ("2026-01-01", "2026-12-31");
    let other = file("BEGIN:VTODO\nSUMMARY:Tidy up\nEND:VTODO\nBEGIN:VTIMEZONE\nTZID:x\nEND:VTIMEZONE");
    assert_eq!(closed_in(Vienna, window, &other), (vec![], vec![SkipReason::NotAnEvent("VTODO".into())]));
    let cancelled = file("METHOD:CANCEL\nBEGIN:VEVENT\nDTSTART:20260501\nEND:VEVENT");
    assert_eq!(closed_in(Vienna, window, &cancelled), (vec![], vec![SkipReason::Cancelled]));
}

#[test]
fn a_name_is_one_clean_line() {
    let long = format!("{}b", "ä".repeat(200));
    for (summary, name) in [
        (r"SUMMARY;LANGUAGE=de:Mariä\, Empfängnis\n(Ö)", "Mariä, Empfängnis (Ö)"),
        ("SUMMARY:Mari\n\u{20}ä Emp\n\tfängnis", "Mariä Empfängnis"),
        ("SUMMARY:a\u{1b}[31mb\u{0}  c", "a [31mb c"),
        ("SUMMARY:", "Closed"),
        ("X:y", "Closed"),
        (&format!("SUMMARY:{long}"), &long[..400]),
    ] {
        let text = file(&format!("BEGIN:VEVENT\n{summary}\nDTSTART:20260101\nEND:VEVENT"));
        for text in [text.clone(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
            let file = read(&text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            let days = file.closed_days(Window { from: date("2026-01-01"), to: date("2026-12-31") }, Vienna);
            assert_eq!(days.map(|days| days.holidays[0].name.clone()).as_deref(), Ok(name));
        }
    }
}

#[test]
fn parts_of_an_event_do_not_become_its_own() {
    let text = file(
        "BEGIN:VEVENT\nDTSTART:20260101\nBEGIN:VALARM\nDTSTART:20260202\nSUMMARY:Alarm\nEND:VALARM\nSUMMARY:New Year\nEND:VEVENT",
    );
    let (days, _) = closed_in(Vienna, ("2026-01-01", "2026-12-31"), &text);
    assert_eq!(days, ["2026-01-01"]);
}

#[test]
fn a_wrong_file_is_refused_with_its_lines() {
    let event = |properties: &str| file(&format!("BEGIN:VEVENT\n{properties}\nEND:VEVENT"));
    for (text, wrong) in [
        (String::new(), "is empty"),
        ("\u{feff}\r\n \n".into(), "is empty"),
        ("<html>".into(), "line 1: '<html>' is no property"),
        ("hello: world".into(), "line 1: this is no iCalendar file"),
        ("BEGIN:VCARD\nEND:VCARD".into(), "line 1: this is no iCalendar file"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT".into(), "line 2: the file ends in VEVENT, which began in line 2"),
        ("BEGIN:VCALENDAR\nEND:VEVENT".into(), "line 2: END:VEVENT without its beginning: VCALENDAR of line 1 is open"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR\nX:1".into(), "line 3: a further part must begin with BEGIN:VCALENDAR"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VCALENDAR".into(), "line 3: a further part"),
        (event("SUMMARY:x"), "line 3: the event 'x' has no DTSTART"),
        (event("DTSTART:2026-01-01"), "line 4: DTSTART '2026-01-01' is no day"),
        (event("DTSTART:20260229"), "line 4: DTSTART '20260229' is no day"),
        (event("DTSTART:20260101T246000"), "line 4: DTSTART '20260101T246000' is no day"),
        (event("DTSTART:15821231"), "line 4: DTSTART '15821231' lies outside the years"),
        (event("DTSTART:22000101"), "line 4: DTSTART '22000101' lies outside the years"),
        (event("DTSTART:20260101,20260102"), "line 4: DTSTART has more than one value"),
        (event("DTSTART:20260101\nDTEND:20251231"), "line 5: DTEND lies before DTSTART"),
        (event("DTSTART:20260101\nDTEND:20260101T120000"), "line 5: DTSTART and DTEND must both"),
        (event("DTSTART:20260101\nDTEND:20270103"), "line 5: the event lasts 367 days"),
        (event("DTSTART:20260101\nDURATION:PT12H"), "line 5: DURATION 'PT12H' is not whole days"),
        (event("DTSTART:20260101\nDURATION:1D"), "line 5: DURATION '1D' is none"),
        (event("DTSTART:20260101\nDURATION:PT"), "line 5: DURATION 'PT' is none"),
        (event("DTSTART:20260101\nDURATION:P99999999999999999W"), "is none as"),
        (event("DTSTART:20260101\nRDATE;VALUE=PERIOD:20260101T000000Z/P1D"), "line 5: RDATE"),
        (event("DTSTART:20260101\nEXDATE:tomorrow"), "line 5: EXDATE 'tomorrow'"),
        (event("DTSTART:20260101\nRRULE:FREQ=NEVER"), "line 5: RRULE"),
        (event("DTSTART:20260101\nRRULE:"), "line 5: RRULE"),
        (event("DTSTART:20260101\nRRULE:FREQ=YEARLY;BYMONTH=13"), "line 5: RRULE"),
        (event("DTSTART:20260101\nRRULE:FREQ=YEARLY;X=1"), "line 5: RRULE"),
        (event("DTSTART:20260101\nRRULE:FREQ=YEARLY;COUNT=x"), "COUNT 'X' is no number"),
        (event("DTSTART:20260101\nRRULE:FREQ=YEARLY;INTERVAL=0"), "INTERVAL must be 1 or more"),
        (event("DTSTART:20260101\nRRULE:FREQ=YEARLY;UNTIL=never"), "UNTIL 'NEVER' is no day"),
        (event("DTSTART:20260101\nRRULE:FREQ=WEEKLY;BYDAY=2MO"), "FREQ=WEEKLY takes no numbers in BYDAY"),
        (" ".repeat(FILE_BYTES_MAX + 1), "has 1048577 bytes; at most 1048576"),
    ] {
        let found = read(&text).expect_err(&text);
        assert!(found.len() == 1 && found[0].contains(wrong), "{text}: {found:?}");
    }
    // Several are told at once, but not thousands.
    let wrong = "BEGIN:VEVENT\nDTSTART:x\nEND:VEVENT\n";
    assert_eq!(read(&file(&wrong.repeat(3))).expect_err("wrong").len(), 3);
    assert_eq!(read(&file(&wrong.repeat(100))).expect_err("wrong").len(), WRONG_MAX);
}

#[test]
fn a_file_has_a_limit_of_events_and_of_depth_none() {
    let event = "BEGIN:VEVENT\nDTSTART:20260101\nEND:VEVENT\n";
    assert!(read(&file(&event.repeat(EVENTS_MAX))).is_ok());
    assert!(read(&file(&event.repeat(EVENTS_MAX + 1))).is_err_and(|wrong| wrong[0].contains("more than 5000 events")));
    let deep = format!("BEGIN:VCALENDAR\n{}", "BEGIN:A\n".repeat(100_000));
    assert!(read(&deep).is_err_and(|wrong| wrong[0].contains("the file ends in A")));
}

#[test]
fn rules_that_come_to_too_much_are_refused() {
    let window = Window { from: date("2026-01-01"), to: date("2045-12-31") };
    let follow = |text: &str| read(text).map(|file| file.closed_days(window, Vienna));
    let daily = "DTSTART:19000101 RRULE:FREQ=DAILY;INTERVAL=2\n";
    assert!(follow(&events(&daily.repeat(5))).is_ok_and(|days| days.is_ok()));
    let refused = follow(&events(&daily.repeat(8))).expect("well written").expect_err("too much");
    assert!(refused.field == "icalendar" && refused.description.starts_with("line 33: RRULE"), "{refused}");
    // A rule that never comes is followed for long before that is known.
    let never = "DTSTART:20260101 RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\n";
    assert!(follow(&events(&never.repeat(9))).expect("well written").is_err());
}

#[test]
fn a_window_is_five_years_from_today_at_most_twenty() {
    let now = DateTime::from_timestamp(1_798_759_800, 0).expect("2026-12-31T23:30:00Z");
    let window = |from: Option<&str>, to: Option<&str>, zone| {
        let mut v = Violations::new();
        let window = Window::new(from.map(date), to.map(date), zone, now, &mut v);
        let wrong = v.into_found();
        if wrong.is_empty() { Ok(format!("{}/{}", window.from, window.to)) } else { Err(wrong[0].field.clone()) }
    };
    let ok = |text: &str| Ok(text.to_owned());
    let wrong = Err("to_date".to_owned());
    assert_eq!(window(None, None, Vienna), ok("2027-01-01/2032-01-01"));
    assert_eq!(window(None, None, Tz::UTC), ok("2026-12-31/2031-12-31"));
    assert_eq!(window(Some("2024-02-29"), None, Tz::UTC), ok("2024-02-29/2029-02-28"));
    assert_eq!(window(None, Some("2026-12-31"), Tz::UTC), ok("2026-12-31/2026-12-31"));
    assert_eq!(window(None, Some("2026-12-30"), Tz::UTC), wrong);
    assert_eq!(window(Some("2026-01-01"), Some("2046-01-01"), Tz::UTC), ok("2026-01-01/2046-01-01"));
    assert_eq!(window(Some("2026-01-01"), Some("2046-01-02"), Tz::UTC), wrong);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// As many cases as the environment asks for, else `usual`.
    fn cases(usual: u32) -> ProptestConfig {
        let config = ProptestConfig::default();
        if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases: usual, ..config } }
    }

    /// Parts of rules, right and wrong.
    fn rule() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            (1_u32..70_000).prop_map(|it| format!("INTERVAL={it}")),
            (0_u32..40).prop_map(|it| format!("COUNT={it}")),
            prop::sample::select(vec!["UNTIL=20271231", "UNTIL=20270101T120000Z", "WKST=SU", "BYHOUR=1,2"])
                .prop_map(String::from),
            prop::collection::vec(-13_i32..14, 1..3).prop_map(|it| format!("BYMONTH={}", list(&it))),
            prop::collection::vec(-32_i32..33, 1..4).prop_map(|it| format!("BYMONTHDAY={}", list(&it))),
            prop::collection::vec(-367_i32..368, 1..4).prop_map(|it| format!("BYYEARDAY={}", list(&it))),
            prop::collection::vec(-54_i32..55, 1..3).prop_map(|it| format!("BYWEEKNO={}", list(&it))),
            prop::collection::vec(-6_i32..7, 1..3).prop_map(|it| format!("BYSETPOS={}", list(&it))),
            (-6_i32..7, prop::sample::select(vec!["MO", "TH", "SU"]))
                .prop_map(|(nth, day)| format!("BYDAY={nth}{day}")),
            prop::sample::select(vec!["BYDAY=MO", "BYDAY=SA,SU", "BYDAY=XX"]).prop_map(String::from),
        ];
        let frequency = prop::sample::select(vec!["YEARLY", "MONTHLY", "WEEKLY", "DAILY"]);
        (frequency, prop::collection::vec(part, 0..4))
            .prop_map(|(frequency, parts)| format!("FREQ={frequency};{}", parts.join(";")))
    }

    fn list(numbers: &[i32]) -> String {
        numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
    }

    proptest! {
        #![proptest_config(cases(200))]

        /// Whatever stands in a file, reading ends with an answer.
        #[test]
        fn a_damaged_file_is_read_or_refused(
            damage in prop::collection::vec((0_usize..6_000, prop::sample::select(vec!["", "9", ":", ";", "\n", "\"", "ä", "BEGIN:VEVENT\n"])), 1..6),
        ) {
            let mut text = include_str!("../../../../tests/data/austria.ics").to_owned();
            for (at, instead) in damage {
                let at = (0..=at % text.len()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                let end = (at + 1..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(at);
                text.replace_range(at..end, instead);
            }
            if let Ok(file) = read(&text) {
                let _ = file.closed_days(Window { from: date("2026-01-01"), to: date("2031-12-31") }, Vienna);
            }
        }

        /// A rule is refused, or its days lie in the window by their order, and a part of the window gives a part of them.
        #[test]
        fn a_rule_is_followed_or_refused(rule in rule(), start in 0_i64..20_000) {
            let start = date("1990-01-01") + chrono::TimeDelta::days(start);
            let text = events(&format!("DTSTART:{} RRULE:{rule}", start.format("%Y%m%d")));
            let Ok(file) = read(&text) else { return Ok(()) };
            let in_window = |from: &str, to: &str| {
                file.closed_days(Window { from: date(from), to: date(to) }, Vienna).map(|days| days.holidays)
            };
            if let (Ok(all), Ok(some)) = (in_window("2026-01-01", "2031-12-31"), in_window("2027-01-01", "2031-12-31")) {
                prop_assert!(all.is_sorted());
                prop_assert!(all.iter().all(|it| it.from <= date("2031-12-31") + chrono::TimeDelta::days(2) && date("2026-01-01") <= it.to));
                prop_assert!(some.iter().all(|it| all.contains(it)), "{rule}: {some:?} {all:?}");
            }
        }
    }
}
