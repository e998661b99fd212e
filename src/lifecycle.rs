//! Starts, watches and stops the daemon the way its service manager expects.
//!
//! Running, then told to stop (SIGTERM or SIGINT), then drained, then gone: what runs gets the drain limit to finish; at
//! the limit, or at a second signal, the process ends all the same. SIGHUP is answered and changes nothing.

use std::{
    future::Future,
    io,
    process::ExitCode,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Tells every part of the daemon to stop, and knows which of them still run.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tracker: TaskTracker,
}

impl Shutdown {
    /// A daemon that has not been told to stop.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells everything to stop. A second time changes nothing.
    pub fn begin(&self) {
        self.token.cancel();
        self.tracker.close();
    }

    /// Whether the daemon was told to stop.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Ends when the daemon is told to stop.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// Cancelled when the daemon is told to stop, for what wants a token.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs `task` in the background; the drain waits for it.
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// Ends when the daemon was told to stop and nothing spawned here runs any more.
    pub async fn finished(&self) {
        self.tracker.wait().await;
    }

    /// How many tasks still run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.tracker.len()
    }
}

/// How the daemon ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Drained,
    LimitReached { running: usize },
    SecondSignal,
}

/// Runs `serve` until it ends or a signal comes, then drains for at most `drain_limit`.
///
/// Success, also when the limit was reached: the manager asked for the stop, and what was cut off is taken up again by
/// the next daemon. Failure when `serve` ended with an error, or when a second signal cut the drain short. The caller must
/// end the process with what this returns, without waiting for tasks that are left.
///
/// # Errors
/// The handlers for the signals cannot be installed.
pub async fn run<F, E>(shutdown: Shutdown, drain_limit: Duration, serve: F) -> io::Result<ExitCode>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    spawn_hangup(&shutdown)?;
    let mut serving = shutdown.spawn(serve);
    let ended = tokio::select! {
        ended = &mut serving => Some(ended),
        name = either(&mut terminate, &mut interrupt) => {
            tracing::info!(signal = name, limit_s = drain_limit.as_secs(), "told to stop, draining");
            None
        }
    };
    tell(&[NotifyState::Stopping, NotifyState::Status("draining")]);
    shutdown.begin();
    let started_at = Instant::now();
    let rest = async {
        let ended = match ended {
            Some(ended) => ended,
            None => serving.await,
        };
        shutdown.finished().await;
        ended
    };
    let mut failed = false;
    let end = tokio::select! {
        drained = timeout(drain_limit, rest) => match drained {
            Ok(Ok(Ok(()))) => End::Drained,
            Ok(Ok(Err(error))) => {
                tracing::error!(%error, "the daemon failed");
                failed = true;
                End::Drained
            }
            Ok(Err(panic)) => {
                tracing::error!(error = %panic, "the daemon failed");
                failed = true;
                End::Drained
            }
            Err(_) => End::LimitReached { running: shutdown.running() },
        },
        _ = either(&mut terminate, &mut interrupt) => End::SecondSignal,
    };
    let took_ms = u64::try_from(started_at.elapsed().as_millis()).unwrap_or(u64::MAX);
    match end {
        End::Drained => tracing::info!(took_ms, "stopped"),
        End::LimitReached { running } => tracing::warn!(took_ms, running, "stopped at the drain limit"),
        End::SecondSignal => {
            tracing::warn!(took_ms, running = shutdown.running(), "stopped at once by a second signal");
        }
    }
    Ok(if failed || end == End::SecondSignal { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// Without a handler SIGHUP would end the process.
fn spawn_hangup(shutdown: &Shutdown) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let begun = shutdown.token();
    shutdown.spawn(async move {
        loop {
            tokio::select! {
                () = begun.cancelled() => return,
                received = hangup.recv() => match received {
                    Some(()) => tracing::info!("SIGHUP: the configuration is read at the start only, nothing changes"),
                    None => return,
                },
            }
        }
    });
    Ok(())
}

/// Tells the service manager that calls are taken.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells the service manager in a few words what the daemon does.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// Keeps the service manager's watchdog content as long as the runtime turns and `probe` comes back.
///
/// The probe asks the database. That it is away is no reason to be restarted: the daemon waits for it, and its status
/// says so. A probe that neither succeeds nor fails within half the watchdog's time means that something hangs, and the
/// manager is left to notice. Without a watchdog nothing is started.
pub fn spawn_watchdog<P, F, E>(shutdown: &Shutdown, probe: P)
where
    P: Fn() -> F + Send + 'static,
    F: Future<Output = Result<(), E>> + Send,
    E: std::fmt::Display + Send,
{
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let pause = limit / 4;
    let begun = shutdown.token();
    shutdown.spawn(async move {
        let mut bell = interval(pause);
        bell.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut answered = None;
        loop {
            tokio::select! {
                () = begun.cancelled() => break,
                _ = bell.tick() => {}
            }
            let answers = match timeout(limit / 2, probe()).await {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the database did not answer the watchdog");
                    false
                }
                Err(_) => {
                    tracing::error!("the database probe hangs, the watchdog is not answered");
                    continue;
                }
            };
            tell(&[NotifyState::Watchdog]);
            if answered != Some(answers) {
                status(if answers { "serving" } else { "waiting for the database" });
                answered = Some(answers);
            }
        }
        // The drain has its own limit, and its tasks may keep the probe from its connection.
        tell(&[NotifyState::Watchdog]);
    });
}

fn tell(states: &[NotifyState<'_>]) {
    // Without a service manager there is nobody to tell, and that is no error.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::pending, process::ExitCode, time::Duration};

    use super::{Shutdown, run};

    fn same(left: ExitCode, right: ExitCode) -> bool {
        format!("{left:?}") == format!("{right:?}")
    }

    #[tokio::test]
    async fn the_drain_waits_for_what_was_spawned() {
        let shutdown = Shutdown::new();
        let inner = shutdown.clone();
        let background = shutdown.spawn(async move { inner.begun().await });
        let code = run(shutdown, Duration::from_mins(1), async { Ok::<(), Infallible>(()) }).await;
        assert!(same(code.expect("signals can be handled"), ExitCode::SUCCESS));
        assert!(background.is_finished());
    }

    #[tokio::test]
    async fn the_drain_ends_at_its_limit() {
        let shutdown = Shutdown::new();
        let stuck = shutdown.spawn(pending::<()>());
        let code = run(shutdown, Duration::from_millis(1), async { Ok::<(), Infallible>(()) }).await;
        assert!(same(code.expect("signals can be handled"), ExitCode::SUCCESS));
        assert!(!stuck.is_finished());
    }

    #[tokio::test]
    async fn an_error_of_the_server_is_a_failure() {
        let code = run(Shutdown::new(), Duration::from_mins(1), async { Err("the port is taken") }).await;
        assert!(same(code.expect("signals can be handled"), ExitCode::FAILURE));
    }
}
