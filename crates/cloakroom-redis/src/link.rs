//! One connection that everybody shares, and that is made again when it broke.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisError, RedisResult};
use tokio::sync::Mutex;

use crate::route::Route;

/// A connection to one server.
///
/// Unlike the driver's own manager this tells calls that were not sent from those that may have been, never answers with an
/// older attempt's failure, and asks the sentinels again for each new connection.
pub(crate) struct Link {
    route: Arc<Route>,
    live: RwLock<Option<Live>>,
    /// How often connecting has failed, and how the last time.
    failures: AtomicU64,
    dialing: Mutex<Option<RedisError>>,
}

/// A connection that worked when it was last heard of.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) connection: MultiplexedConnection,
    broken: Arc<AtomicBool>,
}

impl Live {
    /// The next call gets a new connection.
    pub(crate) fn give_up(&self) {
        self.broken.store(true, Ordering::Release);
    }
}

impl Link {
    pub(crate) fn new(route: Arc<Route>) -> Self {
        Self { route, live: RwLock::new(None), failures: AtomicU64::new(0), dialing: Mutex::new(None) }
    }

    /// The connection; a new one if there is none or the last one broke. Who asks while one is being made gets that one, or its
    /// failure.
    pub(crate) async fn live(&self) -> RedisResult<Live> {
        if let Some(live) = self.present() {
            return Ok(live);
        }
        let failures = self.failures.load(Ordering::Acquire);
        let mut last_failure = self.dialing.lock().await;
        if let Some(live) = self.present() {
            return Ok(live);
        }
        if let Some(failure) = &*last_failure
            && self.failures.load(Ordering::Acquire) != failures
        {
            return Err(failure.clone());
        }
        match self.dial().await {
            Ok(live) => {
                *last_failure = None;
                *self.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
                Ok(live)
            }
            Err(failure) => {
                *last_failure = Some(failure.clone());
                self.failures.fetch_add(1, Ordering::AcqRel);
                Err(failure)
            }
        }
    }

    fn present(&self) -> Option<Live> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().filter(|live| !live.broken.load(Ordering::Acquire)).cloned()
    }

    async fn dial(&self) -> RedisResult<Live> {
        let broken = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&broken);
        let pushes = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                flag.store(true, Ordering::Release);
            }
            Ok::<_, redis::aio::SendError>(())
        };
        Ok(Live { connection: self.route.connect(pushes).await?, broken })
    }
}
