use std::time::Duration;

use cloakroom_store::{Acquired, Claim, Error, Key, LeaseId, Leases, Record, Result, Revision};

use super::{SqliteStore, with_columns, with_key};
use crate::poll;
use crate::record::{Columns, beginning, bits, column, millis, record};

/// All who share the file are on one machine and go by its clock, which claims tell.
impl Leases for SqliteStore {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let acquire = with_key(&self.statements.acquire, key)
            .bind(bits(claim.lease.get()))
            .bind(millis(claim.now))
            .bind(millis(claim.now.saturating_add(claim.ttl)))
            .bind(bits(claim.takeover.get()))
            .bind(beginning(key));
        if let Some(row) = self.writer.write(acquire).await?.first() {
            let record = record(key, row);
            if record.is_err() {
                // Nobody would give back the lease on what cannot be used; if this fails, it runs out.
                _ = self.release(key, claim.lease).await;
            }
            return record.map(Acquired::Held);
        }
        let found =
            self.readers.read(|| with_key(&self.statements.is_record, key).bind(beginning(key))).await?;
        match found.first().map(|row| column(row, 0)).transpose()? {
            None => Ok(Acquired::Missing),
            Some(true) => Ok(Acquired::Busy),
            Some(false) => Err(Error::corrupt("what is stored is no record of this key")),
        }
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let renew = with_key(&self.statements.renew, key)
            .bind(bits(claim.lease.get()))
            .bind(millis(claim.now))
            .bind(millis(claim.now.saturating_add(claim.ttl)));
        Ok(self.change(renew).await? != 0)
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        Ok(self.change(with_key(&self.statements.release, key).bind(bits(lease.get()))).await? != 0)
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
    ) -> Result<()> {
        let replace = with_columns(&self.statements.replace_and_release, Columns::of(key, record)?)
            .bind(beginning(key))
            .bind(bits(expected.get()))
            .bind(bits(lease.get()));
        if self.change(replace).await? == 0 { self.refuse(key).await } else { Ok(()) }
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        let held =
            || async { Ok(!self.readers.read(|| with_key(&self.statements.held, key)).await?.is_empty()) };
        // Whoever asked knows the time, and so whether the lease has run out: they are to look now and then.
        poll::while_held(at_most.min(LONGEST_WAIT), held).await
    }
}

const LONGEST_WAIT: Duration = Duration::from_millis(500);
