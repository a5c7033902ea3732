//! The public test suite for stores: one named check for each rule of the contract.
//!
//! # A store in memory
//!
//! Enable the feature `conformance` for tests and list the facets that the store has. `impossible` says that nothing foreign
//! can be planted in the store and that it keeps nothing across a restart:
//!
//! ```
//! // tests/conformance.rs
//! # use cloakroom_store::conformance::reference::ReferenceStore as MyStore;
//! cloakroom_store::conformance::suite!(
//!     facets = [Leases, Subjects, Scan, Notices],
//!     impossible = [plant, reopen],
//!     store = MyStore::new(),
//! );
//! # fn main() {}
//! ```
//!
//! This makes one `#[test]` of every check, named like `races::of_several_replaces_exactly_one_wins`, and one that prints
//! the number of checks. `store` is evaluated for every test, and may `.await`. A facet that is listed and absent fails, and
//! so does a facet that is present and not listed: the checks of an absent facet assert its absence.
//!
//! # A store that keeps things
//!
//! Implement [`Harness`] for the owner of the fresh folder, table or prefix of one test. It opens handles, plants foreign
//! bytes, and restarts the store, or says that this is impossible:
//!
//! ```
//! use cloakroom_store::conformance::reference::ReferenceStore;
//! use cloakroom_store::conformance::{Facet, Foreign, Harness, Outcome};
//! use cloakroom_store::{BoxFuture, DynStore, Key};
//! use std::sync::{Arc, Mutex};
//!
//! struct Fresh(Mutex<ReferenceStore>);
//!
//! impl Harness for Fresh {
//!     fn store(&self) -> Arc<dyn DynStore> {
//!         Arc::new(self.0.lock().unwrap().clone())
//!     }
//!
//!     fn facets(&self) -> &[Facet] {
//!         &[Facet::Leases, Facet::Subjects, Facet::Scan, Facet::Notices]
//!     }
//!
//!     fn plant(&self, key: Key, foreign: Foreign) -> BoxFuture<'_, Outcome> {
//!         Box::pin(async move {
//!             let store = self.0.lock().unwrap();
//!             let bytes = match foreign {
//!                 Foreign::Bytes(bytes) => bytes,
//!                 Foreign::CopyOf(other) => store.bytes(&other).expect("it was created"),
//!                 _ => return Outcome::Impossible,
//!             };
//!             store.plant(key, bytes);
//!             Outcome::Done
//!         })
//!     }
//!
//!     fn reopen(&self) -> BoxFuture<'_, Outcome> {
//!         Box::pin(async move {
//!             let mut store = self.0.lock().unwrap();
//!             *store = store.reopen();
//!             Outcome::Done
//!         })
//!     }
//! }
//!
//! cloakroom_store::conformance::suite!(harness = Fresh(Mutex::new(ReferenceStore::new())));
//! # fn main() {}
//! ```
//!
//! # A driver that needs a runtime
//!
//! Pass the attribute of an asynchronous test, and let [`Harness::spawn`] start tasks on that runtime. The short form:
//!
//! ```text
//! cloakroom_store::conformance::suite!(
//!     test = #[tokio::test(flavor = "multi_thread")],
//!     spawn = tokio::spawn,
//!     facets = [],
//!     impossible = [plant, reopen],
//!     store = MyStore::connect(&url).await.unwrap(),
//! );
//! ```
//!
//! The long form is `test = #[…], harness = …`. Use a runtime with several threads, so that the races are real.
//!
//! # The checks
//!
//! Each check is a public function whose documentation is the rule. It panics if the store breaks the rule. [`CHECKS`] lists
//! all checks: compare its length with a number in a test of your own, and you see when an update removes a check. Each race
//! runs many times, interleaved in different ways on one task and on several tasks.
//!
//! Checks use times in the year 2100, so that a backend with a clock of its own does not remove what the check calls alive.
//! The exceptions are the checks about the earliest and the latest times, those of [`expiry`], which use the real time, and those
//! in which `purge` removes something: there it is the year 2001.
//!
//! [`ReferenceStore`](reference::ReferenceStore) passes all checks. For every check the tests of this crate have a store,
//! broken on purpose, that fails it.

use std::fmt;
use std::io::{self, Write};

use crate::facets::BoxFuture;

mod block_on;
pub mod cancellation;
pub mod durability;
pub mod expiry;
pub mod facets;
pub mod foreign;
pub mod guards;
mod harness;
pub mod keys;
pub mod lease_expiry;
pub mod leases;
pub mod lifecycle;
pub mod notices;
pub mod payloads;
mod probe;
pub mod purge;
mod race;
pub mod races;
pub mod reference;
pub mod scan;
mod sleep;
pub mod subjects;
mod suite;
pub mod touch;
pub mod waiting;

#[doc(inline)]
pub use crate::__cloakroom_suite as suite;
pub use block_on::block_on;
pub use harness::{Expiry, Facet, Foreign, Harness, Outcome, Plain};

/// All checks, in the order of the modules they are in.
pub const CHECKS: &[Check] = crate::__cloakroom_checks!(__cloakroom_list []);

/// One rule of the contract.
#[derive(Clone, Copy)]
pub struct Check {
    group: &'static str,
    name: &'static str,
    run: for<'a> fn(&'a dyn Harness) -> BoxFuture<'a, ()>,
}

impl Check {
    /// The module that it is in.
    pub const fn group(&self) -> &'static str {
        self.group
    }

    /// Its name, which is the rule in short. No two checks have the same.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Checks the store of a fresh harness.
    ///
    /// # Panics
    /// If the store breaks the rule.
    pub async fn run(&self, harness: &dyn Harness) {
        (self.run)(harness).await;
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.group, self.name)
    }
}

/// What [`suite!`](suite) prints. To the stream itself: a passing test's output is not shown.
#[doc(hidden)]
pub fn print_number_of_checks(suite: &str) {
    writeln!(io::stderr(), "{suite}: {} checks", CHECKS.len()).expect("standard error is open");
}
