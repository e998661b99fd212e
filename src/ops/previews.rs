//! Previews that look at every open order: a few at a time, and only as long as somebody waits for the answer.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Failure;

/// Such previews at the same time. Each takes a connection to the database and a core for as long as it looks.
const AT_ONCE: usize = 2;
/// How long another one waits for its turn.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The turns of a plant.
#[derive(Debug)]
pub struct Previews(Arc<Semaphore>);

impl Default for Previews {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// Kept by whoever waits for an answer.
#[derive(Debug)]
pub struct Waiting(#[expect(dead_code, reason = "it is there to be dropped")] oneshot::Sender<()>);

/// One preview at work: its turn, once it has one, and whether somebody still waits for it.
#[derive(Debug)]
pub struct Look {
    gone: oneshot::Receiver<()>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Look {
    /// Not yet begun.
    pub fn new() -> (Waiting, Self) {
        let (waiting, gone) = oneshot::channel();
        (Waiting(waiting), Self { gone, turn: None })
    }

    /// Whether it has its turn.
    pub fn has_turn(&self) -> bool {
        self.turn.is_some()
    }

    /// Takes a turn that is free.
    ///
    /// # Errors
    /// `Busy`.
    pub fn begin(&mut self, previews: &Previews) -> Result<(), Failure> {
        if self.turn.is_none() {
            self.turn = Some(Arc::clone(&previews.0).try_acquire_owned().map_err(|_| Failure::Busy)?);
        }
        Ok(())
    }

    /// Waits for a turn, holding nothing meanwhile; who came first is first.
    ///
    /// # Errors
    /// `Busy` when none became free in time, `GivenUp` when nobody waits for the answer any more.
    pub async fn wait(&mut self, previews: &Previews) -> Result<(), Failure> {
        tokio::select! {
            turn = tokio::time::timeout(WAIT_MAX, Arc::clone(&previews.0).acquire_owned()) => {
                self.turn = Some(turn.map_err(|_| Failure::Busy)?.map_err(|_| Failure::Busy)?);
                Ok(())
            }
            _ = &mut self.gone => Err(NOBODY_WAITS),
        }
    }

    /// To be asked between two portions of work.
    ///
    /// # Errors
    /// `GivenUp` when nobody waits for the answer any more: the caller has gone, or its deadline has passed.
    pub fn go_on(&mut self) -> Result<(), Failure> {
        match self.gone.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => Ok(()),
            Ok(()) | Err(oneshot::error::TryRecvError::Closed) => Err(NOBODY_WAITS),
        }
    }
}

const NOBODY_WAITS: Failure = Failure::GivenUp("nobody waits for the preview any more");

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(previews: &Previews) -> (Waiting, Look) {
        let (waiting, mut look) = Look::new();
        look.begin(previews).expect("a turn is free");
        (waiting, look)
    }

    #[tokio::test]
    async fn one_more_than_fits_waits_until_one_ends() {
        let previews = Previews::default();
        let mut at_work: Vec<_> = (0..AT_ONCE).map(|_| begun(&previews)).collect();
        let (_waiting, mut next) = Look::new();
        assert!(matches!(next.begin(&previews), Err(Failure::Busy)) && !next.has_turn());
        let (waited, ()) = tokio::join!(next.wait(&previews), async {
            tokio::task::yield_now().await;
            at_work.pop();
        });
        waited.expect("its turn has come");
        assert!(next.has_turn());
        // It has it already.
        next.begin(&previews).expect("its own");
    }

    #[tokio::test]
    async fn who_is_not_waited_for_ends_and_leaves_its_turn() {
        let previews = Previews::default();
        let mut at_work: Vec<_> = (0..AT_ONCE).map(|_| begun(&previews)).collect();
        let (waiting, mut next) = Look::new();
        next.go_on().expect("somebody waits");
        drop(waiting);
        assert!(matches!(next.wait(&previews).await, Err(Failure::GivenUp(_))));
        let (waiting, mut look) = at_work.pop().expect("one is at work");
        look.go_on().expect("somebody waits");
        drop(waiting);
        assert!(matches!(look.go_on(), Err(Failure::GivenUp(_))));
        drop(look);
        begun(&previews);
    }
}
