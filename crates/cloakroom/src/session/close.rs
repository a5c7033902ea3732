//! The beginning and the end of a request, as its adapter sees them.

use std::fmt;
use std::mem;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cloakroom_store::BoxFuture;

use super::Session;
use super::state::{Attached, Cookie, Inner, State};
use crate::answer::{Answer, Closing, Headers, Reply};
use crate::calls::Budget;
use crate::config::Locking;
use crate::error::{Error, ErrorKind, Result};
use crate::info::SessionStatus;
use crate::lifecycle::Changes;
use crate::{events, lifecycle};

/// The session of a request that has not ended yet: what an adapter holds, from
/// [`SessionManager::open`](crate::SessionManager::open) to [`close`](Self::close).
///
/// Dropped without having been closed, the request was cut off: its handler panicked, or its client went away. Nothing is
/// saved then, but after a panic the end of sessions; others may have the session at once. A panic counts as one where
/// this is dropped while it unwinds.
#[must_use = "nothing is saved unless it is closed"]
pub struct OpenSession {
    session: Session,
    closed: bool,
}

impl OpenSession {
    pub(crate) fn new(session: Session) -> Self {
        Self { session, closed: false }
    }

    /// What has to happen before the handler runs, if anything: it answers a response that takes the handler's place,
    /// or none.
    ///
    /// There is nothing to do unless the request has a token and the settings want its session loaded early: for
    /// [`Locking::Early`], or to tell visitors that their session has expired or moved.
    pub fn prepare(&self) -> Option<BoxFuture<'static, Option<Reply>>> {
        let Session(inner) = &self.session;
        if !inner.engine.settings.loads_early() || inner.presented.is_empty() {
            return None;
        }
        let inner = Arc::clone(inner);
        Some(Box::pin(async move { inner.load_early().await }))
    }

    /// Ends the request: saves what the handler did, and answers what that means for its response, whose status is
    /// `status`. To be called, and its answer waited for, before the response head is sent.
    ///
    /// Once polled, it runs to its end even if it is dropped. Nothing is saved for a `status` of 500 or more but the
    /// end of sessions.
    pub fn close(mut self, status: u16) -> Closing {
        self.closed = true;
        let Session(inner) = &self.session;
        if let Ok(mut state) = inner.state.try_lock()
            && state.is_clean()
            && !state.expire_cookie
        {
            return Closing::ready(inner.end_clean(&mut state, status));
        }
        let inner = Arc::clone(inner);
        Closing::running(Box::pin(async move {
            let work = Arc::clone(&inner);
            inner.engine.tasks.finish(async move { work.end(status).await }).await
        }))
    }
}

/// The handle for the handler.
impl Deref for OpenSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        let Session(inner) = &self.session;
        if self.closed {
            return;
        }
        let panicked = std::thread::panicking();
        if let Ok(mut state) = inner.state.try_lock()
            && (state.ending.is_empty() || !panicked)
        {
            state.discard();
            return;
        }
        // There are sessions to be ended, or a save is under way that will finish first. Without a runtime there is nobody
        // left to do either.
        let abandoned = Arc::clone(inner);
        let abandon = async move {
            let mut state = abandoned.state.lock().await;
            if panicked && let Err(error) = abandoned.finish_ends(&mut state).await {
                events::unsaved(&error);
            }
            state.discard();
        };
        if tokio::runtime::Handle::try_current().is_ok() {
            inner.engine.tasks.spawn(abandon);
        }
    }
}

impl fmt::Debug for OpenSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSession").finish_non_exhaustive()
    }
}

impl Inner {
    async fn load_early(&self) -> Option<Reply> {
        let engine = &self.engine;
        let mut state = self.state.lock().await;
        let locks = engine.settings.locking == Locking::Early;
        let loaded = if locks { self.ready(&mut state).await } else { self.look(&mut state).await };
        match loaded {
            // The first access will answer it, unless the route goes on without a session.
            Err(error) if error.kind() == ErrorKind::Unavailable && !locks => None,
            Err(error) => Some(Reply::instead(&error)),
            // What was purged has expired as well, only longer ago. Of two live sessions none has: to remove the cookie of
            // one would be to choose the other.
            Ok(())
                if !engine.settings.ignore_expiry
                    && !state.ambiguous
                    && matches!(state.origin, SessionStatus::Expired | SessionStatus::Unknown) =>
            {
                Some(Reply::expired(&engine.settings, engine.cookie.removal()))
            }
            Ok(()) => None,
        }
    }

