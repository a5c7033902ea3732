//! A site on a store behind a proxy, and who visits it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cloakroom::testing::TestClock;
use cloakroom::{Locking, Settings};
use cloakroom_test_services as services;
use cloakroom_tests::{Backend, Browser, Limits, Proxy, Request, Response, Script, Site, addresses};

use crate::cluster;

/// A site whose store talks to its server through a proxy.
pub(crate) struct House {
    pub(crate) site: Site,
    pub(crate) proxy: Proxy,
    backend: Backend,
    name: String,
    _turn: Option<cluster::Turn>,
}

impl House {
    pub(crate) async fn new(backend: Backend, settings: Settings) -> Self {
        Self::with_limits(backend, settings, Limits { deadline: Duration::from_secs(5), connections: 4 })
            .await
    }

    /// On a single connection, so that all there is to count is there, and a login is counted once. Whoever waits for an
    /// answer waits for ever, and nobody renews a lock meanwhile.
    pub(crate) async fn for_counting(backend: Backend, settings: Settings) -> Self {
        let settings =
            settings.store_timeout(AN_HOUR).store_budget(AN_HOUR).lease_ttl(AN_HOUR).lease_limit(AN_HOUR);
        Self::with_limits(backend, settings, Limits { deadline: AN_HOUR, connections: 1 }).await
    }

    async fn with_limits(backend: Backend, settings: Settings, limits: Limits) -> Self {
        let url = server(backend);
        let proxy = Proxy::start(addresses(url)).await;
        let turn = match backend.name {
            "redis_cluster" => Some(cluster::announce(&proxy).await),
            _ => None,
        };
        let clock = TestClock::new();
        // Past any time at which a server with a clock of its own would find these sessions expired.
        clock.advance(A_CENTURY);
        let (url, name) = (proxy.instead_of(url), unique_name());
        let sessions = backend.sessions_at(&url, &name, limits, settings, &clock).await;
        let site = Site::with_sessions(sessions, clock, Script::default().routes()).await;
        Self { site, proxy, backend, name, _turn: turn }
    }

    /// A second process with the same sessions. No proxy is in its way.
    pub(crate) async fn another(&self, settings: Settings) -> Site {
        let limits = Limits { deadline: Duration::from_secs(5), connections: 4 };
        let (url, clock) = (server(self.backend), self.site.clock.clone());
        let sessions = self.backend.sessions_at(url, &self.name, limits, settings, &clock).await;
        Site::with_sessions(sessions, clock, Script::default().routes()).await
    }

    /// A browser with a session in which `n` is 5, and whose cookie has come back.
    pub(crate) async fn visitor(&self) -> Browser {
        let browser = Browser::new(&self.site);
        assert_eq!(browser.post("/set=n:5").await.status, 200);
        assert_eq!(browser.get("/get=n").await.body, "5");
        self.settled().await;
        browser
    }

    /// Waits for the work that continues after a response.
    pub(crate) async fn settled(&self) {
        // It would end the process after that; the site goes on.
        assert!(self.site.sessions.shutdown().await, "something goes on for very long");
    }

    /// Lets every lease end that goes by the site's clock; others end by themselves.
    pub(crate) fn end_leases(&self) {
        self.site.clock.advance(LEASE);
    }
}

/// No request has a session to itself unless it asks, and locks end soon.
pub(crate) fn unlocked() -> Settings {
    locked().locking(Locking::Explicit)
}

/// Requests with unsafe methods have their session to themselves.
pub(crate) fn locked() -> Settings {
    Settings::new().locking(Locking::ByMethod).lease_ttl(LEASE)
}

/// The answer that the visitor gets as soon as there is one again.
pub(crate) async fn resumes(visitor: &Browser, request: Request) -> String {
    #[allow(clippy::disallowed_methods, reason = "a person would look at a watch")]
    let since = Instant::now();
    loop {
        let response = visitor.send(request.clone()).await;
        if response.status == 200 {
            return response.body;
        }
        is_503(&response, "after it");
        assert!(since.elapsed() < SOON, "service does not resume: {response:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An answer as it is while there is no store.
pub(crate) fn is_503(response: &Response, about: &str) {
    assert_eq!(response.status, 503, "{about}: {response:?}");
    assert!(response.cookies().is_empty(), "{about}: {response:?}");
}

/// Looks until it is so.
pub(crate) async fn eventually(mut condition: impl FnMut() -> bool) {
    let looking = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("it comes to pass");
}

/// A server that all tests share.
fn server(backend: Backend) -> &'static str {
    match backend.name {
        "redis" => services::redis(),
        "redis_cluster" => cluster::url(),
        "postgres" => services::postgres(),
        "mariadb" => services::mysql(),
        "memcached" => services::memcached(),
        "memcached_pair" => services::memcached_pair(),
        other => panic!("{other} has no proxy"),
    }
}

/// A name for a table or a prefix.
#[allow(
    clippy::disallowed_methods,
    reason = "no other run of the tests on the same server has the same time"
)]
pub(crate) fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("stores_{}_{number}_{}", std::process::id(), time.as_nanos())
}

/// How long a lock outlives whoever held it.
const LEASE: Duration = Duration::from_millis(500);
/// Longer than a twentieth of the idle time, which is at most a minute.
pub(crate) const TOUCH_IS_DUE: Duration = Duration::from_secs(100);
/// Before a test fails instead of waiting for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long service may take to resume.
const SOON: Duration = Duration::from_secs(2);
const AN_HOUR: Duration = Duration::from_secs(3600);
const A_CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
