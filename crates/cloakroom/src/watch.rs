//! What is watched in this process: the sessions of streams and sockets.
//!
//! The registry says which records are to be looked at, and when; `watcher` looks. A message is a hint and the record
//! decides, so an end that is told twice, or too early, does no harm.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::Future;
use std::mem;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cloakroom_store::{Key, Timestamp};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::client::Client;
use crate::clock::instant;
use crate::info::EndReason;
use crate::lifecycle::{Policy, Snapshot, Standing, Visit, judge};
use crate::token::Verifier;

/// The end of a session, as [`Session::ended`](crate::Session::ended) returns it: a future that resolves when it comes.
///
/// It owns what it needs: it neither holds the session of its request nor keeps others waiting. Dropped, it watches nothing
/// any more. After [`SessionManager::shutdown`](crate::SessionManager::shutdown) it does not resolve.
#[must_use = "it does nothing unless it is awaited"]
pub struct SessionEnd(End);

enum End {
    Known(EndReason),
    Awaited { told: oneshot::Receiver<EndReason>, _registration: Registration },
}

/// All sessions that are watched in this process.
#[derive(Default)]
pub(crate) struct Watches {
    state: Mutex<State>,
    /// Something is due, or there is nothing left.
    changed: Notify,
}

#[derive(Default)]
struct State {
    sessions: HashMap<Key, WatchedSession>,
    /// When to look at each session that is not being looked at.
    due: BTreeSet<(Instant, Key)>,
    watchers: u64,
    task: Task,
}

/// The task that looks.
#[derive(Default)]
enum Task {
    #[default]
    None,
    Running(AbortHandle),
    /// For good.
    Stopped,
}

struct WatchedSession {
    watchers: Vec<Watcher>,
    due: Option<Instant>,
    /// When it expires, as far as is known.
    expires_at: Option<Timestamp>,
}

/// A watcher of a session.
struct Watcher {
    id: u64,
    watched: Watched,
    tell: oneshot::Sender<EndReason>,
}

/// What a watcher goes by.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) secrets: Arc<OwnSecrets>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// The secrets of one request: those that it came with, and those that it makes while it runs.
#[derive(Default)]
pub(crate) struct OwnSecrets(Mutex<Vec<Verifier>>);

