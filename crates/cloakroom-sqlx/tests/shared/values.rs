//! Names, records and claims that tests use, and how they wait.

use std::error;
use std::future::poll_fn;
use std::pin::Pin;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use cloakroom_sqlx::OpenError;
use cloakroom_store::{BoxFuture, Claim, Key, LeaseId, Record, Revision, Subject, Timestamp};

/// A name that no other table has, of this run or of any other.
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
    Record::new(Revision::new(revision), at(expires_at), *b"data")
}

/// As [`record`], of the user ann.
pub(crate) fn anns(revision: u64, expires_at: u64) -> Record {
    record(revision, expires_at).with_subject(ann())
}

pub(crate) fn ann() -> Subject {
    Subject::new("ann").unwrap()
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A claim for a minute.
pub(crate) fn claim(holder: u64) -> Claim {
    claim_for(holder, Duration::from_secs(60))
}

pub(crate) fn claim_for(holder: u64, ttl: Duration) -> Claim {
    Claim::new(LeaseId::new(holder), at(0), ttl, Revision::new(1_000))
}

/// What the user sees of an error that `main` returns.
pub(crate) fn text(error: &OpenError) -> String {
    format!("{error:?}")
}

/// The message of the source of an error.
pub(crate) fn cause(error: &cloakroom_store::Error) -> String {
    error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// Polls a call this number of times, then drops it. Returns whether it was done before that.
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

/// Waits until a condition is true.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("after ten seconds it is still not true that {what}");
}
