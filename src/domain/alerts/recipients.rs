//! Recipients: who receives a message. Each person once; if nobody is left, the fallback.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    message::{Channel, Message, MessageFacts, NoteFacts, OrderFacts, Reader, Recipient, Topic, Way, Why},
    preferences,
    trigger::{Recipients, Trigger},
};
use crate::domain::{
    catalogue::User,
    note::Notify,
    order::{Context, Order},
    refusal::Refusal,
    task::Task,
};

/// Why the fallback is told: nobody has the order.
pub const NOBODY_HAS_IT: &str = "nobody is assigned, and the department has no manager";
/// Why the fallback is told: the trigger names nobody who is there.
pub const NOBODY_OF_TRIGGER: &str = "nobody of those whom the trigger names is there";
/// Why the fallback gets what is told of a task.
pub const NOBODY_HAS_TASK: &str = "nobody has the task, or its department has no manager";
/// Why the fallback is told: the caller named nobody who is there.
pub const NOBODY_OF_CALL: &str = "nobody is in the departments and roles that were named";
/// After the name of who is passed over.
pub const IS_INACTIVE: &str = " is inactive";
/// After the name of who is passed over.
pub const HAS_NO_ADDRESS: &str = " has no address";

/// Gathers people, each once; people who share an address count as one, since one mailbox is told once.
struct Gathered<'a> {
    people: Vec<(Recipient, Why)>,
    users: BTreeSet<&'a str>,
    addresses: BTreeSet<String>,
    passed_over: Vec<String>,
    /// Who is not told, since the person did it.
    without: Option<&'a str>,
    /// Whether that person would have been told.
    left_out: bool,
}

impl<'a> Gathered<'a> {
    fn new() -> Self {
        Self {
            people: Vec::new(),
            users: BTreeSet::new(),
            addresses: BTreeSet::new(),
            passed_over: Vec::new(),
            without: None,
            left_out: false,
        }
    }

    fn add(&mut self, user: &'a User, why: Why) {
        if !self.users.insert(&user.id) {
            return;
        }
        if self.without == Some(user.id.as_str()) {
            self.left_out = true;
        } else if user.inactive {
            self.passed_over.push(format!("{}{IS_INACTIVE}", user.display_name));
        } else if user.email.is_empty() {
            self.passed_over.push(format!("{}{HAS_NO_ADDRESS}", user.display_name));
        } else if self.addresses.insert(user.email.to_lowercase()) {
            let recipient =
                Recipient { user: Some(user.id.clone()), name: user.display_name.clone(), address: user.email.clone() };
            self.people.push((recipient, why));
        }
    }

    fn add_address(&mut self, address: &str, why: Why) {
        if self.addresses.insert(address.to_lowercase()) {
            self.people.push((Recipient { user: None, name: String::new(), address: address.to_owned() }, why));
        }
    }

    /// Those who were gathered; the fallback address when nobody is left. `nobody` tells why when nobody was passed over.
    fn or_fallback(mut self, fallback: &str, nobody: &str) -> Vec<(Recipient, Why)> {
        if self.people.is_empty() && !self.left_out {
            let why = if self.passed_over.is_empty() { nobody.to_owned() } else { self.passed_over.join("; ") };
            let recipient = Recipient { user: None, name: String::new(), address: fallback.to_owned() };
            self.people.push((recipient, Why::Fallback(why)));
        }
        self.people
    }
}

