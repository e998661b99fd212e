//! `andon deliveries`: who was told what by what means, and what the other side said.

use std::fmt::Write as _;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::{
    answer::Answer,
    caller::{Caller, Write},
    dates,
    failure::Failure,
    json,
    orders::by_number,
    sheet::{Sheet, Tone},
    types::said,
    words,
};
use crate::grpc::proto::v1::{
    CancelDeliveryRequest, Delivery, DeliveryState, GetDeliveryRequest, GetOrderRequest, ListDeliveriesRequest,
    RetryDeliveryRequest,
};

const PAGE_MAX: usize = 500;
const PAGES_MAX: usize = 2_000;

/// What can be done with messages.
#[derive(Subcommand)]
pub enum Verb {
    /// List messages, newest first
    List {
        /// Only those in these states
        #[arg(long = "state", value_enum, value_delimiter = ',', value_name = "STATE")]
        states: Vec<State>,
        /// Only those about this order (number)
        #[arg(long, value_name = "NUMBER")]
        order: Option<String>,
        /// Only those to this user
        #[arg(long, default_value = "", hide_default_value = true)]
        user: String,
        /// Only those that this digest tells (id)
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        digest: String,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
    },
    /// Show one message with its attempts
    Show {
        /// Id of the message
        id: String,
        /// Print the message itself as it was sent (RFC 5322; to a webhook, JSON), and nothing else
        #[arg(long)]
        message: bool,
    },
    /// Take back a message that has not left yet, or may not leave once more
    Cancel {
        /// Id of the message
        id: String,
        /// Why, for the record
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        write: Write,
    },
    /// Send a message again now that failed or waits
    Retry {
        /// Id of the message
        id: String,
        #[command(flatten)]
        write: Write,
    },
}

/// Where a message stands.
#[derive(Clone, Copy, ValueEnum)]
pub enum State {
    /// Waits for its next attempt
    Ready,
    /// A sender has it
    Claimed,
    /// On the wire
    Sending,
    /// The mail server took it
    Sent,
    /// Refused for good, or attempts used up
    Failed,
    /// Sent, and no reply was seen
    Uncertain,
    /// No longer true when its turn came
    Withdrawn,
    /// Waits for the digest of its recipient
    Gathered,
    /// Told by a digest
    Folded,
    /// Taken back by a person
    Cancelled,
}

impl State {
    fn to_message(self) -> DeliveryState {
        match self {
            Self::Ready => DeliveryState::Ready,
            Self::Claimed => DeliveryState::Claimed,
            Self::Sending => DeliveryState::Sending,
            Self::Sent => DeliveryState::Sent,
            Self::Failed => DeliveryState::Failed,
            Self::Uncertain => DeliveryState::Uncertain,
            Self::Withdrawn => DeliveryState::Withdrawn,
            Self::Gathered => DeliveryState::Gathered,
            Self::Folded => DeliveryState::Folded,
            Self::Cancelled => DeliveryState::Cancelled,
        }
    }
}

/// Carries out one verb.
///
/// # Errors
/// The refusals of `DeliveryService`.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::List { states, order, user, digest, limit } => {
            let order = match order {
                Some(number) => id_of_order(caller, &number).await?,
                None => String::new(),
            };
            let states = states.into_iter().map(|state| state.to_message().into()).collect();
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            list(caller, ListDeliveriesRequest { states, order, user, digest, ..Default::default() }, limit).await
        }
        Verb::Show { id, message } => {
            let found = caller.deliveries().await?.get_delivery(GetDeliveryRequest { id }).await?.into_inner();
            let delivery = found.delivery.unwrap_or_default();
            if message {
                return Ok(Answer::bytes(delivery.message));
            }
            Ok(answer(caller, &delivery, ""))
        }
        Verb::Cancel { id, reason, write } => {
            let request_id = write.request_id();
            let failure = Failure::of_write(&request_id);
            let request = CancelDeliveryRequest { id, reason, request_id, validate_only: write.preview };
            let back = caller.deliveries().await?.cancel_delivery(request).await.map_err(failure)?.into_inner();
            Ok(answer(caller, &back.delivery.unwrap_or_default(), said("taken back", write.preview)))
        }
        Verb::Retry { id, write } => {
            let request_id = write.request_id();
            let failure = Failure::of_write(&request_id);
            let request = RetryDeliveryRequest { id, request_id, validate_only: write.preview };
            let ready = caller.deliveries().await?.retry_delivery(request).await.map_err(failure)?.into_inner();
            let delivery = ready.delivery.unwrap_or_default();
            Ok(answer(caller, &delivery, said("will be sent again", write.preview)))
        }
    }
}

async fn id_of_order(caller: &Caller, number: &str) -> Result<String, Failure> {
    let request = GetOrderRequest { order: Some(by_number(number)) };
    let order = caller.orders().await?.get_order(request).await?.into_inner().order;
    Ok(order.unwrap_or_default().id)
}

