//! `andon calendars`: which days count, and how a due date comes about.

mod holidays;

use std::{fmt::Write as _, path::PathBuf};

use clap::Subcommand;

use super::{
    answer::Answer,
    caller::{Caller, Write},
    dates, edit_plan,
    failure::Failure,
    json,
    plant::{self, CalendarFile},
    sheet::{Sheet, Tone},
    types::said,
    words,
};
use crate::grpc::proto::{
    Date,
    v1::{
        Calendar, CalendarException, CreateCalendarRequest, DayHours, ExplainDueDateRequest, ExplainDueDateResponse,
        GetCalendarRequest, HolidayUpkeep, ListCalendarsRequest, MonthDay, UpdateCalendarRequest,
    },
};

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// What can be done with calendars.
#[derive(Subcommand)]
pub enum Verb {
    /// List calendars
    List,
    /// Show one calendar
    Show {
        /// Id of the calendar
        id: String,
    },
    /// Create a calendar from a TOML file (id, name, zone, week, exceptions)
    Create {
        /// The file
        #[arg(short, long, value_name = "FILE.toml")]
        file: PathBuf,
        #[command(flatten)]
        write: Write,
    },
    /// Replace all fields of a calendar by those of a TOML file; open orders are planned anew in the background
    Update {
        /// The file
        #[arg(short, long, value_name = "FILE.toml")]
        file: PathBuf,
        /// Only if this is still the version of the calendar
        #[arg(long, default_value = "", hide_default_value = true)]
        etag: String,
        /// Only if this is still what it does, as a preview showed it
        #[arg(long, value_name = "PLAN", default_value = "", hide_default_value = true)]
        expected_plan: String,
        #[command(flatten)]
        write: Write,
    },
    /// Bring in holidays from an iCalendar file (.ics): shows what would change, asks, then does exactly that
    Import(holidays::Import),
    /// Count business days from a day and explain each
    Explain {
        /// Id of the calendar
        id: String,
        /// The day from which is counted
        #[arg(long, value_name = "DATE", value_parser = dates::parse)]
        from: Date,
        /// Business days
        #[arg(long, value_name = "N")]
        days: i32,
    },
}

/// Carries out one verb.
///
/// # Errors
/// The refusals of `CalendarService`; `Usage` for a wrong file.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    let mut client = caller.calendars().await?;
    match verb {
        Verb::List => {
            let found = client.list_calendars(ListCalendarsRequest {}).await?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("ListCalendarsResponse", &found)));
            }
            Ok(Answer::text(list(&found.calendars, caller.colour)))
        }
        Verb::Show { id } => {
            let found = client.get_calendar(GetCalendarRequest { id }).await?.into_inner();
            Ok(answer(caller, found.calendar, ""))
        }
        Verb::Create { file, write } => {
            let calendar = plant::read::<CalendarFile>(&file)?.to_message()?;
            let request_id = write.request_id();
            let failure = Failure::of_write(&request_id);
            let request = CreateCalendarRequest { calendar: Some(calendar), request_id, validate_only: write.preview };
            let created = client.create_calendar(request).await.map_err(failure)?.into_inner();
            Ok(answer(caller, created.calendar, said("created", write.preview)))
        }
        Verb::Update { file, etag, expected_plan, write } => {
            let calendar = Calendar { etag, ..plant::read::<CalendarFile>(&file)?.to_message()? };
            let request_id = write.request_id();
            let failure = Failure::of_write(&request_id);
            let validate_only = write.preview;
            let calendar = Some(calendar);
            let request =
                UpdateCalendarRequest { calendar, update_mask: None, request_id, validate_only, expected_plan };
            let changed = client.update_calendar(request).await.map_err(failure)?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("UpdateCalendarResponse", &changed)));
            }
            let told = edit_plan::told(&changed.plan.unwrap_or_default(), write.preview, caller.colour);
            let plan = edit_plan::in_background(changed.replan).unwrap_or(told);
            let name = changed.calendar.unwrap_or_default().id;
            Ok(Answer::text(format!("{} {}\n\n{plan}", words::clean(&name), said("changed", write.preview))))
        }
        Verb::Import(import) => holidays::run(caller, import).await,
        Verb::Explain { id, from, days } => {
            let request = ExplainDueDateRequest { calendar: id, start_date: Some(from), business_days: days };
            let explained = client.explain_due_date(request).await?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("ExplainDueDateResponse", &explained)));
            }
            Ok(Answer::text(explanation(&explained, caller.colour)))
        }
    }
}

