//! The bells: ticks that only say "look again". What they lead to is idempotent and bounded, and may come twice, late or never.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// One bell per kind of work. A bell that is rung while its work runs is heard once afterwards; more rings add nothing.
#[derive(Debug, Clone, Default)]
pub struct Bells {
    /// Alarms may be due.
    pub sweep: Arc<Notify>,
    /// Messages may be ready, or their leases may have ended.
    pub dispatch: Arc<Notify>,
    /// Old answers may be forgotten.
    pub tidy: Arc<Notify>,
}

/// Rings the bells from now on: sweep and dispatch every `tick`, tidy every hour. Dropping the scheduler ends it.
///
/// # Errors
/// When a job cannot be set up.
pub async fn ring(bells: &Bells, tick: Duration) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for (bell, every) in [(&bells.sweep, tick), (&bells.dispatch, tick), (&bells.tidy, Duration::from_hours(1))] {
        let bell = Arc::clone(bell);
        scheduler.add(Job::new_repeated(every, move |_, _| bell.notify_one())?).await?;
    }
    scheduler.start().await?;
    Ok(scheduler)
}
