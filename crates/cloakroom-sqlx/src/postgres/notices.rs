//! Messages between the processes that share the table, on a channel of their own.

use cloakroom_store::{Error, Key, Notice, Notices, Result};
use sqlx::query;

use super::PostgresStore;
use super::listener::dispatch;

impl Notices for PostgresStore {
    async fn publish(&self, key: &Key) -> Result<()> {
        let notify = query("SELECT pg_notify($1, $2)").bind(self.listener.changes.name.clone());
        self.connections.write(notify.bind(key.to_string())).await?;
        Ok(())
    }

    /// On a connection of its own, beside the one for leases, as long as this runs.
    async fn listen(&self, receive: &(dyn Fn(Notice) + Send + Sync)) -> Result<()> {
        let channel = &self.listener.changes;
        let mut listener = channel.listen_in_time().await.map_err(Error::unavailable)?;
        receive(Notice::Listening);
        dispatch(&mut listener, channel.quiet, |key| receive(Notice::Changed(key))).await;
        Err(Error::unavailable("the connection that listens was lost"))
    }
}
