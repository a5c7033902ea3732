use super::running::{Durability, Server, command};
use crate::port::ask;
use crate::process::{Plan, Process, Signals, is_root};
use crate::program::program;

pub(super) fn one(_: Durability, options: &[&str]) -> Result<Server, String> {
    let process = start(options)?;
    Server::new(format!("memcached://127.0.0.1:{}", process.port()), vec![process], is_ready)
}

pub(super) fn pair(_: Durability, options: &[&str]) -> Result<Server, String> {
    let (one, two) = (start(options)?, start(options)?);
    let url = format!("memcached://127.0.0.1:{},127.0.0.1:{}", one.port(), two.port());
    Server::new(url, vec![one, two], is_ready)
}

fn start(options: &[&str]) -> Result<Process, String> {
    let program = program("memcached", "memcached")?;
    Process::start(&Plan {
        name: "memcached",
        user: None,
        prepare: vec![],
        command: &|_, port| {
            let port = port.to_string();
            let mut words = vec![&*program, "-l", "127.0.0.1", "-p", &port, "-U", "0", "-m", "64"];
            if is_root() {
                words.extend(["-u", "nobody"]);
            }
            command(&words, options)
        },
        signals: Signals { stop: "TERM", end: "KILL" },
        tidy: "",
    })
}

fn is_ready(processes: &[Process]) -> bool {
    let version = |process: &Process| ask(process.port(), "version");
    processes.iter().all(|process| version(process).is_some_and(|answer| answer.starts_with("VERSION ")))
}
