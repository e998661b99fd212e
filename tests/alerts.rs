//! Alerts: what triggers tell whom about what happens and about what time brings, each thing once.

use andon::grpc::proto::v1::{self, TriggerEvent as E};
use chrono::{DateTime, TimeDelta, Utc};

use crate::support::{
    Expect as _,
    api::{advance, advance_to, date, instant, number, timestamp},
    clock::at,
    eventually,
    plant::{ANNA, ERIKA, FALLBACK, Shop, order},
    smtp::SmtpSink,
};

const MONDAY: &str = "2026-03-02T08:00:00Z";

fn to_addresses(addresses: &[&str]) -> v1::TriggerRecipients {
    let addresses = addresses.iter().map(|it| (*it).to_owned()).collect();
    v1::TriggerRecipients { addresses, ..v1::TriggerRecipients::default() }
}

fn mail(to: v1::TriggerRecipients) -> v1::TriggerAction {
    let email = v1::EmailAction { to: Some(to), ..v1::EmailAction::default() };
    v1::TriggerAction { action: Some(v1::trigger_action::Action::Email(email)) }
}

/// A trigger that tells an address of its own, so that messages say which trigger they are of.
fn trigger(id: &str, event: E) -> v1::Trigger {
    v1::Trigger {
        id: id.into(),
        name: id.to_uppercase(),
        event: event.into(),
        actions: vec![mail(to_addresses(&[&format!("{id}@x.example")]))],
        enabled: true,
        ..v1::Trigger::default()
    }
}

async fn make(shop: &Shop, trigger: v1::Trigger) -> v1::Trigger {
    let request = v1::CreateTriggerRequest { trigger: Some(trigger), ..v1::CreateTriggerRequest::default() };
    let made = shop.api.triggers().create_trigger(request).await.done();
    if made.replan > 0 {
        eventually("the alarms of open orders are set", async || {
            let request = v1::GetReplanRequest { id: made.replan };
            let replan = shop.api.schedule().get_replan(request).await.done().replan?;
            replan.finish_time.map(drop)
        })
        .await;
    }
    made.trigger.expect("the trigger")
}

/// The messages of triggers about an order so far, sorted: trigger and address.
async fn told(shop: &Shop, number: &str) -> Vec<(String, String)> {
    let messages =
        shop.api.messages().await.into_iter().filter(|it| it.order_number == number && !it.trigger.is_empty());
    let mut told: Vec<_> = messages.map(|it| (it.trigger, it.address)).collect();
    told.sort();
    told
}

/// How often each trigger told an address of its own, of the triggers that did.
async fn counts(shop: &Shop, number: &str) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for (trigger, _) in told(shop, number).await {
        match counts.last_mut().filter(|(last, _)| *last == trigger) {
            Some((_, count)) => *count += 1,
            None => counts.push((trigger, 1)),
        }
    }
    counts
}

