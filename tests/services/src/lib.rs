//! Private servers for the tests, on loopback ports of their own, from Debian's packages.
//!
//! A test that needs *some* server asks for a shared one ([`redis`], [`postgres`] …), and keeps to a prefix or a table that
//! nobody else has. `cargo xtask test` and `cargo xtask services` start these once for all test programs, and say where they are
//! in environment variables; without them each program starts its own. A test that ends servers owns one ([`server`]).
//!
//! No server outlives whoever started it, and none leaves a folder behind: a shell of a few lines (`watchdog.sh`) stands between
//! the two, and sees the end of a pipe.

mod port;
mod process;
mod program;
pub mod server;
mod shared;

pub use port::free as free_port;
pub use program::find_program;
pub use shared::{
    Services, memcached, memcached_pair, mysql, postgres, redis, redis_cluster, redis_sentinel,
};
