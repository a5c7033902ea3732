//! Sentinels: asked where the primary is whenever a connection is made.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, RedisError, RedisResult, TlsCertificates,
};
use tokio::task::JoinSet;

use crate::reply;
use crate::route::{CONNECT_TIMEOUT, at, client, patient, timed_out};

/// Several sentinels that watch the same primary.
pub(crate) struct Sentinels {
    sentinels: Vec<Client>,
    watched: Arc<Watched>,
}

struct Watched {
    name: String,
    /// How to log in, wherever the primary is.
    server: ConnectionInfo,
    certificates: Option<TlsCertificates>,
}

impl Sentinels {
    pub(crate) fn new(
        sentinels: Vec<Client>,
        name: &str,
        server: &ConnectionInfo,
        certificates: Option<&TlsCertificates>,
    ) -> Self {
        let (name, server, certificates) = (name.to_owned(), server.clone(), certificates.cloned());
        Self { sentinels, watched: Arc::new(Watched { name, server, certificates }) }
    }

    /// Asks all of them at the same time, so that those that are gone, or have not noticed a failover, delay nobody. The first
    /// that leads to a primary is followed.
    pub(crate) async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
        let mut attempts = JoinSet::new();
        for sentinel in &self.sentinels {
            let (sentinel, watched, config) = (sentinel.clone(), Arc::clone(&self.watched), config.clone());
            attempts.spawn(async move { watched.find(&sentinel, &config).await });
        }
        let mut failure = RedisError::from((ErrorKind::EmptySentinelList, "no sentinel is named"));
        while let Some(attempt) = attempts.join_next().await {
            match attempt {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => failure = error,
                Err(_) => {}
            }
        }
        Err(failure)
    }
}

impl Watched {
    async fn find(
        &self,
        sentinel: &Client,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let asked = tokio::time::timeout(CONNECT_TIMEOUT, self.ask(sentinel)).await;
        let address = asked.unwrap_or_else(|_| Err(timed_out("a sentinel did not answer")))?;
        let primary = client(at(&self.server, address), self.certificates.as_ref())?;
        let mut connection = primary.get_multiplexed_async_connection_with_config(config).await?;
        let role = tokio::time::timeout(CONNECT_TIMEOUT, role(&mut connection)).await;
        match role.unwrap_or_else(|_| Err(timed_out("the primary did not answer")))?.as_deref() {
            Some(b"master") => Ok(connection),
            // For a while after a failover a sentinel may be mistaken.
            _ => Err((ErrorKind::Io, "what the sentinels name is not a primary").into()),
        }
    }

    async fn ask(&self, sentinel: &Client) -> RedisResult<(String, u16)> {
        let mut connection = sentinel.get_multiplexed_async_connection_with_config(&patient()).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let answer: Option<(String, u16)> = question.query_async(&mut connection).await?;
        answer.ok_or_else(|| {
            (ErrorKind::MasterNameNotFoundBySentinel, "the sentinels know no primary of this name").into()
        })
    }
}

async fn role(connection: &mut MultiplexedConnection) -> RedisResult<Option<Vec<u8>>> {
    redis::cmd("ROLE").query_async(connection).await.map(reply::first_string)
}
