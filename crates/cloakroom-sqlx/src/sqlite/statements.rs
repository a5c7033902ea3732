//! Every statement of the request path. Each is a transaction of its own, so that there is none to be left open.
//!
//! What changes a row compares the beginning of its bytes, see [`crate::record::beginning`].

use crate::statements::statements;
use crate::table::TableName;

statements! {
    create: CREATE,
    load: LOAD,
    replace: REPLACE,
    is_record: IS_RECORD,
    touch: TOUCH,
    delete: DELETE,
    purge: PURGE,
    acquire: ACQUIRE,
    renew: RENEW,
    release: RELEASE,
    replace_and_release: REPLACE_AND_RELEASE,
    held: HELD,
    list: LIST,
    end_all: END_ALL,
    page: PAGE,
    count: COUNT,
    comment: COMMENT,
    schema: SCHEMA,
}

impl Statements {
    pub(super) fn new(table: &TableName) -> Self {
        Self::of(|text| table.statement(text, '"'))
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
