//! The handle an application holds.

mod close;
mod commit;
mod ends;
mod exclusive;
mod identity;
mod load;
mod signed_in;
mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::close::OpenSession;
pub use self::signed_in::SignedIn;
pub(crate) use self::state::Inner;
use self::state::{Attached, State};
use crate::error::{Error, ErrorKind, Result};
use crate::keys::{AnyKey, ReadKey, WriteKey};
use crate::value;

/// The session of one request.
///
/// Cheap to clone; all clones are the same session. Nothing is loaded before the first call, and a request that makes
/// none costs nothing and sets no cookie. A session that holds nothing is not stored; one without a user whose last
/// value goes is over, as if by [`destroy`](Self::destroy).
///
/// Reads come from a snapshot taken at the first access. [`insert`](Self::insert), [`remove`](Self::remove) and
/// [`clear`](Self::clear) are recorded and saved together before the response head leaves; if another request saved in
/// between, they are applied to what it left. [`update`](Self::update) and [`take`](Self::take) are saved when they
/// return, exactly once.
///
/// If the handler answers 5xx or panics, nothing is saved but what was saved explicitly, and the end of a session. Any
/// other answer saves, 4xx included.
///
/// # Errors
/// Every call may fail with [`ErrorKind::Unavailable`] where the store does not answer; once the session could not be
/// loaded, every call in the request answers that error. Under exclusive [locking](crate::Locking) the first call may
/// fail with [`ErrorKind::LockTimeout`]. Calls that write fail with [`ErrorKind::Degraded`] in a request that goes on
/// without its session.
#[derive(Clone)]
pub struct Session(pub(crate) Arc<Inner>);

/// Reading.
impl Session {
    /// The value under `key`, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if what is stored is not a `T`; it stays stored as it is.
    pub async fn get<T: DeserializeOwned>(&self, key: impl ReadKey<T>) -> Result<Option<T>> {
        let mut state = self.ready().await?;
        state.note_read(key.name());
        self.decode(&state, key.name())
    }

    /// Whether there is a value under `key`.
    pub async fn contains(&self, key: impl AnyKey) -> Result<bool> {
        let mut state = self.ready().await?;
        state.note_read(key.name());
        Ok(self.0.value(&state, key.name()).is_some())
    }

    /// The keys that have a value, in ascending order.
    pub async fn keys(&self) -> Result<Vec<String>> {
        let mut state = self.ready().await?;
        state.note_read_all(false);
        Ok(self.0.values(&state).into_keys().map(str::to_owned).collect())
    }

    /// How many keys have a value.
    pub async fn len(&self) -> Result<usize> {
        let mut state = self.ready().await?;
        state.note_read_all(false);
        Ok(self.0.values(&state).len())
    }

    /// Whether no key has a value.
    pub async fn is_empty(&self) -> Result<bool> {
        Ok(self.len().await? == 0)
    }

    /// All keys with their values.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if one of them is not JSON.
    pub async fn entries(&self) -> Result<BTreeMap<String, serde_json::Value>> {
        let mut state = self.ready().await?;
        state.note_read_all(true);
        let decode = |(key, bytes): (&str, &[u8])| Ok((key.to_owned(), self.decode_bytes(key, bytes)?));
        self.0.values(&state).into_iter().map(decode).collect()
    }
}

/// Writing.
impl Session {
    /// Sets `key` to `value`. Later reads in this request see it; it is saved with everything else before the response
    /// head leaves. A value equal to the one the request has loaded changes nothing, and then overwrites nobody's.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] if the session would exceed a limit, [`ErrorKind::Value`] if the value cannot be written
    /// as JSON; nothing is recorded then.
    pub async fn insert<V: Serialize + ?Sized>(&self, key: impl WriteKey<V>, value: &V) -> Result<()> {
        let mut state = self.writable().await?;
        let bytes = self.encode(key.name(), value)?;
        let prior = state.changes.log.record(key.name(), Some(bytes.clone()));
        if let Err(error) = self.0.check_size(&state.changes.log, state.attached.entries()) {
            state.changes.log.restore(key.name(), prior);
            return Err(error);
        }
        state.record(key.name(), Some(bytes));
        Ok(())
    }

    /// Removes the value under `key`, if there is one; the key returns to its [initial](crate::Initializer) value.
    pub async fn remove(&self, key: impl AnyKey) -> Result<()> {
        self.writable().await?.record(key.name(), None);
        Ok(())
    }

    /// Removes all values. Whose session it is stays as it is.
    pub async fn clear(&self) -> Result<()> {
        self.writable().await?.clear();
        Ok(())
    }

