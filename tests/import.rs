//! Import: orders enter with their past, once, and what is overdue is told in one digest.

use andon::grpc::proto::v1::{self, ImportOutcome as Outcome};
use prost_types::Timestamp;

use crate::support::{
    Api, Expect as _,
    api::{instant, timestamp},
    clock::at,
    eventually,
    plant::{ANNA, ERIKA, Shop, order},
    smtp::SmtpSink,
};

/// A Monday, 09:00 in Vienna, long after the past that is imported.
const NOW: &str = "2026-03-02T08:00:00Z";

fn when(text: &str) -> Option<Timestamp> {
    timestamp(at(text))
}

fn visit(status: &str, entered: &str) -> v1::ImportedVisit {
    v1::ImportedVisit { status: status.into(), enter_time: when(entered), ..v1::ImportedVisit::default() }
}

fn note(author: &str, time: &str, text: &str) -> v1::ImportedNote {
    v1::ImportedNote { author: author.into(), time: when(time), text: text.into() }
}

/// An order that is in milling since January, with notes.
fn late(number: &str) -> v1::ImportedOrder {
    let mut milling = visit("milling", "2026-01-13T09:00:00Z");
    milling.notes = vec![note("anna", "2026-01-13T10:00:00Z", "set up"), note("max", "2026-01-14T10:00:00Z", "läuft")];
    v1::ImportedOrder { order: Some(order(number)), visits: vec![visit("planned", "2026-01-12T08:00:00Z"), milling] }
}

async fn import(api: &Api, orders: Vec<v1::ImportedOrder>, validate_only: bool) -> Vec<v1::ImportOrdersResponse> {
    let requests: Vec<_> =
        orders.into_iter().map(|order| v1::ImportOrdersRequest { order: Some(order), validate_only }).collect();
    let mut answers = api.orders().import_orders(tokio_stream::iter(requests)).await.done();
    let mut all = Vec::new();
    while let Some(answer) = answers.message().await.expect("the stream goes on") {
        assert_eq!(usize::try_from(answer.index), Ok(all.len()), "answers come in the order of the stream");
        all.push(answer);
    }
    all
}

