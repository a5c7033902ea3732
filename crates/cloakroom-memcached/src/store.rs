use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Error, ErrorKind, Facets, Key, Record, Result, Revision, Store, Timestamp};

use crate::address::server_of;
use crate::connection::{Connection, Deadline, Lost};
use crate::item::{Item, Lease};
use crate::lifetime::Lifetime;
use crate::protocol::{Command, Outcome};
use crate::server::Server;

/// Sessions in memcached. See the [crate] for what it promises.
///
/// Keeps one connection to each server, on the runtime that it was connected on; dropping the store closes them.
pub struct MemcachedStore {
    servers: Vec<Server>,
    prefix: String,
    deadline: Duration,
}

impl MemcachedStore {
    pub(crate) fn new(servers: Vec<Server>, prefix: String, deadline: Duration) -> Self {
        Self { servers, prefix, deadline }
    }

    /// Whether a server forgets sessions of its own accord when its memory is full, as memcached does unless it was started
    /// with `-M`. Those visitors are then signed out: a good thing to warn of at start.
    ///
    /// Memcached keeps items of about the same size together, and forgets the longest idle among those. So a session
    /// of a size that is in demand may go long before older ones of other sizes.
    ///
    /// As it was when the store was connected.
    pub fn may_evict(&self) -> bool {
        self.servers.iter().any(Server::may_evict)
    }

    /// Reads the item, decides what becomes of it, and puts that in its place unless it changed in between; then all of it
    /// again. `None` if there is no item.
    ///
    /// Each round that is lost was won by another writer, so that this ends; at the latest with the deadline.
    pub(crate) async fn change<T>(
        &self,
        key: &Key,
        decide: impl Fn(Item) -> Result<ItemChange<T>> + Send,
    ) -> Result<Option<T>> {
        let mut deadline = Deadline::after(self.deadline);
        let name = self.name(key);
        loop {
            let Some(found) = self.read(key, &mut deadline).await? else { return Ok(None) };
            let (item, lifetime, result) = match decide(found.item)? {
                ItemChange::None(result) => return Ok(Some(result)),
                ItemChange::Keep(_, at_least, result) if found.left.covers(at_least) => {
                    return Ok(Some(result));
                }
                ItemChange::Keep(item, at_least, result) => (item, at_least, result),
                ItemChange::Put(item, Kept::For(lifetime), result) => (item, lifetime, result),
                ItemChange::Put(item, Kept::AtLeast(lifetime), result) => {
                    (item, found.left.max(lifetime), result)
                }
                ItemChange::Put(item, Kept::AsBefore, result) => (item, found.left, result),
            };
            let value = checked(item.write(key), &name, &found.connection)?;
            let expires = found.connection.expiry(lifetime);
            let command = Command::Swap { value: &value, expires, cas: found.cas };
            // Over the connection that the CAS number came from: a server that was restarted since begins
            // with the same numbers again.
            match found.connection.call(&name, &command, &mut deadline).await.map_err(Lost::of_write)? {
                Outcome::Done => return Ok(Some(result)),
                Outcome::Changed => {}
                Outcome::Missing => return Ok(None),
                Outcome::TooLarge => return Err(removed(FOUND_TOO_LARGE)),
                Outcome::NoMemory => return Err(removed(NO_MEMORY)),
                other => return Err(unexpected(other)),
            }
        }
    }

    async fn read(&self, key: &Key, deadline: &mut Deadline) -> Result<Option<ReadItem>> {
        let connection = self.connection(key, deadline).await?;
        match connection.call(&self.name(key), &Command::Get, deadline).await.map_err(Lost::of_read)? {
            Outcome::Found { cas, left, value } => {
                Ok(Some(ReadItem { item: Item::read(key, &value)?, left, cas, connection }))
            }
            Outcome::Missing => Ok(None),
            other => Err(Error::unavailable(format!("an unexpected answer: {other:?}"))),
        }
    }

    /// The lease that the item has, held or run out.
    pub(crate) async fn lease(&self, key: &Key) -> Result<Option<Lease>> {
        Ok(self.read(key, &mut Deadline::after(self.deadline)).await?.and_then(|found| found.item.lease))
    }

