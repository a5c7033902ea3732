//! Leases, as far as they are the same in every database.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Acquired, LeaseId, Leases, Store as _};
use tokio::time::timeout;

use crate::shared::{at, claim, claim_for, fresh, fresh_key, record};

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_returns_soon_after_the_release() {
    let (store, _table) = fresh().await;
    let store = Arc::new(store);
    let key = fresh_key();
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
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
async fn a_lease_of_the_greatest_length_does_not_overflow() {
    let (store, _table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
    let forever = claim_for(1, Duration::MAX);
    assert_eq!(store.acquire(&key, &forever).await.unwrap(), Acquired::Held(record(1, 1)));
    assert!(store.renew(&key, &forever).await.unwrap());
    let other = claim_for(2, Duration::MAX);
    assert!(matches!(store.acquire(&key, &other).await.unwrap(), Acquired::Busy(_)));
}

#[tokio::test]
async fn a_claim_that_ends_earlier_shortens_no_lease() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
    store.acquire(&key, &claim(1)).await.unwrap();
    let until = "SELECT lease_until FROM {table}";
    let before = table.number(until).await;
    let short = claim_for(1, Duration::from_secs(56));
    assert!(store.renew(&key, &short).await.unwrap());
    assert_eq!(store.acquire(&key, &short).await.unwrap(), Acquired::Held(record(1, 1)));
    assert_eq!(table.number(until).await, before);
    store
        .replace_and_release(&key, &record(2, 1), record(1, 1).revision, LeaseId::new(1), at(0))
        .await
        .unwrap();
    let free = "SELECT COUNT(*) FROM {table} WHERE lease IS NULL AND lease_until IS NULL";
    assert_eq!(table.number(free).await, 1);
}
