//! Waiting for leases: which release is notified, and what happens without a notification.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_sqlx::PostgresStore;
use cloakroom_store::{Acquired, BoxFuture, Key, LeaseId, Leases, Revision, Store, Subjects};
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use crate::dialect::url;
use crate::shared::{Table, ann, anns, at, claim, fresh, fresh_key, record, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_is_woken_by_a_notification_long_before_it_tries_again() {
    let (store, table) = fresh().await;
    let store = Arc::new(store);
    let mut heard = PgListener::connect(url()).await.unwrap();
    heard.listen(&table.to_string()).await.unwrap();
    let ends: [fn(_, _) -> _; 3] = [delete, end_all, release];
    for end in ends {
        // It would try again after a second. A busy machine may be late, but not each time.
        let mut tries = 0;
        while woken_after(&store, &table, end, &mut heard).await > Duration::from_millis(500) {
            tries += 1;
            assert!(tries < 5, "no waiter is woken");
        }
    }
}

/// How long after the `end` of a lease it takes until a waiter has it, or knows that the record is gone.
#[allow(clippy::disallowed_methods, reason = "measures")]
async fn woken_after(
    store: &Arc<PostgresStore>,
    table: &Table,
    end: fn(Arc<PostgresStore>, Key) -> Ending,
    heard: &mut PgListener,
) -> Duration {
    let key = fresh_key();
    store.create(&key, &anns(1, 1), at(0)).await.unwrap();
    assert_eq!(store.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(anns(1, 1)));
    let waiter = Arc::clone(store);
    let waiting = tokio::spawn(async move { acquire(&waiter, &key).await });
    let waits = "SELECT count(*) FROM {table} WHERE waiting AND lease = 1";
    until("the row says that a caller waits", async || table.number(waits).await == 1).await;
    assert!(!waiting.is_finished());
    let begin = Instant::now();
    end(Arc::clone(store), key).await;
    timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    let after = begin.elapsed();
    assert_eq!(heard.recv().await.unwrap().payload(), key.to_string());
    after
}

type Ending = BoxFuture<'static, ()>;

fn release(store: Arc<PostgresStore>, key: Key) -> Ending {
    Box::pin(async move { assert!(store.release(&key, LeaseId::new(1)).await.unwrap()) })
}

fn delete(store: Arc<PostgresStore>, key: Key) -> Ending {
    Box::pin(async move { assert!(store.delete(&key).await.unwrap()) })
}

fn end_all(store: Arc<PostgresStore>, key: Key) -> Ending {
    Box::pin(async move {
        assert_eq!(store.end_all(&ann(), None).await.unwrap(), 1);
        assert_eq!(store.load(&key).await.unwrap(), None);
    })
}

#[tokio::test]
async fn nothing_is_notified_when_no_caller_waits() {
    let (store, table) = fresh().await;
    let mut heard = PgListener::connect(url()).await.unwrap();
    heard.listen(&table.to_string()).await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
    store.acquire(&key, &claim(1)).await.unwrap();
    until("the row says that a caller waits", async || {
        store.wait(&key, Duration::from_millis(30)).await.unwrap();
        table.number("SELECT count(*) FROM {table} WHERE waiting").await == 1
    })
    .await;
    assert!(store.release(&key, LeaseId::new(1)).await.unwrap());
    assert_eq!(heard.recv().await.unwrap().payload(), key.to_string(), "a caller had waited");
    // No caller waits for the next holder.
    store.acquire(&key, &claim(2)).await.unwrap();
    assert!(store.release(&key, LeaseId::new(2)).await.unwrap());
    store.acquire(&key, &claim(3)).await.unwrap();
    store.replace_and_release(&key, &record(2, 1), Revision::new(1), LeaseId::new(3), at(0)).await.unwrap();
    assert!(store.delete(&key).await.unwrap());
    table.run("NOTIFY {table}, 'the end'").await;
    assert_eq!(heard.recv().await.unwrap().payload(), "the end");
}

#[tokio::test]
async fn a_waiter_tries_again_when_nothing_is_notified_for_long() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
    store.acquire(&key, &claim(1)).await.unwrap();
    until("a connection listens, and the row says so", async || {
        let wait = timeout(Duration::from_secs(20), store.wait(&key, Duration::from_secs(3600)));
        wait.await.unwrap().unwrap();
        table.number("SELECT count(*) FROM {table} WHERE waiting").await == 1
    })
    .await;
    assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Busy(None));
}

#[tokio::test]
async fn a_server_that_does_not_reply_to_the_listener_delays_no_waiter() {
    // Accepts connections, and sends nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (patient, table) = fresh().await;
    let builder = table.builder();
    let store = builder.listen_url(format!("postgres://ann@{}/x", silent.local_addr().unwrap()));
    let store = store.connect(url()).await.unwrap();
    let key = fresh_key();
    patient.create(&key, &record(1, 1), at(0)).await.unwrap();
    patient.acquire(&key, &claim(1)).await.unwrap();
    let wait = || store.wait(&key, Duration::from_millis(50));
    // Making a connection may take two seconds.
    let waits = async { tokio::join!(wait(), wait(), wait(), wait()) };
    let (one, two, three, four) = timeout(Duration::from_secs(1), waits).await.unwrap();
    one.and(two).and(three).and(four).unwrap();
}

/// Waits for the lease as the engine does, until it is held or there is no record.
async fn acquire(store: &PostgresStore, key: &Key) -> Acquired {
    loop {
        match store.acquire(key, &claim(2)).await.unwrap() {
            Acquired::Busy(None) => store.wait(key, Duration::from_secs(3600)).await.unwrap(),
            acquired => return acquired,
        }
    }
}
