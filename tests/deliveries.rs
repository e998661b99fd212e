//! Deliveries: what the mail server says decides what becomes of a message, and of no other.

use std::time::Duration;

use andon::grpc::proto::v1::{self, Advance, DeliveryState as State};
use tonic::Code;

use crate::support::{
    Expect as _,
    api::{Refused, advance, advance_with},
    eventually,
    plant::{ANNA, ERIKA, Shop, order},
    smtp::{Command, Fault, SmtpSink, What},
};

const MONDAY: &str = "2026-03-02T08:00:00Z";
/// Later than any pause between two attempts.
const LATER: &str = "2026-03-02T09:00:00Z";
const MAIL_LIMIT: Duration = Duration::from_secs(30);

/// A shop whose mail goes to a sink; retries wait for the clock, which stands.
async fn shop_with_sink() -> (SmtpSink, Shop) {
    let sink = SmtpSink::start().await;
    let relay = sink.address().port();
    let shop = Shop::open_with(MONDAY, |options| options.relay(relay).quick_mail()).await;
    (sink, shop)
}

/// Moves a new order and tells these people; the ids of the messages.
async fn tell(shop: &Shop, number: &str, users: &[&str]) -> Vec<String> {
    shop.api.create(order(number)).await;
    let users = users.iter().map(|user| (*user).to_owned()).collect();
    let notify = Some(v1::Notify { users, ..v1::Notify::default() });
    let (_, effects) = shop.api.advance(advance_with(number, Advance { notify, ..Advance::default() })).await;
    effects.messages.into_iter().map(|message| message.delivery).collect()
}

/// Waits until the message is in this state after so many attempts.
async fn reaches(shop: &Shop, id: &str, state: State, attempts: i32) -> v1::Delivery {
    eventually(&format!("{state:?} after {attempts} attempts"), async || {
        let message = shop.api.message(id).await;
        (message.state() == state && message.attempts == attempts).then_some(message)
    })
    .await
}

fn outcomes(message: &v1::Delivery) -> Vec<&str> {
    message.attempt_log.iter().map(|attempt| attempt.outcome.as_str()).collect()
}

async fn retry(shop: &Shop, request: v1::RetryDeliveryRequest) -> Result<v1::Delivery, Refused> {
    let answer = shop.api.deliveries().retry_delivery(request).await.map_err(Refused::from)?;
    Ok(answer.into_inner().delivery.expect("an answer has the message"))
}

