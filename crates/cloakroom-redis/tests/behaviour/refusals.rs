//! What the server refuses, and what the store makes of it.

use std::time::Duration;

use cloakroom_redis::RedisStore;
use cloakroom_store::{Applied, Error, ErrorKind, LeaseId, Leases, Record, Revision, Scan, Store, Subjects};
use cloakroom_test_services::server::{Redis, RedisCluster};

use crate::support::raw::{Raw, nodes};
use crate::support::{alice, at, claim, key, name, record};

#[tokio::test]
async fn a_server_without_room_is_full_and_nothing_changes() {
    let (_server, store, mut redis) = start().await;
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    store.create(&key(2), &record(1), at(0)).await.unwrap();
    store.acquire(&key(2), &claim(1)).await.unwrap();
    set(&mut redis, "maxmemory", "1").await;

    is(ErrorKind::Full, store.create(&key(3), &record(1), at(0)).await);
    is(ErrorKind::Full, store.replace(&key(1), &record(2), Revision::new(1), at(0)).await);
    is(ErrorKind::Full, store.acquire(&key(1), &claim(1)).await);
    let saved =
        store.replace_and_release(&key(2), &record(2), Revision::new(1), LeaseId::new(1), at(0)).await;
    is(ErrorKind::Full, saved);
    for n in [1, 2] {
        assert_eq!(store.load(&key(n)).await.unwrap(), Some(record(1)));
    }
    assert_eq!(store.load(&key(3)).await.unwrap(), None);
    assert!(store.renew(&key(2), &claim(1)).await.unwrap(), "what needs no room is done");
    assert!(store.release(&key(2), LeaseId::new(1)).await.unwrap());
    assert!(store.touch(&key(2), at(0), at(90_000)).await.unwrap());
    assert_eq!(store.load(&key(2)).await.unwrap().unwrap().expires_at, at(90_000));
    assert!(store.delete(&key(1)).await.unwrap());
}

