//! Every store there is, with as many servers of a site on it as a test wants, each with a clock of its own.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, TestClock};
use cloakroom::{DynStore, Settings};
use cloakroom_redb::RedbStore;
use cloakroom_store::Timestamp;
use cloakroom_test_services as services;
use cloakroom_tests::{AnyStore, Backend, Limits, Script, Site, file_store};
use tempfile::TempDir;

use crate::house::unique_name;
use crate::redis_time;

/// A store that a test has to itself.
pub(crate) struct Place {
    name: &'static str,
    kind: Kind,
    folder: TempDir,
    /// What a test asks that speaks to the store itself.
    pub(crate) store: Arc<dyn DynStore>,
}

enum Kind {
    /// On a server that tests share.
    Server {
        backend: Backend,
        url: &'static str,
        prefix: String,
    },
    Sqlite,
    /// One process has it to itself.
    Local,
}

impl Place {
    pub(crate) async fn new(name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = |backend, url| Kind::Server { backend, url, prefix: unique_name() };
        let kind = match name {
            "redis" => server(Backend::redis(), services::redis()),
            "redis_cluster" => server(Backend::redis_cluster(), services::redis_cluster()),
            "redis_sentinel" => server(Backend::redis_sentinel(), services::redis_sentinel()),
            "postgres" => server(Backend::postgres(), services::postgres()),
            "mariadb" => server(Backend::mariadb(), services::mysql()),
            "memcached" => server(Backend::memcached(), services::memcached()),
            "memcached_pair" => server(Backend::memcached_pair(), services::memcached_pair()),
            "sqlite" => Kind::Sqlite,
            _ => Kind::Local,
        };
        let store: Arc<dyn DynStore> = match &kind {
            Kind::Local => match name {
                "memory" => Arc::new(MemoryStore::new()),
                "redb" => Arc::new(RedbStore::open(folder.path().join("sessions.redb")).unwrap()),
                "file" => Arc::new(file_store(folder.path().join("sessions"), "relaxed")),
                other => panic!("no such store: {other}"),
            },
            kind => open(kind, &folder).await,
        };
        Self { name, kind, folder, store }
    }

    /// One more server of the site, with connections of its own where the store lets it.
    pub(crate) async fn site(&self, settings: Settings, clock: &TestClock) -> Site {
        let store = match &self.kind {
            Kind::Local => Arc::clone(&self.store),
            kind => open(kind, &self.folder).await,
        };
        // What is stored at the site's time must not look expired to a sweep at the machine's.
        let settings = settings.sweep_interval(Duration::ZERO);
        let sessions = testing::manager(AnyStore(store), settings, clock).unwrap();
        Site::with_sessions(sessions, clock.clone(), Script::default().routes()).await
    }

    /// Lets time pass at a server that removes expired records by itself, and entries of its index; elsewhere nothing happens
    /// until somebody asks. Returns how many it has removed.
    pub(crate) async fn age(&self, clock: &TestClock, by: Duration) -> usize {
        clock.advance(by);
        match &self.kind {
            Kind::Server { url, prefix, .. } if self.name.starts_with("redis") => {
                redis_time::age(self.name, url, prefix, by, now()).await
            }
            _ => 0,
        }
    }

    pub(crate) fn is_redis(&self) -> bool {
        self.name.starts_with("redis")
    }
}

async fn open(kind: &Kind, folder: &TempDir) -> Arc<dyn DynStore> {
    match kind {
        Kind::Server { backend, url, prefix } => {
            let limits = Limits { deadline: Duration::from_secs(5), connections: 2 };
            backend.open_at(url, prefix, limits).await
        }
        Kind::Sqlite => {
            let store =
                cloakroom_sqlx::SqliteStore::open(folder.path().join("sessions.sqlite")).await.unwrap();
            store.migrate().await.unwrap();
            Arc::new(store)
        }
        Kind::Local => panic!("it is open already"),
    }
}

/// A clock that is right: some stores go by their servers'. It stands still until it is moved.
pub(crate) fn right_clock() -> TestClock {
    let clock = TestClock::new();
    clock.advance(now().since(Timestamp::from_millis(BEGINNING_OF_TEST_CLOCKS)));
    clock
}

/// What the machine's clock says.
#[allow(clippy::disallowed_methods, reason = "the servers of the tests go by it")]
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(0).saturating_add(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
}

/// 2025.
const BEGINNING_OF_TEST_CLOCKS: u64 = 1_735_689_600_000;

/// Makes a test of this function on each of these stores; on all of them, if none are named.
macro_rules! on_places {
    ($test:ident) => {
        $crate::places::on_places! { $test: memory redb file sqlite redis redis_cluster redis_sentinel postgres mariadb memcached
            memcached_pair }
    };
    ($test:ident: $($place:ident)*) => {
        mod $test {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $place() {
                super::$test($crate::places::Place::new(stringify!($place)).await).await;
            })*
        }
    };
}

/// The same on those that list the sessions of a user.
macro_rules! on_places_that_list {
    ($test:ident) => {
        $crate::places::on_places! { $test: memory redb file sqlite redis redis_cluster redis_sentinel postgres mariadb }
    };
}

pub(crate) use {on_places, on_places_that_list};