/// Sets the clock, and waits until a sweep has passed that began after that: it tells of an order that is late from the start.
async fn sweep_at(shop: &Shop, now: DateTime<Utc>) {
    shop.clock.set(now);
    shop.a_sweep_passes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_tells_the_triggers_that_wait_for_it_and_a_preview_tells_the_same() {
    let shop = Shop::open(MONDAY).await;
    for (id, event) in [
        ("created", E::OrderCreated),
        ("entered", E::StatusEntered),
        ("left", E::StatusLeft),
        ("noted", E::NoteAdded),
        ("due", E::DueDateChanged),
        ("closed", E::OrderClosed),
    ] {
        make(&shop, trigger(id, event)).await;
    }
    shop.api.create(order("A-1")).await;
    assert_eq!(counts(&shop, "A-1").await, [("created".into(), 1), ("entered".into(), 1)]);

    let preview = v1::AdvanceOrderRequest { validate_only: true, ..advance("A-1") };
    let (_, foreseen) = shop.api.advance(preview).await;
    let (_, done) = shop.api.advance(advance("A-1")).await;
    let told_of = |effects: &v1::Effects| -> Vec<_> {
        effects.messages.iter().map(|it| (it.trigger.clone(), it.address.clone(), it.kind.clone())).collect()
    };
    assert_eq!(told_of(&foreseen), told_of(&done));
    let kinds: Vec<_> = done.messages.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(kinds, ["STATUS_LEFT", "STATUS_ENTERED"]);
    let entry = shop.api.history("A-1").await.pop().expect("an entry");
    assert_eq!(entry.messages.len(), 2, "history names what was told");

    let due = v1::SetDueDateRequest { order: number("A-1"), due_date: date("2026-03-10"), ..Default::default() };
    shop.api.orders().set_due_date(due.clone()).await.done();
    shop.api.orders().set_due_date(due).await.done();
    let note = v1::AddNoteRequest { order: number("A-1"), text: "Cutter broke".into(), ..Default::default() };
    shop.api.orders().add_note(note).await.done();
    shop.api.advance(advance_to("A-1", "cancelled")).await;
    let expected = [("closed", 1), ("created", 1), ("due", 1), ("entered", 3), ("left", 2), ("noted", 1)];
    assert_eq!(counts(&shop, "A-1").await, expected.map(|(id, count)| (id.to_owned(), count)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_time_brings_comes_at_its_instant_and_once() {
    let shop = Shop::open(MONDAY).await;
    let soon = v1::Trigger { days: 1, ..trigger("soon", E::DueSoon) };
    let mut escalation = v1::Trigger { days: 1, repeat_days: 2, ..trigger("escalation", E::Escalation) };
    // Two actions that tell one mailbox are two messages.
    escalation.actions.push(escalation.actions[0].clone());
    let stale = v1::Trigger { days: 3, ..trigger("stale", E::Stale) };
    for it in [soon, escalation, stale, trigger("health", E::HealthChanged)] {
        make(&shop, it).await;
    }
    // Entered on Monday; due on Thursday the 5th, overdue from the beginning of Friday the 6th in Vienna.
    shop.api.create(order("A-1")).await;
    let due = v1::SetDueDateRequest { order: number("A-1"), due_date: date("2026-03-05"), ..Default::default() };
    let due = shop.api.orders().set_due_date(due).await.done().order.and_then(|it| it.visit).expect("a visit");
    assert_eq!(instant(due.due_time), at("2026-03-05T23:00:00Z"));
    let microsecond = TimeDelta::microseconds(1);
    let mut expected: Vec<(&str, usize)> = Vec::new();
    // Each instant with what comes then. Health: planned to be finished on Friday the 6th: late from Tuesday on, since what is
    // left takes three days more.
    for (instant, comes) in [
        // Three business days after Monday is Thursday, the due date itself.
        ("2026-03-05T23:00:00Z", vec!["overdue", "overdue", "stale"]),
        // One business day after the due date is Friday: it has ended when Saturday begins.
        ("2026-03-06T23:00:00Z", vec!["escalation", "escalation"]),
        // Two business days more: Tuesday.
        ("2026-03-10T23:00:00Z", vec!["escalation", "escalation"]),
        ("2026-03-12T23:00:00Z", vec!["escalation", "escalation"]),
    ] {
        let before: Vec<_> =
            counts(&shop, "A-1").await.into_iter().filter(|(id, _)| id != "health" && id != "soon").collect();
        let listed: Vec<_> = expected.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect();
        assert_eq!(before, listed, "before {instant}");
        sweep_at(&shop, at(instant) - microsecond).await;
        let still: Vec<_> =
            counts(&shop, "A-1").await.into_iter().filter(|(id, _)| id != "health" && id != "soon").collect();
        assert_eq!(still, listed, "a microsecond before {instant}");
        for id in comes {
            match expected.iter_mut().find(|(known, _)| *known == id) {
                Some((_, count)) => *count += 1,
                None => expected.push((id, 1)),
            }
        }
        expected.sort_unstable();
        sweep_at(&shop, at(instant)).await;
        sweep_at(&shop, at(instant) + microsecond).await;
        let after: Vec<_> =
            counts(&shop, "A-1").await.into_iter().filter(|(id, _)| id != "health" && id != "soon").collect();
        let listed: Vec<_> = expected.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect();
        assert_eq!(after, listed, "from {instant} on");
    }
    let all = counts(&shop, "A-1").await;
    let count = |id: &str| all.iter().find(|(it, _)| it == id).map_or(0, |(_, count)| *count);
    assert_eq!(count("soon"), 1, "the day before the due date begins on Wednesday");
    assert_eq!(count("health"), 1, "it became late, and that is told once");
    let history = shop.api.history("A-1").await;
    let fired: Vec<_> =
        history.iter().filter(|it| it.kind() == v1::HistoryKind::Alerted).map(|it| it.trigger.as_str()).collect();
    assert_eq!(fired.iter().filter(|it| **it == "escalation").count(), 3, "{fired:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_does_not_act_for_the_past() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    let due = at("2026-03-03T23:00:00Z");
    // Overdue since Wednesday; the first business day after that has ended on Thursday.
    sweep_at(&shop, due + TimeDelta::days(2)).await;
    make(&shop, v1::Trigger { days: 1, ..trigger("late", E::Escalation) }).await;
    make(&shop, v1::Trigger { days: 3, ..trigger("later", E::Escalation) }).await;
    make(&shop, trigger("again", E::StatusOverdue)).await;
    sweep_at(&shop, due + TimeDelta::days(2)).await;
    assert_eq!(counts(&shop, "A-1").await, [("overdue".into(), 2)]);
    // Three business days after Tuesday the 3rd is Friday the 6th.
    sweep_at(&shop, at("2026-03-06T23:00:00Z")).await;
    assert_eq!(counts(&shop, "A-1").await, [("later".into(), 1), ("overdue".into(), 2)]);
    // What was disabled meanwhile begins anew.
    let switch = |enabled| v1::UpdateTriggerRequest {
        trigger: Some(v1::Trigger { id: "later".into(), enabled, ..v1::Trigger::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["enabled".into()] }),
        ..v1::UpdateTriggerRequest::default()
    };
    let off = shop.api.triggers().update_trigger(switch(false)).await.done().trigger.expect("a trigger");
    shop.clock.set(at("2026-03-07T10:00:00Z"));
    let on = shop.api.triggers().update_trigger(switch(true)).await.done().trigger.expect("a trigger");
    assert!(!off.enabled && on.enabled);
    assert_eq!(instant(on.active_since), at("2026-03-07T10:00:00Z"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_silences_escalation_and_a_snooze_puts_it_off() {
    let sink = SmtpSink::start().await;
    let shop = Shop::open_with(MONDAY, |options| options.relay(sink.address().port())).await;
    make(&shop, v1::Trigger { days: 1, repeat_days: 1, ..trigger("escalation", E::Escalation) }).await;
    for id in ["A-1", "A-2", "A-3"] {
        shop.api.create(order(id)).await;
    }
    // Due on Tuesday; the first step comes when Wednesday has ended.
    sweep_at(&shop, at("2026-03-04T12:00:00Z")).await;
    let ack = |order: &str| v1::AcknowledgeOrderRequest { order: number(order), ..Default::default() };
    let done = v1::AcknowledgeOrderRequest {
        note: "cutter comes on Friday".into(),
        on_behalf_of: "anna".into(),
        ..ack("A-1")
    };
    let order = shop.api.orders().acknowledge_order(done).await.done().order.expect("an order");
    let seen = order.acknowledgement.expect("it is acknowledged");
    assert_eq!((seen.by.as_str(), seen.note.as_str()), ("anna", "cutter comes on Friday"));
    let snooze = v1::AcknowledgeOrderRequest { until_date: date("2026-03-09"), ..ack("A-2") };
    shop.api.orders().acknowledge_order(snooze).await.done();
    sweep_at(&shop, at("2026-03-06T23:00:00Z")).await;
    let escalated = async |id: &str| {
        counts(&shop, id).await.iter().find(|(id, _)| id == "escalation").map_or(0, |(_, count)| *count)
    };
    // After a pause the steps that were passed over are told as one.
    assert_eq!((escalated("A-1").await, escalated("A-2").await, escalated("A-3").await), (0, 0, 1));
    let filter = |acknowledged| v1::OrderFilter { number_prefix: "A-".into(), acknowledged, ..Default::default() };
    let mut seen = shop.api.list(filter(Some(true))).await;
    seen.sort();
    assert_eq!(seen, ["A-1", "A-2"]);
    assert_eq!(shop.api.list(filter(Some(false))).await, ["A-3"]);
    // The snooze ends when Monday begins in Vienna.
    sweep_at(&shop, at("2026-03-08T23:00:00Z") - TimeDelta::microseconds(1)).await;
    assert_eq!(escalated("A-2").await, 0);
    sweep_at(&shop, at("2026-03-08T23:00:00Z")).await;
    assert_eq!((escalated("A-1").await, escalated("A-2").await), (0, 1));
    assert_eq!(shop.api.list(filter(Some(true))).await, ["A-1"], "a snooze that has ended is none any more");
    eventually("the mail about it leaves", async || {
        let mut told = shop.api.messages().await.into_iter().filter(|it| it.order_number == "A-2");
        told.any(|it| it.trigger == "escalation" && it.state() == v1::DeliveryState::Sent).then_some(())
    })
    .await;
    // Taken back, it goes on with the step that has come.
    let back = v1::AcknowledgeOrderRequest { take_back: true, ..ack("A-1") };
    shop.api.orders().acknowledge_order(back).await.done();
    sweep_at(&shop, at("2026-03-08T23:00:00Z")).await;
    assert_eq!(escalated("A-1").await, 1);
    let kinds: Vec<_> = shop.api.history("A-1").await.iter().map(v1::HistoryEntry::kind).collect();
    assert_eq!(kinds.iter().filter(|it| **it == v1::HistoryKind::Acknowledged).count(), 2);
    // Another visit is another matter.
    shop.api.orders().acknowledge_order(ack("A-3")).await.done();
    let (order, _) = shop.api.advance(advance("A-3")).await;
    assert!(order.acknowledgement.is_none());

    let refused = v1::AcknowledgeOrderRequest { until_date: date("2026-03-01"), ..ack("A-1") };
    let refused = shop.api.orders().acknowledge_order(refused).await.refused();
    assert_eq!(refused.reason, "INVALID_REQUEST");
    shop.api.advance(advance_to("A-3", "cancelled")).await;
    let refused = shop.api.orders().acknowledge_order(ack("A-3")).await.refused();
    assert_eq!(refused.reason, "ORDER_CLOSED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_person_is_told_once_and_nobody_is_not_an_answer() {
    let shop = Shop::open(MONDAY).await;
    let everybody = v1::TriggerRecipients {
        assignee: true,
        department_managers: true,
        followers: true,
        users: vec!["anna".into(), "nomail".into()],
        departments: vec!["workshop".into()],
        addresses: vec!["BOARD@x.example".into(), ERIKA.to_uppercase()],
        ..v1::TriggerRecipients::default()
    };
    make(&shop, v1::Trigger { actions: vec![mail(everybody)], ..trigger("noted", E::NoteAdded) }).await;
    let store = v1::TriggerRecipients { departments: vec!["store".into()], ..v1::TriggerRecipients::default() };
    make(&shop, v1::Trigger { actions: vec![mail(store)], ..trigger("closed", E::OrderClosed) }).await;
    let followers = v1::TriggerRecipients { followers: true, ..v1::TriggerRecipients::default() };
    make(&shop, v1::Trigger { actions: vec![mail(followers)], ..trigger("left", E::StatusLeft) }).await;
    shop.api.create(order("A-1")).await;
    let note = v1::AddNoteRequest { order: number("A-1"), text: "Hello".into(), ..Default::default() };
    shop.api.orders().add_note(note).await.done();
    let expected = [("noted", ANNA), ("noted", "BOARD@x.example"), ("noted", ERIKA)];
    let mut expected: Vec<_> = expected.map(|(id, to)| (id.to_owned(), to.to_owned())).into();
    expected.sort();
    assert_eq!(told(&shop, "A-1").await, expected);
    // Nobody follows it: nobody is told. Then somebody does.
    shop.api.advance(advance("A-1")).await;
    assert_eq!(told(&shop, "A-1").await.len(), 3);
    let follow = v1::FollowOrderRequest { order: number("A-1"), add: vec!["erika".into()], ..Default::default() };
    let order = shop.api.orders().follow_order(follow.clone()).await.done().order.expect("an order");
    assert_eq!(order.followers, ["erika"]);
    let again = shop.api.orders().follow_order(follow).await.done().order.expect("an order");
    assert_eq!(again.etag, order.etag, "who follows already is no change");
    shop.api.advance(advance_to("A-1", "cancelled")).await;
    let told = told(&shop, "A-1").await;
    assert!(told.contains(&("left".into(), ERIKA.into())), "{told:?}");
    // The manager of the store has no address: the fallback gets it.
    assert!(told.contains(&("closed".into(), FALLBACK.into())), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_choose_which_orders_are_meant() {
    let shop = Shop::open(MONDAY).await;
    let with = |condition| v1::Trigger { condition: Some(condition), ..trigger("created", E::OrderCreated) };
    let condition = v1::TriggerCondition {
        labels: [("line".to_owned(), "2".to_owned())].into(),
        departments: vec!["workshop".into()],
        priority_min: Some(5),
        priority_max: Some(9),
        ..v1::TriggerCondition::default()
    };
    make(&shop, with(condition)).await;
    let labels = |value: &str| [("line".to_owned(), value.to_owned())].into();
    // An order that is meant only after the event is not told of it later.
    let labelled = v1::TriggerCondition { labels: [("vip".to_owned(), "1".to_owned())].into(), ..Default::default() };
    let soon = v1::Trigger { days: 1, condition: Some(labelled), ..trigger("vip", E::Escalation) };
    make(&shop, soon).await;
    shop.api.create(order("B-1")).await;
    sweep_at(&shop, at("2026-03-05T12:00:00Z")).await;
    let update = v1::UpdateOrderRequest {
        order: Some(v1::Order {
            number: "B-1".into(),
            labels: [("vip".to_owned(), "1".to_owned())].into(),
            ..v1::Order::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["labels".into()] }),
        ..v1::UpdateOrderRequest::default()
    };
    shop.api.orders().update_order(update).await.done();
    let due = v1::SetDueDateRequest { order: number("B-1"), due_date: date("2026-03-03"), ..Default::default() };
    shop.api.orders().set_due_date(due).await.done();
    sweep_at(&shop, at("2026-03-05T12:00:00Z")).await;
    assert_eq!(counts(&shop, "B-1").await, [("overdue".into(), 2)]);
    for (id, labels, department, priority, told) in [
        ("A-1", labels("2"), "workshop", 5, true),
        ("A-2", labels("2"), "workshop", 9, true),
        ("A-3", labels("2"), "workshop", 4, false),
        ("A-4", labels("2"), "workshop", 10, false),
        ("A-5", labels("3"), "workshop", 7, false),
        ("A-6", std::collections::BTreeMap::new(), "workshop", 7, false),
        ("A-7", labels("2"), "quality", 7, false),
    ] {
        let new = v1::NewOrder { labels, assigned_department: department.into(), priority, ..order(id) };
        shop.api.create(new).await;
        assert_eq!(!self::told(&shop, id).await.is_empty(), told, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_due_date_that_is_moved_and_missed_again_tells_again_and_one_that_comes_back_does_not() {
    let shop = Shop::open(MONDAY).await;
    make(&shop, v1::Trigger { days: 1, ..trigger("escalation", E::Escalation) }).await;
    shop.api.create(order("A-1")).await;
    sweep_at(&shop, at("2026-03-05T12:00:00Z")).await;
    assert_eq!(counts(&shop, "A-1").await, [("escalation".into(), 1), ("overdue".into(), 2)]);
    let due = |on| v1::SetDueDateRequest { order: number("A-1"), due_date: date(on), ..Default::default() };
    shop.api.orders().set_due_date(due("2026-03-06")).await.done();
    sweep_at(&shop, at("2026-03-05T12:00:00Z")).await;
    shop.api.orders().set_due_date(due("2026-03-03")).await.done();
    sweep_at(&shop, at("2026-03-05T12:00:00Z")).await;
    assert_eq!(counts(&shop, "A-1").await, [("escalation".into(), 1), ("overdue".into(), 2)], "the old date again");
    shop.api.orders().set_due_date(due("2026-03-06")).await.done();
    sweep_at(&shop, at("2026-03-10T12:00:00Z")).await;
    assert_eq!(counts(&shop, "A-1").await, [("escalation".into(), 2), ("overdue".into(), 4)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_of_a_trigger_tells_what_it_would_have_told() {
    let shop = Shop::open(MONDAY).await;
    shop.api.create(order("A-1")).await;
    shop.clock.set(at("2026-03-03T09:00:00Z"));
    shop.api.advance(advance("A-1")).await;
    let note = v1::AddNoteRequest { order: number("A-1"), text: "Cutter broke".into(), ..Default::default() };
    shop.api.orders().add_note(note).await.done();
    // Milling was due on Thursday the 5th.
    shop.clock.set(at("2026-03-11T09:00:00Z"));
    shop.api.advance(advance("A-1")).await;
    let queued = shop.api.messages().await.len();
    for (event, days, expected) in [
        (E::OrderCreated, 0, vec!["2026-03-02T08:00:00Z"]),
        (E::StatusEntered, 0, vec!["2026-03-11T09:00:00Z", "2026-03-03T09:00:00Z", "2026-03-02T08:00:00Z"]),
        (E::StatusLeft, 0, vec!["2026-03-11T09:00:00Z", "2026-03-03T09:00:00Z"]),
        (E::NoteAdded, 0, vec!["2026-03-03T09:00:00Z"]),
        (E::StatusOverdue, 0, vec!["2026-03-11T09:00:00Z", "2026-03-05T23:00:00Z"]),
        (E::DueSoon, 1, vec!["2026-03-03T23:00:00Z"]),
        (E::Escalation, 2, vec!["2026-03-11T09:00:00Z", "2026-03-09T23:00:00Z"]),
        (E::Stale, 4, vec!["2026-03-09T23:00:00Z"]),
        (E::OrderClosed, 0, vec![]),
    ] {
        let given = v1::Trigger { days, ..trigger("new", event) };
        let request = v1::TestTriggerRequest { trigger: Some(given), ..v1::TestTriggerRequest::default() };
        let found = shop.api.triggers().test_trigger(request).await.done();
        let mail = found.mail.clone().expect("it sends one");
        assert!(!mail.subject.is_empty() && mail.html.contains("</html>"), "{event:?}");
        assert!(found.firings.is_empty() || mail.text.contains("A-1"), "{}", mail.text);
        let times: Vec<_> = found.firings.iter().map(|it| instant(it.time)).collect();
        let mut expected: Vec<_> = expected.into_iter().map(at).collect();
        // Time brings the first of the next visit as well.
        if event == E::DueSoon {
            expected.retain(|it| times.contains(it));
            assert!(!expected.is_empty(), "{times:?}");
        } else {
            assert_eq!(times, expected, "{event:?}");
        }
        assert!(
            found
                .firings
                .iter()
                .all(|it| it.messages[0].address == "new@x.example" && it.messages[0].delivery.is_empty())
        );
    }
    assert_eq!(shop.api.messages().await.len(), queued, "a test sends nothing");
    let total = async |from: &str, to: &str| {
        let request = v1::TestTriggerRequest {
            id: "overdue".into(),
            from_time: timestamp(at(from)),
            to_time: timestamp(at(to)),
            ..v1::TestTriggerRequest::default()
        };
        shop.api.triggers().test_trigger(request).await.done().total
    };
    // The first instant counts, the last does not.
    assert_eq!(total("2026-03-05T23:00:00Z", "2026-03-05T23:00:01Z").await, 1);
    assert_eq!(total("2026-03-05T22:00:00Z", "2026-03-05T23:00:00Z").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_that_is_wrong_is_refused_with_all_that_is_wrong() {
    let shop = Shop::open(MONDAY).await;
    let create = async |trigger| {
        let request = v1::CreateTriggerRequest { trigger: Some(trigger), ..v1::CreateTriggerRequest::default() };
        shop.api.triggers().create_trigger(request).await
    };
    let wrong = v1::Trigger {
        id: "No Slug".into(),
        name: String::new(),
        actions: vec![mail(v1::TriggerRecipients::default()), v1::TriggerAction::default()],
        condition: Some(v1::TriggerCondition { priority_min: Some(2_000), ..Default::default() }),
        ..v1::Trigger::default()
    };
    let refused = create(wrong).await.refused();
    assert_eq!(refused.reason, "INVALID_REQUEST");
    let mut fields: Vec<_> = refused.fields.iter().map(String::as_str).collect();
    fields.sort_unstable();
    let expected = [
        "trigger.actions[0].email.to",
        "trigger.actions[1]",
        "trigger.condition.priority_min",
        "trigger.event",
        "trigger.id",
        "trigger.name",
    ];
    assert_eq!(fields, expected);
    for (given, reason) in [
        (v1::Trigger { days: 3, ..trigger("a", E::NoteAdded) }, "INVALID_REQUEST"),
        (trigger("a", E::DueSoon), "INVALID_REQUEST"),
        (v1::Trigger { days: 251, ..trigger("a", E::DueSoon) }, "INVALID_REQUEST"),
        (v1::Trigger { days: 1, repeat_days: 1, ..trigger("a", E::Stale) }, "INVALID_REQUEST"),
        (v1::Trigger { order_types: vec!["none".into()], ..trigger("a", E::NoteAdded) }, "NOT_FOUND"),
        (v1::Trigger { statuses: vec!["none".into()], ..trigger("a", E::NoteAdded) }, "NOT_FOUND"),
        (trigger("overdue", E::NoteAdded), "ALREADY_EXISTS"),
    ] {
        assert_eq!(create(given.clone()).await.refused().reason, reason, "{given:?}");
    }
    let template = |subject: &str| {
        let to = Some(to_addresses(&["a@x.example"]));
        let email = v1::EmailAction { to, subject: subject.into(), ..v1::EmailAction::default() };
        let action = v1::TriggerAction { action: Some(v1::trigger_action::Action::Email(email)) };
        v1::Trigger { actions: vec![action], ..trigger("mine", E::NoteAdded) }
    };
    assert_eq!(create(template("{{ order.number")).await.refused().reason, "INVALID_REQUEST");
    make(&shop, template("{{ order.number }} has a note")).await;
    let list = shop.api.triggers().list_triggers(v1::ListTriggersRequest {}).await.done().triggers;
    assert_eq!(list.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["mine", "overdue"]);
    let delete = |etag: &str| v1::DeleteTriggerRequest { id: "mine".into(), etag: etag.into(), ..Default::default() };
    assert_eq!(shop.api.triggers().delete_trigger(delete("7")).await.refused().reason, "ETAG_MISMATCH");
    shop.api.triggers().delete_trigger(delete("1")).await.done();
    assert_eq!(shop.api.triggers().delete_trigger(delete("")).await.refused().reason, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_is_taken_out_of_the_triggers_too() {
    let shop = Shop::open(MONDAY).await;
    let users = |ids: &[&str]| v1::TriggerRecipients {
        users: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..v1::TriggerRecipients::default()
    };
    let mut named = trigger("noted", E::NoteAdded);
    named.actions = vec![mail(users(&["anna"])), mail(users(&["anna", "erika"]))];
    make(&shop, named).await;
    let gone = v1::UpdateUserRequest {
        user: Some(v1::User { id: "anna".into(), inactive: true, ..v1::User::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["inactive".into()] }),
        reassign_to: "erika".into(),
        ..v1::UpdateUserRequest::default()
    };
    let told = shop.api.people().update_user(gone).await.done();
    assert_eq!(told.responsibilities.expect("she is inactive").named_by_triggers, ["noted"]);
    let request = v1::GetTriggerRequest { id: "noted".into() };
    let after = shop.api.triggers().get_trigger(request).await.done().trigger.expect("it is there");
    assert_eq!((after.etag.as_str(), after.actions), ("2", vec![mail(users(&["erika"])), mail(users(&["erika"]))]));
}
