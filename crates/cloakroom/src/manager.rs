//! Sessions from outside a request: what adapters call for each of them, and what background jobs and pages call.

mod subjects;

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
use crate::lifecycle::Snapshot;
use crate::random::Random;
use crate::session::{Inner, OpenSession, Session};

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
pub struct SessionManager(Arc<Engine>);

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
        let engine = Engine::new(store, settings, clock, random)?;
        events::started(&engine.settings);
        Ok(Self(Arc::new(engine)))
    }

    /// The session of a request. Costs nothing but the handle: nothing is loaded before the session is used.
    pub fn open(&self, head: &impl RequestHead) -> OpenSession {
        let engine = &self.0;
        engine.sweeper.start(engine);
        let mut presented = Presented::default();
        head.fields("cookie", &mut |field| {
            presented.read(field, &engine.settings.cookie_name, &engine.keyring)
        });
        let safe = matches!(head.method(), "GET" | "HEAD" | "OPTIONS" | "TRACE");
        let address = if engine.policy.bind_address { self.client_address(head) } else { None };
        OpenSession::new(Session(Arc::new(Inner::new(Arc::clone(engine), presented, safe, address))))
    }

    #[cfg(feature = "actix_v4")]
    pub(crate) fn stay_at_home(&self) {
        self.0.tasks.stay_at_home();
    }

    #[cfg(feature = "testing")]
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0
    }

    fn client_address(&self, head: &impl RequestHead) -> Option<IpAddr> {
        let settings = &self.0.settings;
        let mut fields = Vec::new();
        let name = settings.client_ip_header.to_ascii_lowercase();
        head.fields(&name, &mut |field| fields.push(field));
        client_ip(head.peer()?, &name, fields.into_iter(), &settings.trusted_proxies)
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The sessions of a user that are live, the last sign-in first.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the store does not list them, or the subject is empty or longer than 255 bytes;
    /// [`ErrorKind::Unavailable`] if the store does not answer.
    pub async fn sessions_of(&self, subject: impl AsRef<str>) -> Result<Vec<SessionInfo>> {
        self.0.sessions_of(&Self::subject(subject)?).await
    }

    /// Ends the session with this handle, whoever's it is: for operators. False if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store does not answer.
    pub async fn end(&self, handle: &SessionHandle) -> Result<bool> {
        self.0.end(&mut self.0.budget(), handle.key(), |_| true).await
    }

    /// Ends the session with this handle if it is this user's: for a page on which users end their own sessions. False,
    /// and nothing has changed, if it is not.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the subject is empty or longer than 255 bytes, [`ErrorKind::Unavailable`] if the
    /// store does not answer.
    pub async fn end_of(&self, subject: impl AsRef<str>, handle: &SessionHandle) -> Result<bool> {
        let subject = Self::subject(subject)?;
        let own = |snapshot: &Snapshot| snapshot.subject.as_ref() == Some(&subject);
        self.0.end(&mut self.0.budget(), handle.key(), own).await
    }

    /// Ends all sessions of a user, but not the one with the handle `except`; answers how many. When it returns, no
    /// session of that user that began before is accepted any more.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the store does not list them, or the subject is empty or longer than 255 bytes;
    /// [`ErrorKind::Unavailable`] if the store does not answer, and then some may have ended.
    #[doc(alias = "revoke")]
    pub async fn end_all(&self, subject: impl AsRef<str>, except: Option<&SessionHandle>) -> Result<usize> {
        self.0.end_all(Self::subject(subject)?, except.map(SessionHandle::key)).await
    }

    /// Removes the records of all sessions that expired more than ten minutes ago; answers how many. The background
    /// sweep does the same.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store does not answer; what was removed until then stays removed.
    #[doc(alias = "purge")]
    pub async fn purge_expired(&self) -> Result<usize> {
        Ok(self.0.purge().await?)
    }

    /// Stops the background sweep and waits until everything that requests have begun to save is saved, at most ten
    /// seconds. False if something was still under way then.
    ///
    /// To be called when the server has stopped taking requests. Sessions go on in the store.
    pub async fn shutdown(&self) -> bool {
        self.0.sweeper.stop();
        self.0.tasks.drain(Duration::from_secs(10)).await
    }

    fn subject(subject: impl AsRef<str>) -> Result<Subject> {
        Subject::new(subject).map_err(|error| Error::because(ErrorKind::Unsupported, error))
    }
}
