//! Redis without the store: what tests plant, count and clear away.

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

    /// How many connections the server has ever had.
    pub(crate) async fn connections(&mut self) -> u64 {
        let stats: String = self.call(redis::cmd("INFO").arg("stats")).await;
        let count = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        count.unwrap().parse().unwrap()
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

    /// Removes them.
    pub(crate) async fn clear(&mut self, prefix: &str) {
        for name in self.names(prefix).await {
            let _: i64 = self.call(redis::cmd("DEL").arg(name)).await;
        }
    }
}

async fn open(url: &str) -> MultiplexedConnection {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    Client::open(url).unwrap().get_multiplexed_async_connection_with_config(&config).await.unwrap()
}
