//! The server, or the cluster: one command, one answer, one deadline.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::{Cmd, ServerErrorKind, Value};

use crate::cluster::Cluster;
use crate::error::Fault;
use crate::link::{Link, Live};
use crate::route::{Route, timed_out};
use crate::script::Script;

/// Whom commands are sent to. Nothing is ever sent twice, but for what the server said that it has not carried out.
pub(crate) struct Server {
    kind: Kind,
    /// The way to a server that sends messages.
    pub(crate) route: Arc<Route>,
    deadline: Duration,
}

enum Kind {
    One(Link),
    Cluster(Cluster),
}

/// Set when a call may have reached the server, with the connection that it took.
type Sent = OnceLock<Option<Live>>;

impl Server {
    pub(crate) fn one(route: Arc<Route>, deadline: Duration) -> Self {
        Self { kind: Kind::One(Link::new(Arc::clone(&route))), route, deadline }
    }

    pub(crate) fn cluster(cluster: Cluster, route: Arc<Route>, deadline: Duration) -> Self {
        Self { kind: Kind::Cluster(cluster), route, deadline }
    }

    pub(crate) fn as_cluster(&self) -> Option<&Cluster> {
        match &self.kind {
            Kind::One(_) => None,
            Kind::Cluster(cluster) => Some(cluster),
        }
    }

    /// Sends a command, in a cluster to the node that has its key.
    pub(crate) async fn call(&self, command: &Cmd) -> Result<Value, Fault> {
        let sent = Sent::new();
        self.in_time(&sent, self.send(command, &sent)).await
    }

    /// Runs a script on a key.
    pub(crate) async fn run(&self, script: &Script, key: &str, args: &[&[u8]]) -> Result<Value, Fault> {
        let sent = Sent::new();
        let run = async {
            match self.send(&script.by_hash(key, args), &sent).await {
                // The server has not run it: this is no second time.
                Err(fault) if fault.is_unknown_script() => {
                    self.send(&script.by_source(key, args), &sent).await
                }
                answer => answer,
            }
        };
        self.in_time(&sent, run).await
    }

    async fn in_time<T>(
        &self,
        sent: &Sent,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(answer) => answer,
            Err(_) => {
                let error = timed_out("no answer within the deadline");
                let Some(live) = sent.get() else { return Err(Fault::unsent(error)) };
                // Perhaps the network swallows everything: the next call tries another connection.
                live.iter().for_each(Live::give_up);
                Err(Fault::sent(error))
            }
        }
    }

    async fn send(&self, command: &Cmd, sent: &Sent) -> Result<Value, Fault> {
        match &self.kind {
            Kind::One(link) => {
                let live = link.live().await.map_err(Fault::unsent)?;
                let mut connection = live.connection.clone();
                _ = sent.set(Some(live.clone()));
                command.query_async(&mut connection).await.map_err(|error| {
                    // What was a primary when we connected may have become a replica.
                    let demoted = error.kind() == ServerErrorKind::ReadOnly.into();
                    if demoted || error.is_io_error() || error.is_unrecoverable_error() {
                        live.give_up();
                    }
                    Fault::sent(error)
                })
            }
            Kind::Cluster(cluster) => {
                _ = sent.set(None);
                cluster.send(command).await.map_err(Fault::sent)
            }
        }
    }
}
