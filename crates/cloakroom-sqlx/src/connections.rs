//! The connections that calls use: the store's own, or those of a pool that the application has.
//!
//! Each call is a single statement on one connection. A call that is dropped before its reply closes its connection, so that
//! the next call never reads a reply that belongs to another one. On a connection of the application's pool, an open
//! transaction is ended first: what the store acknowledges inside it would not be committed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use cloakroom_store::{BoxFuture, Result};
use sqlx::pool::PoolConnection;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Database, Executor, IntoArguments, Pool, SqlSafeStr, SqlStr,
    raw_sql,
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

use crate::error::{Dialect, Failure, Refusal, refusal};
use crate::record::Statement;

/// How to connect to a database.
pub(crate) type Options<DB> = <<DB as Database>::Connection as Connection>::Options;

/// Runs statements, each on one connection and within the deadline.
pub(crate) struct Connections<DB: Database> {
    source: Source<DB>,
    deadline: Duration,
}

enum Source<DB: Database> {
    Own(Arc<OwnPool<DB>>),
    App(AppPool<DB>),
}

/// The pool of the application.
type AppPool<DB> = Pool<DB>;

impl<DB: Dialect> Connections<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    DB::Arguments: IntoArguments<DB>,
{
    /// At most `max` own connections, made when they are needed and never closed while they work.
    pub(crate) fn permanent(options: Options<DB>, max: u32, deadline: Duration) -> Self {
        Self { source: Source::Own(OwnPool::new(options, max, deadline)), deadline }
    }

    /// At most `max` own connections, made when they are needed. A task pings idle connections every second, so that no write
    /// gets a connection that a restart of the server broke, and closes them after a minute.
    pub(crate) fn own(options: Options<DB>, max: u32, deadline: Duration) -> Self {
        let own = OwnPool::new(options, max, deadline);
        tokio::spawn(reap_idle(Arc::downgrade(&own)));
        Self { source: Source::Own(own), deadline }
    }

    /// The connections of the application's pool.
    pub(crate) fn app_pool(pool: AppPool<DB>, deadline: Duration) -> Self {
        Self { source: Source::App(pool), deadline }
    }

