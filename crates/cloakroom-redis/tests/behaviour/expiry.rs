//! What Redis removes by itself, and when. How that depends on clocks is in `clocks`.

use std::time::Duration;

use cloakroom_redis::RedisStore;
use cloakroom_store::{Acquired, LeaseId, Leases, Record, Revision, Store, Subjects, Timestamp};
use cloakroom_test_services::redis;

use crate::support::raw::Raw;
use crate::support::{alice, at, claim, claim_for, fresh_prefix, key, record, with};

#[tokio::test]
async fn a_record_goes_ten_minutes_after_its_expiry_wherever_that_moves() {
    let test = Test::new().await;
    let (store, name) = (&test.store, test.name(1));
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    test.keeps(&name, MINUTE + MARGIN).await;
    assert!(store.touch(&key(1), at(0), at(90_000)).await.unwrap());
    test.keeps(&name, Duration::from_secs(90) + MARGIN).await;
    let sooner = |revision| Record::new(Revision::new(revision), at(5_000), b"data".as_slice());
    store.replace(&key(1), &sooner(2), Revision::new(1), at(0)).await.unwrap();
    test.keeps(&name, Duration::from_secs(5) + MARGIN).await;
    let later = with(sooner(3), |record| record.expires_at = at(2 * 60_000));
    store.replace_and_release(&key(1), &later, Revision::new(2), LeaseId::new(1), at(0)).await.unwrap();
    test.keeps(&name, 2 * MINUTE + MARGIN).await;
    test.clear().await;
}

#[tokio::test]
async fn what_expires_now_is_kept_for_ten_minutes_and_what_has_expired_for_less() {
    let test = Test::new().await;
    let (key, name) = (key(1), test.name(1));
    let expired = |revision| Record::new(Revision::new(revision), at(0), b"data".as_slice());
    for (minutes_ago, kept) in [(0, MARGIN), (4, 6 * MINUTE)] {
        let now = at(minutes_ago * 60_000);
        test.store.create(&key, &expired(1), now).await.unwrap();
        test.keeps(&name, kept).await;
        test.store.replace(&key, &record(2), Revision::new(1), now).await.unwrap();
        // As a tombstone is written.
        test.store.replace(&key, &expired(3), Revision::new(2), now).await.unwrap();
        test.keeps(&name, kept).await;
        assert_eq!(test.store.load(&key).await.unwrap(), Some(expired(3)));
        assert!(test.store.delete(&key).await.unwrap());
    }
    test.store.create(&key, &expired(1), at(600_000)).await.unwrap();
    assert_eq!(test.store.load(&key).await.unwrap(), None, "its ten minutes are over");
    test.clear().await;
}

#[tokio::test]
async fn an_entry_whose_time_is_long_over_is_counted_when_it_is_entered() {
    let mut test = Test::new().await;
    let longest_ago = Timestamp::from_millis(0);
    assert_eq!(test.store.enroll(&alice(), &key(1), at(0), longest_ago).await.unwrap(), 1);
    let [name] = &test.redis.names(&test.prefix).await[..] else { panic!("an index and nothing else") };
    test.keeps(name, MARGIN).await;
    test.clear().await;
}

#[tokio::test]
async fn taking_over_a_lease_keeps_a_record_and_taking_one_changes_nothing() {
    let mut test = Test::new().await;
    let name = test.name(1);
    test.store.create(&key(1), &record(1), at(0)).await.unwrap();
    test.pexpire(&name, 100_000).await;
    test.store.acquire(&key(1), &claim_for(1, Duration::ZERO)).await.unwrap();
    test.keeps(&name, Duration::from_secs(100)).await;
    let taken = test.store.acquire(&key(1), &claim(2)).await.unwrap();
    let expected = with(record(1), |record| record.revision = claim(2).takeover);
    assert_eq!(taken, Acquired::Held(expected));
    test.keeps(&name, MINUTE + MARGIN).await;
    test.clear().await;
}

