//! Triggers: what happens, which orders are meant, and who is told by what means.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{order::Order, projection::Health};

/// Triggers of one plant.
pub const TRIGGERS_MAX: usize = 500;
/// Actions of one trigger.
pub const ACTIONS_MAX: usize = 10;
/// Business days before, after or without, at most.
pub const DAYS_MAX: u32 = 250;
/// How often an escalation repeats, at most.
pub const REPEATS_MAX: u32 = 50;

/// What a trigger waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Event {
    /// An order was created; not by import.
    OrderCreated,
    /// It entered a status, also when it was created.
    StatusEntered,
    /// It left a status.
    StatusLeft,
    /// The n-th business day before the due date has begun.
    DueSoon,
    /// Its visit is overdue.
    StatusOverdue,
    /// The n-th business day after the due date has ended, and nobody has acknowledged it.
    Escalation,
    /// The n-th business day without a change or a note has ended.
    Stale,
    /// A note was added.
    NoteAdded,
    /// It is ahead, on target or late, and was something else.
    HealthChanged,
    /// The due date of its visit changed.
    DueDateChanged,
    /// It was closed.
    OrderClosed,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::OrderCreated,
        Self::StatusEntered,
        Self::StatusLeft,
        Self::DueSoon,
        Self::StatusOverdue,
        Self::Escalation,
        Self::Stale,
        Self::NoteAdded,
        Self::HealthChanged,
        Self::DueDateChanged,
        Self::OrderClosed,
    ];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrderCreated => "ORDER_CREATED",
            Self::StatusEntered => "STATUS_ENTERED",
            Self::StatusLeft => "STATUS_LEFT",
            Self::DueSoon => "DUE_SOON",
            Self::StatusOverdue => "STATUS_OVERDUE",
            Self::Escalation => "ESCALATION",
            Self::Stale => "STALE",
            Self::NoteAdded => "NOTE_ADDED",
            Self::HealthChanged => "HEALTH_CHANGED",
            Self::DueDateChanged => "DUE_DATE_CHANGED",
            Self::OrderClosed => "ORDER_CLOSED",
        }
    }

    /// Whether it counts business days.
    #[must_use]
    pub fn counts_days(self) -> bool {
        matches!(self, Self::DueSoon | Self::Escalation | Self::Stale)
    }

    /// Whether it comes with time alone: from the alarm of an order.
    #[must_use]
    pub fn comes_with_time(self) -> bool {
        self.counts_days() || matches!(self, Self::StatusOverdue | Self::HealthChanged)
    }
}

/// Which orders are meant, beside their type and status. What is empty asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Labels it has, each with this value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Ids of departments, one of which has it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub departments: Vec<String>,
    /// Its priority is this or higher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_min: Option<i32>,
    /// Its priority is this or lower.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_max: Option<i32>,
    /// Its health is one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<Health>,
}

impl Condition {
    /// Whether an order is meant, as it stands at `now`. An order whose health is not known has none of those that are asked for.
    #[must_use]
    pub fn holds(&self, order: &Order, now: DateTime<Utc>) -> bool {
        let department = order.assigned_department.as_deref();
        self.labels.iter().all(|(key, value)| order.labels.get(key) == Some(value))
            && (self.departments.is_empty() || self.departments.iter().any(|id| department == Some(id)))
            && self.priority_min.is_none_or(|min| order.priority >= min)
            && self.priority_max.is_none_or(|max| order.priority <= max)
            && (self.health.is_empty() || order.health_turns.at(now).is_some_and(|it| self.health.contains(&it)))
    }
}

/// Whom a message is for. Each person gets it once, for the first reason in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each names another group of people; they are independent")]
pub struct Recipients {
    /// Who has the order.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub assignee: bool,
    /// Who manages the department that has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub department_managers: bool,
    /// Who works in the department that has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub department_members: bool,
    /// Who follows it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub followers: bool,
    /// Ids of users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Roles by name; every active user who has one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Ids of departments; their managers and members.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub departments: Vec<String>,
    /// Fixed addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

/// A mail to people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmailAction {
    /// Who gets it.
    pub to: Recipients,
    /// Template of the subject; empty = the usual one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Template of the text above the facts; empty = the usual one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
}

