//! SQLite, in real files.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod failures;
mod files;
mod sharing;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;

use cloakroom_sqlx::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection, raw_sql};
use tempfile::TempDir;

/// A path in a new folder, and the folder.
fn path() -> (PathBuf, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (folder.path().join("sessions.db"), folder)
}

/// A store in a file of its own, and where that is.
async fn fresh() -> (SqliteStore, PathBuf, TempDir) {
    let (path, folder) = path();
    let store = SqliteStore::open(&path).await.unwrap();
    store.migrate().await.unwrap();
    (store, path, folder)
}

/// A connection beside the store's.
async fn beside(path: &PathBuf) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

async fn run(connection: &mut SqliteConnection, statement: &str) {
    raw_sql(AssertSqlSafe(statement)).execute(connection).await.unwrap();
}
