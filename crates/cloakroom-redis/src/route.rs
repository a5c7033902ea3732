//! How a connection to the right server is made.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    TlsCertificates,
};

use crate::address::Address;
use crate::sentinel::Sentinels;

/// The way to a server that takes writes, or in a cluster to any node.
pub(crate) enum Route {
    /// The first of these that answers.
    Direct(Vec<Client>),
    /// The one that sentinels name.
    Sentinel(Sentinels),
}

impl Route {
    pub(crate) fn new(address: &Address, certificates: Option<&TlsCertificates>) -> RedisResult<Self> {
        let clients = |servers: &[ConnectionInfo]| {
            servers.iter().map(|server| client(server.clone(), certificates)).collect::<RedisResult<_>>()
        };
        Ok(match address {
            Address::One(server) => Self::Direct(vec![client(server.clone(), certificates)?]),
            Address::Cluster(nodes) => Self::Direct(clients(nodes)?),
            Address::Sentinel { sentinels, name, server } => {
                Self::Sentinel(Sentinels::new(clients(sentinels)?, name, server, certificates))
            }
        })
    }

    /// Connects; `pushes` is told what the server says unasked, and when the connection breaks.
    pub(crate) async fn connect(&self, pushes: impl AsyncPushSender) -> RedisResult<MultiplexedConnection> {
        let config = patient().set_push_sender(Arc::new(pushes));
        match self {
            Self::Direct(servers) => {
                let mut failure = RedisError::from((ErrorKind::InvalidClientConfig, "no server is named"));
                for server in servers {
                    match server.get_multiplexed_async_connection_with_config(&config).await {
                        Ok(connection) => return Ok(connection),
                        Err(error) => failure = error,
                    }
                }
                Err(failure)
            }
            Self::Sentinel(sentinels) => sentinels.connect(&config).await,
        }
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

/// The same login and the same security at another address.
pub(crate) fn at(server: &ConnectionInfo, (host, port): (String, u16)) -> ConnectionInfo {
    let addr = match server.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    server.clone().set_addr(addr)
}

/// The driver gives an answer up after half a second unless told otherwise; each call has a deadline of ours instead.
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
