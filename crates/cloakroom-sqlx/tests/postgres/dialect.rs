//! PostgreSQL's types and SQL, for the tests that are the same for every database.

use cloakroom_sqlx::PostgresStore;
use cloakroom_store::codec::hex;
use cloakroom_store::conformance::Facet;
use sqlx::{PgConnection, PgPool, Postgres};

pub(crate) type Store = PostgresStore;
pub(crate) type Pool = PgPool;
pub(crate) type PoolOptions = sqlx::pool::PoolOptions<Postgres>;
pub(crate) type Connection = PgConnection;
pub(crate) type Server = cloakroom_test_services::server::Postgres;

pub(crate) fn url() -> &'static str {
    cloakroom_test_services::postgres()
}

pub(crate) const FACETS: &[Facet] = &[Facet::Leases, Facet::Subjects, Facet::Scan, Facet::Notices];

pub(crate) fn blob(bytes: &[u8]) -> String {
    format!("'\\x{}'::bytea", hex(bytes))
}

/// Puts the second parameter under the first, which is a key.
pub(crate) const PLANT: &str =
    "INSERT INTO {table} (key, revision, expires_at, data) VALUES ($1, 1, 4102444860000, $2)";
/// Copies the row of the second parameter to the first; both are keys.
pub(crate) const COPY: &str = "INSERT INTO {table} \
    SELECT $1, revision, expires_at, subject, data, lease, lease_start, lease_until, waiting \
    FROM {table} WHERE key = $2";
/// `{rows}` rows, the n-th of which expires at n.
pub(crate) const FILL: &str = "INSERT INTO {table} (key, revision, expires_at, data) \
    SELECT sha256(int4send(n)), 1, n, '' FROM generate_series(1, {rows}) n";
pub(crate) const FOREIGN_TABLE: &str =
    "CREATE TABLE {table} (theirs text); COMMENT ON TABLE {table} IS 'keys'";
pub(crate) const LATER_TABLE: &str =
    "CREATE TABLE {table} (key text); COMMENT ON TABLE {table} IS 'cloakroom sessions, version 7'";

// What follows is for the tests of servers.

pub(crate) const SCHEME: &str = "postgres";
pub(crate) const ADMIN: &str = "postgres";
pub(crate) const CASCADE: &str = "CASCADE";
pub(crate) const READ_ONLY: &str = "SET default_transaction_read_only = on";
pub(crate) const SHORT_LOCK_WAIT: &str = "SET lock_timeout = 50";
/// Replace `{id}` in these.
pub(crate) const CONNECTION_ID: &str = "SELECT pg_backend_pid()::bigint";
pub(crate) const IS_CONNECTED: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE pid = {id}";
pub(crate) const KILL: &str = "SELECT pg_terminate_backend({id})";
/// The connection of an `UPDATE` that runs.
pub(crate) const UPDATING: &str = "SELECT coalesce(max(pid), 0)::bigint FROM pg_stat_activity \
    WHERE state = 'active' AND query LIKE 'UPDATE%{table}%'";
/// Replace `{user}`, who may use the table.
pub(crate) const CREATE_USER: &str =
    "CREATE ROLE {user} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {user}";
pub(crate) const DROP_USER: &str = "DROP OWNED BY {user}; DROP ROLE {user}";
