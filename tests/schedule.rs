//! Due dates by three methods, in days and in working time; recomputation in the background; explanation; lists by health.

use andon::grpc::proto::v1::{
    self, Advance, DueCause, DueSource, Health, ScheduleMethod as Method,
    schedule_service_client::ScheduleServiceClient,
};
use chrono::{DateTime, TimeDelta, Utc};
use prost_types::FieldMask;
use sqlx::Connection as _;
use tonic::{Code, transport::Channel};

use crate::support::{
    Api, Daemon, Database, Expect as _, Options, TestClock,
    api::{advance, advance_to, advance_with, date, day, instant, number},
    clock::at,
    eventually,
    plant::{CALENDAR, JOB, Shop, order, seed},
};

/// A Monday, 09:00 in Vienna.
const MONDAY: &str = "2026-03-02T08:00:00Z";

fn schedule(api: &Daemon) -> ScheduleServiceClient<Channel> {
    ScheduleServiceClient::new(api.channel())
}

#[expect(clippy::unnecessary_wraps, reason = "as requests want it")]
fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

fn due(order: &v1::Order) -> (String, DueSource) {
    let visit = order.visit.as_ref().expect("a visit");
    (day(visit.due_date), visit.due_source())
}

fn due_time(order: &v1::Order) -> DateTime<Utc> {
    instant(order.visit.as_ref().and_then(|visit| visit.due_time))
}

async fn type_method(api: &Api, method: Method) {
    let order_type = v1::OrderType { id: JOB.into(), schedule_method: method.into(), ..v1::OrderType::default() };
    let request = v1::UpdateOrderTypeRequest {
        order_type: Some(order_type),
        update_mask: mask(&["schedule_method"]),
        ..v1::UpdateOrderTypeRequest::default()
    };
    api.types().update_order_type(request).await.done();
}

async fn duration(api: &Api, status: &str, minutes: i32) {
    let given = v1::Status { id: status.into(), duration_working_minutes: Some(minutes), ..v1::Status::default() };
    let request = v1::UpdateStatusRequest {
        order_type: JOB.into(),
        status: Some(given),
        update_mask: mask(&["duration_working_minutes"]),
        ..v1::UpdateStatusRequest::default()
    };
    api.types().update_status(request).await.done();
}

/// The calendar of the shop with hours: Monday to Friday 08:00 to 12:00 and 13:00 to 17:00.
async fn with_hours(api: &Api) {
    let interval = |from_minute, to_minute| v1::WorkingInterval { from_minute, to_minute };
    let open = v1::DayHours { open: true, intervals: vec![interval(480, 720), interval(780, 1_020)] };
    let week = (0..7).map(|day| if day < 5 { open.clone() } else { v1::DayHours::default() }).collect();
    update_calendar(api, v1::Calendar { id: CALENDAR.into(), week, ..v1::Calendar::default() }, "week", false).await;
}

async fn update_calendar(api: &Api, calendar: v1::Calendar, field: &str, validate_only: bool) -> (v1::EditPlan, i64) {
    let request = v1::UpdateCalendarRequest {
        calendar: Some(calendar),
        update_mask: mask(&[field]),
        validate_only,
        ..v1::UpdateCalendarRequest::default()
    };
    let answer = api.calendars().update_calendar(request).await.done();
    (answer.plan.expect("a plan"), answer.replan)
}

fn closed(from: &str, to: &str) -> v1::Calendar {
    let works_holiday = v1::CalendarException {
        name: "works holiday".into(),
        from_date: date(from),
        to_date: date(to),
        hours: Some(v1::DayHours::default()),
        ..v1::CalendarException::default()
    };
    v1::Calendar { id: CALENDAR.into(), exceptions: vec![works_holiday], ..v1::Calendar::default() }
}

