//! The waiters for leases in this process, and the connection on which the server wakes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom_store::Key;
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisResult};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::cluster::map::Node;
use crate::keyspace::Keyspace;
use crate::lock::lock;
use crate::route::timed_out;
use crate::{reply, script};

/// The waiters of one store. Its connection is made when the first comes.
pub(crate) struct WakeupListener {
    keyspace: Arc<Keyspace>,
    waiters: Arc<Waiters>,
    subscription: Mutex<Option<Subscription>>,
}

/// The task that listens to the store's channel.
struct Subscription {
    task: JoinHandle<()>,
    is_up: watch::Receiver<bool>,
}

impl WakeupListener {
    pub(crate) fn new(keyspace: Arc<Keyspace>) -> Self {
        Self { keyspace, waiters: Arc::default(), subscription: Mutex::new(None) }
    }

    /// Waits until messages are received, at most so long: without them a waiter looks for itself.
    pub(crate) async fn wait_until_up(&self, at_most: Duration) {
        let mut is_up = self.subscription();
        if !*is_up.borrow() {
            _ = timeout(at_most, is_up.wait_for(|is_up| *is_up)).await;
        }
    }

    fn subscription(&self) -> watch::Receiver<bool> {
        let mut subscription = lock(&self.subscription);
        if let Some(subscription) = &*subscription
            && !subscription.task.is_finished()
        {
            return subscription.is_up.clone();
        }
        let (tell, is_up) = watch::channel(false);
        let task = tokio::spawn(listen(Arc::clone(&self.keyspace), Arc::clone(&self.waiters), tell));
        *subscription = Some(Subscription { task, is_up: is_up.clone() });
        is_up
    }

    /// Adds a waiter for the lease on a key, which is woken from now on.
    pub(crate) fn register(&self, key: Key) -> Waiter {
        let (wake, woken) = oneshot::channel();
        lock(&self.waiters.of).entry(key).or_default().push(wake);
        let (waiters, keyspace) = (Arc::clone(&self.waiters), Arc::clone(&self.keyspace));
        Waiter { key, woken, waiters, keyspace, leaves_queue: true }
    }
}

impl Drop for WakeupListener {
    fn drop(&mut self) {
        if let Some(subscription) = &*lock(&self.subscription) {
            subscription.task.abort();
        }
    }
}

/// All waiters in this process.
#[derive(Default)]
struct Waiters {
    of: Mutex<HashMap<Key, Vec<oneshot::Sender<()>>>>,
}

impl Waiters {
    /// Wakes all that wait for a key; returns whether there was any.
    fn wake(&self, key: &Key) -> bool {
        let waiters = lock(&self.of).remove(key).unwrap_or_default();
        // A waiter that is gone does not take the message.
        waiters.into_iter().filter_map(|wake| wake.send(()).ok()).count() > 0
    }

    fn wake_all(&self) {
        lock(&self.of).clear();
    }
}

/// One waiter, and its place in the queue on the server. Dropped, it leaves the queue, and the next instance is called instead.
pub(crate) struct Waiter {
    key: Key,
    woken: oneshot::Receiver<()>,
    waiters: Arc<Waiters>,
    keyspace: Arc<Keyspace>,
    leaves_queue: bool,
}

impl Waiter {
    /// Waits for the message.
    pub(crate) async fn woken(&mut self) {
        // An error is a message too: the connection was lost, and every waiter has to look.
        _ = (&mut self.woken).await;
    }

    /// Ends the wait, and keeps the place in the queue.
    pub(crate) fn keep_place(mut self) {
        self.leaves_queue = false;
    }

    /// Unregisters this waiter; returns whether no other in this process waits for the same key.
    fn unregister(&mut self) -> bool {
        self.woken.close();
        let mut waiters = lock(&self.waiters.of);
        let Some(others) = waiters.get_mut(&self.key) else { return true };
        others.retain(|wake| !wake.is_closed());
        if others.is_empty() {
            waiters.remove(&self.key);
            return true;
        }
        false
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.unregister() && self.leaves_queue {
            leave_queue(&self.keyspace, self.key);
        }
    }
}

/// Takes this instance out of the queue for a lease, in the background. If that fails, its turn passes by itself.
fn leave_queue(keyspace: &Arc<Keyspace>, key: Key) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let keyspace = Arc::clone(keyspace);
    runtime.spawn(async move {
        let [channels, alone] = keyspace.calling();
        let args = [keyspace.instance.as_bytes(), channels, alone];
        _ = keyspace.run(&script::LEAVE, &keyspace.record(&key), &args).await;
    });
}

/// Listens to the store's channel, and connects again whenever the connection is lost.
async fn listen(keyspace: Arc<Keyspace>, waiters: Arc<Waiters>, is_up: watch::Sender<bool>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let (pushes, mut received) = mpsc::unbounded_channel();
        // Held, for it closes when it is dropped.
        if let Ok((_connection, node)) = subscribe(&keyspace, keyspace.channel(), pushes).await {
            is_up.send_replace(true);
            pause = SHORTEST_PAUSE;
            loop {
                match timeout(UNTIL_DOUBT, received.recv()).await {
                    Ok(Some(push)) if push.kind == PushKind::Disconnection => break,
                    Ok(Some(push)) if push.kind == PushKind::Message => pass_on(&keyspace, &waiters, push),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    // A node that was sent away keeps the connection, and hears of nothing.
                    Err(_) if !belongs(&keyspace, node.as_ref()) => break,
                    Err(_) => {}
                }
            }
            is_up.send_replace(false);
            // A message may have been lost with it.
            waiters.wake_all();
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Connects and subscribes to a channel; the connection closes when it is dropped.
pub(crate) async fn subscribe(
    keyspace: &Keyspace,
    channel: String,
    pushes: mpsc::UnboundedSender<PushInfo>,
) -> RedisResult<(MultiplexedConnection, Option<Node>)> {
    let (mut connection, node) = keyspace.server.listen(pushes).await?;
    let subscribed = connection.subscribe(channel);
    timeout(LONGEST_PAUSE, subscribed).await.map_err(|_| timed_out("no subscription"))??;
    Ok((connection, node))
}

/// Whether the node is one of the cluster's, if there is one.
pub(crate) fn belongs(keyspace: &Keyspace, node: Option<&Node>) -> bool {
    let (Some(node), Some(cluster)) = (node, keyspace.server.as_cluster()) else { return true };
    cluster.has(node)
}

/// Wakes the waiters for the key that a message names. If there are none any more, it is another instance's turn.
fn pass_on(keyspace: &Arc<Keyspace>, waiters: &Waiters, message: PushInfo) {
    let name = message.data.into_iter().nth(1).and_then(reply::string).flatten();
    let Some(key) = name.and_then(|name| keyspace.key_of(&name)) else { return };
    if !waiters.wake(&key) {
        leave_queue(keyspace, key);
    }
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// After so long without a message the store checks whether the node that would pass one on still belongs to the cluster.
const UNTIL_DOUBT: Duration = Duration::from_secs(5);
