//! What the three stores share: their settings, and every call that is the same statement in each database.

use std::fmt;
use std::marker::PhantomData;
use std::pin::pin;
use std::time::Duration;

use cloakroom_store::codec::jitter;
use cloakroom_store::{BoxFuture, Error, OpenError, Result};
use tokio::time::{sleep, timeout};

use crate::table::TableName;

/// Settings of a store, made by its `builder()`.
pub struct Builder<S> {
    table: String,
    pub(crate) deadline: Duration,
    pub(crate) max_connections: u32,
    pub(crate) listen_url: Option<String>,
    pub(crate) relaxed: bool,
    store: PhantomData<fn() -> S>,
}

impl<S> Builder<S> {
    pub(crate) fn new(max_connections: u32) -> Self {
        Self {
            table: "cloakroom_sessions".to_owned(),
            deadline: Duration::from_secs(5),
            max_connections,
            listen_url: None,
            relaxed: false,
            store: PhantomData,
        }
    }

    /// The name of the table: up to 48 ASCII letters, digits and underscores, with or without a schema (in MySQL a database)
    /// and a dot before them. Applications that share a database use different tables.
    ///
    /// Checked when the store is made. Defaults to `cloakroom_sessions`.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// How long one call may take, including the time it waits for a connection. Then the call fails and its connection is
    /// closed.
    ///
    /// The engine has a deadline of its own, which should be shorter. Defaults to 5 seconds.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) fn checked_table(&self) -> Result<TableName, OpenError> {
        TableName::parse(&self.table)
    }
}

impl<S> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("table", &self.table)
            .field("deadline", &self.deadline)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

/// The error of a URL that cannot be parsed. The URL can contain a password and is not shown.
pub(crate) fn invalid_url(reason: String) -> OpenError {
    OpenError::config("the database URL is invalid: correct it").because(reason)
}

/// Implements [`Store`](cloakroom_store::Store) and its facets for a store with the fields `table` and `statements`, and with
/// these fields for its connections.
///
/// The store itself has the methods that differ: `columns`, `remove_expired`, `remove_all_of`, `count_live`, `acquire_lease`,
/// `renew_lease` and `wait_for_release`.
macro_rules! implement_store {
    ($store:ident, $database:ty, read by $readers:ident, write by $writer:ident $(, and $facet:ident)*) => {
        impl $store {
            /// The largest [`data`](cloakroom_store::Record::data) a record may have, in bytes: 16 MiB. The server may accept
            /// less.
            pub const MAX_DATA_LEN: usize = $crate::record::MAX_DATA_LEN;

            /// The statements that [`migrate`](Self::migrate) runs, for a user who may create tables.
            pub fn schema(&self) -> &str {
                self.statements.schema.as_str()
            }

            /// Whether the table exists.
            ///
            /// # Errors
            /// [`Refused`](cloakroom_store::OpenErrorKind::Refused) if it is not a table of this version or an earlier one.
            async fn is_made(&self) -> Result<bool, OpenError> {
                let rows = self.$writer.fetch(|| query(self.statements.comment.clone())).await;
                let rows = rows.map_err(|failure| self.not_made(failure))?;
                let Some(row) = rows.first() else { return Ok(false) };
                let comment: &[u8] = column(row, 0).map_err(|error| self.unexpected(error))?;
                self.table.check_version(&String::from_utf8_lossy(comment)).map(|()| true)
            }

            fn not_made(&self, failure: Failure) -> OpenError {
                failure.of_migrate(format_args!("cannot read or create the table {}", self.table))
            }

            fn unexpected(&self, error: Error) -> OpenError {
                OpenError::other(format!("the database describes the table {} in an unknown way", self.table))
                    .because(error)
            }

            /// Replaces the record by `statement`, to which the record, the expected revision and the prefix remain to be
            /// bound.
            async fn replace_by(
                &self,
                statement: Statement<$database>,
                key: &Key,
                record: &Record,
                expected: Revision,
            ) -> Result<()> {
                let statement = self.columns(key, record).await?.bind_to(statement);
                let statement = statement.bind(bits(expected.get())).bind(prefix_bytes(key));
                if self.$writer.change(statement).await? != 0 {
                    return Ok(());
                }
                self.check_prefix(key).await?;
                Err(Error::conflict())
            }

            /// Checks that there is a record of this key, of this version.
            async fn check_prefix(&self, key: &Key) -> Result<()> {
                check_prefix(key, &self.$readers.read(|| with_key(&self.statements.prefix, key)).await?)
            }
        }

        impl Store for $store {
            async fn create(&self, key: &Key, record: &Record, _now: Timestamp) -> Result<()> {
                let create = self.columns(key, record).await?.bind_to(query(self.statements.create.clone()));
                if self.$writer.change(create).await? == 0 { Err(Error::exists()) } else { Ok(()) }
            }

            async fn load(&self, key: &Key) -> Result<Option<Record>> {
                let rows = self.$readers.read(|| with_key(&self.statements.load, key)).await?;
                rows.first().map(|row| record(key, row)).transpose()
            }

            async fn replace(
                &self,
                key: &Key,
                record: &Record,
                expected: Revision,
                _now: Timestamp,
            ) -> Result<()> {
                self.replace_by(query(self.statements.replace.clone()), key, record, expected).await
            }

            async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
                let touch = query(self.statements.touch.clone())
                    .bind(millis(expires_at))
                    .bind(bytes(key))
                    .bind(millis(now));
                Ok(self.$writer.change(touch).await? != 0)
            }

            async fn delete(&self, key: &Key) -> Result<bool> {
                Ok(self.$writer.change(with_key(&self.statements.delete, key)).await? != 0)
            }

            async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
                self.remove_expired(cutoff, limit).await
            }

            fn facets(&self) -> Facets<'_> {
                Facets::none().leases(self).subjects(self).scan(self)$(.$facet(self))*
            }
        }

        impl Leases for $store {
            async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
                self.acquire_lease(key, claim).await
            }

            async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
                self.renew_lease(key, claim).await
            }

            async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
                let release = with_key(&self.statements.release, key).bind(bits(lease.get()));
                Ok(self.$writer.change(release).await? != 0)
            }

            async fn replace_and_release(
                &self,
                key: &Key,
                record: &Record,
                expected: Revision,
                lease: LeaseId,
                _now: Timestamp,
            ) -> Result<()> {
                let lease = bits(lease.get());
                let replace = query(self.statements.replace_and_release.clone()).bind(lease).bind(lease);
                self.replace_by(replace, key, record, expected).await
            }

            async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
                self.wait_for_release(key, at_most).await
            }
        }

        impl Subjects for $store {
            /// Only counts: the subject is a column of the record's own row. Stops at 10,000.
            async fn enroll(
                &self,
                subject: &Subject,
                key: &Key,
                _now: Timestamp,
                _until: Timestamp,
            ) -> Result<usize> {
                let others = || {
                    with_subject(&self.statements.enroll, subject)
                        .bind(bytes(key))
                        .bind($crate::store::MOST_COUNTED)
                };
                Ok(number(&self.$readers.read(others).await?)? as usize + 1)
            }

            async fn list(
                &self,
                subject: &Subject,
                cursor: Option<&Cursor>,
                limit: usize,
            ) -> Result<Page<SubjectEntry>> {
                let walk = Walk::new(cursor, limit);
                let list = || walk.bind_to(with_subject(&self.statements.list, subject));
                walk.page(&self.$readers.read(list).await?, 1, entry)
            }

            async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
                self.remove_all_of(subject, except).await
            }
        }

        impl Scan for $store {
            async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<(Key, Record)>> {
                let walk = Walk::new(cursor, limit);
                let page = || walk.bind_to(query(self.statements.page.clone()));
                let rows = self.$readers.read(page).await?;
                walk.page(&rows, 4, |key, row| Ok((key, record(&key, row)?)))
            }

            async fn count(&self, now: Timestamp) -> Result<u64> {
                self.count_live(now).await
            }
        }

        impl fmt::Debug for $store {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($store)).field("table", &self.table).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use implement_store;

