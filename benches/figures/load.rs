//! Load: many callers, each with one call under way.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use tonic::transport::Channel;

use crate::{Fault, stand::Daemon, stats::percentile};

/// What a run of callers saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Calls answered per second.
    pub per_second: f64,
    /// Median latency, ms.
    pub p50: f64,
    /// 99th percentile, ms.
    pub p99: f64,
    /// Calls that failed.
    pub failed: usize,
}

/// Runs `callers` for `seconds` over `connections`; each makes `call` again and again, with a number that no other call has.
pub async fn run<C, F>(
    daemon: &Daemon,
    callers: usize,
    connections: usize,
    seconds: u64,
    call: impl Fn(Channel) -> C,
) -> Result<Seen, Fault>
where
    C: FnMut() -> F + Send + 'static,
    F: Future<Output = bool> + Send,
{
    let mut channels = Vec::new();
    for _ in 0..connections.min(callers) {
        channels.push(daemon.connect().await?);
    }
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let mut call = call(channels[caller % channels.len()].clone());
        tasks.push(tokio::spawn(async move {
            let (mut took, mut failed) = (Vec::new(), 0_usize);
            while Instant::now() < until {
                let asked = Instant::now();
                if call().await {
                    took.push(asked.elapsed().as_secs_f64() * 1e3);
                } else {
                    failed += 1;
                }
            }
            (took, failed)
        }));
    }
    let mut all = Vec::new();
    let mut seen = Seen::default();
    for task in tasks {
        let (took, failed) = task.await?;
        all.extend(took);
        seen.failed += failed;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of calls")]
    let count = all.len() as f64;
    seen.per_second = count / began.elapsed().as_secs_f64();
    seen.p50 = percentile(&mut all, 50.0);
    seen.p99 = percentile(&mut all, 99.0);
    Ok(seen)
}
