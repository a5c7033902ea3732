//! Ending sessions: tombstones, and what becomes of the cookie.

use cloakroom_store::Key;

use super::commit::Attempt;
use super::state::{Attached, Cookie, Ending, Held, Inner, State};
use crate::engine::Written;
use crate::error::Result;
use crate::{events, lifecycle};

impl Inner {
    /// Ends what is attached; saved with the rest.
    pub(super) fn destroy(&self, state: &mut State) {
        let dropped = matches!(state.attached, Attached::Dropped);
        let minted = state.minted.take();
        if let Attached::Stored(held) = state.start_anew() {
            self.forget_cookie(state, held.key);
            state.ending.push(Ending { held, minted, whatever_secret: false });
        } else if dropped {
            state.attached = Attached::Dropped;
        }
    }

    /// The session under `key` ends: the cookie is removed if the browser has it, or had one that ended before it in this
    /// request.
    fn forget_cookie(&self, state: &mut State, key: Key) {
        state.cookie_is_dead |= self.presented.tokens().any(|token| self.engine.keyring.key(token) == key);
        state.cookie = if state.cookie_is_dead { Cookie::Remove } else { Cookie::Keep };
    }

    /// Writes the tombstones of the sessions that were ended.
    pub(super) async fn finish_ends(&self, state: &mut State) -> Result<()> {
        while let Some(ending) = state.ending.last() {
            let Ending { held: Held { key, ref token, ref snapshot }, ref minted, whatever_secret } = *ending;
            let own = [Some(token), minted.as_ref()];
            let own = own.map(|token| token.map(|token| self.engine.keyring.verifier(token)));
            let draft = lifecycle::end(snapshot, self.engine.clock.now(), &self.engine.policy);
            let expected = snapshot.revision;
            let record = self.engine.record(&draft);
            let lease = self.last_lease(state, key);
            let written = self.engine.write(&mut state.budget, key, &record, Some(expected), lease).await?;
            if written == Written::Conflict {
                let record = self.load(state, key).await?;
                let now = self.engine.clock.now();
                let fresh = record.and_then(|record| self.engine.read(&key, &record)).filter(|fresh| {
                    let ours = own.iter().flatten().any(|verifier| fresh.header.accepts(verifier, now));
                    !fresh.header.ended && (whatever_secret || ours)
                });
                if let (Some(fresh), Some(ending)) = (fresh, state.ending.last_mut()) {
                    ending.held.snapshot = fresh;
                    continue;
                }
            }
            state.ending.pop();
            if written == Written::Applied {
                events::destroyed(&key);
                if lease.is_some() {
                    state.lease_released();
                }
            } else if !whatever_secret {
                state.end_was_not_ours();
            }
        }
        Ok(())
    }

    /// Ends a session in which nothing is left, unless somebody has put something into it meanwhile.
    pub(super) async fn remove_emptied(&self, state: &mut State) -> Result<Attempt> {
        let Attached::Stored(Held { key, snapshot, .. }) = &state.attached else { return Ok(Attempt::Lost) };
        let (key, expected) = (*key, snapshot.revision);
        let tombstone =
            self.engine.record(&lifecycle::end(snapshot, self.engine.clock.now(), &self.engine.policy));
        let lease = self.last_lease(state, key);
        match self.engine.write(&mut state.budget, key, &tombstone, Some(expected), lease).await? {
            Written::Conflict => return Ok(Attempt::Conflict),
            Written::Missing | Written::Gone => return Ok(Attempt::Lost),
            Written::Applied => {}
        }
        if lease.is_some() {
            state.lease_released();
        }
        events::destroyed(&key);
        self.forget_cookie(state, key);
        state.start_anew();
        Ok(Attempt::Saved)
    }
}

impl State {
    /// The session that this request wanted to end had passed out of its hands before. The browser may have a newer
    /// cookie by now, which is neither to be removed nor to be overwritten.
    fn end_was_not_ours(&mut self) {
        if matches!(self.attached, Attached::Nothing) {
            self.cookie = Cookie::Keep;
            self.attached = Attached::Dropped;
        }
    }
}
