//! Facts made fit for a message: every text of a person on one line and cut, before any sentence is made of it.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::domain::alerts::{
    event::Occurrence,
    message::{NoteFacts, OrderFacts, Reader, Why},
};

use super::{
    phrases::Scene,
    text::{line, lines, percent_encode},
};

/// Characters of a name, number or title in a body.
const NAME_CHARS_MAX: usize = 160;
/// Characters of a title in a subject.
const SUBJECT_TITLE_CHARS_MAX: usize = 60;
/// Characters of a status' definition.
const DEFINITION_CHARS_MAX: usize = 400;
/// Characters of a link; a longer one is left out.
const LINK_CHARS_MAX: usize = 1000;
/// Who did what nobody did.
const NOBODY: &str = "andon";

/// An order whose texts are clean.
#[derive(Debug)]
pub(super) struct Clean {
    /// Its facts; notes are cleaned where they are shown, since their length differs.
    pub(super) order: OrderFacts,
    /// Its page.
    pub(super) link: Option<String>,
    /// Where instants are shown: the reader's zone, else that of the order's calendar.
    pub(super) zone: Tz,
    /// As `andon orders` takes it.
    pub(super) argument: String,
}

impl Clean {
    pub(super) fn new(order: &OrderFacts, link_pattern: Option<&str>) -> Self {
        let optional = |text: &Option<String>| text.as_deref().map(name).filter(|text| !text.is_empty());
        Self {
            link: link(order, link_pattern),
            zone: zone(&order.reader, &order.zone),
            argument: argument(order),
            order: OrderFacts {
                number: name(&order.number),
                title: name(&order.title),
                order_type_name: name(&order.order_type_name),
                status_name: name(&order.status_name),
                status_definition: lines(&order.status_definition, DEFINITION_CHARS_MAX),
                assignee: optional(&order.assignee),
                department: optional(&order.department),
                customer_reference: name(&order.customer_reference),
                reason: why(&order.reason),
                ..order.clone()
            },
        }
    }

    /// Number and title.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.order.number, self.order.title).trim().to_owned()
    }

    /// The same, short enough for a subject.
    pub(super) fn short_name(&self) -> String {
        format!("{} {}", self.order.number, line(&self.order.title, SUBJECT_TITLE_CHARS_MAX)).trim().to_owned()
    }

    pub(super) fn scene<'a>(&'a self, occurrence: &'a Occurrence) -> Scene<'a> {
        Scene {
            occurrence,
            status: &self.order.status_name,
            due_on: self.order.due_on,
            late_since: self.late_since(),
            days_late: self.order.days_late,
            zone: self.zone,
        }
    }

    /// The first day on which it is too late: a day of the plant, so in the calendar's zone, wherever it is read.
    fn late_since(&self) -> Option<NaiveDate> {
        let calendar: Tz = self.order.zone.parse().unwrap_or(Tz::UTC);
        let of_instant = |at: DateTime<Utc>| at.with_timezone(&calendar).date_naive();
        self.order.due_at.map(of_instant).or_else(|| self.order.due_on.and_then(|due_on| due_on.succ_opt()))
    }
}

/// One line of a person's text.
pub(super) fn name(text: &str) -> String {
    line(text, NAME_CHARS_MAX)
}

/// The reader's zone, else the other.
pub(super) fn zone(reader: &Reader, other: &str) -> Tz {
    reader.zone.parse().or_else(|_| other.parse()).unwrap_or(Tz::UTC)
}

/// An occurrence whose texts are clean; a note's is one line of at most `note_max` characters.
pub(super) fn occurrence(occurrence: &Occurrence, note_max: usize) -> Occurrence {
    let mut clean = occurrence.clone();
    match &mut clean {
        Occurrence::OrderCreated { by } | Occurrence::OrderClosed { by } | Occurrence::DueDateChanged { by, .. } => {
            *by = who(by);
        }
        Occurrence::StatusEntered { from, by } | Occurrence::StatusLeft { from, by } => {
            *from = name(from);
            *by = who(by);
        }
        Occurrence::NoteAdded { note } => {
            *note = NoteFacts { author: who(&note.author), text: line(&note.text, note_max), ..note.clone() };
        }
        Occurrence::DueSoon { .. }
        | Occurrence::StatusOverdue
        | Occurrence::Escalation { .. }
        | Occurrence::Stale { .. }
        | Occurrence::HealthChanged { .. } => {}
    }
    clean
}

/// Who did something: the daemon, when nobody did.
pub(super) fn who(by: &str) -> String {
    Some(name(by)).filter(|by| !by.is_empty()).unwrap_or_else(|| NOBODY.to_owned())
}

fn why(reason: &Why) -> Why {
    match reason {
        Why::ManagerOf(department) => Why::ManagerOf(name(department)),
        Why::Fallback(text) => Why::Fallback(name(text)),
        Why::MemberOf(department) => Why::MemberOf(name(department)),
        Why::Trigger(trigger) => Why::Trigger(name(trigger)),
        Why::Assignee | Why::Notified | Why::Follower => reason.clone(),
    }
}

/// Names an order to the command line; by its id where its number would need more than quotes.
fn argument(order: &OrderFacts) -> String {
    let number = order.number.as_str();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if number.is_empty() || number.starts_with('-') || name(number) != number || number.contains('\'') {
        format!("--id {}", order.order_id)
    } else if number.chars().all(plain) {
        number.to_owned()
    } else {
        format!("'{number}'")
    }
}

/// The order's page: only over HTTP, so that no pattern makes a link that runs something.
pub(super) fn link(order: &OrderFacts, pattern: Option<&str>) -> Option<String> {
    link_to(&order.number, &order.order_id.to_string(), pattern)
}

/// The page of an order with this number and id.
pub(super) fn link_to(number: &str, id: &str, pattern: Option<&str>) -> Option<String> {
    let pattern = pattern?;
    if !pattern.starts_with("https://") && !pattern.starts_with("http://") {
        return None;
    }
    // One pass: a number that looks like a placeholder is not filled in again.
    let mut link = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find('{') {
        link.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{number}") {
            link.push_str(&percent_encode(number));
            rest = after;
        } else if let Some(after) = rest.strip_prefix("{id}") {
            link.push_str(id);
            rest = after;
        } else {
            link.push('{');
            rest = &rest[1..];
        }
    }
    link.push_str(rest);
    (link.len() <= LINK_CHARS_MAX && !link.contains(|c: char| c.is_control() || c.is_whitespace())).then_some(link)
}
