//! From a token to its session.

use std::sync::atomic::Ordering;

use cloakroom_store::{ErrorKind as StoreErrorKind, Key, Record};

use super::state::{Attached, Cookie, Ending, Held, Inner, State};
use crate::calls::Budget;
use crate::config::{Locking, OnReuse};
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::info::SessionStatus;
use crate::lifecycle::{Snapshot, Standing, judge};
use crate::token::Token;

/// What was found under a token.
enum Found {
    Session(Snapshot, Standing),
    Nothing,
}

impl Inner {
    /// Makes sure that the session is loaded, and locked where the request has it to itself; the outcome of the first
    /// time stands.
    pub(super) async fn ready(&self, state: &mut State) -> Result<()> {
        if self.route().off {
            return Err(Error::with_detail(ErrorKind::Unsupported, "sessions are off for this route"));
        }
        self.consulted.store(true, Ordering::Relaxed);
        if state.closed {
            // A stream may go on for hours; the budget is for what keeps a response waiting.
            state.budget = Budget(self.engine.settings.store_budget);
        }
        if !state.entered {
            let entered = self.enter_first(state).await;
            state.entered = true;
            state.loaded = Some(entered);
        }
        match &state.loaded {
            Some(Err(error)) if error.kind() == ErrorKind::Unavailable && self.route().degraded => {
                state.degraded = true;
                Ok(())
            }
            Some(loaded) => loaded.clone(),
            None => Ok(()),
        }
    }

    /// Loads the session without locking it, to see whether it is there.
    pub(super) async fn look(&self, state: &mut State) -> Result<()> {
        self.consulted.store(true, Ordering::Relaxed);
        let loaded = self.first_load(state, false).await;
        state.loaded = Some(loaded.clone());
        loaded
    }

    async fn enter_first(&self, state: &mut State) -> Result<()> {
        let locks = self.locks(state);
        match state.loaded.take() {
            None => self.first_load(state, locks).await,
            Some(Ok(())) if locks => self.lock_again(state).await,
            Some(loaded) => loaded,
        }
    }

    /// Locks what was loaded early without a lock, and loads it again.
    async fn lock_again(&self, state: &mut State) -> Result<()> {
        if let Some(held) = state.attached.stored() {
            let record = self.enter(state, held.key).await?;
            self.adopt(state, record);
        }
        Ok(())
    }

    /// Whether the request has its session to itself without asking. Not after the response head: a stream would
    /// keep others waiting to its end.
    pub(super) fn locks(&self, state: &State) -> bool {
        if state.closed || self.route().off {
            return false;
        }
        match self.route().locking.unwrap_or(self.engine.settings.locking) {
            Locking::ByMethod => !self.safe,
            Locking::Implicit | Locking::Early => true,
            Locking::Explicit => false,
        }
    }

    async fn first_load(&self, state: &mut State, lock: bool) -> Result<()> {
        if self.engine.policy.bind_address && self.address.is_none() {
            let detail = "ignore_change_ip = false, but the client's address is not known: the server does not tell the \
                          peer's, or a trusted proxy passed on none";
            return Err(Error::with_detail(ErrorKind::Unsupported, detail));
        }
        if self.presented.is_ambiguous() {
            events::ambiguous();
            state.origin = SessionStatus::Unknown;
        }
        let mut tokens = self.presented.tokens();
        match (tokens.next(), tokens.next()) {
            (None, _) => Ok(()),
            (Some(token), None) => self.load_one(state, token, lock).await,
            _ => self.load_one_of(state, lock).await,
        }
    }

    async fn load_one(&self, state: &mut State, token: &Token, lock: bool) -> Result<()> {
        let key = self.engine.keyring.key(token);
        let record = match lock {
            true => self.enter(state, key).await?,
            false => self.load(state, key).await?,
        };
        let found = self.judge(token, &key, record);
        self.attach(state, token, key, found);
        Ok(())
    }

