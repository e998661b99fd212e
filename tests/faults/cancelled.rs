//! Callers that go away at any moment.

use std::{sync::Arc, time::Duration};

use andon::grpc::proto::v1;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::support::{
    api::{advance_to, number},
    eventually,
    plant::{Shop, order},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_cancelled_calls_leave_no_open_transaction_and_no_half_done_unit() {
    const CALLS: usize = 2_000;
    const ORDERS: usize = 20;
    let shop = Shop::open("2026-03-02T08:00:00Z").await;
    shop.api.create_many((0..ORDERS).map(|n| order(&format!("A-{n}"))).collect()).await;
    let permits = Arc::new(Semaphore::new(32));
    let mut calls = JoinSet::new();
    for call in 0..CALLS {
        let permit = Arc::clone(&permits).acquire_owned().await.expect("it is not closed");
        let api = shop.api.clone();
        let patience = Duration::from_micros(fastrand::u64(0..8_000));
        calls.spawn(async move {
            let name = format!("A-{}", call % ORDERS);
            let target = ["milling", "checking", "waiting", "planned"][fastrand::usize(..4)];
            let gone = match fastrand::u8(..3) {
                0 => {
                    tokio::time::timeout(patience, api.orders().advance_order(advance_to(&name, target))).await.is_err()
                }
                1 => {
                    let note = v1::AddNoteRequest {
                        order: number(&name),
                        text: format!("note {call}"),
                        ..v1::AddNoteRequest::default()
                    };
                    tokio::time::timeout(patience, api.orders().add_note(note)).await.is_err()
                }
                _ => {
                    let many = v1::AdvanceOrdersRequest {
                        orders: (0..ORDERS).filter_map(|n| number(&format!("A-{n}"))).collect(),
                        advance: advance_to(&name, target).advance,
                        ..v1::AdvanceOrdersRequest::default()
                    };
                    tokio::time::timeout(patience, api.orders().advance_orders(many)).await.is_err()
                }
            };
            drop(permit);
            gone
        });
    }
    let cancelled = calls.join_all().await.into_iter().filter(|gone| *gone).count();
    eprintln!("{cancelled} of {CALLS} calls were cancelled");
    assert!(cancelled > CALLS / 10, "too few calls were cancelled: {cancelled}");
    eventually("no session is idle in a transaction", async || {
        (shop.database.idle_in_transaction().await == 0).then_some(())
    })
    .await;
    for n in 0..ORDERS {
        let name = format!("A-{n}");
        // What was cancelled is still carried out: look when the order has come to rest between two looks.
        let (history, visits) = eventually("the order has come to rest", async || {
            let before = shop.api.history(&name).await;
            let visits = shop.api.visits(&name).await;
            let after = shop.api.history(&name).await;
            (before.len() == after.len()).then_some((after, visits))
        })
        .await;
        let moves = history.iter().filter(|entry| entry.kind() == v1::HistoryKind::Advanced).count();
        assert_eq!(visits.iter().filter(|visit| !visit.skipped).count(), moves + 1, "{name}");
        assert_eq!(visits.iter().filter(|visit| visit.leave_time.is_none()).count(), 1, "{name}");
        assert!(history.iter().map(|entry| entry.sequence).eq(1..=i32::try_from(history.len()).expect("few")));
    }
    assert_eq!(shop.database.idle_in_transaction().await, 0);
}
