//! Races: cycles, people and orders changed at the same moment. Whoever wins, nothing is half done and every caller is told.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use andon::grpc::proto::v1::{self, Advance};
use prost_types::FieldMask;
use tokio::{sync::Barrier, task::JoinSet};
use tonic::Code;

use crate::support::{
    Api, Daemon, Database, Expect as _, Options, TestClock,
    api::{Refused, advance, advance_to, advance_with, number},
    plant::{ANNA, JOB, Shop, order, seed},
    within,
};

/// A Monday, 09:00 in Vienna.
const MONDAY: &str = "2026-03-02T08:00:00Z";
/// The day after the due day of an order made on that Monday.
const WEDNESDAY: &str = "2026-03-04T08:00:00Z";
const LIMIT: Duration = Duration::from_mins(1);

/// Runs all calls, each begun when all are ready.
async fn at_once<F>(calls: Vec<F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(calls.len()));
    let mut running = JoinSet::new();
    for (place, call) in calls.into_iter().enumerate() {
        let barrier = Arc::clone(&barrier);
        running.spawn(async move {
            barrier.wait().await;
            (place, call.await)
        });
    }
    let mut answers = running.join_all().await;
    answers.sort_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// What one of several callers does.
type Call<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

/// Comes a little later than the others: after so many reads.
async fn after_reads(api: &Api, reads: usize) {
    for _ in 0..reads {
        job(api).await;
    }
}

async fn step(api: Api, request: v1::AdvanceOrderRequest) -> Result<v1::Order, Refused> {
    let answer = api.orders().advance_order(request).await.map_err(Refused::from)?;
    Ok(answer.into_inner().order.expect("an answer has the order"))
}

fn visit(order: &v1::Order) -> &v1::Visit {
    order.visit.as_ref().expect("an order has a visit")
}

fn aside(order: &str, target: &str) -> v1::AdvanceOrderRequest {
    advance_with(order, Advance { target_status: target.into(), not_complete: true, ..Advance::default() })
}

/// A refusal that the callers of a race may see.
#[track_caller]
fn documented(refused: &Refused, reasons: &[&str]) {
    assert!(
        !matches!(refused.code, Code::Internal | Code::Unavailable | Code::Unknown | Code::DeadlineExceeded)
            && reasons.contains(&refused.reason.as_str()),
        "{refused:?}"
    );
}

fn status(id: &str, kind: v1::StatusKind) -> v1::Status {
    v1::Status {
        id: id.into(),
        name: id.to_uppercase(),
        kind: kind.into(),
        duration_business_days: Some(1),
        ..v1::Status::default()
    }
}

/// One more step of the cycle, before the final one.
async fn insert(api: &Api, status: v1::Status) {
    let request =
        v1::CreateStatusRequest { order_type: JOB.into(), status: Some(status), ..v1::CreateStatusRequest::default() };
    api.types().create_status(request).await.done();
}

fn removal(status: &str, replacement: &str) -> v1::DeleteStatusRequest {
    v1::DeleteStatusRequest {
        order_type: JOB.into(),
        status: status.into(),
        replacement: replacement.into(),
        ..v1::DeleteStatusRequest::default()
    }
}

async fn job(api: &Api) -> v1::OrderType {
    let request = v1::GetOrderTypeRequest { id: JOB.into() };
    api.types().get_order_type(request).await.done().order_type.expect("a type")
}

#[expect(clippy::unnecessary_wraps, reason = "as requests want it")]
fn mask(path: &str) -> Option<FieldMask> {
    Some(FieldMask { paths: vec![path.into()] })
}

