//! What is told to who gets a task.

use super::{
    message::{Channel, Given, Message, MessageFacts, Reader, TaskFacts, Topic, Way, Why},
    preferences, recipients,
};
use crate::domain::{
    catalogue::User,
    order::{Context, Order},
    task::{Task, calendar_of},
};

/// The messages to who has a task from now on: its user, else the managers of its department; the fallback when nobody is left.
/// `by` is the user or principal who did it, and is not told; empty when a trigger did. `order` is the one that the task is about,
/// as far as it is at hand.
pub fn told(task: &Task, given: Given, by: &str, order: Option<&Order>, cx: &mut Context<'_>) -> Vec<Message> {
    let catalogue = cx.catalogue;
    let people = recipients::of_task(task, by, cx);
    let calendar = calendar_of(order, task.department.as_deref(), catalogue);
    let name_of = |id: &str| catalogue.users.get(id).map_or_else(|| id.to_owned(), |user| user.display_name.clone());
    let department = || task.department.as_ref().and_then(|id| catalogue.departments.get(id));
    let holder = task.user.as_deref().map(name_of).or_else(|| department().map(|it| it.name.clone()));
    let rule = if given == Given::Made { task.rule.clone() } else { String::new() };
    let facts = |reason: Why, user: Option<&User>, cx: &Context<'_>| TaskFacts {
        task_id: task.id,
        title: task.title.clone(),
        description: task.description.clone(),
        due_on: task.due.map(|(on, _)| on),
        given,
        by: if by.is_empty() { String::new() } else { name_of(by) },
        trigger_name: catalogue.triggers.get(&rule).map(|it| it.spec.name.clone()).unwrap_or_default(),
        user: task.user.clone(),
        department: task.department.clone(),
        holder: holder.clone().unwrap_or_default(),
        comment: if given == Given::Reopened { task.comment.clone() } else { String::new() },
        order_number: task.order.as_ref().map(|(_, number)| number.clone()).unwrap_or_default(),
        order: order.map(|order| recipients::order_facts(order, reason.clone(), cx)),
        reason,
        reader: Reader::of(user),
    };
    let mut messages = Vec::with_capacity(people.len());
    for (recipient, why) in people {
        let user = recipient.user.as_deref().and_then(|id| catalogue.users.get(id)).map(AsRef::as_ref);
        let way = user.map_or(Way::Now, |user| preferences::way(user, Topic::Task, calendar, catalogue, cx.now));
        messages.push(Message {
            id: cx.ids.next(cx.now),
            dedup_key: format!("task/{}/{}/{}", task.id, task.version, recipient.address),
            topic: Topic::Task,
            order_id: task.order.as_ref().map(|(id, _)| *id),
            order_number: task.order.as_ref().map(|(_, number)| number.clone()).unwrap_or_default(),
            visit_sequence: order.map_or(0, |order| order.visit.sequence),
            due_at: None,
            facts: MessageFacts::Task(Box::new(facts(why, user, cx))),
            recipient,
            rule: rule.clone(),
            way,
            channel: Channel::Mail,
        });
    }
    messages
}
