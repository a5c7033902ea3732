//! How a connection to the right server is made.

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    TlsCertificates,
};
use std::time::Duration;

use crate::address::Address;

/// The ways to a server that takes writes, or in a cluster to any node.
pub(crate) enum Route {
    /// The first that answers.
    Direct(Vec<Client>),
    /// The one that sentinels name.
    Sentinel {
        sentinels: Vec<Client>,
        name: String,
        server: ConnectionInfo,
        certificates: Option<TlsCertificates>,
    },
}

impl Route {
    pub(crate) fn new(address: &Address, certificates: Option<&TlsCertificates>) -> RedisResult<Self> {
        let clients = |servers: &[ConnectionInfo]| {
            servers.iter().map(|server| client(server.clone(), certificates)).collect::<RedisResult<_>>()
        };
        Ok(match address {
            Address::One(server) => Self::Direct(vec![client(server.clone(), certificates)?]),
            Address::Cluster(nodes) => Self::Direct(clients(nodes)?),
            Address::Sentinel { sentinels, name, server } => Self::Sentinel {
                sentinels: clients(sentinels)?,
                name: name.clone(),
                server: server.clone(),
                certificates: certificates.cloned(),
            },
        })
    }

    /// Connects; `pushes` is told what the server says unasked, and when the connection breaks.
    pub(crate) async fn connect(
        &self,
        pushes: impl AsyncPushSender + Clone,
    ) -> RedisResult<MultiplexedConnection> {
        let config = || patient().set_push_sender(pushes.clone());
        let mut last = RedisError::from((ErrorKind::InvalidClientConfig, "no server is named"));
        match self {
            Self::Direct(servers) => {
                for server in servers {
                    match server.get_multiplexed_async_connection_with_config(&config()).await {
                        Ok(connection) => return Ok(connection),
                        Err(error) => last = error,
                    }
                }
            }
            Self::Sentinel { sentinels, name, server, certificates } => {
                for sentinel in sentinels {
                    let primary = match ask(sentinel, name).await {
                        Ok(addr) => client(at(server, addr), certificates.as_ref())?,
                        Err(error) => {
                            last = error;
                            continue;
                        }
                    };
                    match primary_connection(&primary, &config()).await {
                        Ok(connection) => return Ok(connection),
                        Err(error) => last = error,
                    }
                }
            }
        }
        Err(last)
    }
}

/// Makes a client of a server; connects to nothing yet.
pub(crate) fn client(server: ConnectionInfo, certificates: Option<&TlsCertificates>) -> RedisResult<Client> {
    match (server.addr(), certificates) {
        (ConnectionAddr::TcpTls { .. }, Some(certificates)) => {
            Client::build_with_tls(server, certificates.clone())
        }
        _ => Client::open(server),
    }
}

/// Where a sentinel says that the primary is.
async fn ask(sentinel: &Client, name: &str) -> RedisResult<(String, u16)> {
    let question = async {
        let mut connection = sentinel.get_multiplexed_async_connection_with_config(&patient()).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        question.query_async::<Option<(String, u16)>>(&mut connection).await
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, question).await {
        Ok(answer) => answer?.ok_or_else(|| {
            (ErrorKind::MasterNameNotFoundBySentinel, "the sentinel knows no primary of this name").into()
        }),
        Err(_) => Err(timed_out("a sentinel did not answer")),
    }
}

/// A connection to what a sentinel takes for the primary, if it is one: for a while after a failover some may be mistaken.
async fn primary_connection(
    primary: &Client,
    config: &AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let mut connection = primary.get_multiplexed_async_connection_with_config(config).await?;
    let role = async {
        let role: redis::Value = redis::cmd("ROLE").query_async(&mut connection).await?;
        Ok::<_, RedisError>(crate::reply::first_string(role))
    };
    let role = tokio::time::timeout(CONNECT_TIMEOUT, role).await;
    match role.unwrap_or_else(|_| Err(timed_out("the primary did not answer")))?.as_deref() {
        Some(b"master") => Ok(connection),
        _ => Err((ErrorKind::Io, "what the sentinels name is not a primary").into()),
    }
}

/// The same server elsewhere.
pub(crate) fn at(server: &ConnectionInfo, (host, port): (String, u16)) -> ConnectionInfo {
    let addr = match server.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    server.clone().set_addr(addr)
}

/// The driver gives up an answer after half a second unless told otherwise; each call has a deadline of ours instead.
pub(crate) fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(1_024)
}

pub(crate) fn timed_out(what: &'static str) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, what).into()
}

/// How long one attempt to connect may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
