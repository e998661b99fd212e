//! Kill points: the daemon ends at each named place, and the next one takes up what it left.

use std::time::Duration;

use andon::grpc::proto::v1::{self, DeliveryState as State};
use tonic::Code;

use super::load::message_id;
use crate::support::{
    Daemon, Database, Expect as _, Options, TestClock,
    api::advance,
    plant::{order, seed},
    smtp::SmtpSink,
    within,
};

const MONDAY: &str = "2026-03-02T08:00:00Z";
/// The due time of an order made on that Monday.
const DUE: &str = "2026-03-03T23:00:00Z";
const LIMIT: Duration = Duration::from_secs(40);

/// A seeded database with one order, and nobody at work.
async fn left_alone(clock: &TestClock) -> Database {
    let database = Database::create();
    let mut daemon = Daemon::start(&database, Options::new().clock(clock)).await;
    let api = daemon.api();
    seed(&api).await;
    api.create(order("A-1")).await;
    daemon.kill9();
    database
}

fn killed_at(database: &Database, options: Options, point: &str) {
    let mut daemon = Daemon::launch(database, options.kill_point(point));
    let ended = tokio::task::block_in_place(|| daemon.wait_for_end(LIMIT));
    assert!(!ended.success(), "{point}: the daemon ended well");
}

/// Kills a daemon while it sweeps or sends; the next daemon sends both alerts. Extra copies and uncertain records.
async fn overdue_after(point: &str) -> (usize, i32) {
    let clock = TestClock::standing_at(MONDAY);
    let database = left_alone(&clock).await;
    let sink = SmtpSink::start().await;
    let options = Options::new().clock(&clock).relay(sink.address().port()).quick_mail();
    clock.set(DUE.parse().expect("a valid instant"));
    killed_at(&database, options.clone(), point);
    let daemon = Daemon::start(&database, options).await;
    let messages = within(LIMIT, "both alerts are sent", async || {
        let messages = daemon.api().messages().await;
        (messages.len() == 2 && messages.iter().all(|message| message.state() == State::Sent)).then_some(messages)
    })
    .await;
    let received: Vec<_> = sink.messages().into_iter().filter(|mail| mail.accepted).collect();
    let mut extra = 0;
    for message in &messages {
        let copies: Vec<_> = received.iter().filter(|mail| message_id(&mail.message) == message.message_id).collect();
        assert!(!copies.is_empty(), "{point}: a message is lost");
        assert!(copies.iter().all(|copy| copy.message == copies[0].message), "{point}: a copy differs");
        let more = copies.len() - 1;
        assert!(i32::try_from(more).is_ok_and(|more| more <= message.uncertain_count), "{point}: an unexplained copy");
        extra += more;
    }
    let history = daemon.api().history("A-1").await;
    let alerts = history.iter().filter(|entry| entry.kind() == v1::HistoryKind::Overdue).count();
    assert_eq!(alerts, 1, "{point}");
    (extra, messages.iter().map(|message| message.uncertain_count).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_sweep_leaves_it_to_the_next() {
    for point in ["sweep-before-write", "sweep-before-commit", "sweep-after-commit"] {
        assert_eq!(overdue_after(point).await, (0, 0), "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_the_claim_costs_nothing() {
    assert_eq!(overdue_after("dispatch-after-claim").await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_before_the_sending_leaves_a_doubt_and_no_copy() {
    assert_eq!(overdue_after("dispatch-before-send").await, (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_the_sending_leaves_a_doubt_and_a_copy_that_it_explains() {
    assert_eq!(overdue_after("dispatch-after-send").await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_the_settling_costs_nothing() {
    assert_eq!(overdue_after("dispatch-after-settle").await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_around_the_write_is_repaired_by_the_same_request_id() {
    for (point, written) in [("write-before", 0), ("write-after", 1)] {
        let clock = TestClock::standing_at(MONDAY);
        let database = left_alone(&clock).await;
        let options = Options::new().clock(&clock);
        let mut doomed = Daemon::start(&database, options.clone().kill_point(point)).await;
        let request = v1::AdvanceOrderRequest { request_id: "r".into(), ..advance("A-1") };
        let lost = doomed.api().orders().advance_order(request.clone()).await.refused();
        assert!(matches!(lost.code, Code::Unavailable | Code::Unknown | Code::Cancelled), "{point}: {lost:?}");
        let ended = tokio::task::block_in_place(|| doomed.wait_for_end(LIMIT));
        assert!(!ended.success());
        let daemon = Daemon::start(&database, options).await;
        assert_eq!(daemon.api().visits("A-1").await.len(), 1 + written, "{point}");
        let (after, _) = daemon.api().advance(request).await;
        assert_eq!(after.visit.expect("a visit").status, "milling");
        assert_eq!(daemon.api().history("A-1").await.len(), 2, "{point}: one step, whatever happened");
    }
}