/// Whom a trigger tells: each person once, for the first reason that holds. Who brought it about and wants no messages about that
/// is passed over, and is not missed.
#[must_use]
pub fn of_trigger(
    trigger: &Trigger,
    to: &Recipients,
    order: &Order,
    by: &str,
    cx: &Context<'_>,
) -> Vec<(Recipient, Why)> {
    let catalogue = cx.catalogue;
    let mut gathered = Gathered::new();
    gathered.without = catalogue.users.get(by).filter(|user| user.alerts.skip_own).map(|user| user.id.as_str());
    let user = |id: &String| catalogue.users.get(id).map(AsRef::as_ref);
    let department = order.assigned_department.as_deref().and_then(|id| catalogue.departments.get(id));
    if to.assignee
        && let Some(assignee) = order.assigned_user.as_ref().and_then(user)
    {
        gathered.add(assignee, Why::Assignee);
    }
    if let Some(department) = department {
        let managers = department.managers.iter().filter(|_| to.department_managers);
        for manager in managers.filter_map(user) {
            gathered.add(manager, Why::ManagerOf(department.name.clone()));
        }
        let members = department.members.iter().filter(|_| to.department_members);
        for member in members.filter_map(user) {
            gathered.add(member, Why::MemberOf(department.name.clone()));
        }
    }
    for follower in order.followers.iter().filter(|_| to.followers).filter_map(user) {
        gathered.add(follower, Why::Follower);
    }
    let named = || Why::Trigger(trigger.spec.name.clone());
    for person in to.users.iter().filter_map(user) {
        gathered.add(person, named());
    }
    for department in to.departments.iter().filter_map(|id| catalogue.departments.get(id)) {
        for person in department.managers.iter().chain(&department.members).filter_map(user) {
            gathered.add(person, named());
        }
    }
    for role in &to.roles {
        for person in catalogue.users.values().filter(|user| !user.inactive && user.roles.contains(role)) {
            gathered.add(person, named());
        }
    }
    for address in &to.addresses {
        gathered.add_address(address, named());
    }
    // Followers alone: an order that nobody follows is nothing that anybody missed.
    let only_followers = *to == Recipients { followers: true, ..Recipients::default() };
    if only_followers && gathered.people.is_empty() && gathered.passed_over.is_empty() {
        return Vec::new();
    }
    let nobody =
        if to.assignee && to.department_managers && to.users.is_empty() { NOBODY_HAS_IT } else { NOBODY_OF_TRIGGER };
    gathered.or_fallback(cx.fallback, nobody)
}

/// Who gets a task: its user, else the managers of its department. Who gave it to themselves (`by`) is passed over, and is not missed.
#[must_use]
pub fn of_task(task: &Task, by: &str, cx: &Context<'_>) -> Vec<(Recipient, Why)> {
    let catalogue = cx.catalogue;
    let mut gathered = Gathered::new();
    gathered.without = Some(by);
    if let Some(user) = task.user.as_ref().and_then(|id| catalogue.users.get(id)) {
        gathered.add(user, Why::Assignee);
    }
    let department = task.department.as_ref().and_then(|id| catalogue.departments.get(id));
    if gathered.people.is_empty()
        && !gathered.left_out
        && let Some(department) = department
    {
        for manager in department.managers.iter().filter_map(|id| catalogue.users.get(id)) {
            gathered.add(manager, Why::ManagerOf(department.name.clone()));
        }
    }
    gathered.or_fallback(cx.fallback, NOBODY_HAS_TASK)
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
    let people = gathered.or_fallback(cx.fallback, NOBODY_OF_CALL);
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
            let user = recipient.user.as_deref().and_then(|id| cx.catalogue.users.get(id)).map(AsRef::as_ref);
            let way = user.map_or(Way::Now, |user| {
                preferences::way(user, topic, cx.catalogue.calendar_of_visit(order).ok(), cx.catalogue, cx.now)
            });
            Message {
                id,
                dedup_key: format!("message/{id}"),
                topic,
                order_id: Some(order.id),
                order_number: order.number.clone(),
                visit_sequence: order.visit.sequence,
                due_at: None,
                facts: facts(OrderFacts { reader: Reader::of(user), ..order_facts(order, why, cx) }),
                recipient,
                rule: String::new(),
                way,
                channel: Channel::Mail,
            }
        })
        .collect()
}

/// The order as it stands, for a message in the plant's language.
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
        priority: order.priority,
        last_note: order.last_note.as_ref().map(NoteFacts::from),
        reason,
        reader: Reader::default(),
        order_type: order.order_type.clone(),
        status: order.visit.status.clone(),
        labels: order.labels.clone(),
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
            alerts: crate::domain::alerts::preferences::Preferences::default(),
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
