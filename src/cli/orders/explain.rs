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
        text.push_str(&held(found, short, colour));
    }
    if !short {
        for step in found.steps.iter().filter(|step| !step.days.is_empty()) {
            let _ = writeln!(text, "\n{}", words::clean(&step.text));
            text.push_str(&days(step, colour));
            text.push('\n');
            text.push_str(&left_out(step));
        }
    }
    text
}

/// What holds took: each hold, then each day on which they took working time, and whether that day is given back.
fn held(found: &ExplainOrderResponse, short: bool, colour: bool) -> String {
    let amount = |number: i32| usize::try_from(number).unwrap_or(0);
    let in_hours = found.steps.iter().any(|step| step.status.is_empty() && step.working_minutes > 0);
    let given_back = match (in_hours, amount(found.lost_business_days)) {
        (true, _) => "the working time held is given back".to_owned(),
        (false, 0) => "no day is lost".to_owned(),
        (false, lost) => format!("{} lost and given back", words::count(lost, "open day")),
    };
    let mut text = format!("\nheld; {given_back}:\n");
    for hold in &found.holds {
        let (from, to) = (dates::show_instant(hold.begin_time.as_ref()), dates::show_instant(hold.end_time.as_ref()));
        let status = if hold.status_name.is_empty() { "hold" } else { &hold.status_name };
        let _ = writeln!(text, "  {}: {from} to {to}", words::clean(status));
    }
    if short || found.held_days.is_empty() {
        return text;
    }
    let mut sheet = Sheet::new(&["  DAY", "HELD", "", "BY"], colour);
    (0..3).for_each(|column| sheet.keep_whole(column));
    for day in &found.held_days {
        let (what, tone) = match (in_hours, day.lost) {
            (true, _) => ("given back", Tone::Plain),
            (false, true) => ("lost, given back", Tone::Plain),
            (false, false) => ("less than half: not lost", Tone::Faint),
        };
        let mut by: Vec<&str> = Vec::new();
        for hold in day.holds.iter().filter_map(|place| found.holds.get(usize::try_from(*place).ok()?)) {
            if !by.contains(&hold.status_name.as_str()) {
                by.push(&hold.status_name);
            }
        }
        let cells = [
            format!("  {}", dates::show_with_weekday(day.date)),
            format!("{} of {}", working(day.held_minutes), working(day.working_minutes)),
            what.to_owned(),
            words::clean(&by.join(", ")),
        ];
        sheet.toned_row(cells.map(|cell| (cell, tone)));
    }
    let _ = writeln!(text, "\n{}", sheet.fitted());
    if found.held_days_left_out > 0 {
        let _ = writeln!(text, "  ... {}", words::count(amount(found.held_days_left_out), "more day"));
    }
    text
}

/// What a long step does not name: `  ... 312 more days, 98 of them closed; 211 of all 712 are closed`.
fn left_out(step: &ExplainedStep) -> String {
    if step.days_left_out <= 0 {
        return String::new();
    }
    let amount = |number: i32| usize::try_from(number).unwrap_or(0);
    let named_closed = step.days.iter().filter(|day| !day.closed_because.is_empty()).count();
    format!(
        "  ... {}, {} of them closed; {} of all {} are closed\n",
        words::count(amount(step.days_left_out), "more day"),
        words::grouped(amount(step.closed_days).saturating_sub(named_closed)),
        words::grouped(amount(step.closed_days)),
        words::grouped(step.days.len() + amount(step.days_left_out)),
    )
}

/// One line for each step.
fn steps(steps: &[ExplainedStep], colour: bool) -> String {
    let mut sheet = Sheet::new(&["STEP", "FROM", "TO", "CLOSED", "CALENDAR"], colour);
    let place = |date, time: &Option<prost_types::Timestamp>| match time {
        None => dates::show_with_weekday(date),
        Some(time) => dates::show_instant(Some(time)),
    };
    for step in steps {
        sheet.row([
            words::clean(&step.text),
            place(step.from_date, &step.from_time),
            place(step.to_date, &step.to_time),
            match usize::try_from(step.closed_days).unwrap_or(0) {
                0 => String::new(),
                closed => words::count(closed, "day"),
            },
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
    use crate::grpc::proto::{
        Date,
        v1::{ExplainedDay, ExplainedHold, HeldDay},
    };

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

    #[test]
    fn what_is_left_out_is_counted_with_its_closed_days() {
        let day = |because: &str| ExplainedDay { closed_because: because.into(), ..ExplainedDay::default() };
        let mut step = ExplainedStep { days: vec![day(""), day("Saturday")], closed_days: 3, ..Default::default() };
        assert_eq!(left_out(&step), "");
        step.days_left_out = 5;
        assert_eq!(left_out(&step), "  ... 5 more days, 2 of them closed; 3 of all 7 are closed\n");
    }

    #[test]
    fn held_days_tell_their_hours_their_hold_and_whether_they_are_lost() {
        let date = |day| Some(Date { year: 2026, month: 4, day });
        let hold = |name: &str| ExplainedHold { status_name: name.into(), ..ExplainedHold::default() };
        let day = |day, held_minutes, lost, holds: &[i32]| HeldDay {
            date: date(day),
            working_minutes: 480,
            held_minutes,
            lost,
            holds: holds.to_vec(),
        };
        let mut found = ExplainOrderResponse {
            lost_business_days: 1,
            holds: vec![hold("On hold"), hold("Waiting"), hold("On hold")],
            held_days: vec![day(2, 90, false, &[0]), day(3, 480, true, &[0, 1, 2])],
            held_days_left_out: 2,
            ..ExplainOrderResponse::default()
        };
        let text = told(&found, false, false);
        let rows: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(text.contains("held; 1 open day lost and given back:\n  On hold: "), "{text}");
        assert!(rows.contains(&"2026-04-02 Thu 1h30m of 8h less than half: not lost On hold".split(' ').collect()));
        assert!(rows.contains(&"2026-04-03 Fri 8h of 8h lost, given back On hold, Waiting".split(' ').collect()));
        assert!(text.ends_with("  ... 2 more days\n"), "{text}");
        assert!(!told(&found, true, false).contains("8h"), "{text}");
        found.steps = vec![ExplainedStep { working_minutes: 570, ..ExplainedStep::default() }];
        let text = told(&found, false, false);
        assert!(text.contains("held; the working time held is given back:") && !text.contains("not lost"), "{text}");
    }
}
