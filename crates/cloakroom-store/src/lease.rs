use std::ops::Range;
use std::time::Duration;

use crate::record::{Record, Revision};
use crate::timestamp::Timestamp;

/// What a caller passes to [`Leases::acquire`](crate::Leases::acquire) and [`Leases::renew`](crate::Leases::renew).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The caller's lease.
    pub lease: LeaseId,
    /// The time on the caller's clock. A backend with a clock that all its clients share uses that clock instead.
    pub now: Timestamp,
    /// How long the lease lasts from now.
    pub ttl: Duration,
    /// The record's next revision if an expired lease is taken over.
    pub takeover: Revision,
    /// The bytes that the record's data must have at [`Claim::GUARD`] to be leased; it must also expire after `now`. Engines
    /// have the hash of the session's secret there, so that a caller without it writes nothing.
    pub guard: Option<[u8; 16]>,
    /// A lease that counts as expired if it is still exactly this one: the caller has watched it stay the same for longer than
    /// it can last, on a monotonic clock.
    pub overrule: Option<SeenLease>,
}

impl Claim {
    /// A claim on `lease` for `ttl` from `now`. If it takes over an expired lease, the record gets the revision
    /// `takeover`.
    pub const fn new(lease: LeaseId, now: Timestamp, ttl: Duration, takeover: Revision) -> Self {
        Self { lease, now, ttl, takeover, guard: None, overrule: None }
    }

    /// The same claim, on a record that has these bytes at [`Claim::GUARD`] and has not expired.
    pub const fn guarded(self, guard: [u8; 16]) -> Self {
        Self { guard: Some(guard), ..self }
    }

    /// The same claim, for which this lease counts as expired.
    pub const fn overruling(self, seen: SeenLease) -> Self {
        Self { overrule: Some(seen), ..self }
    }

    /// Where a record's data has the bytes that [`guard`](Self::guard) is compared with.
    pub const GUARD: Range<usize> = 2..18;
    /// How much further ahead than [`ttl`](Self::ttl) a lease may end and still be believed, since the clocks of callers
    /// differ: 5 seconds.
    pub const TOLERANCE: Duration = Duration::from_secs(5);

    /// Whether the guard, if there is one, lets this claim have the record: the bytes are there, and the record expires after
    /// `now`. True without a guard. For stores that decode records; others compare in a query or script of their own.
    pub fn admits(&self, record: &Record) -> bool {
        self.guard
            .is_none_or(|guard| record.data.get(Self::GUARD) == Some(&guard) && record.expires_at > self.now)
    }

    /// Whether a lease that was read as `seen` counts as expired: its end is not after `now`, the time on the clock that
    /// leases in this store go by; or it is more than [`ttl`](Self::ttl) and [`TOLERANCE`](Self::TOLERANCE) after it; or
    /// `seen` is the lease to [`overrule`](Self::overrule).
    pub fn finds_expired(&self, seen: SeenLease, now: Timestamp) -> bool {
        let latest = now.saturating_add(self.ttl).saturating_add(Self::TOLERANCE);
        seen.until <= now || seen.until > latest || self.overrule == Some(seen)
    }
}

/// A lease as it is stored: its holder, and when it ends on the clock that the store goes by. Two that are equal are the same
/// lease, not renewed in between; nothing else is to be read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenLease {
    /// The holder.
    pub lease: LeaseId,
    /// When it ends.
    pub until: Timestamp,
}

impl SeenLease {
    /// The lease of this holder that ends at `until`.
    pub const fn new(lease: LeaseId, until: Timestamp) -> Self {
        Self { lease, until }
    }
}

/// Names one holder of a lease: a random number that is never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LeaseId(u64);

impl LeaseId {
    /// The lease with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number. Stores keep all 64 bits.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The result of [`Leases::acquire`](crate::Leases::acquire).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acquired {
    /// The caller holds the lease, and this is the record.
    Held(Record),
    /// Another caller holds the lease: this one, if the store tells. Stores whose leases go by the clocks of their callers tell,
    /// so that a waiter can see that a lease does not change, and [`overrule`](Claim::overrule) it. Where all leases go by one
    /// clock, it is `None`.
    Busy(Option<SeenLease>),
    /// There is no record under that key, and therefore no lease.
    Missing,
    /// This is the record, and it does not match the guard, or has expired: no lease was taken, and nothing was written.
    Mismatch(Record),
}
