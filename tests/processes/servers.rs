//! A store, and processes on it.

use std::path::{Path, PathBuf};

use cloakroom_file::FileStore;
use cloakroom_tests::{Process, Running, Server, file_store};
use futures_util::future::join_all;
use tempfile::TempDir;

/// A folder of sessions that several processes share.
#[derive(Debug)]
pub(crate) struct Shared {
    durability: &'static str,
    parent: TempDir,
}

impl Shared {
    /// A folder that is not there yet: whoever comes first makes it.
    pub(crate) fn new(durability: &'static str) -> Self {
        Self { durability, parent: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.parent.path().join("sessions")
    }

    /// A server process with these settings, as TOML, whose routes are scripts.
    pub(crate) async fn server(&self, settings: &str) -> Server {
        self.site("script", settings).await
    }

    /// So many of them, started at the same time.
    pub(crate) async fn servers(&self, number: usize, settings: &str) -> Vec<Server> {
        join_all((0..number).map(|_| self.server(settings))).await
    }

    /// A server process with one of the applications that it knows.
    pub(crate) async fn site(&self, application: &str, settings: &str) -> Server {
        let store = format!("{}:{}", self.durability, self.path().display());
        site(application, &store, self.parent.path(), settings).await
    }

    /// A process that writes into these slots, on from so many steps.
    pub(crate) fn writer(&self, slots: &[(u64, u64)]) -> Process {
        let path = self.path();
        let slots: Vec<_> = slots.iter().map(|(slot, steps)| format!("{slot}:{steps}")).collect();
        let arguments = [path.to_str().unwrap(), self.durability].into_iter();
        Process::start(env!("CARGO_BIN_EXE_writer"), arguments.chain(slots.iter().map(String::as_str)))
    }

    /// The folder, opened in this process too.
    pub(crate) fn open(&self) -> FileStore {
        file_store(self.path(), self.durability)
    }
}

/// A server process over this store.
pub(crate) async fn site(application: &str, store: &str, folder: &Path, settings: &str) -> Server {
    let place = folder.join("place");
    Server::start(env!("CARGO_BIN_EXE_site"), [application, store, place.to_str().unwrap(), settings]).await
}

/// So many of them at the same time, whose routes are scripts.
pub(crate) async fn sites(number: usize, backend: &Running, settings: &str) -> Vec<Server> {
    join_all((0..number).map(|_| site("script", &backend.url, backend.folder(), settings))).await
}

/// A number that an environment variable may raise for a longer run.
pub(crate) fn times(variable: &str, by_default: usize) -> usize {
    std::env::var(variable).map_or(by_default, |value| value.parse().expect("a number"))
}