impl OwnSecrets {
    pub(crate) fn add(&self, verifier: Verifier) {
        let mut own = self.lock();
        if !own.contains(&verifier) {
            own.push(verifier);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Verifier>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watches {
    /// Watches the session under `key`, and looks at it now: much may have happened since its request loaded it.
    pub(crate) fn watch(self: &Arc<Self>, key: Key, watched: Watched) -> SessionEnd {
        let (tell, told) = oneshot::channel();
        let mut state = self.state();
        state.watchers += 1;
        let (id, expires_at) = (state.watchers, watched.expires_at);
        let session = state.sessions.entry(key).or_insert_with(|| WatchedSession {
            watchers: Vec::new(),
            due: None,
            expires_at: None,
        });
        session.watchers.push(Watcher { id, watched, tell });
        session.expires_at = session.expires_at.max(expires_at);
        state.set_due(key, instant());
        drop(state);
        self.changed.notify_one();
        let _registration = Registration { watches: Arc::clone(self), key, id };
        SessionEnd(End::Awaited { told, _registration })
    }

    /// Starts the task that looks, unless it runs or was stopped.
    pub(crate) fn run(&self, start: impl FnOnce() -> AbortHandle) {
        let mut state = self.state();
        let starts = match &state.task {
            Task::None => true,
            Task::Running(task) => task.is_finished(),
            Task::Stopped => false,
        };
        if starts {
            state.task = Task::Running(start());
        }
    }

    /// Stops looking, for good.
    pub(crate) fn stop(&self) {
        let task = mem::replace(&mut self.state().task, Task::Stopped);
        if let Task::Running(task) = task {
            task.abort();
        }
    }

    /// Looks at a session soon, if it is watched.
    pub(crate) fn look_at(&self, key: Key) {
        self.state().set_due(key, instant());
        self.changed.notify_one();
    }

    /// Looks at all sessions soon.
    pub(crate) fn look_at_all(&self) {
        let mut state = self.state();
        let (keys, now): (Vec<Key>, _) = (state.sessions.keys().copied().collect(), instant());
        for key in keys {
            state.set_due(key, now);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Takes a session that is due to be looked at.
    pub(crate) fn take_due(&self) -> Option<Key> {
        let mut state = self.state();
        let (due, key) = state.due.first().copied().filter(|(due, _)| *due <= instant())?;
        state.due.remove(&(due, key));
        if let Some(session) = state.sessions.get_mut(&key) {
            session.due = None;
        }
        Some(key)
    }

    /// Waits until a session may be due; false if nothing was watched for `idle`.
    pub(crate) async fn wait(&self, idle: Duration) -> bool {
        let due = self.state().due.first().map(|(due, _)| *due);
        let changed = self.changed.notified();
        match due {
            // What is being looked at comes back with a change.
            None if self.is_empty() => tokio::time::timeout(idle, changed).await.is_ok() || !self.is_empty(),
            None => {
                changed.await;
                true
            }
            Some(due) => {
                _ = tokio::time::timeout_at(due, changed).await;
                true
            }
        }
    }

    /// Ends the task if nothing is watched: the next watcher starts another.
    pub(crate) fn rest(&self) -> bool {
        let mut state = self.state();
        let idle = state.sessions.is_empty();
        if idle && matches!(state.task, Task::Running(_)) {
            state.task = Task::None;
        }
        idle
    }

    /// Nothing could be learned of the session: looks at it again after `pause`.
    pub(crate) fn look_again(&self, key: Key, pause: Duration) {
        let mut state = self.state();
        if state.sessions.get(&key).is_some_and(|session| session.due.is_none()) {
            state.set_due(key, instant() + pause);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Tells the watchers of a session whose end has come, by what was found under its key. Looks again when the session
    /// expires, or the grace of a watcher's secret ends, and after `pause` at the latest.
    pub(crate) fn settle(
        &self,
        key: Key,
        found: Option<&Snapshot>,
        now: Timestamp,
        policy: &Policy,
        pause: Duration,
    ) {
        let mut state = self.state();
        let Some(session) = state.sessions.get_mut(&key) else { return };
        let (mut next, mut over) = (pause, Vec::new());
        // A record that is gone was removed some time after its expiry, or before it when the session was ended.
        let expired = session.expires_at.is_some_and(|at| at <= now);
        let gone = if expired { EndReason::Expired } else { EndReason::Ended };
        for watcher in mem::take(&mut session.watchers) {
            match found.map_or(Err(gone), |found| watcher.watched.lasts_until(found, now, policy)) {
                Ok(until) => {
                    next = next.min(until.since(now).max(SHORTEST));
                    session.watchers.push(watcher);
                }
                Err(reason) => over.push((watcher.tell, reason)),
            }
        }
        if let Some(found) = found {
            session.expires_at = Some(found.expires_at);
        }
        let (is_watched, is_due) = (!session.watchers.is_empty(), session.due.is_some());
        if !is_watched {
            state.remove(key);
        } else if !is_due {
            state.set_due(key, instant() + next);
        }
        drop(state);
        for (tell, reason) in over {
            // A watcher that has gone meanwhile does not need to know.
            _ = tell.send(reason);
        }
        self.changed.notify_one();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.state().sessions.len()
    }

    #[cfg(test)]
    pub(crate) fn runs(&self) -> bool {
        matches!(&self.state().task, Task::Running(task) if !task.is_finished())
    }

    fn is_empty(&self) -> bool {
        self.state().sessions.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Has the session looked at no later than at this time.
    fn set_due(&mut self, key: Key, due: Instant) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.due.is_some_and(|earlier| earlier <= due) {
            return;
        }
        if let Some(later) = session.due.replace(due) {
            self.due.remove(&(later, key));
        }
        self.due.insert((due, key));
    }

    fn remove(&mut self, key: Key) {
        if let Some(due) = self.sessions.remove(&key).and_then(|session| session.due) {
            self.due.remove(&(due, key));
        }
    }
}

impl Watched {
    /// Until when the session is certain to be the watcher's, unless something is written to it.
    ///
    /// # Errors
    /// Why it is not.
    fn lasts_until(&self, found: &Snapshot, now: Timestamp, policy: &Policy) -> Result<Timestamp, EndReason> {
        let visit = Visit {
            presented: None,
            client: Client { address: self.address, user_agent: None },
            began: now,
            late_window: Duration::ZERO,
            streams: true,
        };
        let mut reason = EndReason::Ended;
        for own in self.secrets.lock().iter() {
            reason = match judge(found, own, &visit, now, policy) {
                Standing::Live => {
                    let ends_at = found.expires_at.min(found.ends_at(policy));
                    let grace = found.header.previous.filter(|(old, _)| old == own);
                    let current = found.header.verifier == *own;
                    return Ok(grace.filter(|_| !current).map_or(ends_at, |(_, until)| ends_at.min(until)));
                }
                Standing::Expired => EndReason::Expired,
                Standing::Superseded { .. } if !found.header.ended => EndReason::Superseded,
                Standing::Superseded { .. } | Standing::Moved | Standing::Gone => EndReason::Ended,
            };
        }
        Err(reason)
    }
}

impl SessionEnd {
    /// That of a session which is over already.
    pub(crate) fn known(reason: EndReason) -> Self {
        Self(End::Known(reason))
    }
}

impl Future for SessionEnd {
    type Output = EndReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<EndReason> {
        let reason = match &mut self.0 {
            End::Known(reason) => *reason,
            End::Awaited { told, .. } => match ready!(Pin::new(told).poll(cx)) {
                Ok(reason) => reason,
                Err(_) => return Poll::Pending,
            },
        };
        self.0 = End::Known(reason);
        Poll::Ready(reason)
    }
}

impl fmt::Debug for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEnd").finish_non_exhaustive()
    }
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watches").finish_non_exhaustive()
    }
}

/// A watcher's place, until it is dropped.
struct Registration {
    watches: Arc<Watches>,
    key: Key,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = self.watches.state();
        let Some(session) = state.sessions.get_mut(&self.key) else { return };
        session.watchers.retain(|watcher| watcher.id != self.id);
        if session.watchers.is_empty() {
            state.remove(self.key);
            drop(state);
            self.watches.changed.notify_one();
        }
    }
}

/// How soon a session is looked at again at the earliest: clocks are not exact.
const SHORTEST: Duration = Duration::from_millis(1);
