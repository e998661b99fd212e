//! `andon orders advance`: moves one order, or many by the same fields.

use clap::Args;

use super::{Tell, bulk, by_number};
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        dates,
        failure::Failure,
        json,
    },
    grpc::proto::{
        Date,
        v1::{Advance as Move, AdvanceOrderRequest, AdvanceOrdersRequest, BulkMode},
    },
};

/// Which orders, where to, and what goes with it.
#[derive(Args)]
pub struct Advance {
    /// Numbers of the orders; several must be of one type
    #[arg(required = true)]
    numbers: Vec<String>,
    /// Status to move to (id) [default: the next in the cycle]
    #[arg(long, value_name = "STATUS", default_value = "", hide_default_value = true)]
    to: String,
    /// Day on which the current status was completed [default: today]
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    completed: Option<Date>,
    /// Leave the current status uncompleted; coming back resumes it
    #[arg(long)]
    not_complete: bool,
    /// Due date of the new status, instead of the computed one
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    due: Option<Date>,
    /// Department that gets it
    #[arg(long, default_value = "", hide_default_value = true)]
    department: String,
    /// User who gets it
    #[arg(long, default_value = "", hide_default_value = true)]
    user: String,
    /// Why; kept in history
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// A note that goes with the move
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
    #[command(flatten)]
    tell: Tell,
    /// Needed, and only allowed, for a closed order
    #[arg(long)]
    reopen: bool,
    /// Only if this is still the version of the order; for one order
    #[arg(long, conflicts_with = "atomic", default_value = "", hide_default_value = true)]
    etag: String,
    /// Of several orders, move all or none
    #[arg(long)]
    atomic: bool,
    /// Act for this user
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    on_behalf_of: String,
    #[command(flatten)]
    write: Write,
}

/// Moves orders.
///
/// # Errors
/// The refusals of `AdvanceOrder`; of several orders each refusal stands in the answer.
pub async fn run(caller: &Caller, advance: Advance) -> Result<Answer, Failure> {
    let request_id = advance.write.request_id();
    let mut orders: Vec<_> = advance.numbers.iter().map(|number| by_number(number)).collect();
    let (etag, atomic, preview) = (advance.etag.clone(), advance.atomic, advance.write.preview);
    let mut client = caller.orders().await?;
    if orders.len() == 1 {
        let request = AdvanceOrderRequest {
            order: orders.pop(),
            etag,
            advance: Some(to_move(advance)),
            request_id: request_id.clone(),
            validate_only: preview,
        };
        let answer = client.advance_order(request).await.map_err(Failure::of_write(&request_id))?.into_inner();
        if caller.json {
            return Ok(Answer::json(&json::value("AdvanceOrderResponse", &answer)));
        }
        let number = answer.order.unwrap_or_default().number;
        return Ok(Answer::text(bulk::one(&number, &answer.effects.unwrap_or_default(), preview)));
    }
    if !etag.is_empty() {
        return Err(Failure::Usage("--etag goes with one order only".to_owned()));
    }
    let numbers = advance.numbers.clone();
    let request = AdvanceOrdersRequest {
        orders,
        advance: Some(to_move(advance)),
        mode: if atomic { BulkMode::Atomic } else { BulkMode::Each }.into(),
        request_id: request_id.clone(),
        validate_only: preview,
    };
    let answer = client.advance_orders(request).await.map_err(Failure::of_write(&request_id))?.into_inner();
    let json = caller.json.then(|| json::value("AdvanceOrdersResponse", &answer));
    Ok(bulk::answer(&numbers, &answer.results, "moved", preview, json))
}

fn to_move(advance: Advance) -> Move {
    Move {
        target_status: advance.to,
        completed_date: advance.completed,
        not_complete: advance.not_complete,
        due_date: advance.due,
        on_behalf_of: advance.on_behalf_of,
        assign_department: advance.department,
        assign_user: advance.user,
        reason: advance.reason,
        note: advance.note,
        notify: advance.tell.into_notify(),
        reopen: advance.reopen,
    }
}
