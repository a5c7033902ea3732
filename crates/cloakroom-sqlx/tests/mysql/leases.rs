//! Leases in columns, by the database's clock.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_sqlx::MySqlStore;
use cloakroom_store::{Acquired, Claim, ErrorKind, LeaseId, Leases, Revision, Store, Timestamp};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{AssertSqlSafe, Executor};
use tokio::time::timeout;

use crate::support::{claim, fresh_key, record};
use crate::{fresh, number, run, url};

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_comes_back_soon_after_the_release() {
    let (store, _) = fresh().await;
    let store = Arc::new(store);
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    for holder in 1..20 {
        assert_eq!(store.acquire(&key, &claim(holder)).await.unwrap(), Acquired::Held(record(1, 1)));
        let waiter = Arc::clone(&store);
        let waiting = tokio::spawn(async move { waiter.wait(&key, Duration::from_secs(3600)).await });
        tokio::task::yield_now().await;
        assert!(store.release(&key, LeaseId::new(holder)).await.unwrap());
        timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_wait_ends_when_the_lease_has_run_out() {
    let (store, _) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    store.acquire(&key, &Claim { ttl: Duration::from_millis(50), ..claim(1) }).await.unwrap();
    let waited = timeout(Duration::from_secs(20), store.wait(&key, Duration::from_secs(3600))).await;
    waited.expect("the lease has run out").unwrap();
    assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Held(record(1_000, 1)));
}

/// The callers' clocks may differ by as much as they like, and their sessions' time zones too.
#[tokio::test]
async fn leases_go_by_the_databases_clock_alone() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    store.acquire(&key, &claim(1)).await.unwrap();
    let late = Claim { now: Timestamp::MAX, ..claim(2) };
    assert_eq!(store.acquire(&key, &late).await.unwrap(), Acquired::Busy);
    assert!(store.renew(&key, &Claim { now: Timestamp::MAX, ..claim(1) }).await.unwrap());
    let left = format!("SELECT lease_until - CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) FROM {table}");
    let left = number(&left).await;
    assert!((30_000..=60_000).contains(&left), "{left} ms are left of a minute");
    for zone in ["-11:00", "+11:00"] {
        let options = MySqlPoolOptions::new().after_connect(move |connection, _| {
            let set = AssertSqlSafe(format!("SET time_zone = '{zone}'"));
            Box::pin(async move { connection.execute(set).await.map(drop) })
        });
        let there = MySqlStore::builder().table(&table).pool(options.connect(url()).await.unwrap()).unwrap();
        assert_eq!(there.acquire(&key, &claim(3)).await.unwrap(), Acquired::Busy);
        let soon = format!("UPDATE {table} SET lease_until = lease_until - 3600000");
        run(&soon).await;
        assert!(matches!(there.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(_)));
        assert_eq!(store.acquire(&key, &claim(3)).await.unwrap(), Acquired::Busy);
    }
}

#[tokio::test]
async fn a_lease_without_end_is_no_overflow() {
    let (store, _) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    let forever = Claim { ttl: Duration::MAX, ..claim(1) };
    assert_eq!(store.acquire(&key, &forever).await.unwrap(), Acquired::Held(record(1, 1)));
    assert!(store.renew(&key, &forever).await.unwrap());
    assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Busy);
}

#[tokio::test]
async fn a_claim_that_lengthens_nothing_shortens_nothing() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    store.acquire(&key, &claim(1)).await.unwrap();
    let until = format!("SELECT lease_until FROM {table}");
    let before = number(&until).await;
    let short = Claim { ttl: Duration::from_secs(1), ..claim(1) };
    assert!(store.renew(&key, &short).await.unwrap());
    assert_eq!(store.acquire(&key, &short).await.unwrap(), Acquired::Held(record(1, 1)));
    assert_eq!(number(&until).await, before);
    store.replace_and_release(&key, &record(2, 1), Revision::new(1), LeaseId::new(1)).await.unwrap();
    assert_eq!(
        number(&format!("SELECT COUNT(*) FROM {table} WHERE lease IS NULL AND lease_until IS NULL")).await,
        1
    );
}

/// Whoever asks for it next is told the same, and waits for nobody.
#[tokio::test]
async fn a_damaged_record_keeps_no_lease() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    run(&format!("UPDATE {table} SET data = CONCAT(data, 'x')")).await;
    for holder in 1..3 {
        assert_eq!(store.acquire(&key, &claim(holder)).await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(number(&format!("SELECT COUNT(*) FROM {table} WHERE lease IS NOT NULL")).await, 0);
    }
    // What somebody else holds is left alone.
    run(&format!("UPDATE {table} SET lease = 7, lease_until = 4102444800000")).await;
    assert_eq!(store.acquire(&key, &claim(3)).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(number(&format!("SELECT lease FROM {table}")).await, 7);
}
