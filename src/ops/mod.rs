//! The verbs: read the clock once, own the unit of work, load, decide, apply.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{
    domain::{ids::Ids, refusal::Refusal},
    store::{Store, StoreError},
};

mod bridge;
pub mod calls;
pub mod catalogue;
pub mod clock;
pub mod deliveries;
pub mod digest;
pub mod dispatch;
pub mod edit;
pub mod explain;
pub mod gather;
pub mod holidays;
mod made;
pub mod orders;
mod previews;
pub mod replan;
mod snapshot;
pub mod sweep;
pub mod tasks;
pub mod test_trigger;
pub mod unit;
pub mod webhooks;
pub mod write;

pub use clock::{Clock, DatabaseClock, FileClock};
pub use snapshot::Snapshot;

/// Why a verb did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The unit of work ended without an answer: a panic, or the daemon is stopping.
    #[error("the work was given up: {0}")]
    GivenUp(&'static str),
    /// As many previews of edits are under way as there may be, and none ended in time.
    #[error("other previews are under way")]
    Busy,
}

/// A caller's key for safe repetition: the id, and a hash over method and request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// 1 to 64 printable characters.
    pub id: String,
    /// SHA-256 over the name of the method and the request without its `request_id`.
    pub fingerprint: [u8; 32],
}

/// What the verbs need to know beside the request.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address that gets what nobody else can get.
    pub fallback: String,
    /// Requests that one transaction gathers, at most.
    pub gather_max: usize,
    /// Transactions that write at the same time.
    pub gather_lanes: usize,
    /// Orders that one batch of the sweep takes.
    pub sweep_batch: usize,
    /// What is found or leaves later than this was out; the first round after it is one digest per person.
    pub outage_after: TimeDelta,
    /// Messages for one address within `storm_window`; more are gathered.
    pub storm_messages: i64,
    /// See `storm_messages`.
    pub storm_window: TimeDelta,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fallback: "root@localhost".to_owned(),
            gather_max: 64,
            gather_lanes: 2,
            sweep_batch: 1_000,
            outage_after: TimeDelta::minutes(15),
            storm_messages: 20,
            storm_window: TimeDelta::minutes(10),
        }
    }
}

/// The parts that every verb works with.
#[derive(Debug)]
pub struct Plant {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The catalogue as last seen.
    pub snapshot: Snapshot,
    /// Limits and addresses.
    pub settings: Settings,
    ids: Mutex<Ids>,
    bridge: bridge::Bridge,
    made: made::Made,
    previews: previews::Previews,
}

impl Plant {
    /// Puts the parts together. `seed` decides all ids and jitter.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, settings: Settings, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            snapshot: Snapshot::default(),
            settings,
            ids: Mutex::new(Ids::seeded(seed)),
            bridge: bridge::Bridge::default(),
            made: made::Made::default(),
            previews: previews::Previews::default(),
        })
    }

    /// A maker of ids with a stream of its own.
    #[must_use]
    pub fn fork_ids(&self) -> Ids {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        Ids::seeded(ids.seed())
    }

    /// One id.
    #[must_use]
    pub fn next_id(&self, now: DateTime<Utc>) -> Uuid {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).next(now)
    }
}

/// A place at which a test kills the process: the one that `ANDON_KILL_POINT` names. Nothing anywhere else.
pub(crate) fn kill_point(name: &str) {
    static WANTED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let wanted = WANTED.get_or_init(|| std::env::var("ANDON_KILL_POINT").ok());
    if wanted.as_deref() == Some(name) {
        std::process::abort();
    }
}
