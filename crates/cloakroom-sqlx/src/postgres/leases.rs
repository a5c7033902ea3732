use std::time::Duration;

use cloakroom_store::{Acquired, Claim, Error, Key, LeaseId, Leases, Record, Result, Revision};
use tokio::time::timeout;

use super::{PostgresStore, with_columns, with_key};
use crate::record::{Columns, beginning, bits, column, length, record};

impl Leases for PostgresStore {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let acquire = with_key(&self.statements.acquire, key)
            .bind(bits(claim.lease.get()))
            .bind(length(claim))
            .bind(bits(claim.takeover.get()))
            .bind(beginning(key));
        let rows = self.connections.write(acquire).await?;
        let Some(row) = rows.first() else { return Ok(Acquired::Missing) };
        let (held, is_record): (bool, bool) = (column(row, 4)?, column(row, 5)?);
        match (held, is_record) {
            (true, _) => match record(key, row) {
                Ok(record) => Ok(Acquired::Held(record)),
                Err(damage) => {
                    // The caller does not learn that it has the lease, which would keep others from learning of the damage.
                    _ = self.release(key, claim.lease).await;
                    Err(damage)
                }
            },
            (false, true) => Ok(Acquired::Busy),
            (false, false) => Err(Error::corrupt("what is stored is no record of this key")),
        }
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let renew = with_key(&self.statements.renew, key).bind(bits(claim.lease.get())).bind(length(claim));
        Ok(!self.connections.write(renew).await?.is_empty())
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        Ok(self.count(with_key(&self.statements.release, key).bind(bits(lease.get()))).await? != 0)
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
        if self.count(replace).await? == 0 { self.refuse(key).await } else { Ok(()) }
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        // In the list before the row says so: whoever releases the lease from then on is heard.
        let waiter = self.listener.waiter(key);
        if at_most.is_zero() || timeout(at_most.min(PAUSE), self.listener.hears()).await.is_err() {
            // Without a connection to listen on the caller polls.
            return Ok(());
        }
        let rows = self.connections.write(with_key(&self.statements.wait, key)).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let left = Duration::from_millis(column::<_, i64>(row, 0)?.max(1) as u64);
        // Woken or not: the caller looks again.
        _ = timeout(at_most.min(left).min(LONGEST), waiter.woken()).await;
        Ok(())
    }
}

/// How often the caller looks while nothing is heard.
const PAUSE: Duration = Duration::from_millis(20);
/// How often it looks all the same: an announcement is lost if the way to the server goes without a word.
const LONGEST: Duration = Duration::from_secs(1);
