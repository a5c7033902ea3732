//! What a test can rely on of the servers that it starts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use cloakroom_test_services::server::{
    MariaDb, Memcached, MemcachedPair, Postgres, Redis, RedisCluster, RedisSentinel, Server,
};

#[test]
fn redis_keeps_what_it_acknowledged() {
    let mut redis = Redis::start();
    assert_eq!(tell(redis.url(), "SET coat grey"), "+OK");
    kill_and_start_again(&mut redis);
    assert_eq!(tell(redis.url(), "STRLEN coat"), ":4");
    stop_and_start_again(&mut redis);
    assert_eq!(tell(redis.url(), "STRLEN coat"), ":4");
    pause_and_resume(&mut redis);
    leaves_nothing(&traces(&redis), || drop(redis));
}

#[test]
fn memcached_begins_anew() {
    let mut memcached = Memcached::start();
    assert_eq!(tell(memcached.url(), "ms coat 4\r\ngrey"), "HD");
    kill_and_start_again(&mut memcached);
    assert_eq!(tell(memcached.url(), "mg coat v"), "EN");
    stop_and_start_again(&mut memcached);
    pause_and_resume(&mut memcached);
    leaves_nothing(&traces(&memcached), || drop(memcached));
}

#[test]
fn two_memcacheds_are_two() {
    let pair = MemcachedPair::start();
    let [one, two] = addresses(pair.url())[..] else { panic!("{}", pair.url()) };
    assert_ne!(one, two);
    assert_eq!(tell(one, "ms coat 4\r\ngrey"), "HD");
    assert_eq!(tell(two, "mg coat v"), "EN");
    leaves_nothing(&traces(&pair), || drop(pair));
}

#[test]
fn postgres_keeps_what_it_acknowledged_and_counts_statements() {
    let mut postgres = Postgres::start();
    let url = postgres.url().to_owned();
    let sql = |text: &str| run("psql", &["-X", "-q", "-t", "-A", "-c", text, &url]);
    sql("CREATE TABLE coats (color text)");
    sql("INSERT INTO coats VALUES ('grey')");
    assert_eq!(sql("SELECT sum(calls) FROM pg_stat_statements WHERE query LIKE 'INSERT INTO coats%'"), "1");
    kill_and_start_again(&mut postgres);
    assert_eq!(sql("SELECT * FROM coats"), "grey");
    stop_and_start_again(&mut postgres);
    pause_and_resume(&mut postgres);
    leaves_nothing(&traces(&postgres), || drop(postgres));
}

#[test]
fn a_killed_postgres_leaves_no_shared_memory() {
    let mut postgres = Postgres::start();
    // Line 7 of its lock file: a key, and the number of the segment.
    let lock = std::fs::read_to_string(postgres.folders()[0].join("data/postmaster.pid")).unwrap();
    let segment = lock.lines().nth(6).unwrap().split_whitespace().nth(1).unwrap().to_owned();
    let is_there =
        || run("ipcs", &["-m"]).lines().any(|line| line.split_whitespace().nth(1) == Some(&segment));
    postgres.kill();
    assert!(is_there(), "the next one in the folder looks at it");
    drop(postgres);
    assert!(!is_there());
}

#[test]
fn mariadb_keeps_what_it_acknowledged() {
    let mut mariadb = MariaDb::start();
    let address = addresses(mariadb.url())[0].to_owned();
    let port = format!("--port={}", address.rsplit_once(':').unwrap().1);
    let sql = |text: &str| {
        run("mariadb", &["--no-defaults", "-h", "127.0.0.1", "-u", "root", &port, "-N", "-e", text, "test"])
    };
    sql("CREATE TABLE coats (color text)");
    sql("INSERT INTO coats VALUES ('grey')");
    kill_and_start_again(&mut mariadb);
    assert_eq!(sql("SELECT * FROM coats"), "grey");
    stop_and_start_again(&mut mariadb);
    pause_and_resume(&mut mariadb);
    leaves_nothing(&traces(&mariadb), || drop(mariadb));
}

#[test]
fn a_cluster_has_three_nodes_that_know_each_others_slots() {
    let mut cluster = RedisCluster::start();
    let nodes: Vec<String> = addresses(cluster.url()).into_iter().map(str::to_owned).collect();
    let answers =
        |key: &str| nodes.iter().map(|node| tell(node, &format!("SET {key} 1"))).collect::<Vec<_>>();
    for key in ["coat", "hat", "scarf", "gloves"] {
        let answers = answers(key);
        let (own, others): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| *answer == "+OK");
        assert!(own.len() == 1 && others.iter().all(|answer| answer.starts_with("-MOVED ")), "{answers:?}");
    }
    cluster.kill_one(1);
    assert!(is_closed(&nodes[1]) && !is_closed(&nodes[0]));
    cluster.start_again();
    assert!(answers("coat").contains(&"+OK".to_owned()));
    leaves_nothing(&traces(&cluster), || drop(cluster));
}

