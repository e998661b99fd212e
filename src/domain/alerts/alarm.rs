//! Alarms: what comes with time for an order, what of it fires at an instant, and when the next alarm is.
//!
//! An open order has one `next_alarm_at`. Everything that time alone brings is counted anew from the order whenever it is asked
//! for (`coming`), so nothing about it is stored but what has fired: an alert is unique per visit, rule and instant, and the
//! database keeps it. `OVERDUE` is a rule of its own, whoever is told; the others are triggers, by their ids.
//!
//! | who asks | from which instant on |
//! |---|---|
//! | a change that opens a visit, moves its due time, or acknowledges it | from the beginning: what has fired already is passed over by the sweep |
//! | any other change | after `now`, or what was to come already |
//! | the sweep, after it has decided | after `now` |
//!
//! So an alarm may come too early, which costs a look at one order, and never too late. Of a rule with several instants that have
//! passed (an escalation after an outage, or after a snooze) the latest one fires, once.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{
    digest::IMPORT_QUIET,
    event::Occurrence,
    fire,
    message::{Channel, Message, Way},
    trigger::{Event, REPEATS_MAX, Trigger},
};
use crate::domain::{
    catalogue::Catalogue,
    order::{Alert, Context, Decision, HistoryDetail, HistoryKind, Order},
    schedule::{self, Calendar},
};

/// The rule that every order has: its visit is overdue.
pub const OVERDUE: &str = "OVERDUE";

/// Something that time brings.
struct Coming<'a> {
    at: DateTime<Utc>,
    trigger: Option<&'a Trigger>,
    occurrence: Occurrence,
}

impl Coming<'_> {
    fn rule(&self) -> &str {
        self.trigger.map_or(OVERDUE, |trigger| &trigger.id)
    }
}

/// Everything that time brings for an order as it stands, in no order.
fn coming<'a>(order: &Order, catalogue: &'a Catalogue) -> Vec<Coming<'a>> {
    let mut found = Vec::new();
    if order.closed_at.is_some() {
        return found;
    }
    if let Some(due) = order.visit.due {
        found.push(Coming { at: due.at, trigger: None, occurrence: Occurrence::StatusOverdue });
    }
    let mut timed = catalogue
        .triggers
        .values()
        .filter(|it| {
            it.spec.event.comes_with_time()
                && it.spec.event != Event::StatusOverdue
                && it.looks_at(&order.order_type, &order.visit.status)
        })
        .peekable();
    if timed.peek().is_none() {
        return found;
    }
    let Ok(calendar) = catalogue.calendar_of_visit(order) else { return found };
    for trigger in timed {
        let come = instants(trigger, order, calendar).into_iter().filter(|(at, _)| *at >= trigger.active_since);
        found.extend(come.map(|(at, occurrence)| Coming { at, trigger: Some(trigger.as_ref()), occurrence }));
    }
    found
}

/// When time makes one trigger act about an order as it stands, whatever has been told; of one that is overdue, its due time.
#[must_use]
pub fn of_trigger(trigger: &Trigger, order: &Order, catalogue: &Catalogue) -> Vec<(DateTime<Utc>, Occurrence)> {
    match (trigger.spec.event, order.visit.due, catalogue.calendar_of_visit(order)) {
        (Event::StatusOverdue, due, _) => due.iter().map(|due| (due.at, Occurrence::StatusOverdue)).collect(),
        (_, _, Ok(calendar)) => instants(trigger, order, calendar),
        (_, _, Err(_)) => Vec::new(),
    }
}

fn instants(trigger: &Trigger, order: &Order, calendar: &Calendar) -> Vec<(DateTime<Utc>, Occurrence)> {
    let mut found = Vec::new();
    let days = trigger.spec.days;
    match (trigger.spec.event, order.visit.due) {
        (Event::DueSoon, Some(due)) => {
            if let Ok(day) = schedule::backward(calendar, due.on, days) {
                let at = schedule::instant(calendar.zone(), day, 0);
                if at > order.visit.entered_at && at < due.at {
                    found.push((at, Occurrence::DueSoon { days }));
                }
            }
        }
        (Event::Escalation, Some(due)) => {
            let steps = steps(trigger, order, due.on, calendar);
            found.extend(steps.map(|(at, days, step)| (at, Occurrence::Escalation { days, step })));
        }
        (Event::Stale, _) => {
            let since = order.updated_at;
            if let Ok(day) = schedule::forward(calendar, schedule::local_date(calendar, since), days) {
                found.push((schedule::due_at(calendar, day), Occurrence::Stale { days, since }));
            }
        }
        (Event::HealthChanged, _) => {
            let turns = order.health_turns;
            // A turn that a change brought along was told with that change.
            for at in [turns.ahead_until, turns.late_from].into_iter().flatten().filter(|at| *at > order.updated_at) {
                let before = turns.at(at - TimeDelta::microseconds(1));
                found.push((at, Occurrence::HealthChanged { before, after: turns.at(at) }));
            }
        }
        _ => {}
    }
    found
}

