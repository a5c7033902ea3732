//! Each store behind a proxy, and a site on top.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cloakroom::testing::{self, TestClock};
use cloakroom::{Locking, Settings};
use cloakroom_memcached::MemcachedStore;
use cloakroom_redis::RedisStore;
use cloakroom_sqlx::{MySqlStore, PostgresStore};
use cloakroom_store::Store;
use cloakroom_test_services as services;
use cloakroom_tests::{Browser, Proxy, Request, Response, Script, Site};

use crate::cluster;

/// A kind of server and the store on it.
pub(crate) trait Backend {
    type Store: Store;

    /// What requests cost.
    const COSTS: Costs;

    /// A server that all tests share.
    fn url() -> &'static str;

    /// Lets clients find the proxy also where they follow what servers say.
    async fn prepare(_: &Proxy) -> Option<cluster::Turn> {
        None
    }

    /// A store of its own there; `name` is nobody else's.
    async fn open(url: &str, name: &str, limits: Limits) -> Self::Store;
}

/// What a store may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For one call.
    deadline: Duration,
    /// Where it has a pool.
    connections: u32,
}

/// How many round trips a request takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    /// More, where it is due.
    pub(crate) touch: usize,
    /// To a session that is there, without a lock.
    pub(crate) write: usize,
    /// The same with one.
    pub(crate) locked_write: usize,
}

pub(crate) struct Redis;
pub(crate) struct RedisCluster;
pub(crate) struct Postgres;
pub(crate) struct MariaDb;
pub(crate) struct Memcached;
/// Two servers that share the sessions.
pub(crate) struct MemcachedPair;

impl Backend for Redis {
    type Store = RedisStore;

    const COSTS: Costs = Costs { touch: 1, write: 2, locked_write: 2 };

    fn url() -> &'static str {
        services::redis()
    }

    async fn open(url: &str, name: &str, limits: Limits) -> RedisStore {
        RedisStore::builder().prefix(name).deadline(limits.deadline).connect(url).await.unwrap()
    }
}

impl Backend for RedisCluster {
    type Store = RedisStore;

    const COSTS: Costs = Redis::COSTS;

    fn url() -> &'static str {
        cluster::url()
    }

    async fn prepare(proxy: &Proxy) -> Option<cluster::Turn> {
        Some(cluster::announce(proxy).await)
    }

    async fn open(url: &str, name: &str, limits: Limits) -> RedisStore {
        Redis::open(url, name, limits).await
    }
}

impl Backend for Postgres {
    type Store = PostgresStore;

    const COSTS: Costs = Costs { touch: 1, write: 2, locked_write: 2 };

    fn url() -> &'static str {
        services::postgres()
    }

    async fn open(url: &str, name: &str, limits: Limits) -> PostgresStore {
        let store = PostgresStore::builder()
            .table(name)
            .max_connections(limits.connections)
            .deadline(limits.deadline)
            .connect(url)
            .await
            .unwrap();
        store.migrate().await.unwrap();
        store
    }
}

impl Backend for MariaDb {
    type Store = MySqlStore;

    const COSTS: Costs = Costs { touch: 1, write: 2, locked_write: 3 };

    fn url() -> &'static str {
        services::mysql()
    }

    async fn open(url: &str, name: &str, limits: Limits) -> MySqlStore {
        let store = MySqlStore::builder()
            .table(name)
            .max_connections(limits.connections)
            .deadline(limits.deadline)
            .connect(url)
            .await
            .unwrap();
        store.migrate().await.unwrap();
        store
    }
}

/// It has no write that depends on what a record says: each is a read and a write that depends on what was read.
const CHECK_AND_SET: Costs = Costs { touch: 2, write: 3, locked_write: 4 };

impl Backend for Memcached {
    type Store = MemcachedStore;

    const COSTS: Costs = CHECK_AND_SET;

    fn url() -> &'static str {
        services::memcached()
    }

    async fn open(url: &str, name: &str, limits: Limits) -> MemcachedStore {
        MemcachedStore::builder().prefix(name).deadline(limits.deadline).connect(url).await.unwrap()
    }
}

impl Backend for MemcachedPair {
    type Store = MemcachedStore;

