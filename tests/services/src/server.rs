//! Servers that a test owns: it may end them and start them again.

mod mariadb;
mod memcached;
mod postgres;
mod redis;

use std::ops::{Deref, DerefMut};
use std::path::Path;

use crate::process::{Process, wait_until};

/// One server, or several that belong together. All of them and their folders are gone when this is dropped, and when the
/// process that started them ends in whatever way.
#[derive(Debug)]
pub struct Server {
    url: String,
    processes: Vec<Process>,
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

    fn new(url: String, processes: Vec<Process>, is_ready: fn(&[Process]) -> bool) -> Result<Self, String> {
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

macro_rules! servers {
    ($($(#[$doc:meta])* $name:ident: $module:ident::$launch:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(Server);

        impl $name {
            /// Starts it, and waits until it answers.
            ///
            /// # Panics
            /// If it does not start. Says why.
            pub fn start() -> Self {
                Self::start_with(&[])
            }

            /// Starts it with these options on its command line, after ours.
            ///
            /// # Panics
            /// If it does not start. Says why.
            pub fn start_with(options: &[&str]) -> Self {
                Self(or_panic(Self::launch(Durability::Full, options)))
            }

            pub(crate) fn launch(durability: Durability, options: &[&str]) -> Result<Server, String> {
                $module::$launch(durability, options)
            }
        }

        impl Deref for $name {
            type Target = Server;

            fn deref(&self) -> &Server {
                &self.0
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut Server {
                &mut self.0
            }
        }
    )*};
}

servers! {
    /// A Redis that syncs its append-only file with every write.
    Redis: redis::standalone,
    /// A Redis primary with one replica, and two sentinels of which one is enough to call it down. The URL names the
    /// sentinels and, at its end, the primary.
    RedisSentinel: redis::sentinel,
    /// The same with sentinels that wait for a minute, and so never take a busy machine for a dead primary.
    PatientRedisSentinel: redis::patient_sentinel,
    /// A Redis cluster of three primaries.
    RedisCluster: redis::cluster,
    /// A PostgreSQL that syncs, with the extension `pg_stat_statements`.
    Postgres: postgres::start,
    /// A MariaDB that syncs, with a database `test`.
    MariaDb: mariadb::start,
    /// A memcached of 64 MiB.
    Memcached: memcached::one,
    /// Two of them, which share the keys.
    MemcachedPair: memcached::pair,
}

impl RedisSentinel {
    /// Ends whoever is the primary at the moment, as `kill -9` does. The sentinels need a second or two to make the replica
    /// the primary.
    pub fn kill_primary(&mut self) {
        redis::primary(&mut self.0.processes).expect("a primary").kill();
    }
}

impl RedisCluster {
    /// Ends one of the three, as `kill -9` does.
    pub fn kill_one(&mut self, index: usize) {
        self.0.processes[index].kill();
    }
}

/// A test that cannot have its server stops.
pub(crate) fn or_panic<T>(outcome: Result<T, String>) -> T {
    outcome.unwrap_or_else(|why| panic!("{why}"))
}

/// A command of these words and options.
fn command(words: &[&str], options: &[&str]) -> Vec<String> {
    words.iter().chain(options).map(|word| (*word).to_owned()).collect()
}
