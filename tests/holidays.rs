//! Holidays from iCalendar files: the difference that is looked at is the one that is carried out.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use andon::grpc::proto::v1::{
    self,
    SkipReason::{OutsideWindow, RuleNotUnderstood},
};
use tonic::Code;

use crate::support::{
    Expect as _,
    api::{date, day},
    plant::{CALENDAR, Shop},
};

/// 2026-11-25, a Wednesday, 09:00 in Vienna.
const NOW: &str = "2026-11-25T08:00:00Z";
/// Nine holidays by rules of every year, four by lists from 2024 to 2031, a works holiday of four days, a party.
const AUSTRIA: &str = include_str!("data/austria.ics");

fn import(file: &str) -> v1::ImportHolidaysRequest {
    v1::ImportHolidaysRequest {
        calendar: CALENDAR.into(),
        icalendar: file.into(),
        ..v1::ImportHolidaysRequest::default()
    }
}

/// Of the year 2027.
fn in_2027(file: &str) -> v1::ImportHolidaysRequest {
    v1::ImportHolidaysRequest { from_date: date("2027-01-01"), to_date: date("2027-12-31"), ..import(file) }
}

fn file(events: &[(&str, &str)]) -> String {
    let event = |(name, days): &(&str, &str)| {
        let properties = days.replace(' ', "\r\n");
        format!("BEGIN:VEVENT\r\nSUMMARY:{name}\r\n{properties}\r\nEND:VEVENT\r\n")
    };
    format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", events.iter().map(event).collect::<String>())
}

fn told(exceptions: &[v1::CalendarException]) -> Vec<String> {
    let span = |it: &v1::CalendarException| {
        assert!(it.hours.as_ref().is_some_and(|hours| !hours.open));
        let (from, to) = (day(it.from_date), day(it.to_date));
        if from == to { format!("{from} {}", it.name) } else { format!("{from}/{to} {}", it.name) }
    };
    exceptions.iter().map(span).collect()
}

impl Shop {
    async fn import(&self, request: v1::ImportHolidaysRequest) -> v1::ImportHolidaysResponse {
        self.api.calendars().import_holidays(request).await.done()
    }

    async fn preview(&self, request: &v1::ImportHolidaysRequest) -> v1::ImportHolidaysResponse {
        self.import(v1::ImportHolidaysRequest { validate_only: true, ..request.clone() }).await
    }

    /// As it is written: without how its holidays are looked after today, which only a reading tells.
    async fn calendar(&self) -> v1::Calendar {
        let request = v1::GetCalendarRequest { id: CALENDAR.into() };
        let got = self.api.calendars().get_calendar(request).await.done().calendar;
        v1::Calendar { holiday_upkeep: 0, ..got.expect("an answer has the calendar") }
    }

    /// Writes the exceptions of the calendar.
    async fn write(&self, exceptions: Vec<v1::CalendarException>) -> v1::Calendar {
        let calendar = v1::Calendar { exceptions, etag: String::new(), ..self.calendar().await };
        let request = v1::UpdateCalendarRequest { calendar: Some(calendar), ..v1::UpdateCalendarRequest::default() };
        self.api.calendars().update_calendar(request).await.done().calendar.expect("an answer has the calendar")
    }

    /// Why a day does not count; empty for an open day.
    async fn closed_because(&self, on: &str) -> String {
        let request =
            v1::ExplainDueDateRequest { calendar: CALENDAR.into(), start_date: date(on), ..Default::default() };
        self.api.calendars().explain_due_date(request).await.done().days.swap_remove(0).closed_because
    }
}

fn fingerprint(answer: &v1::ImportHolidaysResponse) -> String {
    answer.plan.as_ref().expect("an answer has a plan").fingerprint.clone()
}

