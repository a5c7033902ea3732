//! Sessions in one embedded file: everything a small site needs to keep its visitors signed in across
//! restarts and crashes, without a server to run.
//!
//! [`RedbStore`] implements the contract of [cloakroom](https://docs.rs/cloakroom) on
//! [redb](https://docs.rs/redb). Its futures need no particular runtime: one thread of its own
//! writes, reads run where they are asked.
//!
//! ```
//! use cloakroom_redb::RedbStore;
//! use cloakroom_store::{Key, Record, Revision, Store, Timestamp};
//!
//! # async fn example(path: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedbStore::open(path)?;
//!
//! let key = Key::new([7; 32]);
//! let expires_at = Timestamp::from_millis(1_800_000_000_000);
//! let record = Record::new(Revision::new(1), expires_at, b"opaque".as_slice());
//! let now = Timestamp::from_millis(1_790_000_000_000);
//! store.create(&key, &record, now).await?; // on disk when this returns
//! assert_eq!(store.load(&key).await?, Some(record));
//! # Ok(()) }
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("sessions.redb");
//! # cloakroom_store::conformance::block_on(example(&path)).unwrap();
//! ```
//!
//! # What is promised
//!
//! - **Atomicity.** One write transaction covers a record and its rows in the two indexes. After a crash each
//!   session is the old or the new version, never a mixture.
//! - **Durability.** An acknowledged change has been synced to the disk. The exception is
//!   [`touch`](cloakroom_store::Store::touch), which is synced at most one second of traffic or 256
//!   commits later: a crash may take back the last lengthening of a session's life, nothing else.
//! - **Sharing.** The file belongs to one process and to one [`RedbStore`] in it, held by a file lock;
//!   a second [`open`](RedbStore::open) is refused. Within the process share it in an [`Arc`](std::sync::Arc).
//! - **Failures.** After a failed commit nothing is read or written until the file was closed, opened and
//!   repaired, which the next call attempts; until then calls fail with
//!   [`Unavailable`](cloakroom_store::ErrorKind::Unavailable).
//!
//! The README says what each costs.

mod change;
mod error;
mod open;
mod reply;
mod store;
mod tables;
mod writer;

#[cfg(test)]
mod tests;

pub use cloakroom_store::{OpenError, OpenErrorKind};
pub use store::{Builder, RedbStore};
