use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cloakroom_store::{BoxFuture, Facets, Key, Record, Result, Revision, Store, Timestamp};
use tokio::time::sleep;

use super::*;
use crate::config::Settings;
use crate::manager::SessionManager;
use crate::stores::MemoryStore;
use crate::testing::{Call, Fault, FaultyStore, TestClock, manager, manager_without_randomness};

const INTERVAL: Duration = Duration::from_secs(300);

fn settings() -> Settings {
    Settings::new().sweep_interval(INTERVAL)
}

fn started(store: impl Store, clock: &TestClock) -> SessionManager {
    let sessions = manager(store, settings(), clock).unwrap();
    sessions.sweeper().start(sessions.engine());
    sessions
}

fn faulty() -> FaultyStore<MemoryStore> {
    FaultyStore::new(MemoryStore::new())
}

/// A record of every millisecond from `first` on.
async fn fill(store: &impl Store, first: Timestamp, count: u64) {
    for number in 0..count {
        let mut key = [0; Key::LEN];
        key[..8].copy_from_slice(&number.to_be_bytes());
        let expires_at = first.saturating_add(Duration::from_millis(number));
        let record = Record::new(Revision::new(1), expires_at, [].as_slice());
        store.create(&Key::new(key), &record, Timestamp::from_millis(0)).await.unwrap();
    }
}

