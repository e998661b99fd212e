//! Overdue: from the due instant to the received mail, across weekends, holidays and both nights of daylight saving.

use std::time::Duration;

use andon::grpc::proto::v1::{self, Advance};
use chrono::{DateTime, TimeDelta, Utc};

use crate::support::{
    Daemon, Options,
    api::{advance_to, advance_with, date, day, instant},
    clock::at,
    eventually,
    plant::{ANNA, ERIKA, FALLBACK, Shop, order},
    smtp::{Received, SmtpSink},
};

const MONDAY: &str = "2026-03-02T08:00:00Z";
const MAIL_LIMIT: Duration = Duration::from_secs(30);

/// The messages about one order, as address and kind.
async fn told(shop: &Shop, number: &str) -> Vec<(String, String)> {
    let messages = shop.api.messages().await.into_iter().filter(|message| message.order_number == number);
    let mut told: Vec<_> = messages.map(|message| (message.address, message.kind)).collect();
    told.sort();
    told
}

fn overdue_to(addresses: &[&str]) -> Vec<(String, String)> {
    addresses.iter().map(|address| ((*address).to_owned(), "OVERDUE".to_owned())).collect()
}

/// One walk: an order is made at `made`, perhaps given a due date by hand, and goes overdue at `due`.
async fn walk(made: &str, by_hand: Option<&str>, due_day: &str, due: &str) {
    let sink = SmtpSink::start().await;
    let shop = Shop::open_with(made, |options| options.relay(sink.address().port())).await;
    let due: DateTime<Utc> = at(due);
    shop.api.create(order("A-1")).await;
    let mut status = "Planned";
    if let Some(by_hand) = by_hand {
        status = "Milling";
        shop.api.advance(advance_with("A-1", Advance { due_date: date(by_hand), ..Advance::default() })).await;
    }
    let visit = shop.api.get("A-1").await.visit.expect("a visit");
    assert_eq!((day(visit.due_date), instant(visit.due_time)), (due_day.to_owned(), due));

    shop.clock.set(due - TimeDelta::microseconds(1));
    assert!(!shop.api.get("A-1").await.overdue);
    assert!(!shop.api.overdue().await.contains(&"A-1".to_owned()));
    shop.a_sweep_passes().await;
    assert_eq!(told(&shop, "A-1").await, []);

    shop.clock.set(due);
    let late = shop.api.get("A-1").await;
    assert!(late.overdue && late.visit.as_ref().is_some_and(|visit| visit.overdue));
    assert!(shop.api.overdue().await.contains(&"A-1".to_owned()));
    eventually("the alert is queued", async || (!told(&shop, "A-1").await.is_empty()).then_some(())).await;
    assert_eq!(told(&shop, "A-1").await, overdue_to(&[ANNA, ERIKA]));

    shop.clock.set(due + TimeDelta::microseconds(1));
    assert!(shop.api.get("A-1").await.overdue);
    shop.a_sweep_passes().await;
    assert_eq!(told(&shop, "A-1").await, overdue_to(&[ANNA, ERIKA]), "a second tick does nothing");
    let entry = shop.api.history("A-1").await.pop().expect("an entry");
    assert_eq!((entry.kind(), instant(entry.time), entry.messages.len()), (v1::HistoryKind::Overdue, due, 2));

    // Two messages about the order, and one for each of the four canaries.
    let received = sink.wait_for(6, MAIL_LIMIT).await;
    for address in [ANNA, ERIKA] {
        let mails: Vec<&Received> = received.iter().filter(|mail| mail.to == address).collect();
        assert_eq!(mails.len(), 1, "{address}");
        let text = String::from_utf8_lossy(&mails[0].message).into_owned();
        assert!(text.contains("A-1") && text.contains(status), "{text}");
        assert!(text.contains("\r\nMessage-ID: <") && text.contains("\r\nAuto-Submitted: "), "{text}");
    }
    assert_eq!(received.iter().filter(|mail| mail.to == FALLBACK).count(), 4);
    eventually("the record says so", async || {
        let mut about = shop.api.messages().await.into_iter().filter(|message| message.order_number == "A-1");
        about.all(|message| message.state() == v1::DeliveryState::Sent).then_some(())
    })
    .await;
    for queued in entry.messages {
        let sent = shop.api.message(&queued.delivery).await;
        assert!(received.iter().any(|mail| mail.message == sent.message), "what is kept is what was sent");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_due_date_over_a_weekend_is_missed_at_the_first_instant_of_the_day_after() {
    walk("2026-03-06T15:00:00Z", None, "2026-03-09", "2026-03-09T23:00:00Z").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holiday_does_not_count() {
    walk("2026-04-03T09:00:00Z", None, "2026-04-07", "2026-04-07T22:00:00Z").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_night_clocks_go_forward_is_passed_in_a_weekend() {
    walk("2026-03-27T09:00:00Z", None, "2026-03-30", "2026-03-30T22:00:00Z").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_day_clocks_go_forward_has_23_hours() {
    walk("2026-03-28T22:00:00Z", Some("2026-03-29"), "2026-03-29", "2026-03-29T22:00:00Z").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_night_clocks_go_back_is_passed_in_a_weekend() {
    walk("2026-10-23T09:00:00Z", None, "2026-10-26", "2026-10-26T23:00:00Z").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_day_clocks_go_back_has_25_hours() {
    walk("2026-10-24T21:00:00Z", Some("2026-10-25"), "2026-10-25", "2026-10-25T23:00:00Z").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fallback_is_told_when_nobody_is_left() {
    let shop = Shop::open(MONDAY).await;
    let to = |number: &str, user: &str, department: &str| v1::NewOrder {
        assigned_user: user.into(),
        assigned_department: department.into(),
        ..order(number)
    };
    let orders =
        vec![to("A-1", "", ""), to("A-2", "", "quality"), to("A-3", "nomail", "store"), to("A-4", "erika", "workshop")];
    shop.api.create_many(orders).await;
    shop.set("2026-03-03T23:00:00Z");
    eventually("all are told of", async || (shop.api.messages().await.len() == 4).then_some(())).await;
    for number in ["A-1", "A-2", "A-3"] {
        assert_eq!(told(&shop, number).await, overdue_to(&[FALLBACK]), "{number}");
    }
    assert_eq!(told(&shop, "A-4").await, overdue_to(&[ERIKA]), "assignee and manager are one person");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_due_date_that_is_missed_alerts_again() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    shop.set("2026-03-03T23:00:00Z");
    eventually("the first alert", async || (told(&shop, "A-1").await.len() == 2).then_some(())).await;
    let moved = Advance { due_date: date("2026-03-04"), ..Advance::default() };
    let (after, _) = shop.api.advance(advance_with("A-1", moved)).await;
    assert!(!after.overdue);
    shop.a_sweep_passes().await;
    assert_eq!(told(&shop, "A-1").await.len(), 2);
    shop.set("2026-03-04T23:00:00Z");
    eventually("the second alert", async || (told(&shop, "A-1").await.len() == 4).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_closed_or_on_hold_does_not_alert() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create_many(["A-1", "A-2", "A-3", "A-4"].map(order).into()).await;
    shop.api.advance(advance_to("A-1", "cancelled")).await;
    shop.api.advance(advance_to("A-2", "shipped")).await;
    let hold = Advance { target_status: "on-hold".into(), not_complete: true, ..Advance::default() };
    shop.api.advance(advance_with("A-3", hold)).await;
    shop.set("2026-03-20T23:00:00Z");
    eventually("the open order alerts", async || (!told(&shop, "A-4").await.is_empty()).then_some(())).await;
    shop.a_sweep_passes().await;
    for number in ["A-1", "A-2", "A-3"] {
        assert_eq!(told(&shop, number).await, [], "{number}");
    }
    let mut overdue = shop.api.overdue().await;
    overdue.retain(|number| !number.starts_with("canary"));
    assert_eq!(overdue, ["A-4"]);
    assert_eq!(shop.api.get("A-4").await.days_late, 13);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_that_tick_together_alert_once_each() {
    let sink = SmtpSink::start().await;
    let relay = sink.address().port();
    let shop =
        Shop::open_with(MONDAY, |options| options.relay(relay).no_storm_brake().set("alerts.sweep_batch", 7)).await;
    let options = Options::new().clock(&shop.clock).relay(relay).no_storm_brake().set("alerts.sweep_batch", 7);
    let _other = Daemon::start(&shop.database, options).await;
    shop.api.create_many((0..100).map(|n| order(&format!("A-{n:03}"))).collect()).await;
    shop.set("2026-03-03T23:00:00Z");
    let received = sink.wait_for(200, MAIL_LIMIT).await;
    shop.a_sweep_passes().await;
    sink.wait_for(202, MAIL_LIMIT).await;
    let mut messages: Vec<_> = received.iter().map(|mail| &mail.message).collect();
    messages.sort();
    messages.dedup();
    assert_eq!(messages.len(), 200, "no message came twice");
    for n in 0..100 {
        assert_eq!(told(&shop, &format!("A-{n:03}")).await, overdue_to(&[ANNA, ERIKA]));
    }
    assert_eq!(sink.messages().len(), 202);
}
