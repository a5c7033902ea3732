//! The server goes away and comes back.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_redis::RedisStore;
use cloakroom_store::{Applied, ErrorKind, LeaseId, Leases, Revision, Store};
use cloakroom_test_services::server::{Redis, RedisCluster};

use crate::support::raw::Raw;
use crate::support::{at, claim, key, now, record};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_crash_with_an_append_only_file() {
    let mut server = Redis::start();
    let store = RedisStore::connect(server.url()).await.unwrap();
    for n in 0..50 {
        store.create(&key(n), &record(1), at(0)).await.unwrap();
        store.replace(&key(n), &record(2), Revision::new(1), at(0)).await.unwrap();
    }
    server.kill();
    server.start_again();
    for n in 0..50 {
        assert_eq!(store.load(&key(n)).await.unwrap(), Some(record(2)));
        store
            .replace(&key(n), &record(3), Revision::new(2), at(0))
            .await
            .expect("its scripts are known again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_nobody_saw_fails_nothing() {
    let mut server = Redis::start();
    let store = RedisStore::connect(server.url()).await.unwrap();
    for n in 0..5 {
        store.create(&key(n), &record(1), at(0)).await.unwrap();
        server.stop();
        server.start_again();
        store
            .replace(&key(n), &record(2), Revision::new(1), at(0))
            .await
            .expect("a new connection, and no error first");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_calls_fail_at_once_and_certainly_change_nothing() {
    let mut server = Redis::start();
    let store = RedisStore::connect(server.url()).await.unwrap();
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    server.kill();
    // The connection's end has been seen when the first load has failed.
    store.load(&key(1)).await.unwrap_err();
    let start = now();
    for _ in 0..20 {
        let load = store.load(&key(1)).await.unwrap_err();
        assert_eq!(load.kind(), ErrorKind::Unavailable(Applied::No));
        let replace = store.replace(&key(1), &record(2), Revision::new(1), at(0)).await.unwrap_err();
        assert_eq!(replace.kind(), ErrorKind::Unavailable(Applied::No));
    }
    assert!(start.elapsed() < Duration::from_secs(2), "a refused connection is an answer");
    server.start_again();
    assert_eq!(
        store.load(&key(1)).await.unwrap(),
        Some(record(1)),
        "the first call after its return is served"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_gets_no_answer_is_made_once_and_may_have_been_made() {
    let mut server = Redis::start();
    let store = RedisStore::builder().deadline(Duration::from_millis(300));
    let store = store.connect(server.url()).await.unwrap();
    store.create(&key(1), &record(0), at(0)).await.unwrap();
    // The server knows the script from here on.
    store.replace(&key(1), &record(1), Revision::new(0), at(0)).await.unwrap();
    server.pause();
    let replace = store.replace(&key(1), &record(2), Revision::new(1), at(0)).await.unwrap_err();
    assert_eq!(replace.kind(), ErrorKind::Unavailable(Applied::Maybe));
    let load = store.load(&key(1)).await.unwrap_err();
    assert_eq!(load.kind(), ErrorKind::Unavailable(Applied::No));
    server.resume();
    let back = now();
    // The next calls take another connection, and may be there before it.
    while store.load(&key(1)).await.unwrap() != Some(record(2)) {
        assert!(back.elapsed() < Duration::from_secs(5), "what was sent is made");
        tokio::task::yield_now().await;
    }
    store.replace(&key(1), &record(1), Revision::new(2), at(0)).await.expect("and nobody sends it again");
    assert_eq!(store.load(&key(1)).await.unwrap(), Some(record(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_swallows_everything_is_given_up_after_the_deadline() {
    let mut server = Redis::start();
    let settings = RedisStore::builder().deadline(Duration::from_millis(300));
    let store = settings.connect(server.url()).await.unwrap();
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    let mut raw = Raw::connect(server.url()).await;
    let before = raw.connections().await;
    // Nothing breaks, and nothing is answered.
    server.pause();
    store.load(&key(1)).await.unwrap_err();
    server.resume();
    assert_eq!(store.load(&key(1)).await.unwrap(), Some(record(1)));
    assert_eq!(raw.connections().await, before + 1, "the old one is not used again");
}

#[tokio::test]
async fn a_write_whose_connection_breaks_is_not_sent_again() {
    for server in [&*Redis::start(), &*RedisCluster::start()] {
        let store = Arc::new(RedisStore::connect(server.url()).await.unwrap());
        store.create(&key(1), &record(0), at(0)).await.unwrap();
        store.replace(&key(1), &record(1), Revision::new(0), at(0)).await.unwrap();
        let mut raw = Raw::connect(server.url()).await;
        // The server takes the write, but does not make it until its connection is gone.
        raw.everywhere("CLIENT PAUSE 60000 WRITE").await;
        let writer = Arc::clone(&store);
        let replace =
            tokio::spawn(async move { writer.replace(&key(1), &record(2), Revision::new(1), at(0)).await });
        while !raw.everywhere("INFO clients").await.concat().contains("blocked_clients:1") {
            tokio::task::yield_now().await;
        }
        raw.everywhere("CLIENT KILL TYPE normal").await;
        raw.everywhere("CLIENT UNPAUSE").await;
        let lost = replace.await.unwrap().unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::Unavailable(Applied::Maybe));
        let start = now();
        while start.elapsed() < Duration::from_secs(1) {
            if let Ok(found) = store.load(&key(1)).await {
                assert_eq!(found, Some(record(1)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        store.replace(&key(1), &record(2), Revision::new(1), at(0)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_survives_a_restart() {
    let mut server = Redis::start();
    let holder = RedisStore::connect(server.url()).await.unwrap();
    let waiter = RedisStore::connect(server.url()).await.unwrap();
    holder.create(&key(1), &record(1), at(0)).await.unwrap();
    holder.acquire(&key(1), &claim(1)).await.unwrap();
    let waiting = tokio::spawn(async move {
        let start = now();
        waiter.wait(&key(1), Duration::from_secs(60)).await.unwrap();
        (waiter, start.elapsed())
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.kill();
    let (waiter, waited) = waiting.await.unwrap();
    assert!(
        waited < Duration::from_millis(900),
        "it is told to look when the connection is lost: {waited:?}"
    );
    server.start_again();
    let waiting = tokio::spawn(async move {
        loop {
            waiter.wait(&key(1), Duration::from_secs(60)).await.unwrap();
            if waiter.acquire(&key(1), &claim(2)).await.unwrap() != cloakroom_store::Acquired::Busy(None) {
                return;
            }
        }
    });
    assert!(holder.release(&key(1), LeaseId::new(1)).await.unwrap(), "leases survive as records do");
    tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_away_is_used_again() {
    let mut server = RedisCluster::start();
    let store = RedisStore::connect(server.url()).await.unwrap();
    for n in 0..20 {
        store.create(&key(n), &record(1), at(0)).await.unwrap();
    }
    server.kill();
    for n in 0..20 {
        assert!(matches!(store.load(&key(n)).await.unwrap_err().kind(), ErrorKind::Unavailable(_)));
        let replace = store.replace(&key(n), &record(2), Revision::new(1), at(0)).await.unwrap_err();
        assert!(matches!(replace.kind(), ErrorKind::Unavailable(_)));
    }
    server.start_again();
    let back = now();
    for n in 0..20 {
        while store.load(&key(n)).await.is_err() {
            assert!(back.elapsed() < Duration::from_secs(2), "service resumes within two seconds");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(store.load(&key(n)).await.unwrap(), Some(record(1)));
        store.replace(&key(n), &record(2), Revision::new(1), at(0)).await.unwrap();
    }
}
