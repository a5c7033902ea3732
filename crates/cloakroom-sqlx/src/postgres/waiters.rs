//! Who in this process waits for which lease.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom_store::Key;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

#[derive(Default)]
pub(super) struct Waiters(Mutex<HashMap<Key, Place>>);

#[derive(Default)]
struct Place {
    waiters: usize,
    notify: Arc<Notify>,
}

impl Waiters {
    /// Somebody who waits from now on, until dropped.
    pub(super) fn add(this: &Arc<Self>, key: &Key) -> Waiter {
        let mut places = this.places();
        let place = places.entry(*key).or_default();
        place.waiters += 1;
        let notified = Box::pin(Arc::clone(&place.notify).notified_owned());
        drop(places);
        Waiter { key: *key, notified, waiters: Arc::clone(this) }
    }

    pub(super) fn wake(&self, key: &Key) {
        if let Some(place) = self.places().get(key) {
            place.notify.notify_waiters();
        }
    }

    pub(super) fn wake_all(&self) {
        for place in self.places().values() {
            place.notify.notify_waiters();
        }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Key, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Waiter {
    key: Key,
    notified: Pin<Box<OwnedNotified>>,
    waiters: Arc<Waiters>,
}

impl Waiter {
    /// Comes back when the lease was announced free, since the waiter was added.
    pub(super) async fn woken(mut self) {
        // An announcement wakes all who were added before it, polled or not.
        self.notified.as_mut().await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut places = self.waiters.places();
        if let Some(place) = places.get_mut(&self.key) {
            place.waiters -= 1;
            if place.waiters == 0 {
                places.remove(&self.key);
            }
        }
    }
}
