use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::browser::Browser;

/// A process of this package that a test starts and talks to, line by line. It is killed when dropped, and ends by itself
/// when the test does: its standard input ends then.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: ChildStdin,
    lines: UnboundedReceiver<String>,
}

impl Process {
    /// Starts `program`.
    pub fn start<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::start_with(program, arguments, [])
    }

    /// Starts `program` with these environment variables.
    pub fn start_with<'a>(
        program: &str,
        arguments: impl IntoIterator<Item = &'a str>,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = unbounded_channel();
        thread::spawn(move || {
            let mut line = String::new();
            // What has no end was not said: its process was killed meanwhile.
            while output.read_line(&mut line).is_ok() && line.ends_with('\n') {
                let _ = sender.send(line.trim_end().to_owned());
                line.clear();
            }
        });
        let input = child.stdin.take().expect("piped");
        Self { child, input, lines }
    }

    /// The next line that it says; `None` at the end of it all.
    pub async fn line(&mut self) -> Option<String> {
        let next = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
        next.unwrap_or_else(|_| panic!("process {} says nothing", self.child.id()))
    }

    /// Waits for it to say `prefix`, and answers the rest of that line.
    pub async fn hear(&mut self, prefix: &str) -> String {
        let line = self.line().await.unwrap_or_else(|| panic!("it ended before it said {prefix:?}"));
        line.strip_prefix(prefix).unwrap_or_else(|| panic!("it said {line:?}, not {prefix:?}")).to_owned()
    }

    /// Says a line to it.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it where it is, as `kill -STOP` does, until [`resume`](Self::resume).
    pub fn stop(&self) {
        self.signal("-STOP");
        // The signal has been sent, which is not yet to say that it has arrived.
        while !self.is_stopped() {
            thread::yield_now();
        }
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Whether all of its threads are stopped, as Linux tells it (proc(5)).
    fn is_stopped(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).ok()).all(|stat| {
            // The state comes after the name, which is in parentheses.
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server process: the program `site`.
#[derive(Debug)]
pub struct Server {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts `program` and waits until it listens. `arguments` are its own.
    pub async fn start<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut process = Process::start(program, arguments);
        let address = process.hear("listening ").await.parse().unwrap();
        Self { process, address }
    }

    /// Waits until one more request is at this gate of its script.
    pub async fn arrival(&mut self, gate: &str) {
        assert_eq!(self.process.hear("at ").await, gate);
    }

    /// Lets one request through this gate.
    pub fn open(&mut self, gate: &str) {
        self.process.tell(&format!("open {gate}"));
    }

    /// Signs a user out everywhere; how many sessions that ended.
    pub async fn end_all(&mut self, subject: &str) -> usize {
        self.process.tell(&format!("end_all {subject}"));
        self.process.hear("ended ").await.parse().unwrap()
    }

    /// A browser without cookies, at this server.
    pub fn browser(&self) -> Browser {
        Browser::at(self.address)
    }
}

/// How long a process may be silent before the test fails instead of waiting for ever.
const PATIENCE: Duration = Duration::from_secs(60);
