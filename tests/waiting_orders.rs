//! Orders that wait to come back to a status, while that status is edited away; and which of several faults is told.

use andon::grpc::proto::v1::{self, Advance, NoteKind};
use prost_types::FieldMask;

use crate::support::{
    Api, Expect as _,
    api::{advance, advance_to, advance_with, day, number},
    plant::{JOB, Shop, order, seed_type},
};

/// A Monday, 09:00 in Vienna.
const MONDAY: &str = "2026-03-02T08:00:00Z";
const WEDNESDAY: &str = "2026-03-04T08:00:00Z";

async fn job(api: &Api) -> v1::OrderType {
    let request = v1::GetOrderTypeRequest { id: JOB.into() };
    api.types().get_order_type(request).await.done().order_type.expect("a type")
}

/// The whole cycle at once, with what replaces the statuses that go.
fn cycle(order_type: v1::OrderType, replacements: &[(&str, &str)]) -> v1::UpdateOrderTypeRequest {
    v1::UpdateOrderTypeRequest {
        order_type: Some(order_type),
        update_mask: Some(FieldMask { paths: vec!["statuses".into()] }),
        replacements: replacements.iter().map(|(from, to)| ((*from).into(), (*to).into())).collect(),
        ..v1::UpdateOrderTypeRequest::default()
    }
}

fn removal(order_type: &str, status: &str, replacement: &str) -> v1::DeleteStatusRequest {
    let [order_type, status, replacement] = [order_type, status, replacement].map(str::to_owned);
    v1::DeleteStatusRequest { order_type, status, replacement, ..v1::DeleteStatusRequest::default() }
}

fn due(order: &v1::Order) -> String {
    day(order.visit.as_ref().and_then(|visit| visit.due_date))
}

fn status(order: &v1::Order) -> &str {
    order.visit.as_ref().map_or("", |visit| &visit.status)
}

fn left(to: &str) -> Advance {
    Advance { target_status: to.into(), not_complete: true, ..Advance::default() }
}

