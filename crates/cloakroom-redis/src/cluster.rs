//! A cluster: which node has which key, and what to do when that changes.
//!
//! Each primary has a connection of its own, which is found broken, given up and made again as the one to a single server is. So a node that is away
//! concerns only the calls for its keys. Whenever anything looks as if the cluster had changed its nodes are asked, in the background, who
//! has what.

pub(crate) mod map;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{
    Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult, TlsCertificates, Value,
};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::error::{Fault, Redirection};
use crate::link::{Link, Live, Sent};
use crate::lock::{lock, read, write};
use crate::route::{CONNECT_TIMEOUT, Route, at, client, gather, patient, timed_out};
use map::{Map, Node, View, slot};

/// A cluster, as far as it is known.
pub(crate) struct Cluster {
    /// The nodes in the URL.
    named: Vec<Node>,
    access: Access,
    map: RwLock<Arc<Map<Shard>>>,
    /// The nodes that were ever used; those that left are forgotten at the next refresh.
    shards: Mutex<HashMap<Node, Arc<Shard>>>,
    refresher: TopologyRefresher,
    /// Held while nodes are asked, so that what is believed is what was told last.
    asking: tokio::sync::Mutex<()>,
    /// Whom to ask first the next time.
    turn: AtomicUsize,
}

/// How to connect to a node, whichever it is.
#[derive(Clone)]
struct Access {
    server: ConnectionInfo,
    certificates: Option<TlsCertificates>,
}

/// A node, and the connection to it.
struct Shard {
    node: Node,
    link: Link,
}

impl Cluster {
    pub(crate) async fn connect(
        nodes: &[ConnectionInfo],
        certificates: Option<&TlsCertificates>,
    ) -> RedisResult<Self> {
        let server = nodes.first().ok_or((ErrorKind::InvalidClientConfig, "no node is named"))?.clone();
        let cluster = Self {
            named: nodes.iter().filter_map(|node| named(node.addr())).collect(),
            access: Access { server, certificates: certificates.cloned() },
            map: RwLock::default(),
            shards: Mutex::default(),
            refresher: TopologyRefresher::default(),
            asking: tokio::sync::Mutex::default(),
            turn: AtomicUsize::new(0),
        };
        cluster.refresh().await?;
        Ok(cluster)
    }

    /// Sends a command to the node that has this key. A node that has it not says so, and has done nothing: then it is
    /// sent where the node points.
    pub(crate) async fn send(
        self: &Arc<Self>,
        key: &str,
        command: &Cmd,
        sent: &Sent,
    ) -> Result<Value, Fault> {
        let Some(mut shard) = self.map().of(slot(key)).cloned() else {
            self.refresh_soon();
            return Err(Fault::unsent((ErrorKind::Io, "no node of the cluster has this slot").into()));
        };
        let mut reply = shard.link.send(command, sent).await;
        for pause in REDIRECTIONS {
            let Some((redirection, node)) = reply.as_ref().err().and_then(Fault::redirection) else { break };
            let Some(node) = Node::parse(node, &shard.node.host) else { break };
            sent.take_back();
            sleep(pause).await;
            shard = self.shard(&node).map_err(Fault::unsent)?;
            reply = match redirection {
                Redirection::Once => shard.link.send_asking(command, sent).await,
                Redirection::FromNowOn => {
                    self.refresher.moved();
                    self.refresh_soon();
                    shard.link.send(command, sent).await
                }
            };
        }
        if reply.as_ref().is_err_and(Fault::tells_of_change) {
            self.refresh_soon();
        }
        reply
    }

    /// Sends a command to one node.
    pub(crate) async fn send_to(&self, node: &Node, command: &Cmd, sent: &Sent) -> Result<Value, Fault> {
        self.shard(node).map_err(Fault::unsent)?.link.send(command, sent).await
    }

    /// Connects to any node, which is returned too; `pushes` is told what it says unasked.
    pub(crate) async fn listen(
        self: &Arc<Self>,
        pushes: impl AsyncPushSender + Clone,
    ) -> RedisResult<(MultiplexedConnection, Node)> {
        let mut failure = RedisError::from((ErrorKind::Io, "no node of the cluster is known"));
        let map = self.map();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        // Primaries first: one that leaves is noticed by those who want its keys.
        for node in once_each([&by_turns(&map.primaries, turn), &by_turns(&map.nodes, turn), &self.named]) {
            match Route::Direct(vec![self.access.client(&node)?]).connect(pushes.clone()).await {
                Ok(connection) => return Ok((connection, node)),
                Err(error) => failure = error,
            }
        }
        self.refresh_soon();
        Err(failure)
    }

    /// Whether this node belongs to the cluster, as far as is known.
    pub(crate) fn has(&self, node: &Node) -> bool {
        self.map().nodes.contains(node)
    }

    /// The primaries in order, as they are known.
    ///
    /// # Errors
    /// If together they have not all keys.
    pub(crate) fn primaries(&self) -> RedisResult<Vec<Node>> {
        let map = self.map();
        if !map.is_whole() {
            return Err((ErrorKind::Io, "some slots of the cluster have no node").into());
        }
        Ok(map.primaries.clone())
    }

    /// Asks in the background who has what: now, or after a pause if that was done just before.
    pub(crate) fn refresh_soon(self: &Arc<Self>) {
        self.refresher.request(|| {
            let cluster = Arc::clone(self);
            tokio::spawn(async move {
                let mut pause = SHORTEST_PAUSE;
                while cluster.refresher.take_request() {
                    // If this fails, all stays as it was, and the next call that fails requests it again.
                    let changed = cluster.refresh().await.unwrap_or(false);
                    pause = cluster.refresher.pause(pause, changed).await;
                }
            })
        });
    }

