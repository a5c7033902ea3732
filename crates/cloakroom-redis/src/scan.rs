//! The walk over all records: `SCAN`, on one node after the other.

use std::collections::HashSet;
use std::sync::Arc;

use cloakroom_store::{Cursor, Error, Key, Page, Record, Result, Scan, Timestamp};
use redis::{Cmd, Value};

use crate::cluster::Cluster;
use crate::cluster::map::Node;
use crate::error::{Fault, foreign_cursor};
use crate::keyspace::{Keyspace, read_each_key};
use crate::record_fields::{self, EXPIRY};
use crate::reply;
use crate::store::RedisStore;

impl Scan for RedisStore {
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<(Key, Record)>> {
        let from = cursor.map(|cursor| ScanPosition::read(cursor.as_bytes())).transpose()?;
        let (keys, next) = keys(&self.keyspace, from, limit.clamp(10, MOST)).await?;
        let records = read_each_key(&self.keyspace, keys, load).await?;
        Ok(Page::new(records, next.map(|next| Cursor::new(next.write()))))
    }

    /// Reads the names of all keys in batches of 1,000, and the expiry under each of them. Remembers eight bytes of each key, because
    /// `SCAN` may return one twice.
    async fn count(&self, now: Timestamp) -> Result<u64> {
        let (mut seen, mut live, mut from) = (HashSet::new(), 0, None);
        loop {
            let (mut keys, next) = keys(&self.keyspace, from, MOST).await?;
            keys.retain(|key| seen.insert(key.prefix()));
            let expiries = read_each_key(&self.keyspace, keys, expiry).await?;
            live += expiries.into_iter().filter(|expires_at| *expires_at > now).count() as u64;
            from = next;
            if from.is_none() {
                return Ok(live);
            }
        }
    }
}

async fn load(keyspace: Arc<Keyspace>, key: Key) -> Result<Option<(Key, Record)>> {
    Ok(keyspace.load(&key).await?.map(|record| (key, record)))
}

async fn expiry(keyspace: Arc<Keyspace>, key: Key) -> Result<Option<Timestamp>> {
    let [expires_at] = keyspace.fields(&key, [EXPIRY]).await?;
    let expires_at = reply::string(expires_at).flatten();
    expires_at.map(|expires_at| record_fields::expires_at(&expires_at)).transpose()
}

/// Where a walk stands.
struct ScanPosition {
    /// The cursor of `SCAN`.
    at: String,
    /// In a cluster.
    in_cluster: Option<ClusterPosition>,
}

/// Where a walk stands in a cluster.
#[derive(Clone)]
struct ClusterPosition {
    /// The node whose cursor it is.
    node: Node,
    /// The nodes that the walk goes to: [`digest`] of all primaries.
    tour: u64,
}

impl ScanPosition {
    fn start(in_cluster: Option<ClusterPosition>) -> Self {
        Self { at: "0".to_owned(), in_cluster }
    }

    /// Digits, and in a cluster `@host:port/` and the tour in hexadecimal digits.
    fn write(&self) -> String {
        match &self.in_cluster {
            Some(ClusterPosition { node, tour }) => format!("{}@{}/{tour:016x}", self.at, node.name()),
            None => self.at.clone(),
        }
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|_| foreign_cursor())?;
        let (at, in_cluster) = match text.split_once('@') {
            Some((at, place)) => (at, Some(ClusterPosition::read(place).ok_or_else(foreign_cursor)?)),
            None => (text, None),
        };
        if at.is_empty() || !at.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(foreign_cursor());
        }
        Ok(Self { at: at.to_owned(), in_cluster })
    }
}

impl ClusterPosition {
    fn read(text: &str) -> Option<Self> {
        let (node, tour) = text.rsplit_once('/')?;
        let node = Node::parse(node, "").filter(|node| !node.host.is_empty())?;
        Some(Self { node, tour: u64::from_str_radix(tour, 16).ok()? })
    }
}

/// FNV-1a of the primaries' names.
fn digest(nodes: &[Node]) -> u64 {
    let names = nodes.iter().map(|node| node.name() + "\n").collect::<String>();
    names.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The keys of some records, and where to go on.
async fn keys(
    keyspace: &Keyspace,
    from: Option<ScanPosition>,
    count: usize,
) -> Result<(Vec<Key>, Option<ScanPosition>)> {
    match keyspace.server.as_cluster() {
        None => {
            let from = from.unwrap_or_else(|| ScanPosition::start(None));
            let reply = keyspace
                .server
                .call_at(None, &command(keyspace, &from, count))
                .await
                .map_err(Fault::of_read)?;
            let (at, keys) = read(keyspace, reply)?;
            Ok((keys, (at != "0").then_some(ScanPosition { at, in_cluster: None })))
        }
        Some(cluster) => keys_of_node(keyspace, cluster, from, count).await,
    }
}

async fn keys_of_node(
    keyspace: &Keyspace,
    cluster: &Cluster,
    from: Option<ScanPosition>,
    count: usize,
) -> Result<(Vec<Key>, Option<ScanPosition>)> {
    if from.is_none() {
        cluster.refresh().await.map_err(of_read)?;
    }
    let nodes = cluster.primaries().map_err(of_read)?;
    let tour = digest(&nodes);
    let place = |index: usize| nodes.get(index).map(|node| ClusterPosition { node: node.clone(), tour });
    let from = from.unwrap_or_else(|| ScanPosition::start(place(0)));
    let index = from.in_cluster.as_ref().filter(|place| place.tour == tour);
    let index = index.and_then(|place| nodes.iter().position(|primary| *primary == place.node));
    // A cursor means nothing to the node that took over; and who is new might be passed over.
    let index = index.ok_or_else(|| Error::unavailable("the cluster has changed: begin the walk again"))?;
    let command = command(keyspace, &from, count);
    let reply = keyspace.server.call_at(nodes.get(index), &command).await.map_err(Fault::of_read)?;
    let (at, keys) = read(keyspace, reply)?;
    let next = match (at.as_str(), place(index + 1)) {
        ("0", next) => next.map(|next| ScanPosition::start(Some(next))),
        _ => Some(ScanPosition { at, in_cluster: from.in_cluster }),
    };
    Ok((keys, next))
}

fn command(keyspace: &Keyspace, from: &ScanPosition, count: usize) -> Cmd {
    let mut command = redis::cmd("SCAN");
    command.arg(&from.at).arg("MATCH").arg(pattern(keyspace.prefix())).arg("COUNT").arg(count);
    command
}

/// Matches the prefix, taken literally, and as many characters as a record's key has.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 2 * Key::LEN);
    for character in prefix.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push_str(&"?".repeat(2 * Key::LEN));
    pattern
}

fn read(keyspace: &Keyspace, reply: Value) -> Result<(String, Vec<Key>)> {
    let taken = || {
        let [at, names] = reply::values(reply)?;
        let at = String::from_utf8(reply::string(at)??).ok()?;
        Some((at, reply::strings(names)?))
    };
    let (at, names) = taken().ok_or_else(|| Error::unavailable("a reply that is no page of names"))?;
    Ok((at, names.iter().filter_map(|name| keyspace.key_of(name)).collect()))
}

fn of_read(error: redis::RedisError) -> Error {
    Fault::unsent(error).of_read()
}

/// The most names that one `SCAN` looks at: meanwhile the server does nothing else.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests;
