//! What is to be saved, step by step, and what the outcome of each step means. Decides, and waits for nothing.

use cloakroom_store::{Key, LeaseId, Record, Subject, Timestamp};

use super::load::Loaded;
use super::{Binding, Cookie, CookieWish, EndedBy, Ending, Held, Phase, Request};
use crate::calls::Budget;
use crate::clock::Stopwatch;
use crate::config::OnConflict;
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::lifecycle::{self, Changes, Draft, Revised, SignIn, Snapshot};
use crate::queues::Turn;
use crate::rules::Rules;
use crate::token::{Token, Verifier};
use crate::write::{Next, Write, Written};

/// One thing to be saved, over however many attempts.
pub(crate) struct Save {
    goal: Goal,
    /// What is recorded, and perhaps more.
    changes: Changes,
    /// What follows the last step, if that is decided.
    next: Option<Step>,
    /// After a first conflict, the attempts wait their turn in the session's queue.
    turn: Option<Turn>,
    /// How often a new session was begun.
    beginnings: usize,
    /// What the save fails with, when the ends that follow from it are stored.
    failure: Option<Error>,
    /// Whether the request's own secret was verified in this save, by a write or a load.
    verified: bool,
    /// How many sessions of the user the index had when this one was enrolled.
    enrolled: usize,
}

/// What a save is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// A single attempt, after which the caller decides again.
    Attempt,
    /// Everything recorded.
    All,
    /// The end of a request that is answered with this status.
    Close { status: u16 },
    /// Only the ends of sessions: the request was cut off.
    Ends,
}

/// How a save came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Saved,
    /// Nothing was saved, and the request is up to date for another attempt.
    Again,
}

/// The next thing to do.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, moved a few times: cheaper than a box")]
pub(super) enum Step {
    /// Make sure that the index of users knows of the session, before the write names its user.
    Enroll {
        subject: Subject,
        until: Timestamp,
        write: Write,
        purpose: Purpose,
    },
    Send(Write, Purpose),
    /// Load the record, to see whether the write was applied.
    LookUp(Write, Purpose),
    Delete(Key),
    /// Wait for the session's turn in this process.
    Turn(Key),
    /// Load what others left.
    Reload(Key),
    /// Load a session that is to be ended, and has changed.
    ReloadEnding(Key),
    /// See whether the request still has its lock.
    Renew(Key, LeaseId),
    /// See that the user has no more sessions than allowed.
    Limit(Subject, Key),
    Done(Verdict),
}

/// What a write is for.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "part of a step")]
pub(super) enum Purpose {
    /// To store a session for the first time.
    Begin { token: Token, draft: Draft },
    /// To change the stored session, perhaps under a new secret.
    Revise { secret: Option<Token>, draft: Draft },
    /// To end the stored session, in which nothing is left.
    Empty,
    /// To end the last of the sessions that the request has ended.
    End,
}

/// How a step came out.
#[derive(Debug)]
pub(super) enum Outcome {
    /// With the number of sessions that the index has for the user.
    Enrolled(cloakroom_store::Result<usize>),
    Sent(cloakroom_store::Result<()>),
    Loaded(cloakroom_store::Result<Option<Record>>),
    Deleted(cloakroom_store::Result<bool>),
    Turn(Result<Turn>),
    Renewed(cloakroom_store::Result<bool>),
    /// With what is left of the budget.
    Limited(Result<()>, Budget),
}

/// What is the same for all decisions of one moment.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) rules: &'a Rules,
    pub(super) now: Timestamp,
    /// Measures how long the save takes.
    pub(super) watch: Stopwatch,
    /// Whether the store has an index of users.
    pub(super) lists_subjects: bool,
    /// How many other sign-ins of this process were under way since this one was enrolled: the index may not have told of them.
    pub(super) other_sign_ins: usize,
}

impl Save {
    pub(crate) fn new(goal: Goal, changes: Changes) -> Self {
        Self {
            goal,
            changes,
            next: None,
            turn: None,
            beginnings: 0,
            failure: None,
            verified: false,
            enrolled: 0,
        }
    }

    /// The same save, with what another attempt is to save.
    pub(crate) fn again(mut self, changes: Changes) -> Self {
        self.changes = changes;
        self
    }

    pub(super) fn goal(&self) -> Goal {
        self.goal
    }
}

