//! A namespace of its own for each test, on a server that many share.

pub(crate) mod raw;

use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

/// A prefix that nobody has had before.
#[allow(clippy::disallowed_methods, reason = "a name that no rule depends on")]
pub(crate) fn fresh_prefix() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let nanos = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("test:{}:{}:{nanos}:", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