fn outcomes(answers: &[v1::ImportOrdersResponse]) -> Vec<Outcome> {
    answers.iter().map(v1::ImportOrdersResponse::outcome).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_imported_order_has_its_whole_past() {
    let shop = Shop::open(NOW).await;
    let mut given = late("A-1");
    given.visits[1].not_complete = true;
    given.visits.push(visit("on-hold", "2026-01-15T08:00:00Z"));
    given.visits.push(visit("milling", "2026-01-16T08:00:00Z"));
    given.visits.push(visit("planned", "2026-01-16T09:00:00Z"));
    given.visits.push(visit("shipped", "2026-01-19T08:00:00Z"));
    assert_eq!(outcomes(&import(&shop.api, vec![given], false).await), [Outcome::Created]);
    let made = shop.api.get("A-1").await;
    assert!(made.imported && made.closed);
    assert_eq!(instant(made.close_time), at("2026-01-19T08:00:00Z"));
    assert_eq!(made.last_note.expect("a note").text, "läuft");
    let visits = shop.api.visits("A-1").await;
    let rows: Vec<_> = visits
        .iter()
        .map(|visit| (visit.status.as_str(), visit.completed, visit.rework, visit.resumed, visit.skipped))
        .collect();
    let expected = [
        ("planned", true, false, false, false),
        ("milling", false, false, false, false),
        ("on-hold", true, false, false, false),
        ("milling", true, false, true, false),
        ("planned", true, true, false, false),
        ("shipped", false, false, false, false),
    ];
    assert_eq!(rows, expected);
    assert_eq!(instant(visits[1].leave_time), at("2026-01-15T08:00:00Z"));
    let history = shop.api.history("A-1").await;
    assert!(history.iter().all(|entry| entry.imported));
    let times: Vec<_> = history.iter().map(|entry| instant(entry.time)).collect();
    assert!(times.is_sorted() && times.len() == 8, "{times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_order_is_taken_once_and_another_past_is_refused() {
    let shop = Shop::open(NOW).await;
    let orders: Vec<_> = (0..120).map(|n| late(&format!("A-{n:03}"))).collect();
    assert!(outcomes(&import(&shop.api, orders.clone(), true).await).iter().all(|o| *o == Outcome::Created));
    assert_eq!(shop.api.list(v1::OrderFilter::default()).await.len(), 0, "validate_only changes nothing");
    assert!(outcomes(&import(&shop.api, orders.clone(), false).await).iter().all(|o| *o == Outcome::Created));
    let again = import(&shop.api, orders, false).await;
    assert!(outcomes(&again).iter().all(|o| *o == Outcome::Unchanged));
    assert_eq!(again[7].number, "A-007");
    let mut other = late("A-000");
    other.visits[1].notes[0].text = "set up twice".into();
    let answer = import(&shop.api, vec![other], false).await.remove(0);
    assert_eq!(answer.outcome(), Outcome::Refused);
    let refusal = answer.refusal.expect("a refusal");
    assert_eq!((refusal.reason.as_str(), refusal.metadata["number"].as_str()), ("IMPORT_DIFFERS", "A-000"));
    assert_eq!(shop.api.list(v1::OrderFilter::default()).await.len(), 120);
    assert_eq!(shop.api.history("A-000").await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_order_of_the_stream_spoils_no_other() {
    let shop = Shop::open(NOW).await;
    shop.api.create(order("A-9")).await;
    let mut disorder = late("A-2");
    disorder.visits[0].enter_time = when("2026-02-01T08:00:00Z");
    disorder.visits[1].notes[1].time = when("2026-01-01T08:00:00Z");
    disorder.visits[1].notes[0].author = String::new();
    disorder.order.as_mut().expect("an order").title = "x".repeat(201);
    let mut future = late("A-3");
    future.visits[1].enter_time = when("2026-03-02T08:00:01Z");
    future.visits[1].notes.clear();
    let mut unknown = late("A-4");
    unknown.visits[1].status = "painting".into();
    let mut untimed = late("A-5");
    untimed.visits[1].enter_time = None;
    let empty = v1::ImportedOrder { order: Some(order("A-6")), visits: Vec::new() };
    let orders = vec![late("A-1"), disorder, future, unknown, untimed, empty, late("A-9"), late("A-7")];
    let answers = import(&shop.api, orders, false).await;
    let refused = Outcome::Refused;
    let expected = [Outcome::Created, refused, refused, refused, refused, refused, refused, Outcome::Created];
    assert_eq!(outcomes(&answers), expected);
    let fields = |index: usize| -> Vec<&str> {
        let violations: &[v1::FieldViolation] = &answers[index].violations;
        violations.iter().map(|violation| violation.field.as_str()).collect()
    };
    let mut found = fields(1);
    found.sort_unstable();
    let expected = ["order.title", "visits[1].enter_time", "visits[1].notes[0].author", "visits[1].notes[1].time"];
    assert_eq!(found, expected);
    assert_eq!(fields(2), ["visits[1].enter_time"]);
    let reason = |index: usize| answers[index].refusal.as_ref().map(|refusal| refusal.reason.as_str());
    assert_eq!((reason(1), reason(3), reason(6)), (Some("INVALID_REQUEST"), Some("NOT_FOUND"), Some("IMPORT_DIFFERS")));
    assert!(fields(4).contains(&"visits[1].enter_time"), "{:?}", fields(4));
    assert_eq!(fields(5), ["visits"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_overdue_now_is_told_in_one_digest_for_each_person_and_the_past_is_silent() {
    let sink = SmtpSink::start().await;
    let shop = Shop::open_with(NOW, |options| options.relay(sink.address().port())).await;
    let mut closed = late("C-1");
    closed.visits.push(visit("shipped", "2026-02-20T08:00:00Z"));
    let mut orders: Vec<_> = (0..60).map(|n| late(&format!("L-{n:02}"))).collect();
    orders.push(closed);
    orders
        .push(v1::ImportedOrder { order: Some(order("N-1")), visits: vec![visit("planned", "2026-03-02T07:00:00Z")] });
    assert!(outcomes(&import(&shop.api, orders, false).await).iter().all(|o| *o == Outcome::Created));
    // Found when the next minute is full, and told when nothing more has come for another.
    shop.set("2026-03-02T08:01:00Z");
    eventually("all are found", async || (shop.api.messages().await.len() == 120).then_some(())).await;
    shop.set("2026-03-02T08:02:00Z");
    let received = sink.wait_for(2, std::time::Duration::from_secs(30)).await;
    eventually("the record says so", async || {
        let messages = shop.api.messages().await;
        let settled = |it: &v1::Delivery| it.settle_time.is_some();
        (messages.len() == 122 && messages.iter().all(settled)).then_some(())
    })
    .await;
    let (folded, messages): (Vec<_>, Vec<_>) =
        shop.api.messages().await.into_iter().partition(|it| it.state() == v1::DeliveryState::Folded);
    assert_eq!(folded.len(), 120);
    let mut told: Vec<_> = messages.iter().map(|message| (message.address.as_str(), message.kind.as_str())).collect();
    told.sort_unstable();
    assert_eq!(told, [(ANNA, "DIGEST"), (ERIKA, "DIGEST")]);
    for mail in &received {
        let text = String::from_utf8_lossy(&mail.message).into_owned();
        assert!((0..60).all(|n| text.contains(&format!("L-{n:02}"))), "every order is listed");
        assert!(!text.contains("C-1") && !text.contains("N-1"));
    }
    let digests: Vec<_> = messages.iter().map(|message| message.id.clone()).collect();
    let entry = shop.api.history("L-59").await.pop().expect("an entry");
    assert_eq!(entry.kind(), v1::HistoryKind::Overdue);
    for message in &entry.messages {
        assert!(digests.contains(&shop.api.message(&message.delivery).await.digest), "{entry:?}");
    }
    assert_eq!(shop.api.overdue().await.len(), 60);
}