impl Request {
    /// The next step of a save.
    pub(super) fn next(&mut self, save: &mut Save, at: Moment<'_>) -> Result<Step> {
        loop {
            if let Some(step) = save.next.take() {
                return Ok(step);
            }
            self.decide(save, at)?;
        }
    }

    /// What follows from the outcome of a step.
    pub(super) fn settle(
        &mut self,
        save: &mut Save,
        step: Step,
        outcome: Outcome,
        at: Moment<'_>,
    ) -> Result<()> {
        match (step, outcome) {
            (Step::Enroll { write, purpose, .. }, Outcome::Enrolled(answer)) => {
                save.enrolled = answer.inspect_err(|error| events::store_error(&write.key, error))?;
                save.next = Some(Step::Send(write, purpose));
            }
            (Step::Send(mut write, purpose), Outcome::Sent(answer)) => {
                let next = write.answered(answer)?;
                self.follow(save, write, purpose, next, at)?;
            }
            (Step::LookUp(write, purpose), Outcome::Loaded(found)) => {
                let found = found.inspect_err(|error| events::store_error(&write.key, error))?;
                let next = write.looked_up(found.map(|found| found.revision))?;
                self.follow(save, write, purpose, next, at)?;
            }
            (Step::Delete(key), Outcome::Deleted(answer)) => {
                answer.inspect_err(|error| events::store_error(&key, error))?;
                events::destroyed(&key);
                self.changed.push(key);
                self.endings.pop();
            }
            (Step::Turn(key), Outcome::Turn(turn)) => {
                save.turn = Some(turn?);
                save.next = Some(Step::Reload(key));
            }
            (Step::Reload(key), Outcome::Loaded(answer)) => {
                save.verified = true;
                self.rebase(at.rules, Loaded::from_answer(&key, answer)?, at.now)?;
                if save.changes.is_empty() {
                    return Ok(());
                }
                match self.lease() {
                    // Of a session that is not the request's any more the lease is given back.
                    Some((key, lease)) if !self.is_detached() => save.next = Some(Step::Renew(key, lease)),
                    _ => self.try_again(save)?,
                }
            }
            (Step::ReloadEnding(key), Outcome::Loaded(answer)) => {
                self.reconsider_ending(Loaded::from_answer(&key, answer)?, at);
            }
            (Step::Renew(key, _), Outcome::Renewed(answer)) => {
                self.renewed(key, answer)?;
                self.try_again(save)?;
            }
            (Step::Limit(..), Outcome::Limited(kept, budget)) => {
                self.budget = budget;
                match kept {
                    Err(error) if error.kind() == ErrorKind::SubjectLimit => {
                        self.destroy(at.rules)?;
                        save.failure = Some(error);
                    }
                    kept => kept?,
                }
            }
            (step, outcome) => unreachable!("{step:?} came out as {outcome:?}"),
        }
        Ok(())
    }

    fn follow(
        &mut self,
        save: &mut Save,
        write: Write,
        purpose: Purpose,
        next: Next,
        at: Moment<'_>,
    ) -> Result<()> {
        match next {
            Next::Ended(written) => return self.written(save, write, purpose, written, at),
            Next::LookUp => save.next = Some(Step::LookUp(write, purpose)),
            Next::Send => save.next = Some(Step::Send(write, purpose)),
        }
        Ok(())
    }

    /// Decides what comes next, where no step has done that.
    fn decide(&mut self, save: &mut Save, at: Moment<'_>) -> Result<()> {
        if let Some(ending) = self.endings.last() {
            save.next = Some(match ending {
                Ending::Delete(key) => Step::Delete(*key),
                Ending::Tombstone { held, .. } => {
                    Step::Send(self.tombstone(held.key, &held.snapshot, at), Purpose::End)
                }
            });
            return Ok(());
        }
        if let Some(failure) = save.failure.take() {
            return Err(failure);
        }
        if save.changes.is_empty() {
            save.next = Some(match self.binding.held() {
                // The browser may have a newer cookie by now, which is not ours to remove.
                Some(held) if self.wish == CookieWish::Expired && save.is_close() && !save.verified => {
                    Step::Reload(held.key)
                }
                _ => Step::Done(Verdict::Saved),
            });
            return Ok(());
        }
        match &self.binding {
            Binding::New | Binding::Newer(_) => self.begin(save, at),
            Binding::Bound(_) => self.revise(save, at),
            Binding::Detached => self.try_again(save),
        }
    }