fn exception(name: &str, on: &str, open: bool) -> v1::CalendarException {
    v1::CalendarException {
        name: name.into(),
        from_date: date(on),
        hours: Some(v1::DayHours { open, intervals: Vec::new() }),
        ..v1::CalendarException::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_looked_at_is_what_is_imported_and_a_second_import_changes_nothing() {
    let shop = Shop::open(NOW).await;
    let before = shop.calendar().await;
    let request = import(AUSTRIA);
    let shown = shop.preview(&request).await;
    assert_eq!(shop.calendar().await, before);
    let request = v1::ImportHolidaysRequest { expected_plan: fingerprint(&shown), etag: before.etag, ..request };
    let done = shop.import(request).await;
    assert_eq!(
        v1::ImportHolidaysResponse { calendar: None, ..shown.clone() },
        v1::ImportHolidaysResponse { calendar: None, replan: 0, ..done.clone() }
    );
    assert_eq!(shown.calendar.map(|it| it.exceptions), done.calendar.clone().map(|it| it.exceptions));
    assert_eq!(done.calendar, Some(shop.calendar().await));

    // From today for five years; the last year of the window has holidays.
    assert_eq!((day(done.from_date), day(done.to_date)), ("2026-11-25".into(), "2031-11-25".into()));
    let maintained = done.calendar.as_ref().and_then(|it| it.maintained_until_date);
    assert_eq!((day(done.maintained_until_date_before), day(maintained)), (String::new(), "2031-11-25".into()));
    let added = told(&done.added);
    // Three in the rest of 2026, thirteen a year from 2027 to 2030, ten in 2031 up to November; the works holiday.
    assert_eq!((added.len(), done.removed.len(), done.unchanged_count), (3 + 4 * 13 + 10 + 1, 0, 0));
    assert_eq!(
        added[..4],
        [
            "2026-12-08 Mariä Empfängnis",
            "2026-12-25 Christtag",
            "2026-12-26 Stefanitag",
            "2026-12-28/2026-12-31 Betriebsferien, Weihnachten"
        ]
    );
    assert!(added.contains(&"2029-04-02 Ostermontag".to_owned()), "{added:?}");
    assert_eq!(shop.closed_because("2028-06-15").await, "Fronleichnam");
    assert_eq!(done.skipped_count, 1);
    assert_eq!(done.skipped[0].reason(), v1::SkipReason::NotWholeDays);
    assert_eq!(
        (done.skipped[0].name.as_str(), day(done.skipped[0].date)),
        ("Weihnachtsfeier", "2026-12-11".to_owned())
    );
    assert!(done.plan.is_some_and(|plan| plan.warnings.is_empty()));

    let again = shop.import(import(AUSTRIA)).await;
    assert_eq!((again.added, again.removed, again.unchanged_count), (vec![], vec![], 66));
    let again = shop.import(v1::ImportHolidaysRequest { replace: true, ..import(AUSTRIA) }).await;
    assert_eq!((again.added, again.removed), (vec![], vec![]));
    assert_eq!(again.calendar, done.calendar, "not even its version");
    assert_eq!(Some(shop.calendar().await), done.calendar);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_difference_than_the_one_that_was_looked_at_is_refused() {
    let shop = Shop::open(NOW).await;
    let one = in_2027(&file(&[("Fair", "DTSTART:20270503")]));
    let other = in_2027(&file(&[("Fair", "DTSTART:20270504")]));
    let shown = shop.preview(&one).await;
    let expecting = |request: &v1::ImportHolidaysRequest, plan: String| v1::ImportHolidaysRequest {
        expected_plan: plan,
        ..request.clone()
    };
    // Another file.
    let refused = shop.api.calendars().import_holidays(expecting(&other, fingerprint(&shown))).await.refused();
    assert_eq!(refused.why(), (Code::Aborted, "PLAN_CHANGED"));
    assert_eq!(refused.metadata["fingerprint"], fingerprint(&shop.preview(&other).await));
    // Another calendar, by now.
    let etag = shop.calendar().await.etag;
    shop.write(vec![exception("Moving house", "2027-05-04", false)]).await;
    let refused = shop.api.calendars().import_holidays(expecting(&one, fingerprint(&shown))).await.refused();
    assert_eq!(refused.why(), (Code::Aborted, "PLAN_CHANGED"));
    let stale = v1::ImportHolidaysRequest { etag, ..one.clone() };
    let refused = shop.api.calendars().import_holidays(stale).await.refused();
    assert_eq!(refused.why(), (Code::Aborted, "ETAG_MISMATCH"));
    assert_eq!(told(&shop.calendar().await.exceptions), ["2027-05-04 Moving house"]);
    // What was looked at again goes through, once.
    let shown = shop.preview(&one).await;
    let last = v1::ImportHolidaysRequest { request_id: "fair".into(), ..expecting(&one, fingerprint(&shown)) };
    let done = shop.import(last.clone()).await;
    assert_eq!(shop.import(last.clone()).await, done);
    let another = v1::ImportHolidaysRequest { icalendar: AUSTRIA.into(), ..last };
    let refused = shop.api.calendars().import_holidays(another).await.refused();
    assert_eq!(refused.why(), (Code::FailedPrecondition, "REQUEST_ID_REUSED"));
    let exceptions = told(&shop.calendar().await.exceptions);
    assert_eq!(exceptions, ["2027-05-03 Fair", "2027-05-04 Moving house"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_closed_days_of_the_window_are_replaced() {
    let shop = Shop::open(NOW).await;
    let yearly = v1::CalendarException {
        from_date: None,
        from_yearly: Some(v1::MonthDay { month: 12, day: 25 }),
        ..exception("Christmas", "2027-12-25", false)
    };
    let stay = [
        yearly,
        exception("Before", "2026-12-31", false),
        exception("After", "2028-01-01", false),
        exception("Shift", "2027-05-01", true),
        exception("Labour Day", "2027-05-17", false),
    ];
    let go = exception("Old name", "2027-08-16", false);
    shop.write(stay.iter().cloned().chain([go]).collect()).await;
    let holidays = file(&[
        ("Christmas Day", "DTSTART:20271225"),
        ("Labour Day", "DTSTART:20270517"),
        ("New name", "DTSTART:20270816"),
        ("May Day", "DTSTART:20270501"),
    ]);
    // Without replacing, a day that is closed stays as it is, whatever its name.
    let kept = shop.preview(&in_2027(&holidays)).await;
    assert_eq!((told(&kept.added), kept.unchanged_count), (vec!["2027-05-01 May Day".to_owned()], 3));
    let done = shop.import(v1::ImportHolidaysRequest { replace: true, ..in_2027(&holidays) }).await;
    assert_eq!(told(&done.added), ["2027-05-01 May Day", "2027-08-16 New name"]);
    assert_eq!((told(&done.removed), done.unchanged_count), (vec!["2027-08-16 Old name".to_owned()], 2));
    // The day that somebody opened stays open, and that is said.
    let warnings = done.plan.map(|plan| plan.warnings).unwrap_or_default();
    assert!(warnings.len() == 1 && warnings[0].contains("2027-05-01 (Shift)"), "{warnings:?}");
    assert_eq!(shop.closed_because("2027-05-01").await, "");
    let names: Vec<_> = shop.calendar().await.exceptions.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["May Day", "New name", "Christmas", "Before", "After", "Shift", "Labour Day"]);
    // A file that closes nothing replaces nothing.
    let nothing = v1::ImportHolidaysRequest { replace: true, ..in_2027(&file(&[])) };
    let refused = shop.api.calendars().import_holidays(nothing).await.refused();
    assert_eq!((refused.code, refused.fields), (Code::InvalidArgument, vec!["replace".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holidays_are_maintained_until_the_file_says_no_more() {
    let shop = Shop::open(NOW).await;
    let until = |answer: &v1::ImportHolidaysResponse| {
        day(answer.calendar.as_ref().and_then(|calendar| calendar.maintained_until_date))
    };
    let to_2030 = |file: &str| v1::ImportHolidaysRequest { to_date: date("2030-12-31"), ..import(file) };
    // No event at all: nothing changes, and that is said.
    let none = shop.import(to_2030(&file(&[]))).await;
    assert_eq!(
        (until(&none), none.plan.map(|plan| plan.warnings)),
        (String::new(), Some(vec!["the file has no event".into()]))
    );
    assert_eq!(none.calendar.map(|it| it.etag).as_deref(), Some("1"));
    // The last event lies in 2028.
    let ends = shop.import(to_2030(&file(&[("Fair", "DTSTART:20280503")]))).await;
    assert_eq!(until(&ends), "2028-12-31");
    // A year in which far less is closed looks as if it were maintained: the list of feasts ends, the rules go on.
    let thin = shop.import(v1::ImportHolidaysRequest { to_date: date("2034-12-31"), ..import(AUSTRIA) }).await;
    assert_eq!(until(&thin), "2034-12-31");
    let warnings = thin.plan.map(|plan| plan.warnings).unwrap_or_default();
    assert_eq!(warnings, ["the file closes 13 days of 2027 and 9 of 2032: are all holidays in it?"]);
    // It is never set back.
    let past = shop.import(to_2030(&file(&[("Party", "DTSTART:20270503")]))).await;
    assert_eq!((until(&past), day(past.maintained_until_date_before)), ("2034-12-31".into(), "2034-12-31".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_request_is_refused_with_its_fields() {
    let shop = Shop::open(NOW).await;
    let refused = |request: v1::ImportHolidaysRequest| async {
        let refused = shop.api.calendars().import_holidays(request).await.refused();
        assert_eq!(refused.why(), (Code::InvalidArgument, "INVALID_REQUEST"));
        refused.fields
    };
    let fine = file(&[("Fair", "DTSTART:20270503")]);
    for (request, fields) in [
        (import(""), &["icalendar"][..]),
        (import("<html>Not found</html>"), &["icalendar"]),
        (import(&file(&[("a", "DTSTART:x"), ("b", "DTSTART:y")])), &["icalendar", "icalendar"]),
        (import(&fine.replace("END:VCALENDAR", "")), &["icalendar"]),
        (import(&" ".repeat((1 << 20) + 1)), &["icalendar"]),
        (v1::ImportHolidaysRequest { to_date: date("2026-11-24"), ..import(&fine) }, &["to_date"]),
        (v1::ImportHolidaysRequest { to_date: date("2046-11-26"), ..import(&fine) }, &["to_date"]),
        (v1::ImportHolidaysRequest { calendar: "No Slug".into(), ..import("x") }, &["calendar", "icalendar"]),
        // More than a calendar holds, and a year without an open day.
        (
            v1::ImportHolidaysRequest {
                to_date: date("2046-11-25"),
                ..import(&file(&[("Every third day", "DTSTART:20261125 RRULE:FREQ=DAILY;INTERVAL=3")]))
            },
            &["icalendar"],
        ),
        (import(&file(&[("Shut", "DTSTART:20261125 RRULE:FREQ=DAILY")])), &["calendar.week"]),
    ] {
        assert_eq!(refused(request).await, fields);
    }
    let nowhere = v1::ImportHolidaysRequest { calendar: "nowhere".into(), ..import(&fine) };
    let refused = shop.api.calendars().import_holidays(nowhere).await.refused();
    assert_eq!(refused.why(), (Code::NotFound, "NOT_FOUND"));
    assert_eq!(shop.calendar().await.etag, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_rules_end_quickly() {
    let shop = Shop::open(NOW).await;
    let rules = [
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;COUNT=1000000000",
        "FREQ=MINUTELY;BYSETPOS=-1;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;COUNT=1000000000",
        "FREQ=YEARLY;UNTIL=21991231",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;INTERVAL=65535",
    ];
    let events: Vec<_> = rules.iter().map(|rule| (*rule, format!("DTSTART:19000103 RRULE:{rule}"))).collect();
    let events: Vec<_> = events.iter().map(|(rule, event)| (*rule, event.as_str())).collect();
    let done = tokio::time::timeout(Duration::from_secs(30), shop.import(in_2027(&file(&events)))).await;
    let done = done.expect("it ends quickly");
    assert_eq!(told(&done.added), ["2027-01-03 FREQ=YEARLY;COUNT=1000000000"]);
    let reasons: Vec<_> = done.skipped.iter().map(v1::SkippedEvent::reason).collect();
    assert_eq!(reasons, [RuleNotUnderstood, RuleNotUnderstood, RuleNotUnderstood, OutsideWindow, OutsideWindow]);
    assert_eq!(done.unchanged_count, 1, "the second event of the day");
    // A hundred thousand components, each in the one before.
    let deep = format!("BEGIN:VCALENDAR\n{}", "BEGIN:A\n".repeat(100_000));
    shop.api.calendars().import_holidays(in_2027(&deep)).await.refused();
}

/// The program, asked at no terminal.
fn andon(shop: &Shop, arguments: &[&str], stdin: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_andon"))
        .args(["--server", &shop.daemon.address, "calendars", "import", "--calendar", CALENDAR])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("andon runs");
    let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("andon ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("an exit code"), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_shows_a_table_and_imports_it_by_its_fingerprint() {
    let shop = Shop::open(NOW).await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/austria.ics");
    let year = ["--from", "2027-01-01", "--to", "2027-12-31", "--replace"];
    shop.write(vec![exception("Mistake", "2027-03-30", false)]).await;
    let etag = shop.calendar().await.etag;
    let (code, out, err) = andon(&shop, &[&[path, "--preview"], &year[..]].concat(), "");
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for line in [
        "  -  2027-03-30  Tue  Mistake",
        "  +  2027-03-29  Mon  Ostermontag",
        "13 added, 1 removed, 0 unchanged, 2 skipped\nHolidays are maintained until 2027-12-31 (before: not said).",
    ] {
        assert!(out.contains(line.trim_start()), "{line}\n{out}");
    }
    let fingerprint = out.trim_end().rsplit(' ').next().expect("a fingerprint").to_owned();
    // Nobody can be asked.
    let (code, _, err) = andon(&shop, &[&[path], &year[..]].concat(), "");
    assert!(code == 2 && err.contains("--preview") && err.contains("nothing was changed"), "{err}");
    assert_eq!(shop.calendar().await.etag, etag);
    let exactly = ["--yes", "--expected-plan", &fingerprint];
    let (code, out, _) = andon(&shop, &[&["-"], &exactly[..], &year[..]].concat(), AUSTRIA);
    assert!(code == 0 && out.starts_with("imported\n"), "{out}");
    assert_eq!(shop.calendar().await.exceptions.len(), 13);
    // A second time there is nothing to ask about.
    let (code, out, _) = andon(&shop, &[&["-"], &year[..]].concat(), AUSTRIA);
    assert!(code == 0 && out.starts_with("nothing changes\n"), "{out}");
    let (code, out, _) = andon(&shop, &[&[path, "--preview", "--json"], &year[..]].concat(), "");
    let answer: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &answer["unchanged_count"], &answer["skipped_count"]), (0, &13.into(), &2.into()));
    // Wrong files are told with their lines.
    let (code, _, err) = andon(&shop, &["-", "--yes"], "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR\n");
    assert!(code == 1 && err.contains("line 2: the event 'Closed' has no DTSTART"), "{err}");
    let (code, _, err) = andon(&shop, &["/nowhere.ics", "--yes"], "");
    assert!(code == 2 && err.contains("/nowhere.ics"), "{err}");
}
