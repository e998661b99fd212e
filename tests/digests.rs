//! Digests: when a person is told, what one message tells, and what nobody is told twice.

use std::{process::Command as Program, time::Duration};

use andon::grpc::proto::v1::{self, AlertPace as Pace, DeliveryState as State};
use prost_types::FieldMask;
use tonic::Code;

use crate::support::{
    Daemon, Database, Expect as _, Options, TestClock,
    api::{advance_with, date, instant, number},
    clock::at,
    eventually,
    plant::{ANNA, ERIKA, FALLBACK, JOB, Shop, order, seed},
    smtp::{Command, Fault, SmtpSink, What},
};

const MONDAY: &str = "2026-03-02T08:00:00Z";
/// An order that is made on Monday is overdue from here on.
const OVERDUE: &str = "2026-03-03T23:00:00Z";
/// The morning after, 07:00 in Vienna.
const MORNING: &str = "2026-03-04T06:00:00Z";
const MAIL_LIMIT: Duration = Duration::from_secs(30);

fn mask(paths: &[&str]) -> FieldMask {
    FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }
}

fn prefers(user: &str, alerts: v1::AlertPreferences, paths: &[&str]) -> v1::UpdateUserRequest {
    let user = v1::User { id: user.into(), alerts: Some(alerts), ..v1::User::default() };
    v1::UpdateUserRequest { user: Some(user), update_mask: Some(mask(paths)), ..v1::UpdateUserRequest::default() }
}

fn digests() -> v1::AlertPreferences {
    v1::AlertPreferences { pace: Pace::Digest.into(), ..v1::AlertPreferences::default() }
}

/// All messages of a user in digests, at 07:00.
async fn gathers(shop: &Shop, user: &str) {
    shop.api.people().update_user(prefers(user, digests(), &["alerts"])).await.done();
}

/// A shop with a relay, where Anna gets digests and Erika does not.
async fn shop_with_sink() -> (SmtpSink, Shop) {
    let sink = SmtpSink::start().await;
    let shop = Shop::open_with(MONDAY, |options| options.relay(sink.address().port()).quick_mail()).await;
    gathers(&shop, "anna").await;
    (sink, shop)
}

/// The messages to an address, oldest first.
async fn to(shop: &Shop, address: &str) -> Vec<v1::Delivery> {
    shop.api.messages().await.into_iter().filter(|message| message.address == address).collect()
}

fn in_state(messages: &[v1::Delivery], state: State) -> usize {
    messages.iter().filter(|message| message.state() == state).count()
}

/// The digests of an address that were sent.
async fn sent_digests(shop: &Shop, address: &str) -> Vec<v1::Delivery> {
    let sent = |it: &v1::Delivery| it.kind == "DIGEST" && it.state() == State::Sent;
    to(shop, address).await.into_iter().filter(sent).collect()
}