    /// Stores a session for the first time.
    fn begin(&mut self, save: &mut Save, at: Moment<'_>) -> Result<()> {
        let changes = &save.changes;
        if changes.sign_in.is_none() && changes.log.apply(self.binding.entries()).next().is_none() {
            self.changes = Changes::default();
            save.changes = Changes::default();
            return Ok(());
        }
        self.check_head()?;
        if save.beginnings == MAX_BEGINNINGS {
            return Err(Error::with_detail(ErrorKind::Unavailable, "a new session could not be stored"));
        }
        save.beginnings += 1;
        let token = at.rules.mint()?;
        let (key, verifier) = (at.rules.keyring.key(&token), at.rules.keyring.verifier(&token));
        let Some(draft) = lifecycle::begin(changes, verifier, &self.client, at.now, &at.rules.policy)? else {
            save.changes = Changes::default();
            return Ok(());
        };
        if changes.sign_in.is_none() && !at.rules.anonymous_rate.take() {
            return Err(at.rules.too_many_anonymous());
        }
        let write = Write::new(key, at.rules.record(&draft), None, None);
        let subject = save.changes.sign_in.as_ref().map(|sign_in| &sign_in.subject);
        save.next = Some(enrolled(subject, write, Purpose::Begin { token, draft }, at));
        Ok(())
    }

    /// Saves to a session that is stored.
    fn revise(&mut self, save: &mut Save, at: Moment<'_>) -> Result<()> {
        let Binding::Bound(Held { token, key, presented, snapshot }) = &self.binding else { return Ok(()) };
        let (rules, now, key) = (at.rules, at.now, *key);
        // A request that began in time may end late. A stream has no such end, but others may have used its session
        // meanwhile.
        if self.phase == Phase::HeadSent && !snapshot.is_live(now, &rules.policy) {
            save.next = Some(Step::Reload(key));
            return Ok(());
        }
        if now >= snapshot.ends_at(&rules.policy) {
            self.detach();
            return self.try_again(save);
        }
        if rules.settings.on_conflict == OnConflict::Reject
            && self.reads.clash(&save.changes.log, &snapshot.entries)
        {
            let detail = "a key was read, then changed by another request, then written";
            return Err(Error::with_detail(ErrorKind::Conflict, detail));
        }
        let left_alone = self.reads.left_alone(&save.changes.log, &snapshot.entries);
        let left_alone: Vec<String> = left_alone.map(str::to_owned).collect();
        for key in &left_alone {
            save.changes.log.forget(key);
        }
        let visit = self.visit(rules, *presented);
        let secret = match save.changes.takes_secret(snapshot, *presented, now, &rules.policy) {
            true => Some(self.new_secret(rules, token)?),
            false => None,
        };
        let verifier = secret.as_ref().map(|token| rules.keyring.verifier(token));
        let extend = self.options.touch;
        match lifecycle::revise(snapshot, &save.changes, verifier, &visit, extend, now, &rules.policy)? {
            Revised::Unchanged => {
                self.changes = Changes::default();
                save.changes = Changes::default();
            }
            Revised::Emptied => {
                save.next = Some(Step::Send(self.tombstone(key, snapshot, at), Purpose::Empty));
            }
            Revised::Write(draft) => {
                let expected = Some(snapshot.revision);
                let write = Write::new(key, rules.record(&draft), expected, self.last_lease(key));
                // Known before it is sent: should the answer get lost, this is how the request recognizes its own secret.
                self.unconfirmed.clone_from(&secret);
                if let (Some(watched), Some(verifier)) = (&self.watched, verifier) {
                    watched.add(verifier);
                }
                // The index of users forgets a session at its absolute end, as it was when it was enrolled.
                let later = draft.envelope.header.ends_at > snapshot.header.ends_at;
                let enrolls = later || save.changes.sign_in.is_some();
                let subject = draft.subject.clone().filter(|_| enrolls);
                save.next = Some(enrolled(subject.as_ref(), write, Purpose::Revise { secret, draft }, at));
            }
        }
        Ok(())
    }

    /// A new secret for the session of `token`. While it is not known whether one was stored, that one is used again.
    fn new_secret(&self, rules: &Rules, token: &Token) -> Result<Token> {
        self.check_head()?;
        self.unconfirmed.clone().map_or_else(|| rules.renew(token), Ok)
    }