    /// Several tokens: the one that has a live session, if it is one only.
    async fn load_one_of(&self, state: &mut State, lock: bool) -> Result<()> {
        let mut live = None;
        let mut rest = None;
        for token in self.presented.tokens() {
            let key = self.engine.keyring.key(token);
            let record = self.load(state, key).await?;
            match self.judge(token, &key, record) {
                // Two secrets of one session, after a rotation: the current one it is.
                Found::Session(snapshot, Standing::Live)
                    if live.as_ref().is_some_and(|(_, other, _): &(_, Key, Found)| *other == key) =>
                {
                    if snapshot.header.verifier == self.engine.keyring.verifier(token) {
                        live = Some((token, key, Found::Session(snapshot, Standing::Live)));
                    }
                }
                Found::Session(_, Standing::Live) if live.is_some() => {
                    events::ambiguous();
                    state.ambiguous = true;
                    state.origin = SessionStatus::Unknown;
                    return Ok(());
                }
                found @ Found::Session(_, Standing::Live) => live = Some((token, key, found)),
                found => {
                    let weight = found.weight();
                    if rest.as_ref().is_none_or(|(_, _, other): &(_, _, Found)| other.weight() < weight) {
                        rest = Some((token, key, found));
                    }
                }
            }
        }
        match live.or(rest) {
            Some((token, key, Found::Session(_, Standing::Live))) if lock => {
                let record = self.enter(state, key).await?;
                let found = self.judge(token, &key, record);
                self.attach(state, token, key, found);
            }
            Some((token, key, found)) => self.attach(state, token, key, found),
            None => {}
        }
        Ok(())
    }

    /// The record under `key`; a damaged one is as good as none.
    pub(super) async fn load(&self, state: &mut State, key: Key) -> Result<Option<Record>> {
        match self.engine.load(&mut state.budget, key).await {
            Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                events::quarantined(&key);
                Ok(None)
            }
            Err(error) => {
                events::store_error(&key, &error);
                Err(error.into())
            }
            Ok(record) => Ok(record),
        }
    }

    fn judge(&self, token: &Token, key: &Key, record: Option<Record>) -> Found {
        match record.and_then(|record| self.engine.read(key, &record)) {
            Some(snapshot) => {
                let standing = self.standing(&snapshot, token);
                Found::Session(snapshot, standing)
            }
            None => Found::Nothing,
        }
    }

    fn standing(&self, snapshot: &Snapshot, token: &Token) -> Standing {
        let verifier = self.engine.keyring.verifier(token);
        judge(snapshot, &verifier, self.address, self.engine.clock.now(), &self.engine.policy)
    }

    fn attach(&self, state: &mut State, token: &Token, key: Key, found: Found) {
        match found {
            Found::Session(snapshot, Standing::Live) => {
                events::resumed(&key);
                state.origin = SessionStatus::Resumed;
                state.attached = Attached::Stored(Held { token: token.clone(), key, snapshot });
                return;
            }
            Found::Session(_, Standing::Expired | Standing::Moved) => {
                events::expired(&key);
                state.origin = SessionStatus::Expired;
            }
            Found::Session(snapshot, Standing::Superseded { recent, reused }) => {
                events::superseded(&key, reused);
                state.origin = SessionStatus::Superseded;
                if recent {
                    state.attached = Attached::Dropped;
                }
                if reused && self.engine.settings.on_reuse == OnReuse::End {
                    let held = Held { token: token.clone(), key, snapshot };
                    state.ending.push(Ending { held, minted: None, whatever_secret: true });
                }
            }
            Found::Session(_, Standing::Gone) | Found::Nothing => {
                events::unknown(&key);
                state.origin = SessionStatus::Unknown;
            }
        }
        state.release();
    }

    /// Takes a fresh snapshot of the session, unless it is gone.
    pub(super) async fn refresh(&self, state: &mut State) -> Result<()> {
        if let Some(held) = state.attached.stored() {
            let key = held.key;
            let record = self.load(state, key).await?;
            self.adopt(state, record);
        }
        Ok(())
    }

    /// Goes on with what the record says now, if the session still is this request's: the secret it came with, or one
    /// that it made itself, is verified again.
    pub(super) fn adopt(&self, state: &mut State, record: Option<Record>) {
        let Attached::Stored(held) = &mut state.attached else { return };
        if let Some(snapshot) = record.and_then(|record| self.engine.read(&held.key, &record)) {
            let minted =
                state.minted.take_if(|token| snapshot.header.verifier == self.engine.keyring.verifier(token));
            if let Some(token) = minted {
                held.token = token;
                state.cookie = Cookie::Set;
            }
            if self.standing(&snapshot, &held.token) == Standing::Live {
                held.snapshot = snapshot;
                return;
            }
        }
        events::lost(&held.key);
        state.attached = Attached::Dropped;
        state.release();
    }
}

impl Found {
    /// Which of several tokens without a live session says most about the visitor.
    fn weight(&self) -> u8 {
        match self {
            Self::Session(_, Standing::Superseded { recent: true, .. }) => 3,
            Self::Session(_, Standing::Superseded { .. }) => 2,
            Self::Session(_, Standing::Expired | Standing::Moved) => 1,
            _ => 0,
        }
    }
}
