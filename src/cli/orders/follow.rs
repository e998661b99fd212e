//! `andon orders follow`: whom an order concerns, besides those who have it.

use clap::Args;

use super::{by_number, preview_mark};
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        failure::Failure,
        json, words,
    },
    grpc::proto::v1::FollowOrderRequest,
};

/// Who follows, or no more.
#[derive(Args)]
pub struct Follow {
    /// Number of the order
    number: String,
    /// Users who follow it from now on
    #[arg(value_name = "USER", required_unless_present = "remove")]
    users: Vec<String>,
    /// A user who follows it no more; may be repeated
    #[arg(long, value_name = "USER")]
    remove: Vec<String>,
    /// Act for this user
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    on_behalf_of: String,
    #[command(flatten)]
    write: Write,
}

/// Says who follows an order.
///
/// # Errors
/// The refusals of `FollowOrder`.
pub async fn run(caller: &Caller, follow: Follow) -> Result<Answer, Failure> {
    let request_id = follow.write.request_id();
    let preview = follow.write.preview;
    let request = FollowOrderRequest {
        order: Some(by_number(&follow.number)),
        add: follow.users,
        remove: follow.remove,
        on_behalf_of: follow.on_behalf_of,
        request_id: request_id.clone(),
        validate_only: preview,
    };
    let mut client = caller.orders().await?;
    let answer = client.follow_order(request).await.map_err(Failure::of_write(&request_id))?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("FollowOrderResponse", &answer)));
    }
    let order = answer.order.unwrap_or_default();
    let who = match order.followers.as_slice() {
        [] => "followed by nobody".to_owned(),
        users => format!("followed by {}", users.join(", ")),
    };
    Ok(Answer::text(format!("{}{}: {who}\n", preview_mark(preview), words::clean(&order.number))))
}
