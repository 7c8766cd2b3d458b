//! Pauses between attempts: growing, bounded, and never the same for two clients.
//!
//! Sans-IO.

use std::time::Duration;

/// How long to pause between attempts.
///
/// The pause doubles with each attempt, from `min` to `max`, and is then varied by a fifth up or down, so that clients
/// that failed together do not come back together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause. Default 50 ms (`retry.backoff.ms`, `reconnect.backoff.ms`).
    pub min: Duration,
    /// The longest pause. Default 1 s (`retry.backoff.max.ms`, `reconnect.backoff.max.ms`).
    pub max: Duration,
}

impl Backoff {
    /// A series of pauses, seeded at random.
    pub fn pauses(&self) -> Pauses {
        self.pauses_from(fastrand::u64(..))
    }

    /// A series of pauses that is the same for the same seed.
    pub fn pauses_from(&self, seed: u64) -> Pauses {
        Pauses { backoff: self.clone(), taken: 0, random: fastrand::Rng::with_seed(seed) }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { min: Duration::from_millis(50), max: Duration::from_secs(1) }
    }
}

/// The pauses of one series of attempts.
#[derive(Clone, Debug)]
pub struct Pauses {
    backoff: Backoff,
    taken: u32,
    random: fastrand::Rng,
}

impl Pauses {
    /// The pause before the next attempt.
    pub fn next_pause(&mut self) -> Duration {
        let doubled = self.backoff.min.saturating_mul(1u32.checked_shl(self.taken).unwrap_or(u32::MAX));
        self.taken = self.taken.saturating_add(1);
        let permille = self.random.u32(800..=1200);
        doubled.min(self.backoff.max).saturating_mul(permille) / 1000
    }

    /// How many pauses there were.
    pub fn taken(&self) -> u32 {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_vary() {
        let backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1) };
        let mut pauses = backoff.pauses_from(7);
        for expected in [100, 200, 400, 800, 1000, 1000] {
            let pause = pauses.next_pause();
            let range = Duration::from_millis(expected * 8 / 10)..=Duration::from_millis(expected * 12 / 10);
            assert!(range.contains(&pause), "{pause:?}, expected about {expected} ms");
        }
        for _ in 0..100 {
            assert!(pauses.next_pause() <= Duration::from_millis(1200));
        }
        assert_eq!(pauses.taken(), 106);
    }
}
