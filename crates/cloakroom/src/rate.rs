//! How often something may happen.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::clock::Stopwatch;

/// A bound on how often something happens in a second, which allows as much as that at once: a token bucket, kept as the time
/// at which it would be full again.
#[derive(Debug)]
pub(crate) struct Rate {
    /// Nanoseconds that each time takes; zero for no bound.
    interval: u64,
    /// In nanoseconds since `watch` was started.
    full_at: AtomicU64,
    watch: Stopwatch,
}

impl Rate {
    pub(crate) fn new(per_second: Option<u32>) -> Self {
        let interval = per_second.map_or(0, |rate| SECOND / u64::from(rate.max(1)));
        Self { interval, full_at: AtomicU64::new(0), watch: Stopwatch::start() }
    }

    /// Whether it may happen now, and then counts it.
    pub(crate) fn take(&self) -> bool {
        if self.interval == 0 {
            return true;
        }
        let now = nanos(self.watch.elapsed());
        let taken =
            |full_at: u64| Some(full_at.max(now) + self.interval).filter(|next| *next <= now + SECOND);
        self.full_at.fetch_update(Relaxed, Relaxed, taken).is_ok()
    }
}

/// Wraps after 584 years.
fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

const SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it may happen at this moment.
    fn taken(rate: &Rate) -> usize {
        (0..10_000).take_while(|_| rate.take()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_s_worth_at_once_and_then_as_time_passes() {
        for per_second in [1, 3, 100, 1000] {
            let rate = Rate::new(Some(per_second));
            let per_second = per_second as usize;
            assert_eq!(taken(&rate), per_second);
            tokio::time::advance(Duration::from_millis(500)).await;
            assert_eq!(taken(&rate), per_second / 2);
            tokio::time::advance(Duration::from_secs(60)).await;
            assert_eq!(taken(&rate), per_second, "it saves up no more than a second's worth");
            let mut within_a_minute = 0;
            for _ in 0..600 {
                tokio::time::advance(Duration::from_millis(100)).await;
                within_a_minute += taken(&rate);
            }
            assert_eq!(within_a_minute, 60 * per_second);
        }
    }

    #[test]
    fn without_a_bound_it_may_always_happen() {
        assert_eq!(taken(&Rate::new(None)), 10_000);
    }
}
