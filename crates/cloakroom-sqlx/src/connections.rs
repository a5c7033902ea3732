//! Connections that calls borrow: our own, or those of a pool that the application has.
//!
//! Each call is a single statement on one connection. What is dropped before its answer is there takes its connection
//! along: the next call never finds an answer that is not its own. A connection of the application's is first rid of the
//! transaction that somebody may have left open on it, in which what we acknowledge would not be committed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use cloakroom_store::{BoxFuture, Result};
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Database, Executor, IntoArguments, Pool, SqlSafeStr, SqlStr,
    raw_sql,
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

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
    Own(Arc<Own<DB>>),
    Theirs(Pool<DB>),
}

/// Connections of our own: sqlx's pool asks every connection that is given back whether it is still there, which is one
/// more round trip for each call. Ours asks those that nobody uses.
struct Own<DB: Database> {
    options: Options<DB>,
    /// What each connection begins with.
    limits: Option<SqlStr>,
    permits: Semaphore,
    /// The one that is used next is the last.
    idle: Mutex<Vec<Idle<DB>>>,
}

struct Idle<DB: Database> {
    connection: DB::Connection,
    /// For how many rounds of [`look_after`] nobody has used it.
    rounds: u32,
}

impl<DB: Dialect> Connections<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    DB::Arguments: IntoArguments<DB>,
{
    /// At most `max` connections of our own, made when they are needed, and kept.
    pub(crate) fn kept(options: Options<DB>, max: u32, deadline: Duration) -> Self {
        Self { source: Source::Own(Own::new(options, max, deadline)), deadline }
    }

    /// At most `max` connections of our own, made when they are needed. Those that nobody uses are asked every second
    /// whether they are still there, so that no write finds one broken that was left over from before a restart of the
    /// server; after a minute they are closed.
    pub(crate) fn own(options: Options<DB>, max: u32, deadline: Duration) -> Self {
        let own = Own::new(options, max, deadline);
        tokio::spawn(look_after(Arc::downgrade(&own)));
        Self { source: Source::Own(own), deadline }
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

    /// The rows that a statement answers which changes nothing.
    pub(crate) async fn read(
        &self,
        statement: impl Fn() -> Statement<DB> + Send + Sync,
    ) -> Result<Vec<DB::Row>> {
        self.look(statement).await.map_err(Failure::of_read)
    }

    /// As [`read`](Connections::read). The statement is run once more, on another connection, if the first one turns out to
    /// be broken.
    pub(crate) async fn look(
        &self,
        statement: impl Fn() -> Statement<DB> + Send + Sync,
    ) -> Result<Vec<DB::Row>, Failure> {
        let sent = AtomicBool::new(false);
        let fetch = || self.run(&sent, |connection| Box::pin(statement().fetch_all(connection)));
        let rows = async {
            match fetch().await {
                Err(failure) if failure.sent && failure.lost_connection() => fetch().await,
                rows => rows,
            }
        };
        self.in_time(&sent, rows).await
    }

    /// The rows that a statement answers which changes something. It is sent once at most.
    pub(crate) async fn write(&self, statement: Statement<DB>) -> Result<Vec<DB::Row>> {
        let sent = AtomicBool::new(false);
        let rows = self.run(&sent, |connection| Box::pin(statement.fetch_all(connection)));
        self.in_time(&sent, rows).await.map_err(Failure::of_write)
    }

    /// What a statement did that answers no rows. It is sent once at most.
    pub(crate) async fn execute(&self, statement: Statement<DB>) -> Result<DB::QueryResult> {
        let sent = AtomicBool::new(false);
        let done = self.run(&sent, |connection| Box::pin(statement.execute(connection)));
        self.in_time(&sent, done).await.map_err(Failure::of_write)
    }

    /// Runs several statements at once, without parameters, without the deadline and without the limits of our own
    /// connections. A connection on which it fails is closed, since it may be in a transaction then.
    pub(crate) async fn script(&self, text: SqlStr) -> Result<(), Failure> {
        let failure = |error| Failure::of::<DB>(true, &error);
        match &self.source {
            Source::Theirs(_) => {
                let mut borrowed = self.borrow().await?;
                borrowed.connection().execute(raw_sql(text)).await.map_err(failure)?;
                borrowed.give_back();
            }
            Source::Own(own) => {
                let mut connection = own.options.connect().await.map_err(failure)?;
                connection.execute(raw_sql(text)).await.map_err(failure)?;
                // It has done what it was made for, however it ends.
                _ = connection.close().await;
            }
        }
        Ok(())
    }

    /// Runs `work` on a connection, which is borrowed again unless it is the connection that failed.
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
                    None | Some(Refusal::Lost) => self.forget_idle(),
                    Some(Refusal::NotHere) => {}
                    // The connection is as good as before.
                    Some(_) => borrowed.give_back(),
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

    /// How many connections nobody uses.
    #[cfg(test)]
    pub(crate) fn idle(&self) -> usize {
        match &self.source {
            Source::Own(own) => own.idle().len(),
            Source::Theirs(pool) => pool.num_idle(),
        }
    }

    async fn borrow(&self) -> Result<Borrowed<'_, DB>, Failure> {
        let unsent = |error| Failure::of::<DB>(false, &error);
        match &self.source {
            Source::Theirs(pool) => {
                let mut others = pool.size();
                loop {
                    let connection = pool.acquire().await.map_err(unsent)?;
                    let mut borrowed = Borrowed(Some(Link::Theirs(connection)));
                    match end_transaction::<DB>(borrowed.connection()).await {
                        Ok(()) => return Ok(borrowed),
                        // It is closed. Nothing of the call has been sent, so another one will do.
                        Err(_) if others > 0 => others -= 1,
                        Err(error) => return Err(unsent(error)),
                    }
                }
            }
            Source::Own(own) => {
                let permit = own.permits.acquire().await.map_err(|_| unsent(sqlx::Error::PoolClosed))?;
                let idle = own.idle().pop();
                let connection = match idle {
                    Some(Idle { connection, .. }) => connection,
                    None => own.connect().await.map_err(unsent)?,
                };
                Ok(Borrowed(Some(Link::Own { connection, own, permit })))
            }
        }
    }

