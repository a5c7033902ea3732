use std::fs;
use std::process::Command;

use super::running::{Durability, Server, command};
use crate::port::ask;
use crate::process::{Plan, Process, Signals, wait_until};
use crate::program::program;

pub(super) fn standalone(durability: Durability, options: &[&str]) -> Result<Server, String> {
    let process = server(durability, options)?;
    Server::new(format!("redis://127.0.0.1:{}", process.port()), vec![process], all_answer)
}

pub(super) fn cluster(durability: Durability, options: &[&str]) -> Result<Server, String> {
    let options = [&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"], options].concat();
    let nodes = (0..3).map(|_| server(durability, &options)).collect::<Result<Vec<Process>, String>>()?;
    if !wait_until(|| all_answer(&nodes)) {
        return Err(nodes[0].failure());
    }
    let addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    let create = Command::new(program("redis-cli", "redis-tools")?)
        .args(["--cluster", "create"])
        .args(&addresses)
        .arg("--cluster-yes")
        .output()
        .map_err(|error| format!("redis-cli: {error}"))?;
    if !create.status.success() {
        return Err(format!("redis-cli makes no cluster: {}", String::from_utf8_lossy(&create.stdout)));
    }
    Server::new(format!("redis+cluster://{}", addresses.join(",")), nodes, knows_all_slots)
}

/// The data servers come before the sentinels.
pub(super) fn sentinel(durability: Durability, options: &[&str]) -> Result<Server, String> {
    watched(durability, options, QUICK)
}

/// The same, with sentinels that do not take a busy machine for a dead primary.
pub(super) fn patient_sentinel(durability: Durability, options: &[&str]) -> Result<Server, String> {
    watched(durability, options, PATIENT)
}

fn watched(durability: Durability, options: &[&str], patience: u64) -> Result<Server, String> {
    let options = [&["--repl-diskless-sync-delay", "0"], options].concat();
    let primary = server(durability, &options)?;
    let port = primary.port().to_string();
    let replica = server(durability, &[&options[..], &["--replicaof", "127.0.0.1", &port]].concat())?;
    let mut all = vec![primary, replica];
    // A sentinel that finds the replica when it looks for the first time need not wait ten seconds for its second look.
    if !wait_until(|| is_in_sync(&all)) {
        return Err(all[1].failure());
    }
    let sentinels = [watcher(&port, patience)?, watcher(&port, patience)?];
    let [one, two] = sentinels.each_ref().map(Process::port);
    all.extend(sentinels);
    let url = format!("redis+sentinel://127.0.0.1:{one},127.0.0.1:{two}/{NAME}");
    Server::new(url, all, |all| {
        let (data, sentinels) = all.split_at(2);
        is_in_sync(data) && sentinels.iter().all(knows_the_others)
    })
}

/// After so many milliseconds of silence a primary is dead.
const QUICK: u64 = 500;
const PATIENT: u64 = 60_000;

/// What the sentinels call the primary.
const NAME: &str = "cloakroom";

fn server(durability: Durability, options: &[&str]) -> Result<Process, String> {
    let append = if durability == Durability::Full { "yes" } else { "no" };
    let settings = format!("save \"\"\nappendonly {append}\nappendfsync always\n");
    process("redis", "redis-server", &settings, options)
}

fn watcher(primary: &str, patience: u64) -> Result<Process, String> {
    let settings = format!(
        "sentinel monitor {NAME} 127.0.0.1 {primary} 1\n\
         sentinel down-after-milliseconds {NAME} {patience}\n\
         sentinel failover-timeout {NAME} 2000\n"
    );
    process("sentinel", "redis-sentinel", &settings, &[])
}

/// The settings are in a file, where a server writes what a sentinel made of it.
fn process(
    name: &'static str,
    program_name: &str,
    settings: &str,
    options: &[&str],
) -> Result<Process, String> {
    let program = program(program_name, program_name)?;
    Process::start(&Plan {
        name,
        user: None,
        prepare: vec![],
        command: &|folder, port| {
            let place = format!("port {port}\nbind 127.0.0.1\ndir {}\n", folder.display());
            fs::write(folder.join(SETTINGS), place + settings).expect("the folder is ours");
            command(&[&program, SETTINGS], options)
        },
        signals: Signals { stop: "TERM", end: "KILL" },
        tidy: "",
    })
}

const SETTINGS: &str = "redis.conf";

/// The one that takes writes.
pub(super) fn primary(processes: &mut [Process]) -> Option<&mut Process> {
    processes.iter_mut().find(|process| says(process, "INFO replication", "role:master"))
}

fn all_answer(processes: &[Process]) -> bool {
    // One that wants a password answers as well.
    processes.iter().all(|process| says(process, "PING", "+PONG") || says(process, "PING", "-NOAUTH"))
}

fn is_in_sync(data: &[Process]) -> bool {
    data.iter().any(|process| {
        says(process, "INFO replication", "role:master") && says(process, "INFO replication", "state=online")
    }) && data.iter().any(|process| says(process, "INFO replication", "master_link_status:up"))
}

fn knows_the_others(sentinel: &Process) -> bool {
    says(sentinel, "INFO sentinel", "status=ok") && says(sentinel, "INFO sentinel", "slaves=1,sentinels=2")
}

fn knows_all_slots(nodes: &[Process]) -> bool {
    nodes.iter().all(|node| says(node, "CLUSTER INFO", "cluster_state:ok"))
}

fn says(process: &Process, question: &str, answer: &str) -> bool {
    ask(process.port(), question).is_some_and(|text| text.contains(answer))
}
