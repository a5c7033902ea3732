//! Waiting for leases: who is told that one is free, and when nobody is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_sqlx::PostgresStore;
use cloakroom_store::{Acquired, ErrorKind, Key, LeaseId, Leases, Revision, Store, Subject, Subjects};
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use crate::support::{claim, fresh_key, record, until};
use crate::{acquire, fresh, number, run, url};

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_is_woken_by_what_is_announced_long_before_it_looks_again() {
    let (store, table) = fresh().await;
    let store = Arc::new(store);
    let mut heard = PgListener::connect(url()).await.unwrap();
    heard.listen(&table).await.unwrap();
    let ends: [fn(_, _) -> _; 3] = [delete, end_all, release];
    for end in ends {
        // It would look again after a second. A busy machine may be late, but not each time.
        let mut tries = 0;
        while woken_after(&store, &table, end, &mut heard).await > Duration::from_millis(500) {
            tries += 1;
            assert!(tries < 5, "nobody is woken");
        }
    }
}

/// How long after the `end` of somebody's lease it takes until another one has it, or knows that the record is gone.
#[allow(clippy::disallowed_methods, reason = "measures")]
async fn woken_after(
    store: &Arc<PostgresStore>,
    table: &str,
    end: fn(Arc<PostgresStore>, Key) -> Ending,
    heard: &mut PgListener,
) -> Duration {
    let key = fresh_key();
    let record = cloakroom_store::Record { subject: Some(Subject::new("ann").unwrap()), ..record(1, 1) };
    store.create(&key, &record).await.unwrap();
    assert_eq!(store.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(record));
    let waiter = Arc::clone(store);
    let waiting = tokio::spawn(async move { acquire(&waiter, &key).await });
    until("the row says that somebody waits", async || {
        number(&format!("SELECT count(*) FROM {table} WHERE waiting AND lease = 1")).await == 1
    })
    .await;
    assert!(!waiting.is_finished());
    let begin = Instant::now();
    end(Arc::clone(store), key).await;
    timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    let after = begin.elapsed();
    assert_eq!(heard.recv().await.unwrap().payload(), key.to_string());
    after
}

type Ending = cloakroom_store::BoxFuture<'static, ()>;

fn release(store: Arc<PostgresStore>, key: Key) -> Ending {
    Box::pin(async move { assert!(store.release(&key, LeaseId::new(1)).await.unwrap()) })
}

fn delete(store: Arc<PostgresStore>, key: Key) -> Ending {
    Box::pin(async move { assert!(store.delete(&key).await.unwrap()) })
}

fn end_all(store: Arc<PostgresStore>, key: Key) -> Ending {
    Box::pin(async move {
        assert_eq!(store.end_all(&Subject::new("ann").unwrap(), None).await.unwrap(), 1);
        assert_eq!(store.load(&key).await.unwrap(), None);
    })
}

#[tokio::test]
async fn nothing_is_announced_when_nobody_waits() {
    let (store, table) = fresh().await;
    let mut heard = PgListener::connect(url()).await.unwrap();
    heard.listen(&table).await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    store.acquire(&key, &claim(1)).await.unwrap();
    until("the row says that somebody waits", async || {
        store.wait(&key, Duration::from_millis(30)).await.unwrap();
        number(&format!("SELECT count(*) FROM {table} WHERE waiting")).await == 1
    })
    .await;
    assert!(store.release(&key, LeaseId::new(1)).await.unwrap());
    assert_eq!(heard.recv().await.unwrap().payload(), key.to_string(), "somebody had waited");
    // The next holder has nobody behind it.
    store.acquire(&key, &claim(2)).await.unwrap();
    assert!(store.release(&key, LeaseId::new(2)).await.unwrap());
    store.acquire(&key, &claim(3)).await.unwrap();
    store.replace_and_release(&key, &record(2, 1), Revision::new(1), LeaseId::new(3)).await.unwrap();
    assert!(store.delete(&key).await.unwrap());
    run(&format!("NOTIFY {table}, 'the end'")).await;
    assert_eq!(heard.recv().await.unwrap().payload(), "the end");
}

#[tokio::test]
async fn a_waiter_looks_again_when_nothing_is_announced_for_long() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    store.acquire(&key, &claim(1)).await.unwrap();
    until("a connection listens, and the row says so", async || {
        let wait = timeout(Duration::from_secs(20), store.wait(&key, Duration::from_secs(3600)));
        wait.await.unwrap().unwrap();
        number(&format!("SELECT count(*) FROM {table} WHERE waiting")).await == 1
    })
    .await;
    assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Busy);
}

#[tokio::test]
async fn whoever_waits_where_nobody_answers_is_not_held_up() {
    // Takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (patient, table) = fresh().await;
    let builder = PostgresStore::builder().table(&table);
    let store = builder.listen_url(format!("postgres://ann@{}/x", silent.local_addr().unwrap()));
    let store = store.connect(url()).await.unwrap();
    let key = fresh_key();
    patient.create(&key, &record(1, 1)).await.unwrap();
    patient.acquire(&key, &claim(1)).await.unwrap();
    let wait = || store.wait(&key, Duration::from_millis(50));
    // Making a connection may take two seconds.
    let waits = async { tokio::join!(wait(), wait(), wait(), wait()) };
    let (one, two, three, four) = timeout(Duration::from_secs(1), waits).await.unwrap();
    one.and(two).and(three).and(four).unwrap();
}

#[tokio::test]
async fn a_damaged_record_keeps_no_lease() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    run(&format!(
        "UPDATE {table} SET data = set_byte(data, length(data) - 1, 255 - get_byte(data, length(data) - 1))"
    ))
    .await;
    for holder in 1..3 {
        assert_eq!(store.acquire(&key, &claim(holder)).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
    assert_eq!(number(&format!("SELECT count(*) FROM {table} WHERE lease IS NULL")).await, 1);
}