#[tokio::test]
async fn a_server_that_takes_no_writes_for_now_changes_nothing() {
    let (_server, store, mut redis) = start().await;
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    // It wants a replica, and has none: `NOREPLICAS`.
    set(&mut redis, "min-replicas-to-write", "1").await;
    is(NOT_NOW, store.replace(&key(1), &record(2), Revision::new(1), at(0)).await);
    is(NOT_NOW, store.delete(&key(1)).await);
    assert_eq!(store.load(&key(1)).await.unwrap(), Some(record(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_with_a_script_changes_nothing() {
    let (server, store, mut redis) = start().await;
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    set(&mut redis, "lua-time-limit", "50").await;
    let mut other = Raw::connect(server.url()).await;
    let endless = tokio::spawn(async move {
        let mut endless = redis::cmd("EVAL");
        endless.arg("while true do end").arg(0);
        other.try_call::<()>(&endless).await.unwrap_err();
    });
    // Until the script runs, replaces succeed; then the first waits for `BUSY`.
    let mut revision = 1;
    let refused = loop {
        match store.replace(&key(1), &record(revision + 1), Revision::new(revision), at(0)).await {
            Ok(()) => revision += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), NOT_NOW);
    is(NOT_NOW, store.load(&key(1)).await);
    let _: () = redis.call(redis::cmd("SCRIPT").arg("KILL")).await;
    endless.await.unwrap();
    assert_eq!(store.load(&key(1)).await.unwrap(), Some(record(revision)));
}

#[tokio::test]
async fn another_kind_of_key_is_corrupt_and_stays() {
    let (_server, store, mut redis) = start().await;
    let name = name(&key(1));
    let _: () = redis.call(redis::cmd("SET").arg(&name).arg("somebody else's")).await;
    is(ErrorKind::Corrupt, store.load(&key(1)).await);
    is(ErrorKind::Exists, store.create(&key(1), &record(1), at(0)).await);
    is(ErrorKind::Corrupt, store.replace(&key(1), &record(1), Revision::new(1), at(0)).await);
    is(ErrorKind::Corrupt, store.touch(&key(1), at(0), at(1)).await);
    is(ErrorKind::Corrupt, store.acquire(&key(1), &claim(1)).await);
    let kept: String = redis.call(redis::cmd("GET").arg(&name)).await;
    assert_eq!(kept, "somebody else's");
}

#[tokio::test]
async fn a_damaged_record_is_not_kept_leased() {
    let (_server, store, mut redis) = start().await;
    let name = name(&key(1));
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    let mut bytes: Vec<u8> = redis.call(redis::cmd("HGET").arg(&name).arg("d")).await;
    *bytes.last_mut().unwrap() ^= 1;
    let _: i64 = redis.call(redis::cmd("HSET").arg(&name).arg("d").arg(&bytes)).await;
    is(ErrorKind::Corrupt, store.acquire(&key(1), &claim(1)).await);
    let holder: Option<String> = redis.call(redis::cmd("HGET").arg(&name).arg("l")).await;
    assert_eq!(holder, None, "nobody has it");
    is(ErrorKind::Corrupt, store.acquire(&key(1), &claim(2)).await);
}

#[tokio::test]
async fn all_sessions_that_can_be_ended_are_when_one_cannot() {
    let (_server, store, mut redis) = start().await;
    let alice = alice();
    for n in 0..200 {
        store.enroll(&alice, &key(n), at(0), at(n)).await.unwrap();
        store.create(&key(n), &record(1).with_subject(alice.clone()), at(0)).await.unwrap();
    }
    // Everything but the first of them.
    let mut rights = redis::cmd("ACL");
    rights.arg("SETUSER").arg("default").arg("resetkeys");
    rights.arg(&[
        "~cloakroom:user:*",
        "~cloakroom:00000000000000?[1-9a-f]*",
        "~cloakroom:00000000000000[1-9a-f]*",
    ]);
    let _: () = redis.call(&rights).await;
    let error = store.end_all(&alice, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable(Applied::Maybe));
    let _: () = redis.call(redis::cmd("ACL").arg(&["SETUSER", "default", "allkeys"])).await;
    assert_eq!(store.count(at(0)).await.unwrap(), 1);

    let name = name(&key(1));
    let _: () = redis.call(redis::cmd("SET").arg(&name).arg("somebody else's")).await;
    assert_eq!(store.end_all(&alice, None).await.unwrap(), 1, "what is no session is none of theirs");
    assert_eq!(store.load(&key(0)).await.unwrap(), None);
}

#[tokio::test]
async fn fields_that_do_not_agree_are_corrupt() {
    let (_server, store, mut redis) = start().await;
    let name = name(&key(1));
    for (field, value) in [("s", "mallory"), ("r", "x"), ("e", ""), ("d", "CR")] {
        store.create(&key(1), &record(1), at(0)).await.unwrap();
        let _: i64 = redis.call(redis::cmd("HSET").arg(&name).arg(field).arg(value)).await;
        is(ErrorKind::Corrupt, store.load(&key(1)).await);
        assert!(store.delete(&key(1)).await.unwrap());
    }
    for field in ["d", "r", "e", "s"] {
        store.create(&key(1), &record(1), at(0)).await.unwrap();
        let _: i64 = redis.call(redis::cmd("HDEL").arg(&name).arg(field)).await;
        is(ErrorKind::Corrupt, store.load(&key(1)).await);
        assert!(store.delete(&key(1)).await.unwrap());
    }
}

#[tokio::test]
async fn more_than_the_limit_is_too_large_and_is_not_sent() {
    let (_server, store, _redis) = start().await;
    let with = |len: usize| Record::new(Revision::new(2), at(60_000), vec![7; len]);
    store.create(&key(1), &with(RedisStore::MAX_DATA_LEN), at(0)).await.unwrap();
    is(ErrorKind::TooLarge, store.create(&key(2), &with(RedisStore::MAX_DATA_LEN + 1), at(0)).await);
    let too_much = with(RedisStore::MAX_DATA_LEN + 1);
    is(ErrorKind::TooLarge, store.replace(&key(1), &too_much, Revision::new(2), at(0)).await);
    assert_eq!(store.load(&key(1)).await.unwrap(), Some(with(RedisStore::MAX_DATA_LEN)));
}

/// As a server of a later release leaves it: with fields that are not known here.
#[tokio::test]
async fn a_record_of_a_later_version_is_neither_overwritten_nor_kept_leased() {
    let (_server, store, mut redis) = start().await;
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    let mut bytes: Vec<u8> = redis.call(redis::cmd("HGET").arg(name(&key(1))).arg("d")).await;
    bytes[2] = 2;
    let _: i64 = redis.call(redis::cmd("HSET").arg(name(&key(1))).arg("d").arg(&bytes)).await;
    let known = ErrorKind::UnknownVersion;
    is(known, store.replace(&key(1), &record(2), Revision::new(1), at(0)).await);
    is(known, store.replace_and_release(&key(1), &record(2), Revision::new(1), LeaseId::new(1), at(0)).await);
    is(known, store.touch(&key(1), at(0), at(90_000)).await);
    is(known, store.acquire(&key(1), &claim(1)).await);
    let kept: Vec<u8> = redis.call(redis::cmd("HGET").arg(name(&key(1))).arg("d")).await;
    assert_eq!(kept, bytes);
    let holder: Option<String> = redis.call(redis::cmd("HGET").arg(name(&key(1))).arg("l")).await;
    assert_eq!(holder, None);
    is(ErrorKind::Exists, store.create(&key(1), &record(2), at(0)).await);
    assert!(store.delete(&key(1)).await.unwrap(), "it can be ended");
}

#[tokio::test]
async fn a_right_that_is_missing_is_refused_and_not_shown_as_an_outage() {
    let (_server, store, mut redis) = start().await;
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    let take = |right: &str| {
        let mut take = redis::cmd("ACL");
        take.arg(&["SETUSER", "default", &format!("-{right}")]);
        take
    };
    let _: () = redis.call(&take("zcard")).await;
    let mut refused = vec![store.list(&alice(), None, 10).await.unwrap_err()];
    let _: () = redis.call(&take("hmget")).await;
    let _: () = redis.call(&take("evalsha")).await;
    refused.push(store.load(&key(1)).await.unwrap_err());
    refused.push(store.replace(&key(1), &record(2), Revision::new(1), at(0)).await.unwrap_err());
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(format!("{error:?}").contains("lacks a right"), "{error:?}");
    }
}

#[tokio::test]
async fn a_node_of_a_cluster_that_was_opened_as_a_single_server_is_refused() {
    let cluster = RedisCluster::start();
    let store = RedisStore::connect(&nodes(cluster.url())[0]).await.unwrap();
    let mut refused = 0;
    for n in 0..20 {
        match store.create(&key(n), &record(1), at(0)).await {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Refused);
                assert!(format!("{error:?}").contains("redis+cluster"), "{error:?}");
                refused += 1;
            }
        }
    }
    assert!((1..20).contains(&refused), "{refused} of 20, where the node has a third of the keys");
}

async fn start() -> (Redis, RedisStore, Raw) {
    let server = Redis::start();
    let store = RedisStore::builder().deadline(Duration::from_secs(20)).connect(server.url()).await.unwrap();
    let redis = Raw::connect(server.url()).await;
    (server, store, redis)
}

async fn set(redis: &mut Raw, name: &str, value: &str) {
    let _: () = redis.call(redis::cmd("CONFIG").arg("SET").arg(name).arg(value)).await;
}

#[track_caller]
fn is<T: std::fmt::Debug>(kind: ErrorKind, result: Result<T, Error>) {
    let found = result.as_ref().map_err(Error::kind);
    assert!(found.is_err_and(|found| found == kind), "expected {kind:?}, got {result:?}");
}

const NOT_NOW: ErrorKind = ErrorKind::Unavailable(Applied::No);
