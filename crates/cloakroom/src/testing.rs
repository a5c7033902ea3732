//! What an application's own tests need: a session made by hand, a clock to move, a cookie jar, a store that fails on
//! command. Feature `testing`.
//!
//! ```
//! # async fn greet(session: cloakroom::Session) -> Result<String, cloakroom::Error> {
//! #     Ok(format!("Hello, {}!", session.get::<String>("name").await?.unwrap_or_default()))
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloakroom::Error> {
//! let session = cloakroom::testing::session().with("name", "Ann").signed_in("ann").build();
//! assert_eq!(greet(session).await?, "Hello, Ann!");
//! # Ok(())
//! # }
//! ```

mod clock;
mod faulty;
mod jar;
mod session;

use cloakroom_store::Store;

pub use self::clock::TestClock;
pub use self::faulty::{Call, Fault, FaultyStore};
pub use self::jar::Jar;
pub use self::session::{SessionBuilder, session};
use crate::clock::Clock;
use crate::config::Settings;
use crate::error::ConfigError;
use crate::manager::SessionManager;
use crate::random::Random;

/// [`SessionManager::new`] on a clock that the test moves.
///
/// # Errors
/// As [`SessionManager::new`].
pub fn manager(
    store: impl Store,
    settings: Settings,
    clock: &TestClock,
) -> Result<SessionManager, ConfigError> {
    SessionManager::assemble(store, settings, Clock::Test(clock.clone()), Random::os())
}

/// [`SessionManager::new`] on an operating system that gives no random bytes.
///
/// # Errors
/// As [`SessionManager::new`].
pub fn manager_without_randomness(
    store: impl Store,
    settings: Settings,
) -> Result<SessionManager, ConfigError> {
    SessionManager::assemble(store, settings, Clock::System, Random::failing())
}
