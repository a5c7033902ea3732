//! Sessions in memcached: quick, shared by any number of processes, and only as lasting as a cache is.
//!
//! [`MemcachedStore`] implements the contract of [cloakroom](https://docs.rs/cloakroom) on the meta commands of
//! [memcached](https://memcached.org) 1.6.18 and later. It needs a tokio runtime: that on which it was connected keeps its
//! connections, one to each server.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use cloakroom_memcached::MemcachedStore;
//! use cloakroom_store::{Key, Record, Revision, Store, Timestamp};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemcachedStore::connect("memcached://10.0.0.1:11211,10.0.0.2:11211").await?;
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
//! - **Atomicity.** A session is one item, and every change is one compare-and-swap of it: other callers see all of it
//!   or nothing, no update is lost, and what was deleted never comes back while the list of servers stays the same.
//! - **Durability.** None. Memcached forgets the sessions it has no memory for, and all of them when it is restarted. Those
//!   visitors are signed out.
//! - **Sharing.** Any number of processes with the same list of servers and the same prefix.
//! - **Failures.** A server that is down makes its own sessions [`Unavailable`](cloakroom_store::ErrorKind::Unavailable);
//!   they are never looked for on another one. No write is sent twice. Connections come back by themselves.
//! - **Absent.** The sessions of one user cannot be listed or ended together, and there is no walk over all of them: memcached can do
//!   neither, so [`facets`](cloakroom_store::Store::facets) lists leases only.
//!
//! The README says what follows from that.

mod address;
mod builder;
mod connection;
mod item;
mod leases;
mod lifetime;
mod open;
mod protocol;
mod server;
mod settings;
mod store;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[allow(missing_docs, reason = "no part of the public API: exists for cargo-fuzz only")]
pub mod fuzzing;

pub use builder::Builder;
pub use cloakroom_store::{OpenError, OpenErrorKind};
pub use store::MemcachedStore;
