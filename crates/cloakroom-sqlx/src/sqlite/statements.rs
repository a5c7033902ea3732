//! Every statement of the request path. Each is a transaction of its own, so that there is none to be left open.
//!
//! What changes a row compares the beginning of its bytes, see [`crate::record::beginning`].

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::table::TableName;

pub(super) struct Statements {
    pub(super) create: SqlStr,
    pub(super) load: SqlStr,
    pub(super) replace: SqlStr,
    pub(super) is_record: SqlStr,
    pub(super) touch: SqlStr,
    pub(super) delete: SqlStr,
    pub(super) purge: SqlStr,
    pub(super) acquire: SqlStr,
    pub(super) renew: SqlStr,
    pub(super) release: SqlStr,
    pub(super) replace_and_release: SqlStr,
    pub(super) held: SqlStr,
    pub(super) list: SqlStr,
    pub(super) end_all: SqlStr,
    pub(super) page: SqlStr,
    pub(super) count: SqlStr,
    pub(super) comment: SqlStr,
    pub(super) schema: SqlStr,
}

impl Statements {
    pub(super) fn new(table: &TableName) -> Self {
        let fill = |text: &str| AssertSqlSafe(table.fill(text, '"')).into_sql_str();
        Self {
            create: fill(CREATE),
            load: fill(LOAD),
            replace: fill(REPLACE),
            is_record: fill(IS_RECORD),
            touch: fill(TOUCH),
            delete: fill(DELETE),
            purge: fill(PURGE),
            acquire: fill(ACQUIRE),
            renew: fill(RENEW),
            release: fill(RELEASE),
            replace_and_release: fill(REPLACE_AND_RELEASE),
            held: fill(HELD),
            list: fill(LIST),
            end_all: fill(END_ALL),
            page: fill(PAGE),
            count: fill(COUNT),
            comment: fill(COMMENT),
            schema: fill(SCHEMA),
        }
    }
}

/// Parameters: key, revision, expiry, subject, bytes.
const CREATE: &str = "INSERT INTO {table} (key, revision, expires_at, subject, data) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT (key) DO NOTHING";

/// Parameter: key.
const LOAD: &str = "SELECT revision, expires_at, subject, data FROM {table} WHERE key = ?1";

/// Parameters: as in [`CREATE`], beginning, expected revision.
const REPLACE: &str = "UPDATE {table} SET revision = ?2, expires_at = ?3, subject = ?4, data = ?5 \
    WHERE key = ?1 AND revision = ?7 AND substr(data, 1, 35) = ?6";

/// Parameters: key, beginning. Answers whether what is stored looks like the key's record; no row if nothing is.
const IS_RECORD: &str = "SELECT substr(data, 1, 35) = ?2 FROM {table} WHERE key = ?1";

/// Parameters: key, now, new expiry, beginning.
const TOUCH: &str = "UPDATE {table} SET expires_at = max(expires_at, ?3) \
    WHERE key = ?1 AND expires_at > ?2 AND substr(data, 1, 35) = ?4";

/// Parameter: key.
const DELETE: &str = "DELETE FROM {table} WHERE key = ?1";

/// Parameters: cutoff, how many at most.
const PURGE: &str = "DELETE FROM {table} WHERE rowid IN \
    (SELECT rowid FROM {table} WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";

/// Parameters: key, lease, now, end of the lease, revision of a takeover, beginning. Answers the record if the lease is
/// held now.
const ACQUIRE: &str = "UPDATE {table} SET \
        revision = CASE WHEN lease_until <= ?3 THEN ?5 ELSE revision END, \
        lease = ?2, \
        lease_until = CASE WHEN lease_until > ?3 THEN max(lease_until, ?4) ELSE ?4 END \
    WHERE key = ?1 AND (lease IS NULL OR lease = ?2 OR lease_until <= ?3) AND substr(data, 1, 35) = ?6 \
    RETURNING revision, expires_at, subject, data";

/// Parameters: key, lease, now, end of the lease.
const RENEW: &str = "UPDATE {table} SET lease_until = max(lease_until, ?4) \
    WHERE key = ?1 AND lease = ?2 AND lease_until > ?3";

/// Parameters: key, lease.
const RELEASE: &str = "UPDATE {table} SET lease = NULL, lease_until = NULL WHERE key = ?1 AND lease = ?2";

/// Parameters: as in [`REPLACE`], lease.
const REPLACE_AND_RELEASE: &str = "UPDATE {table} SET revision = ?2, expires_at = ?3, subject = ?4, data = ?5, \
        lease = CASE WHEN lease = ?8 THEN NULL ELSE lease END, \
        lease_until = CASE WHEN lease = ?8 THEN NULL ELSE lease_until END \
    WHERE key = ?1 AND revision = ?7 AND substr(data, 1, 35) = ?6";

/// Parameter: key. Answers a row if somebody holds the lease, or held it until it ran out.
const HELD: &str = "SELECT 1 FROM {table} WHERE key = ?1 AND lease IS NOT NULL";

/// Parameter: subject.
const LIST: &str = "SELECT revision, expires_at, subject, data, key FROM {table} WHERE subject = ?1";

/// Parameters: subject, the key that is spared or null.
const END_ALL: &str = "DELETE FROM {table} WHERE subject = ?1 AND (?2 IS NULL OR key <> ?2)";

/// Parameters: the last key of the page before, how many.
const PAGE: &str =
    "SELECT revision, expires_at, subject, data, key FROM {table} WHERE key > ?1 ORDER BY key LIMIT ?2";

const COUNT: &str = "SELECT count(*) FROM {table}";

/// The text that made the table, which has our comment in it: no row without a table.
const COMMENT: &str = "SELECT coalesce(sql, '') FROM sqlite_schema WHERE type IN ('table', 'view') AND name = '{name}' COLLATE NOCASE";

const SCHEMA: &str = include_str!("../schema/sqlite.sql");
