//! One small application on every framework, with sessions and without, called without a network.
//!
//! It answers `/plain`, `/read` (one value of the session), and `/write` (the same, one higher).

mod actix;
mod axum;
mod hyper;
mod poem;
mod rocket;
mod salvo;
mod tower;

use std::future::Future;

use cloakroom::stores::MemoryStore;
use cloakroom::{Result, Session, SessionKey, SessionManager, Settings};

pub use self::actix::Actix;
pub use self::axum::Axum;
pub use self::hyper::Hyper;
pub use self::poem::Poem;
pub use self::rocket::Rocket;
pub use self::salvo::Salvo;
pub use self::tower::Tower;

/// An application on a framework.
pub trait Application: Sized {
    /// With these sessions, if any.
    fn new(sessions: Option<SessionManager>) -> impl Future<Output = Self>;

    /// Answers the `Set-Cookie` field of a GET request that comes with this `Cookie` field.
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

async fn read(session: &Session) -> Result<String> {
    Ok(session.get(COUNT).await?.unwrap_or_default().to_string())
}

async fn write(session: &Session) -> Result<String> {
    let count = session.get(COUNT).await?.unwrap_or_default() + 1;
    session.insert(COUNT, &count).await?;
    Ok(count.to_string())
}
