//! Sessions from outside a request: what adapters call for each of them, and what background jobs and pages call.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{DynStore, Store, Subject};

use crate::client_address::client_ip;
use crate::clock::Clock;
use crate::config::Settings;
use crate::cookie::Presented;
use crate::engine::Engine;
use crate::error::{ConfigError, Error, ErrorKind, Result};
use crate::events;
use crate::info::{SessionHandle, SessionInfo};
use crate::random::Random;
use crate::request::{Method, Request};
use crate::session::Session;
use crate::session::open::OpenSession;
use crate::sweeper::Sweeper;

/// All sessions of an application: its settings and its store.
///
/// Cheap to clone; all clones are the same. Made once at start:
///
/// ```
/// use cloakroom::stores::MemoryStore;
/// use cloakroom::{SessionManager, Settings};
///
/// # fn main() -> Result<(), cloakroom::ConfigError> {
/// let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
/// # Ok(())
/// # }
/// ```
///
/// It needs a tokio runtime with time enabled from its first request on. Under actix-web, whose workers have runtimes of
/// their own, it is to be made in the one of `main`. Expired sessions are removed in the background
/// from then until the last clone is dropped, or [`shutdown`](Self::shutdown).
#[derive(Clone, Debug)]
pub struct SessionManager(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    engine: Arc<Engine>,
    sweeper: Sweeper,
}

/// The head of a request, as its framework holds it.
pub trait RequestHead {
    /// The method's name.
    fn method(&self) -> &str;

    /// The address at the other end of the connection, if the server tells.
    fn peer(&self) -> Option<IpAddr>;

    /// Calls `visit` with the value of each field of this name, in order. `name` is in lower case.
    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8]));
}

impl SessionManager {
    /// Sessions kept in `store`.
    ///
    /// # Errors
    /// If a setting cannot be used; the message names it, its value, and what to do.
    pub fn new(store: impl Store, settings: Settings) -> Result<Self, ConfigError> {
        Self::with_store(Arc::new(store), settings)
    }

    /// Sessions kept in a store that is chosen at run time, from a command line or a configuration file.
    ///
    /// ```
    /// use std::error::Error;
    /// use std::sync::Arc;
    /// use cloakroom::stores::MemoryStore;
    /// use cloakroom::{DynStore, SessionManager, Settings};
    ///
    /// fn sessions(store: &str) -> Result<SessionManager, Box<dyn Error>> {
    ///     let store: Arc<dyn DynStore> = match store {
    ///         "memory" => Arc::new(MemoryStore::new()),
    ///         other => return Err(format!("store = {other:?}: choose memory").into()),
    ///     };
    ///     Ok(SessionManager::with_store(store, Settings::default())?)
    /// }
    /// # sessions("memory").unwrap();
    /// # sessions("elsewhere").unwrap_err();
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_store(store: Arc<dyn DynStore>, settings: Settings) -> Result<Self, ConfigError> {
        Self::assemble(store, settings, Clock::System, Random::os())
    }

    pub(crate) fn assemble(
        store: Arc<dyn DynStore>,
        settings: Settings,
        clock: Clock,
        random: Random,
    ) -> Result<Self, ConfigError> {
        let engine = Arc::new(Engine::new(store, settings, clock, random)?);
        let settings = engine.settings();
        events::started(&settings.cookie_name, settings.danger_allow_plain_http);
        Ok(Self(Arc::new(Shared { engine, sweeper: Sweeper::default() })))
    }

    /// The session of a request. Costs nothing but the handle: nothing is loaded before the session is used.
    pub fn open(&self, head: &impl RequestHead) -> OpenSession {
        let Shared { engine, sweeper } = &*self.0;
        sweeper.start(engine);
        let rules = &engine.rules;
        let mut presented = Presented::default();
        head.fields("cookie", &mut |field| {
            presented.read(field, &rules.settings.cookie_name, &rules.keyring);
        });
        let method = match head.method() {
            "GET" | "HEAD" | "OPTIONS" | "TRACE" => Method::Safe,
            _ => Method::Unsafe,
        };
        let address = if rules.policy.bind_address { self.client_address(head) } else { None };
        let request = Request::new(presented, method, address, engine.budget());
        OpenSession::new(Session::new(request, Arc::clone(engine)))
    }

    /// Lets what outlives a request run on the runtime that the manager was made in.
    #[cfg(feature = "actix_v4")]
    pub(crate) fn pin_runtime(&self) {
        self.0.engine.tasks.pin_runtime();
    }

