//! A cluster: which node has which key, and what to do when that changes.

use std::time::Duration;

use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{
    Cmd, ConnectionInfo, ErrorKind, ProtocolVersion, RedisError, RedisResult, ServerErrorKind,
    TlsCertificates, Value,
};

use crate::address::tcp;
use crate::route::{CONNECT_TIMEOUT, at, client, patient};

/// The driver's client of a cluster, told never to send anything again.
pub(crate) struct Cluster {
    connection: ClusterConnection,
    /// How to connect to a node, whichever it is.
    node: ConnectionInfo,
    certificates: Option<TlsCertificates>,
}

impl Cluster {
    pub(crate) async fn connect(
        nodes: &[ConnectionInfo],
        certificates: Option<&TlsCertificates>,
        deadline: Duration,
    ) -> RedisResult<Self> {
        let mut builder = ClusterClientBuilder::new(nodes.iter().cloned())
            // The driver would send a write again after it lost the connection that it had sent it to.
            .retries(0)
            .use_protocol(ProtocolVersion::RESP3)
            .tcp_settings(tcp())
            .connection_timeout(CONNECT_TIMEOUT)
            .response_timeout(deadline)
            .overall_response_timeout(None);
        if let Some(certificates) = certificates {
            builder = builder.certs(certificates.clone());
        }
        let node = nodes.first().ok_or((ErrorKind::InvalidClientConfig, "no node is named"))?.clone();
        let connection = builder.build()?.get_async_connection().await?;
        Ok(Self { connection, node, certificates: certificates.cloned() })
    }

    /// Sends a command to the node that has its key. A node that has it not says so, and has done nothing: then it is
    /// sent where the node points.
    pub(crate) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let mut connection = self.connection.clone();
        let mut answer = command.query_async(&mut connection).await;
        for pause in REDIRECTIONS {
            let Err(error) = &answer else { break };
            answer = match error.kind() {
                ErrorKind::Server(ServerErrorKind::Ask) => self.ask(command, error).await,
                // The driver is learning where the keys are now; commands wait for that.
                ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::TryAgain) => {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    command.query_async(&mut connection).await
                }
                _ => break,
            };
        }
        answer
    }

    /// Sends a command to a node that is about to get its key. The node may be too new for the driver to know it.
    async fn ask(&self, command: &Cmd, redirection: &RedisError) -> RedisResult<Value> {
        let target = redirection.redirect_node().and_then(|(node, _)| {
            let (host, port) = node.rsplit_once(':')?;
            Some((host.to_owned(), port.parse().ok()?))
        });
        let Some(target) = target else { return Err(redirection.clone()) };
        let client = client(at(&self.node, target), self.certificates.as_ref())?;
        let connected = client.get_multiplexed_async_connection_with_config(&patient()).await;
        // Nothing was sent: what is known is still that the key is on its way.
        let mut connection = connected.map_err(|_| redirection.clone())?;
        let mut both = redis::pipe();
        both.cmd("ASKING").ignore().add_command(command.clone());
        let [answer]: [Value; 1] = both.query_async(&mut connection).await?;
        Ok(answer)
    }

    /// Sends a command to one node.
    pub(crate) async fn send_to(&self, node: &Node, command: &Cmd) -> RedisResult<Value> {
        let route = SingleNodeRoutingInfo::ByAddress { host: node.host.clone(), port: node.port };
        let mut connection = self.connection.clone();
        connection.route_command(command.clone(), RoutingInfo::SingleNode(route)).await?.extract_error()
    }

    /// The primaries, in a fixed order.
    ///
    /// # Errors
    /// If one of them does not answer.
    pub(crate) async fn primaries(&self) -> RedisResult<Vec<Node>> {
        let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let mut connection = self.connection.clone();
        let answer = connection.route_command(redis::cmd("PING"), everywhere).await?.extract_error()?;
        let Value::Map(answers) = answer else {
            return Err((ErrorKind::UnexpectedReturnType, "no list of nodes").into());
        };
        let mut nodes = Vec::with_capacity(answers.len());
        for (node, _) in answers {
            let node = crate::reply::string(node).flatten().and_then(|name| Node::parse(&name));
            nodes.push(node.ok_or((ErrorKind::UnexpectedReturnType, "no address of a node"))?);
        }
        nodes.sort_unstable();
        Ok(nodes)
    }
}

/// One node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    host: String,
    port: u16,
}

impl Node {
    /// Reads `host:port`.
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        let (host, port) = std::str::from_utf8(name).ok()?.rsplit_once(':')?;
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }

    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// How long to wait before each time that a command is sent where it was pointed to, in milliseconds.
const REDIRECTIONS: [u64; 5] = [0, 5, 20, 50, 100];
