//! `andon calendars import`: the holidays of an iCalendar file, looked at before they are taken.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;

use super::days;
use crate::{
    cli::{
        answer::Answer,
        ask::{ask, can_ask},
        caller::{Caller, Write, new_request_id},
        dates, edit_plan,
        failure::Failure,
        json,
        sheet::{Sheet, Tone},
        words,
    },
    grpc::proto::{
        Date,
        v1::{CalendarException, ImportHolidaysRequest, ImportHolidaysResponse, SkipReason, SkippedEvent},
    },
};

const FILE_BYTES_MAX: u64 = 1 << 20;
/// Skipped events that are shown; `--json` has more.
const SKIPPED_MAX: usize = 20;

/// What is imported, and where to.
#[derive(Args)]
pub struct Import {
    /// iCalendar file; `-` reads standard input
    #[arg(value_name = "FILE.ics")]
    file: PathBuf,
    /// Id of the calendar
    #[arg(long, value_name = "ID")]
    calendar: String,
    /// First day that is looked at [default: today]
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    from: Option<Date>,
    /// Last day that is looked at, at most 20 years on [default: five years after the first]
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    to: Option<Date>,
    /// Remove closed days between them that are not in the file; yearly ones, and open ones, stay
    #[arg(long)]
    replace: bool,
    /// Do not ask
    #[arg(short, long, conflicts_with = "preview")]
    yes: bool,
    /// Import exactly what a preview showed under this fingerprint, or nothing
    #[arg(long, value_name = "FINGERPRINT", default_value = "", hide_default_value = true)]
    expected_plan: String,
    /// Only if this is still the version of the calendar
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: Write,
}

/// Shows the difference, asks, and carries out exactly that difference.
///
/// # Errors
/// The refusals of `ImportHolidays`; `Usage` for a file that cannot be read, when nobody can be asked, and when the answer is
/// no.
pub async fn run(caller: &Caller, import: Import) -> Result<Answer, Failure> {
    let mut request = ImportHolidaysRequest {
        icalendar: read(&import.file)?,
        calendar: import.calendar,
        from_date: import.from,
        to_date: import.to,
        etag: import.etag,
        replace: import.replace,
        expected_plan: import.expected_plan,
        request_id: import.write.request_id(),
        validate_only: import.write.preview,
    };
    if !import.yes && !import.write.preview {
        let look = ImportHolidaysRequest { request_id: new_request_id(), validate_only: true, ..request.clone() };
        let shown = call(caller, look).await?;
        if changes_nothing(&shown) {
            return Ok(answer(caller, &shown, "nothing changes"));
        }
        agreed(caller, &shown, import.file.as_os_str() == "-")?;
        request.expected_plan = shown.plan.unwrap_or_default().fingerprint;
        let imported = call(caller, request).await?;
        return Ok(Answer::text(format!("imported: {}", sum(&imported))));
    }
    let imported = call(caller, request).await?;
    let said = match (changes_nothing(&imported), import.write.preview) {
        (true, _) => "nothing changes",
        (_, true) => "preview, nothing changed",
        (_, false) => "imported",
    };
    Ok(answer(caller, &imported, said))
}

async fn call(caller: &Caller, request: ImportHolidaysRequest) -> Result<ImportHolidaysResponse, Failure> {
    let failure = Failure::of_write(&request.request_id);
    Ok(caller.calendars().await?.import_holidays(request).await.map_err(failure)?.into_inner())
}

