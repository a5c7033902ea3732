//! SQLite's types and SQL, for the tests that are the same for every database.

use cloakroom_sqlx::SqliteStore;
use cloakroom_store::codec::hex;
use cloakroom_store::conformance::Facet;
use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, SqliteConnection};

pub(crate) type Store = SqliteStore;
pub(crate) type Pool = SqlitePool;
pub(crate) type PoolOptions = sqlx::pool::PoolOptions<Sqlite>;
pub(crate) type Connection = SqliteConnection;

pub(crate) const FACETS: &[Facet] = &[Facet::Leases, Facet::Subjects, Facet::Scan];

pub(crate) fn blob(bytes: &[u8]) -> String {
    format!("x'{}'", hex(bytes))
}

/// Puts the second parameter under the first, which is a key.
pub(crate) const PLANT: &str =
    "INSERT INTO {table} (key, revision, expires_at, data) VALUES (?1, 1, 4102444860000, ?2)";
/// Copies the row of the second parameter to the first; both are keys.
pub(crate) const COPY: &str = "INSERT INTO {table} \
    SELECT ?1, revision, expires_at, subject, data, lease, lease_until FROM {table} WHERE key = ?2";
/// `{rows}` rows, the n-th of which expires at n.
pub(crate) const FILL: &str = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT {rows}) \
    INSERT INTO {table} (key, revision, expires_at, data) SELECT randomblob(32), 1, n, x'' FROM numbers";
pub(crate) const FOREIGN_TABLE: &str = "CREATE TABLE {table} (theirs)";
pub(crate) const LATER_TABLE: &str = "CREATE TABLE {table} (-- cloakroom sessions, version 7\n key)";
