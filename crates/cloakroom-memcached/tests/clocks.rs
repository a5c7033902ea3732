//! Processes whose clocks are behind the server's or ahead of it: how long it keeps what they store, and whose lease lasts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test program uses some of it")]
mod support {
    pub(crate) mod fake;
    pub(crate) mod raw;
    pub(crate) mod record;
}

use std::time::{Duration, SystemTime};

use cloakroom_memcached::MemcachedStore;
use cloakroom_store::{
    Acquired, Claim, Key, LeaseId, Leases, Record, Revision, SeenLease, Store, Timestamp, encode,
};
use cloakroom_test_services::memcached;
use support::fake::{Fake, GREETING_TIME, item, say};
use support::raw::{Raw, unique_prefix};
use support::record::{at, claim, key, record};

#[tokio::test]
async fn what_a_wrong_clock_stores_lives_as_long_as_it_is_meant_to() {
    for (n, app) in (0..).zip(Apps::new().await.all()) {
        let key = key(n);
        app.store.create(&key, &app.record(1, 5 * MINUTE), app.now).await.unwrap();
        app.keeps(&key, 5 * MINUTE + MARGIN);
        assert!(app.store.touch(&key, app.now, app.after(30 * MINUTE)).await.unwrap());
        app.keeps(&key, 30 * MINUTE + MARGIN);
        app.store.replace(&key, &app.record(2, 10 * MINUTE), Revision::new(1), app.now).await.unwrap();
        app.keeps(&key, 10 * MINUTE + MARGIN);
        let held = app.store.acquire(&key, &app.claim(1, Duration::ZERO)).await.unwrap();
        assert_eq!(held, Acquired::Held(app.record(2, 10 * MINUTE)));
        let taken = app.store.acquire(&key, &app.claim(2, MINUTE)).await.unwrap();
        assert_eq!(taken, Acquired::Held(app.record(1_002, 10 * MINUTE)));
        assert!(app.store.renew(&key, &app.claim(2, MINUTE)).await.unwrap());
        app.keeps(&key, 10 * MINUTE + MARGIN);
        let (saved, read) = (app.record(3, 20 * MINUTE), Revision::new(1_002));
        app.store.replace_and_release(&key, &saved, read, LeaseId::new(2), app.now).await.unwrap();
        app.keeps(&key, 20 * MINUTE + MARGIN);
        assert_eq!(app.store.load(&key).await.unwrap(), Some(saved));
        let tombstone = app.record(4, Duration::ZERO);
        app.store.replace(&key, &tombstone, Revision::new(3), app.now).await.unwrap();
        app.keeps(&key, MARGIN);
    }
}

/// More than the thirty days up to which memcached counts from now.
#[tokio::test]
async fn a_wrong_clock_keeps_a_session_for_months() {
    for (n, app) in (0..).zip(Apps::new().await.all()) {
        let (key, months) = (key(n), 90 * DAY);
        app.store.create(&key, &app.record(1, months), app.now).await.unwrap();
        app.keeps(&key, months + MARGIN);
        assert!(app.store.touch(&key, app.now, app.after(months + DAY)).await.unwrap());
        app.keeps(&key, months + DAY + MARGIN);
        // A lease is no reason to keep it for shorter, nor much longer.
        app.store.acquire(&key, &app.claim(1, MINUTE)).await.unwrap();
        assert!(app.store.release(&key, LeaseId::new(1)).await.unwrap());
        app.keeps(&key, months + DAY + MARGIN);
        app.store.replace(&key, &app.record(2, 30 * DAY - MARGIN), Revision::new(1), app.now).await.unwrap();
        app.keeps(&key, 30 * DAY);
    }
}

/// The fast clock's expiry is later for all, and its time is over sooner.
#[tokio::test]
async fn a_touch_keeps_what_a_faster_clock_stored_for_a_short_time() {
    let Apps { slow, fast, .. } = Apps::new().await;
    fast.store.create(&key(1), &fast.record(1, MINUTE), fast.now).await.unwrap();
    assert!(slow.store.touch(&key(1), slow.now, slow.after(30 * MINUTE)).await.unwrap());
    slow.keeps(&key(1), 30 * MINUTE + MARGIN);
    let kept = slow.store.load(&key(1)).await.unwrap();
    assert_eq!(kept, Some(fast.record(1, MINUTE)), "an expiry is not moved back");
}

