//! What the tests of every database share.

#![allow(dead_code, reason = "none uses all of it")]

pub(crate) mod harness;

use std::future::poll_fn;
use std::pin::Pin;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use cloakroom_store::{BoxFuture, Claim, Key, LeaseId, Record, Revision, Timestamp};

/// A table's name that no other test has, of this run or of any other.
#[allow(clippy::disallowed_methods, reason = "unique names, not time")]
pub(crate) fn fresh_table() -> String {
    let nanos = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    format!("t{}_{}_{nanos:x}", process::id(), count())
}

/// A key that no other test has.
pub(crate) fn fresh_key() -> Key {
    let mut bytes = [7; Key::LEN];
    bytes[..8].copy_from_slice(&count().to_be_bytes());
    Key::new(bytes)
}

fn count() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// A record with this revision that expires at this millisecond.
pub(crate) fn record(revision: u64, expires_at: u64) -> Record {
    Record {
        revision: Revision::new(revision),
        expires_at: Timestamp::from_millis(expires_at),
        subject: None,
        data: b"data".as_slice().into(),
    }
}

/// A claim for a minute.
pub(crate) fn claim(holder: u64) -> Claim {
    Claim {
        lease: LeaseId::new(holder),
        now: Timestamp::from_millis(0),
        ttl: Duration::from_secs(60),
        takeover: Revision::new(1_000),
    }
}

/// Polls a call so often, then drops it. Whether it was done before that.
pub(crate) async fn drop_after<T>(polls: usize, mut call: BoxFuture<'_, T>) -> bool {
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        if Pin::new(&mut call).poll(context).is_ready() { Poll::Ready(true) } else { Poll::Pending }
    })
    .await
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("after ten seconds it still is not so that {what}");
}
