//! Sessions from outside a request: what adapters call for each of them, and what background jobs and pages call.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{DynStore, Store, Subject, Timestamp};

use crate::client::{Client, user_agent};
use crate::client_address::{client_ip, is_trusted};
use crate::clock::Clock;
use crate::config::Settings;
use crate::cookie::Presented;
use crate::engine::Engine;
use crate::error::{ConfigError, Error, ErrorKind, Result};
use crate::events;
use crate::info::{RecentSessions, SessionHandle, SessionInfo};
use crate::random::Random;
use crate::request::{Method, Request};
use crate::request_start;
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

    /// Whether the request has a body: a `Content-Length` other than 0, or a `Transfer-Encoding` (RFC 9112 §6.3).
    ///
    /// To be overridden where the framework knows more: in HTTP/2 and later a body may have neither. A proxy may hand on
    /// a request with a body long after it was sent, so that it counts as late for longer.
    fn has_body(&self) -> bool {
        has_body(self, false)
    }
}

/// Whether the head says that a body follows. `in_frames`: it may have no length of its own, as from HTTP/2 on, where a method
/// that is not safe is taken to have one.
pub(crate) fn has_body(head: &(impl RequestHead + ?Sized), in_frames: bool) -> bool {
    let mut is_coded = false;
    head.fields("transfer-encoding", &mut |_| is_coded = true);
    let mut length = None;
    head.fields("content-length", &mut |field| {
        let is_zero = field.trim_ascii().iter().all(|digit| *digit == b'0');
        length = Some(length == Some(true) || !is_zero);
    });
    is_coded || length.unwrap_or_else(|| in_frames && Method::of(head.method()) == Method::Unsafe)
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
        let method = Method::of(head.method());
        let (began, has_body) = match presented.is_empty() {
            true => (Timestamp::default(), false),
            false => (self.began(head), head.has_body()),
        };
        let request = Request::new(presented, method, self.client(head), began, has_body, engine.budget());
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

    #[cfg(any(feature = "testing", feature = "http_v1", feature = "actix_v4", feature = "rocket_v0_5"))]
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    /// As much of the client as the settings ask for.
    fn client(&self, head: &impl RequestHead) -> Client {
        let policy = &self.0.engine.rules.policy;
        let mut client = Client::default();
        if policy.bind_address || policy.record_client {
            client.address = self.client_address(head);
        }
        if policy.record_client {
            head.fields("user-agent", &mut |field| {
                client.user_agent = client.user_agent.take().or_else(|| user_agent(field));
            });
        }
        client
    }

    fn client_address(&self, head: &impl RequestHead) -> Option<IpAddr> {
        let settings = self.0.engine.settings();
        let mut fields = Vec::new();
        let name = settings.client_ip_header.to_ascii_lowercase();
        head.fields(&name, &mut |field| fields.push(field));
        client_ip(head.peer()?, &name, fields.into_iter(), &settings.trusted_proxies)
    }

    /// When a request began that is opened now.
    fn began(&self, head: &impl RequestHead) -> Timestamp {
        let engine = &self.0.engine;
        let (settings, now) = (engine.settings(), engine.now());
        let Some(name) = &settings.request_start_header else { return now };
        if !head.peer().is_some_and(|peer| is_trusted(peer, &settings.trusted_proxies)) {
            return now;
        }
        let mut fields = Vec::new();
        head.fields(&name.to_ascii_lowercase(), &mut |field| fields.push(field));
        // With several it cannot be told which of them the proxy has written.
        let [field] = fields[..] else { return now };
        request_start::began(field, now)
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        self.0.engine.settings()
    }

    /// The sessions of a user that are live, the last sign-in first. For a page, call
    /// [`recent_sessions_of`](Self::recent_sessions_of): this call loads the data of all of them, a few at a time.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the store does not list them, or the subject is empty or longer than 255 bytes;
    /// [`ErrorKind::Unavailable`] if the store does not respond.
    pub async fn sessions_of(&self, subject: impl AsRef<str>) -> Result<Vec<SessionInfo>> {
        let subject = Self::subject(subject)?;
        self.finish(|engine| async move { engine.sessions_of(&subject).await }).await
    }

    /// The `limit` most recently used sessions of a user that are live, the last one first, and how many the user has: for a
    /// page on which users see their sessions. Loads the data of those that it returns, and of no others.
    ///
    /// What counts is when they expire unless they are used, so a [remembered](crate::Session::remember) session counts as
    /// used later than it was. Of sessions that lowered settings have ended, the total may count some.
    ///
    /// ```
    /// # use cloakroom::stores::MemoryStore;
    /// # use cloakroom::{Error, SessionManager, Settings};
    /// # async fn devices(sessions: &SessionManager) -> Result<String, Error> {
    /// let recent = sessions.recent_sessions_of("ann", 50).await?;
    /// Ok(format!("{} of {} devices", recent.sessions.len(), recent.total))
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let sessions = SessionManager::new(MemoryStore::new(), Settings::default()).unwrap();
    /// # assert_eq!(devices(&sessions).await.unwrap(), "0 of 0 devices");
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`sessions_of`](Self::sessions_of).
    pub async fn recent_sessions_of(&self, subject: impl AsRef<str>, limit: usize) -> Result<RecentSessions> {
        let subject = Self::subject(subject)?;
        self.finish(|engine| async move { engine.recent_sessions_of(&subject, limit).await }).await
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
    /// It ends them one by one, so that late requests of their browsers are told apart from strangers, and after half of
    /// `store_budget` the rest in one call of the store, which may take the other half.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the store does not list them, or the subject is empty or longer than 255 bytes;
    /// [`ErrorKind::Unavailable`] if the store does not respond, and then some may have ended.
    #[doc(alias = "revoke")]
    pub async fn end_all(&self, subject: impl AsRef<str>, except: Option<&SessionHandle>) -> Result<usize> {
        let (subject, except) = (Self::subject(subject)?, except.map(SessionHandle::key));
        self.finish(|engine| async move { engine.end_all(subject, except).await }).await
    }

    /// How many sessions are live: stored, and neither ended nor expired.
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
    /// sweep does the same, but pauses after the clock was set ahead; this goes by the clock as it is.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store does not respond; what was removed until then stays removed.
    #[doc(alias = "purge")]
    pub async fn purge_expired(&self) -> Result<usize> {
        Ok(self.0.engine.purge(self.0.engine.now()).await?)
    }

    /// Stops the background sweep and what watches sessions for [`Session::ended`], and waits until everything that requests have begun to save is saved, at most ten
    /// seconds. False if something was still under way then.
    ///
    /// To be called when the server has stopped taking requests. Sessions go on in the store.
    pub async fn shutdown(&self) -> bool {
        self.0.sweeper.stop();
        self.0.engine.watches.stop();
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
