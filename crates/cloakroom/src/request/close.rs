//! Before the handler and after it: what the response is to say.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::ErrorKind as StoreErrorKind;

use super::plan::{Goal, Save};
use super::{Binding, Cookie, CookieWish, Found, Phase, Request};
use crate::answer::{Answer, Headers, Reply};
use crate::calls::Budget;
use crate::config::Locking;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events;
use crate::info::SessionStatus;
use crate::lifecycle::{self, Upkeep};
use crate::tasks::Runner;
use crate::write::Write;

impl Request {
    pub(crate) fn presents_a_token(&self) -> bool {
        !self.presented.is_empty()
    }

    /// Loads the session before the handler; returns the response that takes the handler's place, if there is one.
    pub(crate) async fn load_early(&mut self, engine: &Arc<Engine>) -> Option<Reply> {
        let settings = engine.settings();
        let locks = settings.locking == Locking::Early;
        let loaded = if locks { self.ready(engine).await } else { self.peek(engine).await };
        match loaded {
            // The first access fails with it, unless the route continues without a session; a sign-in may still succeed on
            // what a later version has written.
            Err(error) if error.is_outage() && (!locks || matches!(self.binding, Binding::Newer(_))) => None,
            Err(error) => Some(Reply::instead(&error)),
            // What was purged has expired as well, only longer ago. Of two live sessions none has: to remove the cookie of
            // one would be to choose the other.
            Ok(())
                if !settings.ignore_expiry
                    && matches!(
                        self.found,
                        Found::Status(SessionStatus::Expired | SessionStatus::Unknown)
                    ) =>
            {
                Some(Reply::expired(settings, engine.rules.cookie.removal()))
            }
            Ok(()) => None,
        }
    }

    /// A panic has dropped a handle to the session there.
    pub(crate) fn note_panic(&mut self, runner: Runner) {
        self.panics.push(runner);
    }

    /// The status that counts for a request that is closed by `runner`: a handler that panicked saves nothing, whatever
    /// the framework made of that. A panic of another task, which had a handle too, is not the handler's.
    pub(crate) fn counting_status(&self, status: u16, runner: impl FnOnce() -> Runner) -> u16 {
        match !self.panics.is_empty() && self.panics.contains(&runner()) {
            true => status.max(500),
            false => status,
        }
    }

    /// The end of a request that leaves nothing to save, if this is one.
    pub(crate) fn close_clean(&mut self, engine: &Arc<Engine>, status: u16) -> Option<Answer> {
        if self.phase == Phase::Untouched {
            self.phase = Phase::HeadSent;
            return Some(Answer::Keep(Headers::default()));
        }
        if !self.is_clean() || self.wish == CookieWish::Expired {
            return None;
        }
        Some(self.conclude(engine, status, Ok(())))
    }

    /// The save that ends a request which is answered with `status`.
    pub(crate) fn closing(&mut self, status: u16) -> Save {
        self.phase = Phase::Closing;
        if status >= 500 {
            self.changes = Default::default();
            self.wish = CookieWish::AsNeeded;
        }
        Save::new(Goal::Close { status }, self.changes.clone())
    }

    /// What the response is to say, now that everything is saved, or could not be.
    pub(super) fn conclude<T>(&mut self, engine: &Arc<Engine>, status: u16, saved: Result<T>) -> Answer {
        let outcome = self.outcome(status, saved.map(drop));
        self.phase = Phase::HeadSent;
        self.release();
        match outcome {
            Err(error) => {
                events::unsaved(&error);
                let mut reply = Reply::instead(&error);
                // A secret that is stored must reach the browser, whatever became of the rest: its old one is dead.
                if matches!(self.cookie, Cookie::Set { .. }) && self.wish == CookieWish::AsNeeded {
                    reply.set_cookie = self.set_cookie_field(engine);
                }
                Answer::Replace(reply)
            }
            Ok(()) => {
                self.upkeep(engine);
                let private = self.saw_user || self.subject().is_some();
                Answer::Keep(Headers { set_cookie: self.set_cookie_field(engine), vary: true, private })
            }
        }
    }

    /// How the request came out, beside what was saved just now: a write that could not even be recorded must not be
    /// answered as if it had been.
    fn outcome(&mut self, status: u16, saved: Result<()>) -> Result<()> {
        match self.refused.take() {
            Some(error) if status < 400 => saved.and(Err::<(), Error>(error)),
            _ => saved,
        }
    }

    fn set_cookie_field(&mut self, engine: &Engine) -> Option<String> {
        let rules = &engine.rules;
        let cookie = mem::replace(&mut self.cookie, Cookie::Keep);
        if matches!(self.binding, Binding::Detached) {
            return None;
        }
        if self.wish == CookieWish::Expired {
            let known = cookie != Cookie::Keep || !self.presented.is_empty() || self.presented.is_ambiguous();
            return known.then(|| rules.cookie.removal());
        }
        match (cookie, &self.binding) {
            (Cookie::Set { .. }, Binding::Bound(held)) => {
                let lasts = rules.settings.persistent || held.snapshot.header.remembered.is_some();
                let rest = held.snapshot.ends_at(&rules.policy).since(engine.now());
                let value = rules.keyring.print(&held.token);
                Some(rules.cookie.set(&value, lasts.then_some(rest.max(Duration::from_secs(1)))))
            }
            (Cookie::Remove, _) => Some(rules.cookie.removal()),
            _ => None,
        }
    }

    /// Notes that the session was used, and what it set right, if that is due: after the response, on its own.
    fn upkeep(&self, engine: &Arc<Engine>) {
        let Binding::Bound(held) = &self.binding else { return };
        if self.is_degraded() || self.options.off {
            return;
        }
        let (now, rules) = (engine.now(), &engine.rules);
        let visit = self.visit(rules, held.presented);
        let (key, owner) = (held.key, Arc::clone(engine));
        match lifecycle::upkeep(&held.snapshot, &visit, self.options.touch, now, &rules.policy) {
            Upkeep::Nothing => {}
            Upkeep::Touch(expires_at) => {
                engine.tasks.spawn(async move {
                    let mut budget = Budget(owner.settings().store_timeout);
                    let touch = owner.touch(key, now, expires_at);
                    if let Err(error) = owner.calls.wait(&mut budget, touch).await {
                        events::store_error(&key, &error);
                    }
                });
            }
            Upkeep::Correct(draft) => {
                let write = Write::new(key, rules.record(&draft), Some(held.snapshot.revision), None);
                engine.tasks.spawn(async move {
                    let mut budget = Budget(owner.settings().store_timeout);
                    match owner.calls.wait(&mut budget, owner.send(&write)).await {
                        // The next request does it.
                        Err(error)
                            if matches!(error.kind(), StoreErrorKind::Conflict | StoreErrorKind::Missing) => {
                        }
                        Err(error) => events::store_error(&key, &error),
                        // The grace of the secret before it may be shorter now.
                        Ok(()) => owner.changed(key),
                    }
                });
            }
        }
    }

    /// Whether there are sessions to end.
    pub(crate) fn has_endings(&self) -> bool {
        !self.endings.is_empty()
    }

    /// Ends a request that saves nothing, unless it has ended already: a stream may continue with its session.
    pub(crate) fn discard(&mut self) {
        if self.phase == Phase::HeadSent {
            return;
        }
        self.phase = Phase::HeadSent;
        self.changes = Default::default();
        self.endings.clear();
        self.release();
    }
}
