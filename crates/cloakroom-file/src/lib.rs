//! Sessions in a folder of files: durable, without a server to run, and shared by the processes of one machine.
//!
//! [`FileStore`] implements the contract of [cloakroom](https://docs.rs/cloakroom) on plain files, with all of its facets.
//! It needs a tokio runtime, for its calls run on tokio's threads for blocking work. Only on Unix; elsewhere this crate is
//! empty.
//!
//! ```
//! use cloakroom_file::FileStore;
//! use cloakroom_store::{Key, Record, Revision, Store, Timestamp};
//!
//! # async fn example(path: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! let store = FileStore::open(path)?; // makes the folder, if there is none
//!
//! let key = Key::new([7; 32]);
//! let record = Record::new(Revision::new(1), Timestamp::from_millis(1_800_000_000_000), b"opaque".as_slice());
//! let now = Timestamp::from_millis(1_790_000_000_000);
//! store.create(&key, &record, now).await?; // on disk when this returns
//! assert_eq!(store.load(&key).await?, Some(record));
//! # Ok(()) }
//! # let folder = tempfile::tempdir().unwrap();
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(example(&folder.path().join("sessions"))).unwrap();
//! ```
//!
//! # What is promised
//!
//! - **Atomicity.** A file is written aside and put into place by one rename or link: a session is the old or the new
//!   version, never a mixture, also after a power failure.
//! - **Durability.** An acknowledged change has been synced to the disk. The exceptions are
//!   [`touch`](cloakroom_store::Store::touch), leases and purges: a crash of the machine may take back the last lengthening
//!   of a session's life, ends all leases, and may bring back expired sessions.
//! - **Sharing.** Any number of processes of one machine and one user, each with a store of its own on the same folder. On
//!   Linux network file systems are refused.
//! - **Failures.** A change that could not be synced is [one that may have been
//!   applied](cloakroom_store::Error::maybe_applied), and no load shows it before it is synced. When the folder is taken
//!   away, its sessions are [`Unavailable`](cloakroom_store::ErrorKind::Unavailable), never missing.
//!
//! The README says what each costs.

#![cfg(unix)]

mod disk;
mod folder;
mod layout;
mod leases;
mod mounts;
mod open;
mod processes;
mod purge;
mod records;
mod store;
mod subject_index;
mod sync_tracker;

#[cfg(test)]
mod tests;

pub use cloakroom_store::{OpenError, OpenErrorKind};
pub use store::{FileStore, FileStoreBuilder};