    /// Asks some nodes who has what, and believes what most of them tell. Returns whether anything is different.
    pub(crate) async fn refresh(&self) -> RedisResult<bool> {
        let _asking = self.asking.lock().await;
        let mut asked = JoinSet::new();
        for node in whom_to_ask(&self.named, &self.map().nodes, self.turn.fetch_add(1, Ordering::Relaxed)) {
            let access = self.access.clone();
            let live = lock(&self.shards).get(&node).and_then(|shard| shard.link.present());
            asked.spawn(async move {
                let view = timeout(CONNECT_TIMEOUT, access.view(&node, live)).await;
                view.unwrap_or_else(|_| Err(timed_out("a node of the cluster did not answer")))
            });
        }
        let view = View::of_most(gather(asked).await?).unwrap_or_default();
        let map = Map::new(view, |node| self.shard(node))?;
        let changed = !map.is_like(&self.map());
        lock(&self.shards).retain(|node, _| map.primaries.contains(node));
        *write(&self.map) = Arc::new(map);
        Ok(changed)
    }

    fn map(&self) -> Arc<Map<Shard>> {
        Arc::clone(&read(&self.map))
    }

    fn shard(&self, node: &Node) -> RedisResult<Arc<Shard>> {
        let mut shards = lock(&self.shards);
        if let Some(shard) = shards.get(node) {
            return Ok(Arc::clone(shard));
        }
        let link = Link::new(Arc::new(Route::Direct(vec![self.access.client(node)?])));
        let shard = Arc::new(Shard { node: node.clone(), link });
        shards.insert(node.clone(), Arc::clone(&shard));
        Ok(shard)
    }
}

/// Some of those that the URL names each time, for all others may have other addresses by now; and some of the others, so that all have
/// their turn.
fn whom_to_ask(named: &[Node], known: &[Node], turn: usize) -> Vec<Node> {
    let named = by_turns(named, turn.wrapping_mul(AT_MOST_NAMED));
    let named = &named[..named.len().min(AT_MOST_NAMED)];
    let known = by_turns(known, turn.wrapping_mul(AT_MOST - named.len()));
    once_each([named, &known]).into_iter().take(AT_MOST).collect()
}

/// Beginning with another one each time: the first may be away.
fn by_turns(nodes: &[Node], turn: usize) -> Vec<Node> {
    let mut nodes = nodes.to_vec();
    let turn = turn % nodes.len().max(1);
    nodes.rotate_left(turn);
    nodes
}

fn once_each<const N: usize>(nodes: [&[Node]; N]) -> Vec<Node> {
    let mut seen = HashSet::new();
    nodes.into_iter().flatten().filter(|node| seen.insert(*node)).cloned().collect()
}

impl Access {
    fn client(&self, node: &Node) -> RedisResult<redis::Client> {
        client(at(&self.server, (node.host.clone(), node.port)), self.certificates.as_ref())
    }

    /// What a node tells, on the connection that there is, or on one for this.
    async fn view(&self, node: &Node, live: Option<Live>) -> RedisResult<View> {
        let mut connection = match live {
            Some(live) => live.connection(),
            None => self.client(node)?.get_multiplexed_async_connection_with_config(&patient()).await?,
        };
        let reply = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
        // A node that was sent away knows of no other.
        View::read(reply, &node.host)
            .filter(|view| !view.ranges.is_empty())
            .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "the node knows of no slots")))
    }
}

/// When the nodes of a cluster are asked again who has what: a task that refreshes as long as there are requests, with pauses between.
#[derive(Default)]
struct TopologyRefresher {
    state: Mutex<RefreshState>,
    moved: Notify,
}

#[derive(Default)]
struct RefreshState {
    /// Whether a refresh was requested since the last one began.
    is_requested: bool,
    task: Option<JoinHandle<()>>,
}

impl TopologyRefresher {
    /// Requests a refresh that begins after this; `start` spawns the task that refreshes while [`Self::take_request`], if none runs.
    fn request(&self, start: impl FnOnce() -> JoinHandle<()>) {
        let mut state = lock(&self.state);
        state.is_requested = true;
        // One that ended with its runtime does not come back.
        if state.task.as_ref().is_none_or(JoinHandle::is_finished) {
            state.task = Some(start());
        }
    }

    /// A node has said that something moved: the next refresh does not wait long, whatever the last ones found.
    fn moved(&self) {
        self.moved.notify_one();
    }

    /// Waits after a refresh that `changed` what is known or did not; returns how long to wait the next time.
    async fn pause(&self, pause: Duration, changed: bool) -> Duration {
        let pause = if changed { SHORTEST_PAUSE } else { pause };
        if timeout(pause, self.moved.notified()).await.is_err() {
            return (pause * 2).min(LONGEST_PAUSE);
        }
        sleep(SHORTEST_PAUSE).await;
        SHORTEST_PAUSE
    }

    /// Whether a refresh was requested since the last one began. If not, the task has to end.
    fn take_request(&self) -> bool {
        let mut state = lock(&self.state);
        let is_requested = std::mem::take(&mut state.is_requested);
        if !is_requested {
            // A request from now on starts another task, though this one may not have ended yet.
            state.task = None;
        }
        is_requested
    }
}

fn named(address: &ConnectionAddr) -> Option<Node> {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            Some(Node { host: host.clone(), port: *port })
        }
        _ => None,
    }
}

/// How long to wait before each time that a command is sent where it was pointed to. Nodes learn of a move one after the other, and may
/// point at each other meanwhile.
const REDIRECTIONS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
];

/// How many nodes are asked at the same time.
const AT_MOST: usize = 8;
/// How many of these are named in the URL.
const AT_MOST_NAMED: usize = 3;

/// What the first pause is.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