#[tokio::test]
async fn a_touch_and_a_lease_by_a_fast_clock_shorten_no_life() {
    let Apps { right, fast, .. } = Apps::new().await;
    // By the fast clock a minute of it is left.
    let life = TWO_HOURS + MINUTE;
    right.store.create(&key(1), &right.record(1, life), right.now).await.unwrap();
    assert!(fast.store.touch(&key(1), fast.now, fast.after(2 * MINUTE)).await.unwrap());
    right.keeps(&key(1), life + MARGIN);
    fast.store.acquire(&key(1), &fast.claim(1, Duration::ZERO)).await.unwrap();
    let taken = fast.store.acquire(&key(1), &fast.claim(2, MINUTE)).await.unwrap();
    assert_eq!(taken, Acquired::Held(fast.record(1_002, 2 * MINUTE)));
    assert!(fast.store.release(&key(1), LeaseId::new(2)).await.unwrap());
    right.keeps(&key(1), life + MARGIN);
}

/// Its holder's clock is ahead, and its holder is gone.
#[tokio::test]
async fn a_lease_that_ends_too_far_ahead_is_taken_over() {
    let app = Apps::new().await.right;
    app.store.create(&key(1), &record(1, b"data"), at(0)).await.unwrap();
    // The claims are for a minute, and five seconds more are not too far.
    let held = app.store.acquire(&key(1), &claim(7, at(5_000))).await.unwrap();
    assert_eq!(held, Acquired::Held(record(1, b"data")));
    let seen = SeenLease::new(LeaseId::new(7), at(65_000));
    assert_eq!(app.store.acquire(&key(1), &claim(8, at(0))).await.unwrap(), Acquired::Busy(Some(seen)));
    for (holder, ahead) in (8..).step_by(2).zip([5_001, 3_600_000, 24 * 3_600_000]) {
        app.store.release(&key(1), LeaseId::new(holder - 1)).await.unwrap();
        app.store.acquire(&key(1), &claim(holder, at(ahead))).await.unwrap();
        assert!(!app.store.renew(&key(1), &claim(holder, at(0))).await.unwrap(), "{ahead} ms ahead");
        let taken = app.store.acquire(&key(1), &claim(holder + 1, at(0))).await.unwrap();
        assert_eq!(taken, Acquired::Held(record(holder + 1, b"data")), "under the takeover's revision");
        assert!(matches!(app.store.acquire(&key(1), &claim(6, at(0))).await.unwrap(), Acquired::Busy(_)));
    }
}

#[tokio::test]
async fn an_overruled_lease_is_taken_over_if_it_is_still_the_same() {
    let app = Apps::new().await.right;
    app.store.create(&key(1), &record(1, b"data"), at(0)).await.unwrap();
    app.store.acquire(&key(1), &claim(7, at(0))).await.unwrap();
    let Acquired::Busy(Some(seen)) = app.store.acquire(&key(1), &claim(8, at(0))).await.unwrap() else {
        panic!("another has it, and which is told")
    };
    assert_eq!(seen, SeenLease::new(LeaseId::new(7), at(60_000)));
    assert!(app.store.renew(&key(1), &claim(7, at(1))).await.unwrap());
    let others = [seen, SeenLease::new(LeaseId::new(6), at(60_001)), SeenLease::new(LeaseId::new(0), at(0))];
    for other in others {
        let acquired = app.store.acquire(&key(1), &claim(8, at(0)).overruling(other)).await.unwrap();
        assert!(matches!(acquired, Acquired::Busy(Some(_))), "{other:?} is not the lease: {acquired:?}");
    }
    let now = SeenLease::new(LeaseId::new(7), at(60_001));
    let taken = app.store.acquire(&key(1), &claim(8, at(0)).overruling(now)).await.unwrap();
    assert_eq!(taken, Acquired::Held(record(8, b"data")));
    assert!(!app.store.renew(&key(1), &claim(7, at(1))).await.unwrap(), "it has another holder");
}

#[tokio::test]
async fn a_record_that_does_not_match_the_guard_comes_back_unleased_and_unwritten() {
    let app = Apps::new().await.right;
    let guard = *b"\x00the verifier\n\xff\r";
    let stored = record(1, &[&[1, 0][..], &guard, b"and more"].concat());
    app.store.create(&key(1), &stored, before(at(0))).await.unwrap();
    let guarded = |guard| claim(1, before(at(0))).guarded(guard);
    let item = app.item(&key(1));
    for n in 0..16 {
        let mut other = guard;
        other[n] ^= 1;
        let acquired = app.store.acquire(&key(1), &guarded(other)).await.unwrap();
        assert_eq!(acquired, Acquired::Mismatch(stored.clone()), "byte {n}");
    }
    // It has expired.
    let acquired = app.store.acquire(&key(1), &claim(1, at(0)).guarded(guard)).await.unwrap();
    assert_eq!(acquired, Acquired::Mismatch(stored.clone()));
    assert_eq!(app.item(&key(1)), item, "with its CAS number");

    let held = app.store.acquire(&key(1), &guarded(guard)).await.unwrap();
    assert_eq!(held, Acquired::Held(stored.clone()));
    let other = claim(2, before(at(0))).guarded([0; 16]);
    let acquired = app.store.acquire(&key(1), &other).await.unwrap();
    assert_eq!(acquired, Acquired::Mismatch(stored), "whatever its lease is");
}

