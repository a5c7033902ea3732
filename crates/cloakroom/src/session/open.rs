//! The beginning and the end of a request, as its adapter sees them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use cloakroom_store::BoxFuture;

use super::{OwnedRequest, Session};
use crate::answer::{Answer, Closing, Reply};
use crate::clock::Stopwatch;
use crate::events;
use crate::request::plan::{Goal, Save};
use crate::request::save::Saving;
use crate::tasks::Runner;

/// The session of a request that has not ended yet: what an adapter holds, from
/// [`SessionManager::open`](crate::SessionManager::open) to [`close`](Self::close).
///
/// Dropped without having been closed, the request was cut off: its handler panicked, or its client went away. Nothing is
/// saved then, but after a panic the end of sessions; others may have the session at once. A panic counts as one where
/// this is dropped while it unwinds.
///
/// A panic that something catches counts as well, if it dropped a [`Session`] of the request in the task that closes this:
/// then [`close`](Self::close) saves what it saves with a status of 500.
#[must_use = "nothing is saved unless it is closed"]
pub struct OpenSession {
    session: Session,
    closed: bool,
}

impl OpenSession {
    pub(crate) fn new(session: Session) -> Self {
        Self { session, closed: false }
    }

    /// What has to happen before the handler runs, if anything: returns a response that takes the handler's place,
    /// or none.
    ///
    /// There is nothing to do unless the request has a token and the settings want its session loaded early: for
    /// [`Locking::Early`](crate::Locking::Early), or to tell visitors that their session has expired or moved.
    pub fn prepare(&self) -> Option<BoxFuture<'static, Option<Reply>>> {
        let Session { request, engine } = &self.session;
        let wanted = engine.settings().loads_early()
            && request.try_lock().is_ok_and(|request| request.presents_a_token());
        let session = wanted.then(|| self.session.clone())?;
        Some(Box::pin(async move { session.request.lock().await.load_early(&session.engine).await }))
    }

    /// Ends the request: saves what the handler did, and returns what that means for its response, whose status is
    /// `status`. To be called, and its answer waited for, before the response head is sent.
    ///
    /// Once polled, it runs to its end even if it is dropped. Nothing is saved for a `status` of 500 or more but the
    /// end of sessions.
    pub fn close(mut self, status: u16) -> Closing {
        self.closed = true;
        let Session { request, engine } = &self.session;
        if let Ok(mut request) = request.try_lock() {
            let status = request.counting_status(status, Runner::current);
            if let Some(answer) = request.close_clean(engine, status) {
                return Closing::ready(answer);
            }
        }
        let runner = Runner::current();
        let session = self.session.clone();
        Closing::running(match Arc::clone(&session.request).try_lock_owned() {
            Ok(request) => Box::pin(async move {
                let saving = session.closing(request, status, runner);
                answered(session.engine.tasks.finish(saving).await.answer)
            }),
            Err(_) => Box::pin(async move {
                let waiting = session.clone();
                let work = Box::pin(async move {
                    match waiting.owned().await {
                        Ok(request) => answered(waiting.closing(request, status, runner).await.answer),
                        Err(error) => Answer::Replace(Reply::instead(&error)),
                    }
                });
                session.engine.tasks.finish(work).await
            }),
        })
    }
}

fn answered(answer: Option<Answer>) -> Answer {
    answer.expect("a save that closes a request says what its response is")
}

impl Session {
    fn closing(&self, mut request: OwnedRequest, status: u16, runner: Runner) -> Box<Saving> {
        let status = request.counting_status(status, || runner);
        let save = request.closing(status);
        Saving::new(Arc::clone(&self.engine), request, save, Stopwatch::start())
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
        if self.closed {
            return;
        }
        let panicked = std::thread::panicking();
        let Session { request, engine } = &self.session;
        if let Ok(mut request) = request.try_lock()
            && (!panicked || !request.has_endings())
        {
            request.discard();
            return;
        }
        // There are sessions to be ended, or a save is under way that will finish first. Without a runtime nothing can do
        // either.
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (request, owner) = (Arc::clone(request), Arc::clone(engine));
        engine.tasks.spawn(async move {
            let mut request = request.lock_owned().await;
            if panicked && request.has_endings() {
                let ends = Saving::new(
                    owner,
                    request,
                    Save::new(Goal::Ends, Default::default()),
                    Stopwatch::start(),
                );
                let saved = ends.await;
                if let Err(error) = &saved.result {
                    events::unsaved(error);
                }
                request = saved.request;
            }
            request.discard();
        });
    }
}

impl fmt::Debug for OpenSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSession").finish_non_exhaustive()
    }
}
