use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom_store::{Acquired, Claim, Error, Facets, Leases, Record, Result, Revision, Store, Timestamp};
use tokio::time::sleep;

use super::*;
use crate::clock::Stopwatch;
use crate::config::Settings;
use crate::engine::MAX_LATE_RELEASES;
use crate::manager::SessionManager;
use crate::testing::{TestClock, manager};

const SECOND: Duration = Duration::from_secs(1);
const TTL: Duration = Duration::from_secs(9);
/// Not a whole number of renewals.
const LIMIT: Duration = Duration::from_secs(61);

/// What the store answers to a renewal.
#[derive(Clone, Copy, Debug, Default)]
enum Renewal {
    #[default]
    Granted,
    Refused,
    Failed,
    Silence,
}

/// A store of nothing but leases, which notes when it is asked for what.
#[derive(Clone, Debug, Default)]
struct Fake {
    renewal: Arc<Mutex<Renewal>>,
    /// Whole seconds after the first call of [`Fake::lease`].
    renewed: Arc<Mutex<Vec<u64>>>,
    released: Arc<Mutex<Vec<(Key, LeaseId)>>>,
    silent_release: Arc<AtomicBool>,
    /// The store answers no release before so many have been tried.
    away: Arc<AtomicUsize>,
    watch: Arc<Mutex<Option<Stopwatch>>>,
    claims: Arc<Mutex<Vec<Claim>>>,
}

impl Fake {
    fn lease(&self) -> (SessionManager, HeldLease) {
        let settings = Settings::new().lease_ttl(TTL).lease_limit(LIMIT);
        let sessions = manager(self.clone(), settings, &TestClock::new()).unwrap();
        *self.watch.lock().unwrap() = Some(Stopwatch::start());
        let lease = HeldLease::new(Arc::clone(sessions.engine()), KEY, LeaseId::new(7));
        (sessions, lease)
    }

    fn renewed(&self) -> Vec<u64> {
        self.renewed.lock().unwrap().clone()
    }

    fn released(&self) -> Vec<(Key, LeaseId)> {
        self.released.lock().unwrap().clone()
    }
}

const KEY: Key = Key::new([1; Key::LEN]);

impl Leases for Fake {
    async fn acquire(&self, _: &Key, _: &Claim) -> Result<Acquired> {
        Ok(Acquired::Busy(None))
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        assert_eq!((*key, claim.lease, claim.ttl), (KEY, LeaseId::new(7), TTL));
        let elapsed = self.watch.lock().unwrap().unwrap().elapsed();
        self.renewed.lock().unwrap().push(elapsed.as_secs());
        self.claims.lock().unwrap().push(*claim);
        let renewal = *self.renewal.lock().unwrap();
        match renewal {
            Renewal::Granted => Ok(true),
            Renewal::Refused => Ok(false),
            Renewal::Failed => Err(Error::unavailable("told to fail")),
            Renewal::Silence => std::future::pending().await,
        }
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        self.released.lock().unwrap().push((*key, lease));
        if self.silent_release.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.released().len() <= self.away.load(Ordering::Relaxed) {
            return Err(Error::unavailable("told to be away"));
        }
        Ok(true)
    }

    async fn replace_and_release(
        &self,
        _: &Key,
        _: &Record,
        _: Revision,
        _: LeaseId,
        _: Timestamp,
    ) -> Result<()> {
        Err(Error::unavailable("there are no records"))
    }

    async fn wait(&self, _: &Key, _: Duration) -> Result<()> {
        Ok(())
    }
}

impl Store for Fake {
    async fn create(&self, _: &Key, _: &Record, _: Timestamp) -> Result<()> {
        Err(Error::unavailable("there are no records"))
    }

    async fn load(&self, _: &Key) -> Result<Option<Record>> {
        Ok(None)
    }

    async fn replace(&self, _: &Key, _: &Record, _: Revision, _: Timestamp) -> Result<()> {
        Err(Error::unavailable("there are no records"))
    }

    async fn touch(&self, _: &Key, _: Timestamp, _: Timestamp) -> Result<bool> {
        Ok(false)
    }

    async fn delete(&self, _: &Key) -> Result<bool> {
        Ok(false)
    }

    async fn purge(&self, _: Timestamp, _: usize) -> Result<usize> {
        Ok(0)
    }

