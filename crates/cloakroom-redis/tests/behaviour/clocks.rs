//! Applications whose clocks are two hours behind the server's, or ahead of it.

use std::time::{Duration, SystemTime};

use cloakroom_redis::RedisStore;
use cloakroom_store::{Acquired, Claim, LeaseId, Leases, Record, Revision, Store, Subjects, Timestamp};
use cloakroom_test_services::redis;

use crate::support::raw::Raw;
use crate::support::{alice, fresh_prefix, key};

#[tokio::test]
async fn what_a_wrong_clock_stores_lives_as_long_as_it_is_meant_to() {
    for (n, app) in (0..).zip(Apps::new().await.all()) {
        let key = key(n);
        app.store.create(&key, &app.record(1, 5 * MINUTE), app.now).await.unwrap();
        app.keeps(n, 5 * MINUTE + MARGIN).await;
        assert!(app.store.touch(&key, app.now, app.after(30 * MINUTE)).await.unwrap());
        app.keeps(n, 30 * MINUTE + MARGIN).await;
        let held = app.store.acquire(&key, &app.claim(1, Duration::ZERO)).await.unwrap();
        assert_eq!(held, Acquired::Held(app.record(1, 30 * MINUTE)));
        let taken = app.store.acquire(&key, &app.claim(2, MINUTE)).await.unwrap();
        assert_eq!(taken, Acquired::Held(app.record(1_002, 30 * MINUTE)));
        app.keeps(n, 30 * MINUTE + MARGIN).await;

        let read = Revision::new(1_002);
        app.store.replace(&key, &app.record(3, 10 * MINUTE), read, app.now).await.unwrap();
        app.keeps(n, 10 * MINUTE + MARGIN).await;
        let (saved, read) = (app.record(4, 20 * MINUTE), Revision::new(3));
        app.store.replace_and_release(&key, &saved, read, LeaseId::new(2), app.now).await.unwrap();
        app.keeps(n, 20 * MINUTE + MARGIN).await;
        assert_eq!(app.store.load(&key).await.unwrap(), Some(saved));
        let tombstone = app.record(5, Duration::ZERO);
        app.store.replace(&key, &tombstone, Revision::new(4), app.now).await.unwrap();
        app.keeps(n, MARGIN).await;
        assert!(app.store.delete(&key).await.unwrap());
    }
}

/// The fast clock's expiry is later for all, and its time is over sooner.
#[tokio::test]
async fn a_touch_keeps_what_a_faster_clock_stored_for_a_short_time() {
    let Apps { slow, fast, .. } = Apps::new().await;
    fast.store.create(&key(1), &fast.record(1, MINUTE), fast.now).await.unwrap();
    assert!(slow.store.touch(&key(1), slow.now, slow.after(30 * MINUTE)).await.unwrap());
    slow.keeps(1, 30 * MINUTE + MARGIN).await;
    let kept = slow.store.load(&key(1)).await.unwrap();
    assert_eq!(kept, Some(fast.record(1, MINUTE)), "an expiry is not moved back");
    slow.clear().await;
}

#[tokio::test]
async fn a_touch_and_a_takeover_by_a_fast_clock_shorten_no_life() {
    let Apps { right, fast, .. } = Apps::new().await;
    // By the fast clock a minute of it is left.
    right.store.create(&key(1), &right.record(1, TWO_HOURS + MINUTE), right.now).await.unwrap();
    assert!(fast.store.touch(&key(1), fast.now, fast.after(2 * MINUTE)).await.unwrap());
    right.keeps(1, TWO_HOURS + MINUTE + MARGIN).await;
    fast.store.acquire(&key(1), &fast.claim(1, Duration::ZERO)).await.unwrap();
    let taken = fast.store.acquire(&key(1), &fast.claim(2, MINUTE)).await.unwrap();
    assert_eq!(taken, Acquired::Held(fast.record(1_002, 2 * MINUTE)));
    right.keeps(1, TWO_HOURS + MINUTE + MARGIN).await;
    right.clear().await;
}

#[tokio::test]
async fn a_wrong_clock_loses_no_session_of_a_user() {
    let apps = Apps::new().await;
    for (n, app) in (0..).zip(apps.all()) {
        let record = app.record(1, 30 * MINUTE).with_subject(alice());
        assert_eq!(app.enroll(n, 30 * MINUTE).await as u64, n + 1);
        app.store.create(&key(n), &record, app.now).await.unwrap();
        app.keeps_index(30 * MINUTE + MARGIN).await;
    }
    let list = apps.right.store.list(&alice(), None, 10).await.unwrap();
    assert_eq!(list.items.len(), 3);
    assert_eq!(apps.right.store.end_all(&alice(), None).await.unwrap(), 3);
    apps.right.clear().await;
}

#[tokio::test]
async fn the_index_that_a_slow_clock_made_stays_as_long_as_its_entries() {
    let Apps { slow, right, fast } = Apps::new().await;
    assert_eq!(slow.enroll(1, 90 * MINUTE).await, 1);
    slow.keeps_index(90 * MINUTE + MARGIN).await;
    // Its end is over for a while by the other clocks.
    assert_eq!(slow.enroll(2, 5 * MINUTE).await, 2);
    assert_eq!(right.enroll(3, 5 * MINUTE).await, 3);
    assert_eq!(fast.enroll(4, 5 * MINUTE).await, 4);
    slow.keeps_index(90 * MINUTE + MARGIN).await;
    slow.clear().await;
}

/// By the slower of both clocks.
#[tokio::test]
async fn enrolling_removes_entries_whose_time_is_over_for_ten_minutes() {
    let Apps { slow, right, fast } = Apps::new().await;
    let enroll = async |app: &App, n, minutes_ago: u32| {
        let until = right.now.saturating_sub(minutes_ago * MINUTE);
        app.store.enroll(&alice(), &key(n), app.now, until).await.unwrap()
    };
    assert_eq!(enroll(&right, 1, 11).await, 1);
    assert_eq!(enroll(&slow, 2, 9).await, 2);
    assert_eq!(enroll(&right, 3, 9).await, 2, "the first is over for ten minutes");
    assert_eq!(enroll(&fast, 4, 9).await, 3, "the others are over for less, but for the fast clock");
    right.clear().await;
}

/// Three processes that share a namespace.
struct Apps {
    slow: App,
    right: App,
    fast: App,
}

impl Apps {
    #[allow(clippy::disallowed_methods, reason = "what Redis does goes by the real clock")]
    async fn new() -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let now = Timestamp::from_millis(u64::try_from(now).unwrap());
        let prefix = fresh_prefix();
        let app = async |now| {
            let store = RedisStore::builder().prefix(&prefix).connect(redis()).await.unwrap();
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
    store: RedisStore,
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

    async fn enroll(&self, n: u64, life: Duration) -> usize {
        self.store.enroll(&alice(), &key(n), self.now, self.after(life)).await.unwrap()
    }

    async fn keeps(&self, n: u64, time: Duration) {
        Raw::connect(redis()).await.keeps(&format!("{}{}", self.prefix, key(n)), time).await;
    }

    async fn keeps_index(&self, time: Duration) {
        Raw::connect(redis()).await.keeps(&format!("{}user:alice:", self.prefix), time).await;
    }

    async fn clear(&self) {
        Raw::connect(redis()).await.clear(&self.prefix).await;
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const TWO_HOURS: Duration = Duration::from_secs(2 * 60 * 60);
const MARGIN: Duration = Record::NATIVE_EXPIRY_MARGIN;
