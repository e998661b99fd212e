//! Gathers calls that arrive at the same time into one transaction; each caller gets its own answer.
//!
//! A call is put into a bounded queue. A few lanes take from it: the first that is free takes what is there, up to a limit,
//! and carries it out in a task of its own, so that a caller who goes away never leaves a half-done unit. A lone call finds a
//! free lane and waits for nothing. When the gatherer is closed, what is queued is still carried out.

use std::{fmt, pin::Pin, sync::Arc};

use super::{
    Failure, Plant,
    unit::{Answer, Unit},
    write,
};
use tokio::sync::{Mutex, mpsc, oneshot};

/// Calls that may wait at once; one more is refused.
pub const QUEUE_MAX: usize = 4_096;

struct Queued {
    unit: Unit,
    answer: oneshot::Sender<Answer>,
}

impl fmt::Debug for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queued").field("changes", &self.unit.changes.len()).finish_non_exhaustive()
    }
}

/// A lane at work.
pub type Lane = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where calls that change orders hand in their unit.
#[derive(Debug, Clone)]
pub struct Gatherer {
    queue: mpsc::Sender<Queued>,
}

/// Why a unit was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// The queue is full.
    Full,
    /// The daemon is stopping.
    Closed,
}

impl Gatherer {
    /// Starts the lanes, with `spawn`; they end when every `Gatherer` is dropped and the queue is empty.
    #[must_use]
    pub fn start(plant: &Arc<Plant>, mut spawn: impl FnMut(Lane)) -> Self {
        let (queue, taken) = mpsc::channel(QUEUE_MAX);
        let taken = Arc::new(Mutex::new(taken));
        for _ in 0..plant.settings.gather_lanes.max(1) {
            spawn(Box::pin(lane(Arc::clone(plant), Arc::clone(&taken))));
        }
        Self { queue }
    }

    /// Hands in a unit and waits for its answer. The unit is carried out even when the caller stops waiting.
    ///
    /// # Errors
    /// `NotTaken` when it was not taken; then nothing happens.
    pub async fn carry_out(&self, unit: Unit) -> Result<Answer, NotTaken> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Queued { unit, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotTaken::Full,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Closed,
        })?;
        Ok(answered.await.unwrap_or(Err(Failure::GivenUp("the unit ended without an answer"))))
    }
}

async fn lane(plant: Arc<Plant>, queue: Arc<Mutex<mpsc::Receiver<Queued>>>) {
    let ids = Arc::new(Mutex::new(plant.fork_ids()));
    loop {
        let batch = take(&mut *queue.lock().await, plant.settings.gather_max.max(1)).await;
        if batch.is_empty() {
            return;
        }
        let (plant, ids) = (Arc::clone(&plant), Arc::clone(&ids));
        // A task of its own: a panic ends the batch, whose callers learn it, and not the lane.
        let work = tokio::spawn(async move {
            let (units, answers): (Vec<Unit>, Vec<_>) =
                batch.into_iter().map(|queued| (queued.unit, queued.answer)).unzip();
            let outcomes = write::run(&plant, &units, &mut *ids.lock().await).await;
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                // The caller may have gone; what it asked for is done all the same.
                let _ = answer.send(outcome);
            }
        });
        if let Err(error) = work.await {
            tracing::error!(%error, "a batch of changes ended without an answer");
        }
    }
}

/// Waits for one, then takes what is there, up to `max` changes. Empty when the queue is closed.
async fn take(queue: &mut mpsc::Receiver<Queued>, max: usize) -> Vec<Queued> {
    let Some(first) = queue.recv().await else { return Vec::new() };
    let mut changes = first.unit.changes.len();
    let mut batch = vec![first];
    while changes < max {
        let Ok(next) = queue.try_recv() else { break };
        changes += next.unit.changes.len();
        batch.push(next);
    }
    batch
}
