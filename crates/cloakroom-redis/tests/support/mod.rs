//! A namespace of its own for each test, on a server that many share.

#![allow(dead_code, reason = "each test program uses some of it")]

pub(crate) mod fake;
pub(crate) mod monitor;
pub(crate) mod proxy;
pub(crate) mod raw;

use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use cloakroom_store::{Claim, Key, LeaseId, Record, Revision, Timestamp};

/// A prefix that nobody has had before.
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

/// A record of nobody in the year 2100.
pub(crate) fn record(revision: u64) -> Record {
    Record {
        revision: Revision::new(revision),
        expires_at: at(60_000),
        subject: None,
        data: format!("data of revision {revision}").into_bytes().into(),
    }
}

/// The year 2100, and so many milliseconds.
pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(4_102_444_800_000 + millis)
}

/// A claim for a minute by this holder.
pub(crate) fn claim(holder: u64) -> Claim {
    Claim {
        lease: LeaseId::new(holder),
        now: at(0),
        ttl: Duration::from_secs(60),
        takeover: Revision::new(holder + 1_000),
    }
}
