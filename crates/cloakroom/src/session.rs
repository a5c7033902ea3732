//! The handle an application holds.

mod identity;
pub(crate) mod open;
mod signed_in;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, MutexGuard, OwnedMutexGuard};

pub use self::signed_in::SignedIn;
use crate::clock::Stopwatch;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::info::EndReason;
use crate::keys::{AnyKey, ReadKey, WriteKey};
use crate::request::Request;
use crate::request::plan::{Goal, Save, Verdict};
use crate::request::save::Saving;
use crate::tasks::Runner;
use crate::value;
use crate::watch::SessionEnd;

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
/// If the handler responds with 5xx or panics, nothing is saved but what was saved explicitly, and the end of a session.
/// Any other response saves, 4xx included. A panic that is caught further out counts if it dropped a handle; one in a task
/// of its own does not.
///
/// # Errors
/// Every call may fail with [`ErrorKind::Unavailable`] where the store does not respond; once the session could not be
/// loaded, every call in the request returns that error. Under exclusive [locking](crate::Locking) the first call may
/// fail with [`ErrorKind::LockTimeout`]. Calls that write fail with [`ErrorKind::Degraded`] in a request that goes on
/// without its session.
#[derive(Clone)]
pub struct Session {
    request: Arc<Mutex<Request>>,
    engine: Arc<Engine>,
}

/// The request, held by one call at a time.
type HeldRequest<'a> = MutexGuard<'a, Request>;
/// The same for a save, which may outlive the call.
type OwnedRequest = OwnedMutexGuard<Request>;

/// Reading.
impl Session {
    /// The value under `key`, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if what is stored is not a `T`; it stays stored as it is.
    pub async fn get<T: DeserializeOwned>(&self, key: impl ReadKey<T>) -> Result<Option<T>> {
        let mut request = self.ready().await?;
        request.note_read(key.name());
        self.decode(&request, key.name())
    }

    /// Whether there is a value under `key`.
    pub async fn contains(&self, key: impl AnyKey) -> Result<bool> {
        let mut request = self.ready().await?;
        request.note_read(key.name());
        Ok(request.value(&self.engine.rules, key.name()).is_some())
    }

    /// The keys that have a value, in ascending order.
    pub async fn keys(&self) -> Result<Vec<String>> {
        let mut request = self.ready().await?;
        request.note_read_all(false);
        Ok(request.values(&self.engine.rules).into_keys().map(str::to_owned).collect())
    }

    /// How many keys have a value.
    pub async fn len(&self) -> Result<usize> {
        let mut request = self.ready().await?;
        request.note_read_all(false);
        Ok(request.values(&self.engine.rules).len())
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
        let mut request = self.ready().await?;
        request.note_read_all(true);
        let max_depth = self.engine.settings().max_depth;
        let decode =
            |(key, bytes): (&str, &[u8])| Ok((key.to_owned(), value::decode(key, bytes, max_depth)?));
        request.values(&self.engine.rules).into_iter().map(decode).collect()
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
        let mut request = self.writable().await?;
        let bytes = self.encode(key.name(), value)?;
        request.insert(&self.engine.rules, key.name(), bytes)
    }

    /// Removes the value under `key`, if there is one; the key returns to its [initial](crate::Initializer) value.
    pub async fn remove(&self, key: impl AnyKey) -> Result<()> {
        self.writable().await?.remove(key.name());
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
    /// `change` may be called several times, each time with the current value; returns the result of the call whose write
    /// succeeded. `None` stands for no value, before and after. What is saved stays even if the handler fails later.
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
        let mut request = self.owned().await?;
        let ready = request.ready(&self.engine).await;
        ready.map_err(|error| request.refuse(error))?;
        request.check_held()?;
        let mut save = Save::new(Goal::Attempt, Default::default());
        let watch = Stopwatch::start();
        loop {
            request.note_read_again(key);
            let mut value = self.decode(&request, key)?;
            let before = request.value(&self.engine.rules, key).map(<[u8]>::to_vec);
            let returned = change(&mut value);
            let after = value.as_ref().map(|value| self.encode(key, value)).transpose()?;
            if before.as_deref() == after.as_deref() && request.is_clean() {
                return Ok(returned);
            }
            request.check_writable()?;
            let changes = request.changes_with(key, after);
            let attempt = Saving::new(Arc::clone(&self.engine), request, save.again(changes), watch);
            let saved = self.engine.tasks.finish(attempt).await;
            if saved.result? == Verdict::Saved {
                return Ok(returned);
            }
            (request, save) = (saved.request, saved.save);
        }
    }

