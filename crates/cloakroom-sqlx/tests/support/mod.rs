//! What the tests of every database share.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// A table's name that no other test has, of this run or of any other.
#[allow(clippy::disallowed_methods, reason = "unique names, not time")]
pub(crate) fn fresh_table() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    format!("t{}_{}_{nanos:x}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
