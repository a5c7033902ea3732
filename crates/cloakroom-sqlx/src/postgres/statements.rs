//! Every statement of the PostgreSQL store. Each is one implicit transaction, so that none can be left open.
//!
//! A statement that changes a record compares the prefix of its data (see [`crate::record::prefix_bytes`]). A statement that
//! can end a lease also notifies the waiters; PostgreSQL delivers that after the commit.

use crate::table::statements;

statements! {
    quote = '"',
    // Each may contain those after it.
    pieces = &[
        ("{unsynced}", UNSYNCED),
        ("{admitted}", ADMITTED),
        ("{ended}", ENDED),
        ("{start}", START),
        ("{now}", NOW),
        ("{notify}", NOTIFY),
        ("{prefix}", PREFIX),
        ("{has_key}", HAS_KEY),
    ],
    purge: PURGE,
    wait: WAIT,
    end_all: END_ALL,
    unindexed: UNINDEXED,
}

/// The time at which the server received the statement. It is the same throughout the statement: if it moved on while the
/// statement waits for a row, a lease could be expired in one clause and held in another. So a claim that waited uses an
/// earlier time, takes over later, and ends sooner, never the reverse.
const NOW: &str = "(extract(epoch FROM statement_timestamp()) * 1000)::bigint";

/// A statement that changes only a lease returns before it is on the disk, which would be most of its time. A crash of the
/// server undoes the changes of the last moments: then a lease may be free although its holder continues, and the holder's save
/// is still checked by the revision. A save syncs everything before it.
const UNSYNCED: &str = "set_config('synchronous_commit', 'off', true)";

/// Whether a lease counts as expired for a claim of length `$3`: it has no end, its end is over or too far ahead, the server was
/// restarted since it was taken or renewed, so that its release may have been lost, or it is the one to be overruled, `$8` until
/// `$9`. False if there is no lease.
const ENDED: &str = "(lease IS NOT NULL AND (lease_until IS NULL OR lease_until <= {now} \
    OR lease_until > {now} + $3 + {tolerance} OR lease_start IS DISTINCT FROM {start} \
    OR coalesce(lease = $8 AND lease_until = $9, false)))";

/// Whether the guard of a claim, `$6`, lets it have the record at the time `$7`. The clock of the caller is that of the expiry.
const ADMITTED: &str = "($6::bytea IS NULL OR \
    substring(data FROM {guard_at} + coalesce(octet_length(subject), 0) FOR {guard_len}) = $6 AND expires_at > $7)";

/// Tells one run of the server from another.
const START: &str = "(extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint";

/// Ends a statement that has `changed` rows: returns one row for each of them, and wakes its waiters.
const NOTIFY: &str =
    "SELECT CASE WHEN waiting THEN pg_notify('{name}', encode(key, 'hex'))::text END FROM changed";

/// The prefix of the data.
const PREFIX: &str = "substring(data FROM 1 FOR {prefix_len})";

/// Whether the data is a record of the row's key, of this version or a later one.
const HAS_KEY: &str = "substring(data FROM {key_at} FOR {key_len}) = key";

/// Parameters: revision, expiry, subject, data, key.
const CREATE: &str = "INSERT INTO {table} (revision, expires_at, subject, data, key) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (key) DO NOTHING";

/// Parameter: key.
const LOAD: &str = "SELECT revision, expires_at, subject, data FROM {table} WHERE key = $1";

/// Parameters: as in [`CREATE`], expected revision, prefix.
const REPLACE: &str = "UPDATE {table} SET revision = $1, expires_at = $2, subject = $3, data = $4 \
    WHERE key = $5 AND revision = $6 AND {prefix} = $7";

/// Parameter: key. A statement of its own after a replace that changed nothing: within the replace it would see the row as it
/// was before a delete that the replace waited for.
const PREFIX_OF: &str = "SELECT {prefix} FROM {table} WHERE key = $1";

/// Parameters: new expiry, key, now.
const TOUCH: &str = "UPDATE {table} SET expires_at = greatest(expires_at, $1) \
    WHERE key = $2 AND expires_at > $3 AND {has_key}";

/// Parameter: key.
const DELETE: &str = "WITH changed AS (DELETE FROM {table} WHERE key = $1 RETURNING key, waiting) {notify}";

/// Parameters: cutoff, number of rows at most. A cutoff that is later than the server's clock allows is not used: the clock of a
/// caller that runs ahead ends no live session. Skips rows that other statements are changing.
const PURGE: &str = "WITH changed AS (DELETE FROM {table} WHERE key = ANY(ARRAY(\
    SELECT key FROM {table} WHERE expires_at < least($1, {now} - {margin}) ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)) \
    RETURNING key, waiting) {notify}";