/// The recomputation, once its last batch is done.
async fn finished(daemon: &Daemon, id: i64) -> v1::Replan {
    assert_ne!(id, 0, "the edit asked for no recomputation");
    eventually("the recomputation is finished", async || {
        let found = schedule(daemon).get_replan(v1::GetReplanRequest { id }).await.expect("it is there").into_inner();
        found.replan.filter(|replan| replan.finish_time.is_some())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_method_gives_its_dates_and_the_order_beats_its_type_and_that_the_company() {
    let shop = Shop::open(MONDAY).await;
    let method = |method: Method| v1::NewOrder {
        schedule_method: method.into(),
        delivery_date: date("2026-03-20"),
        ..order("")
    };
    let named = |number: &str, new: v1::NewOrder| v1::NewOrder { number: number.into(), ..new };
    // planned 1, milling 2, checking 1 business days; made on Monday 2 March.
    shop.api.create(named("F", method(Method::FromOrderDate))).await;
    shop.api.create(named("D", method(Method::FromDeliveryDate))).await;
    shop.api.create(named("E", method(Method::FromEntry))).await;
    for (number, expected) in [
        ("F", [("2026-03-03", DueSource::Plan), ("2026-03-05", DueSource::Plan), ("2026-03-06", DueSource::Plan)]),
        (
            "D",
            [
                ("2026-03-17", DueSource::Delivery),
                ("2026-03-19", DueSource::Delivery),
                ("2026-03-20", DueSource::Delivery),
            ],
        ),
        ("E", [("2026-03-03", DueSource::Entry), ("2026-03-04", DueSource::Entry), ("2026-03-03", DueSource::Entry)]),
    ] {
        let mut seen = vec![due(&shop.api.get(number).await)];
        for _ in 0..2 {
            seen.push(due(&shop.api.advance(advance(number)).await.0));
        }
        let expected: Vec<_> = expected.iter().map(|(on, source)| ((*on).to_owned(), *source)).collect();
        assert_eq!(seen, expected, "{number}");
    }
    // The company, then the type, then the order.
    let mut schedule = schedule(&shop.daemon);
    let defaults = schedule.get_schedule_defaults(v1::GetScheduleDefaultsRequest {}).await.done();
    assert_eq!(defaults.schedule_method(), Method::FromOrderDate);
    let request = v1::UpdateScheduleDefaultsRequest {
        schedule_method: Method::FromEntry.into(),
        etag: defaults.etag.clone(),
        ..v1::UpdateScheduleDefaultsRequest::default()
    };
    let replan = schedule.update_schedule_defaults(request.clone()).await.done().replan;
    finished(&shop.daemon, replan).await;
    assert_eq!(schedule.update_schedule_defaults(request).await.refused().reason, "ETAG_MISMATCH");
    let created = shop.api.create(order("C")).await;
    assert_eq!((due(&created).1, created.effective_schedule_method()), (DueSource::Entry, Method::FromEntry));
    type_method(&shop.api, Method::FromDeliveryDate).await;
    let without = v1::CreateOrderRequest { order: Some(order("T")), ..v1::CreateOrderRequest::default() };
    let refused = shop.api.orders().create_order(without).await.refused();
    assert_eq!(refused.why(), (Code::FailedPrecondition, "DELIVERY_DATE_REQUIRED"));
    let created = shop.api.create(v1::NewOrder { delivery_date: date("2026-03-22"), ..order("T") }).await;
    // The 22nd is a Sunday: what is planned back never falls on a closed day.
    assert_eq!(due(&created), ("2026-03-17".to_owned(), DueSource::Delivery));
    let own = v1::NewOrder { schedule_method: Method::FromOrderDate.into(), ..order("O") };
    assert_eq!(due(&shop.api.create(own).await).1, DueSource::Plan);
    // A delivery date that moves takes the due date along, and cannot be taken away.
    let update = |delivery: Option<&str>| v1::UpdateOrderRequest {
        order: Some(v1::Order { number: "T".into(), delivery_date: delivery.and_then(date), ..v1::Order::default() }),
        update_mask: mask(&["delivery_date"]),
        ..v1::UpdateOrderRequest::default()
    };
    let moved = shop.api.orders().update_order(update(Some("2026-03-27"))).await.done().order.expect("an order");
    assert_eq!(due(&moved), ("2026-03-24".to_owned(), DueSource::Delivery));
    let last = shop.api.history("T").await.pop().expect("an entry");
    assert_eq!((last.kind(), last.due_cause()), (v1::HistoryKind::DueDateChanged, DueCause::DeliveryDate));
    assert_eq!(shop.api.orders().update_order(update(None)).await.refused().reason, "DELIVERY_DATE_REQUIRED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_move_what_is_planned_forward_and_no_promise_to_a_customer() {
    let shop = Shop::open(MONDAY).await;
    for (number, method) in [
        ("F", Method::FromOrderDate),
        ("D", Method::FromDeliveryDate),
        ("E", Method::FromEntry),
        ("M", Method::FromEntry),
    ] {
        let new = v1::NewOrder { schedule_method: method.into(), delivery_date: date("2026-03-20"), ..order(number) };
        shop.api.create(new).await;
        shop.api.advance(advance(number)).await;
    }
    let by_hand =
        v1::SetDueDateRequest { order: number("M"), due_date: date("2026-03-10"), ..v1::SetDueDateRequest::default() };
    shop.api.orders().set_due_date(by_hand).await.done();
    let before = ["F", "D", "E", "M"];
    for number in before {
        let aside = Advance { target_status: "on-hold".into(), not_complete: true, ..Advance::default() };
        let (held, _) = shop.api.advance(advance_with(number, aside)).await;
        // An order on hold whose target is its plan is not late by being held.
        assert_ne!(held.projection.expect("a projection").health(), Health::Unspecified);
    }
    // Monday and Tuesday are lost; Wednesday was held for nine of 24 hours.
    shop.set("2026-03-04T08:00:00Z");
    let mut after = Vec::new();
    for number in before {
        let (back, _) = shop.api.advance(advance(number)).await;
        after.push(due(&back).0);
    }
    assert_eq!(after, ["2026-03-09", "2026-03-19", "2026-03-06", "2026-03-10"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_was_reported_late_gives_back_the_days_that_it_took() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("J-1")).await;
    shop.api.advance(advance("J-1")).await;
    let aside = Advance { target_status: "on-hold".into(), not_complete: true, ..Advance::default() };
    shop.api.advance(advance_with("J-1", aside)).await;
    // Ended on Monday, recorded on Thursday.
    shop.set("2026-03-05T08:00:00Z");
    let back = Advance { completed_date: date("2026-03-02"), ..Advance::default() };
    let (_, effects) = shop.api.advance(advance_with("J-1", back)).await;
    assert_eq!(effects.days_given_back, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_on_hold_is_not_late_by_being_held() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("J-1")).await;
    shop.api.advance(advance("J-1")).await;
    let aside = Advance { target_status: "on-hold".into(), not_complete: true, ..Advance::default() };
    shop.api.advance(advance_with("J-1", aside)).await;
    for now in [MONDAY, "2026-03-06T08:00:00Z", "2026-04-20T08:00:00Z"] {
        shop.set(now);
        let projection = shop.api.get("J-1").await.projection.expect("a projection");
        // Planning took no day, so it is a day ahead, and stays so.
        assert_eq!((projection.health(), projection.slack_business_days), (Health::Ahead, 1), "{now}");
        let late = v1::OrderFilter { health: vec![Health::Late.into()], ..v1::OrderFilter::default() };
        assert!(shop.api.list(late).await.is_empty(), "{now}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn working_time_is_used_up_to_the_microsecond() {
    let shop = Shop::open(MONDAY).await;
    with_hours(&shop.api).await;
    duration(&shop.api, "waiting", 600).await;
    shop.api.create(order("J-1")).await;
    // Monday 09:00 and ten hours of work: Tuesday 11:00.
    let aside = Advance { target_status: "waiting".into(), not_complete: true, ..Advance::default() };
    let (waiting, _) = shop.api.advance(advance_with("J-1", aside)).await;
    let due_at = at("2026-03-03T10:00:00Z");
    assert_eq!((due(&waiting), due_time(&waiting)), (("2026-03-03".to_owned(), DueSource::Entry), due_at));
    for (offset, overdue) in [(-1, false), (0, true), (1, true)] {
        shop.clock.set(due_at + TimeDelta::microseconds(offset));
        assert_eq!(shop.api.get("J-1").await.overdue, overdue, "{offset}");
        assert_eq!(shop.api.overdue().await.len(), usize::from(overdue), "{offset}");
    }
    eventually("the sweep tells of it", async || {
        let history = shop.api.history("J-1").await;
        history.iter().any(|entry| entry.kind() == v1::HistoryKind::Overdue).then_some(())
    })
    .await;
    let explained = schedule(&shop.daemon).explain_order(v1::ExplainOrderRequest { order: number("J-1") }).await.done();
    let counts: Vec<_> = explained.steps[0].days.iter().map(|day| (day.count, day.closed_because.as_str())).collect();
    assert_eq!(
        (explained.steps[0].text.as_str(), counts),
        ("Waiting for material: 10 hours of work", vec![(420, ""), (600, "")])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn working_time_goes_on_after_a_hold_by_what_was_held() {
    let shop = Shop::open(MONDAY).await;
    with_hours(&shop.api).await;
    duration(&shop.api, "planned", 240).await;
    shop.api.create(order("J-1")).await;
    // From the first working instant of the order date: 08:00 to 12:00.
    assert_eq!(due_time(&shop.api.get("J-1").await), at("2026-03-02T11:00:00Z"));
    let aside = Advance { target_status: "on-hold".into(), not_complete: true, ..Advance::default() };
    shop.api.advance(advance_with("J-1", aside)).await;
    // Held from 09:00 to 14:30: three hours before noon and one and a half after it.
    shop.set("2026-03-02T13:30:00Z");
    let (back, _) = shop.api.advance(advance_to("J-1", "planned")).await;
    assert_eq!(due_time(&back), at("2026-03-03T07:30:00Z"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holiday_moves_open_orders_in_the_background_as_the_preview_said() {
    let shop = Shop::open(MONDAY).await;
    for name in ["J-1", "J-2", "J-3"] {
        shop.api.create(order(name)).await;
    }
    shop.api.advance(advance("J-2")).await;
    let by_hand = v1::SetDueDateRequest {
        order: number("J-3"),
        due_date: date("2026-03-03"),
        ..v1::SetDueDateRequest::default()
    };
    shop.api.orders().set_due_date(by_hand).await.done();
    let holiday = || closed("2026-03-03", "2026-03-04");
    let (shown, replan) = update_calendar(&shop.api, holiday(), "exceptions", true).await;
    assert_eq!((shown.replanned_orders, shown.due_dates_changed, shown.newly_overdue, replan), (3, 2, 0, 0));
    let mut named: Vec<_> =
        shown.examples.iter().map(|it| (it.number.as_str(), day(it.due_date_before), day(it.due_date_after))).collect();
    named.sort_unstable();
    let expected = [("J-1", "2026-03-03", "2026-03-05"), ("J-2", "2026-03-05", "2026-03-09")];
    assert_eq!(named, expected.map(|(number, before, after)| (number, before.to_owned(), after.to_owned())));
    assert_eq!(due(&shop.api.get("J-1").await).0, "2026-03-03");

    let wrong = v1::UpdateCalendarRequest {
        calendar: Some(closed("2026-03-03", "2026-03-05")),
        update_mask: mask(&["exceptions"]),
        expected_plan: shown.fingerprint.clone(),
        ..v1::UpdateCalendarRequest::default()
    };
    assert_eq!(shop.api.calendars().update_calendar(wrong.clone()).await.refused().reason, "PLAN_CHANGED");
    let right = v1::UpdateCalendarRequest { calendar: Some(holiday()), ..wrong };
    let replan = shop.api.calendars().update_calendar(right).await.done().replan;
    let replan = finished(&shop.daemon, replan).await;
    assert_eq!((replan.orders, replan.examined, replan.changed, replan.failed), (3, 3, 2, 0));
    assert_eq!((replan.cause(), replan.subject.as_str()), (DueCause::Calendar, CALENDAR));
    for (number, on) in [("J-1", "2026-03-05"), ("J-2", "2026-03-09"), ("J-3", "2026-03-03")] {
        assert_eq!(due(&shop.api.get(number).await).0, on, "{number}");
    }
    let last = shop.api.history("J-1").await.pop().expect("an entry");
    assert_eq!((last.kind(), last.due_cause()), (v1::HistoryKind::DueDateChanged, DueCause::Calendar));
    assert_eq!(last.reason, "calendar 'vienna' was changed");
    // The same once more: nothing changes, and nothing is written.
    let entries = shop.api.history("J-1").await.len();
    let etag = shop.api.get("J-1").await.etag;
    let (_, none) = update_calendar(&shop.api, v1::Calendar { name: "Wien".into(), ..holiday() }, "name", false).await;
    assert_eq!(none, 0);
    let named = schedule(&shop.daemon).list_replans(v1::ListReplansRequest::default()).await.done().replans;
    assert_eq!(named.first().map(|replan| replan.id), Some(replan.id));
    assert_eq!((shop.api.history("J-1").await.len(), shop.api.get("J-1").await.etag), (entries, etag));
    let missing = schedule(&shop.daemon).get_replan(v1::GetReplanRequest { id: 999 }).await.refused();
    assert_eq!(missing.why(), (Code::NotFound, "NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recomputation_alerts_once_and_takes_back_what_is_in_time_again() {
    let shop = Shop::open(MONDAY).await;
    let (_, replan) = update_calendar(&shop.api, closed("2026-03-03", "2026-03-06"), "exceptions", false).await;
    finished(&shop.daemon, replan).await;
    shop.api.create(order("J-1")).await;
    assert_eq!(due(&shop.api.get("J-1").await).0, "2026-03-09");
    shop.set("2026-03-05T08:00:00Z");
    // Without the holiday it was due on Tuesday: it is overdue by the edit.
    let open = v1::Calendar { exceptions: Vec::new(), ..closed("2026-03-03", "2026-03-03") };
    let (shown, _) = update_calendar(&shop.api, open.clone(), "exceptions", true).await;
    assert_eq!((shown.due_dates_changed, shown.newly_overdue), (1, 1));
    let (_, replan) = update_calendar(&shop.api, open, "exceptions", false).await;
    let replan = finished(&shop.daemon, replan).await;
    assert_eq!((replan.changed, replan.newly_overdue), (1, 1));
    let alerts = async || {
        let history = shop.api.history("J-1").await;
        history.iter().filter(|entry| entry.kind() == v1::HistoryKind::Overdue).count()
    };
    eventually("it is told of", async || (alerts().await == 1).then_some(())).await;
    let (_, replan) = update_calendar(&shop.api, closed("2026-03-03", "2026-03-06"), "exceptions", false).await;
    let replan = finished(&shop.daemon, replan).await;
    assert_eq!((replan.changed, replan.in_time_again), (1, 1));
    assert!(!shop.api.get("J-1").await.overdue);
    assert_eq!(alerts().await, 1);
    // No relay was there: what is queued about the old date is withdrawn when its turn comes.
    let messages = shop.api.messages().await;
    assert!(!messages.is_empty() && messages.iter().all(|it| it.state() != v1::DeliveryState::Sent), "{messages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_recomputation_goes_on_where_its_last_batch_ended() {
    let points =
        ["replan-before-cut", "replan-after-cut", "replan-before-commit", "replan-after-commit", "replan-before-end"];
    for point in points {
        let clock = TestClock::standing_at(MONDAY);
        let database = Database::create();
        let options = Options::new().clock(&clock);
        let mut daemon = Daemon::start(&database, options.clone()).await;
        let api = daemon.api();
        seed(&api).await;
        let new = (0..1_200).map(|n| order(&format!("J-{n:04}")));
        api.create_many(new.clone().take(1_000).collect()).await;
        api.create_many(new.skip(1_000).collect()).await;
        daemon.kill9();
        // The edit is committed, then its first batch ends the daemon.
        let mut daemon = Daemon::start(&database, options.clone().kill_point(point)).await;
        let calendar = closed("2026-03-03", "2026-03-04");
        let request = v1::UpdateCalendarRequest {
            calendar: Some(calendar),
            update_mask: mask(&["exceptions"]),
            ..v1::UpdateCalendarRequest::default()
        };
        // The answer may be cut off by the end of the daemon.
        let _ = daemon.api().calendars().update_calendar(request).await;
        let ended = tokio::task::block_in_place(|| daemon.wait_for_end(std::time::Duration::from_secs(40)));
        assert!(!ended.success(), "{point}: the daemon ended well");
        let daemon = Daemon::start(&database, options).await;
        let replan = finished(&daemon, 1).await;
        assert_eq!((replan.orders, replan.examined, replan.changed), (1_200, 1_200, 1_200), "{point}");
        for name in ["J-0000", "J-0499", "J-0500", "J-1199"] {
            assert_eq!(due(&daemon.api().get(name).await).0, "2026-03-05", "{point} {name}");
            let history = daemon.api().history(name).await;
            let moved = history.iter().filter(|entry| entry.kind() == v1::HistoryKind::DueDateChanged).count();
            assert_eq!(moved, 1, "{point} {name}");
        }
    }
}

/// So many orders, due on Wednesday.
async fn many(api: &Api, count: usize) {
    let mut new = (0..count).map(|n| order(&format!("J-{n:04}")));
    for _ in 0..count.div_ceil(1_000) {
        api.create_many(new.by_ref().take(1_000).collect()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_share_a_recomputation_and_do_each_order_once() {
    let shop = Shop::open(MONDAY).await;
    let other = Daemon::start(&shop.database, Options::new().clock(&shop.clock)).await;
    many(&shop.api, 4_000).await;
    let (_, first) = update_calendar(&shop.api, closed("2026-03-03", "2026-03-04"), "exceptions", false).await;
    // The second edit comes while the first recomputation runs, or before it.
    let (_, second) = update_calendar(&other.api(), closed("2026-03-03", "2026-03-05"), "exceptions", false).await;
    let first = finished(&shop.daemon, first).await;
    let second = finished(&other, second).await;
    for replan in [&first, &second] {
        assert_eq!((replan.orders, replan.examined, replan.failed), (4_000, 4_000, 0), "{replan:?}");
    }
    let changed = "SELECT count(*) FROM history WHERE kind = 'DUE_DATE_CHANGED'";
    assert_eq!(shop.database.number(changed).await, first.changed + second.changed);
    let whole = "SELECT count(*) FROM orders o JOIN visits v ON v.order_id = o.id AND v.sequence = o.visit_sequence
        WHERE o.due_on = '2026-03-06' AND (o.due_on, o.due_at, o.due_source) = (v.due_on, v.due_at, v.due_source)
            AND o.next_alarm_at = o.due_at
            AND o.history_sequence = (SELECT count(*) FROM history h WHERE h.order_id = o.id)
            AND o.version = (SELECT max(c.version) FROM changes c WHERE c.order_id = o.id)
            AND o.version = (SELECT count(*) FROM changes c WHERE c.order_id = o.id)";
    assert_eq!(shop.database.number(whole).await, 4_000);
    assert_eq!(shop.database.number("SELECT count(*) FROM replan_parts").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_cannot_be_written_is_stepped_over_and_counted() {
    let shop = Shop::open(MONDAY).await;
    many(&shop.api, 1_100).await;
    let spoil = "WITH spoilt AS (
            UPDATE visits SET due_on = NULL, due_at = NULL, due_source = NULL, left_at = entered_at
            WHERE order_id = (SELECT id FROM orders WHERE number = 'J-0700') RETURNING 1)
        SELECT count(*) FROM spoilt";
    assert_eq!(shop.database.number(spoil).await, 1);
    let (_, replan) = update_calendar(&shop.api, closed("2026-03-03", "2026-03-04"), "exceptions", false).await;
    let replan = finished(&shop.daemon, replan).await;
    assert_eq!((replan.examined, replan.changed, replan.failed), (1_100, 1_099, 1));
    let stayed = "SELECT count(*) FROM orders WHERE due_on = '2026-03-03' AND number = 'J-0700'";
    assert_eq!(shop.database.number(stayed).await, 1);
    assert_eq!(shop.database.number("SELECT count(*) FROM orders WHERE due_on = '2026-03-05'").await, 1_099);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recomputation_that_the_version_before_began_is_finished() {
    let shop = Shop::open(MONDAY).await;
    many(&shop.api, 1_300).await;
    let begun = "WITH begun AS (
            INSERT INTO replans (cause, subject, reason, order_types, dates, actor, requested_at, orders, after_id, examined,
                changed, started_at)
            SELECT 'CALENDAR', 'x', '', ARRAY['job'], true, 'x', now(), 1300, id, 500, 7, now()
            FROM orders ORDER BY id OFFSET 499 LIMIT 1 RETURNING id)
        SELECT id FROM begun";
    let id = shop.database.number(begun).await;
    let replan = finished(&shop.daemon, id).await;
    assert_eq!((replan.orders, replan.examined, replan.changed), (1_300, 1_300, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_explanation_counts_each_day_and_names_each_closed_one() {
    let shop = Shop::open("2026-04-02T08:00:00Z").await;
    shop.api.create(order("J-1")).await;
    let (milling, _) = shop.api.advance(advance("J-1")).await;
    let explain =
        async || schedule(&shop.daemon).explain_order(v1::ExplainOrderRequest { order: number("J-1") }).await.done();
    let explained = explain().await;
    // Thursday 2 April; 1 day to Friday; 2 days over the weekend and Easter Monday to Wednesday.
    assert_eq!((day(explained.due_date), day(explained.rule_date)), ("2026-04-08".to_owned(), "2026-04-08".to_owned()));
    assert_eq!(explained.due_time, milling.visit.expect("a visit").due_time);
    let texts: Vec<_> = explained.steps.iter().map(|step| step.text.as_str()).collect();
    assert_eq!(texts, ["Planned: 1 business day", "Milling: 2 business days"]);
    let days: Vec<_> =
        explained.steps[1].days.iter().map(|it| (day(it.date), it.count, it.closed_because.as_str())).collect();
    let expected = [
        ("2026-04-03", 0, ""),
        ("2026-04-04", 0, "Saturday"),
        ("2026-04-05", 0, "Sunday"),
        ("2026-04-06", 0, "Easter Monday"),
        ("2026-04-07", 1, ""),
        ("2026-04-08", 2, ""),
    ];
    assert_eq!(days, expected.map(|(on, count, because)| (on.to_owned(), count, because)));
    assert!(explained.sentences[0].starts_with("It is planned forward from the order date"), "{explained:?}");

    // A hold from Thursday to Tuesday noon: Thursday, Friday and Tuesday are lost, and given back.
    let aside = Advance { target_status: "on-hold".into(), not_complete: true, ..Advance::default() };
    shop.api.advance(advance_with("J-1", aside)).await;
    shop.set("2026-04-07T10:00:00Z");
    let (back, effects) = shop.api.advance(advance("J-1")).await;
    let explained = explain().await;
    assert_eq!((explained.lost_business_days, explained.holds.len()), (effects.days_given_back, 1));
    assert_eq!((explained.holds[0].status.as_str(), explained.holds[0].status_name.as_str()), ("on-hold", "On hold"));
    let held: Vec<_> = explained.held_days.iter().map(|it| (day(it.date), it.held_minutes, it.lost)).collect();
    // From 10:00 on the first day, to noon on the last: of 24 hours each.
    let expected = [("2026-04-02", 840, true), ("2026-04-03", 1_440, true), ("2026-04-07", 720, true)];
    assert_eq!(held, expected.map(|(on, minutes, lost)| (on.to_owned(), minutes, lost)));
    assert!(explained.held_days.iter().all(|it| (it.working_minutes, it.holds.as_slice()) == (1_440, &[0])));
    assert_eq!(explained.steps.last().map(|step| step.text.as_str()), Some("given back for holds: 3 business days"));
    assert_eq!((day(explained.rule_date), explained.due_time), (due(&back).0, back.visit.expect("a visit").due_time));

    let by_hand = v1::SetDueDateRequest {
        order: number("J-1"),
        due_date: date("2026-05-01"),
        ..v1::SetDueDateRequest::default()
    };
    shop.api.orders().set_due_date(by_hand).await.done();
    let explained = explain().await;
    assert_eq!((day(explained.due_date), explained.due_source()), ("2026-05-01".to_owned(), DueSource::Manual));
    let said = explained.sentences.join(" ");
    assert!(said.contains("A person set 2026-05-01; the rule would give 2026-04-13."), "{said}");
    let missing = schedule(&shop.daemon).explain_order(v1::ExplainOrderRequest { order: number("X") }).await.refused();
    assert_eq!(missing.why(), (Code::NotFound, "NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_held_day_is_told_with_the_hold_that_took_it_and_its_working_hours() {
    let shop = Shop::open(MONDAY).await;
    with_hours(&shop.api).await;
    let pausing = v1::Status { id: "waiting".into(), clock: v1::StatusClock::Pauses.into(), ..v1::Status::default() };
    let request = v1::UpdateStatusRequest {
        order_type: JOB.into(),
        status: Some(pausing),
        update_mask: mask(&["clock"]),
        ..v1::UpdateStatusRequest::default()
    };
    shop.api.types().update_status(request).await.done();
    shop.api.create(order("J-1")).await;
    let aside = |status: &str| Advance { target_status: status.into(), not_complete: true, ..Advance::default() };
    // Tuesday 15:00 to Wednesday 10:00 on hold: 2 hours each, of 8. Then waiting from 11:00 to 14:00, without the noon: 2 more.
    for (at, status) in [
        ("2026-03-03T14:00:00Z", "on-hold"),
        ("2026-03-04T09:00:00Z", "planned"),
        ("2026-03-04T10:00:00Z", "waiting"),
        ("2026-03-04T13:00:00Z", "planned"),
    ] {
        shop.set(at);
        shop.api.advance(advance_with("J-1", aside(status))).await;
    }
    let explain = v1::ExplainOrderRequest { order: number("J-1") };
    let explained = schedule(&shop.daemon).explain_order(explain.clone()).await.done();
    assert_eq!(explained.lost_business_days, 1);
    let statuses: Vec<_> = explained.holds.iter().map(|hold| hold.status.as_str()).collect();
    assert_eq!(statuses, ["on-hold", "waiting"]);
    let held: Vec<_> = explained
        .held_days
        .iter()
        .map(|it| (day(it.date), it.held_minutes, it.working_minutes, it.lost, it.holds.clone()))
        .collect();
    let expected =
        [("2026-03-03".to_owned(), 120, 480, false, vec![0]), ("2026-03-04".to_owned(), 240, 480, true, vec![0, 1])];
    assert_eq!((held.as_slice(), explained.held_days_left_out), (expected.as_slice(), 0));
    // What counts from entry names only the holds since.
    let (milling, _) = shop.api.advance(advance("J-1")).await;
    assert_eq!(milling.visit.expect("a visit").status, "milling");
    let by_plan = schedule(&shop.daemon).explain_order(explain.clone()).await.done();
    assert_eq!((by_plan.holds.len(), by_plan.held_days.len()), (2, 2));
    type_method(&shop.api, Method::FromEntry).await;
    shop.api.advance(advance("J-1")).await;
    let from_entry = schedule(&shop.daemon).explain_order(explain).await.done();
    assert_eq!((from_entry.holds.len(), from_entry.held_days.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_years_tells_how_many_days_it_does_not_name() {
    let shop = Shop::open(MONDAY).await;
    let days = |days| v1::UpdateStatusRequest {
        order_type: JOB.into(),
        status: Some(v1::Status { id: "planned".into(), duration_business_days: Some(days), ..v1::Status::default() }),
        update_mask: mask(&["duration_business_days"]),
        ..v1::UpdateStatusRequest::default()
    };
    // The 400th day is the 284th that is counted. Of 14 years only the first 400 days are named; all are counted.
    let expected = [(283, 397, 0, 113), (284, 400, 0, 115), (285, 400, 1, 115), (3_640, 400, 4_698, 1_457)];
    for (count, named, left_out, closed) in expected {
        shop.api.types().update_status(days(count)).await.done();
        let name = format!("J-{count}");
        shop.api.create(order(&name)).await;
        let explain = v1::ExplainOrderRequest { order: number(&name) };
        let step = schedule(&shop.daemon).explain_order(explain).await.done().steps.remove(0);
        assert_eq!((step.days.len(), step.days_left_out, step.closed_days), (named, left_out, closed), "{count}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_edit_of_a_status_tells_the_recomputation_that_follows_it() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("J-1")).await;
    let status = v1::Status {
        id: "packing".into(),
        name: "Packing".into(),
        kind: v1::StatusKind::Standard.into(),
        duration_business_days: Some(3),
        ..v1::Status::default()
    };
    let create = v1::CreateStatusRequest {
        order_type: JOB.into(),
        status: Some(status.clone()),
        ..v1::CreateStatusRequest::default()
    };
    let update = |duration_business_days, field: &str| v1::UpdateStatusRequest {
        order_type: JOB.into(),
        status: Some(v1::Status { name: "Boxing".into(), duration_business_days, ..status.clone() }),
        update_mask: mask(&[field]),
        ..v1::UpdateStatusRequest::default()
    };
    let delete = v1::DeleteStatusRequest {
        order_type: JOB.into(),
        status: "packing".into(),
        ..v1::DeleteStatusRequest::default()
    };
    let mut types = shop.api.types();
    let preview = v1::CreateStatusRequest { validate_only: true, ..create.clone() };
    assert_eq!(types.create_status(preview).await.done().replan, 0);
    let created = types.create_status(create).await.done().replan;
    assert_eq!(finished(&shop.daemon, created).await.order_types, [JOB]);
    let changed = types.update_status(update(Some(5), "duration_business_days")).await.done().replan;
    assert_eq!(finished(&shop.daemon, changed).await.subject, JOB);
    // A name plans nothing.
    assert_eq!(types.update_status(update(None, "name")).await.done().replan, 0);
    let preview = v1::DeleteStatusRequest { validate_only: true, ..delete.clone() };
    assert_eq!(types.delete_status(preview).await.done().replan, 0);
    let deleted = types.delete_status(delete).await.done().replan;
    finished(&shop.daemon, deleted).await;
    assert!(created < changed && changed < deleted, "{created} {changed} {deleted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_due_date_that_an_order_waits_for_is_recorded_when_it_changes() {
    let shop = Shop::open(MONDAY).await;
    for name in ["J-1", "J-2"] {
        shop.api.create(order(name)).await;
        shop.api.advance(advance(name)).await;
        let aside = Advance { target_status: "on-hold".into(), not_complete: true, ..Advance::default() };
        shop.api.advance(advance_with(name, aside)).await;
    }
    let etag = shop.api.get("J-1").await.etag;
    let last = async |name: &str| {
        let entry = shop.api.history(name).await.pop().expect("an entry");
        assert_eq!((entry.kind(), &entry.opened_visit), (v1::HistoryKind::DueDateChanged, &None));
        assert_eq!((entry.interrupted_status.as_str(), entry.interrupted_status_name.as_str()), ("milling", "Milling"));
        let [change] = entry.changes.clone().try_into().expect("one change");
        let v1::FieldChange { field, before, after } = change;
        assert_eq!(field, "interrupted_due_date");
        (before, after, entry.due_cause())
    };
    let dates = |before: &str, after: &str, cause| (before.to_owned(), after.to_owned(), cause);
    // In the background: the calendar.
    let (_, replan) = update_calendar(&shop.api, closed("2026-03-04", "2026-03-04"), "exceptions", false).await;
    finished(&shop.daemon, replan).await;
    assert_eq!(last("J-1").await, dates("2026-03-05", "2026-03-06", DueCause::Calendar));
    assert_eq!(shop.api.history("J-1").await.pop().expect("an entry").reason, "calendar 'vienna' was changed");
    assert_eq!(shop.api.get("J-1").await.etag, etag);
    let entries = shop.api.history("J-1").await.len();
    let (_, replan) = update_calendar(&shop.api, closed("2026-12-24", "2026-12-24"), "exceptions", false).await;
    finished(&shop.daemon, replan).await;
    assert_eq!(last("J-1").await, dates("2026-03-06", "2026-03-05", DueCause::Calendar));
    let (_, replan) = update_calendar(&shop.api, closed("2026-12-25", "2026-12-25"), "exceptions", false).await;
    finished(&shop.daemon, replan).await;
    assert_eq!(shop.api.history("J-1").await.len(), entries + 1, "nothing changed by it");
    // At once: a duration that is applied to open orders, and an order date.
    let request = v1::UpdateStatusRequest {
        order_type: JOB.into(),
        status: Some(v1::Status { id: "milling".into(), duration_business_days: Some(4), ..v1::Status::default() }),
        update_mask: mask(&["duration_business_days"]),
        apply_to_open: true,
        ..v1::UpdateStatusRequest::default()
    };
    shop.api.types().update_status(request).await.done();
    assert_eq!(last("J-2").await, dates("2026-03-05", "2026-03-09", DueCause::Cycle));
    let update = v1::UpdateOrderRequest {
        order: Some(v1::Order { number: "J-2".into(), order_date: date("2026-03-03"), ..v1::Order::default() }),
        update_mask: mask(&["order_date"]),
        ..v1::UpdateOrderRequest::default()
    };
    shop.api.orders().update_order(update).await.done();
    assert_eq!(last("J-2").await, dates("2026-03-09", "2026-03-10", DueCause::OrderDate));
    let (back, _) = shop.api.advance(advance("J-2")).await;
    assert_eq!(due(&back), ("2026-03-10".to_owned(), DueSource::Plan));
    // Of working time the instant.
    with_hours(&shop.api).await;
    duration(&shop.api, "milling", 600).await;
    let (_, replan) = update_calendar(&shop.api, closed("2026-03-04", "2026-03-04"), "exceptions", false).await;
    finished(&shop.daemon, replan).await;
    assert_eq!(last("J-1").await.1, "2026-03-06T09:00:00Z");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_previews_at_once_are_all_answered_and_callers_that_go_hold_up_nobody() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create_many((0..1_000).map(|n| order(&format!("J-{n}"))).collect()).await;
    // While the orders cannot be read, two previews are at work and one waits for its turn: all three callers go.
    let held = shop.database.hold_orders().await;
    let mut gone = Vec::new();
    for _ in 0..3 {
        let api = shop.api.clone();
        gone.push(tokio::spawn(async move {
            update_calendar(&api, closed("2026-03-03", "2026-03-04"), "exceptions", true).await
        }));
    }
    eventually("previews wait for the orders", async || (shop.database.waiting_for_locks().await >= 2).then_some(()))
        .await;
    for call in gone {
        call.abort();
    }
    let _ = held.close().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let api = shop.api.clone();
        calls.spawn(
            async move { update_calendar(&api, closed("2026-03-03", "2026-03-04"), "exceptions", true).await.0 },
        );
    }
    let plans = calls.join_all().await;
    assert!(plans.iter().all(|plan| (plan.replanned_orders, plan.due_dates_changed) == (1_000, 1_000)));
}

async fn maintained_until(api: &Api, calendar: &str, until: Option<&str>) {
    let until = until.and_then(date);
    let calendar = v1::Calendar { id: calendar.into(), maintained_until_date: until, ..v1::Calendar::default() };
    let (_, replan) = update_calendar(api, calendar, "maintained_until_date", false).await;
    assert_eq!(replan, 0, "no date changes by it");
}

fn beyond(order: &v1::Order) -> bool {
    order.visit.as_ref().is_some_and(|visit| visit.beyond_holidays)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_beyond_the_maintained_holidays_are_marked_wherever_they_are_shown() {
    // A Monday. Planned until Tuesday, milling until Thursday, checking until New Year's Day.
    let shop = Shop::open("2026-12-28T08:00:00Z").await;
    shop.api.create(order("J-1")).await;
    assert!(!beyond(&shop.api.get("J-1").await), "nobody said until when");
    // The last maintained day is not beyond, the next one is.
    for (until, planned) in [("2026-12-28", true), ("2026-12-29", false), ("2026-12-31", false)] {
        maintained_until(&shop.api, CALENDAR, Some(until)).await;
        assert_eq!(beyond(&shop.api.get("J-1").await), planned, "{until}");
    }
    let (milling, effects) = shop.api.advance(advance("J-1")).await;
    let opened = effects.opened_visit.expect("a visit");
    assert_eq!((beyond(&milling), opened.beyond_holidays, effects.warnings), (false, false, Vec::new()));
    let projection = milling.projection.expect("a projection");
    assert_eq!((day(projection.target_date), projection.target_beyond_holidays), ("2027-01-01".to_owned(), true));
    let preview = v1::AdvanceOrderRequest { validate_only: true, ..advance("J-1") };
    let (checking, effects) = shop.api.advance(preview).await;
    assert_eq!((due(&checking).0, beyond(&checking)), ("2027-01-01".to_owned(), true));
    assert!(effects.opened_visit.expect("a visit").beyond_holidays);
    let warning = "Holidays of calendar 'Vienna' are maintained until 2026-12-31: the due date 2027-01-01 may move";
    assert_eq!(effects.warnings, [warning]);
    let new = v1::CreateOrderRequest {
        order: Some(v1::NewOrder { order_date: date("2026-12-31"), ..order("J-2") }),
        validate_only: true,
        ..v1::CreateOrderRequest::default()
    };
    let created = shop.api.orders().create_order(new).await.done();
    assert_eq!((created.effects.expect("effects").warnings.len(), beyond(&created.order.expect("it"))), (1, true));

    shop.api.advance(advance("J-1")).await;
    let listed = shop.api.orders().list_orders(v1::ListOrdersRequest::default()).await.done().orders;
    assert!(beyond(&listed[0]));
    let marked: Vec<_> = shop.api.visits("J-1").await.iter().map(|visit| visit.beyond_holidays).collect();
    assert_eq!(marked, [false, false, true]);
    assert!(shop.api.history("J-1").await.iter().all(|entry| {
        [&entry.opened_visit, &entry.closed_visit].into_iter().flatten().all(|visit| !visit.beyond_holidays)
    }));
    let explain = v1::ExplainOrderRequest { order: number("J-1") };
    let explained = schedule(&shop.daemon).explain_order(explain.clone()).await.done();
    let sentence = "Holidays of calendar 'Vienna' are maintained until 2026-12-31: this date may move.";
    assert!(explained.beyond_holidays && explained.sentences.contains(&sentence.to_owned()), "{explained:?}");
    let request = |days| v1::ExplainDueDateRequest {
        calendar: CALENDAR.into(),
        start_date: date("2026-12-30"),
        business_days: days,
    };
    for (days, beyond) in [(1, false), (2, true)] {
        let counted = shop.api.calendars().explain_due_date(request(days)).await.done();
        assert_eq!(counted.beyond_holidays, beyond, "{days}");
    }

    // A date set by hand stays, but may turn out to be a holiday.
    let by_hand = |on| v1::SetDueDateRequest { order: number("J-1"), due_date: date(on), ..Default::default() };
    let set = shop.api.orders().set_due_date(by_hand("2026-12-31")).await.done();
    assert!(!beyond(&set.order.expect("an order")));
    let set = shop.api.orders().set_due_date(by_hand("2027-01-04")).await.done();
    let said = set.effects.expect("effects").warnings.join(" ");
    assert!(said.ends_with("the due date 2027-01-04 may turn out to be a holiday"), "{said}");
    assert!(beyond(&set.order.expect("an order")));
    shop.api.advance(advance("J-1")).await;
    let closed = shop.api.get("J-1").await;
    let projection = closed.projection.as_ref().expect("a projection");
    assert!(closed.closed && !beyond(&closed) && !projection.target_beyond_holidays, "{closed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_date_is_marked_by_every_calendar_through_which_it_is_planned() {
    let shop = Shop::open("2026-12-28T08:00:00Z").await;
    let found = shop.api.calendars().get_calendar(v1::GetCalendarRequest { id: CALENDAR.into() }).await.done();
    let floor = v1::Calendar { id: "floor".into(), name: "Floor".into(), ..found.calendar.expect("a calendar") };
    let create = v1::CreateCalendarRequest { calendar: Some(floor), ..v1::CreateCalendarRequest::default() };
    shop.api.calendars().create_calendar(create).await.done();
    let workshop = v1::Department { id: "workshop".into(), calendar: "floor".into(), ..v1::Department::default() };
    let request = v1::UpdateDepartmentRequest {
        department: Some(workshop),
        update_mask: mask(&["calendar"]),
        ..v1::UpdateDepartmentRequest::default()
    };
    shop.api.people().update_department(request).await.done();
    maintained_until(&shop.api, CALENDAR, Some("2027-12-31")).await;
    // Milling, until Thursday, is the workshop's and counts in its calendar.
    maintained_until(&shop.api, "floor", Some("2026-12-30")).await;
    shop.api.create(order("J-1")).await;
    assert!(!beyond(&shop.api.get("J-1").await));
    for status in ["milling", "checking"] {
        let (moved, _) = shop.api.advance(advance("J-1")).await;
        assert!(beyond(&moved), "{status}");
        let explain = v1::ExplainOrderRequest { order: number("J-1") };
        let said = schedule(&shop.daemon).explain_order(explain).await.done().sentences.join(" ");
        assert!(said.contains("calendar 'Floor' are maintained until 2026-12-30"), "{status}: {said}");
    }
    // Counted from entry, checking does not depend on milling any more.
    let own = v1::NewOrder { schedule_method: Method::FromEntry.into(), ..order("J-2") };
    shop.api.create(own).await;
    let (milling, _) = shop.api.advance(advance("J-2")).await;
    assert_eq!((due(&milling).0.as_str(), beyond(&milling)), ("2026-12-30", false));
    let (checking, _) = shop.api.advance(advance("J-2")).await;
    assert!(!beyond(&checking));
    // Back from a delivery date: what lies before it depends on the days up to it.
    let back = v1::NewOrder {
        schedule_method: Method::FromDeliveryDate.into(),
        delivery_date: date("2028-01-04"),
        order_date: date("2027-12-28"),
        ..order("J-3")
    };
    let created = shop.api.create(back).await;
    let said = created.projection.expect("a projection");
    assert!(!said.target_beyond_holidays, "a delivery date is given");
    maintained_until(&shop.api, "floor", None).await;
    let planned = shop.api.get("J-3").await;
    assert_eq!((due(&planned).0.as_str(), beyond(&planned)), ("2027-12-30", true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calendar_tells_when_its_holidays_end() {
    let shop = Shop::open("2026-10-01T22:30:00Z").await;
    let upkeep = async || {
        let request = v1::GetCalendarRequest { id: CALENDAR.into() };
        let got = shop.api.calendars().get_calendar(request).await.done().calendar.expect("a calendar");
        let listed = shop.api.calendars().list_calendars(v1::ListCalendarsRequest {}).await.done().calendars;
        assert_eq!(listed, std::slice::from_ref(&got));
        got.holiday_upkeep()
    };
    assert_eq!(upkeep().await, v1::HolidayUpkeep::NotSaid);
    // In Vienna it is the 2nd already: 90 days before New Year's Eve.
    maintained_until(&shop.api, CALENDAR, Some("2026-12-31")).await;
    for (now, expected) in [
        ("2026-10-01T21:59:59Z", v1::HolidayUpkeep::Maintained),
        ("2026-10-01T22:00:00Z", v1::HolidayUpkeep::EndsSoon),
        ("2026-12-31T22:59:59Z", v1::HolidayUpkeep::EndsSoon),
        ("2026-12-31T23:00:00Z", v1::HolidayUpkeep::Ended),
    ] {
        shop.set(now);
        assert_eq!(upkeep().await, expected, "{now}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_by_health_agree_with_the_orders_as_time_goes_on() {
    let shop = Shop::open(MONDAY).await;
    for (number, delivery) in [("A", "2026-03-06"), ("B", "2026-03-05"), ("C", "2026-03-20"), ("D", "2026-03-09")] {
        shop.api.create(v1::NewOrder { delivery_date: date(delivery), ..order(number) }).await;
    }
    let filter = |health: &[Health]| v1::OrderFilter {
        health: health.iter().map(|it| (*it).into()).collect(),
        ..v1::OrderFilter::default()
    };
    for now in ["2026-03-02T08:00:00Z", "2026-03-03T23:00:00Z", "2026-03-06T08:00:00Z", "2026-03-17T08:00:00Z"] {
        shop.set(now);
        for health in [Health::Ahead, Health::OnTarget, Health::Late] {
            let listed = shop.api.list(filter(&[health])).await;
            let mut expected = Vec::new();
            for name in ["A", "B", "C", "D"] {
                let projection = shop.api.get(name).await.projection.expect("a projection");
                if projection.health() == health {
                    expected.push(name.to_owned());
                }
            }
            let mut sorted = listed.clone();
            sorted.sort();
            assert_eq!(sorted, expected, "{now} {health:?}");
        }
    }
    let by_health = v1::ListOrdersRequest { order_by: v1::OrderBy::Health.into(), page_size: 1, ..Default::default() };
    assert_eq!(shop.api.list_all(by_health.clone()).await, ["B", "A", "D", "C"]);
    let closed = v1::OrderFilter { state: v1::OrderState::Closed.into(), ..v1::OrderFilter::default() };
    let refused = shop.api.orders().list_orders(v1::ListOrdersRequest { filter: Some(closed), ..by_health }).await;
    assert_eq!(refused.refused().fields, ["order_by"]);
    // An edit of the cycle is followed in the background: checking takes three days more.
    shop.set(MONDAY);
    let before = shop.api.list(filter(&[Health::Late])).await;
    let checking = v1::Status { id: "checking".into(), duration_business_days: Some(9), ..v1::Status::default() };
    let request = v1::UpdateStatusRequest {
        order_type: JOB.into(),
        status: Some(checking),
        update_mask: mask(&["duration_business_days"]),
        ..v1::UpdateStatusRequest::default()
    };
    let replan = shop.api.types().update_status(request).await.done().replan;
    let replan = finished(&shop.daemon, replan).await;
    assert_eq!((replan.dates, replan.changed), (false, 0));
    let after = shop.api.list(filter(&[Health::Late])).await;
    assert!(after.len() > before.len(), "{before:?} {after:?}");
}