    #[cfg(test)]
    pub(crate) fn sweeper(&self) -> &Sweeper {
        &self.0.sweeper
    }

    #[cfg(feature = "testing")]
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    fn client_address(&self, head: &impl RequestHead) -> Option<IpAddr> {
        let settings = self.0.engine.settings();
        let mut fields = Vec::new();
        let name = settings.client_ip_header.to_ascii_lowercase();
        head.fields(&name, &mut |field| fields.push(field));
        client_ip(head.peer()?, &name, fields.into_iter(), &settings.trusted_proxies)
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        self.0.engine.settings()
    }

    /// The sessions of a user that are live, the last sign-in first.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the store does not list them, or the subject is empty or longer than 255 bytes;
    /// [`ErrorKind::Unavailable`] if the store does not respond.
    pub async fn sessions_of(&self, subject: impl AsRef<str>) -> Result<Vec<SessionInfo>> {
        let subject = Self::subject(subject)?;
        self.finish(|engine| async move { engine.sessions_of(&subject).await }).await
    }

    /// Ends the session with this handle, whoever's it is: for operators. False if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store does not respond.
    pub async fn end(&self, handle: &SessionHandle) -> Result<bool> {
        let key = handle.key();
        self.finish(|engine| async move { engine.end(&mut engine.budget(), key, None).await }).await
    }

    /// Ends the session with this handle if it is this user's: for a page on which users end their own sessions. False,
    /// and nothing has changed, if it is not.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the subject is empty or longer than 255 bytes, [`ErrorKind::Unavailable`] if the
    /// store does not respond.
    pub async fn end_of(&self, subject: impl AsRef<str>, handle: &SessionHandle) -> Result<bool> {
        let (subject, key) = (Self::subject(subject)?, handle.key());
        self.finish(|engine| async move { engine.end(&mut engine.budget(), key, Some(&subject)).await }).await
    }

    /// Ends all sessions of a user, but not the one with the handle `except`; returns how many. When it returns, no
    /// session of that user that began before is accepted any more.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the store does not list them, or the subject is empty or longer than 255 bytes;
    /// [`ErrorKind::Unavailable`] if the store does not respond, and then some may have ended.
    #[doc(alias = "revoke")]
    pub async fn end_all(&self, subject: impl AsRef<str>, except: Option<&SessionHandle>) -> Result<usize> {
        let (subject, except) = (Self::subject(subject)?, except.map(SessionHandle::key));
        self.finish(|engine| async move { engine.end_all(subject, except).await }).await
    }

    /// How many sessions are live: stored, and neither ended nor expired. (One that was ended counts for as long as `grace`
    /// exceeds ten minutes.)
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the store cannot count them; [`ErrorKind::Unavailable`] if the store does not respond.
    pub async fn count(&self) -> Result<u64> {
        if self.0.engine.store.facets().scan.is_none() {
            let detail = "this store does not count its sessions";
            return Err(Error::with_detail(ErrorKind::Unsupported, detail));
        }
        self.finish(|engine| async move {
            let now = engine.now();
            let count = engine.ask_scan("count", move |scan| scan.count(now));
            Ok(engine.calls.wait(&mut engine.budget(), count).await?)
        })
        .await
    }

    /// Removes the records of all sessions that expired more than ten minutes ago; returns how many. The background
    /// sweep does the same.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store does not respond; what was removed until then stays removed.
    #[doc(alias = "purge")]
    pub async fn purge_expired(&self) -> Result<usize> {
        Ok(self.0.engine.purge().await?)
    }

    /// Stops the background sweep and waits until everything that requests have begun to save is saved, at most ten
    /// seconds. False if something was still under way then.
    ///
    /// To be called when the server has stopped taking requests. Sessions go on in the store.
    pub async fn shutdown(&self) -> bool {
        self.0.sweeper.stop();
        self.0.engine.tasks.drain(Duration::from_secs(10)).await
    }

    /// Runs work of several store calls to its end, whatever becomes of the caller.
    async fn finish<T, F>(&self, work: impl FnOnce(Arc<Engine>) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.0.engine.tasks.finish(Box::pin(work(Arc::clone(&self.0.engine)))).await
    }

    fn subject(subject: impl AsRef<str>) -> Result<Subject> {
        Subject::new(subject).map_err(|error| Error::because(ErrorKind::Unsupported, error))
    }
}
