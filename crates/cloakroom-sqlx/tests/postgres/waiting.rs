//! Waiting for leases: who is told that one is free, and when nobody is.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Acquired, LeaseId, Leases, Revision, Store, Subject, Subjects};
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use crate::support::{claim, fresh_key, record, until};
use crate::{fresh, number, run, url};

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_is_woken_by_what_is_announced_long_before_the_lease_ends() {
    let (store, table) = fresh().await;
    let store = Arc::new(store);
    let mut heard = PgListener::connect(url()).await.unwrap();
    heard.listen(&table).await.unwrap();
    let ends: [fn(_, _) -> _; 3] = [delete, end_all, release];
    for end in ends {
        let key = fresh_key();
        let record = cloakroom_store::Record { subject: Some(Subject::new("ann").unwrap()), ..record(1, 1) };
        store.create(&key, &record).await.unwrap();
        assert_eq!(store.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(record));
        let waiter = Arc::clone(&store);
        let waiting = tokio::spawn(async move { waiter.wait(&key, Duration::from_secs(3600)).await });
        until("the row says that somebody waits", async || {
            number(&format!("SELECT count(*) FROM {table} WHERE waiting AND lease IS NOT NULL")).await == 1
        })
        .await;
        assert!(!waiting.is_finished());
        end(Arc::clone(&store), key).await;
        // The lease would end in a minute.
        timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap().unwrap();
        assert_eq!(heard.recv().await.unwrap().payload(), key.to_string());
    }
}

type Ending = cloakroom_store::BoxFuture<'static, ()>;

fn release(store: Arc<cloakroom_sqlx::PostgresStore>, key: cloakroom_store::Key) -> Ending {
    Box::pin(async move { assert!(store.release(&key, LeaseId::new(1)).await.unwrap()) })
}

fn delete(store: Arc<cloakroom_sqlx::PostgresStore>, key: cloakroom_store::Key) -> Ending {
    Box::pin(async move { assert!(store.delete(&key).await.unwrap()) })
}

fn end_all(store: Arc<cloakroom_sqlx::PostgresStore>, key: cloakroom_store::Key) -> Ending {
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
    store.wait(&key, Duration::from_millis(1)).await.unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_looks_again_when_the_connection_it_listens_on_is_cut() {
    let (store, table) = fresh().await;
    let store = Arc::new(store);
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    store.acquire(&key, &claim(1)).await.unwrap();
    for _ in 0..2 {
        let waiter = Arc::clone(&store);
        let waiting = tokio::spawn(async move { waiter.wait(&key, Duration::from_secs(3600)).await });
        let listens = format!("FROM pg_stat_activity WHERE query LIKE 'LISTEN%{table}%'");
        until("a connection listens, and the row says so", async || {
            number(&format!("SELECT count(*) {listens}")).await == 1
                && number(&format!("SELECT count(*) FROM {table} WHERE waiting AND lease IS NOT NULL")).await
                    == 1
        })
        .await;
        run(&format!("SELECT pg_terminate_backend(pid) {listens}")).await;
        timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap().unwrap();
    }
    assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Busy);
}
