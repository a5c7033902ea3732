//! Connections that calls borrow: our own, or those of a pool that the application has.
//!
//! Each call is a single statement on one connection. What fails, and what is dropped before its answer is there, takes its
//! connection along: the next call never finds an answer that is not its own, nor a transaction that was left open.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_store::{BoxFuture, Result};
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{ConnectOptions, Connection, Database, Executor, IntoArguments, Pool, SqlStr, raw_sql};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::error::{Dialect, Failure, Refusal, refusal};

/// A statement with its parameters.
pub(crate) type Statement<DB> = Query<'static, DB, <DB as Database>::Arguments>;

/// How to connect to a database.
pub(crate) type Options<DB> = <<DB as Database>::Connection as Connection>::Options;

/// Where statements are run.
pub(crate) struct Connections<DB: Database> {
    source: Source<DB>,
    deadline: Duration,
}

enum Source<DB: Database> {
    Own(Own<DB>),
    Theirs(Pool<DB>),
}

/// Connections of our own: sqlx's pool asks every connection that is given back whether it is still there, which is one
/// more round trip for each call.
struct Own<DB: Database> {
    options: Options<DB>,
    permits: Semaphore,
    idle: Mutex<Vec<DB::Connection>>,
}

impl<DB: Dialect> Connections<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    DB::Arguments: IntoArguments<DB>,
{
    /// At most `max` connections of our own, made when they are needed.
    pub(crate) fn own(options: Options<DB>, max: u32, deadline: Duration) -> Self {
        let permits = Semaphore::new(max.max(1) as usize);
        Self { source: Source::Own(Own { options, permits, idle: Mutex::default() }), deadline }
    }

    /// The connections of the application's pool.
    pub(crate) fn theirs(pool: Pool<DB>, deadline: Duration) -> Self {
        Self { source: Source::Theirs(pool), deadline }
    }

    /// Makes one connection, to see whether that is possible.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        let borrow = async { self.borrow().await.map(Borrowed::give_back) };
        self.in_time(&AtomicBool::new(false), borrow).await
    }

    /// The rows that a statement answers which changes nothing. It is run once more, on another connection, if the first
    /// one turns out to be broken.
    pub(crate) async fn read(
        &self,
        statement: impl Fn() -> Statement<DB> + Send + Sync,
    ) -> Result<Vec<DB::Row>> {
        let sent = AtomicBool::new(false);
        let fetch = || self.run(&sent, |connection| Box::pin(statement().fetch_all(connection)));
        let rows = async {
            match fetch().await {
                Err(failure) if failure.sent && failure.lost_connection() => fetch().await,
                rows => rows,
            }
        };
        self.in_time(&sent, rows).await.map_err(Failure::of_read)
    }

    /// The rows that a statement answers which changes something. It is sent once at most.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) async fn write(&self, statement: Statement<DB>) -> Result<Vec<DB::Row>> {
        let sent = AtomicBool::new(false);
        let rows = self.run(&sent, |connection| Box::pin(statement.fetch_all(connection)));
        self.in_time(&sent, rows).await.map_err(Failure::of_write)
    }

    /// What a statement did that answers no rows. It is sent once at most.
    #[cfg(feature = "mysql")]
    pub(crate) async fn execute(&self, statement: Statement<DB>) -> Result<DB::QueryResult> {
        let sent = AtomicBool::new(false);
        let done = self.run(&sent, |connection| Box::pin(statement.execute(connection)));
        self.in_time(&sent, done).await.map_err(Failure::of_write)
    }

    /// Runs several statements at once, without parameters and without the deadline.
    pub(crate) async fn script(&self, text: SqlStr) -> Result<(), Failure> {
        let sent = AtomicBool::new(false);
        self.run(&sent, |connection| Box::pin(async { connection.execute(raw_sql(text)).await.map(drop) }))
            .await
    }

    /// Runs `work` on a connection, which is not borrowed again if that fails.
    async fn run<T: Send>(
        &self,
        sent: &AtomicBool,
        work: impl for<'c> FnOnce(&'c mut DB::Connection) -> BoxFuture<'c, sqlx::Result<T>> + Send,
    ) -> Result<T, Failure> {
        sent.store(false, Ordering::Relaxed);
        let mut borrowed = self.borrow().await?;
        sent.store(true, Ordering::Relaxed);
        match work(borrowed.connection()).await {
            Ok(answer) => {
                borrowed.give_back();
                Ok(answer)
            }
            Err(error) => {
                match refusal::<DB>(&error) {
                    // Expected; the connection is as good as before.
                    Some(Refusal::Exists) => borrowed.give_back(),
                    // When the server went, it left none of them.
                    None | Some(Refusal::Lost) => self.forget_idle(),
                    Some(_) => {}
                }
                Err(Failure::of::<DB>(true, &error))
            }
        }
    }

    /// Waits for `work` until the deadline; `sent` tells how far it came.
    async fn in_time<T>(
        &self,
        sent: &AtomicBool,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let late = || Failure::late(sent.load(Ordering::Relaxed), self.deadline);
        timeout(self.deadline, work).await.unwrap_or_else(|_| Err(late()))
    }

    async fn borrow(&self) -> Result<Borrowed<'_, DB>, Failure> {
        let unsent = |error| Failure::of::<DB>(false, &error);
        match &self.source {
            Source::Theirs(pool) => {
                let connection = pool.acquire().await.map_err(unsent)?;
                Ok(Borrowed(Some(Link::Theirs(connection))))
            }
            Source::Own(own) => {
                let permit = own.permits.acquire().await.map_err(|_| unsent(sqlx::Error::PoolClosed))?;
                let idle = own.idle().pop();
                let connection = match idle {
                    Some(connection) => connection,
                    None => own.options.connect().await.map_err(unsent)?,
                };
                Ok(Borrowed(Some(Link::Own { connection, own, permit })))
            }
        }
    }

    fn forget_idle(&self) {
        if let Source::Own(own) = &self.source {
            drop(std::mem::take(&mut *own.idle()));
        }
    }
}

impl<DB: Database> Own<DB> {
    fn idle(&self) -> MutexGuard<'_, Vec<DB::Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. Dropped without [`give_back`](Borrowed::give_back), it is closed.
struct Borrowed<'a, DB: Database>(Option<Link<'a, DB>>);

enum Link<'a, DB: Database> {
    Own { connection: DB::Connection, own: &'a Own<DB>, permit: SemaphorePermit<'a> },
    Theirs(PoolConnection<DB>),
}

impl<DB: Database> Borrowed<'_, DB> {
    fn connection(&mut self) -> &mut DB::Connection {
        match self.0.as_mut().expect("it is there until it is given back or dropped") {
            Link::Own { connection, .. } => connection,
            Link::Theirs(connection) => connection,
        }
    }

    fn give_back(mut self) {
        match self.0.take() {
            Some(Link::Own { connection, own, permit }) => {
                own.idle().push(connection);
                drop(permit);
            }
            // Its own `Drop` puts it back.
            Some(Link::Theirs(connection)) => drop(connection),
            None => {}
        }
    }
}

impl<DB: Database> Drop for Borrowed<'_, DB> {
    fn drop(&mut self) {
        if let Some(Link::Theirs(connection)) = self.0.take() {
            drop(connection.detach());
        }
    }
}
