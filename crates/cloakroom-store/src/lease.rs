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
}

impl Claim {
    /// A claim on `lease` for `ttl` from `now`. If it takes over an expired lease, the record gets the revision
    /// `takeover`.
    pub const fn new(lease: LeaseId, now: Timestamp, ttl: Duration, takeover: Revision) -> Self {
        Self { lease, now, ttl, takeover }
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
    /// Another caller holds the lease.
    Busy,
    /// There is no record under that key, and therefore no lease.
    Missing,
}
