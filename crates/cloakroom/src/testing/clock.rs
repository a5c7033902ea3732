use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloakroom_store::Timestamp;

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
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicU64>);

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

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
