//! Every statement of the SQLite store. Each is a transaction of its own, so that none can be left open.
//!
//! A statement that changes a record compares the prefix of its data (see [`crate::record::prefix_bytes`]).

use crate::table::statements;

statements! {
    quote = '"',
    pieces = &[("{prefix}", PREFIX), ("{has_key}", HAS_KEY)],
    purge: PURGE,
    held: HELD,
    end_all: END_ALL,
}

/// The prefix of the data.
const PREFIX: &str = "substr(data, 1, {prefix_len})";

/// Whether the data is a record of the row's key, of this version or a later one.
const HAS_KEY: &str = "substr(data, {key_at}, {key_len}) = key";

/// Parameters: revision, expiry, subject, data, key.
const CREATE: &str = "INSERT INTO {table} (revision, expires_at, subject, data, key) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT (key) DO NOTHING";

/// Parameter: key.
const LOAD: &str = "SELECT revision, expires_at, subject, data FROM {table} WHERE key = ?1";

/// Parameters: as in [`CREATE`], expected revision, prefix.
const REPLACE: &str = "UPDATE {table} SET revision = ?1, expires_at = ?2, subject = ?3, data = ?4 \
    WHERE key = ?5 AND revision = ?6 AND {prefix} = ?7";

/// Parameter: key.
const PREFIX_OF: &str = "SELECT {prefix} FROM {table} WHERE key = ?1";

/// Parameters: new expiry, key, now.
const TOUCH: &str = "UPDATE {table} SET expires_at = max(expires_at, ?1) \
    WHERE key = ?2 AND expires_at > ?3 AND {has_key}";

/// Parameter: key.
const DELETE: &str = "DELETE FROM {table} WHERE key = ?1";

/// Parameters: cutoff, number of rows at most.
const PURGE: &str = "DELETE FROM {table} WHERE rowid IN \
    (SELECT rowid FROM {table} WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";

/// Parameters: key, lease, now, end of the lease, revision of a takeover, prefix. Returns the record if the lease is held now.
const ACQUIRE: &str = "UPDATE {table} SET \
        revision = CASE WHEN lease_until <= ?3 THEN ?5 ELSE revision END, \
        lease = ?2, \
        lease_until = CASE WHEN lease_until > ?3 THEN max(lease_until, ?4) ELSE ?4 END \
    WHERE key = ?1 AND (lease IS NULL OR lease = ?2 OR lease_until <= ?3) AND {prefix} = ?6 \
    RETURNING revision, expires_at, subject, data";

/// Parameters: key, lease, now, end of the lease.
const RENEW: &str = "UPDATE {table} SET lease_until = max(lease_until, ?4) \
    WHERE key = ?1 AND lease = ?2 AND lease_until > ?3";

/// Parameters: key, lease.
const RELEASE: &str = "UPDATE {table} SET lease = NULL, lease_until = NULL WHERE key = ?1 AND lease = ?2";

/// Parameters: lease twice, as in [`REPLACE`].
const REPLACE_AND_RELEASE: &str = "UPDATE {table} SET \
        lease_until = CASE WHEN lease = ?1 THEN NULL ELSE lease_until END, \
        lease = CASE WHEN lease = ?2 THEN NULL ELSE lease END, \
        revision = ?3, expires_at = ?4, subject = ?5, data = ?6 \
    WHERE key = ?7 AND revision = ?8 AND {prefix} = ?9";

/// Parameter: key. Returns a row if the lease is held, or was until it expired.
const HELD: &str = "SELECT 1 FROM {table} WHERE key = ?1 AND lease IS NOT NULL";

/// Parameters: subject, first key, number of rows. Leaves out rows whose data is another key's record.
const LIST: &str = "SELECT expires_at, key FROM {table} WHERE subject = ?1 AND key >= ?2 \
    AND {has_key} ORDER BY key LIMIT ?3";

/// Parameters: subject, the key that stays or an empty one.
const END_ALL: &str = "DELETE FROM {table} WHERE subject = ?1 AND key <> ?2";

/// Parameters: first key, number of rows.
const PAGE: &str =
    "SELECT revision, expires_at, subject, data, key FROM {table} WHERE key >= ?1 ORDER BY key LIMIT ?2";

/// Parameter: now.
const COUNT: &str = "SELECT count(*) FROM {table} WHERE expires_at > ?1";

/// Returns the text that created the table, which contains our comment; no row without a table.
const COMMENT: &str = "SELECT CAST(coalesce(sql, '') AS BLOB) FROM sqlite_schema \
    WHERE type IN ('table', 'view') AND name = '{name}' COLLATE NOCASE";

const SCHEMA: &str = include_str!("../schema/sqlite.sql");
