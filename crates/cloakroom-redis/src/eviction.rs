//! Whether the server may remove sessions to make room.

use redis::Value;

use crate::error::Fault;
use crate::reply;
use crate::server::Server;

/// The `maxmemory-policy` of a server that may evict; in a cluster, of the first primary that may.
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
    let mut found = None;
    for node in cluster.primaries().unwrap_or_default() {
        if let Ok(answer) = server.call_at(Some(&node), &info).await {
            found = found.or_else(|| policy(answer));
        }
    }
    Ok(found)
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
