//! Orders: created, read, listed in pages, counted.

use andon::grpc::proto::v1;
use tonic::Code;

use crate::support::{
    Expect as _,
    api::{self, advance, advance_to, date, day, instant, number},
    clock::at,
    plant::{JOB, Shop, order, seed_type},
};

/// A Monday, 09:00 in Vienna.
const MONDAY: &str = "2026-03-02T08:00:00Z";

fn create(order: v1::NewOrder) -> v1::CreateOrderRequest {
    v1::CreateOrderRequest { order: Some(order), ..v1::CreateOrderRequest::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_order_stands_in_the_first_status_with_its_due_date() {
    let shop = Shop::open(MONDAY).await;
    let created = shop.api.orders().create_order(create(order("A-1"))).await.done();
    let effects = created.effects.expect("effects");
    let made = created.order.expect("an order");
    assert_eq!(shop.api.get("A-1").await, made);
    let by_id = v1::GetOrderRequest { order: api::id(&made.id) };
    assert_eq!(shop.api.orders().get_order(by_id).await.done().order, Some(made.clone()));
    let visit = made.visit.expect("a visit");
    assert_eq!((visit.status.as_str(), visit.status_name.as_str(), visit.sequence), ("planned", "Planned", 1));
    assert_eq!((day(made.order_date), day(visit.entered_date)), ("2026-03-02".into(), "2026-03-02".into()));
    assert_eq!((day(visit.due_date), visit.due_source()), ("2026-03-03".into(), v1::DueSource::Plan));
    assert_eq!(instant(visit.due_time), at("2026-03-03T23:00:00Z"));
    assert_eq!(instant(made.create_time), at(MONDAY));
    assert_eq!((made.assigned_department.as_str(), made.assigned_user.as_str()), ("workshop", "anna"));
    assert!(!made.closed && !made.overdue && made.days_late == 0 && !made.etag.is_empty());
    assert_eq!(effects.opened_visit.expect("opened").status, "planned");
    let history = shop.api.history("A-1").await;
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].sequence, history[0].kind()), (1, v1::HistoryKind::Created));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_begins_where_the_caller_says() {
    let shop = Shop::open(MONDAY).await;
    let begun = v1::NewOrder { status: "milling".into(), order_date: date("2026-02-27"), ..order("A-1") };
    let visit = shop.api.create(begun).await.visit.expect("a visit");
    // Friday + 1 + 2 business days.
    assert_eq!((visit.status.as_str(), day(visit.due_date)), ("milling", "2026-03-04".into()));
    let nowhere = v1::NewOrder { status: "painting".into(), ..order("A-2") };
    let refused = shop.api.orders().create_order(create(nowhere)).await.refused();
    assert_eq!(refused.why(), (Code::NotFound, "NOT_FOUND"));
    assert_eq!((refused.metadata["kind"].as_str(), refused.metadata["id"].as_str()), ("status", "painting"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_wrong_fields_are_named_at_once() {
    let shop = Shop::open(MONDAY).await;
    let wrong = v1::NewOrder {
        number: " ".into(),
        order_type: "No Slug".into(),
        title: "x".repeat(201),
        customer_reference: "a\u{7}b".into(),
        quantity: "1e9".into(),
        order_date: Some(andon::grpc::proto::Date { year: 2026, month: 2, day: 29 }),
        priority: 1001,
        labels: [("BAD".to_owned(), String::new())].into(),
        ..v1::NewOrder::default()
    };
    let request = v1::CreateOrderRequest { request_id: "x".repeat(65), ..create(wrong.clone()) };
    let refused = shop.api.orders().create_order(request).await.refused();
    assert_eq!(refused.why(), (Code::InvalidArgument, "INVALID_REQUEST"));
    let mut fields = refused.fields;
    fields.sort();
    let expected = [
        "order.customer_reference",
        "order.labels",
        "order.number",
        "order.order_date",
        "order.order_type",
        "order.priority",
        "order.quantity",
        "order.title",
        "request_id",
    ];
    assert_eq!(fields, expected);

    let bulk = v1::CreateOrdersRequest { orders: vec![order("A-1"), wrong], ..v1::CreateOrdersRequest::default() };
    let refused = shop.api.orders().create_orders(bulk).await.refused();
    assert!(refused.fields.iter().all(|field| field.starts_with("orders[1].")), "{:?}", refused.fields);
    assert_eq!(shop.api.list(v1::OrderFilter::default()).await, Vec::<String>::new());

    let filter = v1::OrderFilter {
        state: 9,
        statuses: vec!["ok".into(), "NOT OK".into()],
        due_to_date: Some(andon::grpc::proto::Date { year: 2026, month: 13, day: 1 }),
        ..v1::OrderFilter::default()
    };
    let request = v1::ListOrdersRequest {
        filter: Some(filter),
        order_by: 9,
        page_size: -1,
        page_token: "not one of ours".into(),
    };
    let mut fields = shop.api.orders().list_orders(request).await.refused().fields;
    fields.sort();
    let expected = ["filter.due_to_date", "filter.state", "filter.statuses[1]", "order_by", "page_size", "page_token"];
    assert_eq!(fields, expected);

    let refused = shop.api.orders().advance_order(v1::AdvanceOrderRequest::default()).await.refused();
    assert_eq!(refused.fields, ["order"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_taken_once() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    let refused = shop.api.orders().create_order(create(order("A-1"))).await.refused();
    assert_eq!(refused.why(), (Code::AlreadyExists, "ALREADY_EXISTS"));
    assert_eq!((refused.metadata["kind"].as_str(), refused.metadata["id"].as_str()), ("order", "A-1"));
    assert_eq!(shop.api.create(order("a-1")).await.number, "a-1", "numbers differ by case");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_creators_of_one_number_exactly_one_wins() {
    let shop = Shop::open(MONDAY).await;
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(16));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (api, barrier) = (shop.api.clone(), barrier.clone());
        calls.spawn(async move {
            barrier.wait().await;
            api.orders().create_order(create(order("A-1"))).await.map(drop).map_err(|status| status.code())
        });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| **answer == Err(Code::AlreadyExists)).count(), 15, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_not_found() {
    let shop = Shop::open(MONDAY).await;
    let request = v1::GetOrderRequest { order: number("A-1") };
    let refused = shop.api.orders().get_order(request).await.refused();
    assert_eq!(refused.why(), (Code::NotFound, "NOT_FOUND"));
    assert_eq!(refused.metadata["kind"], "order");
    let refused = shop.api.orders().advance_order(advance("A-1")).await.refused();
    assert_eq!(refused.why(), (Code::NotFound, "NOT_FOUND"));
    let request = v1::ListHistoryRequest { order: number("A-1"), ..v1::ListHistoryRequest::default() };
    assert_eq!(shop.api.orders().list_history(request).await.refused().why(), (Code::NotFound, "NOT_FOUND"));
    for (wrong, kind) in [
        (v1::NewOrder { order_type: "other".into(), ..order("A-1") }, "order type"),
        (v1::NewOrder { assigned_user: "nobody".into(), ..order("A-1") }, "user"),
        (v1::NewOrder { assigned_department: "nowhere".into(), ..order("A-1") }, "department"),
    ] {
        let refused = shop.api.orders().create_order(create(wrong)).await.refused();
        assert_eq!(refused.why(), (Code::NotFound, "NOT_FOUND"));
        assert_eq!(refused.metadata["kind"], kind);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn validate_only_answers_and_changes_nothing() {
    let shop = Shop::open(MONDAY).await;
    let request = v1::CreateOrderRequest { validate_only: true, request_id: "r".into(), ..create(order("A-1")) };
    let would_be = shop.api.orders().create_order(request).await.done().order.expect("an order");
    assert_eq!(would_be.visit.expect("a visit").status, "planned");
    let bulk = v1::CreateOrdersRequest {
        orders: vec![order("A-1"), order("A-2")],
        validate_only: true,
        ..v1::CreateOrdersRequest::default()
    };
    assert_eq!(shop.api.orders().create_orders(bulk).await.done().results.len(), 2);
    assert_eq!(shop.api.list(v1::OrderFilter::default()).await, Vec::<String>::new());

    // The same request id is free still.
    let request = v1::CreateOrderRequest { request_id: "r".into(), ..create(order("A-1")) };
    let made = shop.api.orders().create_order(request).await.done().order.expect("an order");
    let notify = Some(v1::Notify { users: vec!["anna".into()], ..v1::Notify::default() });
    let preview = v1::AdvanceOrderRequest {
        validate_only: true,
        ..api::advance_with("A-1", v1::Advance { notify: notify.clone(), note: "x".into(), ..v1::Advance::default() })
    };
    let (after, effects) = shop.api.advance(preview.clone()).await;
    assert_eq!(after.visit.expect("a visit").status, "milling");
    assert_eq!(effects.messages.len(), 1);
    assert_eq!(effects.messages[0].delivery, "", "a preview has no message");
    let note = v1::AddNoteRequest {
        order: number("A-1"),
        text: "x".into(),
        notify,
        validate_only: true,
        ..v1::AddNoteRequest::default()
    };
    shop.api.orders().add_note(note).await.done();
    let all = v1::AdvanceOrdersRequest {
        orders: number("A-1").into_iter().collect(),
        validate_only: true,
        ..v1::AdvanceOrdersRequest::default()
    };
    shop.api.orders().advance_orders(all).await.done();
    assert_eq!(shop.api.get("A-1").await, made);
    assert_eq!(shop.api.history("A-1").await.len(), 1);
    assert_eq!(shop.api.messages().await.len(), 0);

    // What the preview said is what happens.
    let (done, _) = shop.api.advance(v1::AdvanceOrderRequest { validate_only: false, ..preview }).await;
    assert_eq!(done.visit.expect("a visit").status, "milling");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_id_gives_the_stored_answer_once_carried_out() {
    let shop = Shop::open(MONDAY).await;
    let mut orders = shop.api.orders();
    let one = v1::CreateOrderRequest { request_id: "one".into(), ..create(order("A-1")) };
    let first = orders.create_order(one.clone()).await.done();
    assert_eq!(orders.create_order(one).await.done(), first);

    let many = v1::CreateOrdersRequest {
        orders: vec![order("A-2"), order("A-3"), order("A-3")],
        request_id: "many".into(),
        ..v1::CreateOrdersRequest::default()
    };
    let first = orders.create_orders(many.clone()).await.done();
    assert_eq!(orders.create_orders(many).await.done(), first);

    let step = v1::AdvanceOrderRequest { request_id: "step".into(), ..advance("A-1") };
    let first = orders.advance_order(step.clone()).await.done();
    assert_eq!(orders.advance_order(step).await.done(), first);
    assert_eq!(shop.api.status("A-1").await, "milling");

    let steps = v1::AdvanceOrdersRequest {
        orders: ["A-1", "A-2"].into_iter().filter_map(number).collect(),
        request_id: "steps".into(),
        ..v1::AdvanceOrdersRequest::default()
    };
    let first = orders.advance_orders(steps.clone()).await.done();
    assert_eq!(orders.advance_orders(steps).await.done(), first);
    assert_eq!(shop.api.status("A-1").await, "checking");

    let note = v1::AddNoteRequest {
        order: number("A-1"),
        text: "once".into(),
        request_id: "note".into(),
        ..v1::AddNoteRequest::default()
    };
    let first = orders.add_note(note.clone()).await.done();
    assert_eq!(orders.add_note(note).await.done(), first);
    let noted = |entry: &&v1::HistoryEntry| entry.kind() == v1::HistoryKind::Noted;
    assert_eq!(shop.api.history("A-1").await.iter().filter(noted).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_id_used_for_another_request_is_refused() {
    let shop = Shop::open(MONDAY).await;
    let mut orders = shop.api.orders();
    orders.create_order(v1::CreateOrderRequest { request_id: "r".into(), ..create(order("A-1")) }).await.done();
    let why = |refused: crate::support::api::Refused| (refused.code, refused.reason);
    let reused = || (Code::FailedPrecondition, "REQUEST_ID_REUSED".to_owned());
    let other = v1::CreateOrderRequest { request_id: "r".into(), ..create(order("A-2")) };
    assert_eq!(why(orders.create_order(other).await.refused()), reused());
    let step = v1::AdvanceOrderRequest { request_id: "r".into(), ..advance("A-1") };
    assert_eq!(why(orders.advance_order(step).await.refused()), reused());
    let note = v1::AddNoteRequest {
        order: number("A-1"),
        text: "x".into(),
        request_id: "r".into(),
        ..v1::AddNoteRequest::default()
    };
    assert_eq!(why(orders.add_note(note).await.refused()), reused());
    // It goes before what the order itself would refuse.
    let missing = v1::AdvanceOrderRequest { request_id: "r".into(), ..advance("A-9") };
    assert_eq!(why(orders.advance_order(missing).await.refused()), reused());
    assert_eq!(shop.api.history("A-1").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_language_comes_back_as_it_was_sent() {
    let shop = Shop::open(MONDAY).await;
    let texts =
        ["Flansch für Öl", "法兰 – スリーブ", "قطعة", "👩‍🔧 e\u{301}", "'; DROP TABLE orders; --", "<b>&amp;</b>"];
    for (index, text) in texts.iter().enumerate() {
        let number = format!("№ {index} ü");
        let sent = v1::NewOrder {
            title: (*text).into(),
            customer_reference: (*text).into(),
            labels: [("key".to_owned(), (*text).to_owned())].into(),
            ..order(&number)
        };
        shop.api.create(sent).await;
        let note = format!("{text}\n\tzweite Zeile");
        let (after, _) = shop
            .api
            .advance(api::advance_with(&number, v1::Advance { note: note.clone(), ..v1::Advance::default() }))
            .await;
        let got = shop.api.get(&number).await;
        assert_eq!(got, after);
        assert_eq!((got.title.as_str(), got.labels["key"].as_str()), (*text, *text));
        assert_eq!(got.last_note.expect("a note").text, note);
        let filter = v1::OrderFilter { customer_reference: (*text).into(), ..v1::OrderFilter::default() };
        assert_eq!(shop.api.list(filter).await, [number]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_at_their_edges() {
    let shop = Shop::open(MONDAY).await;
    let label = |n: usize| (format!("k{n}"), "ü".repeat(200));
    let widest = v1::NewOrder {
        number: "ü".repeat(64),
        title: "ü".repeat(200),
        customer_reference: "ü".repeat(100),
        vendor_reference: "ü".repeat(100),
        sales_order_line: "ü".repeat(100),
        product: "ü".repeat(100),
        quantity: "1000000000000000".into(),
        priority: -1000,
        labels: (0..32).map(label).collect(),
        ..order("")
    };
    let made = shop.api.create(widest.clone()).await;
    assert_eq!((made.title, made.labels.len()), ("ü".repeat(200), 32));
    for (wrong, field) in [
        (v1::NewOrder { number: "x".repeat(65), ..widest.clone() }, "order.number"),
        (v1::NewOrder { title: "x".repeat(201), ..widest.clone() }, "order.title"),
        (v1::NewOrder { product: "x".repeat(101), ..widest.clone() }, "order.product"),
        (v1::NewOrder { quantity: "1000000000000000.1".into(), ..widest.clone() }, "order.quantity"),
        (v1::NewOrder { priority: 1001, ..widest.clone() }, "order.priority"),
        (v1::NewOrder { labels: (0..33).map(label).collect(), ..widest.clone() }, "order.labels"),
    ] {
        assert_eq!(shop.api.orders().create_order(create(wrong)).await.refused().fields, [field]);
    }
    let note = |length: usize| v1::AddNoteRequest {
        order: number(&"ü".repeat(64)),
        text: "ü".repeat(length),
        ..v1::AddNoteRequest::default()
    };
    let noted = shop.api.orders().add_note(note(20_000)).await.done();
    assert_eq!(noted.note.expect("a note").text.chars().count(), 20_000);
    assert_eq!(noted.order.expect("an order").last_note.expect("a note").text.chars().count(), 2_000);
    assert_eq!(shop.api.orders().add_note(note(20_001)).await.refused().fields, ["text"]);
    assert_eq!(shop.api.orders().add_note(note(0)).await.refused().fields, ["text"]);
    let bulk = |count: usize| v1::CreateOrdersRequest {
        orders: (0..count).map(|n| order(&format!("B-{n:04}"))).collect(),
        ..v1::CreateOrdersRequest::default()
    };
    assert_eq!(shop.api.orders().create_orders(bulk(0)).await.refused().fields, ["orders"]);
    assert_eq!(shop.api.orders().create_orders(bulk(1001)).await.refused().fields, ["orders"]);
    assert_eq!(shop.api.orders().create_orders(bulk(1000)).await.done().results.len(), 1000);
    let late = create(v1::NewOrder { order_date: date("2199-12-31"), ..order("C-1") });
    let refused = shop.api.orders().create_order(late).await.refused();
    assert_eq!(refused.why(), (Code::FailedPrecondition, "BEYOND_HORIZON"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_filter_narrows_the_list() {
    let shop = Shop::open(MONDAY).await;
    seed_type(&shop.api, "repair").await;
    shop.api
        .create_many(vec![
            order("A-1"),
            v1::NewOrder { order_type: "repair".into(), customer_reference: "PO 7".into(), ..order("A-2") },
            v1::NewOrder { assigned_user: "erika".into(), assigned_department: "quality".into(), ..order("B-1") },
            v1::NewOrder { order_date: date("2026-02-20"), ..order("B-2") },
            order("B_3"),
        ])
        .await;
    shop.api.advance(advance_to("A-1", "checking")).await;
    shop.api.advance(advance_to("B_3", "cancelled")).await;
    let filter = v1::OrderFilter::default;
    let closed: i32 = v1::OrderState::Closed.into();
    let any: i32 = v1::OrderState::Any.into();
    for (filter, expected) in [
        (filter(), vec!["A-1", "A-2", "B-1", "B-2"]),
        (v1::OrderFilter { state: closed, ..filter() }, vec!["B_3"]),
        (v1::OrderFilter { state: any, ..filter() }, vec!["A-1", "A-2", "B-1", "B-2", "B_3"]),
        (v1::OrderFilter { order_types: vec!["repair".into()], ..filter() }, vec!["A-2"]),
        (
            v1::OrderFilter { order_types: vec!["repair".into(), JOB.into()], number_prefix: "A".into(), ..filter() },
            vec!["A-1", "A-2"],
        ),
        (v1::OrderFilter { statuses: vec!["checking".into()], ..filter() }, vec!["A-1"]),
        (v1::OrderFilter { assigned_department: "quality".into(), ..filter() }, vec!["B-1"]),
        (v1::OrderFilter { assigned_user: "anna".into(), number_prefix: "B".into(), ..filter() }, vec!["B-2"]),
        (v1::OrderFilter { overdue: true, ..filter() }, vec!["B-2"]),
        (v1::OrderFilter { due_to_date: date("2026-02-22"), ..filter() }, Vec::new()),
        (v1::OrderFilter { due_to_date: date("2026-02-23"), ..filter() }, vec!["B-2"]),
        (v1::OrderFilter { due_to_date: date("2026-03-03"), ..filter() }, vec!["A-2", "B-1", "B-2"]),
        (v1::OrderFilter { state: any, number_prefix: "B_".into(), ..filter() }, vec!["B_3"]),
        (v1::OrderFilter { number_prefix: "%".into(), ..filter() }, Vec::new()),
        (v1::OrderFilter { customer_reference: "PO 7".into(), ..filter() }, vec!["A-2"]),
        (v1::OrderFilter { customer_reference: "PO".into(), ..filter() }, Vec::new()),
    ] {
        let mut found = shop.api.list(filter.clone()).await;
        found.sort();
        assert_eq!(found, expected, "{filter:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_lists_pages_through_all_once() {
    let shop = Shop::open(MONDAY).await;
    // Days of order in which no two neighbours agree; each due date comes twice, and four orders have none.
    let mut orders: Vec<_> = (0..20)
        .map(|n| v1::NewOrder {
            order_date: date(&format!("2026-03-{:02}", 9 + (n * 3) % 5)),
            ..order(&format!("N-{:02}", (n * 7) % 20))
        })
        .collect();
    for order in orders.iter_mut().take(4) {
        order.status = "on-hold".into();
    }
    let made = shop.api.create_many(orders).await;
    let mut by_due: Vec<_> = made.iter().collect();
    by_due.sort_by_key(|order| {
        let due = order.visit.as_ref().and_then(|visit| visit.due_time);
        (due.is_none(), due.map(|due| due.seconds), order.id.clone())
    });
    let mut by_number: Vec<_> = made.iter().collect();
    by_number.sort_by_key(|order| order.number.clone());
    let by_creation: Vec<_> = made.iter().collect();
    let newest: Vec<_> = made.iter().rev().collect();
    for (order_by, expected) in [
        (v1::OrderBy::Unspecified, &by_due),
        (v1::OrderBy::DueTime, &by_due),
        (v1::OrderBy::CreateTime, &by_creation),
        (v1::OrderBy::CreateTimeDesc, &newest),
        (v1::OrderBy::Number, &by_number),
    ] {
        let expected: Vec<_> = expected.iter().map(|order| order.number.as_str()).collect();
        for page_size in [1, 3, 19, 20, 0, 1_000_000] {
            let request =
                v1::ListOrdersRequest { order_by: order_by.into(), page_size, ..v1::ListOrdersRequest::default() };
            assert_eq!(shop.api.list_all(request).await, expected, "{order_by:?} by {page_size}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_token_opens_only_its_own_list() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create_many((0..5).map(|n| order(&format!("N-{n}"))).collect()).await;
    let filter = Some(v1::OrderFilter { number_prefix: "N".into(), ..v1::OrderFilter::default() });
    let request = v1::ListOrdersRequest { filter: filter.clone(), page_size: 2, ..v1::ListOrdersRequest::default() };
    let token = shop.api.orders().list_orders(request.clone()).await.done().next_page_token;
    assert!(!token.is_empty());
    let request = v1::ListOrdersRequest { page_token: token.clone(), ..request };
    // Another size of page is the same list.
    let other_size = v1::ListOrdersRequest { page_size: 3, ..request.clone() };
    assert_eq!(shop.api.orders().list_orders(other_size).await.done().orders.len(), 3);
    let mut tampered = token.clone();
    tampered.replace_range(token.len() - 1.., if token.ends_with('A') { "B" } else { "A" });
    for wrong in [
        v1::ListOrdersRequest { filter: None, ..request.clone() },
        v1::ListOrdersRequest { order_by: v1::OrderBy::Number.into(), ..request.clone() },
        v1::ListOrdersRequest { page_token: tampered, ..request.clone() },
        v1::ListOrdersRequest { page_token: token[..token.len() / 2].into(), ..request.clone() },
    ] {
        assert_eq!(shop.api.orders().list_orders(wrong).await.refused().fields, ["page_token"]);
    }
    let history = v1::ListHistoryRequest { order: number("N-1"), page_size: 1, page_token: token };
    assert_eq!(shop.api.orders().list_history(history).await.refused().fields, ["page_token"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_and_visits_come_in_pages_too() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    for _ in 0..3 {
        shop.api.advance(advance("A-1")).await;
    }
    let whole = shop.api.history("A-1").await;
    assert_eq!(whole.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let mut request = v1::ListHistoryRequest { order: number("A-1"), page_size: 3, page_token: String::new() };
    let page = shop.api.orders().list_history(request.clone()).await.done();
    assert_eq!(page.entries, whole[..3]);
    request.page_token = page.next_page_token;
    let page = shop.api.orders().list_history(request).await.done();
    assert_eq!((page.entries.as_slice(), page.next_page_token.as_str()), (&whole[3..], ""));
    let mut request = v1::ListVisitsRequest { order: number("A-1"), page_size: 2, page_token: String::new() };
    let page = shop.api.orders().list_visits(request.clone()).await.done();
    assert_eq!(page.visits, shop.api.visits("A-1").await[..2]);
    request.page_token = page.next_page_token;
    assert_eq!(shop.api.orders().list_visits(request).await.done().visits.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_board_counts_open_and_overdue_orders_by_status() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create_many((0..5).map(|n| order(&format!("N-{n}"))).collect()).await;
    shop.api.create(v1::NewOrder { order_date: date("2026-02-20"), ..order("L-1") }).await;
    shop.api.advance(advance("N-0")).await;
    shop.api.advance(advance_to("N-1", "cancelled")).await;
    let board = shop.api.orders().count_orders(v1::CountOrdersRequest::default()).await.done().counts;
    let rows: Vec<_> = board.iter().map(|row| (row.status.as_str(), row.open, row.overdue)).collect();
    let expected = [("planned", 4, 1), ("milling", 1, 0), ("checking", 0, 0), ("on-hold", 0, 0), ("waiting", 0, 0)];
    assert_eq!(rows, expected);
    assert!(board.iter().all(|row| row.order_type == JOB && row.stage == row.status_name));
    let none = v1::CountOrdersRequest { order_types: vec!["other".into()] };
    assert_eq!(shop.api.orders().count_orders(none).await.done().counts, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_creation_takes_each_or_all() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    let unknown = || v1::NewOrder { order_type: "other".into(), ..order("A-4") };
    let orders = || vec![order("A-1"), order("A-2"), order("A-2"), order("A-3"), unknown()];
    let reasons = |results: &[v1::BulkResult]| -> Vec<String> {
        results
            .iter()
            .enumerate()
            .map(|(index, result)| {
                assert_eq!(usize::try_from(result.index), Ok(index));
                assert_ne!(result.order.is_some(), result.refusal.is_some());
                result.refusal.as_ref().map(|refusal| refusal.reason.clone()).unwrap_or_default()
            })
            .collect()
    };
    let request = v1::CreateOrdersRequest {
        orders: orders(),
        mode: v1::BulkMode::Atomic.into(),
        ..v1::CreateOrdersRequest::default()
    };
    let results = shop.api.orders().create_orders(request).await.done().results;
    let expected = ["ALREADY_EXISTS", "BATCH_REFUSED", "ALREADY_EXISTS", "BATCH_REFUSED", "NOT_FOUND"];
    assert_eq!(reasons(&results), expected);
    assert_eq!(shop.api.list(v1::OrderFilter::default()).await, ["A-1"]);
    let request = v1::CreateOrdersRequest { orders: orders(), ..v1::CreateOrdersRequest::default() };
    let results = shop.api.orders().create_orders(request).await.done().results;
    assert_eq!(reasons(&results), ["ALREADY_EXISTS", "", "ALREADY_EXISTS", "", "NOT_FOUND"]);
    let mut found = shop.api.list(v1::OrderFilter::default()).await;
    found.sort();
    assert_eq!(found, ["A-1", "A-2", "A-3"]);
}
