//! The contract between [cloakroom](https://docs.rs/cloakroom) and whatever keeps its sessions.
//!
//! A store sees a 32-byte [`Key`], and a [`Record`]: opaque bytes with a revision, an expiry and
//! perhaps a subject. It never sees a cookie, a user's data or a setting, so this crate can stay
//! still while sessions learn new things. It depends on the standard library alone.
//!
//! To write a store, implement [`Store`]; if the backend can do more, implement the facets
//! [`Leases`], [`Subjects`] and [`Scan`] as well. Then run the suite in [`conformance`] (feature
//! `conformance`) over it: one named test for each rule of the contract.
//!
//! Three rules carry everything else:
//!
//! 1. **Every change is one conditional write on one record.** [`Store::create`] fails where a
//!    record exists, [`Store::replace`] fails unless the revision read before is still there.
//! 2. **Nothing is upserted.** A deleted record never comes back through a write.
//! 3. **A write is never resent by the store or its driver.** When it is not known whether a write was
//!    applied, say so with [`Error::maybe_applied`]: the engine reads back and decides.
//!
//! Stores never ask what time it is; every rule that needs a time is told one.

mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
mod crc32;
mod erased;
mod error;
mod key;
mod leases;
mod record;
mod scan;
mod store;
mod subjects;
mod timestamp;

pub use codec::{decode, encode};
pub use erased::{BoxFuture, DynLeases, DynScan, DynStore, DynSubjects};
pub use error::{Applied, Error, ErrorKind, Result};
pub use key::{Key, ParseKeyError};
pub use leases::{Acquired, Claim, LeaseId, Leases};
pub use record::{InvalidSubject, Record, Revision, Subject};
pub use scan::{Cursor, Page, Scan};
pub use store::Store;
pub use subjects::Subjects;
pub use timestamp::Timestamp;
