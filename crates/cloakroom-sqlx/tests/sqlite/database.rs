//! An SQLite file.

use std::path::PathBuf;
use std::sync::Arc;

use cloakroom_sqlx::{Builder, OpenError};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

use crate::dialect::{Connection, Pool, PoolOptions, Store};

/// A file that does not exist yet, in a folder of its own.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) path: PathBuf,
    pub(crate) folder: Arc<TempDir>,
}

impl Database {
    pub(crate) fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self { path: folder.path().join("sessions.db"), folder }
    }

    pub(crate) fn unreachable() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self { path: folder.path().join("none/sessions.db"), folder }
    }

    pub(crate) async fn open(&self, builder: Builder<Store>) -> Result<Store, OpenError> {
        builder.open(&self.path).await
    }

    pub(crate) async fn pool(&self, options: PoolOptions) -> Pool {
        options.connect_with(self.options()).await.unwrap()
    }

    pub(crate) async fn connection(&self) -> Connection {
        self.options().connect().await.unwrap()
    }

    pub(crate) fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new().filename(&self.path).create_if_missing(true)
    }
}