async fn list(caller: &Caller, mut request: ListDeliveriesRequest, limit: usize) -> Result<Answer, Failure> {
    let mut client = caller.deliveries().await?;
    let mut deliveries: Vec<Delivery> = Vec::new();
    for _ in 0..PAGES_MAX {
        let wanted = limit - deliveries.len();
        request.page_size = i32::try_from(wanted.clamp(1, PAGE_MAX)).unwrap_or(0);
        let page = client.list_deliveries(request.clone()).await?.into_inner();
        deliveries.extend(page.deliveries.into_iter().take(wanted));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() || deliveries.len() >= limit {
            break;
        }
    }
    let more = !request.page_token.is_empty();
    if caller.json {
        return Ok(Answer::json(&json!({ "deliveries": json::list("Delivery", &deliveries), "more": more })));
    }
    if deliveries.is_empty() {
        return Ok(Answer::text("No messages match."));
    }
    let mut text = table(&deliveries, caller.colour);
    if more {
        let _ =
            write!(text, "\n\nThe newest {}; there are more: --limit N shows them.", words::count(limit, "message"));
    }
    Ok(Answer::text(text))
}

fn table(deliveries: &[Delivery], colour: bool) -> String {
    let mut sheet = Sheet::new(&["ID", "DECIDED", "STATE", "VIA", "TO", "ABOUT", "ORDER", "DETAIL"], colour);
    (0..4).for_each(|column| sheet.keep_whole(column));
    for it in deliveries {
        let to = if it.user.is_empty() { &it.address } else { &it.user };
        sheet.toned_row([
            (it.id.clone(), Tone::Faint),
            (dates::show_instant(it.create_time.as_ref()), Tone::Plain),
            (state(it), tone(it)),
            (words::word(&it.channel, ""), Tone::Plain),
            (to.clone(), Tone::Plain),
            (words::word(&it.kind, ""), Tone::Plain),
            (it.order_number.clone(), Tone::Plain),
            (it.detail.clone(), Tone::Faint),
        ]);
    }
    sheet.fitted()
}

fn state(delivery: &Delivery) -> String {
    words::word(delivery.state().as_str_name(), "DELIVERY_STATE_")
}

/// Where a message stands, in a sentence; empty where the word says it.
fn explained(delivery: &Delivery) -> &'static str {
    match delivery.state() {
        DeliveryState::Uncertain => ": its end was written and no reply was seen; it is sent once more",
        DeliveryState::Gathered => ": waits for the digest of its recipient",
        DeliveryState::Folded => ": told by a digest",
        DeliveryState::Withdrawn => ": no longer true when its turn came",
        DeliveryState::Cancelled => ": taken back by a person",
        _ => "",
    }
}

fn tone(delivery: &Delivery) -> Tone {
    match delivery.state() {
        DeliveryState::Failed | DeliveryState::Uncertain => Tone::Alarm,
        _ => Tone::Plain,
    }
}

fn answer(caller: &Caller, delivery: &Delivery, said: &str) -> Answer {
    if caller.json {
        return Answer::json(&json::value("Delivery", delivery));
    }
    let said = if said.is_empty() { String::new() } else { format!("{said}\n\n") };
    Answer::text(said + &block(delivery, caller.colour))
}

fn block(delivery: &Delivery, colour: bool) -> String {
    let to = if delivery.user.is_empty() { String::new() } else { format!("{} ", delivery.user) };
    let next = if delivery.state() == DeliveryState::Gathered { "digest due" } else { "next attempt" };
    let facts = [
        ("state", state(delivery) + explained(delivery)),
        ("via", words::word(&delivery.channel, "")),
        ("to", format!("{to}<{}>", delivery.address)),
        ("about", words::word(&delivery.kind, "")),
        ("order", delivery.order_number.clone()),
        ("subject", delivery.subject.clone()),
        ("message id", delivery.message_id.clone()),
        ("decided", dates::show_instant(delivery.create_time.as_ref())),
        (next, dates::show_instant(delivery.next_attempt_time.as_ref())),
        ("digest", delivery.digest.clone()),
        ("settled", dates::show_instant(delivery.settle_time.as_ref())),
        ("detail", delivery.detail.clone()),
    ];
    let mut text = format!("{}\n", words::clean(&delivery.id));
    for (label, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "  {label:<14} {}", words::clean(&value));
    }
    if delivery.uncertain_count > 0 {
        let _ =
            writeln!(text, "  {:<14} {} time(s): at most so many extra copies", "uncertain", delivery.uncertain_count);
    }
    if delivery.attempt_log.is_empty() {
        text.push_str("\nNo attempt yet.");
        return text;
    }
    let mut sheet = Sheet::new(&["#", "ENDED", "OUTCOME", "REPLY"], colour);
    (0..3).for_each(|column| sheet.keep_whole(column));
    for attempt in &delivery.attempt_log {
        let ended = dates::show_instant(attempt.time.as_ref());
        let outcome = words::word(&attempt.outcome, "");
        sheet.row([&attempt.number.to_string(), &ended, &outcome, &attempt.reply]);
    }
    text + "\n" + &sheet.fitted()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::v1::DeliveryAttempt;

    #[test]
    fn a_message_is_shown_with_its_attempts() {
        let attempt = DeliveryAttempt {
            number: 1,
            outcome: "REFUSED_FOR_NOW".into(),
            reply: "451 later".into(),
            ..DeliveryAttempt::default()
        };
        let delivery = Delivery {
            id: "m1".into(),
            state: DeliveryState::Ready.into(),
            user: "anna".into(),
            address: "anna@example.com".into(),
            attempt_log: vec![attempt],
            ..Delivery::default()
        };
        let text = block(&delivery, false);
        assert!(text.contains("anna <anna@example.com>"), "{text}");
        assert!(text.contains("refused-for-now") && text.contains("451 later"), "{text}");
    }
}
