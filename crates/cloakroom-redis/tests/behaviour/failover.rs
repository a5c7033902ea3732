//! Sentinels make the replica the primary.

use std::time::Duration;

use cloakroom_redis::RedisStore;
use cloakroom_store::{Applied, ErrorKind, Revision, Store};
use cloakroom_test_services::server::{Redis, RedisSentinel};

use crate::support::fake::Fake;
use crate::support::raw::Raw;
use crate::support::{at, key, now, record};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_the_new_primary_is_used() {
    let mut server = RedisSentinel::start();
    let store = RedisStore::connect(server.url()).await.unwrap();
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    // The replica has it as well.
    let _: i64 = Raw::connect(server.url()).await.call(redis::cmd("WAIT").arg(1).arg(5_000)).await;
    server.kill_primary();
    let start = now();
    let found = loop {
        match store.load(&key(1)).await {
            Ok(found) => break found,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable(Applied::No)),
        }
        assert!(start.elapsed() < Duration::from_secs(20), "the replica was not found");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(found, Some(record(1)));
    store.replace(&key(1), &record(2), Revision::new(1), at(0)).await.expect("it takes writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_became_a_replica_is_left_after_one_refusal() {
    let (one, other) = (Redis::start(), Redis::start());
    let store = RedisStore::connect(one.url()).await.unwrap();
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    let mut raw = Raw::connect(one.url()).await;
    let port = other.url().rsplit(':').next().unwrap();
    let _: () = raw.call(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(port)).await;
    let before = raw.connections().await;
    let refused = store.replace(&key(1), &record(2), Revision::new(1), at(0)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable(Applied::No));
    let _: () = raw.call(redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await;
    store.create(&key(2), &record(1), at(0)).await.unwrap();
    assert_eq!(raw.connections().await, before + 1, "a new one, to whoever has that address now");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentinel_that_knows_of_the_latest_failover_is_believed() {
    let (old, new) = (Redis::start(), Redis::start());
    // The first one answers at once, and has not noticed that another was chosen.
    let sentinels = [(&old, 9, 0), (&new, 10, 30)].map(|(primary, epoch, pause)| async move {
        let sentinel = Fake::bind().await;
        let url = format!("127.0.0.1:{}", sentinel.port);
        let port = primary.url().rsplit(':').next().unwrap().to_owned();
        sentinel.serve(move |command| {
            std::thread::sleep(Duration::from_millis(pause));
            Some(match command {
                "SENTINEL GET-MASTER-ADDR-BY-NAME name" => {
                    format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len())
                }
                "SENTINEL MASTER name" => {
                    format!("%2\r\n+name\r\n+name\r\n+config-epoch\r\n+{epoch}\r\n")
                }
                other => panic!("{other}"),
            })
        });
        url
    });
    let [one, other] = sentinels;
    let url = format!("redis+sentinel://{},{}/name", one.await, other.await);
    let store = RedisStore::connect(&url).await.unwrap();
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    assert_eq!(Raw::connect(new.url()).await.names("cloakroom:").await.len(), 1);
    assert_eq!(Raw::connect(old.url()).await.names("cloakroom:").await.len(), 0);
}

#[tokio::test]
async fn a_server_that_is_no_primary_is_not_used_whatever_the_sentinels_say() {
    let server = RedisSentinel::start();
    let mut primary = Raw::connect(server.url()).await;
    // They take their time to find that out.
    let _: () = primary.call(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1)).await;
    let error = RedisStore::connect(server.url()).await.unwrap_err().to_string();
    assert!(error.contains("not a primary"), "{error}");
}

#[tokio::test]
async fn a_name_that_no_sentinel_knows_is_one_clear_line() {
    let server = RedisSentinel::start();
    let url = server.url().replace("/cloakroom", "/other");
    let error = RedisStore::connect(&url).await.unwrap_err().to_string();
    assert!(error.contains("check the name after the last slash"), "{error}");
    assert_eq!(error.lines().count(), 1);
}
