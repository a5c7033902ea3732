use std::fmt;
use std::sync::Arc;

use cloakroom_store::codec::prefix;
use cloakroom_store::{Error, Facets, Key, Record, Result, Revision, Store, Timestamp};

use crate::keyspace::Keyspace;
use crate::record_fields::{self, RecordArgs};
use crate::script;
use crate::wakeup::WakeupListener;

/// Sessions in Redis or Valkey. See the [crate] for what it promises.
pub struct RedisStore {
    pub(crate) keyspace: Arc<Keyspace>,
    pub(crate) wakeups: WakeupListener,
    shown: String,
    may_evict: Option<String>,
}

impl RedisStore {
    /// The largest [`data`](Record::data) a record may have, in bytes: 16 MiB.
    pub const MAX_DATA_LEN: usize = record_fields::MAX_DATA_LEN;

    pub(crate) fn new(keyspace: Keyspace, shown: String, may_evict: Option<String>) -> Self {
        let keyspace = Arc::new(keyspace);
        Self { wakeups: WakeupListener::new(Arc::clone(&keyspace)), keyspace, shown, may_evict }
    }

    /// The server's `maxmemory-policy` if it may make room by removing sessions, as it was when the store was connected; `None` if it may not, or
    /// does not tell.
    ///
    /// Every session has an expiry, so the `volatile-` policies remove sessions as the `allkeys-` ones do. It may happen only where
    /// `maxmemory` is set.
    pub fn may_evict(&self) -> Option<&str> {
        self.may_evict.as_deref()
    }
}

impl Store for RedisStore {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        let new = RecordArgs::new(key, record, now)?;
        match self.keyspace.change(&script::CREATE, key, &new.args()).await? {
            1 => Ok(()),
            _ => Err(Error::exists()),
        }
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.keyspace.load(key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        let new = RecordArgs::new(key, record, now)?;
        let expected = expected.get().to_string();
        let args = [&new.args()[..], &[expected.as_bytes()]].concat();
        replaced(self.keyspace.change(&script::REPLACE, key, &args).await?)
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        let kept = record_fields::kept(expires_at, now);
        let (now, new) = (record_fields::time(now), record_fields::time(expires_at));
        let args: [&[u8]; 4] = [&prefix(key), now.as_bytes(), new.as_bytes(), kept.as_bytes()];
        Ok(self.keyspace.change(&script::TOUCH, key, &args).await? == 1)
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        let args = [self.keyspace.channels.as_bytes()];
        Ok(self.keyspace.change(&script::DELETE, key, &args).await? == 1)
    }

    /// Does nothing: Redis removes what has expired, ten minutes later.
    async fn purge(&self, _cutoff: Timestamp, _limit: usize) -> Result<usize> {
        Ok(0)
    }

    fn facets(&self) -> Facets<'_> {
        Facets::none().leases(self).subjects(self).scan(self).notices(self)
    }
}

impl fmt::Debug for RedisStore {
    /// Shows the address without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("server", &self.shown)
            .field("prefix", &self.keyspace.prefix())
            .finish_non_exhaustive()
    }
}

/// The result of the scripts that replace a record.
pub(crate) fn replaced(reply: i64) -> Result<()> {
    match reply {
        1 => Ok(()),
        0 => Err(Error::missing()),
        _ => Err(Error::conflict()),
    }
}
