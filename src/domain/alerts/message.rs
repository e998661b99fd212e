//! Messages: what is told to whom, as data that is stored and later rendered.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use super::digest_facts::{Ageing, DigestFacts, DigestGroup, DigestLine, Mark, News, TaskLine};
use super::event::Occurrence;
use crate::domain::{
    catalogue::User,
    note::{Note, NoteKind},
};

/// Orders that one digest lists; what is more is counted.
pub const DIGEST_LINES_MAX: usize = 200;

/// A note as a message shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteFacts {
    /// Who wrote it.
    pub author: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub text: String,
    /// What it is; a remark in messages that were stored before this was.
    #[serde(default = "remark")]
    pub kind: NoteKind,
}

fn remark() -> NoteKind {
    NoteKind::Note
}

impl From<&Note> for NoteFacts {
    fn from(note: &Note) -> Self {
        Self { author: note.author.clone(), at: note.at, text: note.text.clone(), kind: note.kind }
    }
}

/// Why somebody gets a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// Has the order.
    Assignee,
    /// Manages the department (by name) that has the order.
    ManagerOf(String),
    /// Nobody else could be told; the text says why.
    Fallback(String),
    /// Was named by the caller: as a user, by a role, or with a department.
    Notified,
    /// Works in the department (by name) that has the order.
    MemberOf(String),
    /// Follows the order.
    Follower,
    /// A trigger (by name) names the person, a role or a department of the person, or the address.
    Trigger(String),
}

/// How who gets a message reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reader {
    /// BCP 47 tag; empty = the plant's language.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// IANA zone in which times of day are shown; empty = that of the order's calendar.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone: String,
}

impl Reader {
    /// How a person reads; nobody in person reads in the plant's language.
    #[must_use]
    pub fn of(user: Option<&User>) -> Self {
        user.map_or_else(Self::default, |user| Self { language: user.language.clone(), zone: user.zone.clone() })
    }

    fn is_nobody(&self) -> bool {
        self.language.is_empty() && self.zone.is_empty()
    }
}

/// An order as it stood when the message was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderFacts {
    /// Id.
    pub order_id: Uuid,
    /// Number.
    pub number: String,
    /// Title.
    pub title: String,
    /// Name of its type.
    pub order_type_name: String,
    /// Name of its status.
    pub status_name: String,
    /// When to use that status; may be empty.
    pub status_definition: String,
    /// Day of entry.
    pub entered_on: NaiveDate,
    /// Last day in time.
    pub due_on: Option<NaiveDate>,
    /// Instant from which it is overdue.
    pub due_at: Option<DateTime<Utc>>,
    /// IANA zone of its calendar: days and times are shown in it.
    pub zone: String,
    /// Business days late at the decision.
    pub days_late: u32,
    /// Display name of who has it.
    pub assignee: Option<String>,
    /// Name of the department that has it.
    pub department: Option<String>,
    /// The customer's reference; may be empty.
    pub customer_reference: String,
    /// Its priority: higher is more urgent.
    #[serde(default)]
    pub priority: i32,
    /// The newest note.
    pub last_note: Option<NoteFacts>,
    /// Why this person gets it.
    pub reason: Why,
    /// How this person reads.
    #[serde(default, skip_serializing_if = "Reader::is_nobody")]
    pub reader: Reader,
    /// Id of its type; empty in messages that were stored before it was kept. For programs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub order_type: String,
    /// Id of its status; as above.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Its labels; as above.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// What a message tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageFacts {
    /// An order is overdue in its status.
    Overdue(OrderFacts),
    /// Several orders are overdue, told at once.
    OverdueDigest {
        /// The orders that are listed.
        orders: Vec<OrderFacts>,
        /// How many more there are.
        more: u32,
    },
    /// An order was advanced.
    Advanced {
        /// The order after the move.
        order: OrderFacts,
        /// Name of the status before.
        from_status: String,
        /// Who moved it.
        by: String,
        /// The note that went with it.
        note: Option<NoteFacts>,
    },
    /// A note was added.
    NoteAdded {
        /// The order.
        order: OrderFacts,
        /// The note.
        note: NoteFacts,
    },
    /// What was gathered for a person.
    Digest(Box<DigestFacts>),
    /// A trigger tells of what happened.
    Happened(Box<Happened>),
    /// The same to a program: rendered as JSON when it is sent.
    Called(Box<Happened>),
    /// Somebody has something to do.
    Task(Box<TaskFacts>),
}

/// How somebody came to have a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Given {
    /// It was made for them.
    Made,
    /// Somebody else had it before.
    Reassigned,
    /// It was closed, and is not.
    Reopened,
}

/// A task as it stood when the message was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFacts {
    /// Id.
    pub task_id: Uuid,
    /// What is to be done.
    pub title: String,
    /// More about it; may be empty.
    pub description: String,
    /// Last day in time.
    pub due_on: Option<NaiveDate>,
    /// How the reader came to have it.
    pub given: Given,
    /// Display name of who did that; empty when a trigger did.
    pub by: String,
    /// Name of the trigger that made it; empty when a person did.
    pub trigger_name: String,
    /// Id of the user who has it.
    pub user: Option<String>,
    /// Id of the department that has it.
    pub department: Option<String>,
    /// Display name of the user, or of the department when no user has it.
    pub holder: String,
    /// What was said when it was reopened; may be empty.
    pub comment: String,
    /// Number of the order it is about; empty = of none.
    pub order_number: String,
    /// That order as it stood; may be left out where many tasks change hands at once.
    pub order: Option<OrderFacts>,
    /// Why this person gets the message.
    pub reason: Why,
    /// How this person reads.
    #[serde(default, skip_serializing_if = "Reader::is_nobody")]
    pub reader: Reader,
}

