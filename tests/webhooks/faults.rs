//! The fault matrix: whatever a destination does, a call ends in the state that the manual says.

use std::time::Duration;

use andon::grpc::proto::v1::{self, DeliveryState as State, TriggerEvent as Event};

use super::{LATER, MONDAY, call_to, calling, labelled, outcomes, quick, reaches, trigger, webhook};
use crate::support::{
    Api, Expect as _, Options, eventually,
    http::{Hook, What},
    plant::Shop,
};

/// What one misbehaviour leads to.
struct Cell {
    name: &'static str,
    what: What,
    outcome: &'static str,
    state: State,
}

fn cell(name: &'static str, what: What, outcome: &'static str) -> Cell {
    let state = match outcome {
        "SENT" => State::Sent,
        "REFUSED_FOR_GOOD" => State::Failed,
        "UNCERTAIN" => State::Uncertain,
        _ => State::Ready,
    };
    Cell { name, what, outcome, state }
}

fn cells() -> Vec<Cell> {
    const GOOD: &str = "REFUSED_FOR_GOOD";
    const NOW: &str = "REFUSED_FOR_NOW";
    const DOUBT: &str = "UNCERTAIN";
    vec![
        cell("s200", What::Status(200), "SENT"),
        cell("s202", What::Status(202), "SENT"),
        cell("s299", What::Status(299), "SENT"),
        cell("s300", What::Status(300), GOOD),
        cell("s301", What::With(301, "location: /elsewhere"), GOOD),
        cell("s302", What::With(302, "location: http://127.0.0.1:1/"), GOOD),
        cell("s307", What::With(307, "location: /elsewhere"), GOOD),
        cell("s400", What::Status(400), GOOD),
        cell("s401", What::Status(401), GOOD),
        cell("s404", What::Status(404), GOOD),
        cell("s410", What::Status(410), GOOD),
        cell("s408", What::Status(408), NOW),
        cell("s425", What::Status(425), NOW),
        cell("s429", What::Status(429), NOW),
        cell("s429-after", What::With(429, "retry-after: 2"), NOW),
        cell("s500", What::Status(500), NOW),
        cell("s503-after", What::With(503, "retry-after: Mon, 02 Mar 2026 08:00:02 GMT"), NOW),
        cell("s599", What::Status(599), NOW),
        cell("drop", What::DropBeforeReply, DOUBT),
        cell("silence", What::Silence, DOUBT),
        cell("garbage", What::Garbage, DOUBT),
        cell("late", What::Late(Duration::from_millis(1_500)), DOUBT),
        cell("in-time", What::Late(Duration::from_millis(100)), "SENT"),
        cell("trickle", What::Trickle, DOUBT),
        cell("trickled-body", What::TrickledBody, "SENT"),
        cell("endless-body", What::EndlessBody, "SENT"),
        cell("huge-headers", What::HugeHeaders, DOUBT),
        cell("endless-header", What::EndlessHeader, DOUBT),
        cell("early-503", What::Early(503), NOW),
        cell("early-200", What::Early(200), "SENT"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cell_of_the_matrix_ends_in_its_documented_state() {
    let cells = cells();
    let mut hooks = Vec::new();
    for cell in &cells {
        let hook = Hook::start().await;
        hook.inject(cell.what.clone());
        hooks.push(hook);
    }
    let all: Vec<&Hook> = hooks.iter().collect();
    let shop = Shop::open_with(MONDAY, |options| calling(options, &all)).await;
    for (cell, hook) in cells.iter().zip(&hooks) {
        webhook(&shop.api, cell.name, &hook.url()).await;
        trigger(&shop.api, cell.name, Event::OrderCreated, cell.name, true).await;
    }
    shop.api.create_many(cells.iter().map(|cell| labelled(cell.name, cell.name)).collect()).await;
    let mut wrong = Vec::new();
    for cell in &cells {
        let id = call_to(&shop.api, cell.name).await.id;
        let call = eventually(cell.name, async || {
            let call = shop.api.message(&id).await;
            (call.attempts == 1 && !matches!(call.state(), State::Claimed | State::Sending)).then_some(call)
        })
        .await;
        let doubts = i32::from(cell.outcome == "UNCERTAIN");
        if (call.state(), outcomes(&call), call.uncertain_count) != (cell.state, vec![cell.outcome], doubts) {
            wrong.push(format!("{}: {:?} {:?}", cell.name, call.state(), call.attempt_log));
        }
        let kept = call.detail.chars().count();
        assert!(kept <= 500, "{}: {kept} characters are kept", cell.name);
        if cell.name.ends_with("-after") {
            let next = call.next_attempt_time.expect("it is tried again").seconds;
            assert!(next >= 1_772_438_402, "{}: not before it was asked for: {next}", cell.name);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    // What was not settled is called again, once, and taken then; nothing else is.
    shop.set(LATER);
    for (cell, hook) in cells.iter().zip(&hooks) {
        let id = call_to(&shop.api, cell.name).await.id;
        let again = matches!(cell.state, State::Ready | State::Uncertain);
        let state = if again { State::Sent } else { cell.state };
        reaches(&shop.api, &id, state, 1 + i32::from(again)).await;
        let whole = usize::from(!cell.name.starts_with("early"));
        assert_eq!(hook.received().len(), whole + usize::from(again), "{}", cell.name);
        assert!(hook.received().iter().all(|call| call.line == "POST /hook HTTP/1.1"), "{}", cell.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_before_anything_was_asked_loses_nothing() {
    for what in [What::AtAccept, What::DropAtAccept] {
        let hook = Hook::start().await;
        let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
        webhook(&shop.api, "erp", &hook.url()).await;
        trigger(&shop.api, "made", Event::OrderCreated, "erp", false).await;
        hook.inject(what.clone());
        shop.api.create(labelled("A-1", "")).await;
        let id = call_to(&shop.api, "erp").await.id;
        let call = eventually("one attempt", async || {
            let call = shop.api.message(&id).await;
            (call.attempts == 1 && call.attempt_log.len() == 1).then_some(call)
        })
        .await;
        // Which of them depends on who was first; each is explained by what was seen.
        assert!(matches!(outcomes(&call)[0], "SENT" | "NOT_SENT" | "UNCERTAIN"), "{what:?}: {call:?}");
        shop.set(LATER);
        eventually("it is told", async || (shop.api.message(&id).await.state() == State::Sent).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_is_asked_for_is_granted_up_to_the_longest_of_a_message() {
    let hook = Hook::start().await;
    hook.inject(What::With(429, "retry-after: 1000000"));
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook]).set("webhooks.retry_max_s", 2)).await;
    webhook(&shop.api, "erp", &hook.url()).await;
    trigger(&shop.api, "made", Event::OrderCreated, "erp", false).await;
    shop.api.create(labelled("A-1", "")).await;
    let id = call_to(&shop.api, "erp").await.id;
    let waiting = reaches(&shop.api, &id, State::Ready, 1).await;
    let next = waiting.next_attempt_time.expect("it is tried again").seconds;
    assert!((1_772_438_402..1_772_438_410).contains(&next), "{next}");
    shop.set(LATER);
    reaches(&shop.api, &id, State::Sent, 2).await;
}

/// Waits until a call says why it waits, untried.
async fn waits_because(api: &Api, id: &str, why: &str) {
    let what = format!("it waits because of: {why}");
    eventually(&what, async || {
        let call = api.message(id).await;
        (call.detail.contains(why) && call.state() == State::Ready).then_some(())
    })
    .await;
    let call = api.message(id).await;
    assert!(call.attempts <= 1 && call.attempt_log.is_empty() && call.uncertain_count == 0, "{call:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_is_down_costs_no_call_an_attempt_until_it_is_given_up() {
    let hook = Hook::start().await;
    let address = hook.address();
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
    webhook(&shop.api, "erp", &hook.url()).await;
    trigger(&shop.api, "made", Event::OrderCreated, "erp", false).await;
    drop(hook);
    shop.api.create_many((0..3).map(|number| labelled(&format!("A-{number}"), "")).collect()).await;
    let ids: Vec<_> = super::calls(&shop.api).await.into_iter().map(|call| call.id).collect();
    waits_because(&shop.api, &ids[0], "connect").await;
    let hook = Hook::start_at(address).await;
    for id in &ids {
        let sent = reaches(&shop.api, id, State::Sent, 1).await;
        assert_eq!(outcomes(&sent), ["SENT"]);
    }
    drop(hook);
    shop.api.create(labelled("B-1", "")).await;
    let queued = super::calls(&shop.api).await;
    let id = queued.into_iter().find(|call| call.order_number == "B-1").expect("a call").id;
    waits_because(&shop.api, &id, "connect").await;
    shop.set("2026-03-08T08:00:00Z");
    let failed = reaches(&shop.api, &id, State::Failed, 0).await;
    assert!(failed.detail.starts_with("given up: "), "{failed:?}");
    // A dead letter that is revived has all its time again.
    let retry = v1::RetryDeliveryRequest { id: id.clone(), ..v1::RetryDeliveryRequest::default() };
    shop.api.deliveries().retry_delivery(retry).await.done();
    let _hook = Hook::start_at(address).await;
    reaches(&shop.api, &id, State::Sent, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_used_up_after_five_days() {
    let hook = Hook::start().await;
    hook.always(What::Status(500));
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
    webhook(&shop.api, "erp", &hook.url()).await;
    trigger(&shop.api, "made", Event::OrderCreated, "erp", false).await;
    shop.api.create(labelled("A-1", "")).await;
    let id = call_to(&shop.api, "erp").await.id;
    reaches(&shop.api, &id, State::Ready, 1).await;
    shop.set("2026-03-07T08:00:30Z");
    let failed = reaches(&shop.api, &id, State::Failed, 2).await;
    assert!(failed.detail.starts_with("attempts used up: 500"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_fails_five_times_in_a_row_is_given_a_rest() {
    let hook = Hook::start().await;
    hook.always(What::Status(500));
    // The rest is a tenth of the pause of a message: 45 seconds and more, longer than this test waits for anything.
    let shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook]).set("webhooks.retry_first_s", 600)).await;
    webhook(&shop.api, "erp", &hook.url()).await;
    trigger(&shop.api, "made", Event::OrderCreated, "erp", false).await;
    shop.api.create_many((0..40).map(|number| labelled(&format!("A-{number}"), "")).collect()).await;
    let tried = "SELECT count(*) FROM outbox WHERE channel = 'WEBHOOK' AND attempts > 0";
    eventually("five failures", async || (shop.database.number(tried).await >= 5).then_some(())).await;
    shop.api.create(labelled("B-1", "")).await;
    eventually("all wait", async || {
        let held = "SELECT count(*) FROM outbox WHERE state IN ('CLAIMED', 'SENDING')";
        (shop.database.number(held).await == 0).then_some(())
    })
    .await;
    let before = hook.received().len();
    // Both lanes may have had one more under way.
    assert!((5..=7).contains(&before), "{before} calls were made");
    // A test call that is taken ends it.
    hook.always(What::Status(200));
    let test = v1::TestWebhookRequest { id: "erp".into() };
    assert_eq!(shop.api.webhooks().test_webhook(test).await.done().outcome, "SENT");
    let untried = "SELECT count(*) FROM outbox WHERE channel = 'WEBHOOK' AND attempts = 0";
    eventually("the others are told", async || (shop.database.number(untried).await == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_must_be_right() {
    let (trusted, stranger, plain) = (Hook::start_tls().await, Hook::start_tls().await, Hook::start().await);
    let folder = crate::support::guard::guard().folder("authorities");
    let authorities = folder.join("ca.pem");
    std::fs::write(&authorities, trusted.certificate()).expect("it can be written");
    let port = |hook: &Hook| hook.port();
    let allow = format!(
        "localhost:{},localhost:{},localhost:{},127.0.0.1:{},127.0.0.0/8,::1",
        port(&trusted),
        port(&stranger),
        port(&plain),
        port(&trusted)
    );
    let shop = Shop::open_with(MONDAY, |options| {
        quick(options).set("webhooks.allow", allow).set("webhooks.ca_file", authorities.display())
    })
    .await;
    let urls = [
        ("trusted", format!("https://localhost:{}/hook", port(&trusted))),
        ("stranger", format!("https://localhost:{}/hook", port(&stranger))),
        ("plain", format!("https://localhost:{}/hook", port(&plain))),
        // The certificate is for the name.
        ("by-address", format!("https://127.0.0.1:{}/hook", port(&trusted))),
    ];
    for (id, url) in &urls {
        webhook(&shop.api, id, url).await;
        trigger(&shop.api, id, Event::OrderCreated, id, true).await;
        shop.api.create(labelled(id, id)).await;
    }
    let id = call_to(&shop.api, "trusted").await.id;
    reaches(&shop.api, &id, State::Sent, 1).await;
    assert_eq!(trusted.received()[0].headers["host"], format!("localhost:{}", port(&trusted)));
    for wrong in ["stranger", "plain", "by-address"] {
        let id = call_to(&shop.api, wrong).await.id;
        waits_because(&shop.api, &id, "TLS: ").await;
    }
    assert!(stranger.received().is_empty() && plain.received().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_into_the_own_network_is_not_called_unless_the_address_is_listed_too() {
    let hook = Hook::start().await;
    let name = format!("localhost:{}", hook.port());
    let only_the_name = |options: Options| quick(options).set("webhooks.allow", &name).set("webhooks.allow_http", true);
    let mut shop = Shop::open_with(MONDAY, only_the_name).await;
    webhook(&shop.api, "erp", &format!("http://{name}/hook")).await;
    trigger(&shop.api, "made", Event::OrderCreated, "erp", false).await;
    shop.api.create(labelled("A-1", "")).await;
    let id = call_to(&shop.api, "erp").await.id;
    waits_because(&shop.api, &id, "a loopback address").await;
    let test = v1::TestWebhookRequest { id: "erp".into() };
    let said = shop.api.webhooks().test_webhook(test).await.done();
    assert_eq!(said.outcome, "TRANSPORT_DOWN");
    assert!(said.reply.contains("a loopback address"), "{said:?}");
    assert_eq!(hook.connections(), 0);
    shop.daemon.terminate(Duration::from_secs(20));
    let both = quick(Options::new().clock(&shop.clock))
        .set("webhooks.allow", format!("{name},127.0.0.1"))
        .set("webhooks.allow_http", true);
    let daemon = crate::support::Daemon::start(&shop.database, both).await;
    reaches(&daemon.api(), &id, State::Sent, 1).await;
    assert_eq!(hook.connections(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_is_allowed_no_more_is_not_called_and_its_messages_wait() {
    let (hook, other) = (Hook::start().await, Hook::start().await);
    let mut shop = Shop::open_with(MONDAY, |options| calling(options, &[&hook])).await;
    webhook(&shop.api, "erp", &hook.url()).await;
    trigger(&shop.api, "made", Event::OrderCreated, "erp", false).await;
    shop.daemon.terminate(Duration::from_secs(20));
    let options = calling(Options::new().clock(&shop.clock), &[&other]);
    let daemon = crate::support::Daemon::start(&shop.database, options).await;
    let api = daemon.api();
    api.create(labelled("A-1", "")).await;
    let id = call_to(&api, "erp").await.id;
    waits_because(&api, &id, "webhooks.allow").await;
    assert_eq!(hook.connections(), 0);
}
