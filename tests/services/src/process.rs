use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use std::vec;

use crate::port;

/// What to run, and how.
pub(crate) struct Plan<'a> {
    /// What it is, in the folder's name and in messages.
    pub(crate) name: &'static str,
    /// Who runs it where we are root, which some servers refuse to be.
    pub(crate) user: Option<&'static str>,
    /// The commands that come before, in the folder.
    pub(crate) prepare: Vec<Vec<String>>,
    /// The command that listens on this port.
    pub(crate) command: &'a dyn Fn(&Path, u16) -> Vec<String>,
    /// The signals for an orderly end and for one that loses nothing but sessions.
    pub(crate) signals: Signals,
    /// A line of shell that tidies up what is left outside the folder.
    pub(crate) tidy: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Signals {
    pub(crate) stop: &'static str,
    pub(crate) end: &'static str,
}

/// A server process in a folder of its own, both gone when this is dropped or when our own process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    folder: PathBuf,
    port: u16,
    command: Vec<String>,
    signals: Signals,
    watchdog: Child,
    /// `None` only while dropped.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// While it runs.
    id: Option<u32>,
}

impl Process {
    /// Starts a process on a free port, and waits until it listens.
    ///
    /// # Errors
    /// What it said before it ended.
    pub(crate) fn start(plan: &Plan<'_>) -> Result<Self, String> {
        let mut process = Self::prepare(plan).map_err(|error| format!("{}: {error}", plan.name))?;
        for command in &plan.prepare {
            let command = as_user(plan.user, command);
            if process.order(&format!("run {}; echo $?", quoted(&command))) != "0" {
                return Err(process.failure());
            }
        }
        for _ in 0..TRIES {
            process.port = port::free();
            process.command = as_user(plan.user, &(plan.command)(&process.folder, process.port));
            match process.start_again() {
                // Somebody took the port between our look at it and the server's.
                Err(why) if why.contains("ddress already in use") => {}
                other => return other.map(|()| process),
            }
        }
        Err(process.failure())
    }

