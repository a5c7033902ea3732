use std::time::Duration;

use cloakroom_store::{Acquired, Claim, Error, Key, LeaseId, Leases, Record, Result, Revision};
use sqlx::query;

use super::{MySqlStore, with_columns, with_key};
use crate::poll;
use crate::record::{beginning, bits, bytes, column, length, record};

impl Leases for MySqlStore {
    /// Two round trips: one statement claims the lease, since none both changes a row and answers it here; the other
    /// reads what there is, and whether the claim was granted. The record may be newer than the claim, and never older.
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let lease = bits(claim.lease.get());
        let acquire = query(self.statements.acquire.clone())
            .bind(bits(claim.takeover.get()))
            .bind(lease)
            .bind(length(claim))
            .bind(length(claim))
            .bind(bytes(key))
            .bind(lease)
            .bind(beginning(key));
        self.change(acquire).await?;
        let acquired = || query(self.statements.acquired.clone()).bind(lease).bind(bytes(key));
        let rows = self.connections.read(acquired).await.map_err(Error::maybe_applied)?;
        let Some(row) = rows.first() else { return Ok(Acquired::Missing) };
        let is_held = column::<_, i64>(row, 4)? != 0;
        match record(key, row) {
            Ok(record) if is_held => Ok(Acquired::Held(record)),
            Ok(_) => Ok(Acquired::Busy),
            Err(damage) => {
                // Nobody would give back the lease on what cannot be used; if this fails, it runs out.
                if is_held {
                    _ = self.release(key, claim.lease).await;
                }
                Err(damage)
            }
        }
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let renew = query(self.statements.renew.clone())
            .bind(length(claim))
            .bind(bytes(key))
            .bind(bits(claim.lease.get()));
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
        let columns = self.columns(key, record).await?;
        let lease = bits(lease.get());
        let replace = query(self.statements.replace_and_release.clone()).bind(lease).bind(lease);
        let replace = with_columns(replace, columns).bind(bits(expected.get())).bind(beginning(key));
        if self.change(replace).await? == 0 { self.refuse(key).await } else { Ok(()) }
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        let held = || async {
            let rows = self.connections.read(|| with_key(&self.statements.held, key)).await?;
            Ok(!rows.is_empty())
        };
        poll::while_held(at_most, held).await
    }
}