    fn written(
        &mut self,
        save: &mut Save,
        write: Write,
        purpose: Purpose,
        written: Written,
        at: Moment<'_>,
    ) -> Result<()> {
        if written == Written::Applied && write.lease.is_some() {
            self.lease_released();
        }
        match (purpose, written) {
            (Purpose::Begin { token, draft }, Written::Applied) => {
                events::created(&write.key);
                let snapshot = draft.into_snapshot(write.record.revision);
                let held = Held { token, key: write.key, presented: None, snapshot };
                if let Binding::Newer(Some(key)) = std::mem::replace(&mut self.binding, Binding::Bound(held))
                {
                    // The user has a new session, so the old one ends.
                    self.endings.push(Ending::Delete(key));
                }
                self.set_cookie();
                self.committed(save, at);
            }
            // It got lost, or is late: the next one has a key of its own.
            (Purpose::Begin { .. }, Written::Missing | Written::Gone) => {}
            // Another session under a random 128-bit locator: this is no coincidence.
            (Purpose::Begin { .. }, Written::Conflict) => {
                let detail = "a new session could not be stored";
                return Err(Error::with_detail(ErrorKind::Unavailable, detail));
            }
            (Purpose::Revise { secret, draft }, Written::Applied) => {
                let Binding::Bound(held) = &mut self.binding else { return Ok(()) };
                held.snapshot = draft.into_snapshot(write.record.revision);
                let rotated = secret.is_some();
                if let Some(token) = secret {
                    held.token = token;
                    self.unconfirmed = None;
                    self.changed.push(write.key);
                    events::rotated(&write.key, save.changes.sign_in.is_some());
                }
                let current = rotated || at.rules.is_current(&held.token, &held.snapshot);
                if rotated || current && save.changes.remember.is_some() {
                    self.set_cookie();
                }
                self.committed(save, at);
            }
            (Purpose::Revise { .. }, Written::Gone) => {
                let detail = "a write got no answer, and its record is gone";
                return Err(Error::with_detail(ErrorKind::Unavailable, detail));
            }
            (Purpose::Empty, Written::Applied) => {
                events::destroyed(&write.key);
                self.changed.push(write.key);
                self.forget_cookie(at.rules, write.key);
                self.start_anew();
                save.changes = Changes::default();
                save.verified = true;
            }
            (Purpose::Revise { .. } | Purpose::Empty, Written::Conflict) => {
                self.wait_for_turn(save, write.key, at)?;
            }
            (Purpose::Revise { .. }, Written::Missing)
            | (Purpose::Empty, Written::Missing | Written::Gone) => {
                self.detach();
                self.try_again(save)?;
            }
            (Purpose::End, Written::Conflict) => save.next = Some(Step::ReloadEnding(write.key)),
            (Purpose::End, written) => {
                if written == Written::Applied {
                    events::destroyed(&write.key);
                    self.changed.push(write.key);
                    self.endings.pop();
                } else {
                    self.drop_ending();
                }
            }
        }
        Ok(())
    }

    /// What was to be saved is stored.
    fn committed(&mut self, save: &mut Save, at: Moment<'_>) {
        let changes = std::mem::take(&mut save.changes);
        self.changes = Changes::default();
        save.verified = true;
        let Binding::Bound(held) = &self.binding else { return };
        self.reads.committed(&changes.log, &held.snapshot.entries);
        if let Some(SignIn { subject, .. }) = changes.sign_in
            && let Some(limit) = at.rules.settings.subject_limit.at_most(at.lists_subjects)
            && save.enrolled + at.other_sign_ins > limit
        {
            save.next = Some(Step::Limit(subject, held.key));
        }
    }

    /// After a conflict: the session's queue decides when this request tries again.
    fn wait_for_turn(&mut self, save: &mut Save, key: Key, at: Moment<'_>) -> Result<()> {
        events::conflict(&key);
        let settings = &at.rules.settings;
        if at.watch.elapsed() > settings.store_budget + settings.lock_timeout {
            return Err(Error::with_detail(ErrorKind::Unavailable, "the session kept changing"));
        }
        let in_line = self.exclusive.is_some() || save.turn.is_some();
        save.next = Some(if in_line { Step::Reload(key) } else { Step::Turn(key) });
        Ok(())
    }

