//! MySQL's types and SQL, for the tests that are the same for every database.

use cloakroom_sqlx::MySqlStore;
use cloakroom_store::codec::hex;
use cloakroom_store::conformance::Facet;
use sqlx::{MySql, MySqlConnection, MySqlPool};

pub(crate) type Store = MySqlStore;
pub(crate) type Pool = MySqlPool;
pub(crate) type PoolOptions = sqlx::pool::PoolOptions<MySql>;
pub(crate) type Connection = MySqlConnection;
pub(crate) type Server = cloakroom_test_services::server::MariaDb;

pub(crate) fn url() -> &'static str {
    cloakroom_test_services::mysql()
}

pub(crate) const FACETS: &[Facet] = &[Facet::Leases, Facet::Subjects, Facet::Scan];

pub(crate) fn blob(bytes: &[u8]) -> String {
    format!("x'{}'", hex(bytes))
}

/// Puts the second parameter under the first, which is a key.
pub(crate) const PLANT: &str =
    "INSERT INTO {table} (`key`, revision, expires_at, data) VALUES (?, 1, 4102444860000, ?)";
/// Copies the row of the second parameter to the first; both are keys.
pub(crate) const COPY: &str = "INSERT INTO {table} \
    SELECT ?, revision, expires_at, subject, data, lease, lease_until FROM {table} WHERE `key` = ?";
/// `{rows}` rows, the n-th of which expires at n.
pub(crate) const FILL: &str = "INSERT INTO {table} (`key`, revision, expires_at, data) \
    SELECT UNHEX(SHA2(seq, 256)), 1, seq, '' FROM seq_1_to_{rows}";
pub(crate) const FOREIGN_TABLE: &str = "CREATE TABLE {table} (theirs text) COMMENT = 'keys'";
pub(crate) const LATER_TABLE: &str =
    "CREATE TABLE {table} (`key` text) COMMENT = 'cloakroom sessions, version 7'";

// What follows is for the tests of servers.

pub(crate) const SCHEME: &str = "mysql";
pub(crate) const ADMIN: &str = "root";
pub(crate) const CASCADE: &str = "";
pub(crate) const READ_ONLY: &str = "SET SESSION TRANSACTION READ ONLY";
pub(crate) const SHORT_LOCK_WAIT: &str = "SET innodb_lock_wait_timeout = 1";
/// Replace `{id}` in these.
pub(crate) const CONNECTION_ID: &str = "SELECT CAST(CONNECTION_ID() AS SIGNED)";
pub(crate) const IS_CONNECTED: &str = "SELECT COUNT(*) FROM information_schema.processlist WHERE id = {id}";
pub(crate) const KILL: &str = "KILL {id}";
/// The connection of an `UPDATE` that runs.
pub(crate) const UPDATING: &str = "SELECT COALESCE(MAX(CAST(id AS SIGNED)), 0) \
    FROM information_schema.processlist WHERE info LIKE 'UPDATE%{table}%'";
/// Replace `{user}`, who may use the table.
pub(crate) const CREATE_USER: &str = "\
    CREATE USER {user}@localhost; GRANT SELECT, INSERT, UPDATE, DELETE ON test.{table} TO {user}@localhost; \
    CREATE USER {user}@127.0.0.1; GRANT SELECT, INSERT, UPDATE, DELETE ON test.{table} TO {user}@127.0.0.1";
pub(crate) const DROP_USER: &str = "DROP USER {user}@localhost; DROP USER {user}@127.0.0.1";
