//! Saving: conditional writes of what was recorded, tried again on what others left.

use cloakroom_store::{Key, LeaseId, Subject};

use super::state::{Attached, Cookie, Held, Inner, State};
use crate::clock::Stopwatch;
use crate::config::OnConflict;
use crate::engine::Written;
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::{self, Changes, Draft, Revised, SignIn, Snapshot};
use crate::lock::Turn;
use crate::token::Token;
use crate::{envelope, events};

/// One run of attempts to save the same thing.
pub(super) struct Tries {
    watch: Stopwatch,
    /// After a first conflict, the attempts wait their turn in the session's queue.
    turn: Option<Turn>,
}

/// How an attempt ended.
pub(super) enum Attempt {
    Saved,
    Conflict,
    /// What was loaded may not be so any more.
    Stale,
    Lost,
}

impl Tries {
    pub(super) fn start() -> Self {
        Self { watch: Stopwatch::start(), turn: None }
    }
}

impl Inner {
    /// Saves everything recorded.
    ///
    /// # Errors
    /// `Ended` if the session is not this request's any more; what was recorded is dropped then.
    pub(super) async fn save(&self, state: &mut State) -> Result<()> {
        let mut tries = Tries::start();
        while !state.is_clean() {
            let changes = state.changes.clone();
            if self.attempt(state, &changes, &mut tries).await? {
                break;
            }
        }
        Ok(())
    }

    /// One attempt to save `changes`, which are those recorded, and perhaps more. True if they are saved. False if they
    /// were not, and the state is now up to date for another attempt.
    pub(super) async fn attempt(
        &self,
        state: &mut State,
        changes: &Changes,
        tries: &mut Tries,
    ) -> Result<bool> {
        self.finish_ends(state).await?;
        let attempt = match &state.attached {
            _ if changes.is_empty() => Attempt::Saved,
            Attached::Nothing => self.begin(state, changes).await?,
            Attached::Stored(_) => self.revise(state, changes).await?,
            Attached::Dropped => Attempt::Lost,
        };
        match attempt {
            Attempt::Saved => {
                self.finish_ends(state).await?;
                return Ok(true);
            }
            Attempt::Conflict => self.wait_for_turn(state, tries).await?,
            Attempt::Stale => self.refresh(state).await?,
            Attempt::Lost => {
                state.attached = Attached::Dropped;
                state.release();
            }
        }
        if matches!(state.attached, Attached::Dropped) {
            state.salvage()?;
        }
        Ok(false)
    }

    /// After a conflict: waits until the session's queue lets this request, then looks at what others left.
    async fn wait_for_turn(&self, state: &mut State, tries: &mut Tries) -> Result<()> {
        let Some(held) = state.attached.stored() else { return Ok(()) };
        let key = held.key;
        events::conflict(&key);
        if tries.watch.elapsed() > self.engine.settings.store_budget + self.engine.settings.lock_timeout {
            return Err(Error::with_detail(ErrorKind::Unavailable, "the session kept changing"));
        }
        if state.exclusive.is_none() && tries.turn.is_none() {
            tries.turn = Some(self.engine.queues.wait(key, self.engine.settings.lock_timeout).await?);
        }
        self.refresh(state).await?;
        self.check_lock(state).await
    }

    /// Stores a session for the first time.
    async fn begin(&self, state: &mut State, changes: &Changes) -> Result<Attempt> {
        if changes.sign_in.is_none() && changes.log.apply(state.attached.entries()).next().is_none() {
            // Nothing is there to be remembered yet.
            state.changes = Changes { remember: changes.remember, ..Changes::default() };
            return Ok(Attempt::Saved);
        }
        state.head_open()?;
        self.check_size(&changes.log, state.attached.entries())?;
        let engine = &self.engine;
        for _ in 0..MAX_BEGINNINGS {
            let token =
                engine.keyring.mint(&engine.random).map_err(|e| Error::because(ErrorKind::Random, e))?;
            let (key, verifier) = (engine.keyring.key(&token), engine.keyring.verifier(&token));
            let now = engine.clock.now();
            let Some(draft) = lifecycle::begin(changes, verifier, self.address, now, &engine.policy) else {
                return Ok(Attempt::Saved);
            };
            self.enroll(state, &draft, changes, key).await?;
            let record = engine.record(&draft);
            match engine.write(&mut state.budget, key, &record, None, None).await? {
                Written::Applied => {}
                // It got lost, or is late: the next one has a key of its own.
                Written::Missing | Written::Gone => continue,
                // Another session under a random 128-bit locator: this is no coincidence.
                Written::Conflict => break,
            }
            events::created(&key);
            self.landed(state, changes, Held { token, key, snapshot: Snapshot::of(&record, draft) });
            state.cookie = Cookie::Set;
            self.keep_subject_limit(state, changes).await?;
            return Ok(Attempt::Saved);
        }
        Err(Error::with_detail(ErrorKind::Unavailable, "a new session could not be stored"))
    }

