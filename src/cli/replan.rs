//! `andon replan`: open orders that are planned anew in the background, and how far that is.

use std::{fmt::Write as _, io::IsTerminal as _, time::Duration};

use clap::Subcommand;

use super::{
    answer::Answer,
    caller::Caller,
    dates,
    failure::Failure,
    json,
    sheet::{Sheet, Tone},
    words,
};
use crate::grpc::proto::v1::{GetReplanRequest, ListReplansRequest, ListReplansResponse, Replan};

const BAR: usize = 30;
/// Between two looks at a recomputation that is watched.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Looks at a recomputation that is watched, at most: a day.
const LOOKS_MAX: u32 = 172_800;

/// What can be asked about recomputations.
#[derive(Subcommand)]
pub enum Verb {
    /// How far recomputations are: those that are not finished and the last ones, or one with its numbers
    Status {
        /// Id of one recomputation
        id: Option<i64>,
        /// Stay until it is finished
        #[arg(long, requires = "id")]
        wait: bool,
        /// As many of the last ones at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=500))]
        limit: i32,
    },
}

/// Carries out one verb.
///
/// # Errors
/// The refusals of `ScheduleService`.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::Status { id: Some(id), wait, .. } => one(caller, id, wait).await,
        Verb::Status { id: None, limit, .. } => {
            let request = ListReplansRequest { page_size: limit, page_token: String::new() };
            let found = caller.schedule().await?.list_replans(request).await?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("ListReplansResponse", &found)));
            }
            Ok(Answer::text(list(&found, caller.colour)))
        }
    }
}

async fn one(caller: &Caller, id: i64, wait: bool) -> Result<Answer, Failure> {
    let mut client = caller.schedule().await?;
    let shows = wait && !caller.json && std::io::stderr().is_terminal();
    for _ in 0..LOOKS_MAX {
        let found = client.get_replan(GetReplanRequest { id }).await?.into_inner();
        let replan = found.replan.clone().unwrap_or_default();
        if !wait || replan.finish_time.is_some() {
            if shows {
                eprintln!();
            }
            return Ok(if caller.json {
                Answer::json(&json::value("GetReplanResponse", &found))
            } else {
                Answer::text(told(&replan))
            });
        }
        if shows {
            eprint!("\r{} {}", bar(&replan), share(&replan));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Err(Failure::Usage("it is still not finished; look again later".to_owned()))
}

fn list(found: &ListReplansResponse, colour: bool) -> String {
    if found.replans.is_empty() {
        return "Nothing was planned anew so far.".to_owned();
    }
    let mut sheet = Sheet::new(&["ID", "STATE", "", "EXAMINED", "CHANGED", "OVERDUE", "ASKED FOR", "WHY"], colour);
    (0..7).for_each(|column| sheet.keep_whole(column));
    for replan in &found.replans {
        let tone = match state(replan) {
            "done" => Tone::Faint,
            "waits" => Tone::Plain,
            _ => Tone::Alarm,
        };
        let number = |number: i64| words::grouped(usize::try_from(number).unwrap_or(0));
        let cells = [
            replan.id.to_string(),
            state(replan).to_owned(),
            share(replan),
            number(replan.examined),
            number(replan.changed),
            number(replan.newly_overdue),
            dates::show_instant(replan.request_time.as_ref()),
            words::clean(&replan.reason),
        ];
        sheet.toned_row(cells.map(|cell| (cell, tone)));
    }
    sheet.fitted()
}

fn state(replan: &Replan) -> &'static str {
    match (&replan.start_time, &replan.finish_time) {
        (_, Some(_)) => "done",
        (Some(_), None) => "runs",
        (None, None) => "waits",
    }
}

/// How far it is, in whole percent.
fn percent(replan: &Replan) -> i64 {
    match (replan.finish_time.is_some(), replan.orders) {
        (true, _) => 100,
        (false, orders) if orders > 0 => (replan.examined * 100 / orders).clamp(0, 99),
        _ => 0,
    }
}

fn share(replan: &Replan) -> String {
    format!("{:>3} %", percent(replan))
}

fn bar(replan: &Replan) -> String {
    let filled = usize::try_from(percent(replan)).unwrap_or(0) * BAR / 100;
    format!("[{}{}]", "#".repeat(filled), ".".repeat(BAR - filled))
}

/// One recomputation with its numbers.
fn told(replan: &Replan) -> String {
    let number = |number: i64| words::grouped(usize::try_from(number).unwrap_or(0));
    let mut text = format!("recomputation {}: {}\n", replan.id, words::clean(&replan.reason));
    let _ = writeln!(text, "  {} {} {}", state(replan), bar(replan), share(replan).trim_start());
    let what = if replan.dates { "due dates and health" } else { "health only" };
    for (label, value) in [
        ("what", what.to_owned()),
        ("order types", words::clean(&replan.order_types.join(", "))),
        ("orders", number(replan.orders)),
        ("examined", number(replan.examined)),
        ("changed", number(replan.changed)),
        ("newly overdue", number(replan.newly_overdue)),
        ("in time again", number(replan.in_time_again)),
        ("beyond horizon", number(replan.failed)),
        ("asked for", dates::show_instant(replan.request_time.as_ref())),
        ("began", dates::show_instant(replan.start_time.as_ref())),
        ("ended", dates::show_instant(replan.finish_time.as_ref())),
    ] {
        if !value.is_empty() {
            let _ = writeln!(text, "  {label:<15} {value}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recomputation_is_done_only_when_its_last_batch_is() {
        let at = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
        let runs = Replan { orders: 200, examined: 200, start_time: at, ..Replan::default() };
        assert_eq!((state(&runs), percent(&runs)), ("runs", 99));
        let done = Replan { finish_time: at, ..runs };
        assert_eq!((state(&done), percent(&done), bar(&done)), ("done", 100, format!("[{}]", "#".repeat(BAR))));
        let waits = Replan::default();
        assert_eq!((state(&waits), percent(&waits), bar(&waits)), ("waits", 0, format!("[{}]", ".".repeat(BAR))));
    }
}
