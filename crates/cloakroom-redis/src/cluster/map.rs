//! Which primary of a cluster has which slots, as its nodes tell.

use std::sync::Arc;

use redis::Value;

use crate::reply;

/// One node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Node {
    /// Reads `host:port`. A node that names no host, or every one, means its own, which is that of `teller`. One whose host is not known
    /// is called `?`.
    pub(crate) fn parse(name: &str, teller: &str) -> Option<Self> {
        let (host, port) = name.rsplit_once(':')?;
        let host = match host {
            UNKNOWN => return None,
            "" | "0.0.0.0" | "::" => teller,
            host => host,
        };
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }

    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// What one node tells of its cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// The first slot, the last one, and their primary; in order.
    pub(crate) ranges: Vec<(u16, u16, Node)>,
    /// All that are named, replicas as well.
    pub(crate) nodes: Vec<Node>,
}

impl View {
    /// Reads the reply of `CLUSTER SLOTS` (redis.io/commands/cluster-slots) from the node at `teller`. A node that has no address is left
    /// out, and so are the slots of such a primary.
    pub(crate) fn read(reply: Value, teller: &str) -> Option<Self> {
        let Value::Array(entries) = reply else { return None };
        let mut view = Self::default();
        for entry in entries {
            let Value::Array(entry) = entry else { return None };
            let mut entry = entry.into_iter();
            let mut slot = || u16::try_from(reply::number(&entry.next()?)?).ok().filter(|slot| *slot < SLOTS);
            let (first, last) = (slot()?, slot()?);
            let nodes: Vec<Option<Node>> =
                entry.map(|node| read_node(node, teller)).collect::<Option<_>>()?;
            if let Some(primary) = nodes.first()? {
                view.ranges.push((first, last, primary.clone()));
            }
            view.nodes.extend(nodes.into_iter().flatten());
        }
        view.ranges.sort_unstable();
        view.nodes.sort_unstable();
        view.nodes.dedup();
        Some(view)
    }

    /// What most of them tell: a node that was cut off tells what was.
    pub(crate) fn of_most(views: Vec<Self>) -> Option<Self> {
        let alike = |view: &Self| views.iter().filter(|other| other.ranges == view.ranges).count();
        views.iter().max_by_key(|view| alike(view)).cloned()
    }
}

/// A node: its host, port and name, and since Redis 7 what else it is called.
fn read_node(node: Value, teller: &str) -> Option<Option<Node>> {
    let Value::Array(node) = node else { return None };
    let mut node = node.into_iter();
    let host = String::from_utf8(reply::string(node.next()?)?.unwrap_or_default()).ok()?;
    let port = reply::number(&node.next()?)?;
    let host = if host == UNKNOWN { node.nth(1).and_then(ip) } else { Some(host) };
    Some(host.and_then(|host| Node::parse(&format!("{host}:{port}"), teller)))
}

/// The IP address among what else a node is called: names and values by turns, or in pairs.
fn ip(called: Value) -> Option<String> {
    let mut called = match called {
        Value::Map(pairs) => pairs.into_iter().flat_map(|(name, value)| [name, value]).collect(),
        Value::Array(called) => called,
        _ => return None,
    }
    .into_iter();
    while let (Some(name), Some(value)) = (called.next(), called.next()) {
        if reply::string(name)??.as_slice() == b"ip" {
            return String::from_utf8(reply::string(value)??).ok();
        }
    }
    None
}

/// The primaries by slot, each with the `T` that leads there.
pub(crate) struct Map<T> {
    ranges: Vec<(u16, u16, Arc<T>)>,
    /// In order.
    pub(crate) primaries: Vec<Node>,
    /// All that are known, replicas as well.
    pub(crate) nodes: Vec<Node>,
}

impl<T> Default for Map<T> {
    /// Of a cluster of which nothing is known.
    fn default() -> Self {
        Self { ranges: vec![], primaries: vec![], nodes: vec![] }
    }
}

impl<T> Map<T> {
    pub(crate) fn new<E>(view: View, lead: impl Fn(&Node) -> Result<Arc<T>, E>) -> Result<Self, E> {
        let mut primaries: Vec<Node> = view.ranges.iter().map(|(.., node)| node.clone()).collect();
        primaries.sort_unstable();
        primaries.dedup();
        let ranges = view.ranges.into_iter().map(|(first, last, node)| Ok((first, last, lead(&node)?)));
        Ok(Self { ranges: ranges.collect::<Result<_, E>>()?, primaries, nodes: view.nodes })
    }

    pub(crate) fn of(&self, slot: u16) -> Option<&Arc<T>> {
        let at = self.ranges.partition_point(|(_, last, _)| *last < slot);
        self.ranges.get(at).filter(|(first, ..)| *first <= slot).map(|(.., led)| led)
    }

    /// Whether both tell the same, and each primary leads to the very same.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let ranges = |map: &Self| {
            let ranges = map.ranges.iter().map(|(first, last, led)| (*first, *last, Arc::as_ptr(led)));
            ranges.collect::<Vec<_>>()
        };
        self.nodes == other.nodes && ranges(self) == ranges(other)
    }

    /// Whether every slot has a primary.
    pub(crate) fn is_whole(&self) -> bool {
        let slots: usize = self.ranges.iter().map(|(first, last, _)| usize::from(last - first) + 1).sum();
        slots == usize::from(SLOTS)
    }
}

/// The slot of a key: of what is between the first `{` and the next `}` if there is anything
/// (redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec, "Hash tags").
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    crc16(tag.filter(|tag| !tag.is_empty()).unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(text: &str) -> u16 {
    text.bytes().fold(0, |crc, byte| crc << 8 ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)])
}

static CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

const SLOTS: u16 = 16_384;

/// The host of a node that has none of the kind that the cluster is set to tell.
const UNKNOWN: &str = "?";

#[cfg(test)]
mod tests;
