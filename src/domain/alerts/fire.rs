//! Fire: what triggers do about a change, and about what time brought.
//!
//! A change is compared with the order before it, in one place for all verbs, so that a preview, a bulk call and a recomputation
//! tell the same. Whatever a trigger decides is written in the transaction of the change.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    alarm,
    event::Occurrence,
    message::{Channel, Given, Happened, Message, MessageFacts, NoteFacts, Topic, Way},
    preferences, recipients, task_mail, template,
    trigger::{Action, EmailAction, Event, TaskAction, Trigger},
};
use crate::domain::{
    alerts::message::{OrderFacts, Reader, Recipient, Why},
    catalogue::Catalogue,
    health_turns::turns,
    order::{Context, Decision, Effects, Order},
    schedule,
    task::{NewTask, TITLE_MAX, Task},
};

/// Address of a webhook in the outbox: this and its id.
pub const WEBHOOK_PREFIX: &str = "webhook:";

/// What triggers decided.
#[derive(Debug, Default)]
pub struct Told {
    /// Messages to people and programs.
    pub messages: Vec<Message>,
    /// Tasks.
    pub tasks: Vec<Task>,
}

impl Told {
    /// Adds what another trigger decided.
    pub fn add(&mut self, more: Self) {
        self.messages.extend(more.messages);
        self.tasks.extend(more.tasks);
    }

    /// Whether nobody is told anything.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.messages.is_empty() && self.tasks.is_empty()
    }
}

/// The triggers that wait for an event of an order in a status.
pub fn waiting_for<'a>(
    event: Event,
    order: &Order,
    status: &str,
    catalogue: &'a Catalogue,
) -> impl Iterator<Item = &'a Trigger> {
    let all = catalogue.triggers.values().map(AsRef::as_ref);
    all.filter(move |it| it.spec.event == event && it.looks_at(&order.order_type, status))
}

/// What follows from every change of an order, whatever made it: when its health turns, its next alarm, and what triggers do.
pub fn follow_up(before: Option<&Order>, decision: &mut Decision, cx: &mut Context<'_>) {
    let catalogue = cx.catalogue;
    let order = &mut decision.order;
    order.health_turns = turns(order, catalogue);
    let imported = decision.created && order.imported_at.is_some();
    order.next_alarm_at = if imported {
        // What lies in the past of an import is told once, with the others; see `import`.
        order.next_alarm_at.into_iter().chain(alarm::next(order, catalogue, Some(cx.now))).min()
    } else {
        alarm::after_change(before, order, catalogue, cx.now)
    };
    if !imported {
        fire(before, decision, cx);
    }
}

/// The triggers that act in what a change does.
pub fn acted(effects: &Effects) -> impl Iterator<Item = &str> {
    let messages = effects.messages.iter().map(|message| message.rule.as_str());
    messages.chain(effects.tasks.iter().map(|task| task.rule.as_str())).filter(|rule| !rule.is_empty())
}

/// Takes back what these triggers do about a change: they have acted for its cause before.
pub fn hold_back(decision: &mut Decision, acted: &BTreeSet<String>) {
    let effects = &mut decision.effects;
    effects.messages.retain(|message| !acted.contains(&message.rule));
    effects.tasks.retain(|task| !acted.contains(&task.rule));
    for entry in &mut decision.history {
        let told = |id: &Uuid| effects.messages.iter().any(|message| message.id == *id);
        entry.detail.messages.retain(|(id, ..)| told(id));
        entry.detail.tasks.retain(|(id, _)| effects.tasks.iter().any(|task| task.id == *id));
    }
}

/// Adds to a decision what triggers do about it.
fn fire(before: Option<&Order>, decision: &mut Decision, cx: &mut Context<'_>) {
    let catalogue = cx.catalogue;
    for (occurrence, status) in happened(before, decision, cx) {
        let event = occurrence.event();
        let triggers: Vec<&Trigger> = waiting_for(event, &decision.order, &status, catalogue).collect();
        let now = cx.now;
        for trigger in triggers.into_iter().filter(|it| now >= it.active_since) {
            let told = act(trigger, &decision.order, &occurrence, None, cx);
            if let Some(entry) = decision.history.last_mut() {
                entry.detail.messages.extend(told.messages.iter().map(Message::summary));
                entry.detail.tasks.extend(told.tasks.iter().map(|task| (task.id, task.title.clone())));
            }
            decision.effects.messages.extend(told.messages);
            decision.effects.tasks.extend(told.tasks);
        }
    }
}

