use std::env;
use std::sync::OnceLock;

use crate::server::running::{Durability, Server, or_panic};
use crate::server::{MariaDb, Memcached, MemcachedPair, PatientRedisSentinel, Postgres, Redis, RedisCluster};

/// A server that many tests share, each in a corner of its own.
struct Shared {
    /// The environment variable with the URL of one that runs.
    variable: &'static str,
    launch: fn() -> Result<Server, String>,
    url: OnceLock<(String, Option<Server>)>,
}

impl Shared {
    const fn new(variable: &'static str, launch: fn() -> Result<Server, String>) -> Self {
        Self { variable, launch, url: OnceLock::new() }
    }

    fn url(&'static self) -> &'static str {
        let (url, _) = self.url.get_or_init(|| match env::var(self.variable) {
            Ok(url) => (url, None),
            Err(_) => {
                let server = or_panic((self.launch)());
                (server.url().to_owned(), Some(server))
            }
        });
        url
    }
}

macro_rules! shared {
    ($($(#[$doc:meta])* $name:ident: $variable:literal = $launch:expr,)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Panics
            /// If it does not start. Says why.
            pub fn $name() -> &'static str {
                static SERVER: Shared = Shared::new($variable, $launch);
                SERVER.url()
            }
        )*

        const ALL: &[(&str, fn() -> Result<Server, String>)] = &[$(($variable, $launch)),*];
    };
}

shared! {
    /// `redis://127.0.0.1:P`, from `CLOAKROOM_TEST_REDIS` or started for this process.
    redis: "CLOAKROOM_TEST_REDIS" = || Redis::launch(Durability::None, &[]),
    /// `redis+sentinel://127.0.0.1:P,127.0.0.1:Q/cloakroom`, from `CLOAKROOM_TEST_REDIS_SENTINEL` or started for this
    /// process.
    redis_sentinel: "CLOAKROOM_TEST_REDIS_SENTINEL" = || PatientRedisSentinel::launch(Durability::None, &[]),
    /// `redis+cluster://127.0.0.1:A,127.0.0.1:B,127.0.0.1:C`, from `CLOAKROOM_TEST_REDIS_CLUSTER` or started for this
    /// process.
    redis_cluster: "CLOAKROOM_TEST_REDIS_CLUSTER" = || RedisCluster::launch(Durability::None, &[]),
    /// `postgres://postgres@127.0.0.1:P/postgres`, from `CLOAKROOM_TEST_POSTGRES` or started for this process.
    postgres: "CLOAKROOM_TEST_POSTGRES" = || Postgres::launch(Durability::None, &[]),
    /// `mysql://root@127.0.0.1:P/test`, from `CLOAKROOM_TEST_MYSQL` or started for this process.
    mysql: "CLOAKROOM_TEST_MYSQL" = || MariaDb::launch(Durability::None, &[]),
    /// `memcached://127.0.0.1:P`, from `CLOAKROOM_TEST_MEMCACHED` or started for this process.
    memcached: "CLOAKROOM_TEST_MEMCACHED" = || Memcached::launch(Durability::None, &[]),
    /// `memcached://127.0.0.1:P,127.0.0.1:Q`, from `CLOAKROOM_TEST_MEMCACHED_PAIR` or started for this process.
    memcached_pair: "CLOAKROOM_TEST_MEMCACHED_PAIR" = || MemcachedPair::launch(Durability::None, &[]),
}

/// All of the shared servers, for as long as this lives.
#[derive(Debug)]
pub struct Services(Vec<(&'static str, Server)>);

impl Services {
    /// Starts them all at the same time.
    ///
    /// # Errors
    /// Why one of them does not start.
    pub fn start() -> Result<Self, String> {
        let starting: Vec<_> = ALL.iter().map(|(_, launch)| std::thread::spawn(launch)).collect();
        let mut servers = Vec::new();
        for ((variable, _), server) in ALL.iter().zip(starting) {
            servers.push((*variable, server.join().map_err(|_| format!("{variable}: panicked"))??));
        }
        Ok(Self(servers))
    }

    /// Their environment variables, with their URLs.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(variable, server)| (*variable, server.url()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_server_that_the_environment_names_is_not_started() {
        static NAMED: Shared = Shared::new("PATH", || panic!("it runs"));
        assert_eq!(NAMED.url(), env::var("PATH").unwrap());
    }

    #[test]
    fn a_server_is_started_once_however_many_ask_for_it() {
        static STARTS: AtomicU32 = AtomicU32::new(0);
        static SERVER: Shared = Shared::new("CLOAKROOM_TEST_NO_SUCH_VARIABLE", || {
            STARTS.fetch_add(1, Ordering::SeqCst);
            Memcached::launch(Durability::None, &[])
        });
        let asking: Vec<_> = (0..8).map(|_| thread::spawn(|| SERVER.url())).collect();
        let urls: Vec<&str> = asking.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(urls[0].starts_with("memcached://127.0.0.1:"));
        assert!(urls.iter().all(|url| *url == urls[0]));
        assert_eq!(STARTS.load(Ordering::SeqCst), 1);
    }
}