    fn prepare(plan: &Plan<'_>) -> io::Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("cloakroom-test-{}-{}-{number}", plan.name, std::process::id());
        let folder = env::temp_dir().join(folder);
        let owner = plan.user.filter(|_| is_root()).map_or_else(own_id, str::to_owned);
        let mut watchdog = Command::new("sh")
            .args(["-c", include_str!("watchdog.sh"), "watchdog"])
            .arg(&folder)
            .args([&owner, plan.signals.end, plan.tidy])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Whoever reads what we say must not wait for it.
            .stderr(Stdio::null())
            // Control-C is for us. It ends when we do.
            .process_group(0)
            .spawn()?;
        let orders = watchdog.stdin.take();
        let answers = BufReader::new(watchdog.stdout.take().expect("piped"));
        let mut process = Self {
            name: plan.name,
            folder,
            port: 0,
            command: Vec::new(),
            signals: plan.signals,
            watchdog,
            orders,
            answers,
            id: None,
        };
        if process.answer() != "ready" {
            return Err(io::Error::other(format!("{} cannot be made", process.folder.display())));
        }
        Ok(process)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn id(&self) -> Option<u32> {
        self.id
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts it on the same port, in the same folder, and waits until it listens.
    ///
    /// # Errors
    /// What it said before it ended.
    pub(crate) fn start_again(&mut self) -> Result<(), String> {
        assert!(self.id.is_none(), "{} runs", self.name);
        let start = format!("start {}", quoted(&self.command));
        let id: u32 = self.order(&start).parse().expect("a process id");
        self.id = Some(id);
        let up = wait_until(|| port::listens(id, self.port) || has_ended(id));
        if !up || has_ended(id) {
            self.signal_and_reap("KILL");
            return Err(self.failure());
        }
        Ok(())
    }

    /// Ends it as `kill -9` does, with all processes that it has started, and waits until they are gone.
    pub(crate) fn kill(&mut self) {
        // While it stands still it starts no others.
        let all = self.pause();
        for id in &all {
            self.order(&format!("kill -s KILL {id}; echo $?"));
        }
        self.order("reap; echo $?");
        self.id = None;
        assert!(wait_until(|| all.iter().all(|id| has_ended(*id))), "{} does not die", self.name);
    }

    /// Ends it in order, and waits until it is gone.
    pub(crate) fn stop(&mut self) {
        self.signal_and_reap(self.signals.stop);
    }

    /// Lets it and the processes that it has started stand still, and waits until they do. Answers their ids, its own
    /// first.
    pub(crate) fn pause(&mut self) -> Vec<u32> {
        let id = self.running();
        self.halt(id);
        let all: Vec<u32> = [id].into_iter().chain(children(id)).collect();
        for child in &all[1..] {
            self.halt(*child);
        }
        all
    }

    /// Lets them go on.
    pub(crate) fn resume(&mut self) {
        let id = self.running();
        for id in children(id).into_iter().chain([id]) {
            self.order(&format!("kill -s CONT {id}; echo $?"));
        }
    }

    fn halt(&mut self, id: u32) {
        self.order(&format!("kill -s STOP {id}; echo $?"));
        // The signal has been sent, which is not yet to say that it has arrived.
        assert!(
            wait_until(|| matches!(state(id), None | Some('T' | 'Z'))),
            "{} does not stand still",
            self.name
        );
    }

    fn signal_and_reap(&mut self, signal: &str) {
        let id = self.running();
        self.order(&format!("kill -s {signal} {id}; reap; echo $?"));
        self.id = None;
    }

    fn running(&self) -> u32 {
        self.id.unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    /// Gives an order, and reads the line that it answers.
    fn order(&mut self, order: &str) -> String {
        let orders = self.orders.as_mut().expect("not dropped");
        writeln!(orders, "{order}").expect("the watchdog lives");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the watchdog lives");
        line.trim_end().to_owned()
    }

    /// What it said in the end.
    pub(crate) fn failure(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(40)..].join("\n");
        format!("{} does not start:\n{last}", self.name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its orders is the watchdog's.
        self.orders = None;
        let _ = self.watchdog.wait();
    }
}

/// How often we look for another port.
const TRIES: usize = 10;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Looks until it is so; `false` after a minute.
pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) -> bool {
    (0..12_000).any(|_| {
        let fulfilled = condition();
        if !fulfilled {
            thread::sleep(Duration::from_millis(5));
        }
        fulfilled
    })
}

/// The command as somebody else, where we may.
fn as_user(user: Option<&str>, command: &[String]) -> Vec<String> {
    let mut whole = Vec::new();
    if let Some(user) = user.filter(|_| is_root()) {
        let group = format!("--regid={user}");
        whole.extend(["setpriv", &format!("--reuid={user}"), &group, "--clear-groups"].map(str::to_owned));
    }
    whole.extend_from_slice(command);
    whole
}

/// For a shell: what is between single quotes stays as it is.
fn quoted(command: &[String]) -> String {
    let words: Vec<String> =
        command.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    words.join(" ")
}

pub(crate) fn is_root() -> bool {
    own_id() == "0"
}

fn own_id() -> String {
    let output = Command::new("id").arg("-u").output().expect("every Debian has it");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Whether there is no such process, or one that waits only for somebody to take note of its end.
fn has_ended(id: u32) -> bool {
    matches!(state(id), None | Some('Z'))
}

/// One letter, of proc(5).
fn state(id: u32) -> Option<char> {
    stat(id)?.next()?.chars().next()
}

/// The processes that this one has started.
fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    all.filter(|id| stat(*id).and_then(|mut stat| stat.nth(1)?.parse().ok()) == Some(parent)).collect()
}

/// What proc(5) says of a process after its name, which is in parentheses and may contain anything: its state, its parent.
fn stat(id: u32) -> Option<vec::IntoIter<String>> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter())
}
