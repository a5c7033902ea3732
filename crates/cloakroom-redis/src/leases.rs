//! Leases, by the server's clock. Who waits is called by a message when its turn has come.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Acquired, Claim, Error, ErrorKind, Key, LeaseId, Leases, Record, Result, Revision};
use redis::Value;

use crate::bell::Seat;
use crate::space::Space;
use crate::store::{RedisStore, Written, replaced};
use crate::{fields, reply, script};

impl Leases for RedisStore {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let (lease, ttl) = (claim.lease.get().to_string(), ttl(claim));
        let takeover = claim.takeover.get().to_string();
        let instance = self.space.instance.as_bytes();
        let args: [&[u8]; 5] =
            [key.as_bytes(), lease.as_bytes(), ttl.as_bytes(), takeover.as_bytes(), instance];
        match self.space.run(&script::ACQUIRE, &self.space.record(key), &args).await? {
            Value::Array(answer) => {
                let acquired = acquired(key, answer);
                if acquired.as_ref().is_err_and(|error| error.kind() == ErrorKind::Corrupt) {
                    // The server may have taken it for sound. If this fails the lease runs out.
                    _ = self.release(key, claim.lease).await;
                }
                acquired
            }
            _ => Err(Error::maybe_applied("an answer that is no list")),
        }
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let (lease, ttl) = (claim.lease.get().to_string(), ttl(claim));
        let args = [lease.as_bytes(), ttl.as_bytes()];
        Ok(self.space.change(&script::RENEW, &self.space.record(key), &args).await? == 1)
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        let lease = lease.get().to_string();
        let [channels, alone] = self.space.calling();
        let args = [lease.as_bytes(), channels, alone];
        Ok(self.space.change(&script::RELEASE, &self.space.record(key), &args).await? == 1)
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
    ) -> Result<()> {
        let new = Written::new(key, record)?;
        let (expected, lease) = (expected.get().to_string(), lease.get().to_string());
        let args =
            [&new.args()[..], &[expected.as_bytes(), lease.as_bytes()], &self.space.calling()].concat();
        replaced(self.space.change(&script::REPLACE_AND_RELEASE, &self.space.record(key), &args).await?)
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        self.bell.listen(at_most.min(LOOK_AGAIN)).await;
        // In this order, so that no call between the two is missed.
        let mut place = Place { seat: self.bell.sit_down(*key), space: Arc::clone(&self.space), leave: true };
        let args = [self.space.instance.as_bytes()];
        let left = self.space.change(&script::WAIT, &self.space.record(key), &args).await?;
        if left <= 0 {
            place.leave = false;
            return Ok(());
        }
        let left = Duration::from_millis(left.unsigned_abs());
        let patience = left.min(LOOK_AGAIN).min(at_most);
        let called = tokio::time::timeout(patience, place.seat.called()).await.is_ok();
        // Who looks again keeps its place in the queue.
        place.leave = !called && patience == at_most;
        Ok(())
    }
}

/// A waiter's place in the queue on the server. Given up, the next one is called instead.
struct Place {
    seat: Seat,
    space: Arc<Space>,
    leave: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.leave && self.seat.is_last() {
            leave(&self.space, self.seat.key());
        }
    }
}

/// Takes this instance out of the queue for a lease, in the background. If that fails, its turn passes by itself.
pub(crate) fn leave(space: &Arc<Space>, key: Key) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let space = Arc::clone(space);
    runtime.spawn(async move {
        let [channels, alone] = space.calling();
        let args = [space.instance.as_bytes(), channels, alone];
        _ = space.run(&script::LEAVE, &space.record(&key), &args).await;
    });
}

fn acquired(key: &Key, answer: Vec<Value>) -> Result<Acquired> {
    let mut answer = answer.into_iter();
    let outcome = answer.next().as_ref().and_then(reply::number);
    match (outcome, <[Value; 4]>::try_from(answer.collect::<Vec<_>>())) {
        (Some(1), Ok(fields)) => match fields::record(key, fields)? {
            Some(record) => Ok(Acquired::Held(record)),
            None => Err(Error::corrupt("a lease on no record")),
        },
        (Some(0), _) => Ok(Acquired::Missing),
        (Some(-1), _) => Ok(Acquired::Busy),
        (Some(-2), _) => Err(Error::corrupt("not a record of this key")),
        _ => Err(Error::maybe_applied("an answer to another question")),
    }
}

/// A lease's time in milliseconds.
fn ttl(claim: &Claim) -> String {
    fields::millis(u64::try_from(claim.ttl.as_millis()).unwrap_or(u64::MAX))
}

/// How long a waiter stays without a call before it looks for itself, in case the call was lost with a server or a connection.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
