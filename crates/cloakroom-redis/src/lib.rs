//! Sessions in Redis and Valkey, for any number of processes: one server, a primary behind sentinels, or a cluster.
//!
//! [`RedisStore`] implements the contract of [cloakroom](https://docs.rs/cloakroom) on
//! [redis](https://docs.rs/redis), with all its facets. It needs tokio.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use cloakroom_redis::RedisStore;
//! use cloakroom_store::{Key, Record, Revision, Store, Timestamp};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::builder().prefix("shop:").connect("redis://127.0.0.1").await?;
//!
//! let key = Key::new([7; 32]);
//! let now = Timestamp::from_millis(1_800_000_000_000);
//! let expires_at = now.saturating_add(Duration::from_secs(1_800));
//! let record = Record::new(Revision::new(1), expires_at, b"opaque".as_slice());
//! store.create(&key, &record, now).await?;
//! assert_eq!(store.load(&key).await?, Some(record));
//! # Ok(()) }
//! ```
//!
//! # What is promised
//!
//! - **Atomicity.** A record is one hash, and each change one script that compares and writes: one round trip, one key, in a
//!   cluster as well.
//! - **Durability** is what Redis is configured for: with `appendonly yes` and `appendfsync always` a crash loses nothing. A
//!   failover may lose the last writes, for replication is asynchronous.
//! - **Writes are never sent twice**, neither here nor by the driver. A reply that is lost is
//!   [`Applied::Maybe`](cloakroom_store::Applied::Maybe).
//! - **Expiry** is the server's: ten minutes after [`expires_at`](cloakroom_store::Record::expires_at), counted from `now` on
//!   the server's clock, which may differ from the caller's. [`purge`](cloakroom_store::Store::purge) has nothing to do.
//! - **Leases** go by the server's clock. Waiters are woken by messages, in the order in which they came.
//! - **Eviction** signs users out: [`RedisStore::may_evict`] tells whether the server may.
//!
//! The README says what each means for those who run the server.

mod address;
mod builder;
mod cluster;
mod error;
mod keyspace;
mod leases;
mod link;
mod lock;
mod notices;
mod record_fields;
mod reply;
mod route;
mod scan;
mod script;
mod server;
mod store;
mod subjects;
mod wakeup;

pub use builder::Builder;
pub use cloakroom_store::{OpenError, OpenErrorKind};
pub use store::RedisStore;
