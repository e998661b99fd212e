//! Refusals: why a change is not made, as data that the doors turn into codes and reasons.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::violation::Violation;

/// What kind of thing is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// An order.
    Order,
    /// An order type.
    OrderType,
    /// A status of an order type.
    Status,
    /// A calendar.
    Calendar,
    /// A user.
    User,
    /// A department.
    Department,
    /// A note.
    Note,
    /// A message.
    Delivery,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "order",
            Self::OrderType => "order type",
            Self::Status => "status",
            Self::Calendar => "calendar",
            Self::User => "user",
            Self::Department => "department",
            Self::Note => "note",
            Self::Delivery => "delivery",
        })
    }
}

/// Why a change is not made. Texts are for people: what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Fields are wrong.
    #[error("{} wrong: {}", plural(.0.len(), "field is", "fields are"), list(.0))]
    Invalid(Vec<Violation>),
    /// What is named does not exist.
    #[error("there is no {kind} '{id}'")]
    NotFound {
        /// What kind of thing.
        kind: Kind,
        /// As it was named.
        id: String,
    },
    /// The number or id is taken.
    #[error("there is already a {kind} '{id}'")]
    AlreadyExists {
        /// What kind of thing.
        kind: Kind,
        /// As it was named.
        id: String,
    },
    /// The caller decided on an older version.
    #[error("the {kind} was changed by somebody else; read it again (its etag is now {current_etag})")]
    EtagMismatch {
        /// What kind of thing.
        kind: Kind,
        /// The etag now.
        current_etag: String,
    },
    /// The request id stands for another request.
    #[error("request id '{0}' was used for another request; take a new one")]
    RequestIdReused(String),
    /// The order is closed.
    #[error("the order is closed (status '{status}'); set reopen to take it up again")]
    OrderClosed {
        /// Its status.
        status: String,
    },
    /// `reopen` was set on an open order.
    #[error("reopen was set, but the order is open (status '{status}')")]
    NotClosed {
        /// Its status.
        status: String,
    },
    /// The target is the current status.
    #[error("the order is in status '{status}' already")]
    SameStatus {
        /// The status.
        status: String,
    },
    /// There is no next status.
    #[error("there is no next status after '{status}'; name a target status")]
    NoNextStatus {
        /// The status.
        status: String,
    },
    /// What is named cannot be chosen any more.
    #[error("the {kind} '{id}' is inactive")]
    Inactive {
        /// What kind of thing.
        kind: Kind,
        /// As it was named.
        id: String,
    },
    /// What should be removed is in use.
    #[error("the {kind} '{id}' is or was used by {count} orders; set it inactive instead")]
    InUse {
        /// What kind of thing.
        kind: Kind,
        /// As it was named.
        id: String,
        /// How many orders.
        count: i64,
    },
    /// The cycle would lose its shape.
    #[error("{0}")]
    CycleBroken(String),
    /// Orders of a bulk call are of several types.
    #[error("the order is of type '{found}', others of this call are of type '{expected}'; a bulk call takes one type")]
    MixedTypes {
        /// The type of the first order.
        expected: String,
        /// The type of this order.
        found: String,
    },
    /// The completed date is before the entry, or in the future.
    #[error("the completed date {given} must lie from {first} (entry of the visit) to {last} (today)")]
    CompletedDateOutOfRange {
        /// As given.
        given: chrono::NaiveDate,
        /// Earliest allowed, inclusive.
        first: chrono::NaiveDate,
        /// Latest allowed, inclusive.
        last: chrono::NaiveDate,
    },
    /// The due date cannot be computed.
    #[error("{0}")]
    BeyondHorizon(String),
    /// The message cannot be retried.
    #[error("the message is {state}; only FAILED ones, and those that wait for an attempt, can be retried")]
    NotRetryable {
        /// Its state.
        state: String,
    },
    /// Another item of an atomic call was refused.
    #[error("nothing was changed, since item {index} was refused")]
    BatchRefused {
        /// The first item that was refused, from 0.
        index: usize,
    },
    /// An order with this number exists and has another past.
    #[error("order '{number}' exists, and differs from the one that was sent")]
    ImportDiffers {
        /// Its number.
        number: String,
    },
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn list(violations: &[Violation]) -> String {
    let mut text = String::new();
    for (index, violation) in violations.iter().take(20).enumerate() {
        if index > 0 {
            text.push_str("; ");
        }
        text.push_str(&violation.to_string());
    }
    if violations.len() > 20 {
        text.push_str("; ...");
    }
    text
}