#[tokio::test]
async fn the_end_of_time_is_no_overflow() {
    let mut test = Test::new().await;
    let eternal = Record::new(Revision::new(1), Timestamp::MAX, b"data".as_slice());
    let now = Timestamp::from_millis(0);
    test.store.enroll(&alice(), &key(1), now, Timestamp::MAX).await.unwrap();
    test.store.create(&key(1), &eternal, now).await.unwrap();
    assert_eq!(test.store.load(&key(1)).await.unwrap(), Some(eternal.clone()));
    assert!(test.store.touch(&key(1), now, Timestamp::MAX).await.unwrap());
    test.store.acquire(&key(1), &claim_for(1, Duration::ZERO)).await.unwrap();
    test.store.acquire(&key(1), &claim_for(2, Duration::MAX)).await.unwrap();
    let revision = claim(2).takeover;
    test.store.replace(&key(1), &eternal, revision, now).await.unwrap();
    for name in test.redis.names(&test.prefix).await {
        assert!(test.pttl(&name).await > at(0).as_millis(), "{name}");
    }
    test.clear().await;
}

#[tokio::test]
async fn an_index_goes_after_the_last_of_its_entries() {
    let mut test = Test::new().await;
    let minutes = |n: u64| at(n * 60_000);
    test.store.enroll(&alice(), &key(1), at(0), minutes(20)).await.unwrap();
    let [name] = &test.redis.names(&test.prefix).await[..] else { panic!("an index and nothing else") };
    test.keeps(name, 20 * MINUTE + MARGIN).await;
    test.store.enroll(&alice(), &key(2), at(0), minutes(10)).await.unwrap();
    test.store.enroll(&alice(), &key(1), at(0), minutes(5)).await.unwrap();
    test.keeps(name, 20 * MINUTE + MARGIN).await;
    let score: String = test.redis.call(redis::cmd("ZSCORE").arg(name).arg(key(1).to_string())).await;
    assert_eq!(score, minutes(20).as_millis().to_string(), "an entry is never shortened");
    test.store.enroll(&alice(), &key(2), at(0), minutes(30)).await.unwrap();
    test.keeps(name, 30 * MINUTE + MARGIN).await;
    test.clear().await;
}

#[tokio::test]
async fn enrolling_counts_entries_and_each_key_once() {
    let test = Test::new().await;
    let enroll = async |n, until| test.store.enroll(&alice(), &key(n), at(0), at(until)).await.unwrap();
    assert_eq!(enroll(1, 1_000).await, 1);
    assert_eq!(enroll(2, 1_000).await, 2);
    assert_eq!(enroll(2, 2_000).await, 2);
    assert_eq!(enroll(1, 500).await, 2);
    for n in 3..=150 {
        assert_eq!(enroll(n, 1_000).await as u64, n);
    }
    let bob = cloakroom_store::Subject::new("bob").unwrap();
    assert_eq!(test.store.enroll(&bob, &key(1), at(0), at(1_000)).await.unwrap(), 1, "another's index");
    test.clear().await;
}

/// A store of its own, and a way past it.
struct Test {
    store: RedisStore,
    prefix: String,
    redis: Raw,
}

impl Test {
    async fn new() -> Self {
        let prefix = fresh_prefix();
        let store = RedisStore::builder().prefix(&prefix).connect(redis()).await.unwrap();
        Self { store, prefix, redis: Raw::connect(redis()).await }
    }

    fn name(&self, n: u64) -> String {
        format!("{}{}", self.prefix, key(n))
    }

    async fn pexpire(&mut self, name: &str, millis: u64) {
        let _: i64 = self.redis.call(redis::cmd("PEXPIRE").arg(name).arg(millis)).await;
    }

    async fn pttl(&mut self, name: &str) -> u64 {
        self.redis.call(redis::cmd("PTTL").arg(name)).await
    }

    async fn keeps(&self, name: &str, time: Duration) {
        Raw::connect(redis()).await.keeps(name, time).await;
    }

    async fn clear(mut self) {
        self.redis.clear(&self.prefix).await;
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const MARGIN: Duration = Record::NATIVE_EXPIRY_MARGIN;
