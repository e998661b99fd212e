//! What a message says, in words: the one place for its sentences.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use crate::domain::{
    alerts::message::{Given, MessageFacts, NoteFacts, OrderFacts, TaskFacts, Why},
    note::NoteKind,
};

use super::text::{cut, line, lines, percent_encode};

/// Characters of a subject.
const SUBJECT_CHARS_MAX: usize = 150;
/// Characters of a title in a subject.
const SUBJECT_TITLE_CHARS_MAX: usize = 60;
/// Characters of a name, number or title in a body.
const NAME_CHARS_MAX: usize = 160;
/// Characters of a note in a message about one order.
const NOTE_CHARS_MAX: usize = 1200;
/// Characters of a note in a digest.
const DIGEST_NOTE_CHARS_MAX: usize = 140;
/// Characters of a status' definition.
const DEFINITION_CHARS_MAX: usize = 400;
/// Characters of a link; a longer one is left out.
const LINK_CHARS_MAX: usize = 1000;
/// Different reasons that a digest gives.
const REASONS_MAX: usize = 5;

/// A message about one order.
#[derive(Debug, Serialize)]
pub(super) struct Letter {
    badge: &'static str,
    tone: &'static str,
    headline: String,
    verdict: String,
    rows: Vec<Row>,
    note: Option<Quote>,
    note_label: &'static str,
    status_name: String,
    definition: String,
    steps: &'static [&'static str],
    link: Option<String>,
    why: String,
}

/// A fact with its name.
#[derive(Debug, Serialize)]
struct Row {
    label: &'static str,
    value: String,
}

/// A note as quoted.
#[derive(Debug, Serialize)]
struct Quote {
    text: String,
    by: String,
    at: String,
}

/// A message about several orders.
#[derive(Debug, Serialize)]
pub(super) struct Digest {
    headline: String,
    lines: Vec<DigestLine>,
    more: u32,
    steps: &'static [&'static str],
    whys: Vec<String>,
}

#[derive(Debug, Serialize)]
struct DigestLine {
    name: String,
    late: String,
    about: String,
    note: String,
    link: Option<String>,
}

/// A message in words; which template shows it follows from its shape.
#[derive(Debug)]
pub(super) enum Words {
    Letter(Box<Letter>),
    Digest(Digest),
}

/// What to do about an overdue order.
const STEPS: &[&str] = &[
    "Done here? Advance the order to its next status.",
    "Needs longer? Set a new due date.",
    "Stuck? Add a note that says what is missing and who is on it.",
];

const RED: &str = "#b3261e";
const BLUE: &str = "#1f5f99";

/// Subject and words of a message.
pub(super) fn words(facts: &MessageFacts, link_pattern: Option<&str>) -> (String, Words) {
    let (subject, words) = match facts {
        MessageFacts::Overdue(order) => overdue(order, link_pattern),
        MessageFacts::OverdueDigest { orders, more } => digest(orders, *more, link_pattern),
        MessageFacts::Advanced { order, from_status, by, note } => {
            let (from, to) = (name(from_status), name(&order.status_name));
            let subject = format!("{}: moved from {from} to {to}", subject_name(order));
            let verdict = format!("{} moved it from {from} to {to}", name(by));
            (subject, letter("MOVED", BLUE, verdict, order, note.as_ref(), "Note with the move", &[], link_pattern))
        }
        MessageFacts::NoteAdded { order, note } => {
            let (badge, noun, did, heading) = match note.kind {
                NoteKind::Note => ("NOTE", "note", "wrote a note", "The note"),
                NoteKind::Question => ("QUESTION", "question", "asked a question", "The question"),
                NoteKind::Answer => ("ANSWER", "answer", "answered a question", "The answer"),
                NoteKind::Decision => ("DECISION", "decision", "made a decision", "The decision"),
            };
            let subject = format!("{}: {noun} by {}", subject_name(order), name(&note.author));
            let verdict = format!("{} {did}", name(&note.author));
            (subject, letter(badge, BLUE, verdict, order, Some(note), heading, &[], link_pattern))
        }
        MessageFacts::Task(facts) => task(facts, link_pattern),
        MessageFacts::Happened(happened) | MessageFacts::Called(happened) => {
            let order = &happened.order;
            let subject = format!("{}: {}", subject_name(order), name(&happened.trigger_name));
            let note = order.last_note.as_ref();
            let verdict = name(&happened.trigger_name);
            (subject, letter("TOLD", BLUE, verdict, order, note, "Last note", &[], link_pattern))
        }
    };
    (cut(&subject, SUBJECT_CHARS_MAX), words)
}