    const COSTS: Costs = CHECK_AND_SET;

    fn url() -> &'static str {
        services::memcached_pair()
    }

    async fn open(url: &str, name: &str, limits: Limits) -> MemcachedStore {
        Memcached::open(url, name, limits).await
    }
}

/// Runs each of these tests on every backend.
macro_rules! on_every_backend {
    ($($test:ident),* $(,)?) => {
        $crate::backends::on_every_backend! { @ [redis: Redis, redis_cluster: RedisCluster, postgres: Postgres, mariadb: MariaDb, memcached: Memcached,
            memcached_pair: MemcachedPair] [$($test),*] }
    };
    (@ [$($module:ident: $backend:ident),*] $tests:tt) => {
        $($crate::backends::on_every_backend! { @@ $module $backend $tests })*
    };
    (@@ $module:ident $backend:ident [$($test:ident),*]) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test::<$crate::backends::$backend>().await;
            })*
        }
    };
}
pub(crate) use on_every_backend;

/// A site whose store talks to its server through a proxy.
pub(crate) struct House {
    pub(crate) site: Site,
    pub(crate) proxy: Proxy,
    _turn: Option<cluster::Turn>,
}

impl House {
    pub(crate) async fn new<B: Backend>(settings: Settings) -> Self {
        Self::with_limits::<B>(settings, Limits { deadline: Duration::from_secs(5), connections: 4 }).await
    }

    /// On a single connection, so that all there is to count is there, and a login is counted once; whoever waits for an
    /// answer waits for ever.
    pub(crate) async fn for_counting<B: Backend>(settings: Settings) -> Self {
        let settings = Settings { store_timeout: AN_HOUR, store_budget: AN_HOUR, ..settings };
        Self::with_limits::<B>(settings, Limits { deadline: AN_HOUR, connections: 1 }).await
    }

    async fn with_limits<B: Backend>(settings: Settings, limits: Limits) -> Self {
        let url = B::url();
        let proxy = Proxy::start(addresses(url)).await;
        let turn = B::prepare(&proxy).await;
        let store = B::open(&proxy.instead_of(url), &unique_name(), limits).await;
        let clock = TestClock::new();
        // Past any time at which a server with a clock of its own would find these sessions expired.
        clock.advance(A_CENTURY);
        let sessions = testing::manager(store, settings, &clock).unwrap();
        let site = Site::with_sessions(sessions, clock, Script::default().routes()).await;
        Self { site, proxy, _turn: turn }
    }

    /// A browser with a session in which `n` is 5.
    pub(crate) async fn visitor(&self) -> Browser {
        let browser = Browser::new(&self.site);
        assert_eq!(browser.post("/set=n:5").await.status, 200);
        browser
    }

    /// Lets every lease end that goes by the site's clock; others end by themselves.
    pub(crate) fn end_leases(&self) {
        self.site.clock.advance(LEASE);
    }
}

/// No request has a session to itself unless it asks, and locks end soon.
pub(crate) fn unlocked() -> Settings {
    Settings { locking: Locking::Explicit, ..locked() }
}

/// Requests with unsafe methods have their session to themselves.
pub(crate) fn locked() -> Settings {
    Settings { locking: Locking::ByMethod, lease_ttl: LEASE, ..Settings::default() }
}

pub(crate) const LEASE: Duration = Duration::from_millis(500);
/// Longer than a twentieth of the idle time, which is at most a minute.
pub(crate) const TOUCH_IS_DUE: Duration = Duration::from_secs(100);
/// Before a test fails instead of waiting for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long service may take to resume.
const SOON: Duration = Duration::from_secs(2);
const AN_HOUR: Duration = Duration::from_secs(3600);
const A_CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

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

/// The addresses in a URL.
pub(crate) fn addresses(url: &str) -> Vec<SocketAddr> {
    let (_, rest) = url.rsplit_once("//").unwrap();
    let (_, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    rest.split('/').next().unwrap().split(',').map(|address| address.parse().unwrap()).collect()
}

/// A name for a table or a prefix.
#[allow(
    clippy::disallowed_methods,
    reason = "no other run of the tests on the same server has the same time"
)]
fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("stores_{}_{number}_{}", std::process::id(), time.as_nanos())
}
