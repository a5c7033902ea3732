//! Who removes what has expired: `purge`, or a backend by a clock of its own, and then no sooner than ten minutes after.

use std::time::{Duration, SystemTime};

use super::harness::{Expiry, Facet, Harness};
use super::leases::claim;
use super::probe::{Probe, at, expiring, key, record};
use crate::key::Key;
use crate::record::Record;
use crate::timestamp::Timestamp;

/// A record that expired a few minutes ago is served like any other, whatever the time: the engine sees that it has
/// expired, and says so to the visitor.
pub async fn what_expired_minutes_ago_is_still_served(harness: &dyn Harness) {
    let store = Probe::new(harness).at_time(real_now());
    let expired = expiring(ago(MARGIN - Duration::from_secs(60)), &record(1));
    store.put(key(1), &expired).await;
    assert_eq!(store.stored(key(1)).await, Some(expired.clone()));
    store.put(key(2), &record(0)).await;
    store.replace(key(2), &expired, &record(0)).await.expect("replace succeeds");
    assert_eq!(store.stored(key(2)).await, Some(expired));
}

/// A backend with a clock removes what expired more than ten minutes ago, whether it was created or replaced with that
/// expiry. Any other store continues to serve it.
pub async fn what_expired_long_ago_goes_by_itself_or_not_at_all(harness: &dyn Harness) {
    let store = Probe::new(harness).at_time(real_now());
    let expired = expiring(ago(MARGIN + Duration::from_secs(60)), &record(1));
    store.put(key(1), &expired).await;
    store.put(key(2), &record(0)).await;
    store.replace(key(2), &expired, &record(0)).await.expect("replace succeeds");
    for key in [key(1), key(2)] {
        match harness.expiry() {
            Expiry::Purged => assert_eq!(store.stored(key).await.as_ref(), Some(&expired)),
            Expiry::Native => assert!(goes(harness, &store, key).await, "it expired long ago: {key:?}"),
        }
    }
}

/// The backend's own expiry moves with the record's, by a touch as by a replace.
pub async fn a_lengthened_record_outlives_its_first_expiry(harness: &dyn Harness) {
    let store = Probe::new(harness).at_time(real_now());
    let left = Duration::from_secs(5);
    let nearly_gone = expiring(ago(MARGIN - left), &record(1));
    let before = Timestamp::from_millis(nearly_gone.expires_at.as_millis() - 1);
    for n in [1, 2] {
        store.put(key(n), &nearly_gone).await;
    }
    assert!(store.touch(key(1), before, at(0)).await.expect("touch succeeds"));
    store.replace(key(2), &record(2), &nearly_gone).await.expect("replace succeeds");
    if harness.expiry() == Expiry::Native {
        harness.sleep(left + GRANULARITY).await;
    }
    assert_eq!(store.stored(key(1)).await, Some(expiring(at(0), &nearly_gone)));
    assert_eq!(store.stored(key(2)).await, Some(record(2)));
}

/// A life is a length. A caller whose clock is slow or fast loses nothing of what it just stored or lengthened.
pub async fn a_caller_whose_clock_is_off_loses_nothing(harness: &dyn Harness) {
    for (n, now) in (0..).step_by(10).zip(clocks_that_are_off()) {
        let store = Probe::new(harness).at_time(now);
        let alive = expiring(now.saturating_add(HOUR), &record(1));
        store.put(key(n), &alive).await;
        assert_eq!(store.stored(key(n)).await.as_ref(), Some(&alive), "created at {now:?}");
        let next = expiring(alive.expires_at, &record(2));
        store.replace(key(n), &next, &alive).await.expect("replace succeeds");
        assert_eq!(store.stored(key(n)).await, Some(next.clone()), "replaced at {now:?}");
        let later = now.saturating_add(HOUR + HOUR / 2);
        assert!(store.touch(key(n), now, later).await.expect("touch succeeds"), "touched at {now:?}");
        assert_eq!(store.stored(key(n)).await, Some(expiring(later, &next)), "touched at {now:?}");
    }
}

/// The same for what is replaced by the holder of a lease.
pub async fn a_holder_whose_clock_is_off_loses_nothing(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    for (n, now) in (0..).step_by(10).zip(clocks_that_are_off()) {
        let store = store.at_time(now);
        let [first, next] = [1, 2].map(|n| expiring(now.saturating_add(HOUR), &record(n)));
        store.put(key(n), &first).await;
        store.hold(key(n), claim(1, now)).await;
        store.replace_and_release(key(n), &next, &first, 1).await.expect("replace succeeds");
        assert_eq!(store.stored(key(n)).await, Some(next), "replaced at {now:?}");
    }
}

/// A life is a length: what has expired long ago by a caller's fast clock goes by itself as well, for nobody else will
/// remove it. Any other store continues to serve it.
pub async fn what_expired_long_ago_by_a_fast_clock_goes_too(harness: &dyn Harness) {
    let [_, now] = clocks_that_are_off();
    let store = Probe::new(harness).at_time(now);
    let earlier = Timestamp::from_millis(now.as_millis() - 660_000);
    let expired = expiring(earlier, &record(1));
    store.put(key(1), &expired).await;
    store.put(key(2), &expiring(now.saturating_add(HOUR), &record(0))).await;
    store.replace(key(2), &expired, &record(0)).await.expect("replace succeeds");
    for key in [key(1), key(2)] {
        match harness.expiry() {
            Expiry::Purged => assert_eq!(store.stored(key).await.as_ref(), Some(&expired)),
            Expiry::Native => assert!(goes(harness, &store, key).await, "it expired long ago: {key:?}"),
        }
    }
}

/// A clock that is two hours slow, and one that is two hours fast.
fn clocks_that_are_off() -> [Timestamp; 2] {
    [ago(2 * HOUR), real_now().saturating_add(2 * HOUR)]
}

/// Whether the record is removed soon.
async fn goes(harness: &dyn Harness, store: &Probe, key: Key) -> bool {
    for _ in 0..50 {
        if store.stored(key).await.is_none() {
            return true;
        }
        harness.sleep(GRANULARITY / 10).await;
    }
    false
}

#[allow(clippy::disallowed_methods, reason = "a backend with a clock of its own goes by the real one")]
fn ago(duration: Duration) -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is past 1970").saturating_sub(duration);
    // Whole seconds, so that a run is like any other.
    Timestamp::from_millis(since.as_secs() * 1_000)
}

fn real_now() -> Timestamp {
    ago(Duration::ZERO)
}

const HOUR: Duration = Duration::from_secs(3_600);

/// How long a backend keeps at least what has expired, as the contract says.
const MARGIN: Duration = Record::NATIVE_EXPIRY_MARGIN;

/// A backend's clock may count whole seconds.
const GRANULARITY: Duration = Duration::from_secs(1);
