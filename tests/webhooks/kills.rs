//! Kill points: a daemon that ends in the middle of a call loses none, and every extra copy is explained.

use std::time::Duration;

use andon::grpc::proto::v1::{DeliveryState as State, TriggerEvent as Event};

use super::{MONDAY, calling, calls, labelled, trigger, webhook};
use crate::support::{Daemon, Database, Options, TestClock, http::Hook, plant::seed, within};

const LIMIT: Duration = Duration::from_secs(40);

/// Kills a daemon at this place; the next one makes the call. Copies that came, and doubts that are recorded.
async fn made_after(point: &str) -> (usize, i32) {
    let clock = TestClock::standing_at(MONDAY);
    let database = Database::create();
    let hook = Hook::start().await;
    let options = calling(Options::new().clock(&clock), &[&hook]);
    let mut daemon = Daemon::start(&database, options.clone()).await;
    let api = daemon.api();
    seed(&api).await;
    webhook(&api, "erp", &hook.url()).await;
    trigger(&api, "made", Event::OrderCreated, "erp", false).await;
    daemon.kill9();
    // Webhooks are off for this one: it only takes the order.
    let mut daemon = Daemon::start(&database, Options::new().clock(&clock)).await;
    daemon.api().create(labelled("A-1", "")).await;
    daemon.kill9();
    let mut doomed = Daemon::launch(&database, options.clone().kill_point(point));
    let ended = tokio::task::block_in_place(|| doomed.wait_for_end(LIMIT));
    assert!(!ended.success(), "{point}: the daemon ended well");
    let daemon = Daemon::start(&database, options).await;
    let call = within(LIMIT, "the call is made", async || {
        let call = calls(&daemon.api()).await.pop().expect("a call");
        (call.state() == State::Sent).then_some(call)
    })
    .await;
    let received = hook.received();
    assert!(!received.is_empty(), "{point}: a call is lost");
    for copy in &received {
        assert_eq!((&copy.body, &copy.headers["webhook-id"]), (&received[0].body, &call.id), "{point}");
    }
    (received.len(), call.uncertain_count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_the_claim_costs_nothing() {
    assert_eq!(made_after("call-after-claim").await, (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_before_the_call_leaves_a_doubt_and_no_copy() {
    assert_eq!(made_after("call-before-send").await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_the_call_leaves_a_doubt_and_a_copy_that_it_explains() {
    assert_eq!(made_after("call-after-send").await, (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_the_settling_costs_nothing() {
    assert_eq!(made_after("call-after-settle").await, (1, 0));
}