async fn left(store: &FaultyStore<MemoryStore>) -> u64 {
    let scan = store.inner().facets().scan.unwrap();
    let (mut left, mut cursor) = (0, None);
    loop {
        let page = scan.page(cursor, 1000).await.unwrap();
        left += page.items.len() as u64;
        cursor = page.next;
        if cursor.is_none() {
            return left;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweep_comes_once_in_an_interval_give_or_take_a_tenth() {
    let store = faulty();
    let _sessions = started(store.clone(), &TestClock::new());
    for round in 0..20 {
        let before = store.count(Call::Purge);
        assert_eq!(before, round);
        sleep(INTERVAL * 9 / 10 - Duration::from_millis(1)).await;
        assert_eq!(store.count(Call::Purge), before, "too early");
        // From here on until it comes: at most a fifth of an interval.
        let watch = crate::clock::Stopwatch::start();
        while store.count(Call::Purge) == before {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(
            watch.elapsed() <= INTERVAL / 5 + Duration::from_millis(3),
            "too late: {:?}",
            watch.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn sweeps_of_several_processes_do_not_keep_step() {
    let sessions = manager(faulty(), settings(), &TestClock::new()).unwrap();
    let pauses: std::collections::HashSet<_> =
        (0..20).map(|_| jittered(sessions.engine(), INTERVAL)).collect();
    assert!(pauses.len() > 1, "{pauses:?}");
}

#[tokio::test]
async fn without_randomness_sweeping_goes_on() {
    let sessions = manager_without_randomness(faulty(), settings()).unwrap();
    assert_eq!(jittered(sessions.engine(), INTERVAL), INTERVAL * 9 / 10);
}

#[tokio::test]
async fn what_expired_more_than_ten_minutes_ago_is_removed_and_nothing_else() {
    let (store, clock) = (faulty(), TestClock::new());
    let sessions = manager(store.clone(), settings(), &clock).unwrap();
    let now = sessions.engine().clock.now();
    fill(&store, now.saturating_sub(BEHIND + Duration::from_millis(3)), 5).await;
    assert_eq!(sessions.purge_expired().await.unwrap(), 3);
    assert_eq!(left(&store).await, 2);
    clock.advance(Duration::from_millis(1));
    assert_eq!(sessions.purge_expired().await.unwrap(), 1);
}

#[tokio::test]
async fn many_are_removed_in_batches_until_none_is_left() {
    let (store, clock) = (faulty(), TestClock::new());
    let sessions = manager(store.clone(), settings(), &clock).unwrap();
    fill(&store, Timestamp::from_millis(0), 2 * BATCH as u64 + 1).await;
    assert_eq!(sessions.purge_expired().await.unwrap(), 2 * BATCH + 1);
    assert_eq!((left(&store).await, store.count(Call::Purge)), (0, 3));
    // A last batch that was full may not have been the last.
    fill(&store, Timestamp::from_millis(0), BATCH as u64).await;
    assert_eq!(sessions.purge_expired().await.unwrap(), BATCH);
    assert_eq!(store.count(Call::Purge), 5);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_fails_does_not_end_sweeping() {
    let store = faulty();
    let _sessions = started(store.clone(), &TestClock::new());
    fill(&store, Timestamp::from_millis(0), 1).await;
    for fault in [Fault::Unavailable, Fault::Silence] {
        let before = store.count(Call::Purge);
        store.fail_calls(Call::Purge, fault);
        sleep(2 * INTERVAL).await;
        assert!(store.count(Call::Purge) > before, "{fault:?}");
        assert_eq!(left(&store).await, 1);
    }
    store.heal();
    sleep(2 * INTERVAL).await;
    assert_eq!(left(&store).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_does_not_end_sweeping() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let store = First(faulty(), || {
        PANICS.fetch_add(1, Relaxed);
        Box::pin(async { panic!("told to") })
    });
    let _sessions = started(store.clone(), &TestClock::new());
    sleep(3 * INTERVAL).await;
    assert!(PANICS.load(Relaxed) > 1);
}

/// Nobody waits for a sweep, so a batch has thirty seconds, however little a request has.
#[tokio::test(start_paused = true)]
async fn a_batch_may_take_longer_than_a_call_of_a_request() {
    let slow: [fn() -> BoxFuture<'static, ()>; 2] =
        [|| Box::pin(sleep(Duration::from_secs(29))), || Box::pin(sleep(Duration::from_secs(31)))];
    for (slow, expected) in slow.into_iter().zip([Some(BATCH + 1), None]) {
        let store = faulty();
        fill(&store, Timestamp::from_millis(0), BATCH as u64 + 1).await;
        let sessions = manager(First(store, slow), settings(), &TestClock::new()).unwrap();
        assert_eq!(sessions.purge_expired().await.ok(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_is_started_once() {
    let store = faulty();
    let sessions = started(store.clone(), &TestClock::new());
    for _ in 0..10 {
        sessions.sweeper().start(sessions.engine());
    }
    sleep(INTERVAL * 3 / 2).await;
    assert_eq!(store.count(Call::Purge), 1);
}

#[tokio::test(start_paused = true)]
async fn without_an_interval_nothing_sweeps() {
    let store = faulty();
    let settings = settings().sweep_interval(Duration::ZERO);
    let sessions = manager(store.clone(), settings, &TestClock::new()).unwrap();
    sessions.sweeper().start(sessions.engine());
    sleep(10 * INTERVAL).await;
    assert_eq!(store.count(Call::Purge), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_that_is_stopped_stays_stopped() {
    let (running, idle) = (faulty(), faulty());
    let stopped = started(running.clone(), &TestClock::new());
    stopped.sweeper().stop();
    let never = manager(idle.clone(), settings(), &TestClock::new()).unwrap();
    never.sweeper().stop();
    for sessions in [&stopped, &never] {
        sessions.sweeper().start(sessions.engine());
    }
    sleep(10 * INTERVAL).await;
    assert_eq!((running.count(Call::Purge), idle.count(Call::Purge)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_sweeper_ends_with_its_manager() {
    let store = faulty();
    drop(started(store.clone(), &TestClock::new()));
    sleep(10 * INTERVAL).await;
    assert_eq!(store.count(Call::Purge), 0);
}

/// Moves both clocks, one second after the other.
async fn pass(clock: &TestClock, time: Duration) {
    for _ in 0..time.as_secs() {
        clock.advance(Duration::from_secs(1));
        sleep(Duration::from_secs(1)).await;
    }
}

/// RULES §2. Set ahead, the clock would make live sessions look long expired.
#[tokio::test(start_paused = true)]
async fn after_the_clock_was_set_ahead_nothing_is_swept_until_it_has_kept_time_for_ten_minutes() {
    let (store, clock) = (faulty(), TestClock::new());
    let sessions = started(store.clone(), &clock);
    fill(&store, sessions.engine().now().saturating_add(Duration::from_secs(3600)), 1).await;
    pass(&clock, 2 * INTERVAL).await;
    let before = store.count(Call::Purge);
    assert!(before > 0);

    clock.advance(Duration::from_secs(7200));
    pass(&clock, INTERVAL * 11 / 10).await;
    // The jump has been seen by now. Another one, before ten minutes have passed.
    pass(&clock, Duration::from_secs(60)).await;
    clock.advance(Duration::from_secs(61));
    pass(&clock, Duration::from_secs(9 * 60)).await;
    clock.set_back(Duration::from_secs(7200 + 61));
    pass(&clock, Duration::from_secs(60)).await;
    assert_eq!((store.count(Call::Purge), left(&store).await), (before, 1));

    pass(&clock, 2 * INTERVAL * 11 / 10).await;
    assert!(store.count(Call::Purge) > before, "the clock has kept time");
    assert_eq!(left(&store).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_ahead_for_good_is_believed_in_the_end() {
    let (store, clock) = (faulty(), TestClock::new());
    let sessions = started(store.clone(), &clock);
    fill(&store, sessions.engine().now(), 1).await;
    clock.advance(Duration::from_secs(7200));
    pass(&clock, INTERVAL * 11 / 10).await;
    assert_eq!(left(&store).await, 1);
    pass(&clock, QUIET + INTERVAL * 11 / 10).await;
    assert_eq!(left(&store).await, 0);
}

/// Else a machine that sleeps every night would never sweep.
#[tokio::test(start_paused = true)]
async fn after_a_jump_a_rare_sweep_does_not_wait_for_its_next_round() {
    let (store, clock) = (faulty(), TestClock::new());
    let day = Duration::from_secs(24 * 3600);
    let sessions = manager(store.clone(), settings().sweep_interval(day), &clock).unwrap();
    sessions.sweeper().start(sessions.engine());
    clock.advance(Duration::from_secs(7200));
    sleep(day * 9 / 10 - Duration::from_secs(1)).await;
    // The clock stands still from here on: the jump is what is left of it.
    clock.advance(day * 11 / 10);
    sleep(day / 5 + 3 * QUIET).await;
    assert_eq!(store.count(Call::Purge), 1);
}

/// RULES §2. A minute is what clocks are forgiven, and a clock that was set back makes nothing look expired.
#[tokio::test(start_paused = true)]
async fn a_small_step_ahead_or_any_step_back_does_not_pause_the_sweep() {
    for step in [1_i64, 59, -1, -7200] {
        let (store, clock) = (faulty(), TestClock::new());
        let _sessions = started(store.clone(), &clock);
        match u64::try_from(step) {
            Ok(ahead) => clock.advance(Duration::from_secs(ahead)),
            Err(_) => clock.set_back(Duration::from_secs(step.unsigned_abs())),
        }
        pass(&clock, INTERVAL * 11 / 10).await;
        assert_eq!(store.count(Call::Purge), 1, "{step}");
    }
}

/// The clock is read once for a round: a jump in the middle of one is seen before the next.
#[tokio::test(start_paused = true)]
async fn a_jump_in_the_middle_of_a_round_removes_nothing_that_is_alive() {
    static CLOCK: std::sync::OnceLock<TestClock> = std::sync::OnceLock::new();
    let (store, clock) = (faulty(), CLOCK.get_or_init(TestClock::new));
    let ahead: fn() -> BoxFuture<'static, ()> = || {
        CLOCK.get().unwrap().advance(Duration::from_secs(7200));
        Box::pin(std::future::ready(()))
    };
    let sessions = manager(First(store.clone(), ahead), settings(), clock).unwrap();
    fill(&store, Timestamp::from_millis(0), BATCH as u64).await;
    let live = sessions.engine().now().saturating_add(Duration::from_secs(60));
    let record = Record::new(Revision::new(1), live, [].as_slice());
    store.create(&Key::new([9; Key::LEN]), &record, Timestamp::from_millis(0)).await.unwrap();
    assert_eq!(sessions.purge_expired().await.unwrap(), BATCH);
    assert_eq!(left(&store).await, 1);
}

/// Does something else first when it is to purge.
#[derive(Clone, Debug)]
struct First(FaultyStore<MemoryStore>, fn() -> BoxFuture<'static, ()>);

impl Store for First {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        self.0.create(key, record, now).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.0.load(key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        self.0.replace(key, record, expected, now).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.0.touch(key, now, expires_at).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.0.delete(key).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        (self.1)().await;
        self.0.purge(cutoff, limit).await
    }

    fn facets(&self) -> Facets<'_> {
        Facets::none()
    }
}
