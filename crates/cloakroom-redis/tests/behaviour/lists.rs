//! Walks over the records of one user, and over all.

use std::collections::BTreeSet;
use std::time::Duration;

use cloakroom_redis::RedisStore;
use cloakroom_store::codec::prefix;
use cloakroom_store::{Cursor, Key, Record, Revision, Scan, Store, Subjects};
use cloakroom_test_services::{redis, redis_cluster, server::Redis};

use crate::support::raw::Raw;
use crate::support::{alice, at, fresh_prefix, key, name, record};

#[tokio::test]
async fn a_list_goes_on_behind_its_last_entry_whatever_was_removed_before_it() {
    for url in [redis(), redis_cluster()] {
        let users = Users::new(url).await;
        // Many end at the same time, as all sessions without a limit do.
        for n in 0..60 {
            users.put(n, n / 20).await;
        }
        let mut seen = BTreeSet::new();
        let first = users.store.list(&alice(), None, 25).await.unwrap();
        assert_eq!(first.items.len(), 25);
        seen.extend(first.items.iter().map(|entry| entry.key));
        // All that were seen, the one that the walk stands on among them.
        for seen in &seen {
            users.forget(seen).await;
        }
        let rest = users.walk(first.next, 7).await;
        assert_eq!(rest.len(), 35, "each is seen once");
        seen.extend(rest);
        assert_eq!(seen, (0..60).map(key).collect());
        users.clear().await;
    }
}

#[tokio::test]
async fn a_list_sees_a_record_whose_end_moves_meanwhile() {
    let users = Users::new(redis()).await;
    for n in 0..30 {
        users.put(n, n).await;
    }
    let first = users.store.list(&alice(), None, 10).await.unwrap();
    // One that was seen, and one that was not.
    for n in [3, 12] {
        users.store.enroll(&alice(), &key(n), at(0), at(90_000)).await.unwrap();
    }
    let rest: BTreeSet<Key> = users.walk(first.next, 10).await.into_iter().collect();
    assert_eq!(rest, (10..30).chain([3]).map(key).collect());
    users.clear().await;
}

#[tokio::test]
async fn all_of_a_user_are_ended_though_they_fill_several_pages() {
    let users = Users::new(redis()).await;
    let mut redis = Raw::connect(redis()).await;
    let mut fill = redis::cmd("ZADD");
    fill.arg(format!("{}user:alice:", users.prefix));
    for n in 100..2_600 {
        fill.arg(at(n).as_millis()).arg(key(n).to_string());
    }
    let _: i64 = redis.call(&fill).await;
    for n in [100, 1_099, 1_100, 1_101, 2_599] {
        users.put(n, 0).await;
    }
    assert_eq!(users.walk(None, 10_000).await.len(), 5, "pages have a limit of their own");
    assert_eq!(users.store.end_all(&alice(), Some(&key(1_100))).await.unwrap(), 4);
    assert_eq!(users.walk(None, 500).await, [key(1_100)]);
    users.clear().await;
}

#[tokio::test]
async fn neither_lists_nor_counts_nor_ends_send_data() {
    let server = Redis::start();
    let store = RedisStore::connect(server.url()).await.unwrap();
    let large = Record::new(Revision::new(1), at(60_000), vec![7; 100_000]).with_subject(alice());
    for n in 0..20 {
        store.enroll(&alice(), &key(n), at(0), at(0)).await.unwrap();
        store.create(&key(n), &large, at(0)).await.unwrap();
    }
    let mut redis = Raw::connect(server.url()).await;
    let before = redis.sent_bytes().await;
    assert_eq!(store.list(&alice(), None, 100).await.unwrap().items.len(), 20);
    assert_eq!(store.count(at(0)).await.unwrap(), 20);
    assert_eq!(store.count(at(60_000)).await.unwrap(), 0, "what expires then is not alive then");
    assert_eq!(store.end_all(&alice(), None).await.unwrap(), 20);
    let sent = redis.sent_bytes().await - before;
    assert!(sent < 100_000, "{sent} bytes");
}

/// What is sent is what the store has in memory at most: here half a gigabyte would be.
#[tokio::test]
async fn what_a_user_with_thousands_of_large_sessions_costs_does_not_grow_with_them() {
    let server = Redis::start();
    let store = RedisStore::builder().deadline(Duration::from_secs(60)).connect(server.url()).await.unwrap();
    let mut redis = Raw::connect(server.url()).await;
    for setting in [["appendonly", "no"], ["save", ""]] {
        let _: () = redis.call(redis::cmd("CONFIG").arg("SET").arg(&setting)).await;
    }
    for n in 0..SESSIONS {
        let mut new = redis::cmd("EVAL");
        new.arg(LARGE_SESSION).arg(2).arg(name(&key(n))).arg("cloakroom:user:alice:");
        new.arg(&prefix(&key(n))).arg(key(n).to_string()).arg(at(n).as_millis());
        let _: () = redis.call(&new).await;
    }

    let before = redis.sent_bytes().await;
    let (mut seen, mut cursor) = (0, None);
    loop {
        let page = store.list(&alice(), cursor.as_ref(), 50).await.unwrap();
        assert!(page.items.len() <= 50);
        seen += page.items.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen as u64, SESSIONS);
    assert_eq!(store.end_all(&alice(), Some(&key(7))).await.unwrap() as u64, SESSIONS - 1);
    let sent = redis.sent_bytes().await - before;
    assert!(sent < 400 * SESSIONS, "{sent} bytes");
}

const SESSIONS: u64 = 8_000;

/// As the store writes it, with 64 KB of data.
const LARGE_SESSION: &str = "redis.call('HSET', KEYS[1], 'd', ARGV[1] .. string.rep('x', 65536), 'r', '1', \
    'e', '0000004102444860000', 's', 'alice') redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])";

#[tokio::test]
async fn the_cursor_of_another_store_is_refused() {
    let users = Users::new(redis()).await;
    for other in ["", "x", ":", "1:", "x:y"] {
        let error = users.store.list(&alice(), Some(&Cursor::new(other)), 10).await.unwrap_err();
        assert_eq!(error.kind(), cloakroom_store::ErrorKind::Other, "{other}");
    }
}

/// A store of its own with records of alice.
struct Users {
    url: &'static str,
    prefix: String,
    store: RedisStore,
}

impl Users {
    async fn new(url: &'static str) -> Self {
        let prefix = fresh_prefix();
        let store = RedisStore::builder().prefix(&prefix).connect(url).await.unwrap();
        Self { url, prefix, store }
    }

    async fn put(&self, n: u64, end: u64) {
        self.store.enroll(&alice(), &key(n), at(0), at(end)).await.unwrap();
        self.store.create(&key(n), &record(1).with_subject(alice()), at(0)).await.unwrap();
    }

    /// Removes a key from the index, as its time being over does.
    async fn forget(&self, key: &Key) {
        let mut forget = redis::cmd("ZREM");
        forget.arg(format!("{}user:alice:", self.prefix)).arg(key.to_string());
        assert_eq!(Raw::connect(self.url).await.call::<i64>(&forget).await, 1);
    }

    async fn walk(&self, mut cursor: Option<Cursor>, limit: usize) -> Vec<Key> {
        let mut seen = Vec::new();
        loop {
            let page = self.store.list(&alice(), cursor.as_ref(), limit).await.unwrap();
            seen.extend(page.items.iter().map(|entry| entry.key));
            match page.next {
                Some(next) => cursor = Some(next),
                None => return seen,
            }
        }
    }

    async fn clear(self) {
        Raw::connect(self.url).await.clear(&self.prefix).await;
    }
}
