//! Nodes of a cluster that are away, or seem to be.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloakroom_redis::RedisStore;
use cloakroom_store::{Applied, ErrorKind, Key, LeaseId, Leases, Revision, Scan, Store};
use cloakroom_test_services::server::{Redis, RedisCluster};

use crate::support::fake::Fake;
use crate::support::proxy::Proxy;
use crate::support::raw::{Raw, nodes};
use crate::support::{at, claim, key, name, now, record, walk};

const CLUSTER: [&str; 4] = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hangs_is_left_for_the_replica_that_took_over() {
    let server = RedisCluster::start();
    let replica = Redis::start_with(&CLUSTER);
    let mut primary = node(&server, 0).await;
    follow(&mut primary, port(&server, 0), &replica).await;
    let store = settings().connect(server.url()).await.unwrap();
    let keys = keys_of(&mut primary, &store).await;
    let _: i64 = primary.call(redis::cmd("WAIT").arg(1).arg(5_000)).await;

    // Its connections stay, and nothing answers.
    let hung = Hung::new(server.processes()[0]);
    let write = store.replace(&keys[0], &record(2), Revision::new(1), at(0)).await.unwrap_err();
    assert_eq!(write.kind(), ErrorKind::Unavailable(Applied::Maybe));
    let start = now();
    while store.load(&keys[0]).await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(20), "the replica was not found");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for key in &keys[1..] {
        assert_eq!(store.load(key).await.unwrap(), Some(record(1)));
        store.replace(key, &record(2), Revision::new(1), at(0)).await.expect("it takes writes");
    }
    drop(hung);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_a_node_that_swallows_everything_is_given_up_after_the_deadline() {
    let server = RedisCluster::start();
    let proxy = Proxy::to(port(&server, 0)).await;
    let mut primary = node(&server, 0).await;
    let mut announce = redis::cmd("CONFIG");
    announce.arg("SET").arg("cluster-announce-port").arg(proxy.port);
    let _: () = primary.call(&announce).await;
    let known = format!(" 127.0.0.1:{}@", proxy.port);
    let mut others =
        Raw::connect(&server.url().replacen(&format!("127.0.0.1:{},", port(&server, 0)), "", 1)).await;
    while !others.everywhere("CLUSTER NODES").await.iter().all(|nodes| nodes.contains(&known)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let store = settings().connect(server.url()).await.unwrap();
    let keys = keys_of(&mut primary, &store).await;

    proxy.swallow();
    let load = store.load(&keys[0]).await.unwrap_err();
    assert_eq!(load.kind(), ErrorKind::Unavailable(Applied::No));
    assert_eq!(store.load(&keys[0]).await.unwrap(), Some(record(1)), "on another connection");
    proxy.swallow();
    let write = store.replace(&keys[0], &record(2), Revision::new(1), at(0)).await.unwrap_err();
    assert_eq!(write.kind(), ErrorKind::Unavailable(Applied::Maybe));
    assert_eq!(store.load(&keys[0]).await.unwrap(), Some(record(1)), "it never arrived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_away_delays_nobody_who_wants_another() {
    let mut server = RedisCluster::start_with(&["--cluster-require-full-coverage", "no"]);
    let store = Arc::new(RedisStore::connect(server.url()).await.unwrap());
    let away = keys_of(&mut node(&server, 0).await, &store).await;
    let there = keys_of(&mut node(&server, 1).await, &store).await;
    server.kill_one(0);
    // Whoever connects there hears nothing, as from a machine that is off.
    let silent = TcpListener::bind(("127.0.0.1", port(&server, 0))).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let callers = away.iter().take(8).map(|key| {
        let (store, over, key) = (Arc::clone(&store), Arc::clone(&over), *key);
        tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                _ = tokio::time::timeout(Duration::from_secs(2), store.load(&key)).await;
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let (start, mut worst) = (now(), Duration::ZERO);
    while start.elapsed() < Duration::from_secs(6) {
        let before = now();
        // While the nodes agree on who is away, they may answer so for a moment.
        _ = store.load(&there[0]).await;
        worst = worst.max(before.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    over.store(true, Ordering::SeqCst);
    assert!(worst < Duration::from_millis(700), "{worst:?}");
    assert_eq!(store.load(&there[0]).await.unwrap(), Some(record(1)));
    for caller in callers {
        caller.await.unwrap();
    }
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_and_a_count_fail_rather_than_leave_a_primary_out() {
    let mut server = RedisCluster::start_with(&["--cluster-require-full-coverage", "no"]);
    let store = RedisStore::connect(server.url()).await.unwrap();
    for n in 0..30 {
        store.create(&key(n), &record(1), at(0)).await.unwrap();
    }
    assert_eq!(store.count(at(0)).await.unwrap(), 30);
    server.kill_one(1);
    for _ in 0..20 {
        assert_eq!(store.count(at(0)).await.unwrap_err().kind(), ErrorKind::Unavailable(Applied::No));
        let walked = walk(&store).await;
        assert_eq!(walked.unwrap_err().kind(), ErrorKind::Unavailable(Applied::No));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.start_again();
    let start = now();
    while store.count(at(0)).await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(5), "it is back");
    }
    // Slots that nobody has hide records as well.
    let mut other = node(&server, 2).await;
    let slots: Vec<String> = (0..16_384).map(|slot| slot.to_string()).collect();
    let mut forget = redis::cmd("CLUSTER");
    forget.arg("DELSLOTS").arg(&slots[slots.len() - 1]);
    let _: () = other.call(&forget).await;
    let mut others = [node(&server, 0).await, node(&server, 1).await];
    for other in &mut others {
        let _: () = other.call(&forget).await;
    }
    assert_eq!(store.count(at(0)).await.unwrap_err().kind(), ErrorKind::Unavailable(Applied::No));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_is_called_though_no_node_of_its_url_is_there() {
    let mut server = RedisCluster::start_with(&["--cluster-require-full-coverage", "no"]);
    let holder = RedisStore::connect(server.url()).await.unwrap();
    let waiter =
        RedisStore::connect(&format!("redis+cluster://127.0.0.1:{}", port(&server, 0))).await.unwrap();
    let mut there = node(&server, 1).await;
    let key = keys_of(&mut there, &holder).await[0];
    holder.acquire(&key, &claim(1)).await.unwrap();
    server.kill_one(0);
    let waiting = tokio::spawn(async move { waiter.wait(&key, Duration::from_secs(60)).await });
    let mut queue = redis::cmd("HGET");
    queue.arg(name(&key)).arg("w");
    while there.call::<Option<String>>(&queue).await.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let start = now();
    assert!(holder.release(&key, LeaseId::new(1)).await.unwrap());
    waiting.await.unwrap().unwrap();
    let waited = start.elapsed();
    assert!(waited < Duration::from_millis(700), "it would look for itself after a second: {waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nodes_say_to_another_question_is_no_answer_to_a_write() {
    let node = Fake::bind().await;
    let (port, asked) = (node.port, AtomicBool::new(false));
    node.serve(move |command| match command.split(' ').next().unwrap() {
        // It takes the write, and never gets round to the answer.
        "EVALSHA" => None,
        "HMGET" => Some(format!("-MOVED 1 127.0.0.1:{port}\r\n")),
        "CLUSTER" if asked.swap(true, Ordering::SeqCst) => Some("-LOADING for a while\r\n".to_owned()),
        "CLUSTER" => Some(slots(port)),
        _ => Some("-ERR no\r\n".to_owned()),
    });
    let settings = RedisStore::builder().deadline(Duration::from_millis(500));
    let store = settings.connect(&format!("redis+cluster://127.0.0.1:{port}")).await.unwrap();
    let (one, other, record) = (key(1), key(2), record(1));
    let (written, loaded) = tokio::join!(store.create(&one, &record, at(0)), store.load(&other));
    assert_eq!(loaded.unwrap_err().kind(), ErrorKind::Unavailable(Applied::No));
    assert_eq!(written.unwrap_err().kind(), ErrorKind::Unavailable(Applied::Maybe));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_heard_from_a_node_of_the_url_if_all_others_are_gone() {
    let node = Fake::bind().await;
    let port = node.port;
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let subscribed = Arc::new(AtomicBool::new(false));
    node.serve(told(gone, Arc::clone(&subscribed), |_| None));
    let store = settings().connect(&format!("redis+cluster://127.0.0.1:{port}")).await.unwrap();
    _ = store.wait(&key(1), Duration::from_millis(100)).await;
    until(&subscribed, Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_left_is_not_listened_to_for_long() {
    let (leaves, stays) = (Fake::bind().await, Fake::bind().await);
    let (was, is) = (leaves.port, stays.port);
    let [old, new, left] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
    let has_left = Arc::clone(&left);
    leaves.serve(told(was, Arc::clone(&old), move |command| {
        let left = has_left.load(Ordering::SeqCst);
        match command.split(' ').next().unwrap() {
            "CLUSTER" if left => Some(slots(is)),
            "HMGET" if left => Some(format!("-MOVED 1 127.0.0.1:{is}\r\n")),
            _ => None,
        }
    }));
    stays.serve(told(is, Arc::clone(&new), |_| None));
    let store = settings().connect(&format!("redis+cluster://127.0.0.1:{was}")).await.unwrap();
    _ = store.wait(&key(1), Duration::from_millis(100)).await;
    until(&old, Duration::from_secs(2)).await;
    assert!(!new.load(Ordering::SeqCst));
    left.store(true, Ordering::SeqCst);
    _ = store.load(&key(1)).await;
    until(&new, Duration::from_secs(8)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_do_not_answer_delay_the_start_by_one_deadline() {
    let nodes = [Fake::bind().await, Fake::bind().await, Fake::bind().await];
    let [one, two, three] = nodes.each_ref().map(|node| node.port);
    for node in nodes {
        node.serve(move |command| {
            let range = |first, last, port| {
                format!("*3\r\n:{first}\r\n:{last}\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n")
            };
            let ranges = [range(0, 99, one), range(100, 199, two), range(200, 16_383, three)];
            command.starts_with("CLUSTER").then(|| format!("*3\r\n{}", ranges.concat()))
        });
    }
    let settings = RedisStore::builder().deadline(Duration::from_millis(800));
    let start = now();
    settings.connect(&format!("redis+cluster://127.0.0.1:{one}")).await.unwrap();
    let took = start.elapsed();
    assert!(took < Duration::from_millis(1_500), "{took:?}");
}

/// A node's answers: `port` has all slots. It remembers that somebody listens to it. `first` may answer otherwise.
fn told(
    port: u16,
    subscribed: Arc<AtomicBool>,
    first: impl Fn(&str) -> Option<String>,
) -> impl Fn(&str) -> Option<String> {
    move |command| {
        let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
        first(command).or_else(|| match name {
            "CLUSTER" => Some(slots(port)),
            "SUBSCRIBE" => {
                subscribed.store(true, Ordering::SeqCst);
                Some(format!(">3\r\n$9\r\nsubscribe\r\n${}\r\n{rest}\r\n:1\r\n", rest.len()))
            }
            _ => Some("-ERR no\r\n".to_owned()),
        })
    }
}

/// The answer of `CLUSTER SLOTS` if one node has all.
fn slots(port: u16) -> String {
    format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n")
}

async fn until(happened: &AtomicBool, at_most: Duration) {
    let start = now();
    while !happened.load(Ordering::SeqCst) {
        assert!(start.elapsed() < at_most, "it did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn settings() -> cloakroom_redis::Builder {
    RedisStore::builder().deadline(Duration::from_millis(1_500))
}

fn port(server: &RedisCluster, index: usize) -> u16 {
    nodes(server.url())[index].rsplit(':').next().unwrap().parse().unwrap()
}

async fn node(server: &RedisCluster, index: usize) -> Raw {
    Raw::connect(&nodes(server.url())[index]).await
}

/// Some records on this node.
async fn keys_of(node: &mut Raw, store: &RedisStore) -> Vec<Key> {
    for n in 0..60 {
        // Another node's keys may be there already.
        _ = store.create(&key(n), &record(1), at(0)).await;
    }
    let names = node.names("cloakroom:").await;
    assert!(names.len() > 1, "{names:?}");
    names.iter().map(|name| name["cloakroom:".len()..].parse().unwrap()).collect()
}

/// Makes a server a replica of this primary, and waits until the others know.
async fn follow(primary: &mut Raw, port: u16, replica: &Redis) {
    let id = primary.id().await;
    let mut raw = Raw::connect(replica.url()).await;
    let _: () = raw.call(redis::cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(port)).await;
    let mut replicate = redis::cmd("CLUSTER");
    replicate.arg("REPLICATE").arg(&id);
    while raw.try_call::<()>(&replicate).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while !raw.everywhere("INFO replication").await.concat().contains("master_link_status:up")
        || !raw.everywhere("CLUSTER INFO").await.concat().contains("cluster_state:ok")
        || raw.everywhere("CLUSTER NODES").await.concat().matches("connected").count() != 4
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A process that stands still until this is dropped.
struct Hung(u32);

impl Hung {
    fn new(process: u32) -> Self {
        signal("STOP", process);
        Self(process)
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        signal("CONT", self.0);
    }
}

fn signal(name: &str, process: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {process}")]).status().unwrap();
    assert!(sent.success());
}
