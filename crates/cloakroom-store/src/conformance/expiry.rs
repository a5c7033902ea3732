//! Who removes what has expired: `purge`, or a backend by a clock of its own, and then no sooner than ten minutes after.

use std::time::{Duration, SystemTime};

use super::harness::{Expiry, Harness};
use super::probe::{Probe, at, expiring, key, record};
use crate::key::Key;
use crate::record::Record;
use crate::timestamp::Timestamp;

/// A record that expired a few minutes ago is served like any other, whatever the time: the engine sees that it has
/// expired, and says so to the visitor.
pub async fn what_expired_minutes_ago_is_still_served(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let expired = expiring(ago(MARGIN - Duration::from_secs(60)), &record(1));
    store.put(key(1), &expired).await;
    assert_eq!(store.stored(key(1)).await, Some(expired.clone()));
    store.put(key(2), &record(0)).await;
    store.replace(key(2), &expired, &record(0)).await.expect("replace succeeds");
    assert_eq!(store.stored(key(2)).await, Some(expired));
}

/// A backend with a clock removes what expired more than ten minutes ago, whether it was created or replaced with that
/// expiry. Any other store goes on serving it.
pub async fn what_expired_long_ago_goes_by_itself_or_not_at_all(harness: &dyn Harness) {
    let store = Probe::new(harness);
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
    let store = Probe::new(harness);
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

/// How long a backend keeps at least what has expired, as the contract says.
const MARGIN: Duration = Record::NATIVE_EXPIRY_MARGIN;

/// A backend's clock may count whole seconds.
const GRANULARITY: Duration = Duration::from_secs(1);
