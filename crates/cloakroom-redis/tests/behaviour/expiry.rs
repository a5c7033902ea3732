//! What Redis removes by itself, and when.

use std::time::{Duration, SystemTime};

use cloakroom_redis::RedisStore;
use cloakroom_store::{Record, Revision, Store, Subjects, Timestamp};
use cloakroom_test_services::redis;

use crate::support::raw::Raw;
use crate::support::{alice, at, fresh_prefix, key, record};

const TEN_MINUTES: u64 = 600_000;

#[tokio::test]
async fn a_record_goes_ten_minutes_after_its_expiry_wherever_that_moves() {
    let (store, prefix, mut redis) = fresh().await;
    let name = format!("{prefix}{}", key(1));
    store.create(&key(1), &record(1)).await.unwrap();
    assert_eq!(goes_at(&mut redis, &name).await, at(60_000).as_millis() + TEN_MINUTES);
    assert!(store.touch(&key(1), at(0), at(90_000)).await.unwrap());
    assert_eq!(goes_at(&mut redis, &name).await, at(90_000).as_millis() + TEN_MINUTES);
    let sooner = Record::new(Revision::new(2), at(5), b"data".as_slice());
    store.replace(&key(1), &sooner, Revision::new(1)).await.unwrap();
    assert_eq!(goes_at(&mut redis, &name).await, at(5).as_millis() + TEN_MINUTES);
    redis.clear(&prefix).await;
}

#[tokio::test]
async fn the_end_of_time_is_no_overflow() {
    let (store, prefix, mut redis) = fresh().await;
    let eternal = Record::new(Revision::new(1), Timestamp::MAX, b"data".as_slice());
    let alice = alice();
    store.enroll(&alice, &key(1), Timestamp::MAX).await.unwrap();
    store.create(&key(1), &eternal).await.unwrap();
    assert_eq!(store.load(&key(1)).await.unwrap(), Some(eternal));
    for name in redis.names(&prefix).await {
        assert!(goes_at(&mut redis, &name).await > at(0).as_millis(), "{name}");
    }
    redis.clear(&prefix).await;
}

#[tokio::test]
async fn an_index_goes_after_the_last_of_its_entries() {
    let (store, prefix, mut redis) = fresh().await;
    let alice = alice();
    store.enroll(&alice, &key(1), at(2_000)).await.unwrap();
    store.enroll(&alice, &key(2), at(1_000)).await.unwrap();
    let [name] = &redis.names(&prefix).await[..] else { panic!("an index and nothing else") };
    assert_eq!(goes_at(&mut redis, name).await, at(2_000).as_millis() + TEN_MINUTES);
    store.enroll(&alice, &key(1), at(500)).await.unwrap();
    assert_eq!(
        goes_at(&mut redis, name).await,
        at(2_000).as_millis() + TEN_MINUTES,
        "an entry is never shortened"
    );
    redis.clear(&prefix).await;
}

#[tokio::test]
async fn enrolling_removes_entries_whose_time_is_over() {
    let (store, prefix, mut redis) = fresh().await;
    let alice = alice();
    let minutes_ago = |minutes: u64| Timestamp::from_millis(now() - minutes * 60_000);
    // One that lasts, or the index itself would be gone.
    store.enroll(&alice, &key(1), at(0)).await.unwrap();
    store.enroll(&alice, &key(2), minutes_ago(11)).await.unwrap();
    store.enroll(&alice, &key(3), minutes_ago(9)).await.unwrap();
    store.enroll(&alice, &key(4), at(0)).await.unwrap();
    let [name] = &redis.names(&prefix).await[..] else { panic!("an index and nothing else") };
    let members: Vec<String> = redis.call(redis::cmd("ZRANGE").arg(name).arg(0).arg(-1)).await;
    assert_eq!(members, [3, 1, 4].map(|n| key(n).to_string()), "by their time");
    redis.clear(&prefix).await;
}

async fn fresh() -> (RedisStore, String, Raw) {
    let prefix = fresh_prefix();
    let store = RedisStore::builder().prefix(&prefix).connect(redis()).await.unwrap();
    (store, prefix, Raw::connect(redis()).await)
}

/// When Redis removes what has this name.
async fn goes_at(redis: &mut Raw, name: &str) -> u64 {
    redis.call(redis::cmd("PEXPIRETIME").arg(name)).await
}

#[allow(clippy::disallowed_methods, reason = "what Redis does goes by the real clock")]
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO).as_millis() as u64
}
