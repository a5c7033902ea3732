//! Sentinels: asked where the primary is whenever a connection is made.

use std::collections::HashMap;
use std::sync::Arc;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, RedisResult, TlsCertificates, Value,
    from_redis_value,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::gather::gather;
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

    /// Asks all of them at the same time, so that those that are gone delay nobody, and follows the one that knows of the latest
    /// failover: another may not have noticed it.
    pub(crate) async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
        let mut asked = JoinSet::new();
        for sentinel in &self.sentinels {
            let (sentinel, watched) = (sentinel.clone(), Arc::clone(&self.watched));
            asked.spawn(async move {
                let told = timeout(CONNECT_TIMEOUT, watched.ask(&sentinel)).await;
                told.unwrap_or_else(|_| Err(timed_out("a sentinel did not answer")))
            });
        }
        let told = gather(asked).await?.into_iter().max_by_key(|told| told.epoch);
        let told = told.ok_or((ErrorKind::EmptySentinelList, "no sentinel is named"))?;
        self.watched.follow(told, config).await
    }
}

/// What a sentinel tells.
struct Told {
    primary: (String, u16),
    /// Grows with each failover.
    epoch: u64,
}

impl Watched {
    async fn follow(&self, told: Told, config: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
        let primary = client(at(&self.server, told.primary), self.certificates.as_ref())?;
        let mut connection = primary.get_multiplexed_async_connection_with_config(config).await?;
        let role = timeout(CONNECT_TIMEOUT, role(&mut connection)).await;
        match role.unwrap_or_else(|_| Err(timed_out("the primary did not answer")))?.as_deref() {
            Some(b"master") => Ok(connection),
            // For a while after a failover the sentinels may be mistaken.
            _ => Err((ErrorKind::Io, "what the sentinels name is not a primary").into()),
        }
    }

    async fn ask(&self, sentinel: &Client) -> RedisResult<Told> {
        let mut connection = sentinel.get_multiplexed_async_connection_with_config(&patient()).await?;
        let mut questions = redis::pipe();
        questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        questions.cmd("SENTINEL").arg("MASTER").arg(&self.name);
        let mut answers = connection.req_packed_commands(&questions, 0, 2).await?.into_iter();
        let primary = answers.next().unwrap_or(Value::Nil).extract_error()?;
        let primary = from_redis_value::<Option<(String, u16)>>(primary)?;
        let primary = primary
            .ok_or((ErrorKind::MasterNameNotFoundBySentinel, "the sentinels know no primary of this name"))?;
        // Where only the address may be asked for, all are equal.
        let details =
            answers.next().and_then(|answer| from_redis_value::<HashMap<String, String>>(answer).ok());
        let epoch = details.and_then(|details| details.get("config-epoch")?.parse().ok());
        Ok(Told { primary, epoch: epoch.unwrap_or(0) })
    }
}

async fn role(connection: &mut MultiplexedConnection) -> RedisResult<Option<Vec<u8>>> {
    redis::cmd("ROLE").query_async(connection).await.map(reply::first_string)
}