/// The steps of an escalation: instant, business days after the due date, number from 1. None while the visit is acknowledged;
/// those that a snooze passes over come at its end.
fn steps(
    trigger: &Trigger,
    order: &Order,
    due_on: NaiveDate,
    calendar: &Calendar,
) -> impl Iterator<Item = (DateTime<Utc>, u32, u32)> {
    let acknowledged = order.acknowledged.as_ref().filter(|it| it.visit == order.visit.sequence);
    let silent = acknowledged.is_some_and(|it| it.until.is_none());
    let snoozed = acknowledged.and_then(|it| it.until);
    let repeat = trigger.spec.repeat_days;
    let count = match (silent, repeat) {
        (true, _) => 0,
        (false, 0) => 1,
        (false, _) => REPEATS_MAX + 1,
    };
    let first = trigger.spec.days;
    (0..count).map_while(move |index| {
        let days = first + index * repeat;
        let at = schedule::due_at(calendar, schedule::forward(calendar, due_on, days).ok()?);
        Some((snoozed.map_or(at, |until| at.max(until)), days, index + 1))
    })
}

/// The earliest instant at which anything comes, after `after`; `None`: from the beginning.
#[must_use]
pub fn next(order: &Order, catalogue: &Catalogue, after: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    coming(order, catalogue).iter().map(|it| it.at).filter(|at| after.is_none_or(|after| *at > after)).min()
}

/// The next alarm of an order after a change.
#[must_use]
pub fn after_change(
    before: Option<&Order>,
    order: &Order,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    if order.closed_at.is_some() {
        return None;
    }
    let due = |order: &Order| order.visit.due.map(|due| due.at);
    let same = |before: &&Order| {
        before.closed_at.is_none()
            && before.visit.sequence == order.visit.sequence
            && due(before) == due(order)
            && before.acknowledged == order.acknowledged
    };
    match before.filter(same) {
        None => next(order, catalogue, None),
        Some(before) => before.next_alarm_at.into_iter().chain(next(order, catalogue, Some(now))).min(),
    }
}

/// What fires for one order at `now`. Its next alarm is settled either way, so that a tick always makes progress. `told` are the
/// alerts of the visit so far, by rule and instant: a due date that was moved away and back is not told again. What is found later
/// than `outage_after` is gathered for a digest of each recipient, as is what an import brought along.
pub fn alarm(
    before: &Order,
    told: &[(String, DateTime<Utc>)],
    outage_after: TimeDelta,
    cx: &mut Context<'_>,
) -> Decision {
    let mut order = before.clone();
    order.version += 1;
    let catalogue = cx.catalogue;
    let mut due: Vec<Coming<'_>> = coming(before, catalogue).into_iter().filter(|it| it.at <= cx.now).collect();
    order.next_alarm_at = next(before, catalogue, Some(cx.now));
    due.sort_by(|a, b| (a.at, a.rule()).cmp(&(b.at, b.rule())));
    let mut decision = Decision::of(order);
    for (index, fired) in due.iter().enumerate() {
        let later = due[index + 1..].iter().any(|it| it.rule() == fired.rule());
        let known = told.iter().any(|(rule, at)| *at == fired.at && rule == fired.rule());
        let past = matches!(fired.occurrence, Occurrence::DueSoon { .. }) && before.overdue(cx.now);
        if !later && !known && !past {
            ring(&mut decision, fired, held_back(fired.at, before, outage_after, cx.now), cx);
        }
    }
    decision
}

/// Adds what one thing that came does to a decision. What would leave at once waits until `held_back`.
fn ring(decision: &mut Decision, fired: &Coming<'_>, held_back: Option<DateTime<Utc>>, cx: &mut Context<'_>) {
    let catalogue = cx.catalogue;
    let triggers: Vec<&Trigger> = match fired.trigger {
        Some(trigger) => vec![trigger],
        None => fire::waiting_for(Event::StatusOverdue, &decision.order, &decision.order.visit.status, catalogue)
            .filter(|it| fired.at >= it.active_since)
            .collect(),
    };
    let mut told = fire::Told::default();
    for trigger in &triggers {
        told.add(fire::act(trigger, &decision.order, &fired.occurrence, Some(fired.at), cx));
    }
    let alert = Alert { visit: decision.order.visit.sequence, rule: fired.rule().to_owned(), at: fired.at };
    decision.alerts.push(alert);
    if fired.trigger.is_some() && told.is_nothing() {
        // It was not meant when it came: that is recorded, so that it is not told when it is meant later.
        return;
    }
    if let Some(until) = held_back {
        for message in told.messages.iter_mut().filter(|it| it.way == Way::Now && it.channel == Channel::Mail) {
            message.way = Way::Gathered { until };
        }
    }
    let order = &mut decision.order;
    let detail = HistoryDetail {
        opened: Some(order.visit.clone()),
        messages: told.messages.iter().map(Message::summary).collect(),
        tasks: told.tasks.iter().map(|task| (task.id, task.title.clone())).collect(),
        rule: fired.trigger.map(|trigger| trigger.id.clone()).unwrap_or_default(),
        reason: fired.trigger.map(|trigger| trigger.spec.name.clone()).unwrap_or_default(),
        ..HistoryDetail::default()
    };
    let kind = if fired.trigger.is_some() { HistoryKind::Alerted } else { HistoryKind::Overdue };
    decision.history.push(order.record(kind, cx.now, cx.actor, "", detail));
    decision.effects.messages.extend(told.messages);
    decision.effects.tasks.extend(told.tasks);
}

