//! Leases, by the server's clock. A waiter is woken by a message when its turn has come.

use std::time::Duration;

use cloakroom_store::codec::prefix;
use cloakroom_store::{Acquired, Claim, Error, Key, LeaseId, Leases, Record, Result, Revision, Timestamp};
use redis::Value;

use crate::keyspace::{cannot_be_read, not_a_record};
use crate::record_fields::{self, RecordArgs};
use crate::store::{RedisStore, replaced};
use crate::{reply, script};

impl Leases for RedisStore {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let (lease, ttl) = (claim.lease.get().to_string(), record_fields::duration(claim.ttl));
        let (takeover, now) = (claim.takeover.get().to_string(), record_fields::time(claim.now));
        let overruled = claim.overrule.map(|seen| [seen.lease.get(), seen.until.as_millis()]);
        let [holder, until] = overruled.map_or_else(Default::default, |seen| seen.map(|n| n.to_string()));
        let args: [&[u8]; 9] = [
            &prefix(key),
            lease.as_bytes(),
            ttl.as_bytes(),
            takeover.as_bytes(),
            self.keyspace.instance.as_bytes(),
            now.as_bytes(),
            claim.guard.as_ref().map_or(&[], <[u8; 16]>::as_slice),
            holder.as_bytes(),
            until.as_bytes(),
        ];
        let reply = self.keyspace.run(&script::ACQUIRE, &self.keyspace.record(key), &args).await?;
        let acquired = acquired(key, reply);
        if acquired.as_ref().is_err_and(|error| cannot_be_read(error.kind())) {
            // The server may have taken it for sound. If this fails the lease runs out.
            _ = self.release(key, claim.lease).await;
        }
        acquired
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let (lease, ttl) = (claim.lease.get().to_string(), record_fields::duration(claim.ttl));
        let args = [lease.as_bytes(), ttl.as_bytes()];
        Ok(self.keyspace.change(&script::RENEW, key, &args).await? == 1)
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        let lease = lease.get().to_string();
        let [channels, alone] = self.keyspace.calling();
        let args = [lease.as_bytes(), channels, alone];
        Ok(self.keyspace.change(&script::RELEASE, key, &args).await? == 1)
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
        now: Timestamp,
    ) -> Result<()> {
        let new = RecordArgs::new(key, record, now)?;
        let (expected, lease) = (expected.get().to_string(), lease.get().to_string());
        let args =
            [&new.args()[..], &[expected.as_bytes(), lease.as_bytes()], &self.keyspace.calling()].concat();
        replaced(self.keyspace.change(&script::REPLACE_AND_RELEASE, key, &args).await?)
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        self.wakeups.wait_until_up(at_most.min(LOOK_AGAIN)).await;
        // In this order, so that no message between the two is missed.
        let mut waiter = self.wakeups.register(*key);
        let args = [self.keyspace.instance.as_bytes()];
        let left = self.keyspace.change(&script::WAIT, key, &args).await?;
        if left <= 0 {
            waiter.keep_place();
            return Ok(());
        }
        let left = Duration::from_millis(left.unsigned_abs());
        let patience = left.min(LOOK_AGAIN).min(at_most);
        let was_woken = tokio::time::timeout(patience, waiter.woken()).await.is_ok();
        // A waiter that looks again keeps its place in the queue.
        if was_woken || patience != at_most {
            waiter.keep_place();
        }
        Ok(())
    }
}

fn acquired(key: &Key, reply: Value) -> Result<Acquired> {
    let values = match reply {
        Value::Array(values) => values,
        Value::BulkString(prefix) => return Err(not_a_record(key, &prefix)),
        _ => return Err(Error::maybe_applied("a reply that is no list")),
    };
    let mut values = values.into_iter();
    let outcome = values.next().as_ref().and_then(reply::number);
    match (outcome, <[Value; 4]>::try_from(values.collect::<Vec<_>>())) {
        (Some(outcome @ (1 | -2)), Ok(fields)) => match record_fields::record(key, fields)? {
            Some(record) if outcome == 1 => Ok(Acquired::Held(record)),
            Some(record) => Ok(Acquired::Mismatch(record)),
            None => Err(Error::corrupt("a lease on no record")),
        },
        (Some(0), _) => Ok(Acquired::Missing),
        (Some(-1), _) => Ok(Acquired::Busy(None)),
        _ => Err(Error::maybe_applied("a reply to another command")),
    }
}

/// How long a waiter stays without a message before it looks for itself, in case the message was lost with a server or a connection.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