/// An order that was put on hold in milling, on Monday; milling is due on Thursday.
async fn on_hold(shop: &Shop) {
    shop.api.create(order("J-1")).await;
    let (milling, _) = shop.api.advance(advance("J-1")).await;
    assert_eq!(due(&milling), "2026-03-05");
    shop.api.advance(advance_with("J-1", left("on-hold"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_on_hold_are_given_back_when_hold_and_interrupted_status_both_go() {
    let shop = Shop::open(MONDAY).await;
    on_hold(&shop).await;
    shop.set(WEDNESDAY);
    let mut given = job(&shop.api).await;
    given.statuses.retain(|status| status.id != "on-hold");
    let milling = given.statuses.iter_mut().find(|status| status.id == "milling").expect("there");
    "work".clone_into(&mut milling.id);
    let request = cycle(given, &[("milling", "work"), ("on-hold", "work")]);
    shop.api.types().update_order_type(request).await.done();
    let after = shop.api.get("J-1").await;
    // Monday and Tuesday were lost.
    assert_eq!((status(&after), due(&after).as_str()), ("work", "2026-03-09"));
    assert!(after.visit.expect("a visit").resumed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_resumes_by_an_edit_is_planned_anew_with_the_others() {
    let shop = Shop::open(MONDAY).await;
    on_hold(&shop).await;
    let mut given = job(&shop.api).await;
    given.statuses.retain(|status| status.id != "on-hold");
    given.statuses[0].duration_business_days = Some(3);
    let request = v1::UpdateOrderTypeRequest { apply_to_open: true, ..cycle(given, &[("on-hold", "milling")]) };
    let plan = shop.api.types().update_order_type(request).await.done().plan.expect("a plan");
    let after = shop.api.get("J-1").await;
    assert_eq!((status(&after), due(&after).as_str()), ("milling", "2026-03-09"));
    assert_eq!((plan.moved_orders, plan.due_dates_changed), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_does_not_wait_for_the_status_that_it_is_in() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("J-1")).await;
    shop.api.advance(advance("J-1")).await;
    shop.api.advance(advance_with("J-1", left("checking"))).await;
    assert_eq!(shop.api.get("J-1").await.interrupted_status, "milling");
    shop.api.types().delete_status(removal(JOB, "milling", "checking")).await.done();
    let after = shop.api.get("J-1").await;
    assert_eq!((status(&after), after.interrupted_status.as_str()), ("checking", ""));
    let (held, _) = shop.api.advance(advance_to("J-1", "on-hold")).await;
    assert_eq!(held.interrupted_status, "");
    // Checking was completed, so what comes next is shipping.
    assert_eq!(status(&shop.api.advance(advance("J-1")).await.0), "shipped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reopened_order_follows_what_took_the_place_of_what_it_waited_for() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("J-1")).await;
    shop.api.advance(advance("J-1")).await;
    shop.api.advance(advance_with("J-1", left("cancelled"))).await;
    // Twice, so that the way leads over a status that is gone as well.
    let lathe = v1::Status { id: "lathe".into(), name: "Lathe".into(), ..v1::Status::default() };
    let lathe = v1::Status { kind: v1::StatusKind::Standard.into(), duration_business_days: Some(1), ..lathe };
    let insert = v1::CreateStatusRequest { order_type: JOB.into(), status: Some(lathe), ..Default::default() };
    shop.api.types().create_status(insert).await.done();
    shop.api.create(order("J-2")).await;
    shop.api.advance(advance_to("J-2", "lathe")).await;
    shop.api.types().delete_status(removal(JOB, "milling", "lathe")).await.done();
    shop.api.types().delete_status(removal(JOB, "lathe", "checking")).await.done();
    let reopened = Advance { target_status: "waiting".into(), reopen: true, ..Advance::default() };
    let (aside, _) = shop.api.advance(advance_with("J-1", reopened)).await;
    assert_eq!(aside.interrupted_status, "checking");
    let (after, _) = shop.api.advance(advance("J-1")).await;
    assert_eq!(status(&after), "checking");
    assert!(after.visit.expect("a visit").resumed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_of_a_status_is_retired_for_the_type_that_its_visits_belonged_to() {
    let shop = Shop::open(MONDAY).await;
    seed_type(&shop.api, "other").await;
    shop.api.create(order("J-1")).await;
    shop.api.advance(advance("J-1")).await;
    let request = v1::ChangeOrderTypeRequest {
        orders: number("J-1").into_iter().collect(),
        order_type: "other".into(),
        statuses: [("milling".to_owned(), "checking".to_owned())].into(),
        mode: v1::BulkMode::Each.into(),
        ..v1::ChangeOrderTypeRequest::default()
    };
    shop.api.orders().change_order_type(request).await.done();
    let insert = |order_type: &str| v1::CreateStatusRequest {
        order_type: order_type.into(),
        status: Some(v1::Status {
            id: "milling".into(),
            name: "Milling".into(),
            kind: v1::StatusKind::Standard.into(),
            ..v1::Status::default()
        }),
        ..v1::CreateStatusRequest::default()
    };
    // It was used in the first type, by an order that is of the other one today.
    shop.api.types().delete_status(removal(JOB, "milling", "")).await.done();
    assert_eq!(shop.api.types().create_status(insert(JOB)).await.refused().reason, "CYCLE_BROKEN");
    // The order was never in it while it was of the other type.
    shop.api.types().delete_status(removal("other", "milling", "")).await.done();
    shop.api.types().create_status(insert("other")).await.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_changes_nothing_tells_how_the_order_stands_now() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("J-1")).await;
    shop.set("2026-03-06T08:00:00Z");
    let given = v1::Order { number: "J-1".into(), title: "Flange".into(), ..v1::Order::default() };
    let request = v1::UpdateOrderRequest {
        order: Some(given),
        update_mask: Some(FieldMask { paths: vec!["title".into()] }),
        ..v1::UpdateOrderRequest::default()
    };
    let told = shop.api.orders().update_order(request).await.done().order.expect("an order");
    assert!(told.overdue);
    assert_eq!(told, shop.api.get("J-1").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_faults_the_first_in_the_documented_order_is_told() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("J-1")).await;
    // The initial status cannot go, the etag is old, and there is no such replacement.
    let broken = v1::DeleteStatusRequest { etag: "0".into(), ..removal(JOB, "planned", "nowhere") };
    assert_eq!(shop.api.types().delete_status(broken).await.refused().reason, "NOT_FOUND");
    let broken = v1::DeleteStatusRequest { etag: "0".into(), ..removal(JOB, "planned", "milling") };
    assert_eq!(shop.api.types().delete_status(broken).await.refused().reason, "ETAG_MISMATCH");
    // Two wrong fields that only the type can tell are told together.
    let mut given = job(&shop.api).await;
    given.etag = "0".into();
    let kept = cycle(given.clone(), &[("milling", "checking"), ("checking", "milling")]);
    let refused = shop.api.types().update_order_type(kept).await.refused();
    assert_eq!((refused.reason.as_str(), refused.fields.len()), ("INVALID_REQUEST", 2));

    let new = v1::CreateOrderRequest {
        order: Some(v1::NewOrder { assigned_user: "nobody".into(), ..order("J-1") }),
        ..v1::CreateOrderRequest::default()
    };
    assert_eq!(shop.api.orders().create_order(new).await.refused().reason, "NOT_FOUND");
    let note = |text: &str, answers: &str| v1::AddNoteRequest {
        order: number("J-1"),
        text: text.into(),
        kind: if answers.is_empty() { NoteKind::Note.into() } else { NoteKind::Answer.into() },
        answers: answers.into(),
        request_id: "once".into(),
        ..v1::AddNoteRequest::default()
    };
    shop.api.orders().add_note(note("first", "")).await.done();
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    assert_eq!(shop.api.orders().add_note(note("second", unknown)).await.refused().reason, "REQUEST_ID_REUSED");
    let later = v1::AddNoteRequest { request_id: String::new(), etag: "0".into(), ..note("third", unknown) };
    assert_eq!(shop.api.orders().add_note(later).await.refused().reason, "ETAG_MISMATCH");
}
