//! What this store promises beyond the contract. The contract itself is checked by the conformance suite.

mod behavior;
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

use cloakroom_store::{Acquired, Claim, Key, LeaseId, Record, Revision, Subject, SubjectEntry, Timestamp};
use tempfile::TempDir;

use crate::disk::{Disk, DiskChange, DiskObserver, Durability};
use crate::folder::Folder;
use crate::open::{FolderProblem, Network, open_folder};

/// Does what a test says before each change; `None` is done to it while it is being asked.
struct Hook(Mutex<Option<Before>>);

type Before = Box<dyn FnMut(&DiskChange<'_>) -> io::Result<()> + Send>;

impl Hook {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    fn set(&self, before: impl FnMut(&DiskChange<'_>) -> io::Result<()> + Send + 'static) {
        *lock(&self.0) = Some(Box::new(before));
    }

    fn clear(&self) {
        *lock(&self.0) = None;
    }
}

impl DiskObserver for Hook {
    fn about_to(&self, change: &DiskChange<'_>) -> io::Result<()> {
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
    open_folder(&place.join("s"), disk, Network::Refused).unwrap()
}

fn opened(path: &Path) -> Result<Folder, FolderProblem> {
    open_folder(path, Disk::new(Durability::Relaxed), Network::Refused)
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
    let data = format!("the data of revision {revision}").into_bytes();
    Record::new(rev(revision), at(expires_at), data)
}

fn of(name: &str, record: Record) -> Record {
    record.with_subject(subject(name))
}

/// All of a user's sessions, in pages of two.
fn listed(folder: &Folder, name: &str) -> cloakroom_store::Result<Vec<SubjectEntry>> {
    let (mut entries, mut cursor) = (Vec::new(), None);
    loop {
        let page = folder.list(&subject(name), cursor.as_ref(), 2)?;
        entries.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(entries);
        }
    }
}

fn rev(revision: u64) -> Revision {
    Revision::new(revision)
}

fn claim(holder: u64, now: u64, takeover: u64) -> Claim {
    Claim::new(LeaseId::new(holder), at(now), std::time::Duration::from_millis(1_000), rev(takeover))
}

fn held(answer: Acquired) -> Record {
    match answer {
        Acquired::Held(record) => record,
        other => panic!("not held: {other:?}"),
    }
}

fn is_busy(acquired: &Acquired) -> bool {
    matches!(acquired, Acquired::Busy(_))
}

/// The names in a folder, in order.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
