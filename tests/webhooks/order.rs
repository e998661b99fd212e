//! Order: of one order in the order of what happened, and nobody waits for anybody else.

use andon::grpc::proto::v1::{self, DeliveryState as State, TriggerEvent as Event};

use super::{LATER, MONDAY, call_to, calling, calls, labelled, outcomes, reaches, trigger, webhook};
use crate::support::{
    Api, Expect as _,
    api::number,
    eventually,
    http::{Hook, Received, What},
    plant::Shop,
};

async fn note(api: &Api, order: &str, text: &str) {
    let request = v1::AddNoteRequest { order: number(order), text: text.into(), ..v1::AddNoteRequest::default() };
    api.orders().add_note(request).await.done();
}

/// The notes that were told of an order, in the order in which they came.
fn told(hook: &Hook, order: &str) -> Vec<String> {
    let calls = hook.received();
    let about = calls.iter().map(Received::json).filter(|body| body["data"]["order"]["number"] == order);
    about.filter_map(|body| body["data"]["occurrence"]["note"]["text"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_told_in_the_order_of_what_happened() {
    let hook = Hook::start().await;
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook]).set("webhooks.lanes", 8)).await;
    webhook(&shop.api, "erp", &hook.url()).await;
    trigger(&shop.api, "notes", Event::NoteAdded, "erp", true).await;
    for order in ["A-1", "A-2", "A-3"] {
        shop.api.create(labelled(order, "erp")).await;
    }
    // The clock stands: nothing but the sequence tells what was first.
    for round in 0..12 {
        for order in ["A-1", "A-2", "A-3"] {
            note(&shop.api, order, &round.to_string()).await;
        }
    }
    eventually("all are told", async || (hook.received().len() >= 36).then_some(())).await;
    let expected: Vec<String> = (0..12).map(|round| round.to_string()).collect();
    for order in ["A-1", "A-2", "A-3"] {
        assert_eq!(told(&hook, order), expected, "{order}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_now_holds_up_its_order_and_a_dead_letter_holds_up_nothing() {
    let hook = Hook::start().await;
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
    webhook(&shop.api, "erp", &hook.url()).await;
    trigger(&shop.api, "notes", Event::NoteAdded, "erp", true).await;
    for order in ["A-1", "A-2"] {
        shop.api.create(labelled(order, "erp")).await;
    }
    hook.inject(What::Status(503));
    note(&shop.api, "A-1", "first").await;
    let first = call_to(&shop.api, "erp").await.id;
    reaches(&shop.api, &first, State::Ready, 1).await;
    note(&shop.api, "A-1", "second").await;
    note(&shop.api, "A-2", "beside it").await;
    eventually("the other order is told", async || (told(&hook, "A-2").len() == 1).then_some(())).await;
    assert_eq!(told(&hook, "A-1"), ["first"], "the second waits for the first");
    hook.inject(What::Status(404));
    shop.set(LATER);
    let failed = reaches(&shop.api, &first, State::Failed, 2).await;
    assert_eq!(outcomes(&failed), ["REFUSED_FOR_NOW", "REFUSED_FOR_GOOD"]);
    eventually("the second is told", async || (told(&hook, "A-1").len() == 3).then_some(())).await;
    assert_eq!(told(&hook, "A-1"), ["first", "first", "second"]);

    // The dead letter is listed, and made again when somebody says so.
    let list = v1::ListDeliveriesRequest { states: vec![State::Failed.into()], ..v1::ListDeliveriesRequest::default() };
    let dead = shop.api.deliveries().list_deliveries(list).await.done().deliveries;
    assert_eq!(dead.iter().map(|call| (&call.id, call.channel.as_str())).collect::<Vec<_>>(), [(&first, "WEBHOOK")]);
    assert!(dead[0].detail.starts_with("404 "), "{dead:?}");
    let retry = v1::RetryDeliveryRequest { id: first.clone(), ..v1::RetryDeliveryRequest::default() };
    shop.api.deliveries().retry_delivery(retry).await.done();
    reaches(&shop.api, &first, State::Sent, 3).await;
    assert_eq!(told(&hook, "A-1"), ["first", "first", "second", "first"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_destination_holds_up_nobody_else() {
    let (slow, quick) = (Hook::start().await, Hook::start().await);
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&slow, &quick]).set("webhooks.lanes", 1)).await;
    slow.always(What::Silence);
    webhook(&shop.api, "slow", &slow.url()).await;
    webhook(&shop.api, "quick", &quick.url()).await;
    trigger(&shop.api, "to-slow", Event::OrderCreated, "slow", false).await;
    trigger(&shop.api, "to-quick", Event::OrderCreated, "quick", false).await;
    shop.api.create_many((0..40).map(|number| labelled(&format!("A-{number}"), "")).collect()).await;
    eventually("the quick one has all", async || (quick.received().len() == 40).then_some(())).await;
    let made = slow.received().len();
    assert!(made < 20, "the slow one was called {made} times meanwhile: nobody waited for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_webhook_is_not_called_until_it_is_enabled() {
    let (hook, other) = (Hook::start().await, Hook::start().await);
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook, &other])).await;
    webhook(&shop.api, "erp", &hook.url()).await;
    webhook(&shop.api, "mes", &other.url()).await;
    trigger(&shop.api, "to-erp", Event::OrderCreated, "erp", false).await;
    trigger(&shop.api, "to-mes", Event::OrderCreated, "mes", false).await;
    let turn = async |disabled| {
        let request = v1::UpdateWebhookRequest {
            webhook: Some(v1::Webhook { id: "erp".into(), disabled, ..v1::Webhook::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["disabled".into()] }),
            ..v1::UpdateWebhookRequest::default()
        };
        shop.api.webhooks().update_webhook(request).await.done()
    };
    turn(true).await;
    shop.api.create(labelled("A-1", "")).await;
    eventually("the other one is called", async || (other.received().len() == 1).then_some(())).await;
    assert_eq!(hook.connections(), 0);
    let test = v1::TestWebhookRequest { id: "erp".into() };
    assert_eq!(shop.api.webhooks().test_webhook(test).await.done().outcome, "SENT");
    turn(false).await;
    eventually("it is called", async || (hook.received().len() == 2).then_some(())).await;
    assert!(calls(&shop.api).await.iter().all(|call| call.state() != State::Failed));
}
