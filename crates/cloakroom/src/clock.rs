//! The one file that asks the time.
#![expect(clippy::disallowed_methods, reason = "every other file asks this one")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom_store::Timestamp;
use tokio::time::Instant;

/// Tells the engine what time it is: the system's clock, or one that a test moves.
#[derive(Clone, Debug, Default)]
pub(crate) enum Clock {
    #[default]
    System,
    #[cfg(feature = "testing")]
    Test(crate::testing::TestClock),
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

/// Measures how long something takes, on a clock that nobody sets.
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
