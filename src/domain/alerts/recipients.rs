//! Recipients: who receives a message. Each person once; if nobody is left, the fallback.

use std::{collections::BTreeSet, sync::Arc};

use super::message::{Message, MessageFacts, NoteFacts, OrderFacts, Recipient, Topic, Why};
use crate::domain::{
    catalogue::User,
    note::Notify,
    order::{Context, Order},
    refusal::Refusal,
};

/// Gathers people, each once; people who share an address count as one, since one mailbox is told once.
struct Gathered<'a> {
    people: Vec<(Recipient, Why)>,
    users: BTreeSet<&'a str>,
    addresses: BTreeSet<String>,
    passed_over: Vec<String>,
}

impl<'a> Gathered<'a> {
    fn new() -> Self {
        Self { people: Vec::new(), users: BTreeSet::new(), addresses: BTreeSet::new(), passed_over: Vec::new() }
    }

    fn add(&mut self, user: &'a User, why: Why) {
        if !self.users.insert(&user.id) {
            return;
        }
        if user.inactive {
            self.passed_over.push(format!("{} is inactive", user.display_name));
        } else if user.email.is_empty() {
            self.passed_over.push(format!("{} has no address", user.display_name));
        } else if self.addresses.insert(user.email.to_lowercase()) {
            let recipient =
                Recipient { user: Some(user.id.clone()), name: user.display_name.clone(), address: user.email.clone() };
            self.people.push((recipient, why));
        }
    }

    /// Those who were gathered; the fallback address when nobody is left. `nobody` tells why when nobody was passed over.
    fn or_fallback(mut self, fallback: &str, nobody: &str) -> Vec<(Recipient, Why)> {
        if self.people.is_empty() {
            let why = if self.passed_over.is_empty() { nobody.to_owned() } else { self.passed_over.join("; ") };
            let recipient = Recipient { user: None, name: String::new(), address: fallback.to_owned() };
            self.people.push((recipient, Why::Fallback(why)));
        }
        self.people
    }
}

/// Who is told that an order is overdue: its assignee, and the managers of its department.
#[must_use]
pub fn of_overdue(order: &Order, cx: &Context<'_>) -> Vec<(Recipient, Why)> {
    let mut gathered = Gathered::new();
    if let Some(user) = order.assigned_user.as_deref().and_then(|id| cx.catalogue.users.get(id)) {
        gathered.add(user, Why::Assignee);
    }
    if let Some(department) = order.assigned_department.as_deref().and_then(|id| cx.catalogue.departments.get(id)) {
        for manager in department.managers.iter().filter_map(|id| cx.catalogue.users.get(id)) {
            gathered.add(manager, Why::ManagerOf(department.name.clone()));
        }
    }
    gathered.or_fallback(cx.fallback, "nobody is assigned, and the department has no manager")
}

/// The messages to those whom a caller named; none when nobody was named.
///
/// # Errors
/// `NotFound`, `Inactive` for whom is named.
pub fn notified(
    order: &Order,
    notify: &Notify,
    topic: Topic,
    cx: &mut Context<'_>,
    facts: impl Fn(OrderFacts) -> MessageFacts,
) -> Result<Vec<Message>, Refusal> {
    if notify.is_empty() {
        return Ok(Vec::new());
    }
    let catalogue = cx.catalogue;
    let mut gathered = Gathered::new();
    for id in &notify.users {
        gathered.add(catalogue.active_user(id)?, Why::Notified);
    }
    for id in &notify.departments {
        let department = catalogue.active_department(id)?;
        let people = department.managers.iter().chain(&department.members);
        for person in people.filter_map(|id| catalogue.users.get(id)) {
            gathered.add(person, Why::Notified);
        }
    }
    for role in &notify.roles {
        let holds = |user: &&Arc<User>| !user.inactive && user.roles.contains(role);
        for user in catalogue.users.values().filter(holds) {
            gathered.add(user, Why::Notified);
        }
    }
    let people = gathered.or_fallback(cx.fallback, "nobody is in the departments and roles that were named");
    Ok(messages(order, people, topic, cx, facts))
}

