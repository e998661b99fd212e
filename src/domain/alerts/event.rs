//! Occurrences: what happened to an order, as a trigger tells it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{
    message::{NoteFacts, Topic},
    trigger::Event,
};
use crate::domain::{order::DueCause, projection::Health};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Occurrence {
    /// The order was created.
    OrderCreated {
        /// By whom.
        by: String,
    },
    /// It entered a status.
    StatusEntered {
        /// Name of the status before; empty when it was created.
        from: String,
        /// By whom.
        by: String,
    },
    /// It left a status.
    StatusLeft {
        /// Name of the status that it left.
        from: String,
        /// By whom.
        by: String,
    },
    /// The n-th business day before the due date has begun.
    DueSoon {
        /// Business days.
        days: u32,
    },
    /// Its visit is overdue.
    StatusOverdue,
    /// The n-th business day after the due date has ended, and nobody has acknowledged it.
    Escalation {
        /// Business days after the due date.
        days: u32,
        /// From 1.
        step: u32,
    },
    /// The n-th business day without a change or a note has ended.
    Stale {
        /// Business days.
        days: u32,
        /// When anything last happened.
        since: DateTime<Utc>,
    },
    /// A note was added.
    NoteAdded {
        /// The note.
        note: NoteFacts,
    },
    /// Its health is another.
    HealthChanged {
        /// What it was; `None` = not known.
        before: Option<Health>,
        /// What it is.
        after: Option<Health>,
    },
    /// It is due on another day.
    DueDateChanged {
        /// The last day in time before.
        before: Option<NaiveDate>,
        /// The last day in time now.
        after: Option<NaiveDate>,
        /// Why; `None` when another change brought it along.
        cause: Option<DueCause>,
        /// By whom.
        by: String,
    },
    /// It was closed.
    OrderClosed {
        /// By whom.
        by: String,
    },
}

impl Occurrence {
    /// The event that it is one of.
    #[must_use]
    pub fn event(&self) -> Event {
        match self {
            Self::OrderCreated { .. } => Event::OrderCreated,
            Self::StatusEntered { .. } => Event::StatusEntered,
            Self::StatusLeft { .. } => Event::StatusLeft,
            Self::DueSoon { .. } => Event::DueSoon,
            Self::StatusOverdue => Event::StatusOverdue,
            Self::Escalation { .. } => Event::Escalation,
            Self::Stale { .. } => Event::Stale,
            Self::NoteAdded { .. } => Event::NoteAdded,
            Self::HealthChanged { .. } => Event::HealthChanged,
            Self::DueDateChanged { .. } => Event::DueDateChanged,
            Self::OrderClosed { .. } => Event::OrderClosed,
        }
    }

    /// What a message about it is about.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::OrderCreated { .. } => Topic::OrderCreated,
            Self::StatusEntered { .. } => Topic::StatusEntered,
            Self::StatusLeft { .. } => Topic::StatusLeft,
            Self::DueSoon { .. } => Topic::DueSoon,
            Self::StatusOverdue => Topic::Overdue,
            Self::Escalation { .. } => Topic::Escalation,
            Self::Stale { .. } => Topic::Stale,
            Self::NoteAdded { .. } => Topic::Note,
            Self::HealthChanged { .. } => Topic::HealthChanged,
            Self::DueDateChanged { .. } => Topic::DueDateChanged,
            Self::OrderClosed { .. } => Topic::OrderClosed,
        }
    }

    /// Who brought it about: a user or another principal; empty when time did.
    #[must_use]
    pub fn by(&self) -> &str {
        match self {
            Self::OrderCreated { by }
            | Self::StatusEntered { by, .. }
            | Self::StatusLeft { by, .. }
            | Self::DueDateChanged { by, .. }
            | Self::OrderClosed { by } => by,
            Self::NoteAdded { note } => &note.author,
            Self::DueSoon { .. }
            | Self::StatusOverdue
            | Self::Escalation { .. }
            | Self::Stale { .. }
            | Self::HealthChanged { .. } => "",
        }
    }
}