fn read(path: &Path) -> Result<String, Failure> {
    let (name, file): (_, Box<dyn io::Read>) = if path.as_os_str() == "-" {
        ("standard input".into(), Box::new(io::stdin()))
    } else {
        (path.display().to_string(), Box::new(fs::File::open(path).map_err(|error| Failure::file(path, &error))?))
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| Failure::file(&name, &error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::Usage(format!("{name}: larger than 1 MiB")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.split(|byte| *byte == b'\n').count();
        Failure::Usage(format!("{name}: line {line} is not UTF-8"))
    })
}

/// Shows the difference, and goes on only if that is wanted.
fn agreed(caller: &Caller, shown: &ImportHolidaysResponse, stdin_taken: bool) -> Result<(), Failure> {
    let refuse = |why: &str| Err(Failure::Usage(format!("{why}; nothing was changed")));
    if caller.json || !can_ask() || stdin_taken {
        return refuse("there is no terminal to ask on: look at it with --preview, and import it with --yes");
    }
    let mut out = io::stdout().lock();
    // A reader that went away wants no table.
    let _ = out.write_all(told(shown, caller.colour).as_bytes()).and_then(|()| out.flush());
    if ask("Import?") { Ok(()) } else { refuse("the answer was no") }
}

fn changes_nothing(shown: &ImportHolidaysResponse) -> bool {
    let maintained = shown.calendar.as_ref().and_then(|calendar| calendar.maintained_until_date);
    shown.added.is_empty() && shown.removed.is_empty() && maintained == shown.maintained_until_date_before
}

fn answer(caller: &Caller, imported: &ImportHolidaysResponse, said: &str) -> Answer {
    if caller.json {
        return Answer::json(&json::value("ImportHolidaysResponse", imported));
    }
    let mut text = format!("{said}\n\n{}", told(imported, caller.colour));
    let fingerprint = imported.plan.as_ref().map(|plan| words::clean(&plan.fingerprint)).unwrap_or_default();
    if said.starts_with("preview") {
        let _ = writeln!(text, "\nTo import exactly this: --yes --expected-plan {fingerprint}");
    }
    Answer::text(text)
}

/// The difference: what comes and goes as a table by day, what was skipped and why, the sum.
fn told(imported: &ImportHolidaysResponse, colour: bool) -> String {
    let mut text = format!("{}\n", heading(imported));
    let mut changes: Vec<_> = imported.added.iter().map(|it| ("+", it, Tone::Plain)).collect();
    changes.extend(imported.removed.iter().map(|it| ("-", it, Tone::Alarm)));
    changes.sort_by_key(|(sign, it, _)| (dates::show(it.from_date), *sign));
    if !changes.is_empty() {
        let mut sheet = Sheet::new(&["", "DAYS", "", "NAME"], colour);
        sheet.keep_whole(1);
        for (sign, it, tone) in changes {
            let weekday = weekday(it);
            sheet.toned_row([sign, &days(&short(it)), &weekday, &it.name].map(|cell| (cell.to_owned(), tone)));
        }
        let _ = writeln!(text, "\n{}", sheet.fitted());
    }
    text.push_str(&skipped(imported, colour));
    let _ = writeln!(text, "\n{}", sum(imported));
    if let Some(plan) = imported.plan.as_ref().filter(|plan| plan.replanned_orders > 0) {
        let _ = writeln!(text, "\n{}", edit_plan::touched(plan, colour));
    }
    if let Some(line) = edit_plan::in_background(imported.replan) {
        text.push_str(&line);
    }
    for warning in imported.plan.iter().flat_map(|plan| &plan.warnings) {
        let _ = writeln!(text, "warning: {}", words::clean(warning));
    }
    text
}

fn heading(imported: &ImportHolidaysResponse) -> String {
    let calendar = imported.calendar.clone().unwrap_or_default();
    let (from, to) = (dates::show(imported.from_date), dates::show(imported.to_date));
    words::clean(&format!("{} ({}), {from} to {to}", calendar.name, calendar.id))
}

/// The exception with one day told once.
fn short(exception: &CalendarException) -> CalendarException {
    let to_date = exception.to_date.filter(|to| Some(*to) != exception.from_date);
    CalendarException { to_date, ..exception.clone() }
}

/// `Thu` of a single day.
fn weekday(exception: &CalendarException) -> String {
    let single = exception.to_date.is_none() || exception.to_date == exception.from_date;
    let day = exception.from_date.filter(|_| single).and_then(dates::to_chrono);
    day.map(|day| day.format("%a").to_string()).unwrap_or_default()
}

/// What closes no day. Those outside the window are counted only: most files bring years that are past.
fn skipped(imported: &ImportHolidaysResponse, colour: bool) -> String {
    let (outside, told): (Vec<_>, Vec<&SkippedEvent>) =
        imported.skipped.iter().partition(|it| it.reason() == SkipReason::OutsideWindow);
    let mut text = String::new();
    if !told.is_empty() {
        let mut sheet = Sheet::new(&["SKIPPED", "", "LINE", "BECAUSE"], colour);
        for it in told.iter().take(SKIPPED_MAX) {
            let cells = [&it.name, &dates::show(it.date), &it.line.to_string(), &it.description];
            sheet.toned_row(cells.map(|cell| (cell.clone(), Tone::Faint)));
        }
        let _ = writeln!(text, "\n{}", sheet.fitted());
    }
    let unseen = usize::try_from(imported.skipped_count).unwrap_or(0).saturating_sub(imported.skipped.len());
    let more = told.len().saturating_sub(SKIPPED_MAX) + unseen;
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    if !outside.is_empty() {
        let _ = writeln!(text, "\nOutside these days: {}.", words::count(outside.len(), "event"));
    }
    text
}

/// `13 added, 1 removed, 4 unchanged, 2 skipped`, and until when holidays are maintained then.
fn sum(imported: &ImportHolidaysResponse) -> String {
    let unchanged = usize::try_from(imported.unchanged_count).unwrap_or(0);
    let skipped = usize::try_from(imported.skipped_count).unwrap_or(0);
    let counts = [
        (imported.added.len(), "added"),
        (imported.removed.len(), "removed"),
        (unchanged, "unchanged"),
        (skipped, "skipped"),
    ];
    let mut text = counts.map(|(count, what)| format!("{} {what}", words::grouped(count))).join(", ");
    let before = imported.maintained_until_date_before;
    let after = imported.calendar.as_ref().and_then(|calendar| calendar.maintained_until_date);
    if after.is_some() {
        let was = match before {
            before if before == after => String::new(),
            None => " (before: not said)".to_owned(),
            before => format!(" (before: {})", dates::show(before)),
        };
        let _ = write!(text, "\nHolidays are maintained until {}{was}.", dates::show(after));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::v1::Calendar;

    #[expect(clippy::unnecessary_wraps, reason = "the fields of messages are optional")]
    fn on(year: i32, month: i32, day: i32) -> Option<Date> {
        Some(Date { year, month, day })
    }

    fn exception(name: &str, from_date: Option<Date>, to_date: Option<Date>) -> CalendarException {
        CalendarException { name: name.into(), from_date, to_date, ..CalendarException::default() }
    }

    #[test]
    fn the_difference_is_told_by_day() {
        let skipped = |name: &str, reason: SkipReason| SkippedEvent {
            name: name.into(),
            line: 7,
            date: on(2026, 12, 11),
            reason: reason.into(),
            description: "it is cancelled".into(),
        };
        let imported = ImportHolidaysResponse {
            calendar: Some(Calendar {
                id: "plant".into(),
                name: "Pla\u{1b}nt".into(),
                maintained_until_date: on(2027, 12, 31),
                ..Calendar::default()
            }),
            from_date: on(2026, 1, 1),
            to_date: on(2027, 12, 31),
            added: vec![
                exception("May Day", on(2026, 5, 1), on(2026, 5, 1)),
                exception("Works holiday", on(2026, 8, 3), on(2026, 8, 14)),
            ],
            removed: vec![exception("Mistake", on(2026, 5, 2), None)],
            unchanged_count: 1_500,
            skipped: vec![
                skipped("Party", SkipReason::Cancelled),
                skipped("Old", SkipReason::OutsideWindow),
                skipped("Older", SkipReason::OutsideWindow),
            ],
            skipped_count: 3,
            ..ImportHolidaysResponse::default()
        };
        let wanted = "Plant (plant), 2026-01-01 to 2027-12-31\n
   DAYS                           NAME
+  2026-05-01                Fri  May Day
-  2026-05-02                Sat  Mistake
+  2026-08-03 to 2026-08-14       Works holiday\n
SKIPPED              LINE  BECAUSE
Party    2026-12-11  7     it is cancelled\n
Outside these days: 2 events.\n
2 added, 1 removed, 1 500 unchanged, 3 skipped
Holidays are maintained until 2027-12-31 (before: not said).
";
        assert_eq!(told(&imported, false), wanted);
        assert!(!changes_nothing(&imported));
    }

    #[test]
    fn nothing_changes_only_if_the_date_stays_too() {
        let calendar = Calendar { maintained_until_date: on(2027, 12, 31), ..Calendar::default() };
        let later = ImportHolidaysResponse { calendar: Some(calendar), ..ImportHolidaysResponse::default() };
        assert!(!changes_nothing(&later));
        let same = ImportHolidaysResponse { maintained_until_date_before: on(2027, 12, 31), ..later };
        assert!(changes_nothing(&same));
        assert_eq!(sum(&same), "0 added, 0 removed, 0 unchanged, 0 skipped\nHolidays are maintained until 2027-12-31.");
    }
}