/// Parameters: key, lease, length in milliseconds, revision of a takeover, prefix, guard, the caller's time, lease to overrule, its
/// end. Returns the record and [`HELD`] if the lease is held now; the record and [`MISMATCH`] if the guard does not admit the
/// claim; otherwise another number, and the prefix of the data in its place; no row if there is none.
///
/// Where the update waited for another statement, the rest sees the row as it was before: it may say busy of a record that is
/// gone or has another guard now, and the caller, whose wait ends at once, tries again.
const ACQUIRE: &str = "WITH claimed AS (UPDATE {table} SET \
        revision = CASE WHEN {ended} THEN $4 ELSE revision END, \
        waiting = CASE WHEN lease = $2 AND NOT {ended} THEN waiting ELSE false END, \
        lease = $2, \
        lease_start = {start}, \
        lease_until = CASE WHEN lease = $2 AND NOT {ended} THEN greatest(lease_until, {now} + $3) ELSE {now} + $3 END \
    WHERE key = $1 AND (lease IS NULL OR lease = $2 OR {ended}) AND {prefix} = $5 AND {admitted} \
    RETURNING revision, expires_at, subject, data) \
    SELECT revision, expires_at, subject, data, 2::bigint, {unsynced} FROM claimed \
    UNION ALL SELECT revision, expires_at, subject, CASE WHEN {admitted} THEN {prefix} ELSE data END, \
        CASE WHEN {admitted} THEN 1 ELSE 0 END, NULL FROM {table} \
    WHERE key = $1 AND NOT EXISTS (SELECT 1 FROM claimed)";

/// What [`ACQUIRE`] returns beside a record.
pub(super) const HELD: i64 = 2;
pub(super) const MISMATCH: i64 = 0;

/// Parameters: key, lease, length in milliseconds. An end that is too far ahead is put right.
const RENEW: &str = "UPDATE {table} SET lease_start = {start}, lease_until = \
    CASE WHEN lease_until > {now} + $3 + {tolerance} THEN {now} + $3 ELSE greatest(lease_until, {now} + $3) END \
    WHERE key = $1 AND lease = $2 AND lease_until > {now} RETURNING {unsynced}";

/// Parameters: key, lease.
const RELEASE: &str = "WITH changed AS (UPDATE {table} SET lease = NULL, lease_until = NULL \
    WHERE key = $1 AND lease = $2 RETURNING key, waiting, {unsynced}) {notify}";

/// Parameters: lease twice, as in [`REPLACE`].
const REPLACE_AND_RELEASE: &str = "WITH changed AS (UPDATE {table} SET \
        lease_until = CASE WHEN lease = $1 THEN NULL ELSE lease_until END, \
        lease = CASE WHEN lease = $2 THEN NULL ELSE lease END, \
        revision = $3, expires_at = $4, subject = $5, data = $6 \
    WHERE key = $7 AND revision = $8 AND {prefix} = $9 RETURNING key, waiting AND lease IS NULL AS waiting) {notify}";

/// Parameter: key. Returns how many milliseconds the lease has left, if it is held; from now on its end notifies.
const WAIT: &str = "UPDATE {table} SET waiting = true WHERE key = $1 AND lease_until > {now} \
    RETURNING lease_until - {now}, {unsynced}";

/// Parameters: subject, key, number of rows at most. Returns how many other rows the subject has. Only the index is read,
/// also where the subject has most rows of the table: hence the order.
const ENROLL: &str = "SELECT count(*) FROM (SELECT 1 FROM {table} WHERE subject = $1 AND key <> $2 ORDER BY key LIMIT $3) AS others";

/// Parameters: subject, first key, number of rows. Returns, too, whether the data is a record of the key. Looks at the data of
/// the rows that it returns alone, although a plan may sort all of the subject's.
const LIST: &str = "SELECT expires_at, key, CASE WHEN {has_key} THEN 1::bigint ELSE 0 END FROM \
    (SELECT expires_at, key, data FROM {table} WHERE subject = $1 AND key >= $2 ORDER BY key LIMIT $3) AS page";

/// Parameters: subject, the key that stays or an empty one.
const END_ALL: &str = "WITH changed AS (DELETE FROM {table} WHERE subject = $1 AND key <> $2 \
    RETURNING key, waiting) {notify}";

/// Parameters: first key, number of rows.
const PAGE: &str =
    "SELECT revision, expires_at, subject, data, key FROM {table} WHERE key >= $1 ORDER BY key LIMIT $2";

/// Parameters: the last expiry of the step before, number of rows. Returns how many rows the step has, and its last expiry. A
/// step has more than that number of rows unless it is the last one.
const COUNT: &str = "SELECT count(*), max(expires_at) FROM {table} \
    WHERE expires_at > $1 AND expires_at <= coalesce(\
        (SELECT expires_at FROM {table} WHERE expires_at > $1 ORDER BY expires_at OFFSET $2 LIMIT 1), \
        9223372036854775807)";

/// Returns the table's comment; no row without a table.
const COMMENT: &str = "SELECT convert_to(coalesce(obj_description(oid, 'pg_class'), ''), 'UTF8') FROM pg_class \
    WHERE oid = to_regclass('{table}')";

/// Returns the columns that should have an index and have none.
const UNINDEXED: &str = "SELECT one || coalesce(', ' || two, '') \
    FROM (VALUES ('expires_at', NULL), ('subject', 'key')) AS wanted (one, two) \
    WHERE NOT EXISTS (\
        SELECT 1 FROM pg_index JOIN pg_attribute AS first ON first.attrelid = indrelid AND first.attnum = indkey[0] \
        LEFT JOIN pg_attribute AS second ON second.attrelid = indrelid AND second.attnum = indkey[1] \
        WHERE indrelid = to_regclass('{table}') AND indisvalid \
        AND first.attname = one AND (two IS NULL OR second.attname = two) \
        AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) = '(subject IS NOT NULL)'))";

const SCHEMA: &str = include_str!("../schema/postgres.sql");
