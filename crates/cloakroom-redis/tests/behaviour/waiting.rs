//! Who waits for a lease is called when its turn has come, and never by a timer alone.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_redis::RedisStore;
use cloakroom_store::{Acquired, LeaseId, Leases, Revision, Store};
use cloakroom_test_services::{redis, redis_cluster};
use tokio::task::JoinHandle;

use crate::support::raw::Raw;
use crate::support::{at, claim, claim_for, fresh_prefix, key, now, record};

#[tokio::test(flavor = "multi_thread")]
async fn a_release_wakes_a_waiter_of_another_store_at_once() {
    for url in [redis(), redis_cluster()] {
        let stores = Stores::new(url, 2).await;
        let [holder, waiter] = &stores.stores[..] else { unreachable!() };
        let mut times = Vec::new();
        for n in 0..20 {
            held(holder, n).await;
            let waiting = stores.wait(waiter, n, 1).await;
            let released = now();
            assert!(holder.release(&key(n), LeaseId::new(1)).await.unwrap());
            waiting.await.unwrap();
            times.push(released.elapsed());
        }
        // A waiter that is not called looks for itself after a second. A busy machine may be slow, but not most of the time.
        times.sort_unstable();
        assert!(times[15] < Duration::from_millis(700), "{times:?}");
        stores.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_first_has_the_next_turn() {
    for url in [redis(), redis_cluster()] {
        let stores = Stores::new(url, 4).await;
        let [holder, first, second, third] = &stores.stores[..] else { unreachable!() };
        held(holder, 1).await;
        let mut waiting = Vec::new();
        for (n, waiter) in (1..).zip([first, second, third]) {
            waiting.push(stores.wait(waiter, 1, n).await);
        }
        assert!(holder.release(&key(1), LeaseId::new(1)).await.unwrap());
        for (n, waiter) in (2..).zip([first, second, third]) {
            waiting.remove(0).await.unwrap();
            assert!(!waiting.iter().any(JoinHandle::is_finished), "it is not their turn");
            assert_eq!(
                holder.acquire(&key(1), &claim(9)).await.unwrap(),
                Acquired::Busy(None),
                "it is not its turn"
            );
            assert_eq!(waiter.acquire(&key(1), &claim(n)).await.unwrap(), Acquired::Held(record(1)));
            waiter
                .replace_and_release(&key(1), &record(1), Revision::new(1), LeaseId::new(n), at(0))
                .await
                .unwrap();
        }
        assert_eq!(
            holder.acquire(&key(1), &claim(9)).await.unwrap(),
            Acquired::Held(record(1)),
            "nobody waits"
        );
        stores.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_waiter_gives_its_place_up() {
    for url in [redis(), redis_cluster()] {
        let stores = Stores::new(url, 3).await;
        let [holder, dropped, waiter] = &stores.stores[..] else { unreachable!() };
        held(holder, 1).await;
        let first = stores.wait(dropped, 1, 1).await;
        let second = stores.wait(waiter, 1, 2).await;
        first.abort();
        stores.queue_has(1, 1).await;
        assert!(holder.release(&key(1), LeaseId::new(1)).await.unwrap());
        second.await.unwrap();
        assert_ne!(waiter.acquire(&key(1), &claim(2)).await.unwrap(), Acquired::Busy(None));
        stores.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_that_never_came_back_passes_its_turn_on() {
    for url in [redis(), redis_cluster()] {
        let stores = Stores::new(url, 3).await;
        let [holder, gone, waiter] = &stores.stores[..] else { unreachable!() };
        let mut times = Vec::new();
        for n in 0..3 {
            held(holder, n).await;
            // It is let go to look for itself, and keeps its place for that.
            gone.wait(&key(n), Duration::from_secs(60)).await.unwrap();
            times.push(stores.hand_over(holder, waiter, n).await);
        }
        assert_before_the_turn_is_over(&times);
        stores.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_gone_is_passed_over() {
    let stores = Stores::new(redis(), 2).await;
    let [holder, waiter] = &stores.stores[..] else { unreachable!() };
    let mut redis = Raw::connect(stores.url).await;
    let mut times = Vec::new();
    for n in 0..3 {
        held(holder, n).await;
        // What an instance leaves that is killed while it waits.
        let mut queue = redis::cmd("HSET");
        queue.arg(format!("{}{}", stores.prefix, key(n))).arg("w").arg("0123456789abcdef");
        let _: i64 = redis.call(&queue).await;
        times.push(stores.hand_over(holder, waiter, n).await);
    }
    assert_before_the_turn_is_over(&times);
    stores.clear().await;
}

/// Somebody's turn lasts half a second. A busy machine may be slow, but not each time.
fn assert_before_the_turn_is_over(times: &[Duration]) {
    assert!(times.iter().any(|time| *time < Duration::from_millis(400)), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_nobody_takes_passes_by_itself() {
    let stores = Stores::new(redis(), 3).await;
    let [holder, waiter, other] = &stores.stores[..] else { unreachable!() };
    held(holder, 1).await;
    let waiting = stores.wait(waiter, 1, 1).await;
    assert!(holder.release(&key(1), LeaseId::new(1)).await.unwrap());
    waiting.await.unwrap();
    // The waiter was called, but does not come.
    let called = now();
    while other.acquire(&key(1), &claim(2)).await.unwrap() == Acquired::Busy(None) {
        other.wait(&key(1), Duration::from_secs(60)).await.unwrap();
    }
    assert!(called.elapsed() < Duration::from_secs(3));
    assert_eq!(other.load(&key(1)).await.unwrap(), Some(record(1)), "what was released is not taken over");
    stores.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_record_calls_everybody() {
    let stores = Stores::new(redis(), 3).await;
    let [holder, one, other] = &stores.stores[..] else { unreachable!() };
    held(holder, 1).await;
    let waiting = [stores.wait(one, 1, 1).await, stores.wait(other, 1, 2).await];
    let deleted = now();
    assert!(holder.delete(&key(1)).await.unwrap());
    for waiting in waiting {
        waiting.await.unwrap();
    }
    assert!(deleted.elapsed() < Duration::from_millis(700));
    stores.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_comes_back_when_the_lease_runs_out() {
    let stores = Stores::new(redis(), 2).await;
    let [holder, waiter] = &stores.stores[..] else { unreachable!() };
    holder.create(&key(1), &record(1), at(0)).await.unwrap();
    let short = claim_for(1, Duration::from_millis(200));
    holder.acquire(&key(1), &short).await.unwrap();
    let start = now();
    waiter.wait(&key(1), Duration::from_secs(60)).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(900), "it looks for itself after a second");
    let Acquired::Held(taken) = waiter.acquire(&key(1), &claim(2)).await.unwrap() else {
        panic!("it ran out")
    };
    assert_eq!(taken.revision, claim(2).takeover);
    stores.clear().await;
}

/// Several stores of one namespace, as in as many processes.
struct Stores {
    url: &'static str,
    prefix: String,
    stores: Vec<Arc<RedisStore>>,
}

impl Stores {
    async fn new(url: &'static str, count: usize) -> Self {
        let prefix = fresh_prefix();
        let mut stores = Vec::new();
        for _ in 0..count {
            stores.push(Arc::new(RedisStore::builder().prefix(&prefix).connect(url).await.unwrap()));
        }
        Self { url, prefix, stores }
    }

    /// Has a store wait for the lease on a key, and answers when it is the n-th in the queue.
    async fn wait(&self, store: &Arc<RedisStore>, n: u64, place: usize) -> JoinHandle<()> {
        let store = Arc::clone(store);
        let waiting = tokio::spawn(async move {
            // Whoever looks for itself meanwhile keeps its place.
            let woken = async {
                loop {
                    let start = now();
                    store.wait(&key(n), Duration::from_secs(60)).await.unwrap();
                    if start.elapsed() < Duration::from_millis(990) {
                        return;
                    }
                }
            };
            woken.await;
        });
        self.queue_has(n, place).await;
        waiting
    }

    /// Has a waiter be the second in the queue, and answers how long after the release it has the lease.
    async fn hand_over(&self, holder: &RedisStore, waiter: &Arc<RedisStore>, n: u64) -> Duration {
        let waiting = self.wait(waiter, n, 2).await;
        let released = now();
        assert!(holder.release(&key(n), LeaseId::new(1)).await.unwrap());
        waiting.await.unwrap();
        assert_ne!(waiter.acquire(&key(n), &claim(2)).await.unwrap(), Acquired::Busy(None));
        released.elapsed()
    }

    /// Returns when so many wait for the lease on a key.
    async fn queue_has(&self, n: u64, count: usize) {
        let mut redis = Raw::connect(self.url).await;
        let mut length = redis::cmd("HSTRLEN");
        length.arg(format!("{}{}", self.prefix, key(n))).arg("w");
        let start = now();
        while redis.call::<usize>(&length).await != 16 * count {
            assert!(start.elapsed() < Duration::from_secs(10), "there are never {count} in the queue");
            tokio::task::yield_now().await;
        }
    }

    async fn clear(self) {
        Raw::connect(self.url).await.clear(&self.prefix).await;
    }
}

/// A record whose lease the holder 1 has.
async fn held(store: &RedisStore, n: u64) {
    store.create(&key(n), &record(1), at(0)).await.unwrap();
    assert_eq!(store.acquire(&key(n), &claim(1)).await.unwrap(), Acquired::Held(record(1)));
}
