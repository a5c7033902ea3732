//! Messages between the processes that share the sessions, on a channel of their own. A cluster passes them on to all nodes.

use std::time::Duration;

use cloakroom_store::{Error, Key, Notice, Notices, Result};
use redis::PushKind;
use redis::aio::MultiplexedConnection;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::error::Fault;
use crate::keyspace::key;
use crate::reply;
use crate::route::timed_out;
use crate::store::RedisStore;
use crate::wakeup::{belongs, subscribe};

impl Notices for RedisStore {
    async fn publish(&self, key: &Key) -> Result<()> {
        let channel = self.keyspace.changes();
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&channel).arg(key.to_string());
        self.keyspace.server.call(&channel, &publish).await.map_err(Fault::of_write)?;
        Ok(())
    }

    async fn listen(&self, receive: &(dyn Fn(Notice) + Send + Sync)) -> Result<()> {
        let (pushes, mut received) = mpsc::unbounded_channel();
        let subscribed = subscribe(&self.keyspace, self.keyspace.changes(), pushes).await;
        let (mut connection, node) = subscribed.map_err(Error::unavailable)?;
        receive(Notice::Listening);
        loop {
            match timeout(QUIET, received.recv()).await {
                Ok(Some(push)) if push.kind == PushKind::Message => {
                    let name = push.data.into_iter().nth(1).and_then(reply::string).flatten();
                    if let Some(key) = name.and_then(|name| key(&name)) {
                        receive(Notice::Changed(key));
                    }
                }
                Ok(Some(push)) if push.kind == PushKind::Disconnection => return Err(lost()),
                Ok(Some(_)) => {}
                Ok(None) => return Err(lost()),
                // It may have broken without a sign, or its node was sent away from the cluster.
                Err(_) => {
                    if !belongs(&self.keyspace, node.as_ref()) || !is_alive(&mut connection).await {
                        return Err(lost());
                    }
                }
            }
        }
    }
}

async fn is_alive(connection: &mut MultiplexedConnection) -> bool {
    let ping = redis::cmd("PING");
    let reply = timeout(REPLY_TIMEOUT, ping.exec_async(connection)).await;
    reply.is_ok_and(|reply| reply.is_ok())
}

fn lost() -> Error {
    Error::unavailable(timed_out("the connection that listens was lost"))
}

/// How long the connection may be silent before it is checked.
const QUIET: Duration = Duration::from_secs(5);
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);
