//! Webhooks: a program is told by signed calls, once and in order, whatever its server does.

mod definition;
mod faults;
mod kills;
mod order;
mod signed;

use andon::grpc::proto::v1::{self, DeliveryState as State, trigger_action::Action};

use crate::support::{Api, Expect as _, Options, eventually, http::Hook, plant::order};

pub const MONDAY: &str = "2026-03-02T08:00:00Z";
/// Later than any pause between two attempts.
pub const LATER: &str = "2026-03-02T10:00:00Z";

/// Settings under which these servers may be called, with short deadlines and a short lease.
pub fn calling(options: Options, hooks: &[&Hook]) -> Options {
    let ports: Vec<String> = hooks.iter().map(|hook| format!("127.0.0.1:{}", hook.port())).collect();
    quick(options).set("webhooks.allow", ports.join(",")).set("webhooks.allow_http", true)
}

/// Short deadlines and a short lease.
pub fn quick(options: Options) -> Options {
    options
        .set("webhooks.deadlines_ms.resolve", 1000)
        .set("webhooks.deadlines_ms.connect", 500)
        .set("webhooks.deadlines_ms.tls", 500)
        .set("webhooks.deadlines_ms.reply", 1000)
        .set("webhooks.deadlines_ms.body", 300)
        .set("webhooks.deadlines_ms.whole", 2500)
        .set("webhooks.claim_lease_s", 5)
        .set("webhooks.retry_first_s", 1)
}

/// Creates a webhook; its secret.
pub async fn webhook(api: &Api, id: &str, url: &str) -> String {
    let webhook = v1::Webhook { id: id.into(), url: url.into(), ..v1::Webhook::default() };
    let request = v1::CreateWebhookRequest { webhook: Some(webhook), ..v1::CreateWebhookRequest::default() };
    api.webhooks().create_webhook(request).await.done().secret
}

/// A trigger that calls a webhook; of orders with the label `to` that names it, when `labelled`.
pub async fn trigger(api: &Api, id: &str, event: v1::TriggerEvent, webhook: &str, labelled: bool) {
    let labels = labelled.then(|| ("to".to_owned(), webhook.to_owned())).into_iter().collect();
    let trigger = v1::Trigger {
        id: id.into(),
        name: id.into(),
        event: event.into(),
        condition: Some(v1::TriggerCondition { labels, ..v1::TriggerCondition::default() }),
        actions: vec![v1::TriggerAction { action: Some(Action::Webhook(webhook.into())) }],
        enabled: true,
        ..v1::Trigger::default()
    };
    let request = v1::CreateTriggerRequest { trigger: Some(trigger), ..v1::CreateTriggerRequest::default() };
    api.triggers().create_trigger(request).await.done();
}

/// An order with the label by which it is told to one webhook.
pub fn labelled(number: &str, to: &str) -> v1::NewOrder {
    v1::NewOrder { labels: [("to".to_owned(), to.to_owned())].into(), ..order(number) }
}

/// The calls, oldest first.
pub async fn calls(api: &Api) -> Vec<v1::Delivery> {
    api.messages().await.into_iter().filter(|message| message.channel == "WEBHOOK").collect()
}

/// The only call about an order to a webhook.
pub async fn call_to(api: &Api, webhook: &str) -> v1::Delivery {
    let address = format!("webhook:{webhook}");
    let found: Vec<_> = calls(api).await.into_iter().filter(|call| call.address == address).collect();
    assert_eq!(found.len(), 1, "{webhook}: {found:?}");
    api.message(&found[0].id).await
}

/// Waits until the call is in this state after so many attempts.
pub async fn reaches(api: &Api, id: &str, state: State, attempts: i32) -> v1::Delivery {
    let mut last = None;
    let what = format!("{state:?} after {attempts} attempts");
    let reached = eventually(&what, async || {
        let call = api.message(id).await;
        let there = call.state() == state && call.attempts == attempts;
        last = Some(call.clone());
        there.then_some(call)
    });
    reached.await
}

pub fn outcomes(call: &v1::Delivery) -> Vec<&str> {
    call.attempt_log.iter().map(|attempt| attempt.outcome.as_str()).collect()
}
