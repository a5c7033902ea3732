//! Every statement of the request path. Each commits by itself: there is no transaction to be left open.
//!
//! What changes rows finds them by the primary key alone: so it locks a row, then its places in the indexes, always in this
//! order, and nothing beside it. Left to itself the optimizer would at times go by another index, and two calls would wait
//! for each other; or through the whole of a small table, and wait for what it is not about. Where it has that choice the
//! statement takes it away (`FORCE INDEX (PRIMARY)`), and a `DELETE` has the form for several tables, the one that takes hints.
//!
//! MySQL and MariaDB understand all of it. Neither answers rows to an `UPDATE`; rows affected are rows found, since
//! sqlx asks for that (`CLIENT_FOUND_ROWS`). No assignment reads a column that one before it has set: whether it sees the old
//! value or the new one is a setting of MariaDB's.

use crate::statements::statements;
use crate::table::TableName;

statements! {
    create: CREATE,
    load: LOAD,
    replace: REPLACE,
    revision: REVISION,
    touch: TOUCH,
    delete: DELETE,
    expired: EXPIRED,
    delete_expired: DELETE_EXPIRED,
    acquire: ACQUIRE,
    acquired: ACQUIRED,
    renew: RENEW,
    release: RELEASE,
    replace_and_release: REPLACE_AND_RELEASE,
    held: HELD,
    list: LIST,
    keys_of: KEYS_OF,
    delete_of: DELETE_OF,
    first_page: FIRST_PAGE,
    page: PAGE,
    count: COUNT,
    comment: COMMENT,
    schema: SCHEMA,
}

impl Statements {
    pub(super) fn new(table: &TableName) -> Self {
        let keys = vec!["?"; KEYS].join(", ");
        let pieces = [("{now}", NOW), ("{is_record}", IS_RECORD), ("{keys}", &keys)];
        Self::of(|text| {
            let text = pieces.iter().fold(text.to_owned(), |text, (name, piece)| text.replace(name, piece));
            table.statement(&text, '`')
        })
    }
}

/// How many keys a statement with `{keys}` takes: so many rows one statement locks at most.
pub(super) const KEYS: usize = 50;

/// The time at which the server began with the statement, the same throughout it, whatever the connection's time zone. So a
/// claim that waited for a row goes by an earlier time, takes over later, and ends sooner; never the other way round.
const NOW: &str = "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)";

/// Its parameter is what the bytes of the key's record begin with.
const IS_RECORD: &str = "LEFT(data, 35) = ?";

/// Parameters: revision, expiry, subject, bytes, key. Fails if there is a row. The one statement that two others may have to give
/// way to (a deadlock, not applied): over a row that was deleted a moment ago, while somebody changes that. The engine uses no key again.
const CREATE: &str =
    "INSERT INTO {table} (revision, expires_at, subject, data, `key`) VALUES (?, ?, ?, ?, ?)";

/// Parameter: key.
const LOAD: &str = "SELECT revision, expires_at, subject, data FROM {table} WHERE `key` = ?";

/// Parameters: as in [`CREATE`], expected revision, beginning.
const REPLACE: &str = "UPDATE {table} SET revision = ?, expires_at = ?, subject = ?, data = ? \
    WHERE `key` = ? AND revision = ? AND {is_record}";

/// Parameter: key.
const REVISION: &str = "SELECT revision FROM {table} WHERE `key` = ?";

/// Parameters: new expiry, key, now, beginning. Finds a row if the record is alive.
const TOUCH: &str = "UPDATE {table} FORCE INDEX (PRIMARY) SET expires_at = GREATEST(expires_at, ?) \
    WHERE `key` = ? AND expires_at > ? AND {is_record}";

/// Parameter: key.
const DELETE: &str = "DELETE FROM {table} WHERE `key` = ?";

/// Parameters: cutoff, the last place's expiry twice, its key, how many. Locks nothing; the index alone is read.
const EXPIRED: &str = "SELECT `key`, expires_at FROM {table} FORCE INDEX (expires_at) \
    WHERE expires_at < ? AND expires_at >= ? AND (expires_at > ? OR `key` > ?) \
    ORDER BY expires_at, `key` LIMIT ?";

/// Parameters: cutoff, keys.
const DELETE_EXPIRED: &str = "DELETE expired FROM {table} AS expired FORCE INDEX (PRIMARY) \
    WHERE expires_at < ? AND `key` IN ({keys})";

/// Parameters: revision of a takeover, lease, length in milliseconds twice, key, lease, beginning.
const ACQUIRE: &str = "UPDATE {table} SET revision = IF(lease_until <= {now}, ?, revision), lease = ?, \
    lease_until = IF(lease_until > {now}, GREATEST(lease_until, {now} + ?), {now} + ?) \
    WHERE `key` = ? AND (lease IS NULL OR lease = ? OR lease_until <= {now}) AND {is_record}";

/// Parameters: lease, key. Answers the record, and whether that lease is on it.
const ACQUIRED: &str = "SELECT revision, expires_at, subject, data, lease <=> ? FROM {table} WHERE `key` = ?";

/// Parameters: length in milliseconds, key, lease.
const RENEW: &str = "UPDATE {table} SET lease_until = GREATEST(lease_until, {now} + ?) \
    WHERE `key` = ? AND lease = ? AND lease_until > {now}";

/// Parameters: key, lease.
const RELEASE: &str = "UPDATE {table} SET lease = NULL, lease_until = NULL WHERE `key` = ? AND lease = ?";

/// Parameters: lease twice, as in [`REPLACE`].
const REPLACE_AND_RELEASE: &str = "UPDATE {table} SET \
    lease_until = IF(lease = ?, NULL, lease_until), lease = IF(lease = ?, NULL, lease), \
    revision = ?, expires_at = ?, subject = ?, data = ? \
    WHERE `key` = ? AND revision = ? AND {is_record}";

/// Parameter: key. Answers a row if there is a lease on the record that has not run out.
const HELD: &str = "SELECT 1 FROM {table} WHERE `key` = ? AND lease_until > {now}";

/// Parameter: subject.
const LIST: &str = "SELECT revision, expires_at, subject, data, `key` FROM {table} WHERE subject = ?";

/// Parameter: subject. The index alone is read.
const KEYS_OF: &str = "SELECT `key` FROM {table} WHERE subject = ?";

/// Parameters: subject, keys.
const DELETE_OF: &str = "DELETE ended FROM {table} AS ended FORCE INDEX (PRIMARY) \
    WHERE subject = ? AND `key` IN ({keys})";

/// Parameter: how many.
const FIRST_PAGE: &str =
    "SELECT revision, expires_at, subject, data, `key` FROM {table} ORDER BY `key` LIMIT ?";

/// Parameters: the last key of the page before, how many.
const PAGE: &str =
    "SELECT revision, expires_at, subject, data, `key` FROM {table} WHERE `key` > ? ORDER BY `key` LIMIT ?";

const COUNT: &str = "SELECT COUNT(*) FROM {table}";

/// What the table says about itself: no row without a table. Parameters: database or null, table.
const COMMENT: &str = "SELECT CAST(table_comment AS BINARY) FROM information_schema.tables \
    WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";

const SCHEMA: &str = include_str!("../schema/mysql.sql");
