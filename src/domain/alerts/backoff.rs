//! Back-off: when a message that was refused for now is tried again.

use std::time::Duration;

/// How retries are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Before the second attempt.
    pub first: Duration,
    /// At most.
    pub max: Duration,
    /// From the first attempt on, a message is tried for so long.
    pub give_up_after: Duration,
}

impl Backoff {
    /// The pause after `attempts` attempts (1 or more): `first`, doubling up to `max`, less up to a quarter by `jitter`
    /// (0 to 1, as drawn by the caller) so that many messages do not return at once.
    #[must_use]
    pub fn pause(&self, attempts: u32, jitter: f64) -> Duration {
        let doubled =
            self.first.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1).min(31)).unwrap_or(u32::MAX));
        doubled.min(self.max).mul_f64(1.0 - 0.25 * jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_an_hour() {
        let backoff = Backoff {
            first: Duration::from_secs(30),
            max: Duration::from_hours(1),
            give_up_after: Duration::from_hours(120),
        };
        let pauses: Vec<u64> = (1..=9).map(|attempts| backoff.pause(attempts, 0.0).as_secs()).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(backoff.pause(u32::MAX, 0.0).as_secs(), 3600);
        assert_eq!(backoff.pause(8, 1.0).as_secs(), 2700);
    }
}
