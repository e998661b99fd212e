//! Replay: what a trigger would have done about what has happened.
//!
//! The same functions decide as when it happens. An order is as it is now, except for the visit that it is about, since the record
//! keeps visits and notes, not labels or priorities of the past.

use chrono::{DateTime, Utc};

use super::{
    alarm,
    event::Occurrence,
    fire::{self, Told},
    message::NoteFacts,
    trigger::{Event, Trigger},
};
use crate::domain::{
    catalogue::Catalogue,
    order::{Context, HistoryEntry, HistoryKind, Order, Visit},
    schedule,
};

/// An order with its record.
#[derive(Debug, Clone)]
pub struct Record {
    /// As it is now.
    pub order: Order,
    /// Its visits, first to last.
    pub visits: Vec<Visit>,
    /// Its history, oldest first.
    pub history: Vec<HistoryEntry>,
}

/// One time at which a trigger would have acted.
#[derive(Debug)]
pub struct Firing {
    /// When.
    pub at: DateTime<Utc>,
    /// The order as it was taken to be.
    pub order: Order,
    /// What happened.
    pub occurrence: Occurrence,
    /// What it would have told whom.
    pub told: Told,
}

/// What a trigger would have done about the record of one order from `from` (inclusive) to `to` (not).
pub fn replay(
    trigger: &Trigger,
    record: &Record,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    cx: &mut Context<'_>,
) -> Vec<Firing> {
    let mut happened = match trigger.spec.event {
        Event::DueSoon | Event::StatusOverdue | Event::Escalation => timed(trigger, record, cx.catalogue),
        Event::Stale => stale(trigger, record, cx.catalogue),
        _ => recorded(record, cx.catalogue),
    };
    happened.retain(|(at, visit, occurrence)| {
        (from..to).contains(at)
            && occurrence.event() == trigger.spec.event
            && trigger.looks_at(&record.order.order_type, &visit.status)
    });
    let mut firings = Vec::new();
    for (at, visit, occurrence) in happened {
        let mut order = record.order.clone();
        order.closed_at = order.closed_at.filter(|closed| *closed <= at);
        order.visit = visit;
        let catalogue = cx.catalogue;
        let mut then = Context { catalogue, now: at, ids: cx.ids, actor: cx.actor, fallback: cx.fallback, cause: "" };
        let told = fire::act(trigger, &order, &occurrence, Some(at), &mut then);
        if !told.is_nothing() {
            firings.push(Firing { at, order, occurrence, told });
        }
    }
    firings
}

type Past = Vec<(DateTime<Utc>, Visit, Occurrence)>;

/// What time brought to each visit while it was open.
fn timed(trigger: &Trigger, record: &Record, catalogue: &Catalogue) -> Past {
    let mut found = Past::new();
    for visit in &record.visits {
        let mut order = record.order.clone();
        order.visit = visit.clone();
        order.closed_at = None;
        let acknowledged = order.acknowledged.take_if(|it| it.visit == visit.sequence).map(|it| it.at);
        for (at, occurrence) in alarm::of_trigger(trigger, &order, catalogue) {
            // What is past when the visit begins is told then.
            let at = at.max(visit.entered_at);
            let open = visit.left_at.is_none_or(|left| at < left);
            let heard = acknowledged.is_none_or(|it| at < it) || trigger.spec.event != Event::Escalation;
            if open && heard {
                // Of steps that have all passed when the visit begins the latest is told.
                found.pop_if(|(before, same, _)| *before == at && same.sequence == visit.sequence);
                found.push((at, visit.clone(), occurrence));
            }
        }
    }
    found
}

/// Each time at which nothing had happened for long enough.
fn stale(trigger: &Trigger, record: &Record, catalogue: &Catalogue) -> Past {
    let days = trigger.spec.days;
    let Ok(calendar) = catalogue.calendar_of_visit(&record.order) else { return Past::new() };
    let quiet = |entry: &&HistoryEntry| !matches!(entry.kind, HistoryKind::Overdue | HistoryKind::Alerted);
    let entries: Vec<_> = record.history.iter().filter(quiet).collect();
    let mut found = Past::new();
    for (index, entry) in entries.iter().enumerate() {
        let Ok(day) = schedule::forward(calendar, schedule::local_date(calendar, entry.at), days) else { continue };
        let at = schedule::due_at(calendar, day);
        let next = entries.get(index + 1).map(|next| next.at);
        let visit = record.visits.iter().rev().find(|visit| visit.entered_at <= at && !visit.skipped);
        let closed = record.order.closed_at.is_some_and(|closed| closed <= at);
        if let Some(visit) = visit.filter(|_| !closed && next.is_none_or(|next| at < next)) {
            found.push((at, visit.clone(), Occurrence::Stale { days, since: entry.at }));
        }
    }
    found
}

/// What the history tells; what came in by import is left out, as it is when it comes in.
fn recorded(record: &Record, catalogue: &Catalogue) -> Past {
    let mut found = Past::new();
    let Ok(order_type) = catalogue.order_type(&record.order.order_type) else { return found };
    for entry in record.history.iter().filter(|entry| !entry.imported) {
        let by = if entry.acted_for.is_empty() { entry.actor.clone() } else { entry.acted_for.clone() };
        let current = entry
            .detail
            .opened
            .as_ref()
            .or_else(|| record.visits.iter().rev().find(|visit| visit.entered_at <= entry.at && !visit.skipped));
        let Some(current) = current else { continue };
        let mut add = |visit: &Visit, occurrence| found.push((entry.at, visit.clone(), occurrence));
        match (entry.kind, &entry.detail.closed) {
            (HistoryKind::Created, _) => {
                add(current, Occurrence::OrderCreated { by: by.clone() });
                add(current, Occurrence::StatusEntered { from: String::new(), by: by.clone() });
            }
            (HistoryKind::Advanced | HistoryKind::TypeChanged | HistoryKind::CycleEdited, Some(closed)) => {
                let from = closed.status_name.clone();
                add(closed, Occurrence::StatusLeft { from: from.clone(), by: by.clone() });
                add(current, Occurrence::StatusEntered { from, by: by.clone() });
                if order_type.status(&current.status).is_some_and(crate::domain::catalogue::Status::closes) {
                    add(current, Occurrence::OrderClosed { by: by.clone() });
                }
            }
            (HistoryKind::DueDateChanged, closed) => {
                let on = |visit: &Visit| visit.due.map(|due| due.on);
                let changed = Occurrence::DueDateChanged {
                    before: closed.as_ref().and_then(on),
                    after: on(current),
                    cause: entry.detail.due_cause,
                    by: by.clone(),
                };
                add(current, changed);
            }
            _ => {}
        }
        if let Some(note) = &entry.detail.note {
            add(current, Occurrence::NoteAdded { note: NoteFacts::from(note) });
        }
    }
    found
}