/// What a change made happen, each with the status that it is about.
fn happened(before: Option<&Order>, decision: &Decision, cx: &Context<'_>) -> Vec<(Occurrence, String)> {
    let order = &decision.order;
    let status = &order.visit.status;
    let entry = decision.history.last();
    let by = entry.map_or_else(
        || cx.actor.to_owned(),
        |entry| if entry.acted_for.is_empty() { entry.actor.clone() } else { entry.acted_for.clone() },
    );
    let mut found = Vec::new();
    let mut add = |occurrence, status: &String| found.push((occurrence, status.clone()));
    match before {
        None => {
            add(Occurrence::OrderCreated { by: by.clone() }, status);
            add(Occurrence::StatusEntered { from: String::new(), by: by.clone() }, status);
        }
        Some(before) if before.visit.sequence != order.visit.sequence => {
            let from = before.visit.status_name.clone();
            add(Occurrence::StatusLeft { from: from.clone(), by: by.clone() }, &before.visit.status);
            add(Occurrence::StatusEntered { from, by: by.clone() }, status);
        }
        Some(before) => {
            let on = |order: &Order| order.visit.due.map(|due| due.on);
            if on(before) != on(order) && order.closed_at.is_none() {
                let cause = entry.and_then(|entry| entry.detail.due_cause);
                let changed =
                    Occurrence::DueDateChanged { before: on(before), after: on(order), cause, by: by.clone() };
                add(changed, status);
            }
        }
    }
    for note in &decision.notes {
        add(Occurrence::NoteAdded { note: NoteFacts::from(note) }, status);
    }
    if let Some(before) = before {
        let (was, is) = (before.health_turns.at(cx.now), order.health_turns.at(cx.now));
        if was != is && is.is_some() && order.closed_at.is_none() {
            add(Occurrence::HealthChanged { before: was, after: is }, status);
        }
    }
    if order.closed_at.is_some() && before.is_none_or(|before| before.closed_at.is_none()) {
        add(Occurrence::OrderClosed { by }, status);
    }
    found
}

/// What one trigger does about one thing that happened; nothing when the order is not one that it means. `at` is the instant at
/// which time brought it, and keeps the messages of one alert apart from those of any other.
pub fn act(
    trigger: &Trigger,
    order: &Order,
    occurrence: &Occurrence,
    at: Option<DateTime<Utc>>,
    cx: &mut Context<'_>,
) -> Told {
    let mut told = Told::default();
    if !trigger.spec.condition.holds(order, cx.now) {
        return told;
    }
    for (place, action) in trigger.spec.actions.iter().enumerate() {
        let by = By { trigger, place, at };
        match action {
            Action::Email(email) => told.messages.extend(mails(by, email, order, occurrence, cx)),
            Action::Webhook(webhook) => told.messages.push(call(by, webhook, order, occurrence, cx)),
            Action::Task(task) => {
                if let Some(task) = make_task(trigger, task, order, occurrence, cx) {
                    told.messages.extend(task_mail::told(&task, Given::Made, "", Some(order), cx));
                    told.tasks.push(task);
                }
            }
        }
    }
    told
}

/// Which action of a trigger decides a message.
#[derive(Clone, Copy)]
struct By<'a> {
    trigger: &'a Trigger,
    /// Of the action, from 0.
    place: usize,
    /// The instant at which time brought it.
    at: Option<DateTime<Utc>>,
}

fn mails(
    by: By<'_>,
    action: &EmailAction,
    order: &Order,
    occurrence: &Occurrence,
    cx: &mut Context<'_>,
) -> Vec<Message> {
    let trigger = by.trigger;
    let topic = occurrence.topic();
    let people = recipients::of_trigger(trigger, &action.to, order, occurrence.by(), cx);
    let mut messages = Vec::with_capacity(people.len());
    for (recipient, why) in people {
        let user = recipient.user.as_deref().and_then(|id| cx.catalogue.users.get(id));
        let reader = Reader::of(user.map(AsRef::as_ref));
        let facts = OrderFacts { reader, ..recipients::order_facts(order, why, cx) };
        let own = !action.subject.is_empty() || !action.body.is_empty();
        let facts = if *occurrence == Occurrence::StatusOverdue && !own {
            MessageFacts::Overdue(facts)
        } else {
            let mut happened = Happened {
                order: facts,
                occurrence: occurrence.clone(),
                trigger: trigger.id.clone(),
                trigger_name: trigger.spec.name.clone(),
                subject: String::new(),
                text: String::new(),
                cause: String::new(),
            };
            // A template that fails must not keep the alert from anybody: it goes out in the usual words.
            happened.subject = template::render(&action.subject, &happened, &recipient).unwrap_or_default();
            happened.text = template::render(&action.body, &happened, &recipient).unwrap_or_default();
            MessageFacts::Happened(Box::new(happened))
        };
        messages.push(message(by, order, topic, (recipient, Channel::Mail, facts), cx));
    }
    messages
}