/// The server's clock stands in 2023.
#[tokio::test]
async fn a_time_beyond_thirty_days_is_one_of_the_servers_clock() {
    let value = [&[1, 0][..], &[0; 16], &encode(&key(1), &record(1, b"data"))].concat();
    let fake = Fake::start(move |command| match command {
        "mg" => item(&value),
        _ => say("HD k$K O$O\r\n"),
    })
    .await;
    let store = MemcachedStore::connect(&fake.url).await.unwrap();
    let month = 30 * DAY.as_secs();
    let lived = |life: u64| at(0).saturating_sub(Duration::from_secs(life) - MARGIN);
    for (life, expected) in
        [(month - 1, month..month + 1), (month, GREETING_TIME + month..GREETING_TIME + month + 9)]
    {
        store.create(&key(1), &record(1, b"data"), lived(life)).await.unwrap();
        assert!(expected.contains(&fake.last_expiry()), "{life}: {}", fake.last_expiry());
        store.replace(&key(1), &record(2, b"data"), Revision::new(1), lived(life)).await.unwrap();
        assert!(expected.contains(&fake.last_expiry()), "{life}: {}", fake.last_expiry());
    }
}

/// Three processes that share a namespace.
struct Apps {
    slow: App,
    right: App,
    fast: App,
}

impl Apps {
    #[allow(clippy::disallowed_methods, reason = "what memcached does goes by the real clock")]
    async fn new() -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let now = Timestamp::from_millis(u64::try_from(now).unwrap());
        let prefix = unique_prefix();
        let app = async |now| {
            let store = MemcachedStore::builder().prefix(&prefix).connect(memcached()).await.unwrap();
            App { store, prefix: prefix.clone(), now }
        };
        let (slow, right) = (app(now.saturating_sub(TWO_HOURS)).await, app(now).await);
        Self { slow, right, fast: app(now.saturating_add(TWO_HOURS)).await }
    }

    fn all(&self) -> [&App; 3] {
        [&self.slow, &self.right, &self.fast]
    }
}

/// A process, and what time it is by its clock.
struct App {
    store: MemcachedStore,
    prefix: String,
    now: Timestamp,
}

impl App {
    fn after(&self, time: Duration) -> Timestamp {
        self.now.saturating_add(time)
    }

    /// A record that lives for so long.
    fn record(&self, revision: u64, life: Duration) -> Record {
        Record::new(Revision::new(revision), self.after(life), b"data".as_slice())
    }

    fn claim(&self, holder: u64, ttl: Duration) -> Claim {
        Claim::new(LeaseId::new(holder), self.now, ttl, Revision::new(holder + 1_000))
    }

    /// What the server says about an item: its CAS number, and for how many seconds it is kept.
    fn item(&self, key: &Key) -> [i64; 2] {
        let mut server = Raw::connect(memcached().strip_prefix("memcached://").unwrap());
        let line = server.ask(format!("mg {}{key} c t\r\n", self.prefix).as_bytes());
        let mut words = line.split(' ').skip(1).map(|word| word[1..].parse().unwrap());
        [(); 2].map(|()| words.next().expect("it is there"))
    }

    /// Asserts that an item is kept for so long from now on.
    fn keeps(&self, key: &Key, time: Duration) {
        let (left, time) = (self.item(key)[1], time.as_secs().cast_signed());
        // Perhaps some seconds more: they are rounded up.
        assert!((time - 20..=time + 9).contains(&left), "it is kept for {left} s instead of {time} s");
    }
}

fn before(time: Timestamp) -> Timestamp {
    time.saturating_sub(Duration::from_secs(1))
}

const MINUTE: Duration = Duration::from_secs(60);
const TWO_HOURS: Duration = Duration::from_secs(2 * 60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MARGIN: Duration = Record::NATIVE_EXPIRY_MARGIN;