/// The plain text of the latest digest to an address, as it was sent.
async fn text_of_last(shop: &Shop, address: &str) -> String {
    let digest = sent_digests(shop, address).await.pop().expect("a digest");
    let message = String::from_utf8_lossy(&shop.api.message(&digest.id).await.message).into_owned();
    message.split("text/html").next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_chooses_how_to_be_told() {
    let shop = Shop::open(MONDAY).await;
    let get = async || {
        let request = v1::GetUserRequest { id: "anna".into() };
        shop.api.people().get_user(request).await.done().user.and_then(|user| user.alerts).expect("preferences")
    };
    let nothing = v1::AlertPreferences { pace: Pace::Immediate.into(), ..v1::AlertPreferences::default() };
    assert_eq!(get().await, nothing);
    let chosen = v1::AlertPreferences {
        pace: Pace::Digest.into(),
        paces: [("OVERDUE".into(), Pace::Immediate.into()), ("NOTE_ADDED".into(), Pace::Digest.into())].into(),
        digest_minutes: vec![0, 930, 1439],
        calendar: "vienna".into(),
        skip_own: true,
    };
    shop.api.people().update_user(prefers("anna", chosen.clone(), &["alerts"])).await.done();
    assert_eq!(get().await, chosen);
    let part = v1::AlertPreferences { digest_minutes: vec![420], ..nothing.clone() };
    shop.api.people().update_user(prefers("anna", part, &["alerts.digest_minutes"])).await.done();
    assert_eq!(get().await, v1::AlertPreferences { digest_minutes: vec![420], ..chosen });

    let wrong = v1::AlertPreferences {
        pace: 9,
        paces: [("LUNCH".into(), Pace::Digest.into()), ("DIGEST".into(), 1), ("STALE".into(), 7)].into(),
        digest_minutes: vec![5, 5, 1440],
        ..v1::AlertPreferences::default()
    };
    let mut fields = shop.api.people().update_user(prefers("anna", wrong, &["alerts"])).await.refused().fields;
    fields.sort();
    let expected = ["digest_minutes[1]", "digest_minutes[2]", "pace", "paces[DIGEST]", "paces[LUNCH]", "paces[STALE]"];
    assert_eq!(fields, expected.map(|field| format!("user.alerts.{field}")));
    let nowhere = v1::AlertPreferences { calendar: "moon".into(), ..nothing };
    let refused = shop.api.people().update_user(prefers("anna", nowhere, &["alerts"])).await.refused();
    assert_eq!((refused.why(), refused.metadata["kind"].as_str()), ((Code::NotFound, "NOT_FOUND"), "calendar"));
}

/// One walk: Anna wants a digest at a time of day; an order is made, perhaps given a due date by hand, goes overdue, and waits.
async fn walk(made: &str, minute: i32, every_day: bool, by_hand: Option<&str>, due: &str, told: &str, next: &str) {
    let sink = SmtpSink::start().await;
    let shop = Shop::open_with(made, |options| options.relay(sink.address().port())).await;
    let mut calendar = "vienna";
    if every_day {
        calendar = "always";
        let open = v1::DayHours { open: true, intervals: Vec::new() };
        let calendar = v1::Calendar {
            id: calendar.into(),
            name: "Always".into(),
            zone: "UTC".into(),
            week: vec![open; 7],
            ..v1::Calendar::default()
        };
        let request = v1::CreateCalendarRequest { calendar: Some(calendar), ..v1::CreateCalendarRequest::default() };
        shop.api.calendars().create_calendar(request).await.done();
    }
    let alerts = v1::AlertPreferences { digest_minutes: vec![minute], calendar: calendar.into(), ..digests() };
    let mut request = prefers("anna", alerts, &["alerts", "zone"]);
    request.user.as_mut().expect("a user").zone = "Europe/Vienna".into();
    shop.api.people().update_user(request).await.done();
    shop.api.create(order("A-1")).await;
    if let Some(by_hand) = by_hand {
        shop.api.advance(advance_with("A-1", v1::Advance { due_date: date(by_hand), ..v1::Advance::default() })).await;
    }
    shop.clock.set(at(due));
    let waiting = eventually("the message waits", async || to(&shop, ANNA).await.pop()).await;
    assert_eq!((waiting.state(), waiting.kind.as_str()), (State::Gathered, "OVERDUE"));
    assert_eq!(instant(waiting.next_attempt_time), at(told));
    shop.clock.set(at(told) - chrono::TimeDelta::microseconds(1));
    shop.a_sweep_passes().await;
    assert_eq!(to(&shop, ANNA).await, std::slice::from_ref(&waiting));

    shop.clock.set(at(told));
    let digest = eventually("the digest is sent", async || sent_digests(&shop, ANNA).await.pop()).await;
    assert_eq!((digest.user.as_str(), digest.order_number.as_str()), ("anna", "A-1"));
    let folded = shop.api.message(&waiting.id).await;
    assert_eq!((folded.state(), folded.digest.as_str()), (State::Folded, digest.id.as_str()));
    let mails = sink.messages();
    let mails: Vec<_> = mails.iter().filter(|mail| mail.to == ANNA).collect();
    assert_eq!(mails.len(), 1);
    assert!(String::from_utf8_lossy(&mails[0].message).contains("A-1"));

    shop.clock.set(at(next) - chrono::TimeDelta::microseconds(1));
    shop.a_sweep_passes().await;
    assert_eq!(sent_digests(&shop, ANNA).await.len(), 1, "nothing before the next open day");
    shop.clock.set(at(next));
    eventually("it is worse", async || (sent_digests(&shop, ANNA).await.len() == 2).then_some(())).await;
    assert_eq!(shop.database.number(MARKS_WORSE).await, 1);
}

const MARKS_WORSE: &str = "SELECT count(*) FROM deliveries WHERE kind = 'DIGEST' AND facts::text LIKE '%\"WORSE\"%'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_waits_for_the_next_open_day_over_a_weekend_and_a_holiday() {
    // Good Friday counts, Easter Monday does not.
    let (due, told, next) = ("2026-04-03T22:00:00Z", "2026-04-07T05:00:00Z", "2026-04-08T05:00:00Z");
    walk("2026-04-02T09:00:00Z", 420, false, None, due, told, next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_at_a_time_that_clocks_skip_comes_when_they_have_gone_forward() {
    let (due, told, next) = ("2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    walk("2026-03-27T22:00:00Z", 150, true, Some("2026-03-28"), due, told, next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_at_a_time_that_comes_twice_comes_once() {
    let (due, told, next) = ("2026-10-24T22:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
    walk("2026-10-23T20:00:00Z", 150, true, Some("2026-10-24"), due, told, next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_tells_what_is_new_worse_recovered_and_acknowledged_and_nothing_when_there_is_nothing() {
    let (sink, shop) = shop_with_sink().await;
    shop.api.create_many(["A-1", "A-2", "A-3", "A-4"].map(order).into()).await;
    shop.set(OVERDUE);
    eventually("all wait", async || (in_state(&to(&shop, ANNA).await, State::Gathered) == 4).then_some(())).await;
    let in_time = |number| advance_with(number, v1::Advance { due_date: date("2026-03-20"), ..v1::Advance::default() });
    // One moves on before anybody is told.
    shop.api.advance(in_time("A-4")).await;
    shop.set(MORNING);
    let first = eventually("the first digest", async || sent_digests(&shop, ANNA).await.pop()).await;
    let messages = to(&shop, ANNA).await;
    assert_eq!((in_state(&messages, State::Folded), in_state(&messages, State::Withdrawn)), (3, 1));
    assert!(messages.iter().filter(|it| it.state() == State::Folded).all(|it| it.digest == first.id));
    let text = text_of_last(&shop, ANNA).await;
    assert!(["A-1", "A-2", "A-3"].iter().all(|number| text.contains(&format!("[NEW] {number} "))), "{text}");

    // The same morning again: nothing is new.
    shop.set("2026-03-04T22:59:59Z");
    shop.a_sweep_passes().await;
    assert_eq!(sent_digests(&shop, ANNA).await.len(), 1);

    shop.api.advance(in_time("A-2")).await;
    let seen = v1::AcknowledgeOrderRequest {
        order: number("A-3"),
        note: "Supplier is late".into(),
        on_behalf_of: "erika".into(),
        ..v1::AcknowledgeOrderRequest::default()
    };
    shop.api.orders().acknowledge_order(seen).await.done();
    shop.set("2026-03-05T06:00:00Z");
    eventually("the second digest", async || (sent_digests(&shop, ANNA).await.len() == 2).then_some(())).await;
    let text = text_of_last(&shop, ANNA).await;
    for part in ["[WORSE] A-1 Flange: 2 days late", "[RECOVERED] A-2 ", "[ACKNOWLEDGED] A-3 ", "Supplier is late"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("[NEW]") && !text.contains("A-4"), "{text}");

    // The one that was acknowledged is only counted. A-2 is in time, and over; so is A-1 now.
    shop.api.advance(in_time("A-1")).await;
    shop.set("2026-03-06T06:00:00Z");
    eventually("the third digest", async || (sent_digests(&shop, ANNA).await.len() == 3).then_some(())).await;
    let text = text_of_last(&shop, ANNA).await;
    assert!(text.contains("[RECOVERED] A-1 ") && text.contains("1 other order is overdue as before"), "{text}");
    assert!(!text.contains("A-2") && !text.contains("A-3"), "{text}");
    assert_eq!(sink.messages().iter().filter(|mail| mail.to == ANNA).count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_that_gather_together_make_one_digest_for_each_person() {
    let (sink, shop) = shop_with_sink().await;
    gathers(&shop, "erika").await;
    let options = Options::new().clock(&shop.clock).relay(sink.address().port()).quick_mail();
    let _other = Daemon::start(&shop.database, options).await;
    shop.api.create_many((0..50).map(|n| order(&format!("A-{n:02}"))).collect()).await;
    shop.set(OVERDUE);
    eventually("all wait", async || {
        (shop.database.number("SELECT count(*) FROM outbox WHERE state = 'GATHERED'").await == 100).then_some(())
    })
    .await;
    shop.set(MORNING);
    sink.wait_for(2, MAIL_LIMIT).await;
    shop.a_sweep_passes().await;
    for address in [ANNA, ERIKA] {
        let digest = eventually("it is sent", async || sent_digests(&shop, address).await.pop()).await;
        let messages = to(&shop, address).await;
        assert_eq!((messages.len(), in_state(&messages, State::Folded)), (51, 50));
        assert!(messages.iter().all(|it| it.id == digest.id || it.digest == digest.id));
        assert_eq!(sink.messages().iter().filter(|mail| mail.to == address).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_whose_daemon_is_killed_is_told_once() {
    for (point, made) in [("digest-before-commit", 0), ("digest-after-commit", 1)] {
        let sink = SmtpSink::start().await;
        let relay = sink.address().port();
        let clock = TestClock::standing_at(MONDAY);
        let database = Database::create();
        let options = || Options::new().clock(&clock).relay(relay).quick_mail();
        let mut doomed = Daemon::start(&database, options().kill_point(point)).await;
        seed(&doomed.api()).await;
        doomed.api().people().update_user(prefers("anna", digests(), &["alerts"])).await.done();
        doomed.api().create_many((0..5).map(|n| order(&format!("A-{n}"))).collect()).await;
        clock.set(at(OVERDUE));
        eventually("all wait", async || {
            (database.number("SELECT count(*) FROM outbox WHERE state = 'GATHERED'").await == 5).then_some(())
        })
        .await;
        clock.set(at(MORNING));
        let ended = tokio::task::block_in_place(|| doomed.wait_for_end(MAIL_LIMIT));
        assert!(!ended.success());
        // Erika, who is told at once, may have been late for her mails when the clock moved on: those are another digest.
        let digests = "SELECT count(*) FROM outbox WHERE kind = 'DIGEST' AND user_id = 'anna'";
        assert_eq!(database.number(digests).await, made, "{point}");
        let daemon = Daemon::start(&database, options()).await;
        eventually("the digest is sent", async || {
            let sent = |it: &v1::Delivery| it.kind == "DIGEST" && it.address == ANNA && it.state() == State::Sent;
            daemon.api().messages().await.iter().any(sent).then_some(())
        })
        .await;
        let mut messages = daemon.api().messages().await;
        messages.retain(|it| it.address == ANNA);
        assert_eq!(messages.iter().filter(|it| it.kind == "DIGEST").count(), 1, "{point}");
        assert_eq!(in_state(&messages, State::Folded), 5, "{point}");
        assert_eq!(sink.messages().iter().filter(|mail| mail.to == ANNA).count(), 1, "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_is_one_digest_at_its_end_and_everything_is_accounted_for() {
    let sink = SmtpSink::start().await;
    let relay = sink.address().port();
    let shop = Shop::open_with(MONDAY, |options| options.relay(relay).quick_mail()).await;
    let orders = (0..300).map(|n| v1::NewOrder { assigned_department: String::new(), ..order(&format!("A-{n:03}")) });
    shop.api.create_many(orders.collect()).await;
    shop.set(OVERDUE);
    eventually("nothing is ready any more", async || {
        let count = "SELECT count(*) FROM outbox WHERE state <> 'GATHERED'";
        let alerts = "SELECT count(*) FROM alerts";
        (shop.database.number(alerts).await == 300 && shop.database.number(count).await == 0).then_some(())
    })
    .await;
    let single = in_state(&to(&shop, ANNA).await, State::Sent);
    assert!(single <= 20, "{single} went out by themselves");
    // The window is ten minutes from the first message.
    shop.set("2026-03-03T23:10:00Z");
    let digest = eventually("the digest is sent", async || sent_digests(&shop, ANNA).await.pop()).await;
    let messages = to(&shop, ANNA).await;
    assert_eq!((messages.len(), in_state(&messages, State::Folded)), (301, 300 - single));
    let request =
        v1::ListDeliveriesRequest { states: vec![State::Folded.into()], page_size: 500, ..Default::default() };
    let folded = shop.api.deliveries().list_deliveries(request).await.done().deliveries;
    assert!(folded.iter().all(|it| it.digest == digest.id));
    assert_eq!(sink.messages().len(), single + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_was_down_for_days_leaves_one_digest_for_each_person() {
    let (sink, shop) = shop_with_sink().await;
    sink.inject(Fault::always(Command::Greeting, What::Drop));
    let mut made = 0;
    for day in ["2026-03-03", "2026-03-04", "2026-03-05"] {
        let orders = (0..10).map(|n| order(&format!("{day}-{n}"))).collect();
        shop.api.create_many(orders).await;
        made += 10;
        // Overdue in the night after the next day; the clock goes on by quarters of an hour where something happens.
        for time in ["06:00:00", "12:00:00", "22:00:00", "23:00:00", "23:30:00"] {
            shop.set(&format!("{day}T{time}Z"));
            shop.a_sweep_passes().await;
        }
    }
    shop.set("2026-03-10T06:00:00Z");
    shop.a_sweep_passes().await;
    let alerts = "SELECT count(*) FROM alerts a JOIN orders o ON o.id = a.order_id WHERE o.number NOT LIKE 'canary%'";
    eventually("all are overdue", async || (shop.database.number(alerts).await == made).then_some(())).await;
    assert!(sink.messages().is_empty());
    sink.heal();
    for address in [ANNA, ERIKA] {
        eventually("the digest is sent", async || sent_digests(&shop, address).await.pop()).await;
        eventually("nothing waits", async || {
            let messages = to(&shop, address).await;
            messages
                .iter()
                .all(|it| !matches!(it.state(), State::Ready | State::Claimed | State::Sending))
                .then_some(())
        })
        .await;
        let messages = to(&shop, address).await;
        let digest = sent_digests(&shop, address).await.pop().expect("one");
        assert_eq!(sink.messages().iter().filter(|mail| mail.to == address).count(), 1, "{address}");
        let told: Vec<_> = messages.iter().filter(|it| it.kind == "OVERDUE").collect();
        assert_eq!(told.len(), 30, "{address}");
        assert!(told.iter().all(|it| it.state() == State::Folded && it.digest == digest.id), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_overdue_while_no_daemon_ran_is_told_in_one_digest() {
    let sink = SmtpSink::start().await;
    let relay = sink.address().port();
    let mut shop = Shop::open_with(MONDAY, |options| options.relay(relay).set("alerts.sweep_batch", 7)).await;
    let orders = (0..30).map(|n| order(&format!("A-{n:02}"))).collect();
    shop.api.create_many(orders).await;
    let alone = v1::NewOrder { assigned_user: "erika".into(), assigned_department: "store".into(), ..order("B-1") };
    let other = v1::NewOrder { number: "B-2".into(), assigned_user: String::new(), ..alone.clone() };
    shop.api.create_many(vec![other]).await;
    shop.daemon.kill9();
    // Hours later.
    shop.set("2026-03-04T09:00:00Z");
    let options = || Options::new().clock(&shop.clock).relay(relay).set("alerts.sweep_batch", 7);
    let daemon = Daemon::start(&shop.database, options()).await;
    let _second = Daemon::start(&shop.database, options()).await;
    shop.api = daemon.api();
    let received = sink.wait_for(3, MAIL_LIMIT).await;
    shop.a_sweep_passes().await;
    let mut told: Vec<_> = received.iter().map(|mail| mail.to.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, [ANNA, ERIKA, FALLBACK], "one message for each");
    for (address, folded) in [(ANNA, 30), (ERIKA, 30)] {
        let messages = to(&shop, address).await;
        assert_eq!((messages.len(), in_state(&messages, State::Folded)), (folded + 1, folded), "{address}");
    }
    let last: Vec<_> = to(&shop, FALLBACK).await.into_iter().filter(|it| it.order_number == "B-2").collect();
    assert_eq!((last.len(), last[0].kind.as_str()), (1, "OVERDUE"), "a single one is sent as it is");
    assert_eq!(shop.api.get("A-00").await.order_type, JOB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_waits_is_taken_back_and_one_that_was_sent_is_not() {
    let (sink, shop) = shop_with_sink().await;
    shop.api.create_many(["A-1", "A-2"].map(order).into()).await;
    shop.set(OVERDUE);
    eventually("both wait", async || (in_state(&to(&shop, ANNA).await, State::Gathered) == 2).then_some(())).await;
    let first = to(&shop, ANNA).await.remove(0);
    let cancel = |id: &str| v1::CancelDeliveryRequest { id: id.into(), ..v1::CancelDeliveryRequest::default() };
    let cancelled = async |request: v1::CancelDeliveryRequest| {
        shop.api.deliveries().cancel_delivery(request).await.done().delivery.expect("an answer has the message")
    };
    let with_reason =
        v1::CancelDeliveryRequest { reason: "a test order".into(), request_id: "r".into(), ..cancel(&first.id) };
    let preview = v1::CancelDeliveryRequest { validate_only: true, ..with_reason.clone() };
    assert_eq!(cancelled(preview).await.state(), State::Gathered);
    for _ in 0..2 {
        let after = cancelled(with_reason.clone()).await;
        assert_eq!((after.state(), after.detail.as_str()), (State::Cancelled, "taken back: a test order"));
    }
    let refused = shop.api.deliveries().cancel_delivery(cancel(&first.id)).await.refused();
    assert_eq!(refused.why(), (Code::FailedPrecondition, "NOT_CANCELLABLE"));
    assert_eq!(refused.metadata["state"], "CANCELLED");
    let missing = cancel("00000000-0000-7000-8000-000000000000");
    assert_eq!(shop.api.deliveries().cancel_delivery(missing).await.refused().why(), (Code::NotFound, "NOT_FOUND"));
    let long = v1::CancelDeliveryRequest { reason: "x".repeat(401), ..cancel("x") };
    let mut fields = shop.api.deliveries().cancel_delivery(long).await.refused().fields;
    fields.sort();
    assert_eq!(fields, ["id", "reason"]);
    shop.set(MORNING);
    let digest = eventually("the digest is sent", async || sent_digests(&shop, ANNA).await.pop()).await;
    let folded: Vec<_> = to(&shop, ANNA).await.into_iter().filter(|it| it.digest == digest.id).collect();
    assert_eq!((folded.len(), folded[0].order_number.as_str()), (1, "A-2"));
    assert_eq!(shop.api.deliveries().cancel_delivery(cancel(&digest.id)).await.refused().metadata["state"], "SENT");
    assert_eq!(sink.messages().iter().filter(|mail| mail.to == ANNA).count(), 1);
}

/// The program, asked at no terminal: exit code, what it printed, what it complained of.
fn andon(shop: &Shop, arguments: &[&str]) -> (i32, String, String) {
    let output = Program::new(env!("CARGO_BIN_EXE_andon"))
        .args(["--server", &shop.daemon.address])
        .args(arguments)
        .output()
        .expect("andon runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("an exit code"), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_sets_and_shows_how_a_person_is_told_and_a_plant_file_keeps_it() {
    let shop = Shop::open(MONDAY).await;
    let set = "people set-user anna --pace digest --digest-at 15:30,07:00 --pace-of overdue=immediate,note-added=digest \
               --alert-calendar vienna --skip-own";
    let (code, out, err) = andon(&shop, &set.split_whitespace().collect::<Vec<_>>());
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let told = "Messages: digest\n  note-added: digest\n  overdue: immediate\nDigests at 07:00, 15:30 on the open days of vienna\n\
                No messages about what they did themselves\n";
    assert!(out.contains(told), "{out}");
    let (code, out, _) = andon(&shop, &["people", "set-user", "anna", "--digest-at", "6:00"]);
    assert!(code == 0 && out.contains("Digests at 06:00 on the open days of vienna"), "{out}");
    let (code, out, _) = andon(&shop, &["people", "show", "anna"]);
    assert!(code == 0 && out.contains("  overdue: immediate\n"), "{out}");
    let (code, _, err) = andon(&shop, &["people", "set-user", "anna", "--digest-at", "24:00"]);
    assert!(code == 2 && err.contains("expected HH:MM"), "{err}");

    let (code, file, _) = andon(&shop, &["export-config"]);
    let line = "alerts = { pace = \"digest\", paces = { note-added = \"digest\", overdue = \"immediate\" }, \
                digest_at = [\"06:00\"], calendar = \"vienna\", skip_own = true }\n";
    assert!(code == 0 && file.contains(line), "{file}");
    let folder = crate::support::guard::guard().folder("alerts-file");
    let path = folder.join("plant.toml");
    std::fs::write(&path, file.replace("\"06:00\"", "\"06:00\", \"18:00\"")).expect("it can be written");
    let path = path.to_str().expect("UTF-8");
    let (code, out, err) = andon(&shop, &["apply", "--yes", "-f", path]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("alerts.digest_at"), "{out}");
    let (_, again, _) = andon(&shop, &["export-config"]);
    assert_eq!(again, std::fs::read_to_string(path).expect("it is there"), "the file comes back byte for byte");
}
