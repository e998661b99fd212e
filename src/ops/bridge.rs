//! Places an instant of this process on the database's wall clock, so that several daemons agree on what came first.
//!
//! Each reading of the database's clock lies between asking and the answer: that bounds how far the two clocks are apart. The
//! best lower bound is kept, and given up slowly, since clocks drift. An instant is placed at the earliest it can have been: so
//! that a change which came after it is never taken for one before it, and, as the bound is as good as the quickest of the last
//! answers, a change that the caller already knew of is not taken for one after it.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// By how much of the time that has passed the kept bound is loosened: 200 microseconds a second.
const DRIFT_DIVISOR: i64 = 5_000;

/// What is known about the distance of the two clocks.
#[derive(Debug, Default)]
pub(super) struct Bridge {
    kept: Mutex<Option<Placed>>,
}

/// A point on both clocks: the database's was at `us` or later at this instant.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Placed(Option<(Instant, i64)>);

impl Placed {
    /// The earliest an instant can have been, in microseconds since 1970; after everything when nothing was read.
    pub(super) fn us(&self, instant: Instant) -> i64 {
        self.0.map_or(i64::MAX, |(at, us)| us.saturating_add(between(at, instant)))
    }
}

impl Bridge {
    /// Takes note that the database's clock was at `clock_us` at some time between `asked` and `answered`.
    pub(super) fn read(&self, asked: Instant, answered: Instant, clock_us: i64) -> Placed {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let low = clock_us;
        let high = clock_us.saturating_add(between(asked, answered));
        let held = kept.and_then(|kept| kept.0).map(|(at, us)| {
            let passed = between(at, answered);
            us + passed - passed.max(0) / DRIFT_DIVISOR
        });
        // A bound that lies above what can be: the database's clock was set back.
        let us = held.filter(|held| *held <= high).map_or(low, |held| held.max(low));
        let placed = Placed(Some((answered, us)));
        *kept = Some(placed);
        placed
    }
}

/// Microseconds from one instant to another; negative when it lies before.
fn between(from: Instant, to: Instant) -> i64 {
    let us = |later: Instant, earlier: Instant| i64::try_from((later - earlier).as_micros()).unwrap_or(i64::MAX);
    if to >= from { us(to, from) } else { -us(from, to) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn an_instant_is_never_placed_later_than_it_was_and_a_quick_answer_keeps_it_exact() {
        let bridge = Bridge::default();
        let zero = Instant::now();
        // The database's clock is 1 000 s ahead. A slow answer: read after 1 ms, known after 30 ms.
        let slow = bridge.read(zero, zero + ms(30), 1_000_001_000);
        assert_eq!(slow.us(zero), 1_000_001_000 - 30_000);
        // A quick one: read after 0.9 ms, known after 1 ms.
        let quick = bridge.read(zero + ms(40), zero + ms(41), 1_000_040_900);
        assert_eq!(quick.us(zero), 1_000_000_000 - 100);
        // Another slow one is placed by the quick one: 5 000 us later the bound is loosened by 1 us.
        let slow = bridge.read(zero + ms(42), zero + ms(46), 1_000_042_000);
        assert_eq!(slow.us(zero), 1_000_000_000 - 101);
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed() {
        let bridge = Bridge::default();
        let zero = Instant::now();
        bridge.read(zero, zero + ms(1), 1_000_000_000);
        let back = bridge.read(zero + ms(10), zero + ms(11), 900_010_500);
        assert_eq!(back.us(zero + ms(11)), 900_010_500);
    }
}