fn list(calendars: &[Calendar], colour: bool) -> String {
    if calendars.is_empty() {
        return "No calendars yet. `andon calendars create -f FILE.toml` makes one, `andon seed` a sample.".to_owned();
    }
    let mut sheet = Sheet::new(&["ID", "NAME", "ZONE", "OPEN", "EXCEPTIONS", "HOLIDAYS UNTIL"], colour);
    for column in [0, 5] {
        sheet.keep_whole(column);
    }
    for it in calendars {
        let until = match it.maintained_until_date {
            None => "not said".to_owned(),
            date => dates::show(date),
        };
        let tone = if holidays_run_out(it).is_some() { Tone::Alarm } else { Tone::Plain };
        let plain = [it.id.clone(), it.name.clone(), it.zone.clone(), open_days(&it.week)];
        let cells = plain.into_iter().chain([it.exceptions.len().to_string()]).map(|text| (text, Tone::Plain));
        sheet.toned_row(cells.chain([(until, tone)]));
    }
    let mut text = sheet.fitted();
    let warnings: Vec<_> = calendars.iter().filter_map(holidays_run_out).collect();
    if !warnings.is_empty() {
        let _ = write!(text, "\n\n{}", warnings.join("\n"));
    }
    text
}

/// What to do about holidays that have ended or end soon.
fn holidays_run_out(calendar: &Calendar) -> Option<String> {
    let until = dates::show(calendar.maintained_until_date);
    let state = match calendar.holiday_upkeep() {
        HolidayUpkeep::Ended => format!("ended on {until}: dates after it may be wrong"),
        HolidayUpkeep::EndsSoon => format!("end on {until}: dates after it may move"),
        HolidayUpkeep::Unspecified | HolidayUpkeep::NotSaid | HolidayUpkeep::Maintained => return None,
    };
    let id = words::clean(&calendar.id);
    Some(format!(
        "warning: holidays of '{id}' {state}. Enter the next ones: andon calendars import FILE.ics --calendar {id}"
    ))
}

/// `Mon Tue Wed Thu Fri`.
fn open_days(week: &[DayHours]) -> String {
    let open = WEEKDAYS.iter().zip(week).filter(|(_, hours)| hours.open).map(|(day, _)| *day);
    open.collect::<Vec<_>>().join(" ")
}

/// `closed`, `open`, or `07:00-12:00, 13:00-16:00`.
fn hours(hours: &DayHours) -> String {
    match (hours.open, hours.intervals.is_empty()) {
        (false, _) => "closed".to_owned(),
        (true, true) => "open".to_owned(),
        _ => {
            let clock = |minute: i32| format!("{:02}:{:02}", minute / 60, minute % 60);
            let spans = hours.intervals.iter().map(|it| format!("{}-{}", clock(it.from_minute), clock(it.to_minute)));
            spans.collect::<Vec<_>>().join(", ")
        }
    }
}

/// `2026-07-03`, `12-25 to 12-26 every year`.
fn days(exception: &CalendarException) -> String {
    let yearly = |day: MonthDay| format!("{:02}-{:02}", day.month, day.day);
    match (exception.from_yearly, exception.to_yearly) {
        (Some(from), Some(to)) => format!("{} to {} every year", yearly(from), yearly(to)),
        (Some(from), None) => format!("{} every year", yearly(from)),
        _ if exception.to_date.is_some() => {
            format!("{} to {}", dates::show(exception.from_date), dates::show(exception.to_date))
        }
        _ => dates::show(exception.from_date),
    }
}

