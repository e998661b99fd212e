//! The body of a call, as JSON. Its fields are documented in `docs/webhooks.md`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::alerts::{
    event::Occurrence,
    message::{Happened, MessageFacts, NoteFacts, OrderFacts},
    trigger::Event,
};

/// A call ready to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// `type` of the body, and the order's number: what lists show.
    pub subject: String,
    /// The body.
    pub bytes: Vec<u8>,
    /// The cause that travels with it: that of the call which led to it, or the message itself.
    pub cause: String,
}

/// Order of the fields: as documented.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    timestamp: String,
    data: Value,
}

/// The body for a message that was decided then; `None` when it is none for a program.
#[must_use]
pub fn render(facts: &MessageFacts, id: Uuid, decided: DateTime<Utc>) -> Option<Rendered> {
    let MessageFacts::Called(happened) = facts else { return None };
    let cause = cause(happened, id);
    let kind = kind(happened.occurrence.event());
    let data = json!({
        "message": id,
        "cause": cause,
        "trigger": { "id": happened.trigger, "name": happened.trigger_name },
        "order": order(&happened.order),
        "occurrence": occurrence(&happened.occurrence),
    });
    let body = Body { r#type: &kind, timestamp: instant(decided), data };
    let bytes = serde_json::to_vec(&body).unwrap_or_default();
    Some(Rendered { subject: format!("{kind} {}", happened.order.number), bytes, cause })
}

/// The body of a test call.
#[must_use]
pub fn render_test(webhook: &str, id: Uuid, now: DateTime<Utc>) -> Rendered {
    let data = json!({ "message": id, "webhook": webhook, "cause": id });
    let body = Body { r#type: "webhook.test", timestamp: instant(now), data };
    let bytes = serde_json::to_vec(&body).unwrap_or_default();
    Rendered { subject: "webhook.test".into(), bytes, cause: id.to_string() }
}

fn cause(happened: &Happened, id: Uuid) -> String {
    if happened.cause.is_empty() { id.to_string() } else { happened.cause.clone() }
}

/// `order.status_overdue`, and so on: what happened to what.
fn kind(event: Event) -> String {
    let name = event.as_str().to_ascii_lowercase();
    format!("order.{}", name.strip_prefix("order_").unwrap_or(&name))
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn order(it: &OrderFacts) -> Value {
    json!({
        "id": it.order_id,
        "number": it.number,
        "title": it.title,
        "type": it.order_type,
        "type_name": it.order_type_name,
        "status": it.status,
        "status_name": it.status_name,
        "entered_date": it.entered_on,
        "due_date": it.due_on,
        "due_time": it.due_at.map(instant),
        "zone": it.zone,
        "days_late": it.days_late,
        "priority": it.priority,
        "assignee": it.assignee,
        "department": it.department,
        "customer_reference": it.customer_reference,
        "labels": it.labels,
        "last_note": it.last_note.as_ref().map(note),
    })
}

fn note(it: &NoteFacts) -> Value {
    json!({ "author": it.author, "time": instant(it.at), "kind": it.kind.as_str(), "text": it.text })
}

/// What is special about each event.
fn occurrence(it: &Occurrence) -> Value {
    match it {
        Occurrence::OrderCreated { by } | Occurrence::OrderClosed { by } => json!({ "by": by }),
        Occurrence::StatusEntered { from, by } | Occurrence::StatusLeft { from, by } => {
            json!({ "from_status_name": from, "by": by })
        }
        Occurrence::DueSoon { days } => json!({ "days": days }),
        Occurrence::StatusOverdue => json!({}),
        Occurrence::Escalation { days, step } => json!({ "days": days, "step": step }),
        Occurrence::Stale { days, since } => json!({ "days": days, "since_time": instant(*since) }),
        Occurrence::NoteAdded { note: added } => json!({ "note": note(added) }),
        Occurrence::HealthChanged { before, after } => json!({ "before": before, "after": after }),
        Occurrence::DueDateChanged { before, after, cause, by } => {
            json!({ "before_date": before, "after_date": after, "cause": cause, "by": by })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_type_of_its_own() {
        let kinds: Vec<String> = Event::ALL.into_iter().map(kind).collect();
        assert_eq!(
            kinds,
            [
                "order.created",
                "order.status_entered",
                "order.status_left",
                "order.due_soon",
                "order.status_overdue",
                "order.escalation",
                "order.stale",
                "order.note_added",
                "order.health_changed",
                "order.due_date_changed",
                "order.closed"
            ]
        );
    }
}
