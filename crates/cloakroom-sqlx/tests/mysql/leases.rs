//! Leases by the clock of the server.

use std::time::Duration;

use cloakroom_store::{Acquired, ErrorKind, Leases, Store, Timestamp};
use tokio::time::timeout;

use crate::shared::{at, claim, claim_for, fresh, fresh_key, record};
use crate::transactions::beginning_with;

#[tokio::test]
async fn a_wait_ends_when_the_lease_has_expired() {
    let (store, _table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
    store.acquire(&key, &claim_for(1, Duration::from_millis(50))).await.unwrap();
    let waited = timeout(Duration::from_secs(20), store.wait(&key, Duration::from_secs(3600))).await;
    waited.expect("the lease has expired").unwrap();
    assert_eq!(store.acquire(&key, &claim(2)).await.unwrap(), Acquired::Held(record(1_000, 1)));
}

/// The clocks of callers and the time zones of their connections do not matter.
#[tokio::test]
async fn leases_go_by_the_clock_of_the_database_alone() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
    store.acquire(&key, &claim(1)).await.unwrap();
    let late = |holder| {
        let mut claim = claim(holder);
        claim.now = Timestamp::MAX;
        claim
    };
    assert_eq!(store.acquire(&key, &late(2)).await.unwrap(), Acquired::Busy(None));
    assert!(store.renew(&key, &late(1)).await.unwrap());
    let left = "SELECT lease_until - CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) FROM {table}";
    let left = table.number(left).await;
    assert!((30_000..=60_000).contains(&left), "{left} ms are left of a minute");
    for zone in ["SET time_zone = '-11:00'", "SET time_zone = '+11:00'"] {
        let there = beginning_with(&table, zone).await;
        assert_eq!(there.acquire(&key, &claim(3)).await.unwrap(), Acquired::Busy(None));
        table.run("UPDATE {table} SET lease_until = lease_until - 3600000").await;
        assert!(matches!(there.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(_)));
        assert_eq!(store.acquire(&key, &claim(3)).await.unwrap(), Acquired::Busy(None));
    }
}

#[tokio::test]
async fn the_lease_of_another_on_a_damaged_record_stays() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
    table.run("UPDATE {table} SET data = CONCAT(data, 'x'), lease = 7, lease_until = 4102444800000").await;
    assert_eq!(store.acquire(&key, &claim(3)).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(table.number("SELECT lease FROM {table}").await, 7);
}
