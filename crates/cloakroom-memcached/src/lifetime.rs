//! How long memcached keeps an item: a length, on the server's own clock.
//!
//! Invariant: no time of the application's clock is sent. That clock may be slow by hours, and an absolute time of it would remove at once what
//! was just acknowledged.

use cloakroom_store::{Record, Timestamp};
use tokio::time::Instant;

/// For how long an item is to be kept from now on, whatever becomes of it then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lifetime {
    /// Not at all, for 0.
    Seconds(u64),
    /// Only another program stores such items.
    Forever,
}

impl Lifetime {
    /// For a record with this expiry, by the clock that says `now`: until then, and [`Record::NATIVE_EXPIRY_MARGIN`].
    ///
    /// Rounded up, and a second more: memcached counts in whole seconds, and the current one may be almost over.
    pub(crate) fn of(expires_at: Timestamp, now: Timestamp) -> Self {
        let kept = expires_at.saturating_add(Record::NATIVE_EXPIRY_MARGIN).since(now);
        let seconds = u64::try_from(kept.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
        Self::Seconds(if seconds == 0 { 0 } else { seconds.saturating_add(1) })
    }

    /// Whether an item that is kept for `self` is kept for as long as `wanted`, but for the rounding.
    pub(crate) fn covers(self, wanted: Self) -> bool {
        match (self, wanted) {
            (Self::Seconds(left), Self::Seconds(wanted)) => left.saturating_add(1) >= wanted,
            _ => self >= wanted,
        }
    }
}

/// A server's clock, as it was read when a connection began, and the time since then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerClock {
    /// In seconds since the Unix epoch.
    read: u64,
    at: Instant,
}

impl ServerClock {
    /// The server said that it is `read`, when it was asked at `at`.
    pub(crate) fn new(read: u64, at: Instant) -> Self {
        Self { read, at }
    }

    /// What the server is sent as an item's expiry, at this time.
    ///
    /// Memcached reads up to 30 days as "from now", and more as a time since the Unix epoch, on the clock that it tells as `time`. It
    /// keeps times in 32 bits with a sign: 1.6.18 takes later ones, but forgets such items at once. So those become the last second
    /// there is, in January 2038, or 30 days from now if that is later.
    pub(crate) fn expiry(&self, lifetime: Lifetime, now: Instant) -> i32 {
        let seconds = match lifetime {
            Lifetime::Forever => return NEVER,
            Lifetime::Seconds(0) => return AT_ONCE,
            Lifetime::Seconds(seconds) => seconds,
        };
        if seconds <= MOST_RELATIVE {
            return at_most_the_last(seconds);
        }
        // What the server told was rounded down, and so is this.
        let now = self.read.saturating_add(now.duration_since(self.at).as_secs()).saturating_add(2);
        let end = at_most_the_last(now.saturating_add(seconds));
        if u64::from(end.unsigned_abs()) < now.saturating_add(MOST_RELATIVE) {
            return at_most_the_last(MOST_RELATIVE);
        }
        end
    }
}

fn at_most_the_last(seconds: u64) -> i32 {
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// Of an item that does not expire.
const NEVER: i32 = 0;
const AT_ONCE: i32 = -1;
const MOST_RELATIVE: u64 = 30 * 24 * 60 * 60;

#[cfg(test)]
mod tests;
