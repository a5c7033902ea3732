//! Redis without the store: what tests plant, count and clear away.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind};

/// A connection to each server that takes writes.
pub(crate) struct Raw(Vec<MultiplexedConnection>);

impl Raw {
    pub(crate) async fn connect(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (hosts, name) = rest.split_once('/').unwrap_or((rest, ""));
        let mut servers: Vec<String> = hosts.split(',').map(|host| format!("redis://{host}")).collect();
        if scheme == "redis+sentinel" {
            let mut sentinel = open(&servers[0]).await;
            let mut question = redis::cmd("SENTINEL");
            question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
            let (host, port): (String, u16) = question.query_async(&mut sentinel).await.unwrap();
            servers = vec![format!("redis://{host}:{port}")];
        }
        let mut connections = Vec::new();
        for server in servers {
            connections.push(open(&server).await);
        }
        Self(connections)
    }

    /// Sends a command to the server that has its key.
    pub(crate) async fn call<T: FromRedisValue>(&mut self, command: &Cmd) -> T {
        self.try_call(command).await.unwrap()
    }

    pub(crate) async fn try_call<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        for connection in &mut self.0 {
            match command.query_async(connection).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::Moved) => {}
                answer => return answer,
            }
        }
        panic!("no server has that key");
    }

    /// Whether the first server has this key, or would have it.
    pub(crate) async fn has(&mut self, name: &str) -> bool {
        redis::cmd("EXISTS").arg(name).query_async::<i64>(&mut self.0[0]).await.is_ok()
    }

    /// Sends a command to every server; answers what is said as text.
    pub(crate) async fn everywhere(&mut self, command: &str) -> Vec<String> {
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        let mut said = Vec::new();
        for connection in &mut self.0 {
            said.push(command.query_async(connection).await.unwrap());
        }
        said
    }

    /// The identifier of this node of a cluster.
    pub(crate) async fn id(&mut self) -> String {
        self.call(redis::cmd("CLUSTER").arg("MYID")).await
    }

    pub(crate) async fn slot_of(&mut self, name: &str) -> u16 {
        self.call(redis::cmd("CLUSTER").arg("KEYSLOT").arg(name)).await
    }

    /// How many connections the server has ever had.
    pub(crate) async fn connections(&mut self) -> u64 {
        self.stat("total_connections_received:").await
    }

    /// How many bytes the server has ever sent.
    pub(crate) async fn sent_bytes(&mut self) -> u64 {
        self.stat("total_net_output_bytes:").await
    }

    async fn stat(&mut self, name: &str) -> u64 {
        let stats: String = self.call(redis::cmd("INFO").arg("stats")).await;
        stats.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
    }

    /// The names of all keys that begin like this.
    pub(crate) async fn names(&mut self, prefix: &str) -> Vec<String> {
        let mut found = Vec::new();
        for connection in &mut self.0 {
            let mut at = 0_u64;
            loop {
                let mut scan = redis::cmd("SCAN");
                scan.arg(at).arg("COUNT").arg(1_000);
                let (next, names): (u64, Vec<String>) = scan.query_async(connection).await.unwrap();
                found.extend(names.into_iter().filter(|name| name.starts_with(prefix)));
                at = next;
                if at == 0 {
                    break;
                }
            }
        }
        found
    }

    /// Asserts that what has this name is kept for so long from now on.
    pub(crate) async fn keeps(&mut self, name: &str, time: Duration) {
        let left: i64 = self.call(redis::cmd("PTTL").arg(name)).await;
        let left = Duration::from_millis(left.try_into().expect("it is there, and is not kept forever"));
        assert!(left <= time && left > time - SLOW, "{name} is kept for {left:?} instead of {time:?}");
    }

    /// Removes them.
    pub(crate) async fn clear(&mut self, prefix: &str) {
        for name in self.names(prefix).await {
            let _: i64 = self.call(redis::cmd("DEL").arg(name)).await;
        }
    }
}

/// The URL of each server of a cluster.
pub(crate) fn nodes(cluster: &str) -> Vec<String> {
    let hosts = cluster.strip_prefix("redis+cluster://").unwrap();
    hosts.split(',').map(|host| format!("redis://{host}")).collect()
}

/// Has a slot be imported from, migrated to, or owned by the node with this identifier.
pub(crate) fn set_slot(slot: u16, how: &str, id: &str) -> Cmd {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SETSLOT").arg(slot).arg(how).arg(id);
    command
}

/// What a test may take, on a busy machine.
const SLOW: Duration = Duration::from_secs(20);

async fn open(url: &str) -> MultiplexedConnection {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    Client::open(url).unwrap().get_multiplexed_async_connection_with_config(&config).await.unwrap()
}