fn call(by: By<'_>, webhook: &str, order: &Order, occurrence: &Occurrence, cx: &mut Context<'_>) -> Message {
    let trigger = by.trigger;
    let name = cx.catalogue.webhooks.get(webhook).map_or_else(String::new, |it| it.spec.description.clone());
    let recipient = Recipient { user: None, name, address: format!("{WEBHOOK_PREFIX}{webhook}") };
    let happened = Happened {
        order: recipients::order_facts(order, Why::Trigger(trigger.spec.name.clone()), cx),
        occurrence: occurrence.clone(),
        trigger: trigger.id.clone(),
        trigger_name: trigger.spec.name.clone(),
        subject: String::new(),
        text: String::new(),
        cause: cx.cause.to_owned(),
    };
    let facts = MessageFacts::Called(Box::new(happened));
    message(by, order, occurrence.topic(), (recipient, Channel::Webhook, facts), cx)
}

fn message(
    By { trigger, place, at }: By<'_>,
    order: &Order,
    topic: Topic,
    (recipient, channel, facts): (Recipient, Channel, MessageFacts),
    cx: &mut Context<'_>,
) -> Message {
    let id = cx.ids.next(cx.now);
    // What the program did before there were triggers keeps its name, so that no daemon tells it twice.
    let dedup_key = at.map_or_else(
        || format!("message/{id}"),
        |at| {
            let instant = at.timestamp_micros();
            let key = format!("{}/{}/{}/{instant}/{}", trigger.id, order.id, order.visit.sequence, recipient.address);
            if place == 0 { key } else { format!("{key}/{place}") }
        },
    );
    let user = recipient.user.as_deref().and_then(|id| cx.catalogue.users.get(id));
    let way = user.map_or(Way::Now, |user| {
        preferences::way(user, topic, cx.catalogue.calendar_of_visit(order).ok(), cx.catalogue, cx.now)
    });
    let due_at = order.visit.due.map(|due| due.at);
    let about_due = matches!(topic, Topic::Overdue | Topic::Escalation | Topic::DueSoon);
    Message {
        id,
        dedup_key,
        topic,
        recipient,
        order_id: Some(order.id),
        order_number: order.number.clone(),
        visit_sequence: order.visit.sequence,
        due_at: due_at.filter(|_| about_due),
        facts,
        rule: trigger.id.clone(),
        way,
        channel,
    }
}

fn make_task(
    trigger: &Trigger,
    action: &TaskAction,
    order: &Order,
    occurrence: &Occurrence,
    cx: &mut Context<'_>,
) -> Option<Task> {
    let happened = Happened {
        order: recipients::order_facts(order, Why::Trigger(trigger.spec.name.clone()), cx),
        occurrence: occurrence.clone(),
        trigger: trigger.id.clone(),
        trigger_name: trigger.spec.name.clone(),
        subject: String::new(),
        text: String::new(),
        cause: String::new(),
    };
    let nobody = Recipient { user: None, name: String::new(), address: String::new() };
    // Whatever facts make of the template, it is one line that says something.
    let title = template::render(&action.title, &happened, &nobody).unwrap_or_default();
    let title: String =
        title.split(|c: char| c.is_control() || c == ' ').filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ");
    let title = if title.is_empty() { trigger.spec.name.clone() } else { title.chars().take(TITLE_MAX).collect() };
    let chosen = |id: &String| (!id.is_empty()).then(|| id.clone());
    let (user, department) = match (chosen(&action.user), chosen(&action.department)) {
        (None, None) => (order.assigned_user.clone(), order.assigned_department.clone()),
        chosen => chosen,
    };
    let calendar = cx.catalogue.calendar_of_visit(order).ok()?;
    let due_on = schedule::forward(calendar, schedule::local_date(calendar, cx.now), action.due_in_days).ok();
    let new = NewTask {
        title,
        order: Some((order.id, order.number.clone())),
        user,
        department,
        due: due_on.map(|on| (on, schedule::due_at(calendar, on))),
        rule: trigger.id.clone(),
        ..NewTask::default()
    };
    Some(new.task(cx))
}
