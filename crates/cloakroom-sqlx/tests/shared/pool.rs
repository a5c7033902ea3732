//! The store in a pool of the application, and calls that are dropped.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Acquired, BoxFuture, Key, LeaseId, Leases, Store as _, Subjects, Timestamp};
use tokio::time::timeout;

use crate::dialect::Store;
use crate::shared::{ann, at, claim, drop_after, fresh, fresh_key, record};
use crate::transactions::{DROPPED_BEGIN_STAYS_OPEN, is_in_transaction, no_transaction_is_open};

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_is_enough_for_every_call_and_for_waiting() {
    let (_, table) = fresh().await;
    let (store, pool) = table.in_pool().await;
    let store = Arc::new(store);
    let key = fresh_key();
    store.create(&key, &record(1, 9), at(0)).await.unwrap();
    assert_eq!(store.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(record(1, 9)));
    let waiter = Arc::clone(&store);
    let waiting = tokio::spawn(async move {
        while matches!(waiter.acquire(&key, &claim(2)).await.unwrap(), Acquired::Busy(_)) {
            waiter.wait(&key, Duration::from_secs(3600)).await.unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(store.release(&key, LeaseId::new(1)).await.unwrap());
    timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    assert_eq!(store.purge(Timestamp::MAX, 10).await.unwrap(), 1);
    assert_eq!(pool.size(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_leaves_no_open_transaction_and_no_reply_behind() {
    let (own, table) = fresh().await;
    let (app, _pool) = table.in_pool().await;
    for store in [own, app] {
        for call in 0..10 {
            for polls in 1..40 {
                let (key, other) = (fresh_key(), fresh_key());
                store.create(&key, &record(1, 9), at(0)).await.unwrap();
                store.create(&other, &record(2, 9), at(0)).await.unwrap();
                let done = drop_after(polls, calls(&store, &key, call)).await;
                let loaded = store.load(&other).await.unwrap();
                assert_eq!(loaded, Some(record(2, 9)), "call {call}, {polls} polls");
                if done {
                    break;
                }
            }
        }
    }
    no_transaction_is_open(&table).await;
}

fn calls<'a>(store: &'a Store, key: &'a Key, number: usize) -> BoxFuture<'a, ()> {
    let lease = LeaseId::new(1);
    Box::pin(async move {
        match number {
            0 => drop(store.load(key).await),
            1 => drop(store.replace(key, &record(3, 9), record(1, 9).revision, at(0)).await),
            2 => drop(store.touch(key, at(1), at(90)).await),
            3 => drop(store.delete(key).await),
            4 => drop(store.acquire(key, &claim(1)).await),
            5 => drop(store.release(key, lease).await),
            6 => drop(store.renew(key, &claim(1)).await),
            7 => drop(store.list(&ann(), None, 10).await),
            8 => drop(store.end_all(&ann(), None).await),
            _ => drop(store.wait(key, Duration::from_millis(1)).await),
        }
    })
}

/// A `begin()` that is dropped leaves a connection of sqlx in PostgreSQL and MySQL inside a transaction that sqlx does not know
/// of. What the store acknowledged inside it would be lost.
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_change_is_in_no_transaction_that_the_application_left_open() {
    let (own, table) = fresh().await;
    let mut found = 0;
    for polls in (0..4).cycle().take(40) {
        let (store, pool) = table.in_pool().await;
        drop_after(polls, Box::pin(async { drop(pool.begin().await.unwrap()) })).await;
        found += usize::from(is_in_transaction(&pool).await);
        let key = fresh_key();
        store.create(&key, &record(1, 9), at(0)).await.unwrap();
        assert_eq!(own.load(&key).await.unwrap(), Some(record(1, 9)), "{polls} polls");
        assert!(store.delete(&key).await.unwrap());
        assert_eq!(own.load(&key).await.unwrap(), None, "{polls} polls");
    }
    assert_eq!(found > 0, DROPPED_BEGIN_STAYS_OPEN, "the driver has changed");
}

#[tokio::test]
async fn a_transaction_that_the_application_forgot_is_ended_before_a_call() {
    let (own, table) = fresh().await;
    let (store, pool) = table.in_pool().await;
    for forgotten in ["BEGIN", "BEGIN; SELECT no_such_function()"] {
        _ = sqlx::raw_sql(forgotten).execute(&pool).await;
        let key = fresh_key();
        store.create(&key, &record(1, 9), at(0)).await.unwrap();
        assert_eq!(own.load(&key).await.unwrap(), Some(record(1, 9)), "{forgotten}");
    }
}
