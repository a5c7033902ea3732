//! The walk over all records: `SCAN`, on one node after the other.

use std::collections::HashSet;

use cloakroom_store::{Cursor, Error, Key, Page, Result, Scan};
use redis::{Cmd, Value};

use crate::cluster::Cluster;
use crate::cluster::map::Node;
use crate::error::Fault;
use crate::reply;
use crate::space::Space;
use crate::store::RedisStore;
use crate::subjects::found;

impl Scan for RedisStore {
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        let from = cursor.map(|cursor| Position::read(cursor.as_bytes())).transpose()?;
        let (keys, next) = keys(&self.space, from, limit.clamp(10, MOST)).await?;
        let records = found(&self.space, keys).await?;
        Ok(Page { records, next: next.map(|next| Cursor::new(next.write())) })
    }

    /// Walks over the names of all keys, in batches of 1,000, and remembers eight bytes of each: `SCAN` may show one twice.
    async fn count(&self) -> Result<u64> {
        let (mut seen, mut from) = (HashSet::new(), None);
        loop {
            let (keys, next) = keys(&self.space, from, MOST).await?;
            seen.extend(keys.iter().map(Key::prefix));
            match next {
                Some(next) => from = Some(next),
                None => return Ok(seen.len() as u64),
            }
        }
    }
}

/// Where a walk stands.
struct Position {
    /// The cursor of `SCAN`.
    at: String,
    /// In a cluster.
    place: Option<Place>,
}

/// Where a walk stands in a cluster.
#[derive(Clone)]
struct Place {
    /// Whose cursor it is.
    node: Node,
    /// Whom the walk goes to: [`digest`] of all primaries.
    tour: u64,
}

impl Position {
    fn start(place: Option<Place>) -> Self {
        Self { at: "0".to_owned(), place }
    }

    /// Digits, and in a cluster `@host:port/` and the tour in hexadecimal digits.
    fn write(&self) -> String {
        match &self.place {
            Some(Place { node, tour }) => format!("{}@{}/{tour:016x}", self.at, node.name()),
            None => self.at.clone(),
        }
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let other = || Error::new(cloakroom_store::ErrorKind::Other).because("the cursor of another store");
        let text = std::str::from_utf8(bytes).map_err(|_| other())?;
        let (at, place) = match text.split_once('@') {
            Some((at, place)) => (at, Some(Place::read(place).ok_or_else(other)?)),
            None => (text, None),
        };
        if at.is_empty() || !at.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(other());
        }
        Ok(Self { at: at.to_owned(), place })
    }
}

impl Place {
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
async fn keys(space: &Space, from: Option<Position>, count: usize) -> Result<(Vec<Key>, Option<Position>)> {
    match space.server.as_cluster() {
        None => {
            let from = from.unwrap_or_else(|| Position::start(None));
            let answer =
                space.server.call_at(None, &command(space, &from, count)).await.map_err(Fault::of_read)?;
            let (at, keys) = read(space, answer)?;
            Ok((keys, (at != "0").then_some(Position { at, place: None })))
        }
        Some(cluster) => keys_of_node(space, cluster, from, count).await,
    }
}

async fn keys_of_node(
    space: &Space,
    cluster: &Cluster,
    from: Option<Position>,
    count: usize,
) -> Result<(Vec<Key>, Option<Position>)> {
    if from.is_none() {
        cluster.look().await.map_err(of_read)?;
    }
    let nodes = cluster.primaries().map_err(of_read)?;
    let tour = digest(&nodes);
    let place = |index: usize| nodes.get(index).map(|node| Place { node: node.clone(), tour });
    let from = from.unwrap_or_else(|| Position::start(place(0)));
    let index = from.place.as_ref().filter(|place| place.tour == tour);
    let index = index.and_then(|place| nodes.iter().position(|primary| *primary == place.node));
    // A cursor means nothing to the node that took over; and who is new might be passed over.
    let index = index.ok_or_else(|| Error::unavailable("the cluster has changed: begin the walk again"))?;
    let command = command(space, &from, count);
    let answer = space.server.call_at(nodes.get(index), &command).await.map_err(Fault::of_read)?;
    let (at, keys) = read(space, answer)?;
    let next = match (at.as_str(), place(index + 1)) {
        ("0", next) => next.map(|next| Position::start(Some(next))),
        _ => Some(Position { at, place: from.place }),
    };
    Ok((keys, next))
}

fn command(space: &Space, from: &Position, count: usize) -> Cmd {
    let mut command = redis::cmd("SCAN");
    command.arg(&from.at).arg("MATCH").arg(pattern(space.prefix())).arg("COUNT").arg(count);
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

fn read(space: &Space, answer: Value) -> Result<(String, Vec<Key>)> {
    let taken = || {
        let [at, names] = reply::values(answer)?;
        let at = String::from_utf8(reply::string(at)??).ok()?;
        Some((at, reply::strings(names)?))
    };
    let (at, names) = taken().ok_or_else(|| Error::unavailable("an answer that is no page of names"))?;
    Ok((at, names.iter().filter_map(|name| space.key_of(name)).collect()))
}

fn of_read(error: redis::RedisError) -> Error {
    Fault::unsent(error).of_read()
}

/// The most names that one `SCAN` looks at: it keeps the server from everybody else.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests;