fn answer(caller: &Caller, calendar: Option<Calendar>, said: &str) -> Answer {
    let calendar = calendar.unwrap_or_default();
    if caller.json {
        return Answer::json(&json::value("Calendar", &calendar));
    }
    let mut text = if said.is_empty() { String::new() } else { format!("{said}\n\n") };
    let _ = writeln!(text, "{}", words::clean(&format!("{} ({}), zone {}", calendar.name, calendar.id, calendar.zone)));
    for (day, open) in WEEKDAYS.iter().zip(&calendar.week) {
        let _ = writeln!(text, "  {day}  {}", hours(open));
    }
    if !calendar.exceptions.is_empty() {
        let mut sheet = Sheet::new(&["EXCEPTION", "DAYS", ""], caller.colour);
        for it in &calendar.exceptions {
            sheet.row([&it.name, &days(it), &it.hours.as_ref().map(hours).unwrap_or_default()]);
        }
        let _ = writeln!(text, "\n{}", sheet.fitted());
    }
    if calendar.maintained_until_date.is_some() {
        let _ = writeln!(text, "\nHolidays are maintained until {}.", dates::show(calendar.maintained_until_date));
    }
    if let Some(warning) = holidays_run_out(&calendar) {
        let _ = writeln!(text, "{warning}");
    }
    let _ = write!(text, "\netag {}", words::clean(&calendar.etag));
    Answer::text(text)
}

fn explanation(explained: &ExplainDueDateResponse, colour: bool) -> String {
    let mut sheet = Sheet::new(&["DAY", "COUNT", ""], colour);
    sheet.keep_whole(0);
    for day in &explained.days {
        let closed = !day.closed_because.is_empty();
        let tone = if closed { Tone::Faint } else { Tone::Plain };
        let count = if closed { String::new() } else { day.count.to_string() };
        let date = dates::show_with_weekday(day.date);
        sheet.toned_row([(date, tone), (count, tone), (day.closed_because.clone(), tone)]);
    }
    let mut text = format!(
        "{}\n\ndue {}, overdue from {}",
        sheet.fitted(),
        words::marked_date(explained.due_date, explained.beyond_holidays),
        dates::show_instant(explained.due_time.as_ref())
    );
    if explained.beyond_holidays {
        text.push_str("\n\n~ beyond the holidays that the calendar maintains: the date may move");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::v1::WorkingInterval;

    #[test]
    fn hours_are_told_as_on_the_door() {
        assert_eq!(hours(&DayHours::default()), "closed");
        assert_eq!(hours(&DayHours { open: true, intervals: Vec::new() }), "open");
        let interval = WorkingInterval { from_minute: 420, to_minute: 1440 };
        assert_eq!(hours(&DayHours { open: true, intervals: vec![interval] }), "07:00-24:00");
    }

    #[test]
    fn holidays_that_end_are_told_with_what_to_do() {
        let until = Some(Date { year: 2026, month: 12, day: 31 });
        let calendar = Calendar { id: "vienna".into(), maintained_until_date: until, ..Calendar::default() };
        let told =
            |upkeep: HolidayUpkeep| list(&[Calendar { holiday_upkeep: upkeep.into(), ..calendar.clone() }], false);
        assert!(!told(HolidayUpkeep::Maintained).contains("warning"));
        let soon = told(HolidayUpkeep::EndsSoon);
        assert!(soon.contains("warning: holidays of 'vienna' end on 2026-12-31: dates after it may move."), "{soon}");
        assert!(told(HolidayUpkeep::Ended).contains("ended on 2026-12-31"));
    }

    #[test]
    fn yearly_days_are_told_as_such() {
        let day = |month, day| Some(MonthDay { month, day });
        let spanning =
            CalendarException { from_yearly: day(12, 24), to_yearly: day(1, 1), ..CalendarException::default() };
        assert_eq!(days(&spanning), "12-24 to 01-01 every year");
        let dated = CalendarException {
            from_date: Some(Date { year: 2026, month: 7, day: 3 }),
            ..CalendarException::default()
        };
        assert_eq!(days(&dated), "2026-07-03");
    }
}
