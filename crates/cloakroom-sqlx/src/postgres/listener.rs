//! Notifications of released leases: one connection for the whole store, made when a request waits for the first time.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_store::Key;
use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

#[cfg(test)]
mod tests;

pub(super) struct Listener {
    channel: Channel,
    /// That of all stores on the table: sessions that have ended or have a new secret.
    pub(super) changes: Channel,
    waiters: Arc<Waiters>,
    /// Makes the connection and reads notifications from it, until it fails.
    task: Mutex<Option<Task>>,
}

/// Where to listen, and for what.
#[derive(Clone)]
pub(super) struct Channel {
    options: PgConnectOptions,
    pub(super) name: String,
    /// How long the connection may be silent before it is checked.
    pub(super) quiet: Duration,
}

impl Listener {
    /// The channel has the table's name. Stores on tables of one name in two schemas get each other's notifications, and
    /// ignore them.
    pub(super) fn new(options: PgConnectOptions, channel: &str) -> Self {
        let of_leases = Channel { options, name: channel.to_owned(), quiet: QUIET };
        let changes = Channel { name: format!("{channel}_changed"), ..of_leases.clone() };
        Self { channel: of_leases, changes, waiters: Arc::default(), task: Mutex::default() }
    }

    /// Returns as soon as the connection listens. A task makes the connection and continues if this future is dropped, so that
    /// no caller delays another.
    pub(super) async fn ready(&self) {
        // A task that ended before it listened is followed by another.
        while self.listening().wait_for(|listening| *listening).await.is_err() {}
    }

    /// Registers a waiter for the lease on `key`.
    pub(super) fn register(&self, key: &Key) -> Waiter {
        Waiters::add(&self.waiters, key)
    }

    /// Whether the task listens. Starts the task if there is none.
    fn listening(&self) -> watch::Receiver<bool> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        // The sender is gone with the task.
        if let Some(task) = task.as_ref().filter(|task| task.listening.has_changed().is_ok()) {
            return task.listening.clone();
        }
        let (sender, listening) = watch::channel(false);
        let handle = tokio::spawn(run(self.channel.clone(), Arc::clone(&self.waiters), sender));
        *task = Some(Task { listening: listening.clone(), handle });
        listening
    }
}

/// A task that ends with the store.
struct Task {
    listening: watch::Receiver<bool>,
    handle: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

async fn run(channel: Channel, waiters: Arc<Waiters>, listening: watch::Sender<bool>) {
    if let Ok(mut listener) = channel.listen_in_time().await {
        listening.send_replace(true);
        dispatch(&mut listener, channel.quiet, |key| waiters.wake(&key)).await;
        // Before the waiters are woken, so that none of them believes that it would still be notified.
        listening.send_replace(false);
        waiters.wake_all();
    }
    // While the server is away, requests that wait do not each try to connect.
    sleep(RECONNECT_PAUSE).await;
}

impl Channel {
    pub(super) async fn listen_in_time(&self) -> sqlx::Result<PgListener> {
        timeout(CONNECT_TIMEOUT, self.listen()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn listen(&self) -> sqlx::Result<PgListener> {
        // sqlx listens only on connections of pools.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(&self.name).await?;
        Ok(listener)
    }
}

/// Passes each key on that is notified, until the connection fails. A silent connection is checked, because it may
/// have broken without a sign.
pub(super) async fn dispatch(listener: &mut PgListener, quiet: Duration, pass_on: impl Fn(Key)) {
    loop {
        match timeout(quiet, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                if let Ok(key) = notification.payload().parse() {
                    pass_on(key);
                }
            }
            Ok(_) => return,
            // Notifications that arrive before the reply are kept and received next.
            Err(_) => match timeout(REPLY_TIMEOUT, listener.execute("SELECT 1")).await {
                Ok(Ok(_)) => {}
                _ => return,
            },
        }
    }
}

/// The waiters in this process, by key.
#[derive(Default)]
struct Waiters(Mutex<HashMap<Key, WaitersOfKey>>);

#[derive(Default)]
struct WaitersOfKey {
    count: usize,
    notify: Arc<Notify>,
}

impl Waiters {
    /// Registers a waiter, until it is dropped.
    fn add(this: &Arc<Self>, key: &Key) -> Waiter {
        let mut keys = this.keys();
        let of_key = keys.entry(*key).or_default();
        of_key.count += 1;
        let notified = Box::pin(Arc::clone(&of_key.notify).notified_owned());
        drop(keys);
        Waiter { key: *key, notified, waiters: Arc::clone(this) }
    }

    fn wake(&self, key: &Key) {
        if let Some(of_key) = self.keys().get(key) {
            of_key.notify.notify_waiters();
        }
    }

    fn wake_all(&self) {
        for of_key in self.keys().values() {
            of_key.notify.notify_waiters();
        }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<Key, WaitersOfKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Waiter {
    key: Key,
    notified: Pin<Box<OwnedNotified>>,
    waiters: Arc<Waiters>,
}

impl Waiter {
    /// Returns when the release of the lease is notified, or was since the waiter was registered.
    pub(super) async fn woken(mut self) {
        // A notification wakes all waiters that were registered before it, polled or not.
        self.notified.as_mut().await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut keys = self.waiters.keys();
        if let Some(of_key) = keys.get_mut(&self.key) {
            of_key.count -= 1;
            if of_key.count == 0 {
                keys.remove(&self.key);
            }
        }
    }
}

/// How long it may take to connect and begin to listen.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const QUIET: Duration = Duration::from_secs(10);
/// How long the server may take to reply when the connection is checked.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between a failed connection and the next attempt.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
