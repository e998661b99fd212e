//! Alarms: what fires when an order's next alarm has come, and when the next one is.
//!
//! An alert is unique per visit, rule and due time: the database keeps it, and the order's `next_alarm_at` is cleared with it.
//! So a second tick finds nothing; a due date that is moved and missed again alerts again.

use super::{
    message::{DIGEST_LINES_MAX, Message, MessageFacts, Topic},
    recipients,
};
use crate::domain::order::{Context, Decision, Effects, HistoryDetail, HistoryKind, Order};

/// What fires for one order at `now`. Its next alarm is settled either way, so that a tick always makes progress. `alerted`: the
/// visit was reported for this very due time before, and the date was moved away and back since; that is not told again.
pub fn alarm(before: &Order, alerted: bool, cx: &mut Context<'_>) -> Decision {
    let mut order = before.clone();
    order.version += 1;
    let due = match before.visit.due {
        Some(due) if before.overdue(cx.now) && !alerted => due,
        due => {
            let waits = before.closed_at.is_none() && !before.overdue(cx.now);
            order.next_alarm_at = due.map(|due| due.at).filter(|_| waits);
            return Decision::of(order);
        }
    };
    order.next_alarm_at = None;
    let people = recipients::of_overdue(&order, cx);
    let messages = recipients::messages(&order, people, Topic::Overdue, cx, MessageFacts::Overdue);
    let detail = HistoryDetail {
        opened: Some(order.visit.clone()),
        messages: messages.iter().map(Message::summary).collect(),
        ..HistoryDetail::default()
    };
    let entry = order.record(HistoryKind::Overdue, cx.now, cx.actor, "", detail);
    Decision {
        alert: Some((order.visit.sequence, due.at)),
        effects: Effects { messages, ..Effects::default() },
        history: vec![entry],
        ..Decision::of(order)
    }
}

/// Whether the order was overdue already when it was imported: then its first alert is part of a digest.
#[must_use]
pub fn in_first_digest(order: &Order) -> bool {
    matches!((order.imported_at, order.visit.due), (Some(imported), Some(due))
        if due.at <= imported && order.visit.entered_at <= imported)
}

/// Folds the messages of `decisions` about orders that were imported overdue: one digest per recipient, which stands with the
/// first of the orders. The history of each order names the digest that tells of it.
pub fn fold_first_digest(decisions: &mut [Decision]) {
    let mut digests: Vec<(usize, Message)> = Vec::new();
    for (index, decision) in decisions.iter_mut().enumerate() {
        if !in_first_digest(&decision.order) {
            continue;
        }
        for message in std::mem::take(&mut decision.effects.messages) {
            let MessageFacts::Overdue(facts) = message.facts else { continue };
            let digest = if let Some((_, digest)) =
                digests.iter_mut().find(|(_, digest)| digest.recipient.address == message.recipient.address)
            {
                digest
            } else {
                let digest = Message {
                    id: message.id,
                    dedup_key: format!("digest/{}", message.dedup_key),
                    topic: Topic::OverdueDigest,
                    facts: MessageFacts::OverdueDigest { orders: Vec::new(), more: 0 },
                    recipient: message.recipient,
                    order_id: message.order_id,
                    order_number: message.order_number,
                    visit_sequence: message.visit_sequence,
                    due_at: None,
                };
                let place = digests.len();
                digests.push((index, digest));
                &mut digests[place].1
            };
            if let MessageFacts::OverdueDigest { orders, more } = &mut digest.facts {
                if orders.len() < DIGEST_LINES_MAX {
                    orders.push(facts);
                } else {
                    *more += 1;
                }
            }
            let summary = digest.summary();
            if let Some(entry) = decision.history.last_mut() {
                for told in entry.detail.messages.iter_mut().filter(|told| told.2 == summary.2) {
                    told.clone_from(&summary);
                }
            }
        }
    }
    for (index, digest) in digests {
        decisions[index].effects.messages.push(digest);
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::domain::{
        catalogue::{Catalogue, OrderType},
        create::{NewOrder, blank},
        ids::Ids,
        order::{Due, DueSource},
    };

    #[test]
    fn a_due_time_that_comes_back_is_not_told_again() {
        let at = DateTime::UNIX_EPOCH;
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
        let catalogue = Catalogue::default();
        let mut ids = Ids::seeded(1);
        // alerted before, seconds from the due time to now, alerts, next alarm
        for (alerted, seconds, alerts, next) in
            [(false, 0, true, None), (true, 0, false, None), (false, -1, false, Some(at)), (true, -1, false, Some(at))]
        {
            let now = at + TimeDelta::seconds(seconds);
            let mut cx = Context { catalogue: &catalogue, now, ids: &mut ids, actor: "andon", fallback: "fallback@x" };
            let decision = alarm(&order, alerted, &mut cx);
            assert_eq!((decision.alert.is_some(), decision.order.next_alarm_at), (alerts, next), "{alerted} {seconds}");
            assert_eq!(decision.effects.messages.len(), usize::from(alerts));
        }
    }
}