fn overdue(order: &OrderFacts, link_pattern: Option<&str>) -> (String, Words) {
    let status = name(&order.status_name);
    let since = overdue_since(order);
    let mut subject = format!("OVERDUE: {}, {status}", subject_name(order));
    if let Some(since) = since {
        subject.push_str(&since.format(" since %a %-d %b").to_string());
    }
    subject.push_str(&in_brackets(order.days_late));
    let since = since.map_or_else(|| "Overdue".to_owned(), |since| format!("Overdue since {}", day(since)));
    // Right after midnight of a closed day nothing is lost yet, and the order is late all the same.
    let late = if order.days_late == 0 { "less than a working day".to_owned() } else { working_days(order.days_late) };
    let verdict = format!("{since}: {late}");
    let note = order.last_note.as_ref();
    (subject, letter("OVERDUE", RED, verdict, order, note, "Last note", STEPS, link_pattern))
}

/// What to do about a task.
const TASK_STEPS: &[&str] = &["Done? Mark the task as done.", "Not yours? Give it to who has to do it."];

fn task(task: &TaskFacts, link_pattern: Option<&str>) -> (String, Words) {
    let title = name(&task.title);
    let order = name(&task.order_number);
    let order = if order.is_empty() { order } else { format!(" ({order})") };
    let mut subject = format!("TASK: {}{order}", line(&task.title, SUBJECT_TITLE_CHARS_MAX));
    if let Some(due_on) = task.due_on {
        subject.push_str(&due_on.format(", due %a %-d %b").to_string());
    }
    let by = if task.by.is_empty() { format!("the trigger '{}'", name(&task.trigger_name)) } else { name(&task.by) };
    let verdict = match task.given {
        Given::Made => format!("Made by {by}"),
        Given::Reassigned => format!("Given to {} by {by}", name(&task.holder)),
        Given::Reopened => format!("Reopened by {by}"),
    };
    let mut rows = vec![
        Row { label: "Due", value: task.due_on.map_or_else(|| "no due date".to_owned(), day) },
        Row { label: "Who has it", value: name(&task.holder) },
    ];
    if let Some(order) = &task.order {
        let status = name(&order.status_name);
        rows.push(Row { label: "Order", value: format!("{} ({status})", order_name(order, NAME_CHARS_MAX)) });
    } else if !task.order_number.is_empty() {
        rows.push(Row { label: "Order", value: name(&task.order_number) });
    }
    for (label, text) in [("About it", &task.description), ("Said", &task.comment)] {
        if !text.trim().is_empty() {
            rows.push(Row { label, value: lines(text, NOTE_CHARS_MAX) });
        }
    }
    let why = match &task.reason {
        Why::Assignee => "the task is yours".to_owned(),
        Why::ManagerOf(department) => format!("you manage {}, which has the task", name(department)),
        reason => why(reason),
    };
    let letter = Letter {
        badge: "TASK",
        tone: BLUE,
        headline: title,
        verdict,
        rows,
        note: None,
        note_label: "",
        status_name: String::new(),
        definition: String::new(),
        steps: TASK_STEPS,
        link: task.order.as_ref().and_then(|order| link(order, link_pattern)),
        why,
    };
    (subject, Words::Letter(Box::new(letter)))
}

#[expect(clippy::too_many_arguments, reason = "the parts of a letter, each said once by its caller")]
fn letter(
    badge: &'static str,
    tone: &'static str,
    verdict: String,
    order: &OrderFacts,
    note: Option<&NoteFacts>,
    note_label: &'static str,
    steps: &'static [&'static str],
    link_pattern: Option<&str>,
) -> Words {
    let zone = zone(order);
    let mut rows = vec![
        Row { label: "Status", value: format!("{}, since {}", name(&order.status_name), day(order.entered_on)) },
        Row { label: "Due", value: due(order) },
        Row { label: "Who has it", value: holder(order) },
        Row { label: "Order type", value: name(&order.order_type_name) },
    ];
    if !order.customer_reference.trim().is_empty() {
        rows.push(Row { label: "Customer's reference", value: name(&order.customer_reference) });
    }
    Words::Letter(Box::new(Letter {
        badge,
        tone,
        headline: order_name(order, NAME_CHARS_MAX),
        verdict,
        rows,
        note: note.map(|note| Quote {
            text: lines(&note.text, NOTE_CHARS_MAX),
            by: name(&note.author),
            at: format!("{} ({})", note.at.with_timezone(&zone).format("%a %-d %b %Y, %H:%M"), zone.name()),
        }),
        note_label,
        status_name: name(&order.status_name),
        definition: lines(&order.status_definition, DEFINITION_CHARS_MAX),
        steps,
        link: link(order, link_pattern),
        why: why(&order.reason),
    }))
}