#[test]
fn sentinels_make_the_replica_the_primary_when_it_is_killed() {
    let mut servers = RedisSentinel::start();
    let url = servers.url().to_owned();
    let (url, name) = url.rsplit_once('/').unwrap();
    let sentinels: Vec<String> = addresses(url).into_iter().map(str::to_owned).collect();
    let question = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {name}");
    let primary = || {
        // An array of two strings, each after its length.
        let answer = tell_lines(&sentinels[0], &question, 5);
        format!("{}:{}", answer[2], answer[4])
    };
    let first = primary();
    servers.kill_primary();
    let second = eventually(|| Some(primary()).filter(|second| *second != first));
    eventually(|| (tell(&second, "SET coat grey") == "+OK").then_some(()));
    // Impatient ones would take a second that is merely slow for dead, and make the first, which has no coat, the
    // primary as soon as it is back.
    for sentinel in &sentinels {
        let patience = format!("SENTINEL SET {name} down-after-milliseconds 60000");
        assert_eq!(tell(sentinel, &patience), "+OK");
    }
    servers.start_again();
    assert_eq!(tell(&second, "STRLEN coat"), ":4");
    leaves_nothing(&traces(&servers), || drop(servers));
}

#[test]
fn options_come_after_our_own() {
    let redis = Redis::start_with(&["--requirepass", "wrong"]);
    assert!(tell(redis.url(), "SET coat grey").starts_with("-NOAUTH"));
}

#[test]
#[should_panic(expected = "redis does not start")]
fn a_server_that_does_not_start_says_why() {
    Redis::start_with(&["--no-such-option"]);
}

#[test]
fn nothing_is_left_when_the_process_that_started_them_is_killed() {
    let mut starter = Command::new(env!("CARGO_BIN_EXE_cloakroom-test-services"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(starter.stdout.take().unwrap()).lines();
    let exports: Vec<String> =
        lines.map(Result::unwrap).take_while(|line| line.starts_with("export ")).collect();
    assert_eq!(exports.len(), 7, "{exports:?}");
    let shells = children(starter.id());
    let folder = format!("cloakroom-test-*-{}-*", starter.id());
    let folder = std::env::temp_dir().join(folder).display().to_string();
    let traces = Traces {
        processes: shells.iter().flat_map(|shell| children(*shell)).collect(),
        folders: run("sh", &["-c", &format!("ls -d {folder}")]).lines().map(PathBuf::from).collect(),
    };
    assert!(traces.processes.len() == 13 && traces.folders.len() == 13, "{traces:?}");
    leaves_nothing(&traces, || {
        starter.kill().unwrap();
        starter.wait().unwrap();
    });
}

/// What there is of servers while they run.
#[derive(Debug)]
struct Traces {
    processes: Vec<u32>,
    folders: Vec<PathBuf>,
}

fn traces(server: &Server) -> Traces {
    let folders = server.folders().into_iter().map(Path::to_owned).collect();
    Traces { processes: server.processes(), folders }
}

fn leaves_nothing(traces: &Traces, end: impl FnOnce()) {
    let there = |process: &u32| Path::new(&format!("/proc/{process}")).exists();
    assert!(traces.processes.iter().all(there) && traces.folders.iter().all(|folder| folder.is_dir()));
    assert!(!traces.processes.is_empty() && !traces.folders.is_empty());
    end();
    eventually(|| {
        let is_left =
            traces.processes.iter().any(there) || traces.folders.iter().any(|folder| folder.exists());
        (!is_left).then_some(())
    });
}

fn kill_and_start_again(server: &mut Server) {
    end_and_start_again(server, Server::kill);
}

fn stop_and_start_again(server: &mut Server) {
    end_and_start_again(server, Server::stop);
}

fn end_and_start_again(server: &mut Server, end: fn(&mut Server)) {
    let before = traces(server);
    let url = server.url().to_owned();
    end(server);
    assert!(is_closed(addresses(&url)[0]), "nobody listens any more");
    assert!(server.processes().is_empty());
    server.start_again();
    assert_eq!(server.url(), url);
    let after = traces(server);
    assert_eq!(before.folders, after.folders);
    assert_ne!(before.processes, after.processes);
}

fn pause_and_resume(server: &mut Server) {
    let [id] = server.processes()[..] else { panic!("one process") };
    server.pause();
    assert_eq!(run("ps", &["-o", "s=", "-p", &id.to_string()]), "T");
    server.resume();
    eventually(|| (run("ps", &["-o", "s=", "-p", &id.to_string()]) != "T").then_some(()));
}

/// The addresses in a URL.
fn addresses(url: &str) -> Vec<&str> {
    let (_, rest) = url.rsplit_once("//").unwrap_or(("", url));
    let (_, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    rest.split('/').next().unwrap().split(',').collect()
}

fn is_closed(address: &str) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Sends a line to Redis or memcached, and answers the first that comes back, if one does.
fn tell(url: &str, line: &str) -> String {
    tell_lines(url, line, 1).pop().unwrap_or_default()
}

/// The same, and answers so many.
fn tell_lines(url: &str, line: &str, count: usize) -> Vec<String> {
    let Ok(stream) = TcpStream::connect(addresses(url)[0]) else { return Vec::new() };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    (&stream).write_all(format!("{line}\r\n").as_bytes()).unwrap();
    BufReader::new(&stream).lines().take(count).map_while(Result::ok).collect()
}

/// What a program prints.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn children(process: u32) -> Vec<u32> {
    let ids = run("ps", &["-o", "pid=", "--ppid", &process.to_string()]);
    ids.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

/// Looks until there is something, for a minute.
fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..6_000 {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("in a minute it did not come to pass");
}
