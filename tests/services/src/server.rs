//! Servers that a test owns: it may end them and start them again.

mod mariadb;
mod memcached;
mod postgres;
mod redis;
pub(crate) mod running;

use std::ops::{Deref, DerefMut};

pub use self::running::Server;
use self::running::{Durability, or_panic};

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
