//! Leases that are refused, and leases that count as run out.

use std::collections::BTreeMap;
use std::time::Duration;

use cloakroom_redis::RedisStore;
use cloakroom_store::{Acquired, Claim, LeaseId, Leases, Record, SeenLease, Store, Subject, Timestamp};
use cloakroom_test_services::{redis, redis_cluster};

use crate::support::raw::Raw;
use crate::support::{at, claim, fresh_prefix, key, record, with};

const GUARD: [u8; 16] = *b"\x00the verifier\n\xff\r";

#[tokio::test]
async fn a_guard_is_found_after_a_subject_of_any_length() {
    for url in [redis(), redis_cluster()] {
        let test = Test::new(url).await;
        for (n, len) in (0..).zip([0, 1, 2, 127, 128, 254, 255]) {
            let stored = guarded(Subject::new("x".repeat(len)).ok());
            test.store.create(&key(n), &stored, at(0)).await.unwrap();
            let acquired = test.store.acquire(&key(n), &claim(1).guarded(GUARD)).await.unwrap();
            assert_eq!(acquired, Acquired::Held(stored), "a subject of {len} bytes");
        }
        test.clear().await;
    }
}

#[tokio::test]
async fn a_record_that_does_not_match_the_guard_comes_back_unleased_and_unwritten() {
    for url in [redis(), redis_cluster()] {
        let mut test = Test::new(url).await;
        let stored = guarded(Subject::new("alice").ok());
        test.store.create(&key(1), &stored, at(0)).await.unwrap();
        let before = test.dump(1).await;
        for n in 0..16 {
            let mut other = GUARD;
            other[n] ^= 1;
            let acquired = test.store.acquire(&key(1), &claim(1).guarded(other)).await.unwrap();
            assert_eq!(acquired, Acquired::Mismatch(stored.clone()), "byte {n}");
        }
        assert_eq!(test.dump(1).await, before);
        // Somebody else's lease makes no difference.
        test.store.acquire(&key(1), &claim(1)).await.unwrap();
        let before = test.dump(1).await;
        let acquired = test.store.acquire(&key(1), &claim(2).guarded([0; 16])).await.unwrap();
        assert_eq!(acquired, Acquired::Mismatch(stored));
        let acquired = test.store.acquire(&key(1), &claim(2).guarded(GUARD)).await.unwrap();
        assert_eq!(acquired, Acquired::Busy(None));
        assert_eq!(test.dump(1).await, before);
        test.clear().await;
    }
}

#[tokio::test]
async fn data_too_short_for_a_guard_does_not_match_it() {
    let test = Test::new(redis()).await;
    for len in [0, 2, 17] {
        let short = with(guarded(None), |record| record.data = record.data[..len].into());
        test.store.create(&key(len as u64), &short, at(0)).await.unwrap();
        let acquired = test.store.acquire(&key(len as u64), &claim(1).guarded(GUARD)).await.unwrap();
        assert_eq!(acquired, Acquired::Mismatch(short), "{len} bytes");
    }
    let exact = with(guarded(None), |record| record.data = record.data[..18].into());
    test.store.create(&key(18), &exact, at(0)).await.unwrap();
    let acquired = test.store.acquire(&key(18), &claim(1).guarded(GUARD)).await.unwrap();
    assert_eq!(acquired, Acquired::Held(exact));
    test.clear().await;
}

#[tokio::test]
async fn a_guarded_lease_needs_a_record_that_lives() {
    let mut test = Test::new(redis()).await;
    let stored = with(guarded(None), |record| record.expires_at = at(1));
    test.store.create(&key(1), &stored, at(0)).await.unwrap();
    let before = test.dump(1).await;
    for now in [at(1), at(2), Timestamp::MAX] {
        let acquired = test.store.acquire(&key(1), &guarded_claim(now)).await.unwrap();
        assert_eq!(acquired, Acquired::Mismatch(stored.clone()));
    }
    assert_eq!(test.dump(1).await, before);
    // A touch is not in the record's bytes.
    assert!(test.store.touch(&key(1), at(0), at(3)).await.unwrap());
    let acquired = test.store.acquire(&key(1), &guarded_claim(at(2))).await.unwrap();
    assert_eq!(acquired, Acquired::Held(with(stored, |record| record.expires_at = at(3))));
    test.clear().await;
}

/// As a server leaves it whose clock was set back.
#[tokio::test]
async fn a_lease_that_ends_too_far_ahead_is_taken_over() {
    let mut test = Test::new(redis()).await;
    test.store.create(&key(1), &record(1), at(0)).await.unwrap();
    test.store.acquire(&key(1), &claim(1)).await.unwrap();
    // The claims are for a minute, and five seconds more are not too far.
    test.set_end(1, 64_000).await;
    assert_eq!(test.store.acquire(&key(1), &claim(2)).await.unwrap(), Acquired::Busy(None));
    for ahead in [66_000, 3_600_000, 1 << 52] {
        test.set_end(1, ahead).await;
        assert!(!test.store.renew(&key(1), &claim(1)).await.unwrap(), "{ahead} ms ahead");
        let taken = test.store.acquire(&key(1), &claim(2)).await.unwrap();
        assert_eq!(taken, Acquired::Held(taken_over(2)));
        assert_eq!(test.store.acquire(&key(1), &claim(3)).await.unwrap(), Acquired::Busy(None));
        assert!(test.store.release(&key(1), LeaseId::new(2)).await.unwrap());
        test.store.delete(&key(1)).await.unwrap();
        test.store.create(&key(1), &record(1), at(0)).await.unwrap();
        test.store.acquire(&key(1), &claim(1)).await.unwrap();
    }
    test.clear().await;
}

