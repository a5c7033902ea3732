//! How often the server is asked, as it sees it.

use cloakroom_redis::RedisStore;
use cloakroom_store::{Acquired, LeaseId, Leases, Revision, Store, Subjects};
use cloakroom_test_services::server::Redis;

use crate::support::monitor::Monitor;
use crate::support::raw::Raw;
use crate::support::{alice, at, claim, key, record, with};

#[tokio::test]
async fn each_call_is_one_round_trip() {
    let server = Redis::start();
    let store = RedisStore::connect(server.url()).await.unwrap();
    warm_up(&store).await;
    let mut monitor = Monitor::of(server.url());
    let mut asked = || monitor.commands(server.url());

    store.create(&key(1), &record(1), at(0)).await.unwrap();
    assert_eq!(asked(), ["EVALSHA"]);
    store.load(&key(1)).await.unwrap().unwrap();
    assert_eq!(asked(), ["HMGET"]);
    store.replace(&key(1), &record(2), Revision::new(1), at(0)).await.unwrap();
    assert_eq!(asked(), ["EVALSHA"]);
    assert!(store.touch(&key(1), at(0), at(90_000)).await.unwrap());
    assert_eq!(asked(), ["EVALSHA"]);
    store.acquire(&key(1), &claim(1)).await.unwrap();
    assert_eq!(asked(), ["EVALSHA"], "the lock and the record");
    let mismatch = store.acquire(&key(1), &claim(1).guarded([0; 16])).await.unwrap();
    assert_eq!(mismatch, Acquired::Mismatch(with(record(2), |record| record.expires_at = at(90_000))));
    assert_eq!(asked(), ["EVALSHA"], "the guard and the record");
    store.replace_and_release(&key(1), &record(3), Revision::new(2), LeaseId::new(1), at(0)).await.unwrap();
    assert_eq!(asked(), ["EVALSHA"], "the save and the unlock");
    assert_eq!(store.enroll(&alice(), &key(1), at(0), at(1)).await.unwrap(), 2);
    assert_eq!(asked(), ["EVALSHA"], "the entry and the count");
    assert!(store.delete(&key(1)).await.unwrap());
    assert_eq!(asked(), ["EVALSHA"]);
    assert_eq!(store.purge(at(0), 1_000).await.unwrap(), 0);
    assert_eq!(asked(), [""; 0], "Redis removes what has expired by itself");
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_costs_one_more_round_trip_once() {
    let server = Redis::start();
    let store = RedisStore::connect(server.url()).await.unwrap();
    warm_up(&store).await;
    let _: () = Raw::connect(server.url()).await.call(redis::cmd("SCRIPT").arg("FLUSH")).await;
    let mut monitor = Monitor::of(server.url());

    store.create(&key(1), &record(1), at(0)).await.unwrap();
    assert_eq!(monitor.commands(server.url()), ["EVALSHA", "EVAL"]);
    store.create(&key(2), &record(1), at(0)).await.unwrap();
    assert_eq!(monitor.commands(server.url()), ["EVALSHA"]);
}

/// Lets the server see every script once.
async fn warm_up(store: &RedisStore) {
    store.create(&key(0), &record(1), at(0)).await.unwrap();
    store.replace(&key(0), &record(2), Revision::new(1), at(0)).await.unwrap();
    store.touch(&key(0), at(0), at(1)).await.unwrap();
    store.acquire(&key(0), &claim(1)).await.unwrap();
    store.replace_and_release(&key(0), &record(3), Revision::new(2), LeaseId::new(1), at(0)).await.unwrap();
    store.enroll(&alice(), &key(0), at(0), at(1)).await.unwrap();
    store.delete(&key(0)).await.unwrap();
}
