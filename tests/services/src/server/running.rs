use std::path::Path;

use crate::process::{Process, wait_until};

/// One server, or several that belong together. All of them and their folders are gone when this is dropped, and when the
/// process that started them ends in whatever way.
#[derive(Debug)]
pub struct Server {
    url: String,
    pub(super) processes: Vec<Process>,
    /// Whether they all answer, and know each other.
    is_ready: fn(&[Process]) -> bool,
}

impl Server {
    /// Where it is, as the stores take it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        self.processes.iter_mut().for_each(Process::kill);
    }

    /// Ends it in order, and waits until it is gone.
    pub fn stop(&mut self) {
        self.processes.iter_mut().for_each(Process::stop);
    }

    /// Starts what has been ended, at the same port and in the same folder, and waits until it answers.
    ///
    /// # Panics
    /// If it does not start. Says why.
    pub fn start_again(&mut self) {
        for process in self.processes.iter_mut().filter(|process| process.id().is_none()) {
            or_panic(process.start_again());
        }
        or_panic(self.answers());
    }

    /// Lets it stand still, as `kill -STOP` does: connections stay, and nothing answers.
    pub fn pause(&mut self) {
        for process in &mut self.processes {
            process.pause();
        }
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        self.processes.iter_mut().for_each(Process::resume);
    }

    /// The ids of its processes, without those that they start themselves.
    pub fn processes(&self) -> Vec<u32> {
        self.processes.iter().filter_map(Process::id).collect()
    }

    /// The folders that it keeps things in.
    pub fn folders(&self) -> Vec<&Path> {
        self.processes.iter().map(Process::folder).collect()
    }

    pub(super) fn new(
        url: String,
        processes: Vec<Process>,
        is_ready: fn(&[Process]) -> bool,
    ) -> Result<Self, String> {
        let server = Self { url, processes, is_ready };
        server.answers()?;
        Ok(server)
    }

    fn answers(&self) -> Result<(), String> {
        if wait_until(|| (self.is_ready)(&self.processes)) {
            return Ok(());
        }
        Err(self.processes.iter().map(Process::failure).collect::<Vec<_>>().join("\n"))
    }
}

/// Whether a server of which there is one keeps what it has acknowledged through a crash, or is quicker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    Full,
    None,
}

/// A test that cannot have its server stops.
pub(crate) fn or_panic<T>(outcome: Result<T, String>) -> T {
    outcome.unwrap_or_else(|why| panic!("{why}"))
}

/// A command of these words and options.
pub(super) fn command(words: &[&str], options: &[&str]) -> Vec<String> {
    words.iter().chain(options).map(|word| (*word).to_owned()).collect()
}