    /// Changes the value under `key` on the spot: loads it, applies `change`, and saves it together with everything
    /// recorded so far, all before it returns. Never loses another request's update.
    ///
    /// `change` may run several times, each time with the value as it is by then; what the run that was saved answered is
    /// returned. `None` stands for no value, before and after. What is saved stays even if the handler fails later.
    ///
    /// ```
    /// # async fn handler(session: cloakroom::Session) -> Result<(), cloakroom::Error> {
    /// let visits = session.update("visits", |visits: &mut Option<u64>| {
    ///     let visits = visits.get_or_insert(0);
    ///     *visits += 1;
    ///     *visits
    /// }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if what is stored is not a `T`, [`ErrorKind::TooLarge`] beyond a limit, [`ErrorKind::Ended`]
    /// if the session ended meanwhile, [`ErrorKind::Conflict`] if something *else* recorded so far rests on what is no
    /// longer true, [`ErrorKind::HeadSent`] if a session would have to begin after the response head was sent. Nothing
    /// is saved then.
    pub async fn update<T, R>(
        &self,
        key: impl ReadKey<T>,
        mut change: impl FnMut(&mut Option<T>) -> R,
    ) -> Result<R>
    where
        T: Serialize + DeserializeOwned,
    {
        let key = key.name();
        let mut state = self.ready_to_write().await?;
        let mut tries = commit::Tries::start();
        loop {
            state.note_read_again(key);
            let mut value = self.decode(&state, key)?;
            let before = self.0.value(&state, key).map(<[u8]>::to_vec);
            let answer = change(&mut value);
            let after = value.as_ref().map(|value| self.encode(key, value)).transpose()?;
            if before.as_deref() == after.as_deref() && state.is_clean() {
                return Ok(answer);
            }
            state.check_writable()?;
            let mut changes = state.changes.clone();
            changes.record(key, after);
            if self.0.attempt(&mut state, &changes, &mut tries).await? {
                return Ok(answer);
            }
        }
    }

    /// Removes the value under `key` and answers it, saved when it returns: of all requests that ask, exactly one gets
    /// it. An [initial](crate::Initializer) value is there again for the next.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn take<T: Serialize + DeserializeOwned>(&self, key: impl ReadKey<T>) -> Result<Option<T>> {
        self.update(key, Option::take).await
    }

    /// Saves everything recorded so far.
    ///
    /// For whatever must be stored before something irreversible happens, and for what runs after the response head was
    /// sent, such as a streaming body; nothing is saved there by itself.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn save(&self) -> Result<()> {
        drop(self.ready().await?);
        let inner = Arc::clone(&self.0);
        let save = async move { inner.save(&mut *inner.state().await?).await };
        self.0.engine.tasks.finish(save).await
    }

    /// Takes a fresh snapshot; false if the session is gone: ended, expired, never stored, or under a new secret that
    /// this request did not come with. What is recorded and not saved stays recorded, unless the session is gone.
    ///
    /// For long-lived streams, which learn that way that a visitor has signed out.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`ErrorKind::Conflict`] if this request had locked the session and does not have it any more.
    pub async fn reload(&self) -> Result<bool> {
        let mut state = self.ready().await?;
        if state.degraded {
            return Err(Error::new(ErrorKind::Degraded));
        }
        self.0.refresh(&mut state).await?;
        self.0.check_lock(&mut state).await?;
        if matches!(state.attached, Attached::Dropped) {
            state.changes = Default::default();
        }
        Ok(matches!(state.attached, Attached::Stored(_)))
    }
}

impl Session {
    #[cfg(any(feature = "http_v1", feature = "actix_v4", feature = "rocket_v0_5"))]
    pub(crate) fn cookie_name(&self) -> &str {
        &self.0.engine.settings.cookie_name
    }

    /// The state, loaded.
    async fn ready(&self) -> Result<tokio::sync::MutexGuard<'_, State>> {
        let mut state = self.0.state().await?;
        self.0.ready(&mut state).await?;
        Ok(state)
    }

    /// The state, loaded, for a call that writes. A refusal is remembered: the response then cannot claim that all went
    /// well.
    async fn ready_to_write(&self) -> Result<tokio::sync::MutexGuard<'_, State>> {
        let mut state = self.0.state().await?;
        let ready = self.0.ready(&mut state).await;
        ready.map_err(|error| state.refuse(error))?;
        Ok(state)
    }

    /// The same, of a session that may be written.
    async fn writable(&self) -> Result<tokio::sync::MutexGuard<'_, State>> {
        let mut state = self.ready_to_write().await?;
        state.check_writable()?;
        Ok(state)
    }

    fn encode<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<Arc<[u8]>> {
        let settings = &self.0.engine.settings;
        if key.len() > settings.max_key_bytes {
            let detail = format!("a key of {} bytes; max_key_bytes = {}", key.len(), settings.max_key_bytes);
            return Err(Error::with_detail(ErrorKind::TooLarge, detail));
        }
        value::encode(key, value, settings.max_depth).map(Arc::from)
    }

    fn decode<T: DeserializeOwned>(&self, state: &State, key: &str) -> Result<Option<T>> {
        self.0.value(state, key).map(|bytes| self.decode_bytes(key, bytes)).transpose()
    }

    fn decode_bytes<T: DeserializeOwned>(&self, key: &str, bytes: &[u8]) -> Result<T> {
        value::decode(key, bytes, self.0.engine.settings.max_depth)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
