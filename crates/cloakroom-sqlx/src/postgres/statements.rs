//! Every statement of the request path. Each is one implicit transaction: there is none to be left open.
//!
//! What changes a row compares the beginning of its bytes (see [`crate::record::beginning`]), and what may free a lease
//! notifies whoever waits for it in the same statement; PostgreSQL delivers that after the commit.

use crate::statements::statements;
use crate::table::TableName;

statements! {
    create: CREATE,
    load: LOAD,
    replace: REPLACE,
    revision: REVISION,
    touch: TOUCH,
    delete: DELETE,
    purge: PURGE,
    acquire: ACQUIRE,
    renew: RENEW,
    release: RELEASE,
    replace_and_release: REPLACE_AND_RELEASE,
    wait: WAIT,
    list: LIST,
    end_all: END_ALL,
    page: PAGE,
    count: COUNT,
    comment: COMMENT,
    unindexed: UNINDEXED,
    schema: SCHEMA,
}

impl Statements {
    pub(super) fn new(table: &TableName) -> Self {
        let pieces = [
            ("{unsynced}", UNSYNCED),
            ("{ended}", ENDED),
            ("{start}", START),
            ("{now}", NOW),
            ("{notify}", NOTIFY),
            ("{is_record}", IS_RECORD),
        ];
        Self::of(|text| {
            let text = pieces.iter().fold(text.to_owned(), |text, (name, piece)| text.replace(name, piece));
            table.statement(&text, '"')
        })
    }
}

/// The time at which the server received the statement, the same throughout it: were it to go on while the statement waits
/// for a row, a lease could be expired for one clause and not for another. So a claim that waited goes by an
/// earlier time, takes over later, and ends sooner; never the other way round.
const NOW: &str = "(extract(epoch FROM statement_timestamp()) * 1000)::bigint";

/// What changes nothing but a lease is answered before it is on the disk, which is most of the time that a statement takes.
/// If the server crashes, the changes of the last moments are undone: then a lease may be free that somebody holds, whose
/// save is still checked by the revision. A save syncs all before it.
const UNSYNCED: &str = "set_config('synchronous_commit', 'off', true)";

/// Whether a lease has ended: its time is over, or the server has been started anew since it was taken or renewed, so that
/// nobody knows whether it was given back.
const ENDED: &str = "(lease_until <= {now} OR lease_start <> {start})";

/// Tells one run of the server from another.
const START: &str = "(extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint";

/// Ends a statement that has `changed` rows: answers how many, and wakes those who wait for them.
const NOTIFY: &str = "SELECT count(*), count(CASE WHEN waiting THEN \
    pg_notify('{name}', encode(key, 'hex'))::text END) FROM changed";

/// Parameter 6 is what the bytes of the key's record begin with.
const IS_RECORD: &str = "substring(data FROM 1 FOR 35) = $6";

/// Parameters: key, revision, expiry, subject, bytes. Answers a row if it was inserted.
const CREATE: &str = "INSERT INTO {table} (key, revision, expires_at, subject, data) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (key) DO NOTHING RETURNING 1";

/// Parameter: key.
const LOAD: &str = "SELECT revision, expires_at, subject, data FROM {table} WHERE key = $1";

/// Parameters: as in [`CREATE`], beginning, expected revision. Answers a row if it was replaced.
const REPLACE: &str = "UPDATE {table} SET revision = $2, expires_at = $3, subject = $4, data = $5 \
    WHERE key = $1 AND revision = $7 AND {is_record} RETURNING 1";

/// Parameter: key. A statement of its own, after a replace that found nothing: within the same one it would see the row as it was
/// before a delete that the replace waited for.
const REVISION: &str = "SELECT revision FROM {table} WHERE key = $1";

/// Parameters: key, now, new expiry, beginning. Answers a row if the record is alive.
const TOUCH: &str = "UPDATE {table} SET expires_at = greatest(expires_at, $3) \
    WHERE key = $1 AND expires_at > $2 AND substring(data FROM 1 FOR 35) = $4 RETURNING 1";

/// Parameter: key.
const DELETE: &str = "WITH changed AS (DELETE FROM {table} WHERE key = $1 RETURNING key, waiting) {notify}";

