//! Cycles that are edited while orders are live: what is planned, what is done, and who wins when the world changed.

use andon::grpc::proto::v1::{self, Advance, StatusKind as Kind};
use prost_types::FieldMask;
use sqlx::Connection as _;
use tonic::Code;

use crate::support::{
    Api, Expect as _,
    api::{Refused, advance, advance_to, advance_with, date, day},
    eventually,
    plant::{ANNA, JOB, Shop, order},
};

/// A Monday, 09:00 in Vienna.
const MONDAY: &str = "2026-03-02T08:00:00Z";

#[expect(clippy::unnecessary_wraps, reason = "as requests want it")]
fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

async fn job(api: &Api) -> v1::OrderType {
    let request = v1::GetOrderTypeRequest { id: JOB.into() };
    api.types().get_order_type(request).await.done().order_type.expect("a type")
}

fn removal(status: &str, replacement: &str) -> v1::DeleteStatusRequest {
    let (status, replacement) = (status.to_owned(), replacement.to_owned());
    v1::DeleteStatusRequest { order_type: JOB.into(), status, replacement, ..v1::DeleteStatusRequest::default() }
}

fn change(status: v1::Status, paths: &[&str]) -> v1::UpdateStatusRequest {
    let update_mask = mask(paths);
    v1::UpdateStatusRequest { order_type: JOB.into(), status: Some(status), update_mask, ..Default::default() }
}

fn update(order_type: v1::OrderType, paths: &[&str]) -> v1::UpdateOrderTypeRequest {
    v1::UpdateOrderTypeRequest { order_type: Some(order_type), update_mask: mask(paths), ..Default::default() }
}

fn plan<T>(plan: Option<T>) -> T {
    plan.expect("an edit answers with its plan")
}

fn ids(order_type: Option<v1::OrderType>) -> Vec<String> {
    order_type.expect("a type").statuses.into_iter().map(|status| status.id).collect()
}

fn due(order: &v1::Order) -> String {
    day(order.visit.as_ref().and_then(|visit| visit.due_date))
}

