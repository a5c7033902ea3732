//! The one place that maps what a person writes to a store.

mod url;

use std::error::Error;
use std::sync::Arc;

use cloakroom::stores::MemoryStore;
use cloakroom::{DynStore, Store};
#[cfg(unix)]
use cloakroom_file::FileStore;
use cloakroom_memcached::MemcachedStore;
use cloakroom_redb::RedbStore;
use cloakroom_redis::RedisStore;
use cloakroom_sqlx::{MySqlStore, PostgresStore, SqliteStore};

pub use self::url::StoreUrl;

/// An open store.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Arc<dyn DynStore>,
    /// What its operator should know: one line.
    pub warning: Option<String>,
}

impl StoreUrl {
    /// Opens the store; makes the table of an SQL database if it is not there.
    ///
    /// # Errors
    /// One line that says why it cannot be opened, and how to mend it.
    pub async fn open(&self) -> Result<Opened, String> {
        Ok(match self {
            Self::Memory => Opened::quiet(MemoryStore::new()),
            Self::Redb(path) => Opened::quiet(RedbStore::open(path).map_err(|error| {
                match with_sources(&error) {
                    // Not every message says what to do; the way out is always the same.
                    what if error.source().is_some() => {
                        format!("{what}; choose another with --store redb:PATH")
                    }
                    what => what,
                }
            })?),
            #[cfg(unix)]
            Self::File(path) => Opened::quiet(FileStore::open(path).map_err(|error| with_sources(&error))?),
            #[cfg(not(unix))]
            Self::File(_) => {
                return Err("file needs Unix; choose another with --store redb:PATH".to_owned());
            }
            Self::Sqlite(path) => {
                let store = SqliteStore::open(path).await.map_err(|error| with_sources(&error))?;
                store.migrate().await.map_err(|error| with_sources(&error))?;
                Opened::quiet(store)
            }
            Self::Redis(url) => {
                let store = RedisStore::connect(url).await.map_err(|error| with_sources(&error))?;
                let warning = store.may_evict().map(|policy| {
                    format!(
                        "this server may drop sessions when its memory is full (maxmemory-policy {policy})"
                    )
                });
                Opened { store: Arc::new(store), warning }
            }
            Self::Postgres(url) => {
                let store = PostgresStore::connect(url).await.map_err(|error| with_sources(&error))?;
                store.migrate().await.map_err(|error| with_sources(&error))?;
                Opened::quiet(store)
            }
            Self::MySql(url) => {
                let store = MySqlStore::connect(url).await.map_err(|error| with_sources(&error))?;
                store.migrate().await.map_err(|error| with_sources(&error))?;
                Opened::quiet(store)
            }
            Self::Memcached(url) => {
                let store = MemcachedStore::connect(url).await.map_err(|error| with_sources(&error))?;
                let warning =
                    "memcached drops sessions when its memory is full, and all of them when it restarts";
                Opened { store: Arc::new(store), warning: Some(warning.to_owned()) }
            }
        })
    }

    /// What the choice means for the sessions.
    pub fn meaning(&self) -> &'static str {
        match self {
            Self::Memory => "Sessions live in this process and end with it.",
            Self::Redb(_) => "One embedded file: sessions survive a restart, and a crash.",
            Self::File(_) => {
                "A folder of files: sessions survive a crash, and several processes may share them."
            }
            Self::Sqlite(_) => {
                "An SQLite database: sessions survive a crash, and several processes on this machine may share them."
            }
            Self::Redis(_) => {
                "A Redis server: sessions survive our restart, and its own as far as it keeps a log of changes."
            }
            Self::Postgres(_) | Self::MySql(_) => {
                "An SQL database: sessions survive a crash, and any number of processes may share them."
            }
            Self::Memcached(_) => "A cache: sessions survive our restart, and not its own.",
        }
    }
}

impl Opened {
    fn quiet(store: impl Store) -> Self {
        Self { store: Arc::new(store), warning: None }
    }
}

/// An error and everything below it, on one line.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text += &format!(": {error}");
        next = error.source();
    }
    text
}
