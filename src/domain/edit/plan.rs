//! The plan of an edit: what it does to live orders, counted, with examples and a fingerprint.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::on_orders::waits_for;
use crate::domain::order::{Decision, Order};

/// Orders that a plan names one by one.
pub const EXAMPLES_MAX: usize = 50;
/// Bytes of the fingerprint.
const FINGERPRINT_BYTES: usize = 16;

/// What an edit does to one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// Its id.
    pub order: Uuid,
    /// Its number.
    pub number: String,
    /// Status before.
    pub from_status: String,
    /// Status after.
    pub to_status: String,
    /// Due date before.
    pub due_before: Option<NaiveDate>,
    /// Due date after.
    pub due_after: Option<NaiveDate>,
    /// It is closed.
    pub closes: bool,
    /// It was in time and is overdue.
    pub newly_overdue: bool,
    /// Who has it before.
    pub user_before: Option<String>,
    /// Who has it after.
    pub user_after: Option<String>,
}

/// What an edit does to live orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditPlan {
    /// Orders that go into another status.
    pub moved: usize,
    /// Open orders that are closed.
    pub closed: usize,
    /// Orders that will come back to another status.
    pub redirected: usize,
    /// Open orders whose due date changes.
    pub due_changed: usize,
    /// Of these, orders that are overdue by it.
    pub newly_overdue: usize,
    /// Open orders that get another user.
    pub reassigned: usize,
    /// The first of them.
    pub examples: Vec<PlannedChange>,
    /// Open orders that are planned anew in the background: of a preview how many there are.
    #[serde(default)]
    pub replanned: usize,
    /// Of these, orders that are in time again by it.
    #[serde(default)]
    pub in_time_again: usize,
    /// Id of the recomputation; 0 = none.
    #[serde(default)]
    pub replan: i64,
    /// What the caller should know.
    pub warnings: Vec<String>,
    /// Over the basis and every order that is touched, in hexadecimal digits.
    pub fingerprint: String,
}

/// Sums up what was decided. `basis` names what the edit starts from and comes to, for example a type at its version.
#[must_use]
pub fn plan<'a>(
    basis: &str,
    decided: impl Iterator<Item = (&'a Order, &'a Decision)>,
    warnings: Vec<String>,
    now: DateTime<Utc>,
) -> EditPlan {
    let mut plan = EditPlan { warnings, ..EditPlan::default() };
    let mut hash = Sha256::new();
    hash.update(basis.as_bytes());
    for (before, decision) in decided {
        let after = &decision.order;
        let change = planned(before, after, now);
        let open = before.closed_at.is_none();
        let moved = after.visit.sequence != before.visit.sequence;
        plan.moved += usize::from(moved);
        plan.closed += usize::from(change.closes);
        plan.redirected += usize::from(!moved && waits_for(before) != waits_for(after));
        plan.due_changed += usize::from(open && !change.closes && change.due_before != change.due_after);
        plan.newly_overdue += usize::from(change.newly_overdue);
        plan.reassigned += usize::from(open && change.user_before != change.user_after);
        hash.update(format!("\n{change:?} {:?}", waits_for(after)).as_bytes());
        if plan.examples.len() < EXAMPLES_MAX {
            plan.examples.push(change);
        }
    }
    for byte in hash.finalize().iter().take(FINGERPRINT_BYTES) {
        let _ = write!(plan.fingerprint, "{byte:02x}");
    }
    plan
}

impl EditPlan {
    /// Counts what a recomputation in the background does to an order, or would do.
    pub fn count_replanned(&mut self, before: &Order, after: Option<&Order>, now: DateTime<Utc>) {
        self.replanned += 1;
        let Some(after) = after else { return };
        let change = planned(before, after, now);
        self.due_changed += usize::from(change.due_before != change.due_after);
        self.newly_overdue += usize::from(change.newly_overdue);
        let in_time = !after.overdue(now) && after.visit.due.is_some();
        self.in_time_again += usize::from(before.overdue(now) && in_time);
        if self.examples.len() < EXAMPLES_MAX && before.visit.due != after.visit.due {
            self.examples.push(change);
        }
    }
}

fn planned(before: &Order, after: &Order, now: DateTime<Utc>) -> PlannedChange {
    PlannedChange {
        order: before.id,
        number: before.number.clone(),
        from_status: before.visit.status.clone(),
        to_status: after.visit.status.clone(),
        due_before: before.visit.due.map(|due| due.on),
        due_after: after.visit.due.map(|due| due.on),
        closes: before.closed_at.is_none() && after.closed_at.is_some(),
        newly_overdue: !before.overdue(now) && after.overdue(now),
        user_before: before.assigned_user.clone(),
        user_after: after.assigned_user.clone(),
    }
}
