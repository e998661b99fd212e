//! The bells: ticks that only say "look again". What they lead to is idempotent and bounded, and may come twice, late or never.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// One bell per kind of work. A bell that is rung while its work runs is heard once afterwards; more rings add nothing.
#[derive(Debug, Clone, Default)]
pub struct Bells {
    /// Alarms may be due.
    pub sweep: Arc<Notify>,
    /// Digests may be due.
    pub digest: Arc<Notify>,
    /// Messages may be ready, or their leases may have ended.
    pub dispatch: Arc<Notify>,
    /// Webhooks may have to be called.
    pub call: Arc<Notify>,
    /// Open orders may have to be planned anew.
    pub replan: Arc<Notify>,
    /// Old answers may be forgotten.
    pub tidy: Arc<Notify>,
}

impl Bells {
    /// Wakes every lane that waits; a ring that comes while lanes are at work is heard by one of them afterwards. Who hears it
    /// does not ring again: lanes that wake each other would never rest.
    pub fn ring_dispatch(&self) {
        self.dispatch.notify_waiters();
        self.dispatch.notify_one();
        self.call.notify_one();
    }
}

/// Rings the bells from now on: sweep, digest, replan and dispatch every `tick`, tidy every hour. Dropping the scheduler ends it.
///
/// # Errors
/// When a job cannot be set up.
pub async fn ring(bells: &Bells, tick: Duration) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for (bell, every) in
        [(&bells.sweep, tick), (&bells.digest, tick), (&bells.replan, tick), (&bells.tidy, Duration::from_hours(1))]
    {
        let bell = Arc::clone(bell);
        scheduler.add(Job::new_repeated(every, move |_, _| bell.notify_one())?).await?;
    }
    let all = bells.clone();
    scheduler.add(Job::new_repeated(tick, move |_, _| all.ring_dispatch())?).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    #[test]
    fn every_lane_hears_one_ring_and_one_of_them_hears_it_afterwards() {
        let bells = Bells::default();
        let mut cx = Context::from_waker(Waker::noop());
        let (mut first, mut second) = (pin!(bells.dispatch.notified()), pin!(bells.dispatch.notified()));
        assert!(first.as_mut().poll(&mut cx).is_pending() && second.as_mut().poll(&mut cx).is_pending());
        bells.ring_dispatch();
        assert!(first.as_mut().poll(&mut cx).is_ready() && second.as_mut().poll(&mut cx).is_ready());
        let (mut first, mut second) = (pin!(bells.dispatch.notified()), pin!(bells.dispatch.notified()));
        assert!(first.as_mut().poll(&mut cx).is_ready());
        assert!(second.as_mut().poll(&mut cx).is_pending());
    }
}
