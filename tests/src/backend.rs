//! Each store that is behind a server or in a file, so that several processes can share it.

use std::fmt;
use std::ops::DerefMut;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::testing::{self, TestClock};
use cloakroom::{SessionManager, Settings};
use cloakroom_cli::store::StoreUrl;
use cloakroom_memcached::MemcachedStore;
use cloakroom_redis::RedisStore;
use cloakroom_sqlx::{MySqlStore, PostgresStore};
use cloakroom_store::DynStore;
use cloakroom_test_services::server::{
    MariaDb, Memcached, MemcachedPair, PatientRedisSentinel, Postgres, Redis, RedisCluster, Server,
};
use tempfile::TempDir;

use crate::any_store::AnyStore;

/// A kind of store.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// Its name, as tests have it.
    pub name: &'static str,
    /// What requests cost.
    pub costs: Costs,
    start: Option<fn() -> Own>,
}

/// How many round trips a request takes.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// More, where it is due.
    pub touch: usize,
    /// To a session that is there, without a lock.
    pub write: usize,
    /// The same with one.
    pub locked_write: usize,
}

/// What a store may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For one call.
    pub deadline: Duration,
    /// Where it has a pool.
    pub connections: u32,
}

type Own = Box<dyn DerefMut<Target = Server> + Send + Sync>;

macro_rules! backends {
    ($($(#[$doc:meta])* $name:ident: $server:ident, $costs:expr;)*) => {
        impl Backend {
            $(
                $(#[$doc])*
                pub fn $name() -> Self {
                    Self {
                        name: stringify!($name),
                        costs: $costs,
                        start: Some(|| Box::new($server::start())),
                    }
                }
            )*
        }
    };
}

backends! {
    /// A Redis that syncs its log of changes with each of them.
    redis: Redis, ONE_STATEMENT;
    /// A primary and its replica, found through sentinels.
    redis_sentinel: PatientRedisSentinel, ONE_STATEMENT;
    /// Three primaries.
    redis_cluster: RedisCluster, ONE_STATEMENT;
    /// PostgreSQL.
    postgres: Postgres, ONE_STATEMENT;
    /// MariaDB.
    mariadb: MariaDb, TWO_TO_ACQUIRE;
    /// memcached.
    memcached: Memcached, CHECK_AND_SET;
    /// Two of them, which share the sessions.
    memcached_pair: MemcachedPair, CHECK_AND_SET;
}

const ONE_STATEMENT: Costs = Costs { touch: 1, write: 2, locked_write: 2 };
/// Its `UPDATE` returns nothing.
const TWO_TO_ACQUIRE: Costs = Costs { touch: 1, write: 2, locked_write: 3 };
/// It has no write that depends on what a record says: each is a read and a write that depends on what was read.
const CHECK_AND_SET: Costs = Costs { touch: 2, write: 3, locked_write: 4 };

impl Backend {
    /// An SQLite database: a file.
    pub fn sqlite() -> Self {
        Self { name: "sqlite", costs: ONE_STATEMENT, start: None }
    }

    /// One that a test has to itself.
    pub fn start(self) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let server = self.start.map(|start| start());
        let url = match &server {
            Some(server) => server.url().to_owned(),
            None => format!("sqlite:{}/sessions.sqlite", folder.path().display()),
        };
        Running { url, server, folder }
    }

    /// Sessions on a server that others use as well; `name` is used by no other test.
    ///
    /// # Panics
    /// If the store cannot be opened.
    pub async fn sessions_at(
        self,
        url: &str,
        name: &str,
        limits: Limits,
        settings: Settings,
        clock: &TestClock,
    ) -> SessionManager {
        let store = self.open_at(url, name, limits).await;
        testing::manager(AnyStore(store), settings, clock).unwrap()
    }

    /// A store on a server that others use as well; `name` is used by no other test.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn open_at(self, url: &str, name: &str, limits: Limits) -> Arc<dyn DynStore> {
        let Limits { deadline, connections } = limits;
        match url.parse().unwrap() {
            StoreUrl::Redis(url) => {
                let store = RedisStore::builder().prefix(name).deadline(deadline);
                Arc::new(store.connect(&url).await.unwrap())
            }
            StoreUrl::Memcached(url) => {
                let store = MemcachedStore::builder().prefix(name).deadline(deadline);
                Arc::new(store.connect(&url).await.unwrap())
            }
            StoreUrl::Postgres(url) => {
                let store = PostgresStore::builder().table(name).max_connections(connections);
                let store = store.deadline(deadline).connect(&url).await.unwrap();
                store.migrate().await.unwrap();
                Arc::new(store)
            }
            StoreUrl::MySql(url) => {
                let store = MySqlStore::builder().table(name).max_connections(connections);
                let store = store.deadline(deadline).connect(&url).await.unwrap();
                store.migrate().await.unwrap();
                Arc::new(store)
            }
            other => panic!("{other:?} has no server"),
        }
    }

    /// Whether a clock of its own decides when an expired record goes: none does that is in the future of the real time.
    pub fn has_a_clock(self) -> bool {
        ["redis", "memcached", "postgres", "mariadb"].iter().any(|name| self.name.starts_with(name))
    }
}

/// A store that a test has to itself: where it is, and the server behind it.
pub struct Running {
    /// Where it is, as on the command line.
    pub url: String,
    server: Option<Own>,
    folder: TempDir,
}

impl Running {
    /// Opens it in this process.
    pub async fn open(&self) -> Arc<dyn DynStore> {
        self.url.parse::<StoreUrl>().unwrap().open().await.unwrap().store
    }

    /// The server, to be ended and started again.
    ///
    /// # Panics
    /// If there is none.
    pub fn server(&mut self) -> &mut Server {
        self.server.as_mut().expect("a store with a server")
    }

    /// A folder for whatever else belongs to it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Makes a test of this function for each of these backends.
#[macro_export]
macro_rules! on_backends {
    ($test:ident: $($backend:ident)*) => {
        mod $test {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $backend() {
                super::$test($crate::Backend::$backend()).await;
            })*
        }
    };
}

/// Makes a test of each of these functions for each backend that a proxy can stand before. Sentinels say where to go.
#[macro_export]
macro_rules! behind_a_proxy {
    ($($test:ident),* $(,)?) => {
        $($crate::on_backends! { $test: redis redis_cluster postgres mariadb memcached memcached_pair })*
    };
}
