//! The record of an order: fields, type, notes and questions, assessments, health, time in each status.

use andon::grpc::proto::v1::{self, Advance, Health, NoteKind};
use prost_types::FieldMask;
use tonic::Code;

use crate::support::{
    Api, Expect as _,
    api::{advance, advance_to, advance_with, date, day, number},
    plant::{ANNA, ERIKA, JOB, Shop, order, seed_type},
};

/// A Monday, 09:00 in Vienna.
const MONDAY: &str = "2026-03-02T08:00:00Z";

fn update(order: v1::Order, paths: &[&str]) -> v1::UpdateOrderRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    v1::UpdateOrderRequest { order: Some(order), update_mask: Some(FieldMask { paths }), ..Default::default() }
}

fn named(number: &str) -> v1::Order {
    v1::Order { number: number.into(), ..v1::Order::default() }
}

fn note(order: &str, text: &str) -> v1::AddNoteRequest {
    v1::AddNoteRequest { order: number(order), text: text.into(), ..v1::AddNoteRequest::default() }
}

fn due(order: &v1::Order) -> String {
    day(order.visit.as_ref().and_then(|visit| visit.due_date))
}

async fn health(api: &Api, order: &str) -> (Health, i32, String, String) {
    let projection = api.get(order).await.projection.expect("it can be computed");
    (projection.health(), projection.slack_business_days, day(projection.finish_date), day(projection.target_date))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_are_changed_one_by_one_and_each_change_is_kept() {
    let shop = Shop::open(MONDAY).await;
    let before = shop.api.create(order("A-1")).await;
    let given = v1::Order {
        title: "Flange DN 80".into(),
        priority: 5,
        labels: [("line".to_owned(), "2".to_owned())].into(),
        product: "not named".into(),
        assigned_user: String::new(),
        delivery_date: date("2026-03-13"),
        etag: before.etag.clone(),
        ..named("A-1")
    };
    let paths = ["title", "priority", "labels", "assigned_user", "delivery_date"];
    let request = v1::UpdateOrderRequest {
        reason: "as the customer asked".into(),
        on_behalf_of: "erika".into(),
        request_id: "u-1".into(),
        ..update(given, &paths)
    };
    let preview = v1::UpdateOrderRequest { validate_only: true, request_id: String::new(), ..request.clone() };
    let shown = shop.api.orders().update_order(preview).await.done();
    assert_eq!(shop.api.get("A-1").await, before);
    let done = shop.api.orders().update_order(request.clone()).await.done();
    assert_eq!(shown, done);
    let after = done.order.clone().expect("an order");
    let expected = v1::Order {
        title: "Flange DN 80".into(),
        priority: 5,
        labels: [("line".to_owned(), "2".to_owned())].into(),
        assigned_user: String::new(),
        delivery_date: date("2026-03-13"),
        etag: after.etag.clone(),
        update_time: after.update_time,
        projection: after.projection,
        ..before.clone()
    };
    assert_eq!(after, expected);
    assert_ne!(after.etag, before.etag);
    assert_eq!(shop.api.get("A-1").await, after);
    assert_eq!(shop.api.orders().update_order(request.clone()).await.done(), done, "repeated, it answers the same");
    let history = shop.api.history("A-1").await;
    assert_eq!(history.len(), 2);
    let entry = &history[1];
    assert_eq!((entry.kind(), entry.reason.as_str()), (v1::HistoryKind::Updated, "as the customer asked"));
    assert_eq!((entry.on_behalf_of.as_str(), entry.assigned_user.as_str()), ("erika", ""));
    let changes: Vec<_> =
        entry.changes.iter().map(|it| (it.field.as_str(), it.before.as_str(), it.after.as_str())).collect();
    let expected = [
        ("title", "Flange", "Flange DN 80"),
        ("delivery_date", "", "2026-03-13"),
        ("priority", "0", "5"),
        ("labels", "", "line=2"),
        ("assigned_user", "anna", ""),
    ];
    assert_eq!(changes, expected);

    // What is so already is not written again.
    let same = update(v1::Order { priority: 5, ..named("A-1") }, &["priority"]);
    let done = shop.api.orders().update_order(same).await.done();
    assert_eq!((done.order, done.effects.map(|it| it.changes.len())), (Some(after), Some(0)));
    assert_eq!(shop.api.history("A-1").await.len(), 2);
    let stale = v1::UpdateOrderRequest { request_id: String::new(), ..request };
    assert_eq!(shop.api.orders().update_order(stale).await.refused().why(), (Code::Aborted, "ETAG_MISMATCH"));
    let wrong = v1::Order { quantity: "1e3".into(), priority: 1001, title: "x".repeat(201), ..v1::Order::default() };
    let refused = shop.api.orders().update_order(update(wrong, &["quantity", "priority", "title", "order_date"])).await;
    let fields = ["order", "order.order_date", "order.title", "order.quantity", "order.priority"];
    assert_eq!(refused.refused().fields, fields);
    let refused = shop.api.orders().update_order(update(named("A-1"), &[])).await.refused();
    assert_eq!(refused.fields, ["update_mask"], "no field is cleared by leaving the mask out");
    let refused = shop.api.orders().update_order(update(named("A-1"), &["status"])).await.refused();
    assert_eq!(refused.fields, ["update_mask", "update_mask"], "a status changes by advance only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_order_date_plans_anew_unless_a_person_set_the_due_date() {
    let shop = Shop::open(MONDAY).await;
    for number in ["A-1", "A-2", "A-3"] {
        shop.api.create(order(number)).await;
    }
    shop.api.advance(advance("A-1")).await;
    shop.api.advance(advance_with("A-2", Advance { due_date: date("2026-03-20"), ..Advance::default() })).await;
    shop.api.advance(advance("A-3")).await;
    let hold = Advance { target_status: "on-hold".into(), not_complete: true, ..Advance::default() };
    shop.api.advance(advance_with("A-3", hold)).await;
    for number in ["A-1", "A-2", "A-3"] {
        let later = v1::Order { order_date: date("2026-03-09"), ..named(number) };
        shop.api.orders().update_order(update(later, &["order_date"])).await.done();
    }
    assert_eq!(due(&shop.api.get("A-1").await), "2026-03-12");
    assert_eq!(due(&shop.api.get("A-2").await), "2026-03-20");
    let last = shop.api.history("A-1").await.pop().expect("history");
    assert_eq!((last.kind(), last.due_cause()), (v1::HistoryKind::DueDateChanged, v1::DueCause::OrderDate));
    let (back, _) = shop.api.advance(advance("A-3")).await;
    assert_eq!(due(&back), "2026-03-12", "what waits moves too");
    let early = v1::Order { order_date: date("2026-02-02"), ..named("A-1") };
    let effects = shop.api.orders().update_order(update(early, &["order_date"])).await.done().effects;
    assert_eq!(effects.expect("effects").warnings.len(), 1, "it is overdue by it");
    assert_eq!(shop.api.overdue().await, ["A-1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_goes_over_into_another_type() {
    let shop = Shop::open(MONDAY).await;
    seed_type(&shop.api, "repair").await;
    for removed in ["waiting", "checking"] {
        let (order_type, status) = ("repair".to_owned(), removed.to_owned());
        shop.api
            .types()
            .delete_status(v1::DeleteStatusRequest { order_type, status, ..Default::default() })
            .await
            .done();
    }
    for (number, to) in [("A-1", "milling"), ("A-2", "checking"), ("A-3", "cancelled"), ("A-4", "planned")] {
        shop.api.create(order(number)).await;
        if to != "planned" {
            shop.api.advance(advance_to(number, to)).await;
        }
    }
    let change = |numbers: &[&str], map: &[(&str, &str)]| v1::ChangeOrderTypeRequest {
        orders: numbers.iter().filter_map(|it| number(it)).collect(),
        order_type: "repair".into(),
        statuses: map.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
        reason: "it came back".into(),
        ..v1::ChangeOrderTypeRequest::default()
    };
    let all = ["A-1", "A-2", "A-3", "A-4", "A-1"];
    let results = shop.api.orders().change_order_type(change(&all, &[])).await.done().results;
    let refusals: Vec<_> = results.iter().map(|it| it.refusal.as_ref().map(|it| it.reason.as_str())).collect();
    assert_eq!(refusals, [None, Some("STATUS_NOT_MAPPED"), None, None], "an order that is named twice counts once");
    let moved = results[0].order.as_ref().expect("an order");
    assert_eq!((moved.order_type.as_str(), due(moved)), ("repair", "2026-03-05".into()));
    let visits = shop.api.visits("A-1").await;
    let rows: Vec<_> = visits.iter().map(|it| (it.sequence, it.status.as_str(), it.completed, it.rework)).collect();
    assert_eq!(rows, [(1, "planned", true, false), (2, "milling", false, false), (3, "milling", false, false)]);
    let last = shop.api.history("A-1").await.pop().expect("history");
    assert_eq!((last.kind(), last.reason.as_str()), (v1::HistoryKind::TypeChanged, "it came back"));
    assert_eq!((last.changes[0].before.as_str(), last.changes[0].after.as_str()), (JOB, "repair"));
    let cancelled = shop.api.get("A-3").await;
    assert!(cancelled.closed && cancelled.order_type == "repair");

    for (map, reason) in [
        (("checking", "polishing"), "NOT_FOUND"),
        (("checking", "shipped"), "CLOSES_ORDER"),
        (("checking", "cancelled"), "CLOSES_ORDER"),
    ] {
        let atomic = v1::ChangeOrderTypeRequest { mode: v1::BulkMode::Atomic.into(), ..change(&["A-2"], &[map]) };
        let results = shop.api.orders().change_order_type(atomic).await.done().results;
        assert_eq!(results[0].refusal.as_ref().map(|it| it.reason.as_str()), Some(reason), "{map:?}");
    }
    let preview = v1::ChangeOrderTypeRequest { validate_only: true, ..change(&["A-2"], &[("checking", "on-hold")]) };
    let shown = shop.api.orders().change_order_type(preview.clone()).await.done();
    let doing = v1::ChangeOrderTypeRequest { validate_only: false, ..preview };
    assert_eq!(shop.api.orders().change_order_type(doing.clone()).await.done(), shown);
    let results = shop.api.orders().change_order_type(doing).await.done().results;
    assert_eq!(results[0].refusal.as_ref().map(|it| it.reason.as_str()), Some("SAME_TYPE"));
    // From the hold it goes on in the new cycle, from where the old one had brought it.
    let (next, _) = shop.api.advance(advance("A-1")).await;
    assert_eq!(next.visit.expect("a visit").status, "shipped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_open_until_a_note_answers_it() {
    let shop = Shop::open(MONDAY).await;
    for number in ["A-1", "A-2"] {
        shop.api.create(order(number)).await;
    }
    let ask = |text: &str| v1::AddNoteRequest { kind: NoteKind::Question.into(), ..note("A-1", text) };
    let first = shop.api.orders().add_note(ask("Which tolerance?")).await.done();
    let first_id = first.note.as_ref().map(|it| it.id.clone()).expect("a note");
    assert!(first.note.expect("a note").open);
    let second = shop.api.orders().add_note(ask("Which colour?")).await.done();
    assert_eq!(second.order.expect("an order").open_questions, 2);
    let asked = |open_questions| {
        let mut orders = shop.api.orders();
        async move {
            let request = v1::ListNotesRequest { order: number("A-1"), open_questions, ..Default::default() };
            let notes = orders.list_notes(request).await.done().notes;
            notes.into_iter().map(|it| (it.text, it.open)).collect::<Vec<_>>()
        }
    };
    let row = |text: &str, open| (text.to_owned(), open);
    assert_eq!(asked(true).await, [row("Which tolerance?", true), row("Which colour?", true)]);
    let open = v1::OrderFilter { open_questions: true, ..v1::OrderFilter::default() };
    assert_eq!(shop.api.list(open.clone()).await, ["A-1"]);

    let reply = |order: &str, kind: NoteKind| v1::AddNoteRequest {
        kind: kind.into(),
        answers: first_id.clone(),
        notify: Some(v1::Notify { users: vec!["erika".into()], ..v1::Notify::default() }),
        ..note(order, "h7, nothing else")
    };
    assert_eq!(shop.api.orders().add_note(reply("A-2", NoteKind::Answer)).await.refused().reason, "NOT_FOUND");
    assert_eq!(shop.api.orders().add_note(reply("A-1", NoteKind::Note)).await.refused().fields, ["answers"]);
    let done = shop.api.orders().add_note(reply("A-1", NoteKind::Answer)).await.done();
    assert_eq!(done.order.expect("an order").open_questions, 1);
    assert_eq!(asked(true).await, [row("Which colour?", true)]);
    let all = [row("Which tolerance?", false), row("Which colour?", true), row("h7, nothing else", false)];
    assert_eq!(asked(false).await, all);
    let told = shop.api.messages().await.pop().expect("a message");
    assert_eq!((told.address.as_str(), told.kind.as_str()), (ERIKA, "NOTE_ADDED"));
    let page = v1::ListNotesRequest { order: number("A-1"), page_size: 2, ..v1::ListNotesRequest::default() };
    let one = shop.api.orders().list_notes(page.clone()).await.done();
    let two =
        shop.api.orders().list_notes(v1::ListNotesRequest { page_token: one.next_page_token, ..page }).await.done();
    assert_eq!((one.notes.len(), two.notes.len(), two.next_page_token.as_str()), (2, 1, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_has_at_most_200_open_questions() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    let ask = v1::AddNoteRequest { kind: NoteKind::Question.into(), ..note("A-1", "?") };
    for _ in 0..200 {
        shop.api.orders().add_note(ask.clone()).await.done();
    }
    let refused = shop.api.orders().add_note(ask).await.refused();
    assert_eq!(
        (refused.why(), refused.metadata["limit"].as_str()),
        ((Code::FailedPrecondition, "TOO_MANY_QUESTIONS"), "200")
    );
    shop.api.orders().add_note(note("A-1", "a remark is still taken")).await.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_s_assessment_stands_beside_the_computed_health() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    assert_eq!(shop.api.get("A-1").await.assessment, None);
    let said = v1::AddNoteRequest {
        assessment: Health::Late.into(),
        on_behalf_of: "anna".into(),
        ..note("A-1", "The tool is worn, this will take longer.")
    };
    let done = shop.api.orders().add_note(said).await.done();
    let after = done.order.expect("an order");
    let assessment = after.assessment.clone().expect("it was given");
    assert_eq!((assessment.health(), assessment.author.as_str()), (Health::Late, "anna"));
    assert_eq!(Some(assessment.note), done.note.map(|it| it.id));
    assert_eq!(after.projection.map(|it| it.health()), Some(Health::OnTarget), "what is computed stays beside it");
    shop.api.orders().add_note(note("A-1", "a note without one leaves it")).await.done();
    assert_eq!(shop.api.get("A-1").await.assessment.map(|it| it.health()), Some(Health::Late));
    let wrong = v1::AddNoteRequest { assessment: 9, ..note("A-1", "x") };
    assert_eq!(shop.api.orders().add_note(wrong).await.refused().fields, ["assessment"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_the_projected_finish_against_the_target() {
    let shop = Shop::open(MONDAY).await;
    // planned 1, milling 2, checking 1: Friday 6 March.
    shop.api.create(order("A-1")).await;
    let on_target = (Health::OnTarget, 0, "2026-03-06".into(), "2026-03-06".into());
    assert_eq!(health(&shop.api, "A-1").await, on_target);
    shop.api.create(v1::NewOrder { delivery_date: date("2026-03-10"), ..order("A-2") }).await;
    assert_eq!(health(&shop.api, "A-2").await, (Health::Ahead, 2, "2026-03-06".into(), "2026-03-10".into()));
    shop.api.create(v1::NewOrder { delivery_date: date("2026-03-04"), ..order("A-3") }).await;
    assert_eq!(health(&shop.api, "A-3").await, (Health::Late, -2, "2026-03-06".into(), "2026-03-04".into()));
    // Two days go by and nothing moves: the current status ends today at the earliest.
    shop.set("2026-03-05T08:00:00Z");
    assert_eq!(health(&shop.api, "A-1").await, (Health::Late, -2, "2026-03-10".into(), "2026-03-06".into()));
    shop.api.advance(advance("A-1")).await;
    shop.api.advance(advance("A-1")).await;
    // Checking, from Thursday: one day.
    assert_eq!(health(&shop.api, "A-1").await.0, Health::OnTarget);
    shop.api.advance(advance("A-1")).await;
    let real = (Health::Ahead, 1, "2026-03-05".into(), "2026-03-06".into());
    assert_eq!(health(&shop.api, "A-1").await, real);
    // What was closed stays as it was.
    shop.set("2026-04-01T08:00:00Z");
    let later = v1::Order { delivery_date: date("2026-03-01"), ..named("A-1") };
    shop.api.orders().update_order(update(later, &["delivery_date"])).await.done();
    assert_eq!(health(&shop.api, "A-1").await, real);
    let tolerant = v1::OrderType { id: JOB.into(), health_tolerance_business_days: 30, ..v1::OrderType::default() };
    let mask = Some(FieldMask { paths: vec!["health_tolerance_business_days".into()] });
    let request = v1::UpdateOrderTypeRequest { order_type: Some(tolerant), update_mask: mask, ..Default::default() };
    shop.api.types().update_order_type(request).await.done();
    assert_eq!(health(&shop.api, "A-3").await.0, Health::OnTarget);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_in_each_status_is_told_over_all_visits() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    let steps = [
        ("2026-03-03T08:00:00Z", advance("A-1")),               // one day planned
        ("2026-03-05T08:00:00Z", advance("A-1")),               // two days milling
        ("2026-03-06T08:00:00Z", advance_to("A-1", "milling")), // one day checking, then back
        ("2026-03-09T08:00:00Z", advance_to("A-1", "shipped")), // over the weekend; checking is not skipped: it was completed
    ];
    for (at, step) in steps {
        shop.set(at);
        shop.api.advance(step).await;
    }
    shop.set("2026-03-20T08:00:00Z");
    let request = v1::ListStatusTimesRequest { order: number("A-1") };
    let answer = shop.api.orders().list_status_times(request).await.done();
    let rows: Vec<_> = answer
        .times
        .iter()
        .map(|it| {
            let hours = it.total.map(|it| it.seconds / 3600).expect("a span");
            (it.status.as_str(), it.visits, it.rework_visits, hours, it.business_days, it.current)
        })
        .collect();
    let expected = [
        ("planned", 1, 0, 24, 1, false),
        ("milling", 2, 1, 48 + 72, 2 + 1, false),
        ("checking", 1, 0, 24, 1, false),
        ("shipped", 1, 0, 0, 0, true),
    ];
    assert_eq!(rows, expected);
    assert_eq!(answer.total.map(|it| it.seconds / 3600), Some(7 * 24));
    // What was reported late takes no days after the day that was given for it.
    shop.api.create(v1::NewOrder { order_date: date("2026-03-02"), ..order("A-2") }).await;
    shop.set("2026-03-27T08:00:00Z");
    let step = Advance { target_status: "shipped".into(), completed_date: date("2026-03-23"), ..Advance::default() };
    shop.api.advance(advance_with("A-2", step)).await;
    let request = v1::ListStatusTimesRequest { order: number("A-2") };
    let late = shop.api.orders().list_status_times(request).await.done().times;
    let days: Vec<_> = late.iter().map(|it| (it.status.as_str(), it.visits, it.business_days)).collect();
    assert_eq!(days, [("planned", 1, 1), ("milling", 0, 0), ("checking", 0, 0), ("shipped", 1, 0)]);
    let request = v1::ListStatusTimesRequest { order: number("A-9") };
    assert_eq!(shop.api.orders().list_status_times(request).await.refused().why(), (Code::NotFound, "NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_roles_and_departments_are_told_each_person_once() {
    let shop = Shop::open(MONDAY).await;
    let paths = |paths: &[&str]| Some(FieldMask { paths: paths.iter().map(|it| (*it).to_owned()).collect() });
    let user = v1::User { id: "anna".into(), roles: vec![v1::Role::Reporter.into()], ..v1::User::default() };
    let request = v1::UpdateUserRequest { user: Some(user), update_mask: paths(&["roles"]), ..Default::default() };
    shop.api.people().update_user(request).await.done();
    let quality = v1::Department { id: "quality".into(), members: vec!["anna".into()], ..v1::Department::default() };
    let request = v1::UpdateDepartmentRequest {
        department: Some(quality),
        update_mask: paths(&["members"]),
        ..Default::default()
    };
    shop.api.people().update_department(request).await.done();
    shop.api.create(order("A-1")).await;
    let tell = |notify: v1::Notify| Advance { notify: Some(notify), ..Advance::default() };
    let everybody = v1::Notify {
        users: vec!["erika".into()],
        departments: vec!["quality".into()],
        roles: vec![v1::Role::Reporter.into()],
    };
    let (_, effects) = shop.api.advance(advance_with("A-1", tell(everybody))).await;
    let told: Vec<_> = effects.messages.iter().map(|it| it.address.as_str()).collect();
    assert_eq!(told, [ERIKA, ANNA]);
    let nobody = v1::Notify { roles: vec![v1::Role::Auditor.into()], ..v1::Notify::default() };
    let (_, effects) = shop.api.advance(advance_with("A-1", tell(nobody))).await;
    assert_eq!(effects.messages[0].address, crate::support::plant::FALLBACK, "never in silence");
    let wrong = tell(v1::Notify { roles: vec![0, 99], ..v1::Notify::default() });
    let refused = shop.api.orders().advance_order(advance_with("A-1", wrong)).await.refused();
    assert_eq!(refused.fields, ["advance.notify.roles[0]", "advance.notify.roles[1]"]);
}
