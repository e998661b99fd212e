//! Waiting for a condition: asked again and again until it holds, and never longer than a limit.

use std::time::{Duration, Instant};

/// How long a condition may take that normally holds within moments, also on a machine with much to do.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `condition` until it gives a value. Panics with `what` when it has not within [`PATIENCE`].
pub async fn eventually<T>(what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, condition).await
}

/// Asks `condition` until it gives a value. Panics with `what` when it has not within `limit`.
pub async fn within<T>(limit: Duration, what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
