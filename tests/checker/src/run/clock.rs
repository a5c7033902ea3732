use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloakroom::testing::TestClock;
use cloakroom_store::BoxFuture;

use super::lot::{Lot, Stop};
use crate::app::Stage;
use crate::history::Moment;

/// Numbers everything that happens, beside the clock that the sessions go by.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) sessions: TestClock,
    order: AtomicU64,
    millis: AtomicU64,
    lot: Arc<Lot>,
}

impl Clock {
    pub(super) fn new(lot: &Arc<Lot>) -> Self {
        let lot = Arc::clone(lot);
        let sessions = TestClock::new();
        // Past any time at which a backend with a clock of its own would find these sessions expired.
        sessions.advance(A_CENTURY);
        Self { sessions, order: AtomicU64::new(0), millis: AtomicU64::new(0), lot }
    }

    pub(super) fn advance(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::Relaxed);
        self.sessions.advance(Duration::from_millis(millis));
    }
}

impl Stage for Clock {
    fn now(&self) -> Moment {
        self.lot.stir();
        let order = self.order.fetch_add(1, Ordering::Relaxed);
        Moment { order, millis: self.millis.load(Ordering::Relaxed) }
    }

    fn pause(&self) -> BoxFuture<'static, ()> {
        let lot = Arc::clone(&self.lot);
        Box::pin(async move { _ = lot.park(Stop::Pause).await })
    }
}

const A_CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
