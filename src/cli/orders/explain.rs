//! `andon orders explain`: why the due date of an order is what it is, step by step and day by day.

use std::fmt::Write as _;

use clap::Args;

use super::Which;
use crate::{
    cli::{
        answer::Answer,
        caller::Caller,
        dates,
        duration::working,
        failure::Failure,
        json,
        sheet::{Sheet, Tone},
        words,
    },
    grpc::proto::v1::{DueSource, ExplainOrderRequest, ExplainOrderResponse, ExplainedStep},
};

/// Which order.
#[derive(Args)]
pub struct Explain {
    #[command(flatten)]
    which: Which,
    /// Only the steps, not each day
    #[arg(long)]
    short: bool,
}

/// Explains.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn run(caller: &Caller, explain: &Explain) -> Result<Answer, Failure> {
    let request = ExplainOrderRequest { order: Some(explain.which.to_ref()) };
    let found = caller.schedule().await?.explain_order(request).await?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("ExplainOrderResponse", &found)));
    }
    Ok(Answer::text(told(&found, explain.short, caller.colour)))
}

fn told(found: &ExplainOrderResponse, short: bool, colour: bool) -> String {
    let mut text = String::new();
    let due = match found.due_date {
        None => "no due date".to_owned(),
        date => format!("due {}", words::marked_date(date, found.beyond_holidays)),
    };
    let _ = writeln!(text, "{}: {due}", words::clean(&found.status_name));
    if found.due_date.is_some() {
        let source = match found.due_source() {
            DueSource::Unspecified => String::new(),
            source => format!(" ({})", words::due_source(source)),
        };
        let _ = writeln!(text, "overdue from {}{source}", dates::show_instant(found.due_time.as_ref()));
    }
    text.push('\n');
    for sentence in &found.sentences {
        let _ = writeln!(text, "{}", words::clean(sentence));
    }
    if !found.steps.is_empty() {
        text.push('\n');
        text.push_str(&steps(&found.steps, colour));
        text.push('\n');
    }
    if !found.holds.is_empty() {
        let lost = usize::try_from(found.lost_business_days).unwrap_or(0);
        let _ = writeln!(text, "\nheld, {} lost:", words::count(lost, "open day"));
        for hold in &found.holds {
            let (from, to) =
                (dates::show_instant(hold.begin_time.as_ref()), dates::show_instant(hold.end_time.as_ref()));
            let _ = writeln!(text, "  {from} to {to}");
        }
    }
    if !short {
        for step in found.steps.iter().filter(|step| !step.days.is_empty()) {
            let _ = writeln!(text, "\n{}", words::clean(&step.text));
            text.push_str(&days(step, colour));
            text.push('\n');
        }
    }
    text
}

/// One line for each step.
fn steps(steps: &[ExplainedStep], colour: bool) -> String {
    let mut sheet = Sheet::new(&["STEP", "FROM", "TO", "CALENDAR"], colour);
    let place = |date, time: &Option<prost_types::Timestamp>| match time {
        None => dates::show_with_weekday(date),
        Some(time) => dates::show_instant(Some(time)),
    };
    for step in steps {
        sheet.row([
            words::clean(&step.text),
            place(step.from_date, &step.from_time),
            place(step.to_date, &step.to_time),
            step.calendar.clone(),
        ]);
    }
    sheet.fitted()
}

/// Each day of a step.
fn days(step: &ExplainedStep, colour: bool) -> String {
    let mut sheet = Sheet::new(&["  DAY", if step.working_minutes > 0 { "WORKED" } else { "COUNT" }, ""], colour);
    sheet.keep_whole(0);
    for day in &step.days {
        let closed = !day.closed_because.is_empty();
        let tone = if closed { Tone::Faint } else { Tone::Plain };
        let count = match (closed, step.working_minutes > 0) {
            (true, _) => String::new(),
            (false, true) => working(day.count),
            (false, false) => day.count.to_string(),
        };
        let date = format!("  {}", dates::show_with_weekday(day.date));
        sheet.toned_row([(date, tone), (count, tone), (words::clean(&day.closed_because), tone)]);
    }
    sheet.fitted()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::{Date, v1::ExplainedDay};

    #[test]
    fn a_closed_day_has_its_reason_and_no_count() {
        let day = |day, count, because: &str| ExplainedDay {
            date: Some(Date { year: 2026, month: 4, day }),
            count,
            closed_because: because.to_owned(),
        };
        let step = ExplainedStep {
            text: "Milling: 1 business day".into(),
            business_days: 1,
            days: vec![day(3, 0, ""), day(4, 0, "Saturday"), day(6, 0, "Easter Monday"), day(7, 1, "")],
            ..ExplainedStep::default()
        };
        let found = ExplainOrderResponse { status_name: "Milling".into(), steps: vec![step], ..Default::default() };
        let text = told(&found, false, false);
        assert!(text.starts_with("Milling: no due date\n"), "{text}");
        let line = |of: &str| text.lines().find(|line| line.contains(of)).unwrap_or_default().trim().to_owned();
        assert!(line("Easter Monday").starts_with("2026-04-06 Mon"), "{text}");
        assert!(line("2026-04-07").ends_with('1'), "{text}");
        assert!(!told(&found, true, false).contains("Easter"), "{text}");
    }
}
