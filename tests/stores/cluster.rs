//! A Redis cluster behind proxies. Clients of a cluster go where its nodes say that they are: behind the proxies, then, which
//! is so for one test at a time.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cloakroom_test_services::server::RedisCluster;
use cloakroom_tests::{Proxy, addresses};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The cluster is announced to be where a test has its proxies, until this is dropped.
pub(crate) struct Turn(#[allow(dead_code, reason = "it is held")] OwnedMutexGuard<()>);

static CLUSTER: LazyLock<RedisCluster> = LazyLock::new(RedisCluster::start);
static TURN: LazyLock<Arc<Mutex<()>>> = LazyLock::new(Arc::default);

pub(crate) fn url() -> &'static str {
    CLUSTER.url()
}

/// Waits for our turn, and until all nodes have heard where the others are now.
pub(crate) async fn announce(proxy: &Proxy) -> Turn {
    let turn = Arc::clone(&TURN).lock_owned().await;
    let nodes = addresses(url());
    let ports = || proxy.addresses().map(|address| address.port());
    for (node, port) in nodes.iter().zip(ports()) {
        // Among themselves they go on without a proxy; that port is ten thousand above the first one.
        tell(*node, &format!("CONFIG SET cluster-announce-bus-port {}", node.port() + 10_000)).await;
        tell(*node, &format!("CONFIG SET cluster-announce-port {port}")).await;
    }
    for node in nodes {
        loop {
            let known = tell(node, "CLUSTER NODES").await;
            if ports().all(|port| known.contains(&format!("127.0.0.1:{port}@"))) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Turn(turn)
}

/// Sends a command, and answers all that comes back.
async fn tell(node: SocketAddr, command: &str) -> String {
    let mut stream = TcpStream::connect(node).await.unwrap();
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(!answer.starts_with('-'), "{command}: {answer}");
    answer
}
