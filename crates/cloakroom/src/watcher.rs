//! Looks at what is watched: when something happens in this process, when another process tells, when a session
//! expires, and every so often in any case.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cloakroom_store::{BoxFuture, Key, Notice};
use tokio::task::JoinSet;

use crate::calls::Budget;
use crate::engine::Engine;
use crate::events;
use crate::watch::{SessionEnd, Watched, Watches};

impl Engine {
    /// Watches the session under `key` until it is not the watcher's any more.
    pub(crate) fn watch(self: &Arc<Self>, key: Key, watched: Watched) -> SessionEnd {
        let end = self.watches.watch(key, watched);
        self.watches.run(|| {
            let run = run(Arc::downgrade(self), Arc::clone(&self.watches));
            self.tasks.runtime().spawn(run).abort_handle()
        });
        end
    }

    /// The session under `key` has ended, or has a new secret: tells its watchers here, and in the background those in other
    /// processes.
    pub(crate) fn changed(&self, key: Key) {
        self.watches.look_at(key);
        if self.store.facets().notices.is_some() {
            let publish = self.ask_notices("publish", Some(&key), move |notices| notices.publish(key));
            let publish = self.calls.timed(Budget(self.settings().store_timeout), publish);
            self.tasks.spawn(async move {
                if let (Err(error), _) = publish.await {
                    events::store_error(&key, &error);
                }
            });
        }
    }

    /// The poll's interval less up to a tenth, so that several processes do not keep step.
    fn watch_pause(&self) -> Duration {
        less_a_tenth(self, self.settings().watch_interval)
    }
}

async fn run(engine: Weak<Engine>, watches: Arc<Watches>) {
    tokio::select! {
        () = look_at_what_is_due(&engine, &watches) => {}
        () = listen(&engine, &watches) => {}
    }
}

/// Looks at a few sessions at a time. Returns when nothing is watched any more, or the engine is gone.
async fn look_at_what_is_due(engine: &Weak<Engine>, watches: &Watches) {
    let mut looks = JoinSet::new();
    loop {
        while looks.len() < AT_ONCE
            && let Some(key) = watches.take_due()
        {
            let Some(engine) = engine.upgrade() else { return };
            looks.spawn(async move { look(&engine, key).await });
        }
        let has_room = looks.len() < AT_ONCE;
        tokio::select! {
            Some(_) = looks.join_next() => {}
            lasts = watches.wait(IDLE), if has_room => {
                if !lasts && watches.rest() {
                    return;
                }
            }
        }
    }
}

/// Loads one session, and tells its watchers if it is over. A failure is not passed on.
async fn look(engine: &Engine, key: Key) {
    let found = engine.calls.wait(&mut engine.budget(), engine.load(key)).await;
    let found = match found {
        Ok(record) => record.map_or(Ok(None), |record| engine.rules.read(&key, &record)),
        Err(error) => {
            events::store_error(&key, &error);
            return engine.watches.look_again(key, engine.watch_pause().min(RETRY));
        }
    };
    match found {
        Ok(found) => {
            let (now, policy) = (engine.now(), &engine.rules.policy);
            engine.watches.settle(key, found.as_ref(), now, policy, engine.watch_pause());
        }
        // A later version has written it: this one cannot tell.
        Err(_) => engine.watches.look_again(key, engine.watch_pause()),
    }
}

/// Listens to other processes, where the store has messages. What was told while nothing listened is seen by looking at all.
async fn listen(engine: &Weak<Engine>, watches: &Arc<Watches>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let listened = Arc::new(AtomicBool::new(false));
        let (call, rest) = {
            let Some(engine) = engine.upgrade() else { return };
            if engine.store.facets().notices.is_none() {
                drop(engine);
                return std::future::pending().await;
            }
            let (watches, told) = (Arc::clone(watches), Arc::clone(&listened));
            let receive = move |notice| match notice {
                Notice::Listening => {
                    told.store(true, Ordering::Relaxed);
                    watches.look_at_all();
                }
                Notice::Changed(key) => watches.look_at(key),
                _ => {}
            };
            let call = engine.ask_notices("listen", None, |notices| -> BoxFuture<'_, _> {
                Box::pin(async move { notices.listen(&receive).await })
            });
            (call, less_a_tenth(&engine, pause))
        };
        // The poll continues without messages.
        _ = call.await;
        if listened.load(Ordering::Relaxed) {
            pause = SHORTEST_PAUSE;
        }
        tokio::time::sleep(rest).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn less_a_tenth(engine: &Engine, duration: Duration) -> Duration {
    let dice = engine.rules.random.u64().unwrap_or_default() as f64 / u64::MAX as f64;
    duration.mul_f64(1.0 - 0.1 * dice)
}

/// How many sessions are looked at at the same time.
const AT_ONCE: usize = 16;
/// How soon a session is looked at again that the store did not return.
const RETRY: Duration = Duration::from_secs(5);
/// How long the task, and with it the connection that listens, outlives the last watcher.
const IDLE: Duration = Duration::from_secs(10);
/// Pauses between a lost connection and the next attempt.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
