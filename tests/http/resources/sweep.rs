//! The background sweep, on tokio's clock standing still: it moves when nothing else can.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, TestClock};
use cloakroom::{SessionManager, Settings};
use cloakroom_store::{Error, Facets, Key, Record, Result, Revision, Store, Timestamp};
use cloakroom_tests::{CookieFields, all_records};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

/// A memory store that tells of every purge, and fails the first few.
#[derive(Debug)]
struct Swept {
    inner: MemoryStore,
    purges: UnboundedSender<Purge>,
    to_fail: AtomicUsize,
}

#[derive(Debug)]
struct Purge {
    at: Instant,
    cutoff: Timestamp,
    limit: usize,
    /// How many were removed and how many are left, unless it failed.
    done: Option<(usize, usize)>,
}

impl Store for Swept {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        self.inner.create(key, record, now).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.inner.load(key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        self.inner.replace(key, record, expected, now).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.inner.touch(key, now, expires_at).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.inner.delete(key).await
    }

    #[expect(clippy::disallowed_methods, reason = "this clock is the test's")]
    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        let at = Instant::now();
        let fails =
            self.to_fail.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let result = if fails {
            Err(Error::unavailable("told to fail"))
        } else {
            self.inner.purge(cutoff, limit).await
        };
        let left = all_records(&self.inner).await.len();
        let done = result.as_ref().ok().map(|removed| (*removed, left));
        _ = self.purges.send(Purge { at, cutoff, limit, done });
        result
    }

    fn facets(&self) -> Facets<'_> {
        self.inner.facets()
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Sessions over a store with so many that expired eleven minutes ago, nine minutes ago, and not yet; and what becomes of
/// them. `to_fail` purges fail.
async fn sweeping(
    [long_gone, just_gone, live]: [usize; 3],
    to_fail: usize,
    settings: Settings,
) -> (SessionManager, UnboundedReceiver<Purge>) {
    let (purges, swept) = unbounded_channel();
    let clock = TestClock::new();
    let inner = MemoryStore::new();
    let now = Timestamp::from_millis(1_735_689_600_000);
    let ends = [now.saturating_sub(11 * MINUTE), now.saturating_sub(9 * MINUTE), now.saturating_add(MINUTE)];
    let expiries =
        [long_gone, just_gone, live].into_iter().zip(ends).flat_map(|(count, end)| vec![end; count]);
    for (number, expires_at) in expiries.enumerate() {
        let key = Key::new(std::array::from_fn(|at| (number >> (8 * (at % 8))) as u8));
        let record = Record::new(Revision::new(number as u64), expires_at, b"any".as_slice());
        inner.create(&key, &record, Timestamp::from_millis(0)).await.unwrap();
    }
    let store = Swept { inner, purges, to_fail: AtomicUsize::new(to_fail) };
    (testing::manager(store, settings, &clock).unwrap(), swept)
}

/// The next purge; none if the store is gone.
async fn next(swept: &mut UnboundedReceiver<Purge>) -> Option<Purge> {
    tokio::time::timeout(Duration::from_secs(24 * 3600), swept.recv()).await.expect("a sweep within a day")
}

fn first_request(sessions: &SessionManager) {
    drop(sessions.open(&CookieFields::default()));
}

/// SECURITY 44. Small batches: a sweep never holds the store for long.
#[tokio::test(start_paused = true)]
async fn expired_sessions_are_removed_in_batches_of_a_thousand() {
    let (sessions, mut swept) = sweeping([2500, 30, 20], 0, Settings::default()).await;
    first_request(&sessions);
    for expected in [(1000, 1550), (1000, 550), (500, 50)] {
        let purge = next(&mut swept).await.unwrap();
        assert_eq!((purge.limit, purge.done), (1000, Some(expected)));
        // Ten minutes behind the clock that stands still.
        assert_eq!(purge.cutoff.as_millis(), 1_735_689_600_000 - 600_000);
    }
    // The next round finds nothing.
    assert_eq!(next(&mut swept).await.unwrap().done, Some((0, 50)));
}

/// SECURITY 44. Jittered, so that several processes do not sweep in step; and not at once, when everything starts.
#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "this clock is the test's")]
async fn sweeps_are_an_interval_apart_give_or_take_a_tenth() {
    let (sessions, mut swept) = sweeping([10, 0, 0], 0, Settings::default()).await;
    let mut last = Instant::now();
    first_request(&sessions);
    let mut pauses = Vec::new();
    for _ in 0..20 {
        let purge = next(&mut swept).await.unwrap();
        pauses.push(purge.at - last);
        last = purge.at;
    }
    let around = Duration::from_millis(5 * 60_000 * 9 / 10)..=Duration::from_millis(5 * 60_000 * 11 / 10 + 1);
    assert!(pauses.iter().all(|pause| around.contains(pause)), "{pauses:?}");
    pauses.sort();
    pauses.dedup();
    assert!(pauses.len() > 5, "{pauses:?}");
}

/// SECURITY 44.
#[tokio::test(start_paused = true)]
async fn a_failing_batch_does_not_end_the_sweep() {
    let (sessions, mut swept) = sweeping([1500, 0, 5], 3, Settings::default()).await;
    first_request(&sessions);
    for _ in 0..3 {
        assert_eq!(next(&mut swept).await.unwrap().done, None);
    }
    assert_eq!(next(&mut swept).await.unwrap().done, Some((1000, 505)));
    assert_eq!(next(&mut swept).await.unwrap().done, Some((500, 5)));
}

/// SECURITY 44.
#[tokio::test(start_paused = true)]
async fn the_sweep_ends_with_the_last_manager_and_lets_the_store_go() {
    let (sessions, mut swept) = sweeping([10, 0, 0], 0, Settings::default()).await;
    let clone = sessions.clone();
    first_request(&sessions);
    drop(sessions);
    assert_eq!(next(&mut swept).await.unwrap().done, Some((10, 0)), "one manager is left");
    drop(clone);
    // The store, and with it the other end, is gone.
    assert!(next(&mut swept).await.is_none());
}

/// SECURITY 44.
#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_sweep() {
    let (sessions, mut swept) = sweeping([10, 0, 0], 0, Settings::default()).await;
    first_request(&sessions);
    next(&mut swept).await.unwrap();
    assert!(sessions.shutdown().await);
    // Nor does a request that comes late start it again.
    first_request(&sessions);
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert!(swept.is_empty());
}

/// SECURITY 44. Where something else calls `purge`, there is no background task.
#[tokio::test(start_paused = true)]
async fn without_an_interval_only_a_call_sweeps() {
    let settings = Settings::new().sweep_interval(Duration::ZERO);
    let (sessions, mut swept) = sweeping([2500, 30, 20], 0, settings).await;
    first_request(&sessions);
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert!(swept.is_empty());
    assert_eq!(sessions.purge_expired().await.unwrap(), 2500);
    let left: Vec<_> =
        std::iter::from_fn(|| swept.try_recv().ok()).map(|purge| purge.done.unwrap().1).collect();
    assert_eq!(left, [1550, 550, 50]);
}
