//! `wait` comes back when there is something to do, and at the latest when it was told to.

use std::time::Duration;

use super::harness::{Facet, Harness};
use super::leases::claim;
use super::probe::{Probe, at, in_time, key, record};
use super::race::{Mode, abandon_after, race};
use crate::facets::BoxFuture;

/// `wait` on a free lease returns immediately: a release between `Busy` and `wait` is not missed.
pub async fn wait_for_a_free_lease_returns_at_once(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    in_time(harness, store.wait(key(1), LONG)).await.expect("wait succeeds");
    store.hold(key(1), claim(1, at(0))).await;
    assert!(store.release(key(1), 1).await);
    in_time(harness, store.wait(key(1), LONG)).await.expect("wait succeeds");
}

/// `wait` without a record comes back at once: there is no lease on it.
pub async fn wait_without_a_record_returns_at_once(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    in_time(harness, store.wait(key(1), LONG)).await.expect("wait succeeds");
}

/// `wait` on a lease that stays held comes back after `at_most`.
pub async fn wait_returns_after_at_most(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    let short = Duration::from_millis(100);
    in_time(harness, store.wait(key(1), short)).await.expect("wait succeeds");
    in_time(harness, store.wait(key(1), Duration::ZERO)).await.expect("wait succeeds");
    assert!(store.release(key(1), 1).await, "waiting takes nothing from the holder");
}

/// `release` ends the wait of another, from another handle too.
pub async fn release_ends_a_wait(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    let holder = store.clone();
    ends_a_wait(harness, Box::pin(async move { assert!(holder.release(key(1), 1).await) })).await;
}

/// `replace_and_release` ends the wait of another.
pub async fn replace_and_release_ends_a_wait(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    let holder = store.clone();
    let act = async move {
        holder.replace_and_release(key(1), &record(2), &record(1), 1).await.expect("replace succeeds");
    };
    ends_a_wait(harness, Box::pin(act)).await;
}

/// `delete` ends the wait of another: there is no lease any more.
pub async fn delete_ends_a_wait(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    let holder = store.clone();
    let act = async move { assert!(holder.delete(key(1)).await.expect("delete succeeds")) };
    ends_a_wait(harness, Box::pin(act)).await;
}

/// A waiter that was dropped swallows no wake-up: the other one still comes back after the release.
pub async fn a_dropped_waiter_swallows_no_wake_up(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    abandon_after(1, store.wait(key(1), LONG)).await;
    let holder = store.clone();
    ends_a_wait(harness, Box::pin(async move { assert!(holder.release(key(1), 1).await) })).await;
}

/// The holder 1 acquires, another waits, and then `act` is done: the waiter comes back.
async fn ends_a_wait(harness: &dyn Harness, act: BoxFuture<'static, ()>) {
    let (holder, waiter) = (Probe::new(harness), Probe::new(harness));
    holder.hold(key(1), claim(1, at(0))).await;
    let wait = waiter.wait(key(1), LONG);
    let pause = harness.sleep(Duration::from_millis(50));
    let act = Box::pin(async move {
        // So that the waiter really waits.
        pause.await;
        act.await;
    });
    let both = race(harness, Mode::Interleaved { first: 0, head_start: 1 }, wait, act);
    in_time(harness, both).await.0.expect("wait succeeds");
}

/// Longer than any check's patience.
const LONG: Duration = Duration::from_secs(60);
