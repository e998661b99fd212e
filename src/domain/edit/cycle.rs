//! What an edit of a cycle does: which statuses go, where their orders go, and whether open orders are planned anew.

use std::collections::{BTreeMap, BTreeSet};

use super::{faults::Faults, invalid};
use crate::domain::{
    catalogue::{OrderType, Status},
    refusal::{Kind, Refusal},
};

/// A cycle before and after an edit.
#[derive(Debug, Clone)]
pub struct CycleEffect {
    /// The type before.
    pub before: OrderType,
    /// The type after.
    pub after: OrderType,
    /// From the id of a status that goes to the id of the one that gets its orders.
    pub replacements: BTreeMap<String, String>,
    /// Whether the due dates of open orders are planned anew.
    pub replan: bool,
}

impl CycleEffect {
    /// Checks the replacements: each stands for a status that goes, and is active, of the same type, a step of the cycle if that
    /// one is, and closes orders if and only if that one does. Finds `Invalid` (a replacement for a status that stays),
    /// `NotFound`, `Inactive`, `CycleBroken`.
    pub(super) fn check(&self, field: &str, faults: &mut Faults) {
        for (from, to) in &self.replacements {
            faults.add(self.check_replacement(field, from, to));
        }
    }

    fn check_replacement(&self, field: &str, from: &str, to: &str) -> Result<(), Refusal> {
        let gone = self.before.status(from).ok_or_else(|| missing(from))?;
        if self.after.status(from).is_some() {
            let text = if from == to { "a status cannot replace itself" } else { "the status stays in the cycle" };
            return Err(invalid(field, format!("'{from}': {text}")));
        }
        let taker = self.after.status(to).ok_or_else(|| missing(to))?;
        if taker.inactive {
            return Err(Refusal::Inactive { kind: Kind::Status, id: to.to_owned() });
        }
        let broken = |text: String| Err(Refusal::CycleBroken(text));
        match (gone.closes(), taker.closes()) {
            (true, false) => return broken(format!("'{from}' closes orders, '{to}' would open them again")),
            (false, true) => return broken(format!("'{to}' would close the open orders of '{from}'")),
            _ => {}
        }
        if gone.in_cycle() && !taker.in_cycle() {
            return broken(format!("'{from}' is a step of the cycle, '{to}' stands beside it"));
        }
        Ok(())
    }

    /// Ids of the statuses in which orders are looked at: those that go, and those that close orders or stand in the cycle from
    /// now on and did not, or the other way round.
    #[must_use]
    pub fn touched(&self) -> Vec<String> {
        let differs = |status: &&Status| {
            self.after
                .status(&status.id)
                .is_none_or(|after| after.closes() != status.closes() || after.in_cycle() != status.in_cycle())
        };
        let ids: BTreeSet<_> = self.before.statuses.iter().filter(differs).map(|status| status.id.clone()).collect();
        ids.into_iter().collect()
    }

    /// Ids of the statuses in which an order may be that this edit touches: those touched themselves, and all in which open
    /// orders are, since an order may wait to come back to one of them from anywhere.
    #[must_use]
    pub fn looked_at(&self) -> Vec<String> {
        let touched = self.touched();
        let looked_at = |status: &&Status| !status.closes() || touched.contains(&status.id);
        self.before.statuses.iter().filter(looked_at).map(|status| status.id.clone()).collect()
    }

    /// Whether no order can be touched.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        !self.replan && self.touched().is_empty()
    }

    /// The status that an order in, or waiting for, this one goes to: another one, if this one goes and is replaced.
    #[must_use]
    pub fn replaced<'a>(&'a self, status: &'a str) -> &'a str {
        self.replacements.get(status).map_or(status, String::as_str)
    }

    /// Whether an order in this status, or waiting to come back to it, keeps the edit from being made: the status goes without a
    /// replacement, or what it is in the cycle cannot change under an order.
    #[must_use]
    pub fn blocked_by(&self, status: &str, closed: bool) -> bool {
        let Some(before) = self.before.status(status) else { return false };
        match self.after.status(status) {
            None => !self.replacements.contains_key(status),
            Some(after) => (before.closes() && !after.closes()) || (!closed && before.in_cycle() != after.in_cycle()),
        }
    }
}

fn missing(id: &str) -> Refusal {
    Refusal::NotFound { kind: Kind::Status, id: id.to_owned() }
}