    /// Removes the value under `key` and returns it, saved when it returns: of all requests that ask, exactly one gets
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
        let mut request = self.owned().await?;
        request.ready(&self.engine).await?;
        request.check_held()?;
        let saving = Saving::all(Arc::clone(&self.engine), request);
        // The request is free again when it is saved, whether this is polled or not.
        let save = Box::pin(async move { saving.await.result.map(drop) });
        self.engine.tasks.finish(save).await
    }

    /// Watches the session for a stream or a socket: the future that this returns resolves when the request's secret is not
    /// accepted any more, with the reason. That is when the session ends, expires, or is superseded, by whichever request in
    /// whichever process. A new secret that this request itself makes does not end it.
    ///
    /// The future is independent of the request: the handler can return it in a stream. Watching writes nothing, does not
    /// touch the session, and does not keep it alive.
    ///
    /// ```
    /// # async fn stream(
    /// #     session: cloakroom::Session, mut messages: tokio::sync::broadcast::Receiver<String>,
    /// # ) -> cloakroom::Result<()> {
    /// let mut ended = session.ended().await?;
    /// // In the body of the response, after the handler has returned:
    /// loop {
    ///     tokio::select! {
    ///         reason = &mut ended => {
    ///             println!("event: end\ndata: {reason}\n");
    ///             break;
    ///         }
    ///         message = messages.recv() => match message {
    ///             Ok(message) => println!("data: {message}\n"),
    ///             Err(_) => break,
    ///         },
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// An end in this process is noticed at once. One in another process is noticed at once on stores with messages (Redis,
    /// PostgreSQL), and on others, or if a message gets lost, within
    /// [`watch_interval`](crate::Settings::watch_interval). An expiry is noticed when it comes. Nothing is concluded from a
    /// store that fails: the session is looked at again.
    ///
    /// Without a stored session the future resolves at once: with [`EndReason::Ended`](crate::EndReason::Ended), or, if the
    /// request came with the old cookie of a session that continues, with
    /// [`EndReason::Superseded`](crate::EndReason::Superseded). So a stream for signed-in users also ends if the visitor signed
    /// out just before. A session that this request begins
    /// is to be [saved](Self::save) first.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn ended(&self) -> Result<SessionEnd> {
        let mut request = self.ready().await?;
        Ok(match request.watched(&self.engine.rules) {
            Some((key, watched)) => self.engine.watch(key, watched),
            None => SessionEnd::known(EndReason::Ended),
        })
    }

    /// Takes a fresh snapshot; false if the session is gone: ended, expired, never stored, or under a new secret that
    /// this request did not come with. What is recorded and not saved stays recorded, unless the session is gone.
    ///
    /// For long-lived streams, which learn that way that a visitor has signed out.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`ErrorKind::Conflict`] if this request had locked the session and does not have it any more.
    pub async fn reload(&self) -> Result<bool> {
        let mut request = self.ready().await?;
        if request.is_degraded() {
            return Err(Error::new(ErrorKind::Degraded));
        }
        request.refresh(&self.engine).await?;
        request.check_lock(&self.engine).await?;
        if request.is_detached() {
            request.drop_changes();
        }
        Ok(request.stored().is_some())
    }
}

/// Exclusive use.
impl Session {
    /// Has the session to itself for the rest of this request, across all instances of the application. Other requests
    /// that lock it wait; those that do not lock it are not kept from anything.
    ///
    /// Takes a fresh snapshot. A second call changes nothing. The lock ends when the response head leaves, or at
    /// [`unlock`](Self::unlock).
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if something this request has read is different by now, [`ErrorKind::LockTimeout`] if the
    /// wait takes longer than `lock_timeout`, [`ErrorKind::Ended`] if the session ended meanwhile.
    #[doc(alias = "acquire_lock")]
    pub async fn lock(&self) -> Result<()> {
        self.writable().await?.lock(&self.engine).await
    }

