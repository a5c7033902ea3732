//! What compiles today and must compile when the contract has grown: a store, a wrapper, and a caller that were written
//! before the next facet, column, or kind of error.
//!
//! Nothing in here may need a change when something is added to the contract.
#![allow(clippy::unwrap_used, reason = "a test")]
#![cfg(feature = "conformance")]

use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::conformance::block_on;
use cloakroom_store::conformance::reference::ReferenceStore;
use cloakroom_store::{
    Acquired, Applied, Claim, Cursor, DynStore, Error, ErrorKind, Facets, Key, LeaseId, Leases, OpenError,
    OpenErrorKind, Page, Record, Result, Revision, Store, Subject, SubjectEntry, Subjects, Timestamp,
};

/// A wrapper that flips the bits of all data, and knows the facets of its time: `Leases` and `Subjects`.
#[derive(Debug)]
struct Flipping<S>(S);

fn flipped(record: &Record) -> Record {
    let mut record = record.clone();
    record.data = record.data.iter().map(|byte| !byte).collect();
    record
}

impl<S: Leases + Subjects> Store for Flipping<S> {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        self.0.create(key, &flipped(record), now).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        Ok(self.0.load(key).await?.as_ref().map(flipped))
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        self.0.replace(key, &flipped(record), expected, now).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.0.touch(key, now, expires_at).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.0.delete(key).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        self.0.purge(cutoff, limit).await
    }

    fn facets(&self) -> Facets<'_> {
        Facets::none().leases(self).subjects(self)
    }
}

impl<S: Leases + Subjects> Leases for Flipping<S> {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        // The store inside compares the guard with what it keeps.
        let mut claim = *claim;
        claim.guard = claim.guard.map(|guard| guard.map(|byte| !byte));
        Ok(match self.0.acquire(key, &claim).await? {
            Acquired::Held(record) => Acquired::Held(flipped(&record)),
            Acquired::Mismatch(record) => Acquired::Mismatch(flipped(&record)),
            other => other,
        })
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        self.0.renew(key, claim).await
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        self.0.release(key, lease).await
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
        now: Timestamp,
    ) -> Result<()> {
        self.0.replace_and_release(key, &flipped(record), expected, lease, now).await
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        self.0.wait(key, at_most).await
    }
}

impl<S: Leases + Subjects> Subjects for Flipping<S> {
    async fn enroll(&self, subject: &Subject, key: &Key, now: Timestamp, until: Timestamp) -> Result<usize> {
        self.0.enroll(subject, key, now, until).await
    }

    async fn list(
        &self,
        subject: &Subject,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        let page = self.0.list(subject, cursor, limit).await?;
        let entries = page.items.iter().map(|entry| SubjectEntry::new(entry.key, entry.expires_at));
        Ok(Page::new(entries.collect(), page.next))
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        self.0.end_all(subject, except).await
    }
}

mod a_wrapper_keeps_every_promise_with_the_facets_it_knows {
    cloakroom_store::conformance::suite!(
        facets = [Leases, Subjects],
        impossible = [plant, reopen],
        store = super::Flipping(super::ReferenceStore::new()),
    );
}

#[test]
fn a_facet_that_a_wrapper_does_not_know_is_absent() {
    let (inner, wrapper) = (ReferenceStore::new(), Flipping(ReferenceStore::new()));
    assert!(Store::facets(&inner).scan.is_some());
    assert!(Store::facets(&wrapper).scan.is_none());
    assert!(Store::facets(&wrapper).leases.is_some());
    let none = Facets::none();
    assert!(none.leases.is_none() && none.subjects.is_none() && none.scan.is_none());
}

#[test]
fn a_caller_treats_what_it_does_not_know_as_another_failure() {
    let store: Arc<dyn DynStore> = Arc::new(Flipping(ReferenceStore::new()));
    let (key, now) = (Key::new([7; Key::LEN]), Timestamp::from_millis(0));
    let record = Record::new(Revision::new(1), Timestamp::MAX, *b"data");
    let missing =
        block_on(Arc::clone(&store).replace(key, record.clone(), Revision::new(9), now)).unwrap_err();
    assert_eq!(what_to_do(&missing), "begin again");
    block_on(Arc::clone(&store).create(key, record.clone(), now)).unwrap();
    assert_eq!(what_to_do(&block_on(store.create(key, record, now)).unwrap_err()), "begin again");
    assert_eq!(what_to_do(&Error::maybe_applied("a timeout")), "look whether it was applied");
    for unknown in [Error::refused("no rights"), Error::unknown_version("2"), Error::full("disk")] {
        assert_eq!(what_to_do(&unknown), "report it");
    }
    assert!(!may_pass(&OpenError::config("a port is missing")));
    assert!(may_pass(&OpenError::unavailable("no reply from 10.0.0.1").because("timed out")));
}

/// A caller from before there were `Refused`, `UnknownVersion` and `Full`.
fn what_to_do(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Exists | ErrorKind::Conflict | ErrorKind::Missing => "begin again",
        ErrorKind::Unavailable(Applied::No) => "try later",
        ErrorKind::Unavailable(_) => "look whether it was applied",
        _ => "report it",
    }
}

fn may_pass(error: &OpenError) -> bool {
    match error.kind() {
        OpenErrorKind::Unavailable => true,
        OpenErrorKind::Config => false,
        _ => false,
    }
}