    /// Makes one connection, to see whether that is possible.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        let checkout = async { self.checkout().await.map(Checkout::release) };
        self.in_time(&AtomicBool::new(false), checkout).await
    }

    /// Returns the rows of a statement that changes nothing. See [`fetch`](Connections::fetch).
    pub(crate) async fn read(
        &self,
        statement: impl Fn() -> Statement<DB> + Send + Sync,
    ) -> Result<Vec<DB::Row>> {
        self.fetch(statement).await.map_err(Failure::of_read)
    }

    /// Returns the rows of a statement that changes nothing. If the first connection turns out to be broken, the statement is
    /// sent once more, on another connection.
    pub(crate) async fn fetch(
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

    /// Returns the rows of a statement that changes something. It is sent at most once.
    pub(crate) async fn write(&self, statement: Statement<DB>) -> Result<Vec<DB::Row>> {
        let sent = AtomicBool::new(false);
        let rows = self.run(&sent, |connection| Box::pin(statement.fetch_all(connection)));
        self.in_time(&sent, rows).await.map_err(Failure::of_write)
    }

    /// Runs a statement that changes something, and returns how many rows it changed. It is sent at most once.
    pub(crate) async fn change(&self, statement: Statement<DB>) -> Result<usize> {
        let sent = AtomicBool::new(false);
        let result = self.run(&sent, |connection| Box::pin(statement.execute(connection)));
        let result = self.in_time(&sent, result).await.map_err(Failure::of_write)?;
        Ok(DB::rows_affected(&result) as usize)
    }

    /// Runs several statements at once, without parameters, without the deadline, and without the limits of own connections.
    /// A connection on which it fails is closed, because it may be in a transaction then.
    pub(crate) async fn script(&self, text: SqlStr) -> Result<(), Failure> {
        let failure = |error| Failure::new::<DB>(true, &error);
        match &self.source {
            Source::App(_) => {
                let mut checkout = self.checkout().await?;
                checkout.connection().execute(raw_sql(text)).await.map_err(failure)?;
                checkout.release();
            }
            Source::Own(own) => {
                let mut connection = own.options.connect().await.map_err(failure)?;
                connection.execute(raw_sql(text)).await.map_err(failure)?;
                // The script has succeeded, whether or not the connection is closed properly.
                _ = connection.close().await;
            }
        }
        Ok(())
    }

    /// Runs `work` on a connection, and releases the connection unless it failed itself.
    async fn run<T: Send>(
        &self,
        sent: &AtomicBool,
        work: impl for<'c> FnOnce(&'c mut DB::Connection) -> BoxFuture<'c, sqlx::Result<T>> + Send,
    ) -> Result<T, Failure> {
        sent.store(false, Ordering::Relaxed);
        let mut checkout = self.checkout().await?;
        sent.store(true, Ordering::Relaxed);
        match work(checkout.connection()).await {
            Ok(done) => {
                checkout.release();
                Ok(done)
            }
            Err(error) => {
                match refusal::<DB>(&error) {
                    None | Some(Refusal::Lost) => self.drain_idle(),
                    // A new connection may lead elsewhere, or have the rights that were granted meanwhile.
                    Some(Refusal::NotHere | Refusal::NoRights) => {}
                    Some(_) => checkout.release(),
                }
                Err(Failure::new::<DB>(true, &error))
            }
        }
    }

    /// Waits for `work` until the deadline. `sent` tells whether the statement was sent before that.
    async fn in_time<T>(
        &self,
        sent: &AtomicBool,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let late = || Failure::late(sent.load(Ordering::Relaxed), self.deadline);
        timeout(self.deadline, work).await.unwrap_or_else(|_| Err(late()))
    }

    /// How many connections are idle.
    #[cfg(test)]
    pub(crate) fn idle(&self) -> usize {
        match &self.source {
            Source::Own(own) => own.idle().len(),
            Source::App(pool) => pool.num_idle(),
        }
    }

    async fn checkout(&self) -> Result<Checkout<'_, DB>, Failure> {
        let unsent = |error| Failure::new::<DB>(false, &error);
        match &self.source {
            Source::App(pool) => {
                let mut others = pool.size();
                loop {
                    let connection = pool.acquire().await.map_err(unsent)?;
                    let mut checkout = Checkout(Some(Link::App(connection)));
                    match end_transaction::<DB>(checkout.connection()).await {
                        Ok(()) => return Ok(checkout),
                        // This one is closed. Nothing of the call has been sent, so another connection will do.
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
                Ok(Checkout(Some(Link::Own { connection, own, permit })))
            }
        }
    }

    fn drain_idle(&self) {
        if let Source::Own(own) = &self.source {
            own.drain_idle();
        }
    }
}

/// Ends a transaction that was left open: when a `begin()` is dropped, sqlx may return the connection to the pool inside the
/// transaction.
async fn end_transaction<DB: Dialect>(connection: &mut DB::Connection) -> sqlx::Result<()>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    connection.execute(raw_sql(DB::END_TRANSACTION)).await.map(drop)
}

/// The store's own connections. sqlx's pool pings every connection that is released, which doubles the round trips of a
/// call; this one pings idle connections.
struct OwnPool<DB: Database> {
    options: Options<DB>,
    /// The statement that each connection begins with.
    limits: Option<SqlStr>,
    permits: Semaphore,
    /// The last one is used next.
    idle: Mutex<Vec<Idle<DB>>>,
}

struct Idle<DB: Database> {
    connection: DB::Connection,
    /// For how many rounds of [`reap_idle`] the connection has not been used.
    rounds: u32,
}

impl<DB: Dialect> OwnPool<DB>
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