async fn aside(api: &Api, number: &str, to: &str) {
    let aside = Advance { target_status: to.into(), not_complete: true, ..Advance::default() };
    api.advance(advance_with(number, aside)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_fields_of_a_type_and_its_statuses_are_kept() {
    let shop = Shop::open(MONDAY).await;
    let mut given = job(&shop.api).await;
    given.health_tolerance_business_days = 3;
    given.moves = vec![
        v1::AllowedMove { from: "planned".into(), to: "milling".into(), roles: vec![v1::Role::Planner.into()] },
        v1::AllowedMove { to: "on-hold".into(), ..v1::AllowedMove::default() },
    ];
    given.statuses[1].icon = "cog".into();
    given.statuses[1].stage = "making".into();
    given.statuses[1].definition = "While it is in the machine.".into();
    given.statuses[1].default_user = "anna".into();
    let paths = ["moves", "health_tolerance_business_days", "statuses"];
    let after = shop.api.types().update_order_type(update(given.clone(), &paths)).await.done().order_type;
    let after = after.expect("a type");
    let expected = v1::OrderType { etag: after.etag.clone(), update_time: after.update_time, ..given.clone() };
    assert_eq!(after, expected);
    assert_eq!(job(&shop.api).await, expected);

    let mut wrong = expected.clone();
    wrong.statuses[0].icon = "unicorn".into();
    wrong.statuses[2].colour = "red".into();
    wrong.moves[1].from = "on-hold".into();
    wrong.moves[1].roles = vec![0];
    let refused = shop.api.types().update_order_type(update(wrong, &paths)).await.refused();
    let fields = ["moves[1].to", "moves[1].roles[0]", "statuses[0].icon", "statuses[2].colour"]
        .map(|f| format!("order_type.{f}"));
    assert_eq!(refused.fields, fields);
    let mut unknown = expected;
    unknown.moves[0].to = "polishing".into();
    let refused = shop.api.types().update_order_type(update(unknown, &["moves"])).await.refused();
    assert_eq!((refused.why(), refused.metadata["id"].as_str()), ((Code::NotFound, "NOT_FOUND"), "polishing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_moves_that_are_listed_are_made_and_the_refusal_names_them() {
    let shop = Shop::open(MONDAY).await;
    let mut given = job(&shop.api).await;
    let it = |from: &str, to: &str, roles: &[v1::Role]| v1::AllowedMove {
        from: from.into(),
        to: to.into(),
        roles: roles.iter().map(|role| (*role).into()).collect(),
    };
    given.moves = vec![
        it("planned", "milling", &[]),
        it("milling", "checking", &[v1::Role::Manager]),
        it("", "on-hold", &[]),
        it("on-hold", "milling", &[]),
    ];
    shop.api.types().update_order_type(update(given, &["moves"])).await.done();
    for (id, roles) in [("erika", vec![v1::Role::Manager.into()]), ("anna", vec![v1::Role::Reporter.into()])] {
        let user = v1::User { id: id.into(), roles, ..v1::User::default() };
        let request = v1::UpdateUserRequest { user: Some(user), update_mask: mask(&["roles"]), ..Default::default() };
        shop.api.people().update_user(request).await.done();
    }
    shop.api.create(order("A-1")).await;
    let refused = shop.api.orders().advance_order(advance_to("A-1", "checking")).await.refused();
    assert_eq!(refused.why(), (Code::FailedPrecondition, "MOVE_NOT_ALLOWED"));
    assert_eq!((refused.metadata["allowed"].as_str(), refused.metadata["roles"].as_str()), ("milling,on-hold", ""));
    shop.api.advance(advance("A-1")).await;
    // The list binds the way to a hold and back as well.
    aside(&shop.api, "A-1", "on-hold").await;
    let refused = shop.api.orders().advance_order(advance_to("A-1", "cancelled")).await.refused();
    assert_eq!((refused.metadata["from"].as_str(), refused.metadata["allowed"].as_str()), ("on-hold", "milling"));
    shop.api.advance(advance("A-1")).await;
    let by = |user: &str| advance_with("A-1", Advance { on_behalf_of: user.into(), ..Advance::default() });
    let refused = shop.api.orders().advance_order(by("anna")).await.refused();
    assert_eq!((refused.metadata["allowed"].as_str(), refused.metadata["roles"].as_str()), ("on-hold", "MANAGER"));
    let preview = v1::AdvanceOrderRequest { validate_only: true, ..by("anna") };
    assert_eq!(shop.api.orders().advance_order(preview).await.refused(), refused);
    let (after, _) = shop.api.advance(by("erika")).await;
    assert_eq!(after.visit.expect("a visit").on_behalf_of, "erika");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_goes_hands_its_orders_over_and_the_plan_says_exactly_how() {
    let shop = Shop::open(MONDAY).await;
    for number in ["A-1", "A-2", "A-3", "A-4"] {
        shop.api.create(order(number)).await;
    }
    for number in ["A-1", "A-2", "A-3"] {
        shop.api.advance(advance(number)).await;
    }
    aside(&shop.api, "A-3", "on-hold").await;
    let before = job(&shop.api).await;
    let refused = shop.api.types().delete_status(removal("milling", "")).await.refused();
    assert_eq!((refused.why(), refused.metadata["count"].as_str()), ((Code::FailedPrecondition, "IN_USE"), "3"));
    for (replacement, reason) in [
        ("milling", "INVALID_REQUEST"),
        ("polishing", "NOT_FOUND"),
        ("on-hold", "CYCLE_BROKEN"),
        ("shipped", "CYCLE_BROKEN"),
    ] {
        let refused = shop.api.types().delete_status(removal("milling", replacement)).await.refused();
        assert_eq!(refused.reason, reason, "{replacement}");
    }
    let preview = v1::DeleteStatusRequest { validate_only: true, ..removal("milling", "checking") };
    let planned = plan(shop.api.types().delete_status(preview.clone()).await.done().plan);
    assert_eq!((planned.moved_orders, planned.redirected_orders, planned.due_dates_changed), (2, 1, 2));
    let mut rows: Vec<_> = planned
        .examples
        .iter()
        .map(|it| (it.number.as_str(), it.from_status.as_str(), it.to_status.as_str(), day(it.due_date_after)))
        .collect();
    rows.sort();
    // Planned from the order date: 1 day for `planned` and 1 for `checking`, since the 2 of `milling` are gone.
    let moved = |number| (number, "milling", "checking", "2026-03-04".to_owned());
    assert_eq!(rows, [moved("A-1"), moved("A-2"), ("A-3", "on-hold", "on-hold", String::new())]);
    assert_eq!(job(&shop.api).await, before, "a preview changes nothing");
    assert_eq!(shop.api.status("A-1").await, "milling");

    // The world changes between looking and doing.
    shop.api.advance(advance("A-4")).await;
    let expecting = v1::DeleteStatusRequest {
        expected_plan: planned.fingerprint,
        validate_only: false,
        request_id: "r-1".into(),
        ..preview.clone()
    };
    let refused = shop.api.types().delete_status(expecting.clone()).await.refused();
    assert_eq!(refused.why(), (Code::Aborted, "PLAN_CHANGED"));
    assert_eq!(job(&shop.api).await, before);
    let planned = plan(shop.api.types().delete_status(preview).await.done().plan);
    assert_eq!((planned.moved_orders, &planned.fingerprint), (3, &refused.metadata["fingerprint"]));
    let doing = v1::DeleteStatusRequest { expected_plan: planned.fingerprint.clone(), ..expecting };
    let done = shop.api.types().delete_status(doing.clone()).await.done();
    assert_eq!(plan(done.plan.clone()), planned);
    assert_eq!(ids(done.order_type.clone()), ["planned", "checking", "shipped", "on-hold", "waiting", "cancelled"]);

    let moved = shop.api.get("A-1").await;
    assert_eq!(
        (moved.visit.as_ref().expect("a visit").status.as_str(), due(&moved)),
        ("checking", "2026-03-04".into())
    );
    let visits = shop.api.visits("A-1").await;
    let kept: Vec<_> = visits.iter().map(|it| (it.status.as_str(), it.completed)).collect();
    assert_eq!(kept, [("planned", true), ("milling", false), ("checking", false)]);
    let history = shop.api.history("A-1").await;
    let last = history.last().expect("history");
    assert_eq!((last.kind(), last.reason.as_str()), (v1::HistoryKind::CycleEdited, "the status 'Milling' was removed"));
    assert_eq!(last.closed_visit.as_ref().map(|it| it.status_name.as_str()), Some("Milling"));
    assert_eq!(shop.api.get("A-3").await.interrupted_status, "checking");
    let (back, _) = shop.api.advance(advance("A-3")).await;
    assert_eq!(back.visit.map(|it| (it.status, it.resumed)), Some(("checking".into(), true)));
    // Repeated, it answers the same and does nothing.
    assert_eq!(shop.api.types().delete_status(doing).await.done(), done);
    assert_eq!(shop.api.visits("A-1").await, visits);
    assert!(shop.api.messages().await.is_empty(), "an edit tells nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_final_status_goes_only_with_a_successor_which_closes_its_open_orders() {
    let shop = Shop::open(MONDAY).await;
    for (number, to) in [("A-1", "shipped"), ("A-2", "checking"), ("A-3", "milling")] {
        shop.api.create(order(number)).await;
        shop.api.advance(advance_to(number, to)).await;
    }
    let closed_at = shop.api.get("A-1").await.close_time;
    let refused = shop.api.types().delete_status(removal("shipped", "")).await.refused();
    assert_eq!(refused.why(), (Code::FailedPrecondition, "CYCLE_BROKEN"));
    for (successor, field) in [("on-hold", "successor"), ("planned", "successor")] {
        let request = v1::DeleteStatusRequest { successor: successor.into(), ..removal("shipped", "") };
        assert_eq!(shop.api.types().delete_status(request).await.refused().fields, [field], "{successor}");
    }
    let request = v1::DeleteStatusRequest { successor: "checking".into(), ..removal("shipped", "") };
    let done = shop.api.types().delete_status(request).await.done();
    let planned = plan(done.plan);
    assert_eq!((planned.moved_orders, planned.closed_orders), (1, 1));
    let after = done.order_type.expect("a type");
    let kinds: Vec<_> = after.statuses.iter().take(3).map(|it| (it.id.as_str(), it.kind())).collect();
    assert_eq!(kinds, [("planned", Kind::Initial), ("milling", Kind::Standard), ("checking", Kind::Final)]);
    let was_closed = shop.api.get("A-1").await;
    assert_eq!((was_closed.closed, was_closed.close_time), (true, closed_at), "it stays closed since then");
    assert_eq!(shop.api.status("A-1").await, "checking");
    assert!(shop.api.get("A-2").await.closed);
    let (last, _) = shop.api.advance(advance("A-3")).await;
    assert!(last.closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_cycle_is_replaced_at_once() {
    let shop = Shop::open(MONDAY).await;
    for (number, to) in [("A-1", "milling"), ("A-2", "waiting")] {
        shop.api.create(order(number)).await;
        shop.api.advance(advance_to(number, to)).await;
    }
    let mut given = job(&shop.api).await;
    // Another beginning, another order, one new, `milling` and `waiting` gone.
    let by_id = |id: &str| given.statuses.iter().find(|it| it.id == id).expect("a status").clone();
    let fresh =
        v1::Status { name: "Drawn".into(), id: "drawn".into(), kind: Kind::Initial.into(), ..Default::default() };
    let planned_step = v1::Status { kind: Kind::Standard.into(), ..by_id("planned") };
    let cycle = vec![fresh, by_id("checking"), planned_step, by_id("shipped"), by_id("cancelled"), by_id("on-hold")];
    given.statuses = cycle;
    let mut request = update(given, &["statuses"]);
    assert_eq!(shop.api.types().update_order_type(request.clone()).await.refused().reason, "IN_USE");
    request.replacements = [("milling", "checking"), ("waiting", "on-hold")].map(|(a, b)| (a.into(), b.into())).into();
    let done = shop.api.types().update_order_type(request.clone()).await.done();
    assert_eq!(plan(done.plan).moved_orders, 2);
    assert_eq!(ids(done.order_type), ["drawn", "checking", "planned", "shipped", "cancelled", "on-hold"]);
    assert_eq!((shop.api.status("A-1").await.as_str(), shop.api.status("A-2").await.as_str()), ("checking", "on-hold"));
    let (next, _) = shop.api.advance(advance("A-1")).await;
    let visit = next.visit.expect("a visit");
    // `planned` was completed before, in another place of the cycle.
    assert_eq!((visit.status.as_str(), visit.rework), ("planned", true));
    shop.api.create(order("A-3")).await;
    assert_eq!(shop.api.status("A-3").await, "drawn");
    request.order_type.as_mut().expect("a type").etag.clear();
    request.replacements = [("checking".to_owned(), "planned".to_owned())].into();
    let refused = shop.api.types().update_order_type(request).await.refused();
    assert_eq!(refused.fields, ["replacements"], "it does not go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_status_is_in_the_cycle_does_not_change_under_an_order() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    shop.api.advance(advance_to("A-1", "cancelled")).await;
    shop.api.create(order("A-2")).await;
    shop.api.advance(advance_to("A-2", "checking")).await;
    let clock = v1::Status { id: "cancelled".into(), clock: v1::StatusClock::Runs.into(), ..Default::default() };
    let refused = shop.api.types().update_status(change(clock, &["clock"])).await.refused();
    assert_eq!((refused.reason.as_str(), refused.metadata["count"].as_str()), ("IN_USE", "1"));
    let mut given = job(&shop.api).await;
    let place = given.statuses.iter().position(|it| it.id == "checking").expect("a status");
    given.statuses[place].kind = Kind::NonStandard.into();
    let refused = shop.api.types().update_order_type(update(given, &["statuses"])).await.refused();
    assert_eq!(refused.reason, "IN_USE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duration_changes_open_due_dates_only_when_that_is_asked_for() {
    let shop = Shop::open_with(MONDAY, |options| options.set("alerts.sweep_batch", 10)).await;
    for number in ["A-1", "A-2", "A-3", "A-4"] {
        shop.api.create(order(number)).await;
    }
    shop.api.advance(advance("A-2")).await;
    shop.api.advance(advance_with("A-3", Advance { due_date: date("2026-03-20"), ..Advance::default() })).await;
    shop.api.advance(advance("A-4")).await;
    aside(&shop.api, "A-4", "on-hold").await;
    let longer = v1::Status { id: "planned".into(), duration_business_days: Some(5), ..v1::Status::default() };
    let quiet = change(longer, &["duration_business_days"]);
    let done = shop.api.types().update_status(quiet.clone()).await.done();
    assert_eq!((plan(done.plan).due_dates_changed, done.open_orders), (0, 1));
    assert_eq!(due(&shop.api.get("A-2").await), "2026-03-05");

    let open = v1::UpdateStatusRequest { apply_to_open: true, ..quiet };
    let planned = plan(
        shop.api
            .types()
            .update_status(v1::UpdateStatusRequest { validate_only: true, ..open.clone() })
            .await
            .done()
            .plan,
    );
    assert_eq!((planned.moved_orders, planned.due_dates_changed, planned.newly_overdue), (0, 2, 0));
    let open = v1::UpdateStatusRequest { expected_plan: planned.fingerprint.clone(), ..open };
    assert_eq!(plan(shop.api.types().update_status(open).await.done().plan), planned);
    // 5 business days from Monday, and 2 more.
    assert_eq!(due(&shop.api.get("A-1").await), "2026-03-09");
    assert_eq!(due(&shop.api.get("A-2").await), "2026-03-11");
    assert_eq!(due(&shop.api.get("A-3").await), "2026-03-20", "set by a person");
    let last = shop.api.history("A-2").await.pop().expect("history");
    assert_eq!((last.kind(), last.due_cause()), (v1::HistoryKind::DueDateChanged, v1::DueCause::Cycle));
    assert_eq!(day(last.closed_visit.and_then(|it| it.due_date)), "2026-03-05");
    let (back, _) = shop.api.advance(advance("A-4")).await;
    assert_eq!(due(&back), "2026-03-11", "the one on hold comes back to the new plan");

    // Shortened so far that orders are overdue by it: the plan says so, and each is told once.
    shop.set("2026-03-05T08:00:00Z");
    let shorter = v1::Status { id: "planned".into(), duration_business_days: Some(0), ..v1::Status::default() };
    let shorter = v1::UpdateStatusRequest { apply_to_open: true, ..change(shorter, &["duration_business_days"]) };
    let planned = plan(shop.api.types().update_status(shorter).await.done().plan);
    assert_eq!((planned.due_dates_changed, planned.newly_overdue), (3, 3));
    assert_eq!(shop.api.overdue().await, ["A-1", "A-2", "A-4"]);
    let told = eventually("three orders are told", async || {
        let messages = shop.api.messages().await;
        (messages.iter().filter(|it| it.address == ANNA).count() >= 3).then_some(messages)
    });
    assert_eq!(told.await.iter().filter(|it| it.address == ANNA).count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_stay_in_a_status_that_becomes_inactive_and_none_enters_it() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    shop.api.advance(advance("A-1")).await;
    shop.api.create(order("A-2")).await;
    let inactive = v1::Status { id: "milling".into(), inactive: true, ..v1::Status::default() };
    let done = shop.api.types().update_status(change(inactive, &["inactive"])).await.done();
    let warned = "1 open order stays in 'milling', which cannot be chosen any more";
    assert_eq!(plan(done.plan).warnings, [warned]);
    assert_eq!(shop.api.status("A-1").await, "milling");
    let refused = shop.api.orders().advance_order(advance_to("A-2", "milling")).await.refused();
    assert_eq!(refused.why(), (Code::FailedPrecondition, "INACTIVE"));
    let (next, effects) = shop.api.advance(advance("A-2")).await;
    assert_eq!((next.visit.expect("a visit").status.as_str(), effects.skipped_visits.len()), ("checking", 0));
    let (next, _) = shop.api.advance(advance("A-1")).await;
    assert_eq!(next.visit.expect("a visit").status, "checking");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renaming_and_reordering_leave_orders_where_they_are_and_history_as_it_was() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    shop.api.advance(advance("A-1")).await;
    let renamed = v1::Status { id: "milling".into(), name: "CNC".into(), position: 2, ..v1::Status::default() };
    let done = shop.api.types().update_status(change(renamed, &["name", "position"])).await.done();
    assert_eq!(ids(done.order_type)[..3], ["planned", "checking", "milling"]);
    let after = shop.api.get("A-1").await.visit.expect("a visit");
    assert_eq!((after.status.as_str(), after.status_name.as_str()), ("milling", "Milling"));
    let (next, _) = shop.api.advance(advance("A-1")).await;
    assert_eq!(next.visit.expect("a visit").status, "shipped", "the next in the new order");
    assert_eq!(shop.api.visits("A-1").await[1].status_name, "Milling");
    let first = v1::Status { id: "checking".into(), position: 0, ..v1::Status::default() };
    let refused = shop.api.types().update_status(change(first, &["position"])).await.refused();
    assert_eq!(refused.why(), (Code::FailedPrecondition, "CYCLE_BROKEN"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_to_a_status_that_goes_are_forgotten_unless_that_would_allow_all() {
    let shop = Shop::open(MONDAY).await;
    let mut given = job(&shop.api).await;
    let it = |from: &str, to: &str| v1::AllowedMove { from: from.into(), to: to.into(), ..Default::default() };
    given.moves = vec![it("planned", "waiting"), it("planned", "milling")];
    shop.api.types().update_order_type(update(given.clone(), &["moves"])).await.done();
    let done = shop.api.types().delete_status(removal("waiting", "")).await.done();
    assert_eq!(done.order_type.expect("a type").moves, [it("planned", "milling")]);
    let refused = shop.api.types().delete_status(removal("milling", "")).await.refused();
    assert_eq!(refused.why(), (Code::FailedPrecondition, "CYCLE_BROKEN"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_board_stands_in_the_order_of_the_stages() {
    let shop = Shop::open(MONDAY).await;
    let stage = |id: &str, name: &str| v1::Stage { id: id.into(), name: name.into(), colour: String::new() };
    let set = |stages: Vec<v1::Stage>, etag: &str| v1::UpdateStagesRequest {
        stages,
        etag: etag.into(),
        ..v1::UpdateStagesRequest::default()
    };
    let wrong = set(vec![stage("Making", ""), stage("a", "A"), stage("a", "A")], "");
    let refused = shop.api.types().update_stages(wrong).await.refused();
    assert_eq!(refused.fields, ["stages[0].id", "stages[0].name", "stages[2].id"]);
    let list = vec![stage("testing", "In test"), stage("making", "Being made")];
    let preview = v1::UpdateStagesRequest { validate_only: true, ..set(list.clone(), "1") };
    shop.api.types().update_stages(preview).await.done();
    assert!(shop.api.types().list_stages(v1::ListStagesRequest {}).await.done().stages.is_empty());
    let done = shop.api.types().update_stages(set(list.clone(), "1")).await.done();
    assert_eq!((done.etag.as_str(), done.stages[0].colour.as_str()), ("2", "#808080"));
    assert_eq!(shop.api.types().update_stages(set(list, "1")).await.refused().reason, "ETAG_MISMATCH");

    for (status, stage) in [("milling", "making"), ("checking", "testing"), ("waiting", "Corridor")] {
        let status = v1::Status { id: status.into(), stage: stage.into(), ..v1::Status::default() };
        let plan = plan(shop.api.types().update_status(change(status, &["stage"])).await.done().plan);
        assert_eq!(plan.warnings.len(), usize::from(stage == "Corridor"), "{:?}", plan.warnings);
    }
    let counts = shop.api.orders().count_orders(v1::CountOrdersRequest::default()).await.done().counts;
    let columns: Vec<_> =
        counts.iter().map(|it| (it.status.as_str(), it.stage.as_str(), it.stage_position)).take(5).collect();
    let expected = [
        ("planned", "Planned", 0),
        ("milling", "Being made", 2),
        ("checking", "In test", 1),
        ("on-hold", "On hold", 0),
        ("waiting", "Corridor", 0),
    ];
    assert_eq!(columns, expected);
    let done = shop.api.types().update_stages(set(vec![stage("making", "Making")], "")).await.done();
    assert_eq!(done.warnings, ["1 status names the stage 'testing', which is not listed any more"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_is_kept_by_the_database_itself() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    shop.api.advance(advance("A-1")).await;
    let note = v1::AddNoteRequest { order: crate::support::api::number("A-1"), text: "x".into(), ..Default::default() };
    shop.api.orders().add_note(note).await.done();
    let mut database = sqlx::PgConnection::connect(&shop.database.url()).await.expect("a database");
    for (statement, constraint) in [
        ("UPDATE history SET actor = 'somebody'", "history_append_only"),
        ("DELETE FROM history", "history_append_only"),
        ("TRUNCATE history", "history_append_only"),
        ("UPDATE notes SET text = 'other'", "notes_append_only"),
        ("DELETE FROM notes", "notes_append_only"),
        ("UPDATE visits SET completed_on = '2020-01-01' WHERE sequence = 1", "visits_append_only"),
        ("UPDATE visits SET entered_by = 'somebody' WHERE sequence = 2", "visits_append_only"),
        ("DELETE FROM visits WHERE sequence = 2", "visits_append_only"),
        ("TRUNCATE visits", "visits_append_only"),
        ("DELETE FROM alerts", "alerts_append_only"),
        ("DELETE FROM retired_statuses", "retired_statuses_append_only"),
        ("UPDATE orders SET status = 'gone'", "orders_status_fkey"),
        (
            "INSERT INTO visits SELECT order_id, 9, status, status_name, entered_at, entered_on, due_on, due_at, due_source, \
          rework, resumed, skipped, entered_by, entered_for, left_at, completed_on, completed FROM visits WHERE sequence = 2",
            "visits_one_open",
        ),
    ] {
        let error = sqlx::query(statement).execute(&mut database).await.expect_err(statement);
        let found = error.as_database_error().and_then(|error| error.constraint()).map(str::to_owned);
        assert_eq!(found.as_deref(), Some(constraint), "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_status_leaves_nothing_half_done_when_the_order_cannot_follow() {
    let shop = Shop::open(MONDAY).await;
    let far = v1::NewOrder { order_date: date("2199-12-01"), ..order("A-1") };
    shop.api.create(far).await;
    let longer = v1::Status { id: "planned".into(), duration_business_days: Some(3000), ..v1::Status::default() };
    let request = v1::UpdateStatusRequest { apply_to_open: true, ..change(longer, &["duration_business_days"]) };
    let before = job(&shop.api).await;
    let refused: Refused = shop.api.types().update_status(request).await.refused();
    assert_eq!(refused.why(), (Code::FailedPrecondition, "BEYOND_HORIZON"));
    assert_eq!(job(&shop.api).await, before);
}
