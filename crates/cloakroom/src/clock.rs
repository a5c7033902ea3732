//! The one file that asks the time.
#![expect(clippy::disallowed_methods, reason = "every other file asks this one")]

#[cfg(feature = "testing")]
use std::sync::Arc;
#[cfg(feature = "testing")]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom_store::Timestamp;
use tokio::time::Instant;

/// Tells the engine what time it is: the system's clock, or one that a test moves.
#[derive(Clone, Debug, Default)]
pub(crate) enum Clock {
    #[default]
    System,
    #[cfg(feature = "testing")]
    Test(TestClock),
}

impl Clock {
    /// Now. A system clock before 1970 reads as 1970, where nothing has expired and nothing is extended.
    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(0).saturating_add(since)
            }
            #[cfg(feature = "testing")]
            Self::Test(clock) => clock.now(),
        }
    }
}

/// Now, on a monotonic clock: for timers.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Measures how long something takes, on a monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A point in time as applications know it.
pub(crate) fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(at.as_millis())
}

/// A clock that stands still until it is moved. Clones are the same clock.
///
/// It decides what has expired. Waits (`lock_timeout`, `store_timeout`, the pauses between sweeps) go by tokio's clock, which
/// a test can [pause](https://docs.rs/tokio/latest/tokio/time/fn.pause.html).
///
/// ```
/// use std::time::Duration;
/// use cloakroom::stores::MemoryStore;
/// use cloakroom::{Settings, testing};
///
/// # fn main() -> Result<(), cloakroom::ConfigError> {
/// let clock = testing::TestClock::new();
/// let sessions = testing::manager(MemoryStore::new(), Settings::default(), &clock)?;
/// clock.advance(Duration::from_secs(3600)); // every session that was idle has expired
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "testing")]
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicU64>);

#[cfg(feature = "testing")]
impl TestClock {
    /// A clock at the beginning of 2025.
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_735_689_600_000)))
    }

    /// Moves it forward.
    pub fn advance(&self, duration: Duration) {
        self.0.fetch_add(millis(duration), Ordering::SeqCst);
    }

    /// Moves it back, as a clock does that is corrected.
    pub fn set_back(&self, duration: Duration) {
        self.0.fetch_sub(millis(duration), Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(feature = "testing")]
impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "testing")]
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
