use std::fmt;
use std::ops::DerefMut;
use std::path::Path;
use std::sync::Arc;

use cloakroom_cli::store::StoreUrl;
use cloakroom_store::DynStore;
use cloakroom_test_services::server;
use tempfile::TempDir;

/// A store that several processes can share, and that this test has to itself: where it is, and the server behind it.
pub struct Backend {
    /// Where it is, as on the command line.
    pub url: String,
    server: Option<Box<dyn DerefMut<Target = server::Server> + Send + Sync>>,
    folder: TempDir,
}

macro_rules! servers {
    ($($(#[$doc:meta])* $name:ident: $server:ident,)*) => {$(
        $(#[$doc])*
        pub fn $name() -> Self {
            Self::of(server::$server::start())
        }
    )*};
}

impl Backend {
    servers! {
        /// A Redis that syncs its log of changes with each of them.
        redis: Redis,
        /// A primary and its replica, found through sentinels.
        redis_sentinel: PatientRedisSentinel,
        /// Three primaries.
        redis_cluster: RedisCluster,
        /// PostgreSQL.
        postgres: Postgres,
        /// MariaDB.
        mariadb: MariaDb,
        /// memcached.
        memcached: Memcached,
        /// Two of them.
        memcached_pair: MemcachedPair,
    }

    /// An SQLite database: a file.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite:{}/sessions.sqlite", folder.path().display()), server: None, folder }
    }

    fn of(server: impl DerefMut<Target = server::Server> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { url: server.url().to_owned(), server: Some(Box::new(server)), folder }
    }

    /// Opens it in this process.
    pub async fn open(&self) -> Arc<dyn DynStore> {
        self.url.parse::<StoreUrl>().unwrap().open().await.unwrap().store
    }

    /// Whether it removes expired records by itself.
    pub fn expires(&self) -> bool {
        ["redis", "memcached"].iter().any(|name| self.url.starts_with(name))
    }

    /// The server, to be ended and started again.
    ///
    /// # Panics
    /// If there is none.
    pub fn server(&mut self) -> &mut server::Server {
        self.server.as_mut().expect("a store with a server")
    }

    /// A folder for whatever else belongs to it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("url", &self.url).finish_non_exhaustive()
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
