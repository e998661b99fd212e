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
    /// The list of stages.
    Stage,
    /// How the company plans due dates.
    Schedule,
    /// A recomputation.
    Replan,
    /// A note.
    Note,
    /// A message.
    Delivery,
    /// A trigger.
    Trigger,
    /// A webhook.
    Webhook,
    /// A task.
    Task,
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
            Self::Stage => "list of stages",
            Self::Schedule => "schedule of the company",
            Self::Replan => "recomputation",
            Self::Note => "note",
            Self::Delivery => "delivery",
            Self::Trigger => "trigger",
            Self::Webhook => "webhook",
            Self::Task => "task",
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
    #[error("the {kind} '{id}' is used by {}; name a replacement, or set it inactive", plural_orders(*count))]
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
    /// The type does not list the move, or not for this user.
    #[error("{}", move_text(from, to, allowed, roles))]
    MoveNotAllowed {
        /// Status of the order.
        from: String,
        /// Status it should go to.
        to: String,
        /// Statuses it may go to.
        allowed: Vec<String>,
        /// Roles that may make the move; none = nobody.
        roles: Vec<String>,
    },
    /// The order is of that type already.
    #[error("the order is of type '{order_type}' already")]
    SameType {
        /// The type.
        order_type: String,
    },
    /// The mapping leaves out the status of the order.
    #[error("the new type has no status '{status}'; map it to one that it has")]
    StatusNotMapped {
        /// Status of the order.
        status: String,
    },
    /// An open order would be closed, or a closed one opened.
    #[error(
        "an open order cannot go over into status '{status}' if that closes orders, nor a closed one if it does not"
    )]
    ClosesOrder {
        /// The status.
        status: String,
    },
    /// The edit is not the one that was shown.
    #[error("the edit would now do something else than what was shown; look at its plan again")]
    PlanChanged {
        /// Of the plan now.
        fingerprint: String,
    },
    /// The edit touches too many orders.
    #[error(
        "the edit would touch more than {limit} orders; set the status inactive instead, or move some of them first"
    )]
    TooManyOrders {
        /// At most.
        limit: usize,
    },
    /// The order has too many open questions.
    #[error("the order has {limit} open questions already; answer some of them first")]
    TooManyQuestions {
        /// At most.
        limit: usize,
    },
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
    /// The order is planned from its delivery date, and has none.
    #[error("the order is planned back from its delivery date; give it one, or another schedule method")]
    DeliveryDateRequired,
    /// The due date cannot be computed.
    #[error("{0}")]
    BeyondHorizon(String),
    /// The message cannot be retried.
    #[error("the message is {state}; only FAILED ones, and those that wait for an attempt, can be retried")]
    NotRetryable {
        /// Its state.
        state: String,
    },
    /// The message cannot be taken back.
    #[error("the message is {state}; only READY, GATHERED and UNCERTAIN ones can be taken back")]
    NotCancellable {
        /// Its state.
        state: String,
    },
    /// The task is done or cancelled.
    #[error("the task is {} already (by {by}); reopen it first", state.to_lowercase())]
    TaskClosed {
        /// Its state.
        state: String,
        /// Who closed it.
        by: String,
    },
    /// The task is open.
    #[error("the task is open; there is nothing to reopen")]
    TaskOpen,
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

fn plural_orders(count: i64) -> String {
    plural(usize::try_from(count).unwrap_or(usize::MAX), "order", "orders")
}

fn move_text(from: &str, to: &str, allowed: &[String], roles: &[String]) -> String {
    let who = match roles {
        [] => String::new(),
        roles => format!(" except by a user with one of the roles {}", roles.join(", ")),
    };
    let instead = match allowed {
        [] => "no move is allowed from here".to_owned(),
        allowed => format!("allowed from here: {}", allowed.join(", ")),
    };
    format!("the move from '{from}' to '{to}' is not allowed{who}; {instead}")
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
