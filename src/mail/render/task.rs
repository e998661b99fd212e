//! A letter about a task: what somebody has to do.

use crate::domain::alerts::message::{TaskFacts, Why};

use super::{
    clean::{self, Clean, name},
    letter::{Letter, Row, Todo},
    phrases::{self, Badge, GivenBy, Label, Step},
    text::{line, lines},
};

/// Characters of a title in a subject.
const SUBJECT_TITLE_CHARS_MAX: usize = 60;
/// Characters of a description, and of what was said.
const TEXT_CHARS_MAX: usize = 2_000;

/// Subject and words of a message about a task.
pub(super) fn task(task: &TaskFacts, plant_language: &str, link_pattern: Option<&str>) -> (String, Letter) {
    let phrases = phrases::choose(&task.reader.language, plant_language);
    let order = task.order.as_ref().map(|order| Clean::new(order, link_pattern));
    let number = name(&task.order_number);
    let (by, trigger) = (clean::who(&task.by), name(&task.trigger_name));
    let by = if trigger.is_empty() { GivenBy::Person(&by) } else { GivenBy::Trigger(&trigger) };
    let holder = name(&task.holder);
    let mut rows = Vec::new();
    let mut row = |label, value: String| rows.push(Row { label: phrases.label(label), value });
    row(Label::Due, phrases.due(task.due_on, 0));
    row(Label::Holder, phrases.holder(Some(holder.as_str()).filter(|holder| !holder.is_empty()), None));
    if let Some(order) = &order {
        row(Label::Order, order.name());
        row(Label::Status, phrases.status_since(&order.order.status_name, order.order.entered_on));
    } else if !number.is_empty() {
        row(Label::Order, number.clone());
    }
    let comment = line(&task.comment, TEXT_CHARS_MAX);
    if !comment.is_empty() {
        row(Label::Said, comment);
    }
    let reason = match &task.reason {
        Why::ManagerOf(department) => Why::ManagerOf(name(department)),
        Why::Fallback(text) => Why::Fallback(name(text)),
        reason => reason.clone(),
    };
    let id = task.task_id.to_string();
    let subject = phrases.task_subject(&line(&task.title, SUBJECT_TITLE_CHARS_MAX), &number, task.due_on);
    let letter = Letter {
        lang: phrases.tag(),
        badge: phrases.badge(Badge::Task),
        tone: Badge::Task.tone(),
        headline: name(&task.title),
        verdict: phrases.task_verdict(task.given, by),
        own: lines(&task.description, TEXT_CHARS_MAX),
        rows,
        note: None,
        steps_label: phrases.label(Label::Steps),
        steps: [Step::TaskDone, Step::TaskAssign].map(|step| Todo::new(step, &id, phrases)).into(),
        link: order.and_then(|order| order.link),
        link_label: phrases.label(Label::OpenOrder),
        about_status: String::new(),
        definition: String::new(),
        why: phrases.you_get_this(&[phrases.task_why(&reason)]),
        told_by: if trigger.is_empty() { String::new() } else { phrases.told_by(&trigger) },
    };
    (subject, letter)
}
