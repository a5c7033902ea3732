//! What this store promises beyond the contract. The contract itself is checked by the conformance suite.

mod behaviour;
mod crash;
mod crash_disk;
mod crash_opening;
mod crash_races;
mod failures;
mod format;
mod leftovers;
mod opening;
mod races;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom_store::{Acquired, Claim, Key, LeaseId, Record, Revision, Subject, Timestamp};
use tempfile::TempDir;

use super::FileStore;
use super::disk::{Change, Disk, Durability};
use super::folder::Folder;

/// Is told of every change to the disk before it is made, and may refuse it.
pub(super) trait Observer: fmt::Debug + Send + Sync {
    fn about_to(&self, change: &Change<'_>) -> io::Result<()>;
}

/// Does what a test says before each change; `None` is done to it while it is being asked.
struct Hook(Mutex<Option<Before>>);

type Before = Box<dyn FnMut(&Change<'_>) -> io::Result<()> + Send>;

impl Hook {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    fn set(&self, before: impl FnMut(&Change<'_>) -> io::Result<()> + Send + 'static) {
        *lock(&self.0) = Some(Box::new(before));
    }

    fn clear(&self) {
        *lock(&self.0) = None;
    }
}

impl Observer for Hook {
    fn about_to(&self, change: &Change<'_>) -> io::Result<()> {
        // Not held meanwhile: what it does may come here again.
        let Some(mut before) = lock(&self.0).take() else { return Ok(()) };
        let answer = before(change);
        lock(&self.0).get_or_insert(before);
        answer
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place for folders that is gone after the test: in memory if it can be, for thousands of them are made.
fn place() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A folder of sessions that is gone after the test.
fn fresh() -> (TempDir, Folder) {
    let place = place();
    let folder = another(place.path());
    (place, folder)
}

/// Another store on the folder, as another process would have. It syncs nothing, which is quicker.
fn another(place: &Path) -> Folder {
    open_on(place, Disk::new(Durability::Relaxed))
}

fn open_on(place: &Path, disk: Disk) -> Folder {
    FileStore::builder().open_on(&place.join("s"), disk).unwrap()
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
    Record {
        revision: Revision::new(revision),
        expires_at: at(expires_at),
        subject: None,
        data: format!("the data of revision {revision}").into_bytes().into(),
    }
}

fn of(name: &str, record: Record) -> Record {
    Record { subject: Some(subject(name)), ..record }
}

fn rev(revision: u64) -> Revision {
    Revision::new(revision)
}

fn claim(holder: u64, now: u64, takeover: u64) -> Claim {
    Claim {
        lease: LeaseId::new(holder),
        now: at(now),
        ttl: std::time::Duration::from_millis(1_000),
        takeover: rev(takeover),
    }
}

fn held(answer: Acquired) -> Record {
    match answer {
        Acquired::Held(record) => record,
        other => panic!("not held: {other:?}"),
    }
}

/// The names in a folder, in order.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