    /// Saves to a session that is stored.
    async fn revise(&self, state: &mut State, changes: &Changes) -> Result<Attempt> {
        let engine = &self.engine;
        let Attached::Stored(held) = &state.attached else { return Ok(Attempt::Lost) };
        let Held { key, ref token, ref snapshot } = *held;
        let now = engine.clock.now();
        // A request that began in time may end late. A stream has no such end, but others may have used its session
        // meanwhile.
        if state.closed && !snapshot.is_live(now, &engine.policy) {
            return Ok(Attempt::Stale);
        }
        if now >= snapshot.ends_at(&engine.policy) {
            return Ok(Attempt::Lost);
        }
        if engine.settings.on_conflict == OnConflict::Reject
            && state.reads.clash(&changes.log, &snapshot.entries)
        {
            let detail = "a key was read, then changed by another request, then written";
            return Err(Error::with_detail(ErrorKind::Conflict, detail));
        }
        let mut settled = None;
        for key in state.reads.left_alone(&changes.log, &snapshot.entries) {
            settled.get_or_insert_with(|| changes.clone()).log.forget(key);
        }
        let changes = settled.as_ref().unwrap_or(changes);
        let minted = match changes.takes_secret(snapshot, now) {
            true => Some(self.mint_secret(state, token)?),
            false => None,
        };
        let verifier = minted.as_ref().map(|token| engine.keyring.verifier(token));
        let extend = self.route().touch;
        let draft = match lifecycle::revise(snapshot, changes, verifier, extend, now, &engine.policy) {
            Revised::Unchanged => {
                state.changes = Changes::default();
                return Ok(Attempt::Saved);
            }
            Revised::Emptied => return self.remove_emptied(state).await,
            Revised::Write(draft) => draft,
        };
        let expected = snapshot.revision;
        let mut held = held.clone();
        self.check_size(&changes.log, &held.snapshot.entries)?;
        self.enroll(state, &draft, changes, key).await?;
        // Known before it is sent: should the answer get lost, this is how the request recognizes its own secret.
        state.minted = minted.clone();
        let record = engine.record(&draft);
        let lease = self.last_lease(state, key);
        match engine.write(&mut state.budget, key, &record, Some(expected), lease).await? {
            Written::Applied => {}
            Written::Conflict => return Ok(Attempt::Conflict),
            Written::Missing => return Ok(Attempt::Lost),
            Written::Gone => return Err(Error::with_detail(ErrorKind::Unavailable, UNKNOWN)),
        }
        if lease.is_some() {
            state.lease_released();
        }
        held.snapshot = Snapshot::of(&record, draft);
        let current = self.take_secret(state, &mut held, minted, changes);
        if changes.remember.is_some() && current {
            state.cookie = Cookie::Set;
        }
        self.landed(state, changes, held);
        self.keep_subject_limit(state, changes).await?;
        Ok(Attempt::Saved)
    }

    /// A new secret for the session of `token`. While it is not known whether one was stored, that one is used again.
    fn mint_secret(&self, state: &State, token: &Token) -> Result<Token> {
        state.head_open()?;
        match &state.minted {
            Some(minted) => Ok(minted.clone()),
            None => {
                let minted = self.engine.keyring.renew(token, &self.engine.random);
                minted.map_err(|e| Error::because(ErrorKind::Random, e))
            }
        }
    }

