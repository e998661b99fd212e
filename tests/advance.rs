//! Advance: one order and many, forwards, backwards and aside, and who wins when two callers meet.

use std::{future::Future, sync::Arc};

use andon::grpc::proto::v1::{self, Advance};
use sqlx::Connection as _;
use tokio::{sync::Barrier, task::JoinSet};
use tonic::Code;

use crate::support::{
    Api, Daemon, Expect as _, Options,
    api::{Refused, advance, advance_to, advance_with, date, day, instant, number},
    clock::at,
    eventually,
    plant::{ANNA, ERIKA, Shop, order, seed_type},
};

/// A Monday, 09:00 in Vienna.
const MONDAY: &str = "2026-03-02T08:00:00Z";

/// Runs `call` for each of `n` callers at the same moment.
async fn at_once<F>(n: usize, call: impl Fn(usize) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(n));
    let mut calls = JoinSet::new();
    for caller in 0..n {
        let (call, barrier) = (call(caller), Arc::clone(&barrier));
        calls.spawn(async move {
            barrier.wait().await;
            call.await
        });
    }
    calls.join_all().await
}

async fn step(api: Api, request: v1::AdvanceOrderRequest) -> Result<v1::Order, Refused> {
    let answer = api.orders().advance_order(request).await.map_err(Refused::from)?;
    Ok(answer.into_inner().order.expect("an answer has the order"))
}

