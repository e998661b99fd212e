//! `andon orders due`: sets the due date of the current visit by hand, or gives it back to the rule.

use clap::Args;

use super::{by_number, preview_mark};
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        dates,
        failure::Failure,
        json, words,
    },
    grpc::proto::{Date, v1::SetDueDateRequest},
};

/// The due date.
#[derive(Args)]
pub struct SetDue {
    /// Number of the order
    number: String,
    /// Last day in time, YYYY-MM-DD
    #[arg(value_parser = dates::parse, required_unless_present = "clear", conflicts_with = "clear")]
    date: Option<Date>,
    /// Give the date back to the rule
    #[arg(long)]
    clear: bool,
    /// Why; kept in history
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Only if this is still the version of the order
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    /// Act for this user
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    on_behalf_of: String,
    #[command(flatten)]
    write: Write,
}

/// Sets the due date.
///
/// # Errors
/// The refusals of `SetDueDate`.
pub async fn run(caller: &Caller, due: SetDue) -> Result<Answer, Failure> {
    let request_id = due.write.request_id();
    let preview = due.write.preview;
    let request = SetDueDateRequest {
        order: Some(by_number(&due.number)),
        due_date: due.date,
        reason: due.reason,
        on_behalf_of: due.on_behalf_of,
        etag: due.etag,
        request_id: request_id.clone(),
        validate_only: preview,
    };
    let mut client = caller.orders().await?;
    let answer = client.set_due_date(request).await.map_err(Failure::of_write(&request_id))?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("SetDueDateResponse", &answer)));
    }
    let order = answer.order.unwrap_or_default();
    let on = match order.visit.filter(|visit| visit.due_date.is_some()) {
        Some(visit) => format!("due {}", words::marked_date(visit.due_date, visit.beyond_holidays)),
        None => "without a due date".to_owned(),
    };
    let effects = words::effects(&answer.effects.unwrap_or_default());
    Ok(Answer::text(format!("{}{}: {on}\n{effects}", preview_mark(preview), words::clean(&order.number))))
}
