//! Saving: carries out the steps of `plan`, one store call after the other.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use cloakroom_store::{BoxFuture, Record};
use tokio::sync::OwnedMutexGuard;

use super::Request;
use super::plan::{Goal, Moment, Outcome, Save, Step, Verdict};
use crate::answer::Answer;
use crate::calls::{Budget, Call, Timed};
use crate::clock::Stopwatch;
use crate::engine::Engine;
use crate::error::Result;
use crate::sign_ins::SignIn;

/// A save under way, with everything that it needs: it can be moved between polls, and so be handed to a task whenever a
/// store call has to be waited for. Boxed, because it is large and moves.
pub(crate) struct Saving {
    engine: Arc<Engine>,
    watch: Stopwatch,
    work: Option<(OwnedMutexGuard<Request>, Save)>,
    running: Option<(Step, Running)>,
    /// From when the index of users was told of a sign-in until its end.
    sign_in: Option<SignIn>,
}

/// A save that has come to its end.
pub(crate) struct Saved {
    pub(crate) request: OwnedMutexGuard<Request>,
    pub(crate) save: Save,
    pub(crate) result: Result<Verdict>,
    /// Of a save that closes the request.
    pub(crate) answer: Option<Answer>,
}

/// What a step waits for.
enum Running {
    Send(Timed<()>),
    Enroll(Timed<usize>),
    Load(Timed<Option<Record>>),
    Bool(Timed<bool>),
    Other(BoxFuture<'static, Outcome>),
}

impl Saving {
    /// `watch` measures how long it takes, with the attempts before it.
    pub(crate) fn new(
        engine: Arc<Engine>,
        request: OwnedMutexGuard<Request>,
        save: Save,
        watch: Stopwatch,
    ) -> Box<Self> {
        Box::new(Self { engine, watch, work: Some((request, save)), running: None, sign_in: None })
    }

    /// Everything that the request has recorded.
    pub(crate) fn all(engine: Arc<Engine>, request: OwnedMutexGuard<Request>) -> Box<Self> {
        let save = Save::new(Goal::All, request.changes.clone());
        Self::new(engine, request, save, Stopwatch::start())
    }

    /// Begins a step.
    fn begin(engine: &Arc<Engine>, request: &Request, step: &Step) -> Running {
        let budget = request.budget;
        let timed_bool = |call: Call<bool>| engine.calls.timed(budget, call);
        match step {
            Step::Send(write, _) => Running::Send(engine.calls.timed(budget, engine.send(write))),
            Step::LookUp(write, _) => Running::Load(engine.calls.timed(budget, engine.load(write.key))),
            Step::Reload(key) | Step::ReloadEnding(key) => {
                Running::Load(engine.calls.timed(budget, engine.load(*key)))
            }
            Step::Delete(key) => Running::Bool(timed_bool(engine.delete(*key))),
            Step::Renew(key, lease) => {
                let (key, renewal) = (*key, engine.renewal(*lease));
                Running::Bool(timed_bool(
                    engine.ask_leases("renew", key, move |leases| leases.renew(key, renewal)),
                ))
            }
            Step::Enroll { subject, until, write, .. } => {
                let (subject, key, until, now) = (subject.clone(), write.key, *until, engine.now());
                let enroll = engine.ask_subjects("enroll", Some(&key), move |subjects| {
                    subjects.enroll(subject, key, now, until)
                });
                Running::Enroll(engine.calls.timed(budget, enroll))
            }
            Step::Turn(key) => {
                let turn = Arc::clone(&engine.queues).wait(*key, engine.settings().lock_timeout);
                Running::Other(Box::pin(async move { Outcome::Turn(turn.await) }))
            }
            Step::Limit(subject, key) => {
                let (engine, subject, key) = (Arc::clone(engine), subject.clone(), *key);
                Running::Other(Box::pin(async move {
                    let mut budget = budget;
                    let kept = engine.keep_subject_limit(&mut budget, &subject, key).await;
                    Outcome::Limited(kept, budget)
                }))
            }
            Step::Done(_) => unreachable!("nothing is to be done"),
        }
    }
}

impl Future for Saving {
    type Output = Saved;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Saved> {
        let Self { engine, watch, work, running, sign_in } = &mut *self;
        let (request, save) = work.as_mut().expect("not polled after it was ready");
        let rules = &engine.rules;
        let lists_subjects = engine.store.facets().subjects.is_some();
        let result = loop {
            let outcome = match running {
                Some((step, call)) => Some(ready!(call.poll(step, &mut request.budget, cx))),
                None => None,
            };
            let other_sign_ins = sign_in.as_ref().map_or(0, SignIn::others);
            let at = Moment { rules, now: engine.now(), watch: *watch, lists_subjects, other_sign_ins };
            if let Some((outcome, (step, _))) = outcome.zip(running.take()) {
                let settled = request.settle(save, step, outcome, at);
                request.release_lost();
                for key in request.changed.drain(..) {
                    engine.changed(key);
                }
                if let Err(error) = settled {
                    break Err(error);
                }
            }
            match request.next(save, at) {
                Ok(Step::Done(verdict)) => break Ok(verdict),
                Ok(step) => {
                    if matches!(step, Step::Enroll { .. }) {
                        sign_in.get_or_insert_with(|| SignIn::begin(&engine.sign_ins));
                    }
                    let call = Self::begin(engine, request, &step);
                    *running = Some((step, call));
                }
                Err(error) => break Err(error),
            }
        };
        let answer = match save.goal() {
            Goal::Close { status } => Some(request.conclude(engine, status, result.clone())),
            _ => None,
        };
        let (request, save) = work.take().expect("it is there");
        Poll::Ready(Saved { request, save, result, answer })
    }
}

impl Running {
    fn poll(&mut self, step: &Step, budget: &mut Budget, cx: &mut Context<'_>) -> Poll<Outcome> {
        let (outcome, took) = match self {
            Self::Send(call) => {
                let (answer, took) = ready!(Pin::new(call).poll(cx));
                (Outcome::Sent(answer), took)
            }
            Self::Enroll(call) => {
                let (answer, took) = ready!(Pin::new(call).poll(cx));
                (Outcome::Enrolled(answer), took)
            }
            Self::Load(call) => {
                let (answer, took) = ready!(Pin::new(call).poll(cx));
                (Outcome::Loaded(answer), took)
            }
            Self::Bool(call) => {
                let (answer, took) = ready!(Pin::new(call).poll(cx));
                match step {
                    Step::Renew(..) => (Outcome::Renewed(answer), took),
                    _ => (Outcome::Deleted(answer), took),
                }
            }
            Self::Other(work) => return work.as_mut().poll(cx),
        };
        budget.spend(took);
        Poll::Ready(outcome)
    }
}
