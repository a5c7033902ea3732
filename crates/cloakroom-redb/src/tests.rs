//! What the store promises, tried on files and on a disk made of bytes.

mod behaviour;
mod crash;
mod disk;
mod failures;
mod files;
mod group_commit;

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use cloakroom_store::conformance::block_on as run;
use cloakroom_store::{Key, OpenError, Record, Revision, Subject, Timestamp};

use crate::store::RedbStore;
use disk::Disk;

/// A call that was polled once, which queues its change, and not waited for yet.
struct Begun<'a, T> {
    call: Pin<Box<dyn Future<Output = T> + 'a>>,
    early: Option<T>,
}

fn begin<'a, T>(call: impl Future<Output = T> + 'a) -> Begun<'a, T> {
    let mut call: Pin<Box<dyn Future<Output = T> + 'a>> = Box::pin(call);
    let early = match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    };
    Begun { call, early }
}

impl<T> Begun<'_, T> {
    fn finish(self) -> T {
        self.early.unwrap_or_else(|| run(self.call))
    }
}

fn key(number: u8) -> Key {
    Key::new([number; Key::LEN])
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn record(revision: u64, expires_at: u64) -> Record {
    Record::new(Revision::new(revision), at(expires_at), format!("data {revision}").into_bytes())
}

fn of(name: &str, record: Record) -> Record {
    record.with_subject(subject(name))
}

fn open(disk: &Disk) -> RedbStore {
    try_open(disk, 1 << 20).unwrap()
}

fn try_open(disk: &Disk, cache_bytes: usize) -> Result<RedbStore, OpenError> {
    let disk = disk.clone();
    RedbStore::builder().open_by("a disk".into(), move |_| {
        Ok(redb::Database::builder().set_cache_size(cache_bytes).create_with_backend(disk.clone())?)
    })
}