    /// A new secret was stored: from now on it is this request's. Answers whether the request holds the session's current
    /// secret.
    fn take_secret(
        &self,
        state: &mut State,
        held: &mut Held,
        minted: Option<Token>,
        changes: &Changes,
    ) -> bool {
        if let Some(token) = minted {
            held.token = token;
            state.minted = None;
            state.cookie = Cookie::Set;
            events::rotated(&held.key, changes.sign_in.is_some());
            return true;
        }
        held.snapshot.header.verifier == self.engine.keyring.verifier(&held.token)
    }

    /// `changes` are stored, and `held` is the outcome.
    fn landed(&self, state: &mut State, changes: &Changes, held: Held) {
        state.reads.landed(&changes.log, &held.snapshot.entries);
        state.changes = Changes::default();
        state.written = true;
        state.attached = Attached::Stored(held);
    }

    /// The index knows of the session before its record names the subject.
    async fn enroll(&self, state: &mut State, draft: &Draft, changes: &Changes, key: Key) -> Result<()> {
        let Some(SignIn { subject, .. }) = changes.sign_in.clone() else { return Ok(()) };
        if self.engine.store.subjects().is_none() {
            return Ok(());
        }
        let until = draft.header.ends_at;
        let enroll = events::StoreCall::new("enroll", Some(&key));
        let enrolled = self
            .engine
            .ask_subjects(enroll, &mut state.budget, move |subjects| subjects.enroll(subject, key, until))
            .await;
        Ok(enrolled.inspect_err(|error| events::store_error(&key, error))?)
    }

    /// The lease on `key`, if it is held and this is the request's last write to it.
    pub(super) fn last_lease(&self, state: &State, key: Key) -> Option<LeaseId> {
        let exclusive =
            state.exclusive.as_ref().filter(|exclusive| state.closing && exclusive.turn.key() == key)?;
        exclusive.lease.as_ref().map(|lease| lease.id())
    }

    pub(super) async fn check_subject_limit(&self, state: &mut State, subject: &Subject) -> Result<()> {
        let own = state.attached.stored().map(|held| held.key);
        self.engine.check_subject_limit(&mut state.budget, subject, own).await
    }

    async fn keep_subject_limit(&self, state: &mut State, changes: &Changes) -> Result<()> {
        let Some(SignIn { subject, .. }) = &changes.sign_in else { return Ok(()) };
        let Some(key) = state.attached.stored().map(|held| held.key) else { return Ok(()) };
        let kept = self.engine.keep_subject_limit(&mut state.budget, subject, key).await;
        if kept.as_ref().is_err_and(|error| error.kind() == ErrorKind::SubjectLimit) {
            self.destroy(state);
            self.finish_ends(state).await?;
        }
        kept
    }
}

impl State {
    /// The session is not this request's any more. A sign-in goes on in a fresh session, with what was recorded after
    /// it; everything else is dropped.
    fn salvage(&mut self) -> Result<()> {
        let Some(SignIn { subject, after }) = self.changes.sign_in.take() else {
            self.changes = Changes::default();
            return Err(Error::new(ErrorKind::Ended));
        };
        let remember = self.changes.remember;
        self.start_anew();
        self.changes =
            Changes { log: after.clone(), sign_in: Some(SignIn { subject, after }), rotate: false, remember };
        Ok(())
    }

    pub(super) fn lease_released(&mut self) {
        if let Some(lease) = self.exclusive.as_mut().and_then(|exclusive| exclusive.lease.take()) {
            lease.released();
        }
    }
}

impl Snapshot {
    /// What a record that was just written says.
    fn of(record: &cloakroom_store::Record, draft: Draft) -> Self {
        let entries = envelope::read(&draft.data).map(|(_, entries)| entries).unwrap_or_default();
        Self {
            revision: record.revision,
            expires_at: draft.expires_at,
            subject: draft.subject,
            header: draft.header,
            entries,
        }
    }
}

const UNKNOWN: &str = "a write got no answer, and its record is gone";
/// How often a new session is begun while the store loses its first record.
const MAX_BEGINNINGS: usize = 3;