/// What happened, as a trigger tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// The order after it.
    pub order: OrderFacts,
    /// What happened.
    pub occurrence: Occurrence,
    /// Id of the trigger.
    pub trigger: String,
    /// Name of the trigger.
    pub trigger_name: String,
    /// Subject and text of the trigger's own, rendered; empty = the usual ones.
    #[serde(default)]
    pub subject: String,
    /// See `subject`.
    #[serde(default)]
    pub text: String,
    /// Travels along a chain of webhooks and calls; empty in mails.
    #[serde(default)]
    pub cause: String,
}

/// What a message is about, as the database writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Topic {
    /// One order is overdue.
    Overdue,
    /// Several are.
    OverdueDigest,
    /// An order moved.
    #[serde(rename = "ADVANCED")]
    Advance,
    /// A note was added.
    #[serde(rename = "NOTE_ADDED")]
    Note,
    /// An order was created.
    OrderCreated,
    /// It entered a status.
    StatusEntered,
    /// It left one.
    StatusLeft,
    /// It is due soon.
    DueSoon,
    /// It is still overdue, and nobody has acknowledged it.
    Escalation,
    /// Nothing happens to it.
    Stale,
    /// Its health is another.
    HealthChanged,
    /// It is due on another day.
    DueDateChanged,
    /// It was closed.
    OrderClosed,
    /// What was gathered for a person.
    Digest,
    /// Somebody has something to do.
    Task,
}

impl Topic {
    /// As the database writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overdue => "OVERDUE",
            Self::OverdueDigest => "OVERDUE_DIGEST",
            Self::Advance => "ADVANCED",
            Self::Note => "NOTE_ADDED",
            Self::OrderCreated => "ORDER_CREATED",
            Self::StatusEntered => "STATUS_ENTERED",
            Self::StatusLeft => "STATUS_LEFT",
            Self::DueSoon => "DUE_SOON",
            Self::Escalation => "ESCALATION",
            Self::Stale => "STALE",
            Self::HealthChanged => "HEALTH_CHANGED",
            Self::DueDateChanged => "DUE_DATE_CHANGED",
            Self::OrderClosed => "ORDER_CLOSED",
            Self::Digest => "DIGEST",
            Self::Task => "TASK",
        }
    }

    /// One that a person can choose a pace for; `None` for anything else.
    #[must_use]
    pub fn parse_chosen(text: &str) -> Option<Self> {
        Self::CHOSEN.into_iter().find(|topic| topic.as_str() == text)
    }

    /// The kinds that a person can choose a pace for.
    pub const CHOSEN: [Self; 13] = [
        Self::Overdue,
        Self::Escalation,
        Self::DueSoon,
        Self::Stale,
        Self::HealthChanged,
        Self::DueDateChanged,
        Self::OrderCreated,
        Self::StatusEntered,
        Self::StatusLeft,
        Self::OrderClosed,
        Self::Advance,
        Self::Note,
        Self::Task,
    ];
}

/// Who gets a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Id of the user; `None` for a fixed address.
    pub user: Option<String>,
    /// Display name.
    pub name: String,
    /// Address.
    pub address: String,
}

/// When a message leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Way {
    /// At once, as a message of its own.
    #[default]
    Now,
    /// With the digest of its recipient.
    Gathered {
        /// When that digest is due; an earlier one takes it along.
        until: DateTime<Utc>,
    },
}

/// By what means a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Channel {
    /// To a mailbox.
    #[default]
    Mail,
    /// To a program: `address` is `webhook:` and the id of the webhook.
    Webhook,
}

impl Channel {
    /// As the database writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "MAIL",
            Self::Webhook => "WEBHOOK",
        }
    }
}

/// One message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Made by the server; also the id of its delivery.
    pub id: Uuid,
    /// Unique: the same fact is told to the same address once.
    pub dedup_key: String,
    /// What it is about.
    pub topic: Topic,
    /// Who gets it.
    pub recipient: Recipient,
    /// The order; of a digest the first. `None` for what is about no order.
    pub order_id: Option<Uuid>,
    /// Its number, or empty.
    pub order_number: String,
    /// Its visit; 0 when there is no order.
    pub visit_sequence: i32,
    /// The due time that was missed; `None` when the message is not about one.
    pub due_at: Option<DateTime<Utc>>,
    /// What it tells.
    pub facts: MessageFacts,
    /// Id of the trigger that decided it; empty when a caller did.
    #[serde(default)]
    pub rule: String,
    /// When it leaves.
    #[serde(default)]
    pub way: Way,
    /// By what means.
    #[serde(default)]
    pub channel: Channel,
}

impl Message {
    /// Id, user, address and topic, as history keeps them.
    #[must_use]
    pub fn summary(&self) -> (Uuid, String, String, String) {
        (
            self.id,
            self.recipient.user.clone().unwrap_or_default(),
            self.recipient.address.clone(),
            self.topic.as_str().to_owned(),
        )
    }
}