    /// The name of the key's item.
    fn name(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The connection to the server that has this key.
    async fn connection(&self, key: &Key, deadline: &mut Deadline) -> Result<Arc<Connection>> {
        server_of(&self.servers, Server::seed, key).connection(deadline).await.map_err(Lost::of_read)
    }
}

/// An item as it was read, and what it takes to put another one in its place.
struct ReadItem {
    item: Item,
    /// For how much longer the server keeps it.
    left: Lifetime,
    cas: u64,
    connection: Arc<Connection>,
}

/// What becomes of an item that was read, and what the caller gets.
pub(crate) enum ItemChange<T> {
    None(T),
    /// The same item again, if it is not kept for that long already.
    Keep(Item, Lifetime, T),
    Put(Item, Kept, T),
}

/// For how long the server keeps an item that is put in the place of another one.
pub(crate) enum Kept {
    For(Lifetime),
    /// For that long, or as long as the item before it if that is longer.
    AtLeast(Lifetime),
    AsBefore,
}

impl Store for MemcachedStore {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        let mut deadline = Deadline::after(self.deadline);
        let name = self.name(key);
        let connection = self.connection(key, &mut deadline).await?;
        let item = Item { lease: None, record: record.clone() };
        let value = checked(item.write(key), &name, &connection)?;
        let expires = connection.expiry(Lifetime::of(record.expires_at, now));
        let command = Command::Add { value: &value, expires };
        match connection.call(&name, &command, &mut deadline).await.map_err(Lost::of_write)? {
            Outcome::Done => Ok(()),
            Outcome::Exists => Err(Error::exists()),
            Outcome::TooLarge => Err(removed(FOUND_TOO_LARGE)),
            Outcome::NoMemory => Err(removed(NO_MEMORY)),
            other => Err(unexpected(other)),
        }
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        Ok(self.read(key, &mut Deadline::after(self.deadline)).await?.map(|found| found.item.record))
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        let replaced = self.change(key, |found| {
            if found.record.revision != expected {
                return Err(Error::conflict());
            }
            let kept = Kept::For(Lifetime::of(record.expires_at, now));
            Ok(ItemChange::Put(Item { record: record.clone(), ..found }, kept, ()))
        });
        replaced.await?.ok_or(Error::missing())
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        let touched = self.change(key, |mut found| {
            let record = &mut found.record;
            if record.expires_at <= now {
                return Ok(ItemChange::None(false));
            }
            let lifetime = Lifetime::of(expires_at, now);
            if record.expires_at >= expires_at {
                // Perhaps a faster clock wrote it, and that one's time is over sooner.
                return Ok(ItemChange::Keep(found, lifetime, true));
            }
            record.expires_at = expires_at;
            Ok(ItemChange::Put(found, Kept::AtLeast(lifetime), true))
        });
        Ok(touched.await?.unwrap_or(false))
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        let mut deadline = Deadline::after(self.deadline);
        let connection = self.connection(key, &mut deadline).await?;
        match connection
            .call(&self.name(key), &Command::Delete, &mut deadline)
            .await
            .map_err(Lost::of_write)?
        {
            Outcome::Done => Ok(true),
            Outcome::Missing => Ok(false),
            other => Err(unexpected(other)),
        }
    }

    /// Does nothing: memcached removes by itself what expired ten minutes ago.
    async fn purge(&self, _cutoff: Timestamp, _limit: usize) -> Result<usize> {
        Ok(0)
    }

    /// Leases alone. Memcached has no index of users, and one that eviction may punch holes into is worse than none; and no walk.
    fn facets(&self) -> Facets<'_> {
        Facets::none().leases(self)
    }
}

impl fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers.iter().map(|server| server.address().to_string()).collect();
        f.debug_struct("MemcachedStore")
            .field("servers", &servers)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// The value, if the server takes that much. It has to be known beforehand: a server that is sent too much removes what it
/// has under that key.
fn checked(value: Vec<u8>, name: &str, connection: &Connection) -> Result<Vec<u8>> {
    if value.len() > connection.settings().largest_value(name) {
        return Err(Error::new(ErrorKind::TooLarge));
    }
    Ok(value)
}

/// A server that cannot store a value removes the one that it has under the key, even where it was to store it only if there
/// is none. So something was changed, if not what was asked for.
fn removed(why: &'static str) -> Error {
    Error::maybe_applied(why)
}

/// An answer that the protocol does not give to this command: `read_answer` lets none through.
fn unexpected(outcome: Outcome) -> Error {
    Error::maybe_applied(format!("an unexpected answer: {outcome:?}"))
}

const FOUND_TOO_LARGE: &str = "the server found it too large";
const NO_MEMORY: &str = "the server has no memory for it";
