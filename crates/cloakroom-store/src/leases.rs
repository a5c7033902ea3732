use std::future::Future;
use std::time::Duration;

use crate::{Key, Record, Result, Revision, Store, Timestamp};

/// Exclusive use of a record across processes.
///
/// A lease is a courtesy between writers who ask for it; it stops nobody else's
/// [`replace`](Store::replace). Safety comes from revisions: whoever takes over an expired lease gives the record a
/// new revision, so a holder that slept through its lease cannot overwrite anything.
///
/// Replacing and touching a record leave its lease alone. Deleting it ends the lease: a later record under the same key
/// is free.
pub trait Leases: Store {
    /// Takes the lease on the record under `key` and answers with the record, in one step.
    ///
    /// A lease that ran out is taken over: the record then gets the revision
    /// [`claim.takeover`](Claim::takeover), and is answered with it. Acquiring a lease that this
    /// claim's owner holds already renews it, and takes nothing over. A lease that was released is free: acquiring it
    /// changes no revision.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if what is stored is not a record of this key.
    fn acquire(&self, key: &Key, claim: &Claim) -> impl Future<Output = Result<Acquired>> + Send;

    /// Lengthens a lease that is still held by `claim.lease` to `claim.now + claim.ttl`.
    ///
    /// False if it is not held any more, because it was released or taken over, or ran out at or before now; it is
    /// then never taken back.
    fn renew(&self, key: &Key, claim: &Claim) -> impl Future<Output = Result<bool>> + Send;

    /// Gives the lease back and wakes a waiter. False, without any effect, if `lease` does not hold it.
    fn release(&self, key: &Key, lease: LeaseId) -> impl Future<Output = Result<bool>> + Send;

    /// [`Store::replace`] and [`release`](Leases::release) in one step. If `lease` does not hold the lease, the record is
    /// replaced all the same, and the lease stays with whoever holds it.
    ///
    /// # Errors
    /// As [`Store::replace`]; the lease is then still held, if it was.
    fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Waits until the lease on `key` may be free, `at_most` this long. Returns at once if it is free already, so that no
    /// release between [`Acquired::Busy`] and this call is missed, and if there is no record.
    ///
    /// Woken by the backend where it can notify; otherwise a jittered poll. It may return early for no
    /// reason: callers acquire again and look.
    fn wait(&self, key: &Key, at_most: Duration) -> impl Future<Output = Result<()>> + Send;
}

/// What a caller of [`Leases::acquire`] and [`Leases::renew`] brings.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Who asks.
    pub lease: LeaseId,
    /// The time on the caller's clock. A backend with a clock that all its clients share uses that one
    /// instead.
    pub now: Timestamp,
    /// How long the lease shall last from now.
    pub ttl: Duration,
    /// The record's next revision, in case an expired lease is taken over.
    pub takeover: Revision,
}

/// Names one holder of a lease: a random number, never used twice.
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

/// The answer of [`Leases::acquire`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The lease is held by the caller, and this is the record.
    Held(Record),
    /// Somebody else holds it.
    Busy,
    /// There is no record under that key; there is no lease on it either.
    Missing,
}
