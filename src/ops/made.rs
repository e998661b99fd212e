//! Which states of orders this daemon made itself, and since when they are done: whoever calls later may have seen them.
//!
//! The database's clock cannot tell that exactly, since how long its answers travel is not known. Here no clock is asked: a
//! state that this process finished writing before a call arrived did not come in between. What is forgotten, or was made by
//! another daemon, is left to the comparison of clocks.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use uuid::Uuid;

/// Orders that are remembered; when they are more, all are forgotten.
const KEPT_MAX: usize = 65_536;

/// The newest state of each order that this daemon made: its revision, and when the write was done.
#[derive(Debug, Default)]
pub(super) struct Made {
    kept: Mutex<HashMap<Uuid, (i64, Instant)>>,
}

impl Made {
    /// Takes note that the orders have these revisions, and that the write is done.
    pub(super) fn note(&self, orders: impl IntoIterator<Item = (Uuid, i64)>, done: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.extend(orders.into_iter().map(|(id, revision)| (id, (revision, done))));
    }

    /// Whether this daemon made this revision of the order, and had done so when the call arrived.
    pub(super) fn before(&self, id: Uuid, revision: i64, arrived: Instant) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&id).is_some_and(|(made, done)| *made == revision && *done <= arrived)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_the_very_state_that_was_done_before_the_call_is_known() {
        let made = Made::default();
        let (order, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let done = Instant::now();
        made.note([(order, 3)], done);
        assert!(made.before(order, 3, done));
        assert!(made.before(order, 3, done + Duration::from_secs(9)));
        assert!(!made.before(order, 4, done), "another daemon went on from it");
        assert!(!made.before(other, 3, done));
        let later = done + Duration::from_millis(1);
        made.note([(order, 4)], later);
        assert!(!made.before(order, 4, done), "the call was on its way already");
        assert!(!made.before(order, 3, later), "it is not the present state");
    }
}
