//! Ids: UUIDs of version 7, in the order in which one maker made them.

use chrono::{DateTime, Utc};
use uuid::{Builder, Uuid};

/// Makes ids. Randomness comes in as a seed, so that tests can repeat a run.
#[derive(Debug)]
pub struct Ids {
    random: fastrand::Rng,
    last_ms: u64,
    count: u16,
}

impl Ids {
    /// A maker with its own stream of random bits.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), last_ms: 0, count: 0 }
    }

    /// A seed for another maker.
    pub fn seed(&mut self) -> u64 {
        self.random.u64(..)
    }

    /// The next id: 48 bits of milliseconds, 12 bits of count within the millisecond, 62 random bits.
    /// Ids of one maker ascend as long as `now` does not go back.
    pub fn next(&mut self, now: DateTime<Utc>) -> Uuid {
        let ms = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        if ms == self.last_ms && self.count < 0xfff {
            self.count += 1;
        } else {
            self.last_ms = ms;
            self.count = 0;
        }
        let mut bits = [0_u8; 10];
        self.random.fill(&mut bits);
        let [high, low] = self.count.to_be_bytes();
        bits[0] = high;
        bits[1] = low;
        Builder::from_unix_timestamp_millis(ms, &bits).into_uuid()
    }
}

impl Ids {
    /// The next id, made greater than `last`, which another maker may have made in the same millisecond or, by a clock that went
    /// ahead, in a later one.
    pub fn next_after(&mut self, now: DateTime<Utc>, last: Option<Uuid>) -> Uuid {
        let id = self.next(now);
        match last {
            Some(last) if id <= last => {
                let ms = i64::try_from(last.as_u128() >> 80).unwrap_or(0);
                self.next(DateTime::from_timestamp_millis(ms + 1).unwrap_or(now))
            }
            _ => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_after_one_that_another_maker_made() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).expect("a valid instant");
        let (mut one, mut other) = (Ids::seeded(1), Ids::seeded(2));
        let mut last = None;
        for turn in 0..1_000 {
            let maker = if turn % 2 == 0 { &mut one } else { &mut other };
            let id = maker.next_after(now, last);
            assert!(Some(id) > last);
            last = Some(id);
        }
    }

    #[test]
    fn ids_of_one_instant_ascend() {
        let mut ids = Ids::seeded(7);
        let now = DateTime::from_timestamp(1_700_000_000, 0).expect("a valid instant");
        let made: Vec<Uuid> = (0..4000).map(|_| ids.next(now)).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(made.iter().all(|id| id.get_version_num() == 7));
    }
}
