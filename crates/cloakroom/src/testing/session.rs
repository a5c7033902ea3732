use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cloakroom_store::{Store, Subject};
use serde::Serialize;

use crate::client::Client;
use crate::clock::{Clock, TestClock};
use crate::config::Settings;
use crate::cookie::Presented;
use crate::keys::WriteKey;
use crate::lifecycle::{self, Changes, SignIn};
use crate::manager::SessionManager;
use crate::random::Random;
use crate::request::{Method, Request};
use crate::session::Session;
use crate::stores::MemoryStore;

/// A session as a handler would get it in a GET request, to be given what the test needs: stored in memory, resumed from
/// its cookie. Without values and user, a new visitor's.
///
/// What the handler did to it is there to be read afterwards, as later in the same request.
///
/// ```
/// use std::time::Duration;
/// use cloakroom::testing::{self, TestClock};
/// use cloakroom::{Session, SessionKey};
///
/// const CART: SessionKey<Vec<u32>> = SessionKey::new("cart");
///
/// async fn check_out(session: Session) -> Result<&'static str, cloakroom::Error> {
///     if !session.authenticated_within(Duration::from_secs(300)).await? {
///         return Ok("sign in again");
///     }
///     session.remove(CART).await?;
///     Ok("thank you")
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cloakroom::Error> {
/// let clock = TestClock::new();
/// let session = testing::session().clock(&clock).with(CART, &vec![7, 7]).signed_in("ann").build();
///
/// clock.advance(Duration::from_secs(299));
/// assert_eq!(check_out(session.clone()).await?, "thank you");
/// assert_eq!(session.get(CART).await?, None);
///
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(check_out(session).await?, "sign in again");
/// # Ok(())
/// # }
/// ```
pub fn session() -> SessionBuilder {
    SessionBuilder { values: Vec::new(), subject: None, settings: Settings::default(), clock: Clock::System }
}

/// A [`session`] being made. Panics at what cannot be: it is for tests.
#[derive(Debug)]
#[must_use]
pub struct SessionBuilder {
    values: Vec<(String, Vec<u8>)>,
    subject: Option<Subject>,
    settings: Settings,
    clock: Clock,
}

impl SessionBuilder {
    /// With `value` under `key`.
    ///
    /// # Panics
    /// If the value cannot be written as JSON.
    pub fn with<V: Serialize + ?Sized>(mut self, key: impl WriteKey<V>, value: &V) -> Self {
        let json = serde_json::to_vec(value).expect("the value can be written as JSON");
        self.values.push((key.name().to_owned(), json));
        self
    }

    /// Belonging to this user, who signed in just now.
    ///
    /// # Panics
    /// If the subject is empty or longer than 255 bytes.
    pub fn signed_in(mut self, subject: impl AsRef<str>) -> Self {
        self.subject = Some(Subject::new(subject).expect("a subject of 1 to 255 bytes"));
        self
    }

    /// Under these settings instead of the default ones.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// On this clock instead of the system's: the session begins, and its user signs in, at the time it shows.
    pub fn clock(mut self, clock: &TestClock) -> Self {
        self.clock = Clock::Test(clock.clone());
        self
    }

    /// The session.
    ///
    /// # Panics
    /// If the settings cannot be used.
    pub fn build(self) -> Session {
        let store = Arc::new(MemoryStore::new());
        let sessions = SessionManager::assemble(store.clone(), self.settings, self.clock, Random::os())
            .expect("settings that can be used");
        let engine = Arc::clone(sessions.engine());
        let rules = &engine.rules;
        let sign_in = self.subject.map(|subject| SignIn { subject, after: Default::default() });
        let mut changes = Changes { sign_in, ..Changes::default() };
        for (key, value) in self.values {
            changes.record(&key, Some(value.into()));
        }
        let token = rules.mint().expect("random bytes");
        let (verifier, now) = (rules.keyring.verifier(&token), engine.now());
        let mut presented = Presented::default();
        let draft = lifecycle::begin(&changes, verifier, &Client::default(), now, &rules.policy);
        if let Some(draft) = draft.expect("values within the limits") {
            let key = rules.keyring.key(&token);
            let stored = finished(store.create(&key, &rules.record(&draft), now));
            stored.expect("an empty store takes a session");
            let cookie = format!("{}={}", rules.settings.cookie_name, *rules.keyring.print(&token));
            presented.read(cookie.as_bytes(), &rules.settings.cookie_name, &rules.keyring);
        }
        let request = Request::new(presented, Method::Safe, Client::default(), now, false, engine.budget());
        Session::new(request, engine)
    }
}

/// The outcome of a future that never waits.
fn finished<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => unreachable!("the store in memory answers at once"),
    }
}