    /// Saves everything recorded so far, then lets others have the session.
    ///
    /// # Errors
    /// As [`save`](Self::save); the lock is given up in any case.
    #[doc(alias = "release_lock")]
    pub async fn unlock(&self) -> Result<()> {
        let mut request = self.owned().await?;
        if let Err(error) = request.ready(&self.engine).await {
            request.release();
            return Err(error);
        }
        let saving = Saving::all(Arc::clone(&self.engine), request);
        let save = Box::pin(async move {
            let mut saved = saving.await;
            saved.request.release();
            saved.result.map(drop)
        });
        self.engine.tasks.finish(save).await
    }
}

impl Session {
    pub(crate) fn new(request: Request, engine: Arc<Engine>) -> Self {
        Self { request: Arc::new(Mutex::new(request)), engine }
    }

    #[cfg(any(feature = "http_v1", feature = "actix_v4", feature = "rocket_v0_5"))]
    pub(crate) fn cookie_name(&self) -> &str {
        &self.engine.settings().cookie_name
    }

    /// Whether the session is of this engine.
    #[cfg(any(feature = "http_v1", feature = "actix_v4", feature = "rocket_v0_5"))]
    pub(crate) fn is_of(&self, engine: &Arc<Engine>) -> bool {
        Arc::ptr_eq(&self.engine, engine)
    }

    /// The request, when no other call has it.
    async fn held(&self) -> Result<HeldRequest<'_>> {
        match self.request.try_lock() {
            Ok(request) => Ok(request),
            Err(_) => self.bounded(self.request.lock()).await,
        }
    }

    async fn owned(&self) -> Result<OwnedRequest> {
        match Arc::clone(&self.request).try_lock_owned() {
            Ok(request) => Ok(request),
            Err(_) => self.bounded(Arc::clone(&self.request).lock_owned()).await,
        }
    }

    /// Waits for another call of the request, but not for ever: a future that is held and not polled must not stop the rest.
    async fn bounded<T>(&self, lock: impl Future<Output = T>) -> Result<T> {
        let settings = self.engine.settings();
        let longest = settings.lock_timeout + 2 * settings.store_budget;
        let detail = "another call of this request has the session, and does not end";
        let waited = tokio::time::timeout(longest, lock).await;
        waited.map_err(|_| Error::with_detail(ErrorKind::Unavailable, detail))
    }

    /// The request, with its session loaded.
    async fn ready(&self) -> Result<HeldRequest<'_>> {
        let mut request = self.held().await?;
        request.ready(&self.engine).await?;
        Ok(request)
    }

    /// The same of a session that may be written. A refusal is remembered: the response then cannot claim that all went
    /// well.
    async fn writable(&self) -> Result<HeldRequest<'_>> {
        let mut request = self.held().await?;
        let ready = request.ready(&self.engine).await;
        ready.map_err(|error| request.refuse(error))?;
        request.check_writable()?;
        Ok(request)
    }

    fn encode<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<Arc<[u8]>> {
        let settings = self.engine.settings();
        if key.len() > settings.max_key_bytes {
            let detail = format!("a key of {} bytes; max_key_bytes = {}", key.len(), settings.max_key_bytes);
            return Err(Error::with_detail(ErrorKind::TooLarge, detail));
        }
        value::encode(key, value, settings.max_depth).map(Arc::from)
    }

    fn decode<T: DeserializeOwned>(&self, request: &Request, key: &str) -> Result<Option<T>> {
        let decode = |bytes| value::decode(key, bytes, self.engine.settings().max_depth);
        request.value(&self.engine.rules, key).map(decode).transpose()
    }
}

/// The task that had the handle did not come to an end: what it recorded is not to be saved, also where a framework catches the
/// panic and responds as if nothing had happened.
impl Drop for Session {
    fn drop(&mut self) {
        if thread::panicking() {
            let runner = Runner::current();
            self.change(move |request, _| request.note_panic(runner));
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
