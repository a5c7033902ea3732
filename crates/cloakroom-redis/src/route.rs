//! How a connection to the right server is made: directly, or to the primary that sentinels name.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{AsyncPushSender, ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    TlsCertificates, Value, from_redis_value,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::address::Address;
use crate::reply;

/// The way to a server that takes writes, or in a cluster to any node.
pub(crate) enum Route {
    /// The first of these that can be connected to.
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

/// Several sentinels that watch the same primary.
pub(crate) struct Sentinels {
    sentinels: Vec<Client>,
    watched: Arc<Watched>,
}

/// The primary that they watch.
struct Watched {
    name: String,
    /// How to log in, wherever the primary is.
    server: ConnectionInfo,
    certificates: Option<TlsCertificates>,
}

impl Sentinels {
    fn new(
        sentinels: Vec<Client>,
        name: &str,
        server: &ConnectionInfo,
        certificates: Option<&TlsCertificates>,
    ) -> Self {
        let (name, server, certificates) = (name.to_owned(), server.clone(), certificates.cloned());
        Self { sentinels, watched: Arc::new(Watched { name, server, certificates }) }
    }

    /// Asks all of them at the same time, so that those that are gone cause no delay, and follows the one that knows of the latest
    /// failover: another may not have noticed it.
    async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
        let mut asked = JoinSet::new();
        for sentinel in &self.sentinels {
            let (sentinel, watched) = (sentinel.clone(), Arc::clone(&self.watched));
            asked.spawn(async move {
                let report = timeout(CONNECT_TIMEOUT, watched.ask(&sentinel)).await;
                report.unwrap_or_else(|_| Err(timed_out("a sentinel did not answer")))
            });
        }
        let reports = gather(asked).await?;
        let latest = reports.into_iter().max_by_key(|report| report.epoch);
        let latest = latest.ok_or((ErrorKind::EmptySentinelList, "no sentinel is named"))?;
        self.watched.follow(latest, config).await
    }
}

/// What a sentinel reports.
struct SentinelReport {
    primary: (String, u16),
    /// Grows with each failover.
    epoch: u64,
}

impl Watched {
    async fn follow(
        &self,
        report: SentinelReport,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let primary = client(at(&self.server, report.primary), self.certificates.as_ref())?;
        let mut connection = primary.get_multiplexed_async_connection_with_config(config).await?;
        let role = timeout(CONNECT_TIMEOUT, role(&mut connection)).await;
        match role.unwrap_or_else(|_| Err(timed_out("the primary did not answer")))?.as_deref() {
            Some(b"master") => Ok(connection),
            // For a while after a failover the sentinels may be mistaken.
            _ => Err((ErrorKind::Io, "what the sentinels name is not a primary").into()),
        }
    }

    async fn ask(&self, sentinel: &Client) -> RedisResult<SentinelReport> {
        let mut connection = sentinel.get_multiplexed_async_connection_with_config(&patient()).await?;
        let mut questions = redis::pipe();
        questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        questions.cmd("SENTINEL").arg("MASTER").arg(&self.name);
        let mut replies = connection.req_packed_commands(&questions, 0, 2).await?.into_iter();
        let primary = replies.next().unwrap_or(Value::Nil).extract_error()?;
        let primary = from_redis_value::<Option<(String, u16)>>(primary)?;
        let primary = primary
            .ok_or((ErrorKind::MasterNameNotFoundBySentinel, "the sentinels know no primary of this name"))?;
        // Where only the address may be asked for, all are equal.
        let details =
            replies.next().and_then(|reply| from_redis_value::<HashMap<String, String>>(reply).ok());
        let epoch = details.and_then(|details| details.get("config-epoch")?.parse().ok());
        Ok(SentinelReport { primary, epoch: epoch.unwrap_or(0) })
    }
}

async fn role(connection: &mut MultiplexedConnection) -> RedisResult<Option<Vec<u8>>> {
    redis::cmd("ROLE").query_async(connection).await.map(reply::first_string)
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

/// The driver gives up on a reply after half a second unless told otherwise; each call has a deadline of ours instead.
pub(crate) fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(1_024)
}

pub(crate) fn timed_out(what: &'static str) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, what).into()
}

/// Collects the replies of several servers to one command until shortly after the first: servers that are gone delay the caller only
/// briefly, and the quickest, which may not have noticed yet what happened, is not the only one that counts.
///
/// # Errors
/// The last failure, if none replies.
pub(crate) async fn gather<T: 'static>(mut asked: JoinSet<RedisResult<T>>) -> RedisResult<Vec<T>> {
    let mut failure = RedisError::from((ErrorKind::Io, "there is no server to ask"));
    let mut replies = Vec::new();
    while replies.is_empty() {
        match asked.join_next().await {
            Some(Ok(Ok(reply))) => replies.push(reply),
            Some(Ok(Err(error))) => failure = error,
            Some(Err(_)) => {}
            None => return Err(failure),
        }
    }
    let rest = async {
        while let Some(reply) = asked.join_next().await {
            replies.extend(reply.into_iter().flatten());
        }
    };
    _ = timeout(STRAGGLERS, rest).await;
    Ok(replies)
}

/// How long one attempt to connect may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the others have after the first reply.
const STRAGGLERS: Duration = Duration::from_millis(100);