/// Whether the order was overdue already when it was imported: then its first alert is part of a digest.
#[must_use]
pub fn in_first_digest(order: &Order) -> bool {
    matches!((order.imported_at, order.visit.due), (Some(imported), Some(due))
        if due.at <= imported && order.visit.entered_at <= imported)
}

/// Until when the messages of an alarm wait, so that the first round after an import or an outage is one digest per person; `None`
/// when they leave at once. Who changed the order after the instant of the alarm had to know: then nobody was out.
fn held_back(at: DateTime<Utc>, order: &Order, outage_after: TimeDelta, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let imported = order.imported_at.is_some_and(|imported| at <= imported && order.visit.entered_at <= imported);
    if imported { Some(now + IMPORT_QUIET) } else { (now - at.max(order.updated_at) > outage_after).then_some(now) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::trigger::tests::overdue, *};
    use crate::domain::{
        catalogue::{Catalogue, OrderType},
        create::{NewOrder, blank},
        ids::Ids,
        order::{Due, DueSource},
    };

    fn order_due(at: DateTime<Utc>) -> Order {
        let order_type = OrderType {
            id: "part".into(),
            name: "Part".into(),
            description: String::new(),
            calendar: "plant".into(),
            schedule_method: None,
            default_status: None,
            inactive: false,
            statuses: Vec::new(),
            moves: Vec::new(),
            health_tolerance: 0,
            retired: Vec::new(),
            replaced: std::collections::BTreeMap::new(),
            version: 1,
            created_at: at,
            updated_at: at,
        };
        let mut order = blank(&NewOrder::default(), uuid::Uuid::nil(), at.date_naive(), at, &order_type);
        order.visit.due = Some(Due { on: at.date_naive(), at, source: DueSource::Manual });
        order.next_alarm_at = Some(at);
        order
    }

    #[test]
    fn what_is_found_too_late_or_was_imported_overdue_is_held_back() {
        let due = DateTime::UNIX_EPOCH;
        let after = |minutes| due + TimeDelta::minutes(minutes);
        let late = TimeDelta::minutes(15);
        let plain = order_due(due);
        assert_eq!(held_back(due, &plain, late, after(15)), None);
        let found = after(15) + TimeDelta::microseconds(1);
        assert_eq!(held_back(due, &plain, late, found), Some(found));
        let changed = Order { updated_at: after(5), ..plain.clone() };
        assert_eq!(held_back(due, &changed, late, after(20)), None);
        let mut imported = Order { imported_at: Some(after(60)), updated_at: after(60), ..plain };
        imported.visit.entered_at = due;
        assert_eq!(held_back(due, &imported, late, after(60)), Some(after(61)));
        assert_eq!(held_back(after(61), &imported, late, after(61)), None, "what comes after it is told at once");
    }

    #[test]
    fn a_due_time_that_comes_back_is_not_told_again() {
        let at = DateTime::UNIX_EPOCH;
        let order = order_due(at);
        let triggers = [("overdue".to_owned(), Arc::new(overdue()))].into();
        let catalogue = Catalogue { triggers, ..Catalogue::default() };
        let mut ids = Ids::seeded(1);
        // alerted before, seconds from the due time to now, alerts, next alarm
        for (alerted, seconds, alerts, next) in
            [(false, 0, true, None), (true, 0, false, None), (false, -1, false, Some(at)), (true, -1, false, Some(at))]
        {
            let now = at + TimeDelta::seconds(seconds);
            let mut cx = Context {
                catalogue: &catalogue,
                now,
                ids: &mut ids,
                actor: "andon",
                fallback: "fallback@x",
                cause: "",
            };
            let told = if alerted { vec![(OVERDUE.to_owned(), at)] } else { Vec::new() };
            let decision = alarm(&order, &told, TimeDelta::minutes(15), &mut cx);
            assert_eq!(
                (!decision.alerts.is_empty(), decision.order.next_alarm_at),
                (alerts, next),
                "{alerted} {seconds}"
            );
            assert_eq!(decision.effects.messages.len(), usize::from(alerts));
        }
    }
}
