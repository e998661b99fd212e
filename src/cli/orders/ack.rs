//! `andon orders ack`: says that somebody has seen that the current visit is late; escalation is silent then.

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
    grpc::proto::{Date, v1::AcknowledgeOrderRequest},
};

/// What is said.
#[derive(Args)]
pub struct Ack {
    /// Number of the order
    number: String,
    /// Snooze: silent until this day begins, YYYY-MM-DD [default: for the whole visit]
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    until: Option<Date>,
    /// Take back what was said
    #[arg(long, conflicts_with = "until")]
    take_back: bool,
    /// What is done about it; shown in lists and digests
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
    /// Only if this is still the version of the order
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    /// Act for this user
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    on_behalf_of: String,
    #[command(flatten)]
    write: Write,
}

/// Acknowledges the visit of an order.
///
/// # Errors
/// The refusals of `AcknowledgeOrder`.
pub async fn run(caller: &Caller, ack: Ack) -> Result<Answer, Failure> {
    let request_id = ack.write.request_id();
    let preview = ack.write.preview;
    let request = AcknowledgeOrderRequest {
        order: Some(by_number(&ack.number)),
        until_date: ack.until,
        until_time: None,
        take_back: ack.take_back,
        note: ack.note,
        on_behalf_of: ack.on_behalf_of,
        etag: ack.etag,
        request_id: request_id.clone(),
        validate_only: preview,
    };
    let mut client = caller.orders().await?;
    let answer = client.acknowledge_order(request).await.map_err(Failure::of_write(&request_id))?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("AcknowledgeOrderResponse", &answer)));
    }
    let order = answer.order.unwrap_or_default();
    let status = order.visit.as_ref().map_or("", |visit| visit.status_name.as_str());
    let said = match &order.acknowledgement {
        Some(it) => match &it.until_time {
            Some(until) => format!("snoozed until {}", dates::show_instant(Some(until))),
            None => "acknowledged for this visit".to_owned(),
        },
        None => "not acknowledged any more".to_owned(),
    };
    let effects = words::effects(&answer.effects.unwrap_or_default());
    let number = words::clean(&order.number);
    Ok(Answer::text(format!("{}{number}: {} {said}\n{effects}", preview_mark(preview), words::clean(status))))
}
