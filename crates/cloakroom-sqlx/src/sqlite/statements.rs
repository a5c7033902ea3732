//! Every statement of the SQLite store. Each is a transaction of its own, so that none can be left open.
//!
//! A statement that changes a record compares the prefix of its data (see [`crate::record::prefix_bytes`]).

use crate::table::statements;

statements! {
    quote = '"',
    // Each may contain those after it.
    pieces = &[("{admits}", ADMITS), ("{ended}", ENDED), ("{prefix}", PREFIX), ("{has_key}", HAS_KEY)],
    seen: SEEN,
    purge: PURGE,
    held: HELD,
    end_all: END_ALL,
}

/// The prefix of the data.
const PREFIX: &str = "substr(data, 1, {prefix_len})";

/// Whether the data is a record of the row's key, of this version or a later one.
const HAS_KEY: &str = "substr(data, {key_at}, {key_len}) = key";

/// Whether a claim may have the record: its guard, `?2`, is null, or the record has it and expires after the time `?3`.
const ADMITS: &str = "(?2 IS NULL OR \
    substr(data, {guard_at} + coalesce(length(subject), 0), {guard_len}) = ?2 AND expires_at > ?3)";

/// Whether there is a lease that counts as expired at the time `?3`: it has no end, or its end is over, or too far ahead, after
/// `?7`; or it is the one to be overruled, `?9` until `?10`.
const ENDED: &str = "(lease IS NOT NULL AND (lease_until IS NULL OR lease_until <= ?3 OR lease_until > ?7 \
    OR lease IS ?9 AND lease_until IS ?10))";

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

/// Parameters: key, guard, now, end of the lease, revision of a takeover, prefix, latest end of a lease, lease, lease to overrule,
/// its end. Returns the record if the lease is held now.
const ACQUIRE: &str = "UPDATE {table} SET \
        revision = CASE WHEN {ended} THEN ?5 ELSE revision END, \
        lease = ?8, \
        lease_until = CASE WHEN lease IS NULL OR {ended} THEN ?4 ELSE max(lease_until, ?4) END \
    WHERE key = ?1 AND (lease IS NULL OR lease = ?8 OR {ended}) AND {prefix} = ?6 AND {admits} \
    RETURNING revision, expires_at, subject, data";

/// Parameters: key, guard, now. Returns what a claim finds: the record, or its prefix in the place of
/// the data if the guard admits the claim; whether it does; the lease.
const SEEN: &str = "SELECT revision, expires_at, subject, CASE WHEN {admits} THEN {prefix} ELSE data END, {admits}, \
    lease, lease_until FROM {table} WHERE key = ?1";

/// Parameters: key, lease, now, end of the lease, latest end of a lease. An end that is too far ahead is put right.
const RENEW: &str = "UPDATE {table} SET lease_until = CASE WHEN lease_until > ?5 THEN ?4 ELSE max(lease_until, ?4) END \
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
const HELD: &str = "SELECT 1 FROM {table} WHERE key = ?1 AND lease IS NOT NULL AND lease_until IS NOT NULL";

/// Parameters: subject, key, number of rows at most. Returns how many other rows the subject has. Only the index is read.
const ENROLL: &str = "SELECT count(*) FROM (SELECT 1 FROM {table} WHERE subject = ?1 AND key <> ?2 LIMIT ?3)";

/// Parameters: subject, first key, number of rows. Returns, too, whether the data is a record of the key.
const LIST: &str = "SELECT expires_at, key, {has_key} FROM {table} WHERE subject = ?1 AND key >= ?2 \
    ORDER BY key LIMIT ?3";

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
