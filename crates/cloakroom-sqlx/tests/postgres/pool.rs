//! The store in a pool of the application's.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_sqlx::PostgresStore;
use cloakroom_store::ErrorKind::Unavailable;
use cloakroom_store::{Acquired, Applied, Key, LeaseId, Leases, Store, Subject, Subjects, Timestamp};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::time::timeout;

use crate::support::{claim, drop_after, fresh_key, fresh_table, record, until};
use crate::{acquire, fresh, number, url};

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_is_enough_for_every_call_and_for_waiting() {
    let pool = PgPoolOptions::new().max_connections(1).connect(url()).await.unwrap();
    let table = fresh_table();
    let store = Arc::new(PostgresStore::builder().table(&table).pool(pool.clone()).unwrap());
    store.migrate().await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 9)).await.unwrap();
    assert_eq!(store.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(record(1, 9)));
    let waiter = Arc::clone(&store);
    let waiting = tokio::spawn(async move { acquire(&waiter, &key).await });
    until("the row says that somebody waits", async || {
        number(&format!("SELECT count(*) FROM {table} WHERE waiting")).await == 1
    })
    .await;
    assert!(store.release(&key, LeaseId::new(1)).await.unwrap());
    timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    assert_eq!(store.purge(Timestamp::MAX, 10).await.unwrap(), 1);
    assert_eq!(pool.size(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_leaves_no_transaction_open_and_no_answer_behind() {
    let pool = PgPoolOptions::new().max_connections(1).connect(url()).await.unwrap();
    let (own, table) = fresh().await;
    let theirs = PostgresStore::builder().table(&table).pool(pool).unwrap();
    for store in [own, theirs] {
        for call in 0..9 {
            for polls in 1..40 {
                let (key, other) = (fresh_key(), fresh_key());
                store.create(&key, &record(1, 9)).await.unwrap();
                store.create(&other, &record(2, 9)).await.unwrap();
                let done = drop_after(polls, calls(&store, &key, call)).await;
                assert_eq!(
                    store.load(&other).await.unwrap(),
                    Some(record(2, 9)),
                    "call {call}, {polls} polls"
                );
                if done {
                    break;
                }
            }
        }
    }
    until("no transaction is open", async || {
        let open = format!("query LIKE '%{table}%' AND state LIKE 'idle in transaction%'");
        number(&format!("SELECT count(*) FROM pg_stat_activity WHERE {open}")).await == 0
    })
    .await;
}

fn calls<'a>(store: &'a PostgresStore, key: &'a Key, number: usize) -> cloakroom_store::BoxFuture<'a, ()> {
    let lease = LeaseId::new(1);
    Box::pin(async move {
        match number {
            0 => drop(store.load(key).await),
            1 => drop(store.replace(key, &record(3, 9), record(1, 9).revision).await),
            2 => drop(store.touch(key, Timestamp::from_millis(1), Timestamp::from_millis(90)).await),
            3 => drop(store.delete(key).await),
            4 => drop(store.acquire(key, &claim(1)).await),
            5 => drop(store.release(key, lease).await),
            6 => drop(store.renew(key, &claim(1)).await),
            7 => drop(store.list(&Subject::new("ann").unwrap()).await),
            _ => drop(store.wait(key, Duration::from_millis(1)).await),
        }
    })
}

/// A `begin()` that is dropped leaves sqlx's connection in a transaction that it does not know of, and so does whoever
/// forgets to commit. What is acknowledged in it would be lost.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_in_no_transaction_that_the_application_left_open() {
    let (own, table) = fresh().await;
    let mut left_open = 0;
    for polls in (0..4).cycle().take(40) {
        let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
        let pool = pool.connect(url()).await.unwrap();
        let store = PostgresStore::builder().table(&table).pool(pool.clone()).unwrap();
        drop_after(polls, Box::pin(async { drop(pool.begin().await.unwrap()) })).await;
        left_open += i32::from(sqlx::query("SELECT 1").execute(&pool).await.is_ok() && is_open(&pool).await);
        let key = fresh_key();
        store.create(&key, &record(1, 9)).await.unwrap();
        assert_eq!(own.load(&key).await.unwrap(), Some(record(1, 9)), "{polls} polls");
        assert!(store.delete(&key).await.unwrap());
        assert_eq!(own.load(&key).await.unwrap(), None, "{polls} polls");
    }
    assert!(left_open > 0, "the driver has been mended, and the check can go");
}

async fn is_open(pool: &sqlx::PgPool) -> bool {
    sqlx::query_scalar("SELECT now() <> statement_timestamp()").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_transaction_that_somebody_left_open_or_failed_is_ended_before_a_call() {
    let (own, table) = fresh().await;
    let pool = PgPoolOptions::new().max_connections(1).connect(url()).await.unwrap();
    let store = PostgresStore::builder().table(&table).pool(pool.clone()).unwrap();
    for left in ["BEGIN", "BEGIN; SELECT 1 / 0"] {
        _ = sqlx::raw_sql(left).execute(&pool).await;
        let key = fresh_key();
        store.create(&key, &record(1, 9)).await.unwrap();
        assert_eq!(own.load(&key).await.unwrap(), Some(record(1, 9)), "{left}");
    }
}

#[tokio::test]
async fn a_refusal_costs_the_pool_no_connection() {
    let (own, table) = fresh().await;
    let pool = PgPoolOptions::new().max_connections(1).connect(url()).await.unwrap();
    let store = PostgresStore::builder().table(&table).pool(pool.clone()).unwrap();
    let key = fresh_key();
    own.create(&key, &record(1, 9)).await.unwrap();
    let connection = || sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&pool);
    let before: i32 = connection().await.unwrap();
    sqlx::query("SET lock_timeout = 20").execute(&pool).await.unwrap();
    let mut other = PgConnection::connect(url()).await.unwrap();
    other.execute(AssertSqlSafe(format!("BEGIN; SELECT 1 FROM {table} FOR UPDATE"))).await.unwrap();
    assert_eq!(store.delete(&key).await.unwrap_err().kind(), Unavailable(Applied::No));
    assert_eq!(before, connection().await.unwrap());

    // From a server that became a standby the next call is to find its way to another.
    sqlx::query("SET default_transaction_read_only = on").execute(&pool).await.unwrap();
    assert_eq!(store.delete(&key).await.unwrap_err().kind(), Unavailable(Applied::No));
    assert_ne!(before, connection().await.unwrap());
}
