//! Stores with different prefixes share nothing.

use cloakroom_redis::RedisStore;
use cloakroom_store::{Page, Scan, Store, Subject, Subjects};
use cloakroom_test_services::redis;

use crate::support::raw::Raw;
use crate::support::{alice, at, fresh_prefix, key, record};

#[tokio::test]
async fn another_prefix_is_another_store() {
    let prefix = fresh_prefix();
    let (one, other) = (store(&format!("{prefix}a")).await, store(&format!("{prefix}b")).await);
    let alice = alice();
    let alices = record(1).with_subject(alice.clone());
    one.enroll(&alice, &key(1), at(0), at(60_000)).await.unwrap();
    one.create(&key(1), &alices, at(0)).await.unwrap();

    assert_eq!(other.load(&key(1)).await.unwrap(), None);
    assert_eq!(other.list(&alice, None, 10).await.unwrap(), Page::default());
    assert_eq!(other.end_all(&alice, None).await.unwrap(), 0);
    assert_eq!(other.count(at(0)).await.unwrap(), 0);
    other.create(&key(1), &record(2), at(0)).await.unwrap();
    assert!(other.delete(&key(1)).await.unwrap());
    assert_eq!(one.load(&key(1)).await.unwrap(), Some(alices));
    clear(&prefix).await;
}

#[tokio::test]
async fn a_walk_takes_every_character_of_the_prefix_literally() {
    let prefix = fresh_prefix();
    // As patterns the first of each pair would match the second, or not even itself.
    for (odd, other) in [
        ("*", "x"),
        ("?", "x"),
        ("[xy]", "x"),
        ("\\", ""),
        ("[^a]", "x"),
        ("a-b[", "a-b"),
        ("{x}", "x"),
        ("é", "e"),
    ] {
        let (store, beside) =
            (store(&format!("{prefix}{odd}:")).await, store(&format!("{prefix}{other}:")).await);
        store.create(&key(1), &record(1), at(0)).await.unwrap();
        beside.create(&key(2), &record(2), at(0)).await.unwrap();
        assert_eq!(store.count(at(0)).await.unwrap(), 1, "{odd}");
        assert!(store.delete(&key(1)).await.unwrap());
        assert!(beside.delete(&key(2)).await.unwrap());
    }
    clear(&prefix).await;
}

#[tokio::test]
async fn what_is_not_a_record_is_not_counted() {
    let prefix = fresh_prefix();
    let (inner, outer) = (store(&format!("{prefix}user:")).await, store(&prefix).await);
    inner.create(&key(1), &record(1), at(0)).await.unwrap();
    // As long as a key, but no key.
    let subject = Subject::new("x".repeat(58)).unwrap();
    outer.enroll(&subject, &key(2), at(0), at(60_000)).await.unwrap();
    assert_eq!(outer.count(at(0)).await.unwrap(), 0, "the record of the store within, and an index");
    outer.create(&key(3), &record(1), at(0)).await.unwrap();
    assert_eq!(outer.count(at(0)).await.unwrap(), 1);
    clear(&prefix).await;
}

async fn store(prefix: &str) -> RedisStore {
    RedisStore::builder().prefix(prefix).connect(redis()).await.unwrap()
}

async fn clear(prefix: &str) {
    Raw::connect(redis()).await.clear(prefix).await;
}