/// One message per person.
pub fn messages(
    order: &Order,
    people: Vec<(Recipient, Why)>,
    topic: Topic,
    cx: &mut Context<'_>,
    facts: impl Fn(OrderFacts) -> MessageFacts,
) -> Vec<Message> {
    people
        .into_iter()
        .map(|(recipient, why)| {
            let id = cx.ids.next(cx.now);
            let due_at = order.visit.due.map(|due| due.at);
            let dedup_key = match (topic, due_at) {
                (Topic::Overdue, Some(at)) => {
                    format!(
                        "overdue/{}/{}/{}/{}",
                        order.id,
                        order.visit.sequence,
                        at.timestamp_micros(),
                        recipient.address
                    )
                }
                _ => format!("message/{id}"),
            };
            Message {
                id,
                dedup_key,
                topic,
                order_id: order.id,
                order_number: order.number.clone(),
                visit_sequence: order.visit.sequence,
                due_at: if topic == Topic::Overdue { due_at } else { None },
                facts: facts(order_facts(order, why, cx)),
                recipient,
            }
        })
        .collect()
}

/// The order as it stands, for a message.
#[must_use]
pub fn order_facts(order: &Order, reason: Why, cx: &Context<'_>) -> OrderFacts {
    let order_type = cx.catalogue.types.get(&order.order_type);
    let status = order_type.and_then(|order_type| order_type.status(&order.visit.status));
    let days_late = cx.catalogue.calendar_of_visit(order).map_or(0, |calendar| order.days_late(calendar, cx.now));
    let name_of = |id: &String| cx.catalogue.users.get(id).map(|user| user.display_name.clone());
    OrderFacts {
        order_id: order.id,
        number: order.number.clone(),
        title: order.title.clone(),
        order_type_name: order_type.map(|order_type| order_type.name.clone()).unwrap_or_default(),
        status_name: order.visit.status_name.clone(),
        status_definition: status.map(|status| status.definition.clone()).unwrap_or_default(),
        entered_on: order.visit.entered_on,
        due_on: order.visit.due.map(|due| due.on),
        due_at: order.visit.due.map(|due| due.at),
        zone: cx.catalogue.calendar_of_visit(order).map_or_else(|_| "UTC".to_owned(), |it| it.zone().to_string()),
        days_late,
        assignee: order.assigned_user.as_ref().and_then(name_of),
        department: order
            .assigned_department
            .as_ref()
            .and_then(|id| cx.catalogue.departments.get(id))
            .map(|department| department.name.clone()),
        customer_reference: order.customer_reference.clone(),
        last_note: order.last_note.as_ref().map(NoteFacts::from),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn user(id: &str, email: &str, inactive: bool) -> User {
        User {
            id: id.into(),
            display_name: id.to_uppercase(),
            email: email.into(),
            roles: Vec::new(),
            inactive,
            language: String::new(),
            zone: String::new(),
            version: 1,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_mailbox_that_people_share_is_told_once() {
        let (ann, bob, eve) = (
            user("ann", "shop@example.com", false),
            user("bob", "Shop@example.com", false),
            user("eve", "eve@x", false),
        );
        let mut gathered = Gathered::new();
        for person in [&ann, &bob, &eve, &ann] {
            gathered.add(person, Why::Notified);
        }
        let told: Vec<_> =
            gathered.or_fallback("fallback@x", "nobody").into_iter().map(|(recipient, _)| recipient.address).collect();
        assert_eq!(told, ["shop@example.com", "eve@x"]);
    }

    #[test]
    fn the_fallback_is_told_when_everybody_is_passed_over() {
        let (ann, bob) = (user("ann", "ann@x", true), user("bob", "", false));
        let mut gathered = Gathered::new();
        gathered.add(&ann, Why::Assignee);
        gathered.add(&bob, Why::Notified);
        let people = gathered.or_fallback("fallback@x", "nobody");
        assert_eq!(people.len(), 1);
        assert_eq!(people[0].0.address, "fallback@x");
        assert_eq!(people[0].1, Why::Fallback("ANN is inactive; BOB has no address".into()));
    }
}
