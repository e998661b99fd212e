//! `andon import`: the event log of another system becomes orders with their past.
//!
//! One row is one report of work. The rows of an order, sorted by time (rows of one time as they stand in the file), become
//! its past: a change of status opens a visit at the time of its first row, and every row becomes one note of its visit, so
//! that the history tells the log line by line. Going back to an earlier status opens a visit again: rework.

mod compare;
mod instants;
mod log;
mod mapping;
mod past;
mod report;

use std::{path::PathBuf, time::Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tonic::Code;

use self::{
    log::Log,
    mapping::Mapping,
    past::Past,
    report::{Report, Verdict},
};
use super::{
    answer::Answer,
    caller::Caller,
    failure::{Failure, IN_PART},
    install::{self, Outcome},
    words,
};
use crate::grpc::proto::v1::{GetOrderTypeRequest, ImportOrdersRequest, ImportOutcome, OrderType};

/// What to import, and how to read it.
#[derive(Args)]
pub struct Import {
    /// The event log: CSV with a heading, one row for each report of work
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// Which column is what, and which text means which status; docs/factory-log.mapping.toml is an example
    #[arg(long, value_name = "MAP.toml")]
    mapping: PathBuf,
    /// Check everything and show what would happen; change nothing
    #[arg(long)]
    preview: bool,
    /// Import nothing; compare the history of each order with the log, line by line
    #[arg(long, conflicts_with = "preview")]
    compare: bool,
}

/// Imports a log. A second run changes nothing.
///
/// # Errors
/// `Usage` for a file or mapping that cannot be read; the refusals of the whole stream. What is refused of single orders stands
/// in the answer, with exit code 5.
pub async fn run(caller: &Caller, import: Import) -> Result<Answer, Failure> {
    let mapping = Mapping::read(&import.mapping)?;
    let log = Log::read(&import.file, &mapping)?;
    let mut report = Report::new(&log, import.preview);
    let started = Instant::now();
    if import.compare {
        compare::run(caller, &log, &mut report).await?;
    } else {
        let ready = prepare(caller, &mapping, import.preview, &mut report).await?;
        if ready {
            stream(caller, &log.pasts, import.preview, &mut report).await?;
        } else {
            log.pasts.iter().for_each(|past| report.add(past, Verdict::Understood));
        }
    }
    report.elapsed = started.elapsed();
    let exit_code = if report.has_refusals() { IN_PART } else { 0 };
    let shown = if caller.json { Answer::json(&report.json()) } else { Answer::text(report.text()) };
    Ok(shown.with_exit_code(exit_code))
}

/// Sees to it that the type is there with all statuses of the mapping. False: a preview, and the type is not there yet.
async fn prepare(caller: &Caller, mapping: &Mapping, preview: bool, report: &mut Report) -> Result<bool, Failure> {
    let id = mapping.order_type().id.clone();
    let found = caller.types().await?.get_order_type(GetOrderTypeRequest { id: id.clone() }).await;
    match found {
        Ok(found) => {
            lacking(mapping, &found.into_inner().order_type.unwrap_or_default())?;
            return Ok(true);
        }
        Err(refusal) if refusal.code() == Code::NotFound && mapping.create() => {}
        Err(refusal) => return Err(refusal.into()),
    }
    if let Some(calendar) = mapping.calendar()? {
        let name = calendar.id.clone();
        let outcome = install::calendar(caller, calendar, preview).await?;
        report.installed.push(format!("calendar {name}: {}", told(outcome, preview)));
        if preview && outcome == Outcome::Created {
            // A type cannot be checked before its calendar is there, nor orders before their type.
            report.installed.push(format!("order type {id}: {}", told(Outcome::Created, preview)));
            return Ok(false);
        }
    }
    let outcome = install::order_type(caller, mapping.order_type().to_message(), preview).await?;
    report.installed.push(format!("order type {id}: {}", told(outcome, preview)));
    Ok(!preview)
}

fn told(outcome: Outcome, preview: bool) -> String {
    if preview && outcome == Outcome::Created { "would be created".to_owned() } else { outcome.word().to_owned() }
}

/// Refuses a type that lacks statuses of the mapping, with their names.
fn lacking(mapping: &Mapping, order_type: &OrderType) -> Result<(), Failure> {
    let known: Vec<_> = order_type.statuses.iter().map(|status| status.id.as_str()).collect();
    let wanted = mapping.order_type().statuses.iter().map(|status| status.id.as_str());
    let missing: Vec<_> = wanted.filter(|id| !known.contains(id)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(format!("order type {} has no status {}", order_type.id, missing.join(", "))))
}

/// Sends the orders, no faster than the daemon takes them, and notes each answer.
async fn stream(caller: &Caller, pasts: &[Past], preview: bool, report: &mut Report) -> Result<(), Failure> {
    let requests: Vec<_> = pasts.iter().map(|past| past.order.clone()).collect();
    let requests = tokio_stream::iter(
        requests.into_iter().map(move |order| ImportOrdersRequest { order: Some(order), validate_only: preview }),
    );
    let bar = progress(pasts.len());
    let mut client = caller.orders().await?;
    let mut answers = client.import_orders(requests).await?.into_inner();
    let mut rows = 0;
    while let Some(answer) = answers.message().await.map_err(|refusal| broken_off(&refusal, report, pasts.len()))? {
        let place = usize::try_from(answer.index).ok();
        let Some(past) = place.and_then(|place| pasts.get(place)) else { continue };
        rows += past.row_count();
        let verdict = match answer.outcome() {
            ImportOutcome::Created => Verdict::Created,
            ImportOutcome::Unchanged => Verdict::Unchanged,
            _ => Verdict::refused_by_server(past, &answer),
        };
        report.add(past, verdict);
        bar.inc(1);
        bar.set_message(format!("{}, {} refused", words::count(rows, "row"), report.refused_count()));
    }
    bar.finish_and_clear();
    match pasts.len().checked_sub(report.answered) {
        Some(0) | None => Ok(()),
        Some(missing) => Err(tonic::Status::unavailable(format!(
            "the daemon ended the stream with {} unanswered; run the same import again",
            words::count(missing, "order")
        ))
        .into()),
    }
}

/// Says how far the import came; what is in answers UNCHANGED the next time.
fn broken_off(refusal: &tonic::Status, report: &Report, all: usize) -> Failure {
    let mut message = format!("{} (after {} of {all} orders", refusal.message(), report.answered);
    message.push_str("; run the same import again, what is in stays as it is)");
    tonic::Status::with_details(refusal.code(), message, refusal.details().to_vec().into()).into()
}

fn progress(orders: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} orders, {msg} {elapsed}").expect("a fixed template");
    ProgressBar::new(u64::try_from(orders).unwrap_or(u64::MAX)).with_style(style)
}