impl<DB: Database> OwnPool<DB> {
    /// Takes out the connection at this index, if it was not used since the last round.
    fn take_unused(&self, at: usize) -> Option<Idle<DB>> {
        let mut idle = self.idle();
        idle.get(at).is_some_and(|idle| idle.rounds > 0).then(|| idle.remove(at))
    }

    /// Closes all idle connections: whatever broke one of them broke the others too.
    fn drain_idle(&self) {
        let drained = std::mem::take(&mut *self.idle());
        drop(drained);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<DB>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pings idle connections, and closes those that have been idle for a minute.
async fn reap_idle<DB: Database>(own: Weak<OwnPool<DB>>) {
    loop {
        sleep(ROUND).await;
        let Some(own) = own.upgrade() else { return };
        own.idle().iter_mut().for_each(|idle| idle.rounds += 1);
        let mut at = 0;
        // Without a permit all connections are in use, and none is idle.
        while let Ok(_permit) = own.permits.try_acquire()
            && let Some(mut idle) = own.take_unused(at)
        {
            if idle.rounds > MOST_ROUNDS {
                continue;
            }
            let Ok(Ok(())) = timeout(ROUND, idle.connection.ping()).await else {
                own.drain_idle();
                break;
            };
            let mut others = own.idle();
            at = at.min(others.len());
            others.insert(at, idle);
            at += 1;
        }
    }
}

/// Interval of the idle check, and number of checks after which an idle connection is closed.
const ROUND: Duration = Duration::from_secs(1);
const MOST_ROUNDS: u32 = 60;

/// How long a statement may wait for a lock: less than the engine waits for the reply (two seconds), so that the engine
/// learns that nothing was changed.
pub(crate) fn lock_timeout(deadline: Duration) -> Duration {
    (deadline / 2).clamp(Duration::from_millis(1), Duration::from_secs(1))
}

/// A connection in use. Unless it is [released](Checkout::release), dropping it closes the connection.
struct Checkout<'a, DB: Database>(Option<Link<'a, DB>>);

enum Link<'a, DB: Database> {
    Own { connection: DB::Connection, own: &'a OwnPool<DB>, permit: SemaphorePermit<'a> },
    App(PoolConnection<DB>),
}

impl<DB: Database> Checkout<'_, DB> {
    fn connection(&mut self) -> &mut DB::Connection {
        match self.0.as_mut().expect("present until it is released or dropped") {
            Link::Own { connection, .. } => connection,
            Link::App(connection) => connection,
        }
    }

    fn release(mut self) {
        match self.0.take() {
            Some(Link::Own { connection, own, permit }) => {
                own.idle().push(Idle { connection, rounds: 0 });
                drop(permit);
            }
            // Its own `Drop` returns it to the pool.
            Some(Link::App(connection)) => drop(connection),
            None => {}
        }
    }
}

impl<DB: Database> Drop for Checkout<'_, DB> {
    fn drop(&mut self) {
        if let Some(Link::App(connection)) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// Tests the idle check of a store on a server of its own. Without the check, the first write after an idle time would have
/// an unknown outcome.
#[cfg(test)]
macro_rules! test_restart {
    ($server:ty, $store:ty) => {
        #[tokio::test]
        async fn the_idle_check_removes_connections_that_a_restart_broke() {
            use cloakroom_store::{Key, Record, Revision, Store, Timestamp};

            let mut server = <$server>::start();
            let store = <$store>::connect(server.url()).await.unwrap();
            store.migrate().await.unwrap();
            assert_eq!(store.connections.idle(), 1);
            server.kill();
            server.start_again();
            for _ in 0..1_000 {
                if store.connections.idle() == 0 {
                    let record = Record::new(Revision::new(1), Timestamp::MAX, []);
                    store.create(&Key::new([1; 32]), &record, Timestamp::from_millis(0)).await.unwrap();
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            panic!("the broken connection is still there after ten seconds");
        }
    };
}

#[cfg(test)]
pub(crate) use test_restart;
