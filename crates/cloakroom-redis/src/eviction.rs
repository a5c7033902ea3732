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
/// If the server cannot be reached.
pub(crate) async fn may_evict(server: &Server) -> Result<Option<String>, redis::RedisError> {
    let mut info = redis::cmd("INFO");
    info.arg("memory");
    let answers = match server.as_cluster() {
        None => vec![server.call(&info).await.map_err(Fault::into_cause)],
        Some(cluster) => {
            let mut answers = Vec::new();
            for node in cluster.primaries().await? {
                answers.push(cluster.send_to(&node, &info).await);
            }
            answers
        }
    };
    let mut found = None;
    for answer in answers {
        match answer {
            Ok(answer) => found = found.or_else(|| policy(answer)),
            Err(error) if error.code() == Some("NOPERM") => {}
            Err(error) => return Err(error),
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
