//! `andon orders times`: how long an order was in each status.

use clap::Args;

use super::Which;
use crate::{
    cli::{
        answer::Answer,
        caller::Caller,
        failure::Failure,
        json,
        sheet::{Sheet, Tone, terminal_width},
        words,
    },
    grpc::proto::v1::{ListStatusTimesRequest, ListStatusTimesResponse, OrderRef, StatusTime},
};

const BAR_MAX: i64 = 30;
/// On a terminal of less than so many columns bars have half the length.
const WIDE: usize = 100;

/// Which order.
#[derive(Args)]
pub struct Times {
    #[command(flatten)]
    which: Which,
}

/// Shows the times.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn run(caller: &Caller, times: &Times) -> Result<Answer, Failure> {
    let found = list(caller, &times.which.to_ref()).await?;
    if caller.json {
        return Ok(Answer::json(&json::value("ListStatusTimesResponse", &found)));
    }
    Ok(Answer::text(told(&found, caller.colour)))
}

/// The times of an order, in the order of the first entry.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn list(caller: &Caller, order: &OrderRef) -> Result<ListStatusTimesResponse, Failure> {
    let request = ListStatusTimesRequest { order: Some(order.clone()) };
    Ok(caller.orders().await?.list_status_times(request).await?.into_inner())
}

/// A table with a bar for each status, and the sum.
pub fn told(found: &ListStatusTimesResponse, colour: bool) -> String {
    let longest = found.times.iter().map(seconds).max().unwrap_or(0);
    let bar_max = if terminal_width().is_some_and(|width| width < WIDE) { BAR_MAX / 2 } else { BAR_MAX };
    let mut sheet = Sheet::new(&["STATUS", "TIME", "DAYS", "STAYS", "", ""], colour);
    (0..5).for_each(|column| sheet.keep_whole(column));
    for time in &found.times {
        let tone = match (time.overdue_visits > 0, time.visits == 0) {
            (true, _) => Tone::Alarm,
            (_, true) => Tone::Faint,
            _ => Tone::Plain,
        };
        sheet.toned_row([
            (time.status_name.clone(), if time.visits == 0 { Tone::Faint } else { Tone::Plain }),
            (words::time_span(&time.total.unwrap_or_default()), Tone::Plain),
            (time.business_days.to_string(), Tone::Plain),
            (time.visits.to_string(), Tone::Plain),
            (bar(seconds(time), longest, bar_max), tone),
            (remarks(time), tone),
        ]);
    }
    let total = words::time_span(&found.total.unwrap_or_default());
    format!("{}\n\nIn all {total}; DAYS are business days.\n", sheet.fitted())
}

fn seconds(time: &StatusTime) -> i64 {
    time.total.map_or(0, |total| total.seconds.max(0))
}

/// A bar as long as its share of the longest time; what is not 0 shows.
fn bar(part: i64, longest: i64, max: i64) -> String {
    // In whole minutes the product stays far from its limit.
    let length = if longest == 0 { 0 } else { ((part / 60) * max / (longest / 60).max(1)).max(i64::from(part > 0)) };
    "=".repeat(usize::try_from(length.min(max)).unwrap_or(0))
}

fn remarks(time: &StatusTime) -> String {
    let counted = |count: i32, one: &str, many: &str| match count {
        ..=0 => String::new(),
        1 => one.to_owned(),
        several => format!("{several} {many}"),
    };
    let marks = [
        if time.current { "now".to_owned() } else { String::new() },
        counted(time.rework_visits, "rework", "times rework"),
        counted(time.skipped, "skipped", "times skipped"),
        counted(time.overdue_visits, "overdue", "times overdue"),
    ];
    marks.into_iter().filter(|mark| !mark.is_empty()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use prost_types::Duration;

    use super::*;

    #[test]
    fn a_bar_is_a_share_of_the_longest_and_shows_what_is_not_0() {
        let bar = |part, longest| bar(part, longest, BAR_MAX).len();
        assert_eq!((bar(0, 0), bar(0, 600), bar(600, 600)), (0, 0, 30));
        assert_eq!((bar(300, 600), bar(1, 86_400), bar(1, 1)), (15, 1, 1));
        assert_eq!(super::bar(300, 600, 15).len(), 7);
    }

    #[test]
    fn times_are_told_with_what_was_special() {
        let time = StatusTime {
            status_name: "Milling".into(),
            visits: 3,
            rework_visits: 2,
            overdue_visits: 1,
            current: true,
            total: Some(Duration { seconds: 90_000, nanos: 0 }),
            business_days: 1,
            ..StatusTime::default()
        };
        let total = Some(Duration { seconds: 86_400 * 12, nanos: 0 });
        let text = told(&ListStatusTimesResponse { times: vec![time], total }, false);
        assert!(text.contains("1 d 1 h") && text.contains("now, 2 times rework, overdue"), "{text}");
        assert!(text.ends_with("In all 12 d; DAYS are business days.\n"), "{text}");
    }
}
