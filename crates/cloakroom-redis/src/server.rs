//! The server, or the cluster: one command, one reply, one deadline.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{Cmd, RedisResult, Value};

use crate::cluster::Cluster;
use crate::cluster::map::Node;
use crate::error::Fault;
use crate::link::{Link, Sent};
use crate::route::{Route, timed_out};
use crate::script::Script;

/// Where commands are sent. A command is sent a second time only if the server said that it has not carried it out.
pub(crate) struct Server {
    kind: ServerKind,
    deadline: Duration,
}

enum ServerKind {
    One(Link, Arc<Route>),
    Cluster(Arc<Cluster>),
}

impl Server {
    pub(crate) fn one(route: Route, deadline: Duration) -> Self {
        let route = Arc::new(route);
        Self { kind: ServerKind::One(Link::new(Arc::clone(&route)), route), deadline }
    }

    pub(crate) fn cluster(cluster: Cluster, deadline: Duration) -> Self {
        Self { kind: ServerKind::Cluster(Arc::new(cluster)), deadline }
    }

    pub(crate) fn as_cluster(&self) -> Option<&Arc<Cluster>> {
        match &self.kind {
            ServerKind::One(..) => None,
            ServerKind::Cluster(cluster) => Some(cluster),
        }
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Connects to the server that sends messages, in a cluster to the node that is returned too; `pushes` receives them.
    pub(crate) async fn listen(
        &self,
        pushes: impl AsyncPushSender + Clone,
    ) -> RedisResult<(MultiplexedConnection, Option<Node>)> {
        match &self.kind {
            ServerKind::One(_, route) => Ok((route.connect(pushes).await?, None)),
            ServerKind::Cluster(cluster) => {
                let (connection, node) = cluster.listen(pushes).await?;
                Ok((connection, Some(node)))
            }
        }
    }

    /// Sends a command, in a cluster to the node that has this key.
    pub(crate) async fn call(&self, key: &str, command: &Cmd) -> Result<Value, Fault> {
        let sent = Sent::default();
        self.in_time(&sent, self.send(key, command, &sent)).await
    }

    /// Sends a command to one node of a cluster, or to the server if there is only one.
    pub(crate) async fn call_at(&self, node: Option<&Node>, command: &Cmd) -> Result<Value, Fault> {
        let sent = Sent::default();
        let call = async {
            match (&self.kind, node) {
                (ServerKind::Cluster(cluster), Some(node)) => cluster.send_to(node, command, &sent).await,
                _ => self.send("", command, &sent).await,
            }
        };
        self.in_time(&sent, call).await
    }

    /// Runs a script on a key.
    pub(crate) async fn run(&self, script: &Script, key: &str, args: &[&[u8]]) -> Result<Value, Fault> {
        let sent = Sent::default();
        let run = async {
            match self.send(key, &script.by_hash(key, args), &sent).await {
                // The server has not run it: this is no second time.
                Err(fault) if fault.is_unknown_script() => {
                    sent.take_back();
                    self.send(key, &script.by_source(key, args), &sent).await
                }
                reply => reply,
            }
        };
        self.in_time(&sent, run).await
    }

    async fn in_time<T>(
        &self,
        sent: &Sent,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        if let Ok(reply) = tokio::time::timeout(self.deadline, call).await {
            return match &self.kind {
                ServerKind::One(..) => reply.map_err(Fault::on_single_server),
                ServerKind::Cluster(_) => reply,
            };
        }
        if let ServerKind::Cluster(cluster) = &self.kind {
            cluster.refresh_soon();
        }
        let error = timed_out("no reply within the deadline");
        let Some(live) = sent.take_back() else { return Err(Fault::unsent(error)) };
        // Perhaps the network swallows everything: the next call tries another connection.
        live.give_up();
        Err(Fault::sent(error))
    }

    async fn send(&self, key: &str, command: &Cmd, sent: &Sent) -> Result<Value, Fault> {
        match &self.kind {
            ServerKind::One(link, _) => link.send(command, sent).await,
            ServerKind::Cluster(cluster) => cluster.send(key, command, sent).await,
        }
    }
}