/// The whole past of an order is one line: visits and history without gaps, each visit closed by the entry that opened the next.
async fn one_line(api: &Api, number: &str) -> (Vec<v1::Visit>, Vec<v1::HistoryEntry>) {
    let (visits, history) = (api.visits(number).await, api.history(number).await);
    assert!(visits.iter().zip(1..).all(|(visit, place)| visit.sequence == place), "{number}: {visits:?}");
    assert!(history.iter().zip(1..).all(|(entry, place)| entry.sequence == place), "{number}: {history:?}");
    let open = visits.iter().filter(|visit| visit.leave_time.is_none()).count();
    assert_eq!(
        (open, visits.last().is_some_and(|visit| visit.leave_time.is_none())),
        (1, true),
        "{number}: {visits:?}"
    );
    let mut current = 1;
    for entry in &history {
        if let (Some(closed), Some(opened)) = (&entry.closed_visit, &entry.opened_visit)
            && closed.sequence != opened.sequence
        {
            assert_eq!(closed.sequence, current, "{number}: {entry:?}");
            current = opened.sequence;
        }
    }
    assert_eq!(Some(current), visits.last().map(|visit| visit.sequence), "{number}");
    (visits, history)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_callers_of_one_order_leave_one_line_of_visits_and_as_many_as_were_answered() {
    const CALLERS: usize = 50;
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    let targets = ["milling", "checking", "on-hold", "planned", "waiting", ""];
    let call = |caller: usize| -> Call<(usize, BTreeSet<String>)> {
        let api = shop.api.clone();
        Box::pin(async move {
            let (mut won, mut etags) = (0, BTreeSet::new());
            for turn in 0..4 {
                let target = targets[(caller + turn) % targets.len()];
                let etag = if caller.is_multiple_of(2) { api.get("A-1").await.etag } else { String::new() };
                let with = Advance {
                    target_status: target.into(),
                    not_complete: caller.is_multiple_of(3),
                    // The default target may close the order: whoever comes next takes it up again.
                    reopen: api.get("A-1").await.closed,
                    ..Advance::default()
                };
                match step(api.clone(), v1::AdvanceOrderRequest { etag, ..advance_with("A-1", with) }).await {
                    Ok(after) => {
                        won += 1;
                        assert!(etags.insert(after.etag), "an etag came twice");
                    }
                    Err(refused) => {
                        let known = ["ETAG_MISMATCH", "SAME_STATUS", "ORDER_CLOSED", "NOT_CLOSED", "NO_NEXT_STATUS"];
                        documented(&refused, &known);
                    }
                }
            }
            (won, etags)
        })
    };
    let answers = at_once((0..CALLERS).map(call).collect()).await;
    let won: usize = answers.iter().map(|(won, _)| won).sum();
    let etags: BTreeSet<_> = answers.into_iter().flat_map(|(_, etags)| etags).collect();
    assert_eq!(etags.len(), won, "each answer has an etag of its own");
    let (visits, history) = one_line(&shop.api, "A-1").await;
    let entered = visits.iter().filter(|visit| !visit.skipped).count();
    assert_eq!((entered - 1, history.len() - 1), (won, won));
    assert!(won > 1, "nobody but the first moved it");
}

/// Orders of every kind, as to the status that goes: on the way into it, in it, and waiting to come back to it.
async fn around(api: &Api, round: usize, going: &str) -> Vec<String> {
    let numbers: Vec<_> = (0..32).map(|place| format!("R{round}-{place:02}")).collect();
    api.create_many(numbers.iter().map(|number| order(number)).collect()).await;
    let in_it = numbers.iter().enumerate().filter(|(place, _)| place % 4 != 0).map(|(_, number)| number);
    let request = v1::AdvanceOrdersRequest {
        orders: in_it.filter_map(|name| number(name)).collect(),
        advance: Some(Advance { target_status: going.into(), ..Advance::default() }),
        mode: v1::BulkMode::Atomic.into(),
        ..v1::AdvanceOrdersRequest::default()
    };
    let results = api.orders().advance_orders(request).await.done().results;
    assert!(results.iter().all(|result| result.refusal.is_none()), "{results:?}");
    for name in numbers.iter().skip(3).step_by(4) {
        api.advance(aside(name, "on-hold")).await;
    }
    numbers
}

/// Many rounds: a status goes, its orders go to another one, and at the same moment callers move orders into it, out of it,
/// aside from it and back to it.
async fn a_status_goes_under_moving_orders(apis: &[Api], database: &Database, rounds: usize) {
    let (mut moved, mut redirected) = (0, 0);
    for round in 0..rounds {
        let api = &apis[round % apis.len()];
        let going = format!("going-{round}");
        // Every third round one beside the cycle.
        let (kind, taker) = match round % 3 {
            2 => (v1::StatusKind::NonStandard, "waiting"),
            _ => (v1::StatusKind::Standard, "checking"),
        };
        insert(api, status(&going, kind)).await;
        let numbers = around(api, round, &going).await;
        let mut calls: Vec<Call<Result<Option<v1::EditPlan>, Refused>>> = Vec::new();
        for (place, name) in numbers.iter().enumerate() {
            let api = apis[place % apis.len()].clone();
            let mut request = match place % 4 {
                0 => advance_to(name, &going),
                2 => aside(name, "on-hold"),
                _ => advance(name),
            };
            if place % 8 >= 4 {
                request.etag = api.get(name).await.etag;
            }
            calls.push(Box::pin(async move {
                after_reads(&api, place * 7 % 5).await;
                step(api, request).await.map(|_| None)
            }));
        }
        let (other, request) = (apis[(round + 1) % apis.len()].clone(), removal(&going, taker));
        calls.insert(
            round % numbers.len(),
            Box::pin(async move {
                after_reads(&other, round % 6).await;
                let answer = other.types().delete_status(request).await.map_err(Refused::from)?;
                Ok(answer.into_inner().plan)
            }),
        );
        let mut answers = at_once(calls).await;
        let removed = answers.remove(round % numbers.len());
        let plan = removed.unwrap_or_else(|refused| panic!("{refused:?}")).expect("a plan");
        moved += plan.moved_orders;
        redirected += plan.redirected_orders;
        let (mut by_edit, known) = (0, statuses(api).await);
        for (place, (name, answer)) in numbers.iter().zip(&answers).enumerate() {
            if let Err(refused) = answer {
                documented(refused, &["ETAG_MISMATCH", "NOT_FOUND", "SAME_STATUS"]);
            }
            let now = api.get(name).await;
            assert!(known.contains(&visit(&now).status), "{now:?}");
            assert!(now.interrupted_status.is_empty() || known.contains(&now.interrupted_status), "{now:?}");
            let (_, history) = one_line(api, name).await;
            let of = |kind: v1::HistoryKind| history.iter().filter(|entry| entry.kind() == kind).count();
            let made = [0, 1, 1, 2][place % 4] + usize::from(answer.is_ok());
            assert_eq!(of(v1::HistoryKind::Advanced), made, "{name}: {answer:?}");
            by_edit += of(v1::HistoryKind::CycleEdited);
            if !now.closed {
                step(api.clone(), advance(name)).await.unwrap_or_else(|refused| panic!("{refused:?}: {now:?}"));
            }
        }
        assert_eq!(i64::try_from(by_edit).expect("few"), plan.moved_orders + plan.redirected_orders, "{plan:?}");
        assert!(!known.contains(&going));
        assert_eq!(named_and_gone(database).await, 0, "round {round}: open orders name a status that is gone");
    }
    assert!(moved > 0 && redirected > 0, "{moved} orders moved, {redirected} redirected: there was no race");
}

async fn statuses(api: &Api) -> BTreeSet<String> {
    job(api).await.statuses.into_iter().map(|status| status.id).collect()
}

/// Open orders that are in, were last in, or wait for a status that is gone.
async fn named_and_gone(database: &Database) -> i64 {
    let count = "SELECT count(*) FROM orders o WHERE o.closed_at IS NULL AND EXISTS (
        SELECT FROM unnest(ARRAY[o.status, o.cycle_status, o.interrupted_status]) AS named(id)
        WHERE named.id IS NOT NULL AND NOT EXISTS (
            SELECT FROM statuses s WHERE s.order_type = o.order_type AND s.id = named.id))";
    database.number(count).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_goes_while_callers_move_orders_around_it_leaves_nothing_behind() {
    let shop = Shop::open(MONDAY).await;
    a_status_goes_under_moving_orders(std::slice::from_ref(&shop.api), &shop.database, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_goes_while_callers_of_two_daemons_move_orders_around_it_leaves_nothing_behind() {
    let shop = Shop::open(MONDAY).await;
    let other = Daemon::start(&shop.database, Options::new().clock(&shop.clock)).await;
    a_status_goes_under_moving_orders(&[shop.api.clone(), other.api()], &shop.database, 12).await;
}

/// Eight edits of one type at the same moment, of several kinds. The versions of the answers, and why the others were refused.
async fn edits_at_once(apis: &[Api], round: usize, etag: &str) -> (Vec<i64>, Vec<Refused>) {
    let edit = |caller: usize| -> Call<Result<v1::OrderType, Refused>> {
        let (api, etag) = (apis[caller % apis.len()].clone(), etag.to_owned());
        Box::pin(async move {
            let mut types = api.types();
            let edited = match caller % 4 {
                0 => {
                    let request = v1::CreateStatusRequest {
                        order_type: JOB.into(),
                        status: Some(status(&format!("new-{round}-{caller}"), v1::StatusKind::Standard)),
                        etag,
                        ..v1::CreateStatusRequest::default()
                    };
                    types.create_status(request).await.map(|answer| answer.into_inner().order_type)
                }
                1 => {
                    let name = format!("Milling {round} {caller}");
                    let request = v1::UpdateStatusRequest {
                        order_type: JOB.into(),
                        status: Some(v1::Status { name, ..status("milling", v1::StatusKind::Standard) }),
                        update_mask: mask("name"),
                        etag,
                        ..v1::UpdateStatusRequest::default()
                    };
                    types.update_status(request).await.map(|answer| answer.into_inner().order_type)
                }
                2 => {
                    let request = v1::DeleteStatusRequest { etag, ..removal(&format!("old-{round}-{caller}"), "") };
                    types.delete_status(request).await.map(|answer| answer.into_inner().order_type)
                }
                _ => {
                    let description = format!("{round} {caller}");
                    let given = v1::OrderType { id: JOB.into(), description, etag, ..v1::OrderType::default() };
                    let request = v1::UpdateOrderTypeRequest {
                        order_type: Some(given),
                        update_mask: mask("description"),
                        ..v1::UpdateOrderTypeRequest::default()
                    };
                    types.update_order_type(request).await.map(|answer| answer.into_inner().order_type)
                }
            };
            Ok(edited.map_err(Refused::from)?.expect("a type"))
        })
    };
    let (mut versions, mut refusals) = (Vec::new(), Vec::new());
    for answer in at_once((0..8).map(edit).collect()).await {
        match answer {
            Ok(edited) => versions.push(edited.etag.parse().expect("a number")),
            Err(refused) => refusals.push(refused),
        }
    }
    versions.sort_unstable();
    (versions, refusals)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_of_one_type_at_once_come_one_after_the_other() {
    let shop = Shop::open(MONDAY).await;
    let other = Daemon::start(&shop.database, Options::new().clock(&shop.clock)).await;
    let apis = [shop.api.clone(), other.api()];
    for round in 0..10 {
        for caller in [2, 6] {
            insert(&shop.api, status(&format!("old-{round}-{caller}"), v1::StatusKind::Standard)).await;
        }
        let before = job(&shop.api).await;
        let version: i64 = before.etag.parse().expect("a number");
        // All saw the same version: one wins. Nobody minds the version: all of them are done.
        let with_etag = round % 2 == 0;
        let etag = if with_etag { before.etag.as_str() } else { "" };
        let (versions, refusals) = edits_at_once(&apis, round, etag).await;
        let expected: Vec<_> = (version + 1..).take(if with_etag { 1 } else { 8 }).collect();
        assert_eq!(versions, expected, "{refusals:?}");
        for refused in &refusals {
            assert_eq!(refused.why(), (Code::Aborted, "ETAG_MISMATCH"));
            assert_eq!(refused.metadata["current_etag"], versions[0].to_string());
        }
        let after = job(&shop.api).await;
        assert_eq!(after.etag, versions.last().expect("one won").to_string());
        if !with_etag {
            let ids: BTreeSet<_> = after.statuses.iter().map(|status| status.id.clone()).collect();
            for caller in [0, 4] {
                assert!(ids.contains(&format!("new-{round}-{caller}")), "an insertion was lost");
                assert!(!ids.contains(&format!("old-{round}-{}", caller + 2)), "a removal was lost");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_atomic_bulk_move_among_single_moves_and_an_edit_takes_all_or_none() {
    const ORDERS: usize = 200;
    const SINGLE: usize = 8;
    let shop = Shop::open(MONDAY).await;
    let mut taken = [0, 0];
    for round in 0..8 {
        let going = format!("going-{round}");
        insert(&shop.api, status(&going, v1::StatusKind::Standard)).await;
        let numbers: Vec<_> = (0..ORDERS).map(|place| format!("R{round}-{place:03}")).collect();
        shop.api.create_many(numbers.iter().map(|number| order(number)).collect()).await;
        let bulk = v1::AdvanceOrdersRequest {
            orders: numbers.iter().filter_map(|name| number(name)).collect(),
            advance: Some(Advance { target_status: going.clone(), reason: "bulk".into(), ..Advance::default() }),
            mode: v1::BulkMode::Atomic.into(),
            ..v1::AdvanceOrdersRequest::default()
        };
        let api = shop.api.clone();
        let mut calls: Vec<Call<Result<Vec<v1::BulkResult>, Refused>>> = vec![Box::pin(async move {
            Ok(api.orders().advance_orders(bulk).await.map_err(Refused::from)?.into_inner().results)
        })];
        let (api, request) = (shop.api.clone(), removal(&going, "checking"));
        calls.push(Box::pin(async move {
            after_reads(&api, round * 3).await;
            api.types().delete_status(request).await.map(|_| Vec::new()).map_err(Refused::from)
        }));
        // Every other round without single moves: they spoil the bulk.
        let single = if round % 2 == 0 { SINGLE } else { 0 };
        for place in 0..single {
            let with = Advance { target_status: "milling".into(), reason: "single".into(), ..Advance::default() };
            let request = advance_with(&numbers[place * ORDERS / SINGLE], with);
            let api = shop.api.clone();
            calls.push(Box::pin(async move { step(api, request).await.map(|_| Vec::new()) }));
        }
        let mut answers = at_once(calls).await;
        let results = answers.remove(0).unwrap_or_else(|refused| panic!("{refused:?}"));
        answers.remove(0).unwrap_or_else(|refused| panic!("the removal: {refused:?}"));
        assert_eq!(results.len(), ORDERS);
        let done = results.iter().filter(|result| result.refusal.is_none()).count();
        assert!(done == 0 || done == ORDERS, "{done} of {ORDERS}");
        taken[usize::from(done > 0)] += 1;
        for refusal in results.iter().filter_map(|result| result.refusal.as_ref()) {
            let known = ["BATCH_REFUSED", "ETAG_MISMATCH", "NOT_FOUND"];
            assert!(known.contains(&refusal.reason.as_str()), "{refusal:?}");
        }
        for answer in &answers {
            if let Err(refused) = answer {
                documented(refused, &["ETAG_MISMATCH", "SAME_STATUS"]);
            }
        }
        let mut moved = answers.iter().map(|answer| usize::from(answer.is_ok()));
        for (place, name) in numbers.iter().enumerate() {
            let (_, history) = one_line(&shop.api, name).await;
            let of = |reason: &str| history.iter().filter(|entry| entry.reason == reason).count();
            assert_eq!(of("bulk"), usize::from(done > 0), "{name}");
            let alone = single > 0 && place % (ORDERS / SINGLE) == 0;
            assert_eq!(of("single"), if alone { moved.next().expect("an answer") } else { 0 }, "{name}");
        }
        assert_eq!(named_and_gone(&shop.database).await, 0);
    }
    eprintln!("bulk moves: {} refused, {} done", taken[0], taken[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_is_set_inactive_keeps_an_order_that_was_given_at_the_same_moment() {
    const CALLERS: usize = 24;
    let shop = Shop::open(MONDAY).await;
    let mut taken_over = 0;
    for round in 0..10 {
        let leaver = format!("leaver-{round}");
        let user = v1::User { id: leaver.clone(), display_name: "Leaver".into(), ..v1::User::default() };
        let request = v1::CreateUserRequest { user: Some(user.clone()), ..v1::CreateUserRequest::default() };
        shop.api.people().create_user(request).await.done();
        let default = v1::Status { default_user: leaver.clone(), ..status("checking", v1::StatusKind::Standard) };
        let request = v1::UpdateStatusRequest {
            order_type: JOB.into(),
            status: Some(default),
            update_mask: mask("default_user"),
            ..v1::UpdateStatusRequest::default()
        };
        shop.api.types().update_status(request).await.done();
        let numbers: Vec<_> = (0..CALLERS).map(|place| format!("R{round}-{place:02}")).collect();
        let given = |(place, number): (usize, &String)| v1::NewOrder {
            assigned_user: if place % 6 == 5 { leaver.clone() } else { String::new() },
            ..order(number)
        };
        shop.api.create_many(numbers.iter().enumerate().map(given).collect()).await;
        let mut calls: Vec<Call<Result<i64, Refused>>> = Vec::new();
        for (place, name) in numbers.iter().enumerate() {
            let (api, name, leaver) = (shop.api.clone(), name.clone(), leaver.clone());
            calls.push(Box::pin(async move {
                after_reads(&api, place / 6 % 4).await;
                let done = match place % 6 {
                    0 | 1 => {
                        let with = Advance { assign_user: leaver, ..Advance::default() };
                        step(api, advance_with(&name, with)).await.map(drop)
                    }
                    // The status gives it.
                    2 => step(api, advance_to(&name, "checking")).await.map(drop),
                    3 => {
                        let new = v1::NewOrder { assigned_user: leaver, ..order(&format!("{name}-new")) };
                        let request = v1::CreateOrderRequest { order: Some(new), ..v1::CreateOrderRequest::default() };
                        api.orders().create_order(request).await.map(drop).map_err(Refused::from)
                    }
                    4 => {
                        let order = v1::Order { number: name, assigned_user: leaver, ..v1::Order::default() };
                        let request = v1::UpdateOrderRequest {
                            order: Some(order),
                            update_mask: mask("assigned_user"),
                            ..v1::UpdateOrderRequest::default()
                        };
                        api.orders().update_order(request).await.map(drop).map_err(Refused::from)
                    }
                    _ => step(api, advance(&name)).await.map(drop),
                };
                done.map(|()| -1)
            }));
        }
        let (api, user) = (shop.api.clone(), v1::User { inactive: true, ..user });
        calls.push(Box::pin(async move {
            after_reads(&api, round % 6).await;
            let request = v1::UpdateUserRequest {
                user: Some(user),
                update_mask: mask("inactive"),
                reassign_to: "erika".into(),
                ..v1::UpdateUserRequest::default()
            };
            let answer = api.people().update_user(request).await.map_err(Refused::from)?.into_inner();
            let (open, plan) = (answer.responsibilities.expect("inactive").open_orders, answer.plan.expect("a plan"));
            assert_eq!(plan.reassigned_orders, open);
            Ok(open)
        }));
        let mut answers = at_once(calls).await;
        let reassigned = answers.pop().expect("one each").unwrap_or_else(|refused| panic!("{refused:?}"));
        taken_over += reassigned;
        for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            documented(refused, &["INACTIVE", "ETAG_MISMATCH"]);
        }
        let with = |user: &str| v1::OrderFilter { assigned_user: user.into(), ..v1::OrderFilter::default() };
        assert_eq!(shop.api.list(with(&leaver)).await, Vec::<String>::new(), "round {round}");
        assert!(job(&shop.api).await.statuses.iter().all(|status| status.default_user != leaver));
        // Whoever was told that it is done finds the order with the one who took over.
        for (place, (name, answer)) in numbers.iter().zip(&answers).enumerate() {
            if answer.is_ok() && matches!(place % 6, 0 | 1 | 2 | 4) {
                assert_eq!(shop.api.get(name).await.assigned_user, "erika", "{name}");
            }
        }
    }
    assert!(taken_over > 40, "more than those 40 that were given beforehand: {taken_over}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alarms_that_fire_while_the_cycle_is_edited_tell_of_each_overdue_visit_once() {
    const ORDERS: usize = 150;
    let shop = Shop::open_with(MONDAY, |options| options.set("alerts.sweep_batch", 20)).await;
    let other = Daemon::start(&shop.database, Options::new().clock(&shop.clock).set("alerts.sweep_batch", 20)).await;
    insert(&shop.api, status("going", v1::StatusKind::Standard)).await;
    let numbers: Vec<_> = (0..ORDERS).map(|place| format!("A-{place:03}")).collect();
    shop.api.create_many(numbers.iter().map(|number| order(number)).collect()).await;
    // A third of them is in the status that goes, and is due on Monday evening.
    for name in numbers.iter().step_by(3) {
        let due = crate::support::api::date("2026-03-02");
        let with = Advance { target_status: "going".into(), due_date: due, ..Advance::default() };
        shop.api.advance(advance_with(name, with)).await;
    }
    shop.set(WEDNESDAY);
    let duration = |days| v1::UpdateStatusRequest {
        order_type: JOB.into(),
        status: Some(v1::Status { duration_business_days: Some(days), ..status("planned", v1::StatusKind::Initial) }),
        update_mask: mask("duration_business_days"),
        apply_to_open: true,
        ..v1::UpdateStatusRequest::default()
    };
    let mut calls: Vec<Call<Result<(), Refused>>> = Vec::new();
    for (caller, api) in [&shop.api, &other.api(), &shop.api, &other.api()].into_iter().enumerate() {
        let (api, duration) = (api.clone(), duration);
        calls.push(Box::pin(async move {
            for turn in 0..8 {
                // Due on Monday or on Tuesday: late either way.
                api.types().update_status(duration((turn + i32::try_from(caller).expect("few")) % 2)).await?;
            }
            Ok(())
        }));
    }
    let api = shop.api.clone();
    calls.push(Box::pin(async move {
        api.types().delete_status(removal("going", "milling")).await?;
        Ok(())
    }));
    for answer in at_once(calls).await {
        answer.unwrap_or_else(|refused| panic!("{refused:?}"));
    }
    within(LIMIT, "each overdue visit is told of", async || {
        for name in shop.api.overdue().await {
            let current = shop.api.get(&name).await;
            let told = |entry: &v1::HistoryEntry| {
                let of = entry.opened_visit.as_ref().filter(|_| entry.kind() == v1::HistoryKind::Overdue);
                of.is_some_and(|of| (of.sequence, of.due_time) == (visit(&current).sequence, visit(&current).due_time))
            };
            if !shop.api.history(&name).await.iter().any(told) {
                return None;
            }
        }
        Some(())
    })
    .await;
    let messages = shop.api.messages().await;
    for name in &numbers {
        let (_, history) = one_line(&shop.api, name).await;
        let mut told = BTreeSet::new();
        for entry in history.iter().filter(|entry| entry.kind() == v1::HistoryKind::Overdue) {
            let of = entry.opened_visit.as_ref().expect("a visit");
            let due = of.due_time.map(|due| due.seconds);
            assert!(told.insert((of.sequence, due)), "{name}: visit {} was told of twice", of.sequence);
        }
        let mails = messages.iter().filter(|it| (&it.order_number, it.address.as_str()) == (name, ANNA)).count();
        assert_eq!(mails, told.len(), "{name}");
        let late = shop.api.get(name).await.overdue;
        assert!(!told.is_empty() || !late, "{name}");
    }
    assert_eq!(shop.api.overdue().await.len(), ORDERS - ORDERS.div_ceil(3));
}

/// What a kill in the middle of an edit leaves, by the place at which it comes: nothing, or everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_an_edit_leaves_nothing_or_everything_and_the_same_request_id_gives_the_one_answer() {
    const ORDERS: usize = 100;
    for (point, written) in [("edit-before-commit", false), ("edit-after-commit", true)] {
        let clock = TestClock::standing_at(MONDAY);
        let database = Database::create();
        let numbers: Vec<_> = (0..ORDERS).map(|place| format!("A-{place:03}")).collect();
        let mut first = Daemon::start(&database, Options::new().clock(&clock)).await;
        let api = first.api();
        seed(&api).await;
        api.create_many(numbers.iter().map(|number| order(number)).collect()).await;
        for (place, name) in numbers.iter().enumerate() {
            api.advance(advance_to(name, "milling")).await;
            if place % 5 == 0 {
                api.advance(aside(name, "on-hold")).await;
            }
        }
        first.kill9();

        let options = Options::new().clock(&clock);
        let mut doomed = Daemon::start(&database, options.clone().kill_point(point)).await;
        let request = v1::DeleteStatusRequest { request_id: "r".into(), ..removal("milling", "checking") };
        let lost = doomed.api().types().delete_status(request.clone()).await.refused();
        assert!(matches!(lost.code, Code::Unavailable | Code::Unknown | Code::Cancelled), "{point}: {lost:?}");
        let ended = tokio::task::block_in_place(|| doomed.wait_for_end(LIMIT));
        assert!(!ended.success(), "{point}");

        let daemon = Daemon::start(&database, options).await;
        let api = daemon.api();
        // Before the repetition, and after it, and after one more.
        let mut answer = None;
        for (repeated, moved) in [(false, written), (true, true), (true, true)] {
            if repeated {
                let again = api.types().delete_status(request.clone()).await.done();
                let plan = again.plan.as_ref().expect("a plan");
                assert_eq!((plan.moved_orders, plan.redirected_orders), (80, 20), "{point}");
                assert_eq!(*answer.get_or_insert_with(|| again.clone()), again, "{point}: one answer");
            }
            assert_eq!(statuses(&api).await.contains("milling"), !moved, "{point}");
            for (place, name) in numbers.iter().enumerate() {
                let now = api.get(name).await;
                let (visits, history) = one_line(&api, name).await;
                let waits = place % 5 == 0;
                let taker = if moved { "checking" } else { "milling" };
                let expected = if waits { ("on-hold", taker) } else { (taker, "") };
                let at = (visit(&now).status.as_str(), now.interrupted_status.as_str());
                assert_eq!(at, expected, "{point}: {name}");
                assert_eq!(visits.len(), 2 + usize::from(waits) + usize::from(moved && !waits), "{point}: {name}");
                let edited = history.iter().filter(|entry| entry.kind() == v1::HistoryKind::CycleEdited).count();
                assert_eq!(edited, usize::from(moved), "{point}: {name}");
            }
        }
        let (back, _) = api.advance(advance(&numbers[0])).await;
        assert_eq!((visit(&back).status.as_str(), visit(&back).resumed), ("checking", true));
    }
}