    /// The end of a request that leaves nothing to save.
    fn end_clean(&self, state: &mut State, status: u16) -> Answer {
        if !self.consulted.load(Ordering::Relaxed) {
            state.closed = true;
            return Answer::Keep(Headers::default());
        }
        let outcome = state.outcome(status, Ok(()));
        self.answer(state, outcome)
    }

    async fn end(&self, status: u16) -> Answer {
        let mut state = match self.state().await {
            Ok(state) => state,
            Err(error) => return Answer::Replace(Reply::instead(&error)),
        };
        state.closing = true;
        let saved = self.save_for(&mut state, status).await;
        let outcome = state.outcome(status, saved);
        self.answer(&mut state, outcome)
    }

    /// Saves at the end of a request that answers `status`.
    async fn save_for(&self, state: &mut State, status: u16) -> Result<()> {
        if status >= 500 {
            state.changes = Changes::default();
            state.expire_cookie = false;
        }
        match self.save(state).await {
            // It was ended elsewhere: what this request wanted to save has no place any more, and that is all.
            Err(error) if error.kind() == ErrorKind::Ended => self.finish_ends(state).await?,
            saved => saved?,
        }
        if state.expire_cookie && !state.written {
            // The browser may have a newer cookie by now, which is not ours to remove.
            self.refresh(state).await?;
        }
        Ok(())
    }

    /// What the response is to say, now that everything is saved, or could not be.
    fn answer(&self, state: &mut State, outcome: Result<()>) -> Answer {
        state.closed = true;
        state.closing = false;
        state.release();
        match outcome {
            Err(error) => {
                events::unsaved(&error);
                let mut reply = Reply::instead(&error);
                // A secret that is stored must reach the browser, whatever became of the rest: its old one is dead.
                if state.cookie == Cookie::Set && !state.expire_cookie {
                    reply.set_cookie = self.set_cookie(state);
                }
                Answer::Replace(reply)
            }
            Ok(()) => {
                self.touch(state);
                Answer::Keep(Headers { set_cookie: self.set_cookie(state), vary: true })
            }
        }
    }

    fn set_cookie(&self, state: &mut State) -> Option<String> {
        let engine = &self.engine;
        let cookie = mem::take(&mut state.cookie);
        if matches!(state.attached, Attached::Dropped) {
            return None;
        }
        if state.expire_cookie {
            let known = cookie != Cookie::Keep || !self.presented.is_empty() || self.presented.is_ambiguous();
            return known.then(|| engine.cookie.removal());
        }
        match (cookie, &state.attached) {
            (Cookie::Set, Attached::Stored(held)) => {
                let lasts = engine.settings.persistent || held.snapshot.header.remembered.is_some();
                let rest = held.snapshot.ends_at(&engine.policy).since(engine.clock.now());
                let value = engine.keyring.print(&held.token);
                Some(engine.cookie.set(&value, lasts.then_some(rest.max(Duration::from_secs(1)))))
            }
            (Cookie::Remove, _) => Some(engine.cookie.removal()),
            _ => None,
        }
    }

    /// Notes that the session was used, if that is due: after the response, on its own.
    fn touch(&self, state: &State) {
        let engine = &self.engine;
        let Attached::Stored(held) = &state.attached else { return };
        if state.written || state.degraded || !self.route().touch || self.route().off {
            return;
        }
        let now = engine.clock.now();
        let Some(expires_at) = lifecycle::touch(&held.snapshot, now, &engine.policy) else { return };
        let (engine, key, mut budget) = (Arc::clone(engine), held.key, Budget(engine.settings.store_timeout));
        let call = async move {
            let touch = Arc::clone(&engine.store).touch(key, now, expires_at);
            if let Err(error) =
                engine.calls.run(events::StoreCall::new("touch", Some(&key)), &mut budget, touch).await
            {
                events::store_error(&key, &error);
            }
        };
        self.engine.tasks.spawn(call);
    }
}

impl State {
    /// Ends a request that saves nothing, unless it has ended already: a stream may go on with its session.
    fn discard(&mut self) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.changes = Changes::default();
        self.ending.clear();
        self.release();
    }

    /// How the request came out, beside what was saved just now: a write that could not even be recorded must not be
    /// answered as if it had been.
    fn outcome(&mut self, status: u16, saved: Result<()>) -> Result<()> {
        match self.refused.take() {
            Some(error) if status < 400 => saved.and(Err::<(), Error>(error)),
            _ => saved,
        }
    }
}