#[tokio::test]
async fn somebodys_turn_that_ends_too_far_ahead_is_anybodys() {
    let mut test = Test::new(redis()).await;
    test.store.create(&key(1), &record(1), at(0)).await.unwrap();
    test.store.acquire(&key(1), &claim(1)).await.unwrap();
    test.set(1, "l", ">0123456789abcdef").await;
    test.set_end(1, 4_000).await;
    assert_eq!(test.store.acquire(&key(1), &claim(2)).await.unwrap(), Acquired::Busy(None));
    test.set_end(1, 6_000).await;
    assert_eq!(test.store.acquire(&key(1), &claim(2)).await.unwrap(), Acquired::Held(record(1)));
    test.clear().await;
}

#[tokio::test]
async fn a_lease_without_an_end_is_taken_over() {
    let mut test = Test::new(redis()).await;
    for end in ["", "x", "-1"] {
        test.store.create(&key(1), &record(1), at(0)).await.unwrap();
        test.store.acquire(&key(1), &claim(1)).await.unwrap();
        test.set(1, "u", end).await;
        test.store.wait(&key(1), Duration::from_secs(60)).await.unwrap();
        assert!(!test.store.renew(&key(1), &claim(1)).await.unwrap());
        let taken = test.store.acquire(&key(1), &claim(2)).await.unwrap();
        assert_eq!(taken, Acquired::Held(taken_over(2)), "{end:?}");
        assert!(test.store.delete(&key(1)).await.unwrap());
    }
}

#[tokio::test]
async fn an_overruled_lease_is_taken_over_if_it_is_still_the_same() {
    let mut test = Test::new(redis()).await;
    test.store.create(&key(1), &record(1), at(0)).await.unwrap();
    let mut first = claim(1);
    first.lease = LeaseId::new(u64::MAX);
    test.store.acquire(&key(1), &first).await.unwrap();
    let until: u64 = test.redis.call(redis::cmd("HGET").arg(test.name(1)).arg("u")).await;
    let seen = |lease, until| SeenLease::new(LeaseId::new(lease), Timestamp::from_millis(until));
    for other in [seen(u64::MAX, until - 1), seen(u64::MAX, until + 1), seen(u64::MAX - 1, until), seen(0, 0)]
    {
        let acquired = test.store.acquire(&key(1), &claim(2).overruling(other)).await.unwrap();
        assert_eq!(acquired, Acquired::Busy(None), "{other:?}");
    }
    let claim = claim(2).overruling(seen(u64::MAX, until));
    let taken = test.store.acquire(&key(1), &claim).await.unwrap();
    assert_eq!(taken, Acquired::Held(taken_over(2)));
    assert!(!test.store.renew(&key(1), &first).await.unwrap(), "it has another holder");
    test.clear().await;
}

/// A session whose data has [`GUARD`] at its place.
fn guarded(subject: Option<Subject>) -> Record {
    let data = [&[1, 0][..], &GUARD, b"and more"].concat();
    with(record(1), |record| record.data = data.into()).with_subject(subject)
}

/// A claim with that guard at this time.
fn guarded_claim(now: Timestamp) -> Claim {
    let claim = claim(1);
    Claim::new(claim.lease, now, claim.ttl, claim.takeover).guarded(GUARD)
}

/// The record 1 after this holder has taken its lease over.
fn taken_over(holder: u64) -> Record {
    with(record(1), |record| record.revision = claim(holder).takeover)
}

/// A store of its own, and a way past it.
struct Test {
    store: RedisStore,
    prefix: String,
    redis: Raw,
}

impl Test {
    async fn new(url: &str) -> Self {
        let prefix = fresh_prefix();
        let store = RedisStore::builder().prefix(&prefix).connect(url).await.unwrap();
        Self { store, prefix, redis: Raw::connect(url).await }
    }

    fn name(&self, n: u64) -> String {
        format!("{}{}", self.prefix, key(n))
    }

    /// All fields of a session, and when Redis removes it.
    async fn dump(&mut self, n: u64) -> (BTreeMap<String, Vec<u8>>, u64) {
        let fields = self.redis.call(redis::cmd("HGETALL").arg(self.name(n))).await;
        (fields, self.redis.call(redis::cmd("PEXPIRETIME").arg(self.name(n))).await)
    }

    async fn set(&mut self, n: u64, field: &str, value: &str) {
        let _: i64 = self.redis.call(redis::cmd("HSET").arg(self.name(n)).arg(field).arg(value)).await;
    }

    /// Has a lease end so many milliseconds from now, by the server's clock.
    async fn set_end(&mut self, n: u64, ahead: u64) {
        let [seconds, micros]: [u64; 2] = self.redis.call(&redis::cmd("TIME")).await;
        self.set(n, "u", &(seconds * 1_000 + micros / 1_000 + ahead).to_string()).await;
    }

    async fn clear(mut self) {
        self.redis.clear(&self.prefix).await;
    }
}
