//! Each store that has a server.

use std::time::Duration;

use cloakroom_memcached::MemcachedStore;
use cloakroom_redis::RedisStore;
use cloakroom_sqlx::{MySqlStore, PostgresStore};
use cloakroom_store::Store;
use cloakroom_test_services as services;
use cloakroom_tests::Proxy;

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
    pub(crate) deadline: Duration,
    /// Where it has a pool.
    pub(crate) connections: u32,
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
