//! What a framework has to serve for the scenarios.

use std::fmt;
use std::net::SocketAddr;

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, TestClock};
use cloakroom::{SessionManager, Settings};
use cloakroom_store::Store;
use cloakroom_tests::{Browser, Script};

/// An adapter, with an application on its framework.
///
/// All requests are inside the adapter but those below `/bare`. What the script answers for a path is the response; its
/// error is the response the framework makes of a `cloakroom::Error`.
///
/// | path | |
/// | --- | --- |
/// | anything else | [`Script::play`] |
/// | `/locked/…`, `/degraded/…`, `/no_touch/…`, `/off/…` | the script for the rest of the path, with these [`RouteOptions`](cloakroom::RouteOptions) settings by the framework's means; `locked` is `Locking::Implicit` |
/// | `/user` | a handler that takes a `SignedIn`, and answers the subject |
/// | `/bare/…` | a handler that takes a `Session` where the adapter is missing |
/// | `/twice/…` | the script, inside another adapter over the same sessions |
/// | `/clash/…` | the script, inside another adapter over [`clashing`] sessions |
/// | `/other/…` | the script with the session of an adapter inside this one, over [`other`] sessions |
/// | `/echo` | POST: answers the request's body, of up to two megabytes, after counting it in the session under `bodies` with `insert` |
/// | `/socket/…` | the script for the rest of the path, then a WebSocket: each text message is a path for the script, answered by a message with what it says |
pub(crate) trait Adapter {
    /// Where it differs from what the others do.
    const DIFFERENCES: Differences;

    /// Serves the application on a free loopback port.
    async fn serve(sessions: SessionManager, script: Script) -> Served;
}

/// Sessions under the same cookie name in an engine of their own.
pub(crate) fn clashing(sessions: &SessionManager) -> SessionManager {
    SessionManager::new(MemoryStore::new(), sessions.settings().clone()).unwrap()
}

/// The cookie name of [`other`] sessions.
pub(crate) const OTHER: &str = "__Host-other";

/// Sessions under another cookie name.
pub(crate) fn other(sessions: &SessionManager) -> SessionManager {
    SessionManager::new(MemoryStore::new(), sessions.settings().clone().cookie_name(OTHER)).unwrap()
}

/// Where a framework differs from the others, as its adapter's documentation says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Differences {
    /// A handler that panics: its client gets a 500; else its connection is closed.
    pub(crate) answers_panics: bool,
    /// A handler whose client has gone runs to its end, and saves; else it is dropped, and saves nothing.
    pub(crate) runs_on: bool,
    /// Where that is so over HTTP/1 alone: over HTTP/2 it is dropped.
    pub(crate) drops_over_http_2: bool,
    /// One byte that is not UTF-8 in a `Cookie` field hides the whole field.
    pub(crate) drops_odd_cookies: bool,
    /// Where a handler takes a `Session` and the adapter is missing, the 500 does not say what to add.
    pub(crate) hides_what_is_missing: bool,
    /// Where a `SignedIn` fails, the response has the status and the headers of the error, but a text of the framework's.
    pub(crate) words_guard_errors: bool,
}

impl Differences {
    /// What axum does.
    pub(crate) const NONE: Self = Self {
        answers_panics: false,
        runs_on: false,
        drops_over_http_2: false,
        drops_odd_cookies: false,
        hides_what_is_missing: false,
        words_guard_errors: false,
    };
}

/// An application that is being served, until this is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: Option<Box<dyn FnOnce() + Send>>,
}

impl Served {
    /// Listens there; `stop` ends it.
    pub(crate) fn new(address: SocketAddr, stop: impl FnOnce() + Send + 'static) -> Self {
        Self { address, stop: Some(Box::new(stop)) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop();
        }
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The application on an adapter, with sessions on a clock that the test moves.
#[derive(Debug)]
pub(crate) struct Site {
    served: Served,
    pub(crate) sessions: SessionManager,
    pub(crate) clock: TestClock,
    pub(crate) script: Script,
}

impl Site {
    pub(crate) async fn start<A: Adapter>(store: impl Store, settings: Settings) -> Self {
        let (clock, script) = (TestClock::new(), Script::default());
        let sessions = testing::manager(store, settings, &clock).unwrap();
        let served = A::serve(sessions.clone(), script.clone()).await;
        Self { served, sessions, clock, script }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.served.address
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::at(self.address())
    }
}