    fn forget_idle(&self) {
        if let Source::Own(own) = &self.source {
            own.forget_idle();
        }
    }
}

/// Ends a transaction that was left open: when a `begin()` is dropped, sqlx may give the connection back to the pool
/// inside of it.
async fn end_transaction<DB: Dialect>(connection: &mut DB::Connection) -> sqlx::Result<()>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    connection.execute(raw_sql(DB::END_TRANSACTION)).await.map(drop)
}

impl<DB: Dialect> Own<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    fn new(options: Options<DB>, max: u32, deadline: Duration) -> Arc<Self> {
        let permits = Semaphore::new(max.max(1) as usize);
        let limits = DB::limits(deadline).map(|text| AssertSqlSafe(text).into_sql_str());
        Arc::new(Self { options, limits, permits, idle: Mutex::default() })
    }

    async fn connect(&self) -> sqlx::Result<DB::Connection> {
        let mut connection = self.options.connect().await?;
        if let Some(limits) = &self.limits {
            connection.execute(raw_sql(limits.clone())).await?;
        }
        Ok(connection)
    }
}

impl<DB: Database> Own<DB> {
    /// The connection at this place, if there is one that has not been used since the last round.
    fn take_unused(&self, at: usize) -> Option<Idle<DB>> {
        let mut idle = self.idle();
        idle.get(at).is_some_and(|idle| idle.rounds > 0).then(|| idle.remove(at))
    }

    /// When the server went, it left none of them.
    fn forget_idle(&self) {
        let forgotten = std::mem::take(&mut *self.idle());
        drop(forgotten);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<DB>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks connections that nobody uses whether they are still there, and closes those that were not needed for long.
async fn look_after<DB: Database>(own: Weak<Own<DB>>) {
    loop {
        sleep(ROUND).await;
        let Some(own) = own.upgrade() else { return };
        own.idle().iter_mut().for_each(|idle| idle.rounds += 1);
        let mut at = 0;
        // Without a permit all are in use, and none is unused.
        while let Ok(_permit) = own.permits.try_acquire()
            && let Some(mut idle) = own.take_unused(at)
        {
            if idle.rounds > MOST_ROUNDS {
                continue;
            }
            let Ok(Ok(())) = timeout(ROUND, idle.connection.ping()).await else {
                own.forget_idle();
                break;
            };
            let mut others = own.idle();
            at = at.min(others.len());
            others.insert(at, idle);
            at += 1;
        }
    }
}

/// How often it is looked after idle connections, and after how many of these they are closed.
const ROUND: Duration = Duration::from_secs(1);
const MOST_ROUNDS: u32 = 60;

/// How long a statement may wait for somebody else's lock: less than the engine waits for the answer (two seconds), so that
/// it is told that nothing was changed.
pub(crate) fn lock_patience(deadline: Duration) -> Duration {
    (deadline / 2).clamp(Duration::from_millis(1), Duration::from_secs(1))
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
                own.idle().push(Idle { connection, rounds: 0 });
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
