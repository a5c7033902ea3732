use std::process::{Command, Stdio};

use super::running::{Durability, Server, command};
use crate::process::{Plan, Process, Signals};
use crate::program::program;

pub(super) fn start(durability: Durability, options: &[&str]) -> Result<Server, String> {
    let (server, install) = (package("mariadbd")?, package("mariadb-install-db")?);
    package(CLIENT)?;
    let process = Process::start(&Plan {
        name: "mariadb",
        user: Some("mysql"),
        prepare: vec![command(
            &[
                // A server that starts removes what others keep in a folder for temporary files that they share.
                "env",
                "TMPDIR=.",
                &install,
                "--no-defaults",
                "--datadir=./data",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            &[],
        )],
        command: &|folder, port| {
            let mut words = vec![server.clone(), "--no-defaults".into()];
            words.push(format!("--datadir={}", folder.join("data").display()));
            words.push(format!("--socket={}", folder.join("socket").display()));
            words.push(format!("--port={port}"));
            words.extend(command(&["--bind-address=127.0.0.1", "--skip-name-resolve"], &[]));
            words.push("--max-connections=500".into());
            if durability == Durability::None {
                words.push("--innodb-flush-log-at-trx-commit=0".into());
            }
            words.extend(command(&[], options));
            words
        },
        signals: Signals { stop: "TERM", end: "KILL" },
        tidy: "",
    })?;
    Server::new(format!("mysql://root@127.0.0.1:{}/test", process.port()), vec![process], is_ready)
}

fn package(name: &str) -> Result<String, String> {
    program(name, "mariadb-server")
}

const CLIENT: &str = "mariadb";

fn is_ready(processes: &[Process]) -> bool {
    processes.iter().all(|process| {
        let port = format!("--port={}", process.port());
        let mut client = Command::new(CLIENT);
        client.args(["--no-defaults", "--host=127.0.0.1", "--user=root", &port]);
        client.args(["--execute", "CREATE DATABASE IF NOT EXISTS test"]);
        client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        client.status().is_ok_and(|status| status.success())
    })
}
