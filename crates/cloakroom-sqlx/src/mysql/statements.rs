//! Every statement of the MySQL store. Each commits by itself, so that no transaction can be left open.
//!
//! A statement that changes rows finds them only by the primary key. So it locks a row, then its entries in the indexes, always
//! in this order, and nothing else. The optimizer alone would sometimes use another index, so that two calls wait for each other,
//! or read the whole of a small table, so that a call waits for rows of others. Where it has that choice the statement
//! says `FORCE INDEX (PRIMARY)`; a `DELETE` is in the form for several tables, the only one that accepts hints.
//!
//! MySQL and MariaDB both accept every statement. Neither returns rows from an `UPDATE`. Rows affected are rows found, because
//! sqlx asks for that (`CLIENT_FOUND_ROWS`). No assignment reads a column that an earlier one has set: in MariaDB a
//! setting decides whether it would see the old value or the new one.

use crate::store::STEP;
use crate::table::statements;

statements! {
    quote = '`',
    // Each may contain those after it.
    pieces = &[("{cutoff}", CUTOFF), ("{now}", NOW), ("{prefix}", PREFIX), ("{has_key}", HAS_KEY), ("{keys}", &vec!["?"; STEP].join(", "))],
    expired: EXPIRED,
    delete_expired: DELETE_EXPIRED,
    seen: SEEN,
    held: HELD,
    keys_of: KEYS_OF,
    delete_of: DELETE_OF,
}

/// The time at which the server began the statement. It is the same throughout the statement, whatever the connection's time
/// zone. So a claim that waited for a row uses an earlier time, takes over later, and ends sooner, never the reverse.
const NOW: &str = "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)";

/// The earlier of a parameter, and ten minutes ago on the server's clock.
const CUTOFF: &str = "LEAST(?, {now} - {margin})";

/// The prefix of the data.
const PREFIX: &str = "LEFT(data, {prefix_len})";

/// Whether the data is a record of the row's key, of this version or a later one.
const HAS_KEY: &str = "SUBSTRING(data, {key_at}, {key_len}) = `key`";

/// Parameters: revision, expiry, subject, data, key. Fails if there is a row. The only statement that can end in a deadlock (and
/// is then not applied): on a row that was deleted a moment ago, while another statement changes it. The engine never reuses a key.
const CREATE: &str =
    "INSERT INTO {table} (revision, expires_at, subject, data, `key`) VALUES (?, ?, ?, ?, ?)";

/// Parameter: key.
const LOAD: &str = "SELECT revision, expires_at, subject, data FROM {table} WHERE `key` = ?";

/// Parameters: as in [`CREATE`], expected revision, prefix.
const REPLACE: &str = "UPDATE {table} SET revision = ?, expires_at = ?, subject = ?, data = ? \
    WHERE `key` = ? AND revision = ? AND {prefix} = ?";

/// Parameter: key.
const PREFIX_OF: &str = "SELECT {prefix} FROM {table} WHERE `key` = ?";

/// Parameters: new expiry, key, now.
const TOUCH: &str = "UPDATE {table} FORCE INDEX (PRIMARY) SET expires_at = GREATEST(expires_at, ?) \
    WHERE `key` = ? AND expires_at > ? AND {has_key}";

/// Parameter: key.
const DELETE: &str = "DELETE FROM {table} WHERE `key` = ?";

/// Parameters: cutoff, the last position's expiry twice, its key, number of rows. A cutoff that is later than the server's clock
/// allows is not used, here and in [`DELETE_EXPIRED`]: the clock of a caller that runs ahead ends no live session. Locks nothing;
/// only the index is read.
const EXPIRED: &str = "SELECT `key`, expires_at FROM {table} FORCE INDEX (expires_at) \
    WHERE expires_at < {cutoff} AND expires_at >= ? AND (expires_at > ? OR `key` > ?) \
    ORDER BY expires_at, `key` LIMIT ?";

/// Parameters: cutoff, keys.
const DELETE_EXPIRED: &str = "DELETE expired FROM {table} AS expired FORCE INDEX (PRIMARY) \
    WHERE expires_at < {cutoff} AND `key` IN ({keys})";

/// Parameter: key. Returns the record, its lease, and the time.
const SEEN: &str =
    "SELECT revision, expires_at, subject, data, lease, lease_until, {now} FROM {table} WHERE `key` = ?";

/// Parameters: revision, lease, its earliest end, its length in milliseconds, key, and what [`SEEN`] returned, which must all be so
/// still: revision, expiry, lease, its end; prefix.
const ACQUIRE: &str = "UPDATE {table} FORCE INDEX (PRIMARY) SET revision = ?, lease = ?, \
    lease_until = GREATEST(?, {now} + ?) \
    WHERE `key` = ? AND revision = ? AND expires_at = ? AND lease <=> ? AND lease_until <=> ? AND {prefix} = ?";

/// Parameters: length in milliseconds three times, key, lease. An end that is too far ahead is put right.
const RENEW: &str = "UPDATE {table} SET \
    lease_until = IF(lease_until > {now} + ? + {tolerance}, {now} + ?, GREATEST(lease_until, {now} + ?)) \
    WHERE `key` = ? AND lease = ? AND lease_until > {now}";

/// Parameters: key, lease.
const RELEASE: &str = "UPDATE {table} SET lease = NULL, lease_until = NULL WHERE `key` = ? AND lease = ?";

/// Parameters: lease twice, as in [`REPLACE`].
const REPLACE_AND_RELEASE: &str = "UPDATE {table} SET \
    lease_until = IF(lease = ?, NULL, lease_until), lease = IF(lease = ?, NULL, lease), \
    revision = ?, expires_at = ?, subject = ?, data = ? \
    WHERE `key` = ? AND revision = ? AND {prefix} = ?";

/// Parameter: key. Returns a row if there is a lease on the record that has not expired.
const HELD: &str = "SELECT 1 FROM {table} WHERE `key` = ? AND lease_until > {now}";

/// Parameters: subject, key, number of rows at most. Returns how many other rows the subject has. Only the index is read.
const ENROLL: &str = "SELECT COUNT(*) FROM \
    (SELECT 1 FROM {table} FORCE INDEX (subject) WHERE subject = ? AND `key` <> ? LIMIT ?) AS others";

/// Parameters: subject, first key, number of rows. Returns, too, whether the data is a record of the key.
const LIST: &str = "SELECT expires_at, `key`, {has_key} FROM {table} FORCE INDEX (subject) \
    WHERE subject = ? AND `key` >= ? ORDER BY `key` LIMIT ?";

/// Parameters: subject, first key, number of rows. Only the index is read.
const KEYS_OF: &str =
    "SELECT `key` FROM {table} FORCE INDEX (subject) WHERE subject = ? AND `key` >= ? ORDER BY `key` LIMIT ?";

/// Parameters: subject, keys.
const DELETE_OF: &str = "DELETE ended FROM {table} AS ended FORCE INDEX (PRIMARY) \
    WHERE subject = ? AND `key` IN ({keys})";

/// Parameters: first key, number of rows.
const PAGE: &str =
    "SELECT revision, expires_at, subject, data, `key` FROM {table} WHERE `key` >= ? ORDER BY `key` LIMIT ?";

/// Parameter: now.
const COUNT: &str = "SELECT COUNT(*) FROM {table} WHERE expires_at > ?";

/// Returns the table's comment; no row without a table.
const COMMENT: &str = "SELECT CAST(table_comment AS BINARY) FROM information_schema.tables \
    WHERE table_schema = COALESCE({schema}, DATABASE()) AND table_name = '{name}'";

const SCHEMA: &str = include_str!("../schema/mysql.sql");