/// Parameters: cutoff, how many at most. Rows that somebody else is changing, or purging, are passed over.
const PURGE: &str = "WITH changed AS (DELETE FROM {table} WHERE key = ANY(ARRAY(\
    SELECT key FROM {table} WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)) \
    RETURNING key, waiting) {notify}";

/// Parameters: key, lease, length in milliseconds, revision of a takeover, beginning. Answers the record
/// and `true` if the lease is held now; `false` and whether there is a record if not; no row without any.
const ACQUIRE: &str = "WITH claimed AS (UPDATE {table} SET \
        revision = CASE WHEN {ended} THEN $4 ELSE revision END, \
        waiting = CASE WHEN lease = $2 AND NOT {ended} THEN waiting ELSE false END, \
        lease = $2, \
        lease_start = {start}, \
        lease_until = CASE WHEN lease = $2 AND NOT {ended} THEN greatest(lease_until, {now} + $3) ELSE {now} + $3 END \
    WHERE key = $1 AND (lease IS NULL OR lease = $2 OR {ended}) AND substring(data FROM 1 FOR 35) = $5 \
    RETURNING revision, expires_at, subject, data) \
    SELECT revision, expires_at, subject, data, true, true, {unsynced} FROM claimed \
    UNION ALL SELECT NULL, NULL, NULL, NULL, false, substring(data FROM 1 FOR 35) = $5, NULL FROM {table} \
    WHERE key = $1 AND NOT EXISTS (SELECT 1 FROM claimed)";

/// Parameters: key, lease, length in milliseconds. Answers a row if the lease was held, and is.
const RENEW: &str = "UPDATE {table} SET lease_start = {start}, lease_until = greatest(lease_until, {now} + $3) \
    WHERE key = $1 AND lease = $2 AND lease_until > {now} RETURNING {unsynced}";

/// Parameters: key, lease.
const RELEASE: &str = "WITH changed AS (UPDATE {table} SET lease = NULL, lease_until = NULL \
    WHERE key = $1 AND lease = $2 RETURNING key, waiting, {unsynced}) {notify}";

/// Parameters: as in [`REPLACE`], lease.
const REPLACE_AND_RELEASE: &str = "WITH changed AS (UPDATE {table} SET \
        revision = $2, expires_at = $3, subject = $4, data = $5, \
        lease = CASE WHEN lease = $8 THEN NULL ELSE lease END, \
        lease_until = CASE WHEN lease = $8 THEN NULL ELSE lease_until END \
    WHERE key = $1 AND revision = $7 AND {is_record} RETURNING key, waiting AND lease IS NULL AS waiting) {notify}";

/// Parameter: key. Answers how many milliseconds the lease has left, if it is held; its end is announced from now on.
const WAIT: &str = "UPDATE {table} SET waiting = true WHERE key = $1 AND lease_until > {now} \
    RETURNING lease_until - {now}, {unsynced}";

/// Parameter: subject.
const LIST: &str = "SELECT revision, expires_at, subject, data, key FROM {table} WHERE subject = $1";

/// Parameters: subject, the key that is spared or null.
const END_ALL: &str = "WITH changed AS (DELETE FROM {table} \
    WHERE subject = $1 AND ($2::bytea IS NULL OR key <> $2) RETURNING key, waiting) {notify}";

/// Parameters: the last key of the page before, how many.
const PAGE: &str =
    "SELECT revision, expires_at, subject, data, key FROM {table} WHERE key > $1 ORDER BY key LIMIT $2";

/// Parameters: the last key of the step before, how many. Answers the last key of this step and how many it has; no row after
/// the last step.
const COUNT: &str = "SELECT key, count(*) OVER () FROM (\
    SELECT key FROM {table} WHERE key > $1 ORDER BY key LIMIT $2) AS step ORDER BY key DESC LIMIT 1";

/// What the table says about itself: no row without a table.
const COMMENT: &str =
    "SELECT coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class WHERE oid = to_regclass('{table}')";

/// Answers the columns that should have an index and have none.
const UNINDEXED: &str = "SELECT wanted.column_name FROM (VALUES ('expires_at'), ('subject')) AS wanted (column_name) \
    WHERE NOT EXISTS (\
        SELECT 1 FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] \
        WHERE indrelid = to_regclass('{table}') AND indisvalid AND attname = wanted.column_name \
        AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) = '(subject IS NOT NULL)'))";

const SCHEMA: &str = include_str!("../schema/postgres.sql");
