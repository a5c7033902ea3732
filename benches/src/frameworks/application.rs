//! What the application is on every framework.

use std::future::Future;

use cloakroom::stores::MemoryStore;
use cloakroom::{Result, Session, SessionKey, SessionManager, Settings};

/// An application on a framework.
pub trait Application: Sized {
    /// With these sessions, if any.
    fn new(sessions: Option<SessionManager>) -> impl Future<Output = Self>;

    /// Returns the `Set-Cookie` field of a GET request that comes with this `Cookie` field.
    ///
    /// # Panics
    /// If the status is not 200.
    fn get(&self, path: &'static str, cookie: &str) -> impl Future<Output = Option<String>>;
}

/// Sessions in memory.
///
/// # Panics
/// Never: the settings can be used.
pub fn sessions() -> SessionManager {
    SessionManager::new(MemoryStore::new(), Settings::default()).expect("settings that can be used")
}

const COUNT: SessionKey<u64> = SessionKey::new("count");

pub(super) async fn read(session: &Session) -> Result<String> {
    Ok(session.get(COUNT).await?.unwrap_or_default().to_string())
}

pub(super) async fn write(session: &Session) -> Result<String> {
    let count = session.get(COUNT).await?.unwrap_or_default() + 1;
    session.insert(COUNT, &count).await?;
    Ok(count.to_string())
}