/// A task for somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskAction {
    /// Template of the title.
    pub title: String,
    /// Id of the user who gets it, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Id of the department that gets it, or empty. Neither: who has the order.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub department: String,
    /// Business days until it is due, counted from today.
    pub due_in_days: u32,
}

/// What a trigger does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A mail.
    Email(EmailAction),
    /// A task.
    Task(TaskAction),
    /// A call of the webhook with this id.
    Webhook(String),
}

/// What a trigger is, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerSpec {
    /// Name.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// What it waits for.
    pub event: Event,
    /// Business days, of the events that count them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub days: u32,
    /// Of an escalation: again after so many business days, while nobody acknowledges; 0 = once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeat_days: u32,
    /// Ids of types; none = all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_types: Vec<String>,
    /// Ids of statuses; none = all. Of a status that was left, that one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<String>,
    /// Which orders are meant.
    #[serde(default)]
    pub condition: Condition,
    /// What it does.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Whether it acts at all.
    pub enabled: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A trigger with its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Slug.
    pub id: String,
    /// What it is.
    pub spec: TriggerSpec,
    /// Nothing before this instant makes it act.
    pub active_since: DateTime<Utc>,
    /// Version of this row.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl TriggerSpec {
    /// The places in which it names users.
    pub fn users_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.actions.iter_mut().flat_map(|action| match action {
            Action::Email(email) => email.to.users.iter_mut().collect::<Vec<_>>(),
            Action::Task(task) => vec![&mut task.user],
            Action::Webhook(_) => Vec::new(),
        })
    }

    /// Whether it names a user.
    #[must_use]
    pub fn names_user(&self, user: &str) -> bool {
        self.actions.iter().any(|action| match action {
            Action::Email(email) => email.to.users.iter().any(|id| id == user),
            Action::Task(task) => task.user == user,
            Action::Webhook(_) => false,
        })
    }

    /// Puts another user in the place of one; who is named twice then stays once.
    pub fn replace_user(&mut self, from: &str, to: &str) {
        for id in self.users_mut().filter(|id| *id == from) {
            to.clone_into(id);
        }
        for action in &mut self.actions {
            if let Action::Email(email) = action {
                let mut seen = Vec::new();
                email.to.users.retain(|id| {
                    !seen.contains(id) && {
                        seen.push(id.clone());
                        true
                    }
                });
            }
        }
    }
}

impl Trigger {
    /// Whether it looks at orders of this type in this status.
    #[must_use]
    pub fn looks_at(&self, order_type: &str, status: &str) -> bool {
        let named = |list: &[String], id: &str| list.is_empty() || list.iter().any(|it| it == id);
        self.spec.enabled && named(&self.spec.order_types, order_type) && named(&self.spec.statuses, status)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The trigger that every plant begins with.
    pub(crate) fn overdue() -> Trigger {
        let to = Recipients { assignee: true, department_managers: true, ..Recipients::default() };
        Trigger {
            id: "overdue".into(),
            spec: TriggerSpec {
                name: "Overdue".into(),
                description: String::new(),
                event: Event::StatusOverdue,
                days: 0,
                repeat_days: 0,
                order_types: Vec::new(),
                statuses: Vec::new(),
                condition: Condition::default(),
                actions: vec![Action::Email(EmailAction { to, ..EmailAction::default() })],
                enabled: true,
            },
            active_since: DateTime::UNIX_EPOCH,
            version: 1,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_the_migration_writes_is_the_trigger_that_every_plant_begins_with() {
        let migration = include_str!("../../../migrations/0010_alerts.sql");
        let from = migration.find("'{\"name\": \"Overdue\"").expect("it is there") + 1;
        let text = &migration[from..=from + migration[from..].find("}',").expect("it ends")];
        let mut spec: TriggerSpec = serde_json::from_str(text).expect("it is one");
        spec.description.clear();
        assert_eq!(spec, overdue().spec);
    }
}
