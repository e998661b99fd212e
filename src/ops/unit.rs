//! What a call asks for, as a unit of changes, and what came of each.

use std::{sync::Arc, time::Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Failure, RequestKey};
use crate::{
    domain::{
        acknowledge::{Acknowledge, Follow},
        advance::Advance,
        change_type::ChangeType,
        create::NewOrder,
        import::ImportedOrder,
        note::AddNote,
        order::{Effects, Order},
        refusal::Refusal,
        set_due_date::SetDueDate,
        update::UpdateOrder,
    },
    store::facts::OrderRef,
};

/// One change that is asked for.
#[derive(Debug, Clone)]
pub enum Change {
    /// A new order.
    Create {
        /// Its fields.
        order: Box<NewOrder>,
        /// User on whose behalf, or empty.
        on_behalf_of: String,
    },
    /// A move.
    Advance {
        /// Which order.
        order: OrderRef,
        /// Where to.
        advance: Arc<Advance>,
        /// As the caller saw it.
        etag: Option<String>,
    },
    /// A note.
    Note {
        /// Which order.
        order: OrderRef,
        /// The note.
        note: Box<AddNote>,
    },
    /// A due date.
    SetDueDate {
        /// Which order.
        order: OrderRef,
        /// The date.
        due: Box<SetDueDate>,
    },
    /// Fields.
    Update {
        /// Which order.
        order: OrderRef,
        /// The fields.
        update: Box<UpdateOrder>,
    },
    /// That somebody has seen that it is late.
    Acknowledge {
        /// Which order.
        order: OrderRef,
        /// What is said.
        acknowledge: Box<Acknowledge>,
    },
    /// Who follows it.
    Follow {
        /// Which order.
        order: OrderRef,
        /// Who.
        follow: Box<Follow>,
    },
    /// Another type.
    ChangeType {
        /// Which order.
        order: OrderRef,
        /// The type.
        change: Arc<ChangeType>,
    },
    /// An order with its past.
    Import(Box<ImportedOrder>),
}

impl Change {
    /// The order that is changed; `None` for one that is made.
    pub(super) fn order(&self) -> Option<&OrderRef> {
        match self {
            Self::Advance { order, .. }
            | Self::Note { order, .. }
            | Self::SetDueDate { order, .. }
            | Self::Update { order, .. }
            | Self::Acknowledge { order, .. }
            | Self::Follow { order, .. }
            | Self::ChangeType { order, .. } => Some(order),
            Self::Create { .. } | Self::Import(_) => None,
        }
    }

    /// The number of the order that is made; `None` for one that is changed.
    pub(super) fn number(&self) -> Option<&str> {
        match self {
            Self::Create { order, .. } => Some(&order.number),
            Self::Import(order) => Some(&order.order.number),
            _ => None,
        }
    }
}

/// How a unit treats refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Each change on its own.
    Each,
    /// All or none.
    Atomic,
}

/// What one call asks for: one change, or many with one key.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The changes.
    pub changes: Vec<Change>,
    /// How refusals are treated.
    pub mode: Mode,
    /// Orders must be of one type.
    pub one_type: bool,
    /// For safe repetition.
    pub key: Option<RequestKey>,
    /// Decide and answer, change nothing.
    pub validate_only: bool,
    /// Principal.
    pub actor: String,
    /// When the call arrived.
    pub arrived: Instant,
    /// What led to the call, as it says itself: a trigger that has acted for it does not act again. Empty = nothing.
    pub cause: String,
}

/// What one change did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was made, or would be.
    Done {
        /// The order after it.
        order: Box<Order>,
        /// What it did.
        effects: Box<Effects>,
    },
    /// The same order was imported before.
    Unchanged,
    /// The order was named before in the same call.
    Repeated,
    /// It was refused.
    Refused(Refusal),
}

/// What came of a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// One per change.
    pub outcomes: Vec<Outcome>,
    /// The one reading of the clock by which it was decided; of a repeated call, that of the first.
    pub at: DateTime<Utc>,
}

/// The answer to a unit.
pub type Answer = Result<Answered, Failure>;