fn digest(orders: &[OrderFacts], more: u32, link_pattern: Option<&str>) -> (String, Words) {
    // The worst first; a stable sort keeps the caller's order among equals.
    let mut worst_first: Vec<&OrderFacts> = orders.iter().collect();
    worst_first.sort_by_key(|order| std::cmp::Reverse(order.days_late));
    let count = u64::try_from(orders.len()).unwrap_or(u64::MAX).saturating_add(u64::from(more));
    let headline = if count == 1 { "1 order is overdue".to_owned() } else { format!("{count} orders are overdue") };
    let mut subject = format!("OVERDUE: {count} {}", if count == 1 { "order" } else { "orders" });
    if let Some(worst) = worst_first.first() {
        subject = format!("{subject}, worst {}{}", subject_name(worst), in_brackets(worst.days_late));
    }
    let mut whys = Vec::new();
    for order in &worst_first {
        let reason = why(&order.reason);
        if whys.len() < REASONS_MAX && !whys.contains(&reason) {
            whys.push(reason);
        }
    }
    let lines = worst_first.into_iter().map(|order| digest_line(order, link_pattern)).collect();
    (subject, Words::Digest(Digest { headline, lines, more, steps: STEPS, whys }))
}

fn digest_line(order: &OrderFacts, link_pattern: Option<&str>) -> DigestLine {
    DigestLine {
        name: order_name(order, NAME_CHARS_MAX),
        late: if order.days_late == 0 { "< 1 day".to_owned() } else { plural(order.days_late, "day") },
        about: format!("{} · due {} · {}", name(&order.status_name), due(order), holder(order)),
        note: order.last_note.as_ref().map_or_else(String::new, |note| {
            format!("{}: {}", name(&note.author), line(&note.text, DIGEST_NOTE_CHARS_MAX))
        }),
        link: link(order, link_pattern),
    }
}

fn name(text: &str) -> String {
    line(text, NAME_CHARS_MAX)
}

fn order_name(order: &OrderFacts, title_max: usize) -> String {
    format!("{} {}", name(&order.number), line(&order.title, title_max)).trim().to_owned()
}

fn subject_name(order: &OrderFacts) -> String {
    order_name(order, SUBJECT_TITLE_CHARS_MAX)
}

fn zone(order: &OrderFacts) -> Tz {
    order.zone.parse().unwrap_or(Tz::UTC)
}

/// The first day on which it is too late, in the calendar's zone.
fn overdue_since(order: &OrderFacts) -> Option<NaiveDate> {
    let of_instant = |at: DateTime<Utc>| at.with_timezone(&zone(order)).date_naive();
    order.due_at.map(of_instant).or_else(|| order.due_on.and_then(|due_on| due_on.succ_opt()))
}

fn day(date: NaiveDate) -> String {
    date.format("%a %-d %b %Y").to_string()
}

fn due(order: &OrderFacts) -> String {
    order.due_on.map_or_else(|| "no due date".to_owned(), day)
}

fn holder(order: &OrderFacts) -> String {
    let assignee = order.assignee.as_deref().map(name).filter(|text| !text.is_empty());
    let department = order.department.as_deref().map(name).filter(|text| !text.is_empty());
    match (assignee, department) {
        (Some(assignee), Some(department)) => format!("{assignee} ({department})"),
        (Some(assignee), None) => assignee,
        (None, Some(department)) => format!("{department}, nobody in person"),
        (None, None) => "nobody".to_owned(),
    }
}

fn working_days(days: u32) -> String {
    plural(days, "working day")
}

/// For the end of a subject; nothing as long as no working day is lost.
fn in_brackets(days: u32) -> String {
    if days == 0 { String::new() } else { format!(" ({})", working_days(days)) }
}

fn plural(count: u32, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn why(reason: &Why) -> String {
    match reason {
        Why::Assignee => "the order is assigned to you".to_owned(),
        Why::ManagerOf(department) => format!("you manage {}, which has the order", name(department)),
        Why::Fallback(text) => {
            format!("nobody else could be told ({})", name(text).trim_end_matches('.'))
        }
        Why::MemberOf(department) => format!("you work in {}, which has the order", name(department)),
        Why::Follower => "you follow the order".to_owned(),
        Why::Trigger(trigger) => format!("the trigger '{}' names you", name(trigger)),
        Why::Notified => "somebody asked for you to be told".to_owned(),
    }
}

/// The order's page: only over HTTP, so that no pattern makes a link that runs something.
fn link(order: &OrderFacts, pattern: Option<&str>) -> Option<String> {
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
            link.push_str(&percent_encode(&order.number));
            rest = after;
        } else if let Some(after) = rest.strip_prefix("{id}") {
            link.push_str(&order.order_id.to_string());
            rest = after;
        } else {
            link.push('{');
            rest = &rest[1..];
        }
    }
    link.push_str(rest);
    (link.len() <= LINK_CHARS_MAX && !link.contains(|c: char| c.is_control() || c.is_whitespace())).then_some(link)
}
