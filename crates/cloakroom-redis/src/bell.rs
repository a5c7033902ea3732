//! Who waits here for a lease, and the connection on which the server calls them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_store::Key;
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisResult};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::cluster::map::Node;
use crate::leases::leave;
use crate::reply;
use crate::route::timed_out;
use crate::space::Space;

/// The waiters of one store. Its connection is made when the first comes.
pub(crate) struct Bell {
    space: Arc<Space>,
    seats: Arc<Seats>,
    ear: Mutex<Option<Ear>>,
}

/// The task that listens.
struct Ear {
    task: JoinHandle<()>,
    listening: watch::Receiver<bool>,
}

impl Bell {
    pub(crate) fn new(space: Arc<Space>) -> Self {
        Self { space, seats: Arc::default(), ear: Mutex::new(None) }
    }

    /// Waits until calls are heard, at most so long: without them a waiter looks for itself.
    pub(crate) async fn listen(&self, at_most: Duration) {
        let mut listening = self.ear();
        if !*listening.borrow() {
            _ = timeout(at_most, listening.wait_for(|listening| *listening)).await;
        }
    }

    fn ear(&self) -> watch::Receiver<bool> {
        let mut ear = lock(&self.ear);
        if let Some(ear) = &*ear
            && !ear.task.is_finished()
        {
            return ear.listening.clone();
        }
        let (tell, listening) = watch::channel(false);
        let task = tokio::spawn(hear(Arc::clone(&self.space), Arc::clone(&self.seats), tell));
        *ear = Some(Ear { task, listening: listening.clone() });
        listening
    }

    /// Takes a seat; whoever has one is called.
    pub(crate) fn sit_down(&self, key: Key) -> Seat {
        let (call, called) = oneshot::channel();
        lock(&self.seats.calls).entry(key).or_default().push(call);
        Seat { key, called, seats: Arc::clone(&self.seats) }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        if let Some(ear) = &*lock(&self.ear) {
            ear.task.abort();
        }
    }
}

/// Everybody who waits in this process.
#[derive(Default)]
struct Seats {
    calls: Mutex<HashMap<Key, Vec<oneshot::Sender<()>>>>,
}

impl Seats {
    /// Calls all who wait for a key; answers whether there was anybody.
    fn call(&self, key: &Key) -> bool {
        let calls = lock(&self.calls).remove(key).unwrap_or_default();
        // A waiter that is gone does not take the call.
        calls.into_iter().filter_map(|call| call.send(()).ok()).count() > 0
    }

    fn call_everybody(&self) {
        lock(&self.calls).clear();
    }
}

/// One waiter.
pub(crate) struct Seat {
    key: Key,
    called: oneshot::Receiver<()>,
    seats: Arc<Seats>,
}

impl Seat {
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// Waits for the call.
    pub(crate) async fn called(&mut self) {
        // An error is a call too: the connection was lost, and everybody has to look.
        _ = (&mut self.called).await;
    }

    /// Gets up; answers whether nobody else here waits for the same key.
    pub(crate) fn is_last(&mut self) -> bool {
        self.called.close();
        let mut calls = lock(&self.seats.calls);
        let Some(others) = calls.get_mut(&self.key) else { return true };
        others.retain(|call| !call.is_closed());
        if others.is_empty() {
            calls.remove(&self.key);
            return true;
        }
        false
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.is_last();
    }
}

/// Listens to the store's channel, and connects again whenever the connection is lost.
async fn hear(space: Arc<Space>, seats: Arc<Seats>, listening: watch::Sender<bool>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let (pushes, mut heard) = mpsc::unbounded_channel();
        // Held, for it closes when it is dropped.
        if let Ok((_connection, node)) = subscribe(&space, pushes).await {
            listening.send_replace(true);
            pause = SHORTEST_PAUSE;
            loop {
                match timeout(UNTIL_DOUBT, heard.recv()).await {
                    Ok(Some(push)) if push.kind == PushKind::Disconnection => break,
                    Ok(Some(push)) if push.kind == PushKind::Message => answer(&space, &seats, push),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    // A node that was sent away keeps the connection, and hears of nothing.
                    Err(_) if !belongs(&space, node.as_ref()) => break,
                    Err(_) => {}
                }
            }
            listening.send_replace(false);
            // A call may have been lost with it.
            seats.call_everybody();
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn subscribe(
    space: &Space,
    pushes: mpsc::UnboundedSender<PushInfo>,
) -> RedisResult<(MultiplexedConnection, Option<Node>)> {
    let (mut connection, node) = space.server.listen(pushes).await?;
    let subscribed = connection.subscribe(space.channel());
    timeout(LONGEST_PAUSE, subscribed).await.map_err(|_| timed_out("no subscription"))??;
    Ok((connection, node))
}

fn belongs(space: &Space, node: Option<&Node>) -> bool {
    let (Some(node), Some(cluster)) = (node, space.server.as_cluster()) else { return true };
    cluster.has(node)
}

/// Passes a call on to who waits for that key. If nobody does any more, it is somebody else's turn.
fn answer(space: &Arc<Space>, seats: &Seats, message: PushInfo) {
    let name = message.data.into_iter().nth(1).and_then(reply::string).flatten();
    let Some(key) = name.and_then(|name| space.key_of(&name)) else { return };
    if !seats.call(&key) {
        leave(space, key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// After so long without a call it is asked whether the node that would pass one on is still of the cluster.
const UNTIL_DOUBT: Duration = Duration::from_secs(5);
