//! Whether the server may remove sessions to make room.

use std::sync::Arc;

use redis::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::error::Fault;
use crate::link::{Live, Sent};
use crate::reply;
use crate::server::Server;

/// The `maxmemory-policy` of a server that may evict; in a cluster, of a primary that may. All are asked at the same time.
///
/// Reads `INFO`, because `CONFIG` is often forbidden. If that is as well, there is nothing to tell.
///
/// # Errors
/// If a single server cannot be reached.
pub(crate) async fn may_evict(server: &Server) -> Result<Option<String>, redis::RedisError> {
    let mut info = redis::cmd("INFO");
    info.arg("memory");
    let Some(cluster) = server.as_cluster() else {
        return match server.call_at(None, &info).await.map_err(Fault::into_cause) {
            Ok(answer) => Ok(policy(answer)),
            Err(error) if error.code() == Some("NOPERM") => Ok(None),
            Err(error) => Err(error),
        };
    };
    // A cluster that we are connected to may be used although one of its nodes is away.
    let mut asked = JoinSet::new();
    for node in cluster.primaries().unwrap_or_default() {
        let (cluster, info, deadline) = (Arc::clone(cluster), info.clone(), server.deadline());
        asked.spawn(async move {
            let sent = Sent::default();
            let Ok(answer) = timeout(deadline, cluster.send_to(&node, &info, &sent)).await else {
                // The next call tries another connection.
                _ = sent.take_back().inspect(Live::give_up);
                return None;
            };
            answer.ok().and_then(policy)
        });
    }
    Ok(asked.join_all().await.into_iter().flatten().min())
}

fn policy(info: Value) -> Option<String> {
    let info = match info {
        Value::VerbatimString { text, .. } => text,
        other => String::from_utf8(reply::string(other)??).ok()?,
    };
    let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let (policy, limit) = (value("maxmemory_policy")?, value("maxmemory")?);
    (policy != "noeviction" && limit != "0").then(|| policy.to_owned())
}
