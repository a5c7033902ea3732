//! One connection that all calls share, and that is made again when it broke.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Slot, RwLock};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, PushInfo, PushKind, RedisError, RedisResult, Value};
use tokio::sync::Mutex;

use crate::error::Fault;
use crate::lock::{lock, read, write};
use crate::route::Route;

/// A connection to one server.
///
/// Unlike the driver's own manager this tells calls that were not sent from those that may have been, never fails with the
/// failure of an older attempt, and asks the sentinels again for each new connection.
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
    connection: MultiplexedConnection,
    broken: Arc<AtomicBool>,
}

/// The connection that a call may have reached a server on.
#[derive(Default)]
pub(crate) struct Sent(Slot<Option<Live>>);

impl Sent {
    fn on(&self, live: &Live) {
        *lock(&self.0) = Some(live.clone());
    }

    /// The server has said that it did nothing.
    pub(crate) fn take_back(&self) -> Option<Live> {
        lock(&self.0).take()
    }
}

impl Live {
    /// The next call gets a new connection.
    pub(crate) fn give_up(&self) {
        self.broken.store(true, Ordering::Release);
    }

    pub(crate) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    fn checked(&self, reply: RedisResult<Value>) -> Result<Value, Fault> {
        reply.map_err(Fault::sent).inspect_err(|fault| {
            if fault.ends_connection() {
                self.give_up();
            }
        })
    }
}

impl Link {
    pub(crate) fn new(route: Arc<Route>) -> Self {
        Self { route, live: RwLock::new(None), failures: AtomicU64::new(0), dialing: Mutex::new(None) }
    }

    /// Sends a command.
    pub(crate) async fn send(&self, command: &Cmd, sent: &Sent) -> Result<Value, Fault> {
        let live = self.live().await.map_err(Fault::unsent)?;
        sent.on(&live);
        live.checked(command.query_async(&mut live.connection.clone()).await)
    }

    /// Sends a command to a node of a cluster that is about to get its key.
    pub(crate) async fn send_asking(&self, command: &Cmd, sent: &Sent) -> Result<Value, Fault> {
        let live = self.live().await.map_err(Fault::unsent)?;
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command.clone());
        sent.on(&live);
        // The second reply as it is: the driver would wrap an error up as one of a pipeline.
        let reply = live.connection.clone().req_packed_commands(&both, 1, 1).await;
        let reply = reply.and_then(|mut replies| replies.pop().unwrap_or(Value::Nil).extract_error());
        live.checked(reply)
    }

    /// The connection; a new one if there is none or the last one broke. A caller that comes while one is being made gets that one, or
    /// its failure.
    async fn live(&self) -> RedisResult<Live> {
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
                *write(&self.live) = Some(live.clone());
                Ok(live)
            }
            Err(failure) => {
                *last_failure = Some(failure.clone());
                self.failures.fetch_add(1, Ordering::AcqRel);
                Err(failure)
            }
        }
    }

    /// The connection, if there is one.
    pub(crate) fn present(&self) -> Option<Live> {
        let live = read(&self.live);
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
