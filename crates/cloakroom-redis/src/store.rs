use std::fmt;
use std::sync::Arc;

use cloakroom_store::{
    DynLeases, DynScan, DynSubjects, Error, ErrorKind, Key, Record, Result, Revision, Store, Timestamp,
    encode,
};

use crate::bell::Bell;
use crate::space::Space;
use crate::{Builder, ConnectError, fields, script};

/// Sessions in Redis or Valkey. See the [crate] for what it promises.
pub struct RedisStore {
    pub(crate) space: Arc<Space>,
    pub(crate) bell: Bell,
    shown: String,
    may_evict: Option<String>,
}

impl RedisStore {
    /// The largest [`data`](Record::data) a record may have, in bytes: 16 MiB.
    pub const MAX_DATA_LEN: usize = 16 << 20;

    /// Connects to the server, sentinels or cluster of this URL. [`Builder::connect`] with default settings.
    ///
    /// # Errors
    /// [`ConnectError`], which says in one line what is wrong.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder().connect(url).await
    }

    /// Settings to connect with.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(space: Arc<Space>, shown: String, may_evict: Option<String>) -> Self {
        Self { bell: Bell::new(Arc::clone(&space)), space, shown, may_evict }
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
    async fn create(&self, key: &Key, record: &Record) -> Result<()> {
        let new = Written::new(key, record)?;
        match self.space.change(&script::CREATE, &self.space.record(key), &new.args()).await? {
            1 => Ok(()),
            _ => Err(Error::exists()),
        }
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.space.load(key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Result<()> {
        let new = Written::new(key, record)?;
        let expected = expected.get().to_string();
        let args = [&new.args()[..], &[expected.as_bytes()]].concat();
        replaced(self.space.change(&script::REPLACE, &self.space.record(key), &args).await?)
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        let (now, new, removal) = (fields::time(now), fields::time(expires_at), fields::removal(expires_at));
        let args: [&[u8]; 4] = [key.as_bytes(), now.as_bytes(), new.as_bytes(), removal.as_bytes()];
        Ok(self.space.change(&script::TOUCH, &self.space.record(key), &args).await? == 1)
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        let args = [self.space.channels.as_bytes()];
        Ok(self.space.change(&script::DELETE, &self.space.record(key), &args).await? == 1)
    }

    /// Nothing to do: Redis removes what has expired, ten minutes later.
    async fn purge(&self, _cutoff: Timestamp, _limit: usize) -> Result<usize> {
        Ok(0)
    }

    fn leases(&self) -> Option<&dyn DynLeases> {
        Some(self)
    }

    fn subjects(&self) -> Option<&dyn DynSubjects> {
        Some(self)
    }

    fn scan(&self) -> Option<&dyn DynScan> {
        Some(self)
    }
}

impl fmt::Debug for RedisStore {
    /// Shows the address without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("server", &self.shown)
            .field("prefix", &self.space.prefix())
            .finish_non_exhaustive()
    }
}

/// A record in the form that scripts take.
pub(crate) struct Written<'a> {
    bytes: Vec<u8>,
    revision: String,
    expires_at: String,
    removal: String,
    subject: &'a str,
}

impl<'a> Written<'a> {
    pub(crate) fn new(key: &Key, record: &'a Record) -> Result<Self> {
        if record.data.len() > RedisStore::MAX_DATA_LEN {
            return Err(Error::new(ErrorKind::TooLarge));
        }
        Ok(Self {
            bytes: encode(key, record),
            revision: record.revision.get().to_string(),
            expires_at: fields::time(record.expires_at),
            removal: fields::removal(record.expires_at),
            subject: fields::subject(record),
        })
    }

    pub(crate) fn args(&self) -> [&[u8]; 5] {
        [
            &self.bytes,
            self.revision.as_bytes(),
            self.expires_at.as_bytes(),
            self.removal.as_bytes(),
            self.subject.as_bytes(),
        ]
    }
}

/// What the scripts that replace a record say.
pub(crate) fn replaced(answer: i64) -> Result<()> {
    match answer {
        1 => Ok(()),
        0 => Err(Error::missing()),
        -1 => Err(Error::conflict()),
        _ => Err(Error::corrupt("not a record of this key")),
    }
}
