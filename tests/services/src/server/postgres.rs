use std::path::Path;
use std::process::{Command, Stdio};

use super::running::{Durability, Server, command};
use crate::process::{Plan, Process, Signals};
use crate::program::program;

pub(super) fn start(durability: Durability, options: &[&str]) -> Result<Server, String> {
    let (server, initdb) = (package("postgres")?, package("initdb")?);
    package("psql")?;
    let process = Process::start(&Plan {
        name: "postgres",
        user: Some("postgres"),
        prepare: vec![command(
            &[&initdb, "-D", "data", "-U", "postgres", "-A", "trust"],
            &["-E", "UTF8", "--locale=C", "--no-sync"],
        )],
        command: &|_, port| {
            let port = port.to_string();
            let mut words = vec![&*server, "-D", "data", "-p", &port];
            words.extend(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
            // In the folder, so that nothing of a killed one is left.
            words.extend(["-c", "dynamic_shared_memory_type=mmap"]);
            words.extend(["-c", "max_connections=300"]);
            words.extend(["-c", "shared_preload_libraries=pg_stat_statements"]);
            if durability == Durability::None {
                words.extend(["-c", "fsync=off", "-c", "full_page_writes=off"]);
            }
            command(&words, options)
        },
        // "Fast" and "immediate" shutdown of pg_ctl.
        signals: Signals { stop: "INT", end: "QUIT" },
        tidy: FREE_SHARED_MEMORY,
    })?;
    Server::new(format!("postgres://postgres@127.0.0.1:{}/postgres", process.port()), vec![process], is_ready)
}

/// One that was killed has left a few bytes of shared memory, by which the next one in the folder sees that it is gone. The
/// lock file has its number.
const FREE_SHARED_MEMORY: &str =
    r#"[ ! -f data/postmaster.pid ] || ipcrm -m $(sed -n '7s/^ *[0-9]* *//p' data/postmaster.pid)"#;

fn package(name: &str) -> Result<String, String> {
    program(name, "postgresql")
}

fn is_ready(processes: &[Process]) -> bool {
    processes.iter().all(|process| {
        let mut client = Command::new("psql");
        client.args(["-X", "-h", "127.0.0.1", "-U", "postgres", "-p", &process.port().to_string()]);
        client.args(["-c", "CREATE EXTENSION IF NOT EXISTS pg_stat_statements", "postgres"]);
        client.current_dir(Path::new("/")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        client.status().is_ok_and(|status| status.success())
    })
}
