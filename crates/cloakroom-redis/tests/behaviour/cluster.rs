//! A cluster whose keys move.

use std::time::Duration;

use cloakroom_redis::RedisStore;
use cloakroom_store::{Applied, ErrorKind, Leases, Revision, Scan, Store};
use cloakroom_test_services::server::RedisCluster;

use crate::support::raw::{Raw, nodes, set_slot};
use crate::support::{at, claim, key, name, now, record};

#[tokio::test]
async fn a_key_is_found_while_it_moves_and_after() {
    let server = RedisCluster::start();
    let store = RedisStore::connect(server.url()).await.unwrap();
    // One that is there when its slot begins to move, and one that comes to be meanwhile.
    let [old, new] = two_of_one_slot();
    store.create(&old, &record(1), at(0)).await.unwrap();
    let slot = Raw::connect(server.url()).await.slot_of(&name(&old)).await;
    let mut counted = Vec::new();
    for url in nodes(server.url()) {
        let mut raw = Raw::connect(&url).await;
        let id = raw.id().await;
        let count: usize = raw.call(redis::cmd("CLUSTER").arg("COUNTKEYSINSLOT").arg(slot)).await;
        counted.push((count, raw, id, url));
    }
    counted.sort_by_key(|(count, ..)| *count);
    let (_, mut from, from_id, _) = counted.pop().unwrap();
    let (_, mut to, to_id, to_url) = counted.pop().unwrap();

    let _: () = to.call(&set_slot(slot, "IMPORTING", &from_id)).await;
    let _: () = from.call(&set_slot(slot, "MIGRATING", &to_id)).await;
    assert_eq!(store.load(&old).await.unwrap(), Some(record(1)), "it has not moved yet");
    assert_eq!(store.load(&new).await.unwrap(), None);
    store.create(&new, &record(5), at(0)).await.expect("where new keys of that slot go");
    assert_eq!(store.load(&new).await.unwrap(), Some(record(5)));
    store.replace(&new, &record(6), Revision::new(5), at(0)).await.unwrap();

    let (host, port) = to_url.strip_prefix("redis://").unwrap().split_once(':').unwrap();
    let mut migrate = redis::cmd("MIGRATE");
    migrate.arg(host).arg(port).arg(name(&old)).arg(0).arg(5_000);
    let _: () = from.call(&migrate).await;
    store.replace(&old, &record(2), Revision::new(1), at(0)).await.expect("it has moved");

    for raw in [&mut to, &mut from] {
        let _: () = raw.call(&set_slot(slot, "NODE", &to_id)).await;
    }
    assert_eq!(store.load(&old).await.unwrap(), Some(record(2)));
    assert_eq!(store.load(&new).await.unwrap(), Some(record(6)));
    store.acquire(&old, &claim(1)).await.unwrap();
    assert_eq!(store.count(at(0)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_node_that_is_away_fails_only_calls_and_comes_back() {
    let mut server = RedisCluster::start();
    let store = RedisStore::connect(server.url()).await.unwrap();
    for n in 0..30 {
        store.create(&key(n), &record(1), at(0)).await.unwrap();
    }
    server.kill_one(0);
    let mut failed = 0;
    for n in 0..30 {
        match store.load(&key(n)).await {
            Ok(found) => assert_eq!(found, Some(record(1))),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable(Applied::No));
                failed += 1;
            }
        }
    }
    assert!(failed > 0, "a third of the keys is away");
    server.start_again();
    let back = now();
    for n in 0..30 {
        while let Err(error) = store.load(&key(n)).await {
            assert!(back.elapsed() < Duration::from_secs(2), "service resumes within two seconds: {error:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        store.replace(&key(n), &record(2), Revision::new(1), at(0)).await.unwrap();
    }
}

#[tokio::test]
async fn a_cluster_without_one_of_its_nodes_can_be_connected_to() {
    let mut server = RedisCluster::start_with(&["--cluster-require-full-coverage", "no"]);
    server.kill_one(0);
    let store = RedisStore::connect(server.url()).await.unwrap();
    let mut served = 0;
    for n in 0..20 {
        match store.create(&key(n), &record(1), at(0)).await {
            Ok(()) => served += 1,
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Unavailable(_)), "{error:?}"),
        }
    }
    assert!((1..20).contains(&served), "{served} of 20, where two thirds have a node");
}

#[tokio::test]
async fn a_walk_does_not_go_on_where_its_node_is_none_any_more() {
    let server = RedisCluster::start();
    let store = RedisStore::connect(server.url()).await.unwrap();
    for n in 0..100 {
        store.create(&key(n), &record(1), at(0)).await.unwrap();
    }
    let cursor = store.page(None, 10).await.unwrap().next.unwrap();
    let (position, tour) = std::str::from_utf8(cursor.as_bytes()).unwrap().split_once('/').unwrap();
    store.page(Some(&cursor), 10).await.unwrap();
    // Another node, and other nodes beside it.
    for gone in [format!("0@192.0.2.1:6379/{tour}"), format!("{position}/0123456789abcdef")] {
        let error = store.page(Some(&cloakroom_store::Cursor::new(gone)), 10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable(Applied::No));
    }
    for other in ["", "x", "12@", "1@host", "1@host:1", "-1"] {
        let error = store.page(Some(&cloakroom_store::Cursor::new(other)), 10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other, "{other}");
    }
}

/// Two keys in one slot.
fn two_of_one_slot() -> [cloakroom_store::Key; 2] {
    let mut seen = std::collections::HashMap::new();
    (0..).find_map(|n| Some([seen.insert(crc16(&name(&key(n))) % 16_384, key(n))?, key(n)])).unwrap()
}

/// CRC-16/XMODEM, which a cluster chooses a key's slot by.
fn crc16(name: &str) -> u16 {
    name.bytes().fold(0, |crc, byte| {
        (0..8)
            .fold(crc ^ u16::from(byte) << 8, |crc, _| crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
    })
}