/// Removes up to `limit` rows in short statements, so that none holds many locks for long, with a pause after each. `step`
/// removes at most as many rows as it is told, and returns how many.
pub(crate) async fn in_steps<'a>(
    limit: usize,
    step: impl Fn(i64) -> BoxFuture<'a, Result<usize>> + Send,
) -> Result<usize> {
    let mut removed = 0;
    while removed < limit {
        let most = STEP.min(limit - removed);
        let found = step(most as i64).await.map_err(after(removed))?;
        removed += found;
        if found < most {
            break;
        }
        sleep(STEP_PAUSE).await;
    }
    Ok(removed)
}

/// The error of a step after others that removed so many rows: those had their effect.
pub(crate) fn after(removed: usize) -> impl Fn(Error) -> Error {
    move |error| if removed > 0 { Error::maybe_applied(error) } else { error }
}

/// How many rows of a subject are counted at most beside the one that is enrolled: fewer than a millisecond's work.
pub(crate) const MOST_COUNTED: i64 = 9_999;

/// How many rows one statement removes at most.
pub(crate) const STEP: usize = 50;
/// At most 5,000 rows a second. In PostgreSQL, 1,000 rows at once without a pause more than tripled the p99 latency of other
/// calls; in MySQL, steps without a pause more than doubled it in a table larger than the buffer pool.
pub(crate) const STEP_PAUSE: Duration = Duration::from_millis(10);

/// Polls until the lease is not held any more, or `at_most` is over: for databases that cannot notify.
///
/// In each process at most one caller waits for a lease, in the engine's queue. The pauses grow from 1 ms to 16 ms.
pub(crate) async fn poll_while_held<F>(at_most: Duration, held: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let mut over = pin!(sleep(at_most));
    let mut pause = SHORTEST_PAUSE;
    // Only pauses are cut short: a statement that is dropped before its reply closes its connection.
    while held().await? && timeout(jitter(pause), over.as_mut()).await.is_err() {
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(())
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);
