//! A namespace of its own for each test, on a server that many share.

#![allow(dead_code, reason = "each test program uses some of it")]

pub(crate) mod fake;
pub(crate) mod monitor;
pub(crate) mod proxy;
pub(crate) mod raw;

use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cloakroom_redis::RedisStore;
use cloakroom_store::{Claim, Cursor, Key, LeaseId, Record, Result, Revision, Scan, Subject, Timestamp};

/// A prefix that no store has had before.
#[allow(clippy::disallowed_methods, reason = "a name that no rule depends on")]
pub(crate) fn fresh_prefix() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let nanos = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("test:{}:{}:{nanos}:", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The n-th of many keys.
pub(crate) fn key(n: u64) -> Key {
    let mut bytes = [7; Key::LEN];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Key::new(bytes)
}

/// A record without a subject in the year 2100.
pub(crate) fn record(revision: u64) -> Record {
    Record::new(Revision::new(revision), at(60_000), format!("data of revision {revision}").into_bytes())
}

/// A record changed like this.
pub(crate) fn with(mut record: Record, change: impl FnOnce(&mut Record)) -> Record {
    change(&mut record);
    record
}

pub(crate) fn alice() -> Subject {
    Subject::new("alice").unwrap()
}

/// The year 2100, and so many milliseconds.
pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(4_102_444_800_000 + millis)
}

/// A claim for a minute by this holder.
pub(crate) fn claim(holder: u64) -> Claim {
    claim_for(holder, Duration::from_secs(60))
}

pub(crate) fn claim_for(holder: u64, ttl: Duration) -> Claim {
    Claim::new(LeaseId::new(holder), at(0), ttl, Revision::new(holder + 1_000))
}

/// The name of the hash of a record, where the prefix was not changed.
pub(crate) fn name(key: &Key) -> String {
    format!("cloakroom:{key}")
}

/// All keys that a walk sees.
pub(crate) async fn walk(store: &RedisStore) -> Result<Vec<Key>> {
    let (mut seen, mut cursor) = (Vec::new(), None::<Cursor>);
    loop {
        let page = store.page(cursor.as_ref(), 10).await?;
        seen.extend(page.items.into_iter().map(|(key, _)| key));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(seen),
        }
    }
}

/// For measuring how long the store takes.
#[allow(clippy::disallowed_methods, reason = "no rule depends on this time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
