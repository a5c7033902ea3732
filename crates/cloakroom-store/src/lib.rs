//! The contract between Cloakroom and the places that keep its sessions.
//!
//! This crate depends on the standard library alone. A store sees a 32-byte [`Key`] and a [`Record`]: opaque bytes with
//! three columns beside them. It sees no token, no cookie, no value and no setting.
//!
//! # How to write a store
//!
//! 1. Implement [`Store`].
//! 2. Implement the optional parts that the backend can do, which are [`Leases`], [`Subjects`], [`Scan`] and [`Notices`], and
//!    list them in [`Store::facets`].
//! 3. Map the errors of the driver to [`Error`], and errors of opening to [`OpenError`].
//! 4. Run the suite in `conformance` (feature `conformance`): it has one named test for each rule of the contract.
//!
//! [`codec`] holds what stores share: a record as one run of bytes, and two helpers.
//!
//! # The three rules that everything rests on
//!
//! 1. **Every change is one conditional write on one record.** [`Store::create`] fails if a record exists.
//!    [`Store::replace`] fails unless the stored revision is the expected one.
//! 2. **Nothing is upserted.** A deleted record never comes back through a write.
//! 3. **Neither the store nor its driver sends a write twice.** If it is not known whether a write was applied, the call
//!    fails with [`Error::maybe_applied`]. The engine then reads the record and decides.
//!
//! Stores never read a clock: every call that depends on the time is given one.
//!
//! # How this contract grows
//!
//! A store that compiles against this version compiles against later ones. Facets, columns of a record and kinds of errors
//! may be added: their types are `#[non_exhaustive]` and are made by constructors. A facet that is added later is absent
//! in every store that does not list it, and in every wrapper that starts from [`Facets::none`].

pub mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
mod crc32;
mod erased;
mod error;
mod facets;
mod hex;
mod jitter;
mod key;
mod lease;
mod notice;
mod open_error;
mod page;
mod record;
mod store;
mod timestamp;

pub use codec::{decode, encode};
pub use erased::DynStore;
pub use error::{Applied, Error, ErrorKind, Result};
pub use facets::{BoxFuture, DynLeases, DynNotices, DynScan, DynSubjects, Facets};
pub use key::{Key, ParseKeyError};
pub use lease::{Acquired, Claim, LeaseId, SeenLease};
pub use notice::Notice;
pub use open_error::{OpenError, OpenErrorKind};
pub use page::{Cursor, Page, SubjectEntry};
pub use record::{InvalidSubject, Record, Revision, Subject};
pub use store::{Leases, Notices, Scan, Store, Subjects};
pub use timestamp::Timestamp;