fn again(id: &str) -> v1::RetryDeliveryRequest {
    v1::RetryDeliveryRequest { id: id.into(), ..v1::RetryDeliveryRequest::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_refused_for_now_is_sent_later() {
    let (sink, shop) = shop_with_sink().await;
    sink.inject(Fault::once(Command::Rcpt, What::Reply4xx));
    let id = tell(&shop, "A-1", &["anna"]).await.remove(0);
    let waiting = reaches(&shop, &id, State::Ready, 1).await;
    assert_eq!(outcomes(&waiting), ["REFUSED_FOR_NOW"]);
    assert!(waiting.attempt_log[0].reply.contains("451"), "{waiting:?}");
    shop.set(LATER);
    let sent = reaches(&shop, &id, State::Sent, 2).await;
    assert_eq!((outcomes(&sent), sent.uncertain_count), (vec!["REFUSED_FOR_NOW", "SENT"], 0));
    let received = sink.messages();
    assert_eq!(received.len(), 1);
    assert_eq!((received[0].to.as_str(), &received[0].message), (ANNA, &sent.message));
    assert!(received[0].from.contains("andon@plant.example"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_refused_for_good_fails_until_it_is_retried() {
    let (sink, shop) = shop_with_sink().await;
    sink.inject(Fault::always(Command::Rcpt, What::Reply5xx));
    let id = tell(&shop, "A-1", &["anna"]).await.remove(0);
    let failed = reaches(&shop, &id, State::Failed, 1).await;
    assert_eq!(outcomes(&failed), ["REFUSED_FOR_GOOD"]);
    assert!(failed.detail.contains("550") && failed.settle_time.is_some(), "{failed:?}");
    let list = v1::ListDeliveriesRequest { states: vec![State::Failed.into()], ..v1::ListDeliveriesRequest::default() };
    assert_eq!(shop.api.deliveries().list_deliveries(list).await.done().deliveries.len(), 1);

    let preview = v1::RetryDeliveryRequest { validate_only: true, ..again(&id) };
    retry(&shop, preview).await.expect("it could be retried");
    assert_eq!(shop.api.message(&id).await.state(), State::Failed);
    sink.heal();
    let keyed = v1::RetryDeliveryRequest { request_id: "r".into(), ..again(&id) };
    retry(&shop, keyed.clone()).await.expect("it is retried");
    let sent = reaches(&shop, &id, State::Sent, 2).await;
    assert_eq!(sink.messages().iter().filter(|mail| mail.accepted).count(), 1);
    retry(&shop, keyed).await.expect("the same call is answered again");
    let refused = retry(&shop, again(&sent.id)).await.expect_err("it is sent");
    assert_eq!(refused.why(), (Code::FailedPrecondition, "NOT_RETRYABLE"));
    assert_eq!(refused.metadata["state"], "SENT");
    let other = v1::RetryDeliveryRequest { request_id: "r".into(), validate_only: true, ..again(&id) };
    assert_eq!(retry(&shop, other).await.expect_err("reused").why(), (Code::FailedPrecondition, "REQUEST_ID_REUSED"));
    let missing = again("00000000-0000-7000-8000-000000000000");
    assert_eq!(retry(&shop, missing).await.expect_err("missing").why(), (Code::NotFound, "NOT_FOUND"));
    assert_eq!(retry(&shop, again("x")).await.expect_err("no id").fields, ["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_within_the_message_is_in_doubt_only_when_its_end_was_written() {
    let (sink, shop) = shop_with_sink().await;
    sink.inject(Fault::once(Command::Data, What::DropBeforeDot));
    let id = tell(&shop, "A-1", &["anna"]).await.remove(0);
    let message = eventually("one attempt was made", async || {
        let message = shop.api.message(&id).await;
        (matches!(message.state(), State::Ready | State::Uncertain) && message.attempts == 1).then_some(message)
    })
    .await;
    // A short message lies in the sender's buffer as a whole, its end too, before the loss can be seen.
    let (outcome, doubts) = match message.state() {
        State::Uncertain => ("UNCERTAIN", 1),
        _ => ("NOT_SENT", 0),
    };
    assert_eq!((outcomes(&message), message.uncertain_count), (vec![outcome], doubts));
    shop.set(LATER);
    reaches(&shop, &id, State::Sent, 2).await;
    assert_eq!(sink.messages().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_before_the_message_costs_no_doubt() {
    for at in [Command::Mail, Command::Rcpt, Command::Data] {
        let (sink, shop) = shop_with_sink().await;
        sink.inject(Fault::once(at, What::Drop));
        let id = tell(&shop, "A-1", &["anna"]).await.remove(0);
        let waiting = reaches(&shop, &id, State::Ready, 1).await;
        assert_eq!((outcomes(&waiting), waiting.uncertain_count), (vec!["NOT_SENT"], 0), "{at:?}");
        shop.set(LATER);
        reaches(&shop, &id, State::Sent, 2).await;
        assert_eq!(sink.messages().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_after_the_final_dot_is_uncertain_and_sent_again_byte_for_byte() {
    for what in [What::DropAfterDot, What::Silence, What::Garbage] {
        let (sink, shop) = shop_with_sink().await;
        sink.inject(Fault::once(Command::Dot, what.clone()));
        let id = tell(&shop, "A-1", &["anna"]).await.remove(0);
        let doubtful = reaches(&shop, &id, State::Uncertain, 1).await;
        assert_eq!((outcomes(&doubtful), doubtful.uncertain_count), (vec!["UNCERTAIN"], 1), "{what:?}");
        shop.set(LATER);
        let sent = reaches(&shop, &id, State::Sent, 2).await;
        assert_eq!(outcomes(&sent), ["UNCERTAIN", "SENT"]);
        let received = sink.messages();
        assert_eq!(received.len(), 2, "{what:?}: one extra copy, which the record explains");
        assert_eq!(received[0].message, received[1].message);
        assert!(String::from_utf8_lossy(&received[0].message).contains(&sent.message_id));
        assert_ne!(received[0].connection, received[1].connection, "a connection in doubt is not used again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_ends_with_its_deadline() {
    let (sink, shop) = shop_with_sink().await;
    sink.inject(Fault::once(Command::Rcpt, What::Silence));
    let id = tell(&shop, "A-1", &["anna"]).await.remove(0);
    let waiting = reaches(&shop, &id, State::Ready, 1).await;
    assert_eq!((outcomes(&waiting), waiting.uncertain_count), (vec!["NOT_SENT"], 0));
    shop.set(LATER);
    reaches(&shop, &id, State::Sent, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_down_costs_no_message_an_attempt() {
    let (sink, shop) = shop_with_sink().await;
    sink.inject(Fault::always(Command::Greeting, What::Reply4xx));
    let ids = tell(&shop, "A-1", &["anna", "erika"]).await;
    eventually("the relay was tried a few times", async || (sink.connections() >= 3).then_some(())).await;
    for id in &ids {
        let waiting = shop.api.message(id).await;
        assert!(waiting.attempts <= 1 && waiting.uncertain_count == 0, "{waiting:?}");
    }
    sink.heal();
    for id in &ids {
        reaches(&shop, id, State::Sent, 1).await;
    }
    assert_eq!(sink.messages().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_longer_true_is_withdrawn() {
    let (sink, shop) = shop_with_sink().await;
    sink.inject(Fault::always(Command::Rcpt, What::Reply4xx));
    shop.api.create(order("A-1")).await;
    shop.set("2026-03-03T23:00:00Z");
    let ids: Vec<String> = eventually("the alert is queued", async || {
        let messages = shop.api.messages().await;
        (messages.len() == 2).then(|| messages.into_iter().map(|message| message.id).collect())
    })
    .await;
    for id in &ids {
        reaches(&shop, id, State::Ready, 1).await;
    }
    shop.api.advance(advance("A-1")).await;
    sink.heal();
    shop.set("2026-03-04T09:00:00Z");
    for id in &ids {
        let withdrawn = reaches(&shop, id, State::Withdrawn, 1).await;
        assert!(withdrawn.detail.contains("moved on"), "{withdrawn:?}");
    }
    assert_eq!(sink.messages(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_recipient_holds_up_no_other() {
    let (sink, shop) = shop_with_sink().await;
    sink.inject(Fault::always(Command::Rcpt, What::Silence).for_recipient(ANNA));
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.extend(tell(&shop, &format!("A-{n}"), &["anna", "erika"]).await);
    }
    let received = sink.wait_for(3, MAIL_LIMIT).await;
    assert!(received.iter().all(|mail| mail.to == ERIKA));
    sink.heal();
    shop.set(LATER);
    for id in &ids {
        eventually("it is sent", async || (shop.api.message(id).await.state() == State::Sent).then_some(())).await;
    }
    assert_eq!(sink.messages().len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_are_listed_by_state_order_and_person_in_pages() {
    let shop = Shop::open(MONDAY).await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.extend(tell(&shop, &format!("A-{n}"), &["anna", "erika"]).await);
    }
    ids.reverse();
    let request = v1::ListDeliveriesRequest { page_size: 4, ..v1::ListDeliveriesRequest::default() };
    let first = shop.api.deliveries().list_deliveries(request.clone()).await.done();
    let next = v1::ListDeliveriesRequest { page_token: first.next_page_token, ..request.clone() };
    let second = shop.api.deliveries().list_deliveries(next.clone()).await.done();
    let listed: Vec<_> = first.deliveries.iter().chain(&second.deliveries).map(|message| message.id.clone()).collect();
    assert_eq!((listed, second.next_page_token.as_str()), (ids, ""));
    let other = v1::ListDeliveriesRequest { user: "anna".into(), ..next };
    assert_eq!(shop.api.deliveries().list_deliveries(other).await.refused().fields, ["page_token"]);
    let count = async |request| shop.api.deliveries().list_deliveries(request).await.done().deliveries.len();
    let all = v1::ListDeliveriesRequest::default;
    assert_eq!(count(v1::ListDeliveriesRequest { user: "anna".into(), ..all() }).await, 3);
    let order = shop.api.get("A-1").await.id;
    assert_eq!(count(v1::ListDeliveriesRequest { order, ..all() }).await, 2);
    assert_eq!(count(v1::ListDeliveriesRequest { states: vec![State::Sent.into()], ..all() }).await, 0);
    let wrong = v1::ListDeliveriesRequest { states: vec![99], order: "x".into(), user: "X".into(), ..all() };
    let mut fields = shop.api.deliveries().list_deliveries(wrong).await.refused().fields;
    fields.sort();
    assert_eq!(fields, ["order", "states[0]", "user"]);
}
