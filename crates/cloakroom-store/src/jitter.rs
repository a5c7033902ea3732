use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Returns a random duration between half of `pause` and `pause`, so that several waiters do not poll in step.
///
/// The randomness is good enough for pauses and for nothing else: it is that of the hash maps of the standard library.
pub fn jitter(pause: Duration) -> Duration {
    let dice = RandomState::new().hash_one(()) as f64 / u64::MAX as f64;
    pause.mul_f64(0.5 + 0.5 * dice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_between_its_half_and_its_whole_and_varies() {
        let pause = Duration::from_secs(1);
        let pauses: Vec<_> = (0..100).map(|_| jitter(pause)).collect();
        assert!(pauses.iter().all(|jittered| (pause / 2..=pause).contains(jittered)), "{pauses:?}");
        assert!(pauses.iter().max() > pauses.iter().min());
        assert_eq!(jitter(Duration::ZERO), Duration::ZERO);
    }
}