fn visit(order: &v1::Order) -> &v1::Visit {
    order.visit.as_ref().expect("an order has a visit")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_goes_through_its_cycle_step_by_step() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (after, effects) = shop.api.advance(advance("A-1")).await;
        assert_eq!(effects.opened_visit.as_ref(), after.visit.as_ref());
        let closed = effects.closed_visit.expect("a visit was closed");
        assert!(closed.completed && closed.leave_time.is_some());
        assert_eq!(shop.api.get("A-1").await, after);
        seen.push((visit(&after).status.clone(), day(visit(&after).due_date), after.closed));
    }
    // Planned from the order date: 1, then 2, then 1 business days; the last status has no duration.
    let expected = [("milling", "2026-03-05", false), ("checking", "2026-03-06", false), ("shipped", "", true)];
    assert_eq!(seen.iter().map(|(s, d, c)| (s.as_str(), d.as_str(), *c)).collect::<Vec<_>>(), expected);
    let closed = shop.api.get("A-1").await;
    assert_eq!(instant(closed.close_time), at(MONDAY));
    let visits = shop.api.visits("A-1").await;
    let rows: Vec<_> = visits.iter().map(|visit| (visit.sequence, visit.status.as_str(), visit.completed)).collect();
    assert_eq!(rows, [(1, "planned", true), (2, "milling", true), (3, "checking", true), (4, "shipped", false)]);
    let refused = step(shop.api.clone(), advance("A-1")).await.expect_err("it is closed");
    assert_eq!(refused.why(), (Code::FailedPrecondition, "ORDER_CLOSED"));
    assert_eq!(refused.metadata["status"], "shipped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_that_are_jumped_over_are_recorded_as_skipped() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    let (after, effects) = shop.api.advance(advance_to("A-1", "checking")).await;
    assert_eq!((visit(&after).sequence, day(visit(&after).due_date)), (3, "2026-03-06".into()));
    let skipped: Vec<_> = effects.skipped_visits.iter().map(|visit| visit.status.as_str()).collect();
    assert_eq!(skipped, ["milling"]);
    let visits = shop.api.visits("A-1").await;
    assert_eq!(visits.iter().map(|visit| visit.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(visits[1].skipped && !visits[1].completed && !visits[1].overdue);
    assert_eq!(visits[1].enter_time, visits[1].leave_time);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_back_is_rework_and_counts_from_entry() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    shop.api.advance(advance("A-1")).await;
    shop.api.advance(advance("A-1")).await;
    shop.set("2026-03-05T08:00:00Z");
    let (after, effects) = shop.api.advance(advance_to("A-1", "milling")).await;
    assert!(visit(&after).rework && effects.skipped_visits.is_empty());
    // Thursday + 2 business days, whatever the plan says.
    assert_eq!((day(visit(&after).due_date), visit(&after).due_source()), ("2026-03-09".into(), v1::DueSource::Entry));
    let (after, _) = shop.api.advance(advance("A-1")).await;
    // `checking` had been completed too, on the way back.
    assert_eq!((visit(&after).status.as_str(), visit(&after).rework), ("checking", true));
    assert_eq!(shop.api.visits("A-1").await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_gives_its_days_back_and_the_status_resumes() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    shop.api.advance(advance("A-1")).await;
    let hold = Advance { target_status: "on-hold".into(), not_complete: true, ..Advance::default() };
    let (waiting, effects) = shop.api.advance(advance_with("A-1", hold)).await;
    assert!(!effects.closed_visit.expect("a visit was closed").completed);
    assert_eq!((visit(&waiting).status.as_str(), visit(&waiting).due_date), ("on-hold", None));
    // From Monday 09:00 to Thursday 09:00: Monday, Tuesday and Wednesday are lost, Thursday is not.
    shop.set("2026-03-05T08:00:00Z");
    assert_eq!(shop.api.overdue().await, Vec::<String>::new());
    let (back, effects) = shop.api.advance(advance("A-1")).await;
    assert_eq!(effects.days_given_back, 3);
    assert_eq!((visit(&back).status.as_str(), visit(&back).resumed, visit(&back).rework), ("milling", true, false));
    // Thursday 5 March, and three business days.
    assert_eq!(day(visit(&back).due_date), "2026-03-10");
    let (next, _) = shop.api.advance(advance("A-1")).await;
    // The plan moves too: Friday 6 March, and three business days.
    assert_eq!((visit(&next).status.as_str(), day(visit(&next).due_date)), ("checking", "2026-03-11".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manual_due_date_does_not_move_with_a_hold() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    let pinned = Advance { due_date: date("2026-03-07"), ..Advance::default() };
    let (after, effects) = shop.api.advance(advance_with("A-1", pinned)).await;
    assert_eq!((day(visit(&after).due_date), visit(&after).due_source()), ("2026-03-07".into(), v1::DueSource::Manual));
    assert_eq!(effects.warnings.len(), 1, "a Saturday is a closed day");
    let hold = Advance { target_status: "on-hold".into(), not_complete: true, ..Advance::default() };
    shop.api.advance(advance_with("A-1", hold)).await;
    shop.set("2026-03-05T08:00:00Z");
    let (back, effects) = shop.api.advance(advance("A-1")).await;
    assert_eq!((effects.days_given_back, day(visit(&back).due_date)), (3, "2026-03-07".into()));
    assert_eq!(visit(&back).due_source(), v1::DueSource::Manual);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_beside_the_cycle_counts_from_entry_and_leads_on() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    let (aside, _) = shop.api.advance(advance_to("A-1", "waiting")).await;
    assert_eq!((day(visit(&aside).due_date), visit(&aside).due_source()), ("2026-03-03".into(), v1::DueSource::Entry));
    let (on, _) = shop.api.advance(advance("A-1")).await;
    assert_eq!(visit(&on).status, "milling", "`planned` was completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_order_moves_only_when_it_is_reopened() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    let early = advance_with("A-1", Advance { reopen: true, ..Advance::default() });
    let refused = step(shop.api.clone(), early).await.expect_err("it is open");
    assert_eq!(refused.why(), (Code::FailedPrecondition, "NOT_CLOSED"));
    let (cancelled, _) = shop.api.advance(advance_to("A-1", "cancelled")).await;
    assert!(cancelled.closed && cancelled.close_time.is_some());
    let refused = step(shop.api.clone(), advance_to("A-1", "milling")).await.expect_err("it is closed");
    assert_eq!(refused.why(), (Code::FailedPrecondition, "ORDER_CLOSED"));
    let again = Advance { reopen: true, target_status: "milling".into(), ..Advance::default() };
    let (open, _) = shop.api.advance(advance_with("A-1", again)).await;
    assert!(!open.closed && open.close_time.is_none());
    assert_eq!(visit(&open).status, "milling");
    shop.api.advance(advance_to("A-1", "shipped")).await;
    let last = advance_with("A-1", Advance { reopen: true, ..Advance::default() });
    let refused = step(shop.api.clone(), last).await.expect_err("nothing comes after the final status");
    assert_eq!(refused.why(), (Code::FailedPrecondition, "NO_NEXT_STATUS"));
    let note = v1::AddNoteRequest { order: number("A-1"), text: "late".into(), ..v1::AddNoteRequest::default() };
    shop.api.orders().add_note(note).await.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_completed_date_lies_between_entry_and_today() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    shop.set("2026-03-04T08:00:00Z");
    let on = |day: &str| advance_with("A-1", Advance { completed_date: date(day), ..Advance::default() });
    for wrong in ["2026-03-01", "2026-03-05"] {
        let refused = step(shop.api.clone(), on(wrong)).await.expect_err("out of range");
        assert_eq!(refused.why(), (Code::FailedPrecondition, "COMPLETED_DATE_OUT_OF_RANGE"));
        let range = (refused.metadata["first"].as_str(), refused.metadata["last"].as_str());
        assert_eq!(range, ("2026-03-02", "2026-03-04"));
    }
    let (after, effects) = shop.api.advance(on("2026-03-03")).await;
    assert_eq!(day(effects.closed_visit.expect("a visit was closed").completed_date), "2026-03-03");
    assert_eq!(day(visit(&after).entered_date), "2026-03-03");
    assert_eq!(instant(visit(&after).enter_time), at("2026-03-04T08:00:00Z"));
    // Today is a day of the calendar's zone: 23:30 UTC is the next day in Vienna.
    shop.set("2026-03-04T23:30:00Z");
    let (after, _) = shop.api.advance(on("2026-03-05")).await;
    assert_eq!(day(visit(&after).entered_date), "2026-03-05");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_order_is_who_is_named_else_who_the_status_names() {
    let shop = Shop::open(MONDAY).await;
    let fields = v1::NewOrder { assigned_department: "quality".into(), ..order("A-1") };
    shop.api.create(fields).await;
    let (after, _) = shop.api.advance(advance("A-1")).await;
    assert_eq!((after.assigned_department.as_str(), after.assigned_user.as_str()), ("workshop", "anna"));
    let give = Advance { assign_department: "store".into(), assign_user: "erika".into(), ..Advance::default() };
    let (after, _) = shop.api.advance(advance_with("A-1", give)).await;
    assert_eq!((after.assigned_department.as_str(), after.assigned_user.as_str()), ("store", "erika"));
    let last = shop.api.history("A-1").await.pop().expect("an entry");
    assert_eq!((last.assigned_department.as_str(), last.assigned_user.as_str()), ("store", "erika"));
    let unknown = Advance { assign_user: "nobody".into(), ..Advance::default() };
    let refused = step(shop.api.clone(), advance_with("A-1", unknown)).await.expect_err("nobody");
    assert_eq!(refused.why(), (Code::NotFound, "NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reason_note_and_messages_travel_with_the_move() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    let notify = v1::Notify {
        users: vec!["anna".into(), "erika".into()],
        departments: vec!["workshop".into()],
        ..v1::Notify::default()
    };
    let with = Advance {
        reason: "the machine is free".into(),
        note: "fixture 7".into(),
        notify: Some(notify),
        on_behalf_of: "anna".into(),
        ..Advance::default()
    };
    let (after, effects) = shop.api.advance(advance_with("A-1", with)).await;
    let note = after.last_note.expect("a note");
    assert_eq!((note.text.as_str(), note.author.as_str()), ("fixture 7", "anna"));
    let told: Vec<_> = effects.messages.iter().map(|m| (m.address.as_str(), m.kind.as_str())).collect();
    assert_eq!(told, [(ANNA, "ADVANCED"), (ERIKA, "ADVANCED")], "each person once");
    let entry = shop.api.history("A-1").await.pop().expect("an entry");
    assert_eq!((entry.reason.as_str(), entry.on_behalf_of.as_str()), ("the machine is free", "anna"));
    assert_eq!((entry.note, entry.messages), (Some(note), effects.messages));
    let nobody = Advance {
        notify: Some(v1::Notify { users: vec!["nobody".into()], ..v1::Notify::default() }),
        ..Advance::default()
    };
    let refused = step(shop.api.clone(), advance_with("A-1", nobody)).await.expect_err("nobody");
    assert_eq!(refused.why(), (Code::NotFound, "NOT_FOUND"));
    assert_eq!(shop.api.status("A-1").await, "milling");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_name_their_reason() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    for (request, code, reason) in [
        (advance_to("A-1", "planned"), Code::FailedPrecondition, "SAME_STATUS"),
        (advance_to("A-1", "painting"), Code::NotFound, "NOT_FOUND"),
        (
            advance_with("A-1", Advance { reason: "x".repeat(501), ..Advance::default() }),
            Code::InvalidArgument,
            "INVALID_REQUEST",
        ),
    ] {
        let refused = step(shop.api.clone(), request).await.expect_err(reason);
        assert_eq!(refused.why(), (code, reason));
    }
    assert_eq!(shop.api.history("A-1").await.len(), 1, "a refusal changes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_etag_is_aborted_and_told_the_current_one() {
    let shop = Shop::open(MONDAY).await;
    let seen = shop.api.create(order("A-1")).await.etag;
    let with = |etag: &str| v1::AdvanceOrderRequest { etag: etag.into(), ..advance("A-1") };
    let (after, _) = shop.api.advance(with(&seen)).await;
    assert_ne!(after.etag, seen);
    let refused = step(shop.api.clone(), with(&seen)).await.expect_err("it is stale");
    assert_eq!(refused.why(), (Code::Aborted, "ETAG_MISMATCH"));
    assert_eq!(refused.metadata["current_etag"], after.etag);
    let note =
        v1::AddNoteRequest { order: number("A-1"), text: "x".into(), etag: seen, ..v1::AddNoteRequest::default() };
    assert_eq!(shop.api.orders().add_note(note).await.refused().why(), (Code::Aborted, "ETAG_MISMATCH"));
    shop.api.advance(with(&after.etag)).await;
}

/// Of callers at the same moment one moves the order, the others learn of it; never a double step.
async fn one_wins(apis: &[Api], with_etag: bool) {
    const CALLERS: usize = 8;
    const ROUNDS: usize = 10;
    for round in 0..ROUNDS {
        let number = format!("A-{round}");
        let made = apis[0].create(order(&number)).await;
        let request =
            v1::AdvanceOrderRequest { etag: if with_etag { made.etag } else { String::new() }, ..advance(&number) };
        let answers = at_once(CALLERS, |caller| step(apis[caller % apis.len()].clone(), request.clone())).await;
        let won = answers.iter().filter(|answer| answer.is_ok()).count();
        let moved = shop_steps(&apis[0], &number).await;
        if with_etag {
            assert_eq!((won, moved), (1, 1), "{answers:?}");
        } else {
            // A call that arrives after another's answer acts on what that one left; it is no double step.
            assert!(won >= 1 && won == moved, "{won} won, {moved} steps: {answers:?}");
        }
        for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert!(
                matches!(refused.why(), (Code::Aborted, "ETAG_MISMATCH") | (Code::FailedPrecondition, "ORDER_CLOSED")),
                "{refused:?}"
            );
        }
    }
}

async fn shop_steps(api: &Api, number: &str) -> usize {
    api.visits(number).await.len() - 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_callers_with_the_same_etag_exactly_one_wins() {
    let shop = Shop::open(MONDAY).await;
    one_wins(std::slice::from_ref(&shop.api), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_callers_with_the_same_etag_at_two_daemons_exactly_one_wins() {
    let shop = Shop::open(MONDAY).await;
    let other = Daemon::start(&shop.database, Options::new().clock(&shop.clock)).await;
    one_wins(&[shop.api.clone(), other.api()], true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_without_etag_who_waits_for_each_answer_is_never_refused() {
    let shop = Shop::open(MONDAY).await;
    // Many callers, so that the database takes its time; a daemon that has just begun, and knows little of that.
    for round in 0..5 {
        let daemon = Daemon::start(&shop.database, Options::new().clock(&shop.clock)).await;
        let api = daemon.api();
        let answers = at_once(16, |caller| {
            let api = api.clone();
            async move {
                let name = format!("A-{round}-{caller}");
                api.create(order(&name)).await;
                step(api.clone(), advance(&name)).await?;
                step(api, advance(&name)).await
            }
        })
        .await;
        assert!(answers.iter().all(Result::is_ok), "{:?}", answers.iter().find(|answer| answer.is_err()));
    }
}

/// Two calls without etag are both on their way before either can write: one step, not two.
async fn one_step(shop: &Shop, apis: &[Api; 2]) {
    shop.api.create(order("A-1")).await;
    let held = shop.database.hold_order("A-1").await;
    let calls = tokio::spawn(at_once(2, {
        let apis = apis.clone();
        move |caller| step(apis[caller].clone(), advance("A-1"))
    }));
    eventually("both calls are about to write", async || (shop.database.waiting_for_locks().await == 2).then_some(()))
        .await;
    held.close().await.expect("it can be closed");
    let answers = calls.await.expect("the callers do not panic");
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 1, "{answers:?}");
    assert_eq!(refused[0].why(), (Code::Aborted, "ETAG_MISMATCH"));
    let current = shop.api.get("A-1").await;
    assert_eq!((visit(&current).status.as_str(), &refused[0].metadata["current_etag"]), ("milling", &current.etag));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_without_etag_that_meet_on_the_way_make_one_step() {
    // Each call in a transaction of its own, so that both wait.
    let shop = Shop::open_with(MONDAY, |options| options.set("gather.batch_max", 1)).await;
    one_step(&shop, &[shop.api.clone(), shop.api.clone()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_without_etag_that_meet_at_two_daemons_make_one_step() {
    let shop = Shop::open(MONDAY).await;
    let other = Daemon::start(&shop.database, Options::new().clock(&shop.clock)).await;
    one_step(&shop, &[shop.api.clone(), other.api()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_callers_without_etag_nobody_makes_a_double_step() {
    let shop = Shop::open(MONDAY).await;
    let other = Daemon::start(&shop.database, Options::new().clock(&shop.clock)).await;
    let apis = [shop.api.clone(), other.api()];
    // Named targets, so that a double step would be seen as SAME_STATUS, never as an answer.
    for round in 0..10 {
        let number = format!("A-{round}");
        shop.api.create(order(&number)).await;
        let request = advance_to(&number, "milling");
        let answers = at_once(2, |caller| step(apis[caller].clone(), request.clone())).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        let refused = answers.into_iter().find_map(Result::err).expect("one loses");
        assert!(
            matches!(refused.why(), (Code::Aborted, "ETAG_MISMATCH") | (Code::FailedPrecondition, "SAME_STATUS")),
            "{refused:?}"
        );
        assert_eq!(shop_steps(&shop.api, &number).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_without_etag_at_the_same_moment_step_as_often_as_they_were_answered() {
    let shop = Shop::open(MONDAY).await;
    one_wins(std::slice::from_ref(&shop.api), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_calls_at_once_on_different_orders_all_succeed() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create_many((0..64).map(|n| order(&format!("A-{n:02}"))).collect()).await;
    for target in ["milling", "checking"] {
        let answers = at_once(64, |n| step(shop.api.clone(), advance_to(&format!("A-{n:02}"), target))).await;
        assert!(answers.iter().all(Result::is_ok), "{:?}", answers.iter().find(|answer| answer.is_err()));
    }
    let filter = v1::OrderFilter { statuses: vec!["checking".into()], ..v1::OrderFilter::default() };
    assert_eq!(shop.api.list(filter).await.len(), 64);
}

fn bulk(numbers: &[&str], target: &str, mode: v1::BulkMode) -> v1::AdvanceOrdersRequest {
    v1::AdvanceOrdersRequest {
        orders: numbers.iter().filter_map(|name| number(name)).collect(),
        advance: Some(Advance { target_status: target.into(), ..Advance::default() }),
        mode: mode.into(),
        ..v1::AdvanceOrdersRequest::default()
    }
}

/// Place and reason, empty for those that were done.
fn reasons(results: &[v1::BulkResult]) -> Vec<(i32, String)> {
    results
        .iter()
        .map(|result| {
            assert_ne!(result.order.is_some(), result.refusal.is_some());
            (result.index, result.refusal.as_ref().map(|refusal| refusal.reason.clone()).unwrap_or_default())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_move_takes_each_order_on_its_own() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create_many(["A-1", "A-2", "A-3"].map(order).into()).await;
    shop.api.advance(advance("A-2")).await;
    let request = bulk(&["A-1", "A-2", "A-9", "A-3"], "milling", v1::BulkMode::Each);
    let results = shop.api.orders().advance_orders(request).await.done().results;
    let expected = [(0, ""), (1, "SAME_STATUS"), (2, "NOT_FOUND"), (3, "")].map(|(n, r)| (n, r.to_owned()));
    assert_eq!(reasons(&results), expected);
    assert_eq!(results[2].refusal.as_ref().expect("refused").metadata["id"], "A-9");
    for number in ["A-1", "A-2", "A-3"] {
        assert_eq!(shop.api.status(number).await, "milling");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_atomic_bulk_move_takes_all_or_none() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create_many(["A-1", "A-2", "A-3"].map(order).into()).await;
    shop.api.advance(advance("A-2")).await;
    let request = bulk(&["A-1", "A-2", "A-3"], "milling", v1::BulkMode::Atomic);
    let results = shop.api.orders().advance_orders(request).await.done().results;
    let expected = [(0, "BATCH_REFUSED"), (1, "SAME_STATUS"), (2, "BATCH_REFUSED")].map(|(n, r)| (n, r.to_owned()));
    assert_eq!(reasons(&results), expected);
    assert_eq!(shop.api.status("A-1").await, "planned");
    let request = bulk(&["A-1", "A-2", "A-3"], "checking", v1::BulkMode::Atomic);
    let results = shop.api.orders().advance_orders(request).await.done().results;
    assert!(results.iter().all(|result| result.refusal.is_none()));
    assert_eq!(shop.api.status("A-3").await, "checking");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_id_that_another_request_had_is_the_answer_to_the_whole_bulk_call() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create_many(["A-1", "A-2", "A-3"].map(order).into()).await;
    for mode in [v1::BulkMode::Each, v1::BulkMode::Atomic] {
        let with_id = |request| v1::AdvanceOrdersRequest { request_id: format!("bulk-{mode:?}"), ..request };
        let target = if mode == v1::BulkMode::Each { "milling" } else { "checking" };
        shop.api.orders().advance_orders(with_id(bulk(&["A-1", "A-2"], target, mode))).await.done();
        let other = with_id(bulk(&["A-2", "A-3"], target, mode));
        let refused = shop.api.orders().advance_orders(other).await.refused();
        assert_eq!(refused.why(), (Code::FailedPrecondition, "REQUEST_ID_REUSED"));
        assert_eq!(shop.api.status("A-3").await, "planned");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_move_is_for_one_type() {
    let shop = Shop::open(MONDAY).await;
    seed_type(&shop.api, "repair").await;
    shop.api.create_many(vec![order("A-1"), v1::NewOrder { order_type: "repair".into(), ..order("R-1") }]).await;
    let request = bulk(&["A-1", "R-1"], "milling", v1::BulkMode::Each);
    let results = shop.api.orders().advance_orders(request).await.done().results;
    assert_eq!(reasons(&results), [(0, String::new()), (1, "MIXED_TYPES".into())]);
    assert_eq!(shop.api.status("R-1").await, "planned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_named_twice_counts_once() {
    let shop = Shop::open(MONDAY).await;
    let made = shop.api.create_many(["A-1", "A-2"].map(order).into()).await;
    let mut request = bulk(&["A-1", "A-2", "A-1"], "", v1::BulkMode::Atomic);
    request.orders.extend(crate::support::api::id(&made[0].id));
    let results = shop.api.orders().advance_orders(request).await.done().results;
    assert_eq!(reasons(&results), [(0, String::new()), (1, String::new())]);
    assert_eq!(shop_steps(&shop.api, "A-1").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_move_takes_1_to_1000_orders() {
    let shop = Shop::open(MONDAY).await;
    let numbers: Vec<_> = (0..1001).map(|n| format!("A-{n:04}")).collect();
    let numbers: Vec<_> = numbers.iter().map(String::as_str).collect();
    shop.api.create_many(numbers[..1000].iter().map(|number| order(number)).collect()).await;
    for wrong in [&numbers[..], &[]] {
        let refused = shop.api.orders().advance_orders(bulk(wrong, "", v1::BulkMode::Each)).await.refused();
        assert_eq!(refused.fields, ["orders"]);
    }
    let request = bulk(&numbers[..1000], "", v1::BulkMode::Atomic);
    let results = shop.api.orders().advance_orders(request).await.done().results;
    assert_eq!(results.iter().filter(|result| result.order.is_some()).count(), 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_answers_a_question_of_the_same_order() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create_many(["A-1", "A-2"].map(order).into()).await;
    let note = |order: &str, kind: v1::NoteKind, answers: &str| v1::AddNoteRequest {
        order: number(order),
        text: "when?".into(),
        kind: kind.into(),
        answers: answers.into(),
        ..v1::AddNoteRequest::default()
    };
    let mut orders = shop.api.orders();
    let question = orders.add_note(note("A-1", v1::NoteKind::Question, "")).await.done().note.expect("a note").id;
    assert_eq!(orders.add_note(note("A-1", v1::NoteKind::Answer, "")).await.refused().fields, ["answers"]);
    assert_eq!(orders.add_note(note("A-1", v1::NoteKind::Note, &question)).await.refused().fields, ["answers"]);
    let elsewhere = orders.add_note(note("A-2", v1::NoteKind::Answer, &question)).await.refused();
    assert_ne!(elsewhere.code, Code::Internal, "{elsewhere:?}");
    let answered = orders.add_note(note("A-1", v1::NoteKind::Answer, &question)).await.done();
    assert_eq!(answered.note.expect("a note").answers, question);
}