    /// An attempt has saved nothing, and the request knows now what others left.
    fn try_again(&mut self, save: &mut Save) -> Result<()> {
        if matches!(self.binding, Binding::Detached) {
            match self.carry_sign_in() {
                // It was ended elsewhere: what this request wanted to save has no place any more, and that is all.
                Err(_) if save.is_close() && !save.changes.elevate => {}
                carried => carried?,
            }
        }
        match save.goal {
            Goal::Attempt => save.next = Some(Step::Done(Verdict::Again)),
            Goal::All | Goal::Close { .. } => save.changes = self.changes.clone(),
            Goal::Ends => save.changes = Changes::default(),
        }
        Ok(())
    }

    /// The session is not this request's any more. A sign-in continues in a fresh session, with what was recorded after
    /// it; everything else is dropped.
    fn carry_sign_in(&mut self) -> Result<()> {
        let Some(SignIn { subject, after }) = self.changes.sign_in.take() else {
            self.changes = Changes::default();
            return Err(Error::new(ErrorKind::Ended));
        };
        let remember = self.changes.remember;
        self.start_anew();
        let log = after.clone();
        let sign_in = Some(SignIn { subject, after });
        self.changes = Changes { log, sign_in, remember, ..Changes::default() };
        Ok(())
    }

    fn tombstone(&self, key: Key, snapshot: &Snapshot, at: Moment<'_>) -> Write {
        let draft = lifecycle::end(snapshot, at.now);
        let record = at.rules.record(&draft);
        Write::new(key, record, Some(snapshot.revision), self.last_lease(key))
    }

    /// The session that is to be ended has changed: it still ends, if it is still the one that the request meant.
    fn reconsider_ending(&mut self, loaded: Loaded, at: Moment<'_>) {
        let visit = self.visit(at.rules, None);
        let Some(Ending::Tombstone { held, by }) = self.endings.last_mut() else { return };
        let verifier = |token: &Token| at.rules.keyring.verifier(token);
        let own = match by {
            EndedBy::Secret(unconfirmed) => {
                Some([Some(verifier(&held.token)), unconfirmed.as_ref().map(verifier)])
            }
            EndedBy::Reuse => None,
        };
        // Whether it still has one of the secrets by which it is ended, if any is needed.
        let has_one = |has: &dyn Fn(&Verifier) -> bool| own.is_none_or(|own| own.iter().flatten().any(has));
        let is_own = |fresh: &Snapshot, own: &Verifier| {
            fresh.accepts(own, visit.accepted_at(at.now), at.now, &at.rules.policy)
        };
        match loaded.read(at.rules, &held.key) {
            Ok(Some(fresh)) if !fresh.header.ended && has_one(&|own| is_own(&fresh, own)) => {
                held.snapshot = fresh;
                return;
            }
            // Where its secret cannot be told, it is taken for the one that was there before.
            Err(newer) if has_one(&|own| newer.verifier.is_none_or(|current| current == *own)) => {
                let key = held.key;
                self.endings.pop();
                self.endings.push(Ending::Delete(key));
                return;
            }
            _ => {}
        }
        self.drop_ending();
    }

    /// The session that this request wanted to end is not its own any more. The browser may have a newer cookie by now, which
    /// is neither to be removed nor to be overwritten.
    fn drop_ending(&mut self) {
        let ending = self.endings.pop();
        let by_secret = matches!(ending, Some(Ending::Tombstone { by: EndedBy::Secret(_), .. }));
        if by_secret && matches!(self.binding, Binding::New) {
            self.cookie = Cookie::Keep;
            self.binding = Binding::Detached;
        }
    }

    /// The lease on `key`, if it is held and this is the request's last write to it.
    fn last_lease(&self, key: Key) -> Option<LeaseId> {
        let (held, lease) = self.lease()?;
        (self.phase == Phase::Closing && held == key).then_some(lease)
    }
}

impl Save {
    fn is_close(&self) -> bool {
        matches!(self.goal, Goal::Close { .. })
    }
}

/// Sends the write, after the index of users knows of a session of this user.
fn enrolled(subject: Option<&Subject>, write: Write, purpose: Purpose, at: Moment<'_>) -> Step {
    match (subject, &purpose) {
        (Some(subject), Purpose::Begin { draft, .. } | Purpose::Revise { draft, .. })
            if at.lists_subjects =>
        {
            let until = draft.envelope.header.ends_at;
            Step::Enroll { subject: subject.clone(), until, write, purpose }
        }
        _ => Step::Send(write, purpose),
    }
}

/// How often a new session is begun while the store loses its first record.
const MAX_BEGINNINGS: usize = 3;

#[cfg(test)]
mod tests;