    fn facets(&self) -> Facets<'_> {
        Facets::none().leases(self)
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_at_every_third_of_its_time_and_ends_within_the_limit() {
    let fake = Fake::default();
    let (sessions, _lease) = fake.lease();
    sleep(2 * LIMIT).await;
    let (step, last) = (TTL.as_secs() / 3, (LIMIT - TTL).as_secs());
    assert_eq!(fake.renewed(), (1..=last / step).map(|nth| nth * step).collect::<Vec<_>>());
    let now = sessions.engine().clock.now();
    assert!(fake.claims.lock().unwrap().iter().all(|claim| claim.now == now));
    assert_eq!(fake.released(), []);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_dropped_is_given_back_and_renewed_no_more() {
    let fake = Fake::default();
    let (sessions, lease) = fake.lease();
    assert_eq!(lease.id(), LeaseId::new(7));
    sleep(4 * SECOND).await;
    drop(lease);
    assert!(sessions.shutdown().await);
    assert_eq!(fake.released(), [(KEY, LeaseId::new(7))]);
    sleep(LIMIT).await;
    assert_eq!(fake.renewed(), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_went_back_with_a_write_is_not_given_back_again() {
    let fake = Fake::default();
    let (_sessions, lease) = fake.lease();
    lease.released();
    sleep(LIMIT).await;
    assert_eq!((fake.released(), fake.renewed()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_refused_renewal_is_the_last() {
    let fake = Fake::default();
    let (_sessions, _lease) = fake.lease();
    *fake.renewal.lock().unwrap() = Renewal::Refused;
    sleep(LIMIT).await;
    assert_eq!(fake.renewed(), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_or_gets_no_answer_is_tried_again_before_the_lease_is_over() {
    for renewal in [Renewal::Failed, Renewal::Silence] {
        let fake = Fake::default();
        let (_sessions, _lease) = fake.lease();
        *fake.renewal.lock().unwrap() = renewal;
        sleep(7 * SECOND).await;
        assert_eq!(fake.renewed(), [3, 6], "{renewal:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_fails_is_tried_again_until_the_store_is_back() {
    let fake = Fake::default();
    fake.away.store(5, Ordering::Relaxed);
    let (_sessions, lease) = fake.lease();
    drop(lease);
    sleep(LIMIT).await;
    assert_eq!(fake.released().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_release_is_not_tried_for_longer_than_the_lease_may_last() {
    for silent in [false, true] {
        let fake = Fake::default();
        fake.silent_release.store(silent, Ordering::Relaxed);
        fake.away.store(usize::MAX, Ordering::Relaxed);
        let (_sessions, lease) = fake.lease();
        drop(lease);
        sleep(TTL + 2 * SECOND + Settings::default().store_timeout).await;
        let tries = fake.released().len();
        assert!(tries > 3, "{tries}");
        sleep(LIMIT).await;
        assert_eq!(fake.released().len(), tries);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_store_that_is_away_to_take_a_lease_back() {
    let fake = Fake::default();
    fake.away.store(usize::MAX, Ordering::Relaxed);
    let (sessions, lease) = fake.lease();
    let watch = Stopwatch::start();
    drop(lease);
    assert!(sessions.shutdown().await);
    assert_eq!(watch.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn few_leases_at_a_time_wait_for_a_store_to_be_back() {
    let fake = Fake::default();
    fake.away.store(usize::MAX, Ordering::Relaxed);
    let (sessions, lease) = fake.lease();
    drop(lease);
    for number in 1..200 {
        drop(HeldLease::new(Arc::clone(sessions.engine()), KEY, LeaseId::new(number)));
    }
    sleep(SECOND / 20).await;
    assert_eq!(fake.released().len(), 200, "each is tried once");
    sleep(SECOND / 10).await;
    assert_eq!(fake.released().len(), 200 + MAX_LATE_RELEASES);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_given_back_if_it_never_became_known_whether_it_was_taken() {
    let fake = Fake::default();
    let (sessions, lease) = fake.lease();
    lease.released();
    UnknownLease::new(Arc::clone(sessions.engine()), KEY, LeaseId::new(8)).known();
    drop(UnknownLease::new(Arc::clone(sessions.engine()), KEY, LeaseId::new(9)));
    assert!(sessions.shutdown().await);
    assert_eq!(fake.released(), [(KEY, LeaseId::new(9))]);
}

/// Else it would find the lease taken.
#[tokio::test(start_paused = true)]
async fn the_next_in_the_queue_has_its_turn_when_the_lease_is_back_or_its_release_has_failed() {
    for (silent, after) in [(false, Duration::ZERO), (true, Settings::default().store_timeout)] {
        let fake = Fake::default();
        fake.silent_release.store(silent, Ordering::Relaxed);
        let (sessions, lease) = fake.lease();
        let queues = || Arc::clone(&sessions.engine().queues);
        let turn = queues().wait(KEY, SECOND).await.unwrap();
        let watch = Stopwatch::start();
        lease.give_back(turn);
        queues().wait(KEY, LIMIT).await.unwrap();
        assert_eq!((fake.released().len(), watch.elapsed()), (1, after));
    }
}

#[test]
fn a_lease_can_be_dropped_outside_of_its_runtime() {
    let fake = Fake::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (sessions, lease) = runtime.block_on(async { fake.lease() });
    drop(lease);
    assert!(runtime.block_on(sessions.shutdown()));
    assert_eq!(fake.released().len(), 1);
}
