//! A letter: what is told of one order.

use serde::Serialize;

use crate::domain::{
    alerts::{
        event::Occurrence,
        message::{NoteFacts, OrderFacts},
        template::OUTPUT_MAX,
    },
    note::NoteKind,
    projection::Health,
};

use super::{
    clean::{self, Clean, name},
    phrases::{self, Badge, Label, Phrases, Step},
    text::{cut, line, lines},
};

/// Characters of a note.
const NOTE_CHARS_MAX: usize = 1200;

/// A message about one order, in words.
#[derive(Debug, Serialize)]
pub(super) struct Letter {
    pub(super) lang: &'static str,
    pub(super) badge: &'static str,
    pub(super) tone: &'static str,
    pub(super) headline: String,
    pub(super) verdict: String,
    /// What the trigger says in its own words.
    pub(super) own: String,
    pub(super) rows: Vec<Row>,
    pub(super) note: Option<Quote>,
    pub(super) steps_label: &'static str,
    pub(super) steps: Vec<Todo>,
    pub(super) link: Option<String>,
    pub(super) link_label: &'static str,
    pub(super) about_status: String,
    pub(super) definition: String,
    pub(super) why: String,
    pub(super) told_by: String,
}

/// A fact with its name.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) label: &'static str,
    pub(super) value: String,
}

/// What to do, and the command for it, or empty.
#[derive(Debug, Serialize)]
pub(super) struct Todo {
    text: &'static str,
    command: String,
}

impl Todo {
    /// A step about the order that `andon orders` takes like this.
    pub(super) fn new(step: Step, order: &str, phrases: &dyn Phrases) -> Self {
        Self { text: phrases.step(step), command: step.command(order) }
    }
}

/// A note as quoted.
#[derive(Debug, Serialize)]
pub(super) struct Quote {
    label: &'static str,
    text: String,
    by: String,
    at: String,
    /// How to read the rest; nothing when it is whole.
    goes_on: Option<Todo>,
}

/// What a letter is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Telling<'a> {
    pub(super) order: &'a OrderFacts,
    pub(super) occurrence: &'a Occurrence,
    /// The note that came with a move.
    pub(super) with_it: Option<&'a NoteFacts>,
    /// Name, subject and text of the trigger that tells it; empty when none does.
    pub(super) trigger: (&'a str, &'a str, &'a str),
}

/// Subject and words of a message about one order.
pub(super) fn letter(telling: &Telling<'_>, plant_language: &str, link_pattern: Option<&str>) -> (String, Letter) {
    let phrases = phrases::choose(&telling.order.reader.language, plant_language);
    let clean = Clean::new(telling.order, link_pattern);
    let occurrence = clean::occurrence(telling.occurrence, NOTE_CHARS_MAX);
    let scene = clean.scene(&occurrence);
    let badge = Badge::of(&occurrence);
    let (trigger, subject, own) = telling.trigger;
    let subject = match line(subject, super::SUBJECT_CHARS_MAX) {
        own if own.is_empty() => phrases.subject(&clean.short_name(), &scene),
        own => own,
    };
    let order = &clean.order;
    let steps = steps(&occurrence).iter().map(|step| Todo::new(*step, &clean.argument, phrases)).collect();
    let letter = Letter {
        lang: phrases.tag(),
        badge: phrases.badge(badge),
        tone: badge.tone(),
        headline: clean.name(),
        verdict: phrases.verdict(&scene),
        own: lines(own, OUTPUT_MAX),
        rows: rows(order, &occurrence, phrases),
        note: quote(telling, &clean, phrases),
        steps_label: phrases.label(Label::Steps),
        steps,
        link_label: phrases.label(Label::OpenOrder),
        about_status: phrases.about_status(&order.status_name),
        definition: order.status_definition.clone(),
        why: phrases.you_get_this(&[phrases.why(&order.reason)]),
        told_by: if trigger.is_empty() { String::new() } else { phrases.told_by(&name(trigger)) },
        link: clean.link,
    };
    (subject, letter)
}

fn rows(order: &OrderFacts, occurrence: &Occurrence, phrases: &dyn Phrases) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |label, value: String| rows.push(Row { label: phrases.label(label), value });
    row(Label::Status, phrases.status_since(&order.status_name, order.entered_on));
    // Where the verdict says how late it is, it is not said twice.
    let said = matches!(occurrence, Occurrence::StatusOverdue | Occurrence::Escalation { .. });
    row(Label::Due, phrases.due(order.due_on, if said { 0 } else { order.days_late }));
    match occurrence {
        Occurrence::DueDateChanged { .. } => row(Label::Cause, phrases.due_cause(occurrence)),
        Occurrence::Escalation { step, .. } => row(Label::Escalation, phrases.escalation_step(*step)),
        _ => {}
    }
    row(Label::Holder, phrases.holder(order.assignee.as_deref(), order.department.as_deref()));
    row(Label::OrderType, order.order_type_name.clone());
    if !order.customer_reference.is_empty() {
        row(Label::CustomerReference, order.customer_reference.clone());
    }
    if order.priority != 0 {
        row(Label::Priority, order.priority.to_string());
    }
    rows
}

/// The note that matters most: the one that is told, the one that came with it, else the newest.
fn quote(telling: &Telling<'_>, clean: &Clean, phrases: &dyn Phrases) -> Option<Quote> {
    let (label, note) = match (telling.occurrence, telling.with_it, &telling.order.last_note) {
        (Occurrence::NoteAdded { note }, ..) => (Label::TheNote(note.kind), note),
        (_, Some(note), _) => (Label::MoveNote, note),
        (.., Some(note)) => (Label::LastNote(note.kind), note),
        (.., None) => return None,
    };
    let whole = lines(&note.text, usize::MAX);
    let text = cut(&whole, NOTE_CHARS_MAX);
    Some(Quote {
        label: phrases.label(label),
        by: clean::who(&note.author),
        at: phrases.instant(note.at.with_timezone(&clean.zone)),
        goes_on: (text != whole)
            .then(|| Todo { text: phrases.note_goes_on(), command: format!("andon orders notes {}", clean.argument) }),
        text,
    })
}

/// What to do next.
fn steps(occurrence: &Occurrence) -> &'static [Step] {
    match occurrence {
        Occurrence::StatusOverdue | Occurrence::DueSoon { .. } => {
            &[Step::Advance, Step::NewDueDate, Step::SayWhatIsMissing]
        }
        Occurrence::Escalation { .. } => &[Step::Acknowledge, Step::Advance, Step::NewDueDate, Step::SayWhatIsMissing],
        Occurrence::Stale { .. } => &[Step::Advance, Step::SayWhatIsMissing, Step::NewDueDate],
        Occurrence::OrderCreated { .. } => &[Step::Check],
        Occurrence::StatusEntered { .. } => &[Step::Check, Step::Advance],
        Occurrence::NoteAdded { note } if note.kind == NoteKind::Question => &[Step::Answer],
        Occurrence::NoteAdded { .. } => &[Step::AddNote],
        Occurrence::HealthChanged { after: Some(Health::Late), .. } => &[Step::Explain, Step::TellCustomer],
        Occurrence::DueDateChanged { .. } => &[Step::Explain, Step::NewDueDate],
        Occurrence::StatusLeft { .. } | Occurrence::HealthChanged { .. } | Occurrence::OrderClosed { .. } => {
            &[Step::Nothing]
        }
    }
}
