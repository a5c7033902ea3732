//! The disk refuses one change of a call: what the call says then is true, and the next one works.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use cloakroom_store::{Applied, ErrorKind, Key, LeaseId, Record, Result, Timestamp};
use tempfile::TempDir;

use super::{Hook, another, at, claim, key, listed, names_in, of, open_on, place, record, rev, subject};
use crate::disk::{Disk, DiskChange, DiskObserver, Durability};
use crate::folder::Folder;

const MAYBE: ErrorKind = ErrorKind::Unavailable(Applied::Maybe);
const NO: ErrorKind = ErrorKind::Unavailable(Applied::No);

type Call = fn(&Folder) -> Result<()>;

/// Each call, on a folder that [`prepare`] has filled.
const CALLS: [(&str, Call); 16] = [
    ("create", |folder| folder.create(&key(9), &record(1, 1_000))),
    ("create signed in", |folder| folder.create(&key(9), &of("eve", record(1, 1_000)))),
    ("replace", |folder| folder.replace(&key(1), &record(2, 1_000), rev(1))),
    ("sign in", |folder| folder.replace(&key(1), &of("eve", record(2, 1_000)), rev(1))),
    ("sign in again", |folder| folder.replace(&key(2), &of("eve", record(2, 1_000)), rev(1))),
    ("sign out", |folder| folder.replace(&key(2), &record(2, 1_000), rev(1))),
    ("touch", |folder| folder.touch(&key(2), at(0), at(2_000)).map(drop)),
    ("touch far", |folder| folder.touch(&key(2), at(0), Timestamp::MAX).map(drop)),
    ("delete", |folder| folder.delete(&key(1)).map(drop)),
    ("delete signed in", |folder| folder.delete(&key(2)).map(drop)),
    ("end all", |folder| folder.end_all(&subject("ann"), None).map(drop)),
    ("purge", |folder| folder.purge(at(500), 10).map(drop)),
    ("acquire", |folder| folder.acquire(&key(1), &claim(7, 0, 70)).map(drop)),
    ("take over", |folder| folder.acquire(&key(3), &claim(7, 5_000, 70)).map(drop)),
    ("renew", |folder| folder.renew(&key(3), &claim(6, 500, 60)).map(drop)),
    ("release", |folder| folder.release(&key(3), LeaseId::new(6)).map(drop)),
];

fn prepare(folder: &Folder) {
    folder.create(&key(1), &record(1, 1_000)).unwrap();
    for (number, expires_at) in [(2, 1_000), (3, 1_000), (4, 100), (5, 100)] {
        folder.create(&key(number), &of("ann", record(1, expires_at))).unwrap();
    }
    folder.acquire(&key(3), &claim(6, 0, 60)).unwrap();
}

#[test]
fn a_call_that_was_refused_a_change_says_what_has_become_of_it() {
    for (name, call) in CALLS {
        let (_place, changes, folder) = refusing(usize::MAX, 0);
        let before = state(&folder);
        call(&folder).unwrap();
        let after = state(&folder);
        let changes = changes.load(Ordering::SeqCst);
        assert_ne!(changes, 0, "{name} changes nothing");
        for refused in 0..changes {
            for (error, failed) in [(EIO, NO), (ENOSPC, ErrorKind::Full), (EROFS, ErrorKind::Refused)] {
                let (place, _, folder) = refusing(refused, error);
                let answer = call(&folder).map_err(|error| error.kind());
                let now = state(&another(place.path()));
                let context = format!("{name}, change {refused} refused with {error}: {answer:?}");
                match answer {
                    Ok(()) => assert_eq!(now, after, "{context}"),
                    Err(MAYBE) => {
                        for key in before.keys().chain(after.keys()) {
                            let found = now.get(key);
                            assert!([before.get(key), after.get(key)].contains(&found), "{context}");
                        }
                    }
                    Err(kind) => {
                        assert_eq!(kind, failed, "{context}");
                        assert_eq!(now, before, "{context}");
                    }
                }
                // Whatever it was, it goes on, and nothing is left behind.
                folder.purge(at(0), 1).unwrap();
                let again = call(&folder).map_err(|error| error.kind());
                assert!(
                    !matches!(again, Err(MAYBE | NO | ErrorKind::Full | ErrorKind::Refused)),
                    "{context}, then {again:?}"
                );
                if answer.is_err() && answer != Err(MAYBE) {
                    assert_eq!((again, state(&folder)), (Ok(()), after.clone()), "{context}");
                }
                drop(folder);
                let folder = another(place.path());
                folder.purge(at(0), 1).unwrap();
                assert_eq!(names_in(&folder.layout.drafts), [""; 0], "{context}");
            }
        }
    }
}

#[test]
fn what_became_visible_and_could_not_be_synced_may_have_happened() {
    for (name, call) in &CALLS[..11] {
        if *name == "touch" {
            continue;
        }
        let (_place, hook, folder) = prepared();
        hook.set(|change| match change {
            DiskChange::SyncFolder { path } if path.parent().unwrap().ends_with("sessions") => {
                Err(io::Error::from_raw_os_error(EIO))
            }
            _ => Ok(()),
        });
        assert_eq!(call(&folder).unwrap_err().kind(), MAYBE, "{name}");
    }
}

#[test]
fn what_could_not_be_synced_is_not_shown_until_it_can_be() {
    let (_place, hook, folder) = prepared();
    hook.set(|change| match change {
        DiskChange::SyncFolder { .. } => Err(io::Error::from_raw_os_error(EIO)),
        _ => Ok(()),
    });
    let answer = folder.replace(&key(1), &record(2, 1_000), rev(1));
    assert_eq!(answer.unwrap_err().kind(), MAYBE);
    // A power failure would undo it: whoever sees it now would say that it is done.
    assert_eq!(folder.load(&key(1)).unwrap_err().kind(), NO);
    assert_eq!(folder.load(&key(2)).unwrap().unwrap().revision, rev(1), "other shards are not concerned");
    assert_eq!(folder.replace(&key(1), &record(3, 1_000), rev(2)).unwrap_err().kind(), MAYBE);

    let synced = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&synced);
    hook.set(move |change| {
        if matches!(change, DiskChange::SyncFolder { .. }) {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    for _ in 0..3 {
        assert_eq!(folder.load(&key(1)).unwrap().unwrap().revision, rev(3));
    }
    assert_eq!(synced.load(Ordering::SeqCst), 1);
}

/// A sync may take longer than anybody waits for it, who then looks whether the change is there.
#[test]
fn what_is_still_being_synced_is_synced_by_whoever_reads_it() {
    let (place, _, folder) = prepared();
    drop(folder);
    let slow = Arc::new(Slow::default());
    let folder = open_on(place.path(), Disk::observed(Durability::Full, Arc::clone(&slow) as _));
    let syncs = || slow.syncs.load(Ordering::SeqCst);
    let load =
        |number| folder.load(&key(number)).map(|record| (record.map(|record| record.revision), syncs()));
    let before = syncs();
    let seen = thread::scope(|scope| {
        slow.first_waits.store(true, Ordering::SeqCst);
        let writer = scope.spawn(|| folder.replace(&key(1), &record(2, 1_000), rev(1)));
        slow.barrier.wait();
        // Another session, which this does not concern, and the one.
        let seen = [load(2), load(1)];
        slow.barrier.wait();
        writer.join().unwrap().unwrap();
        seen.map(Result::unwrap)
    });
    assert_eq!(seen, [(Some(rev(1)), before + 1), (Some(rev(2)), before + 2)]);
    assert_eq!(load(1).unwrap(), (Some(rev(2)), before + 2));
}

/// Counts the syncs of folders, one of which may take its time.
#[derive(Debug)]
struct Slow {
    syncs: AtomicUsize,
    first_waits: AtomicBool,
    barrier: Barrier,
}

impl Default for Slow {
    fn default() -> Self {
        Self { syncs: AtomicUsize::new(0), first_waits: AtomicBool::new(false), barrier: Barrier::new(2) }
    }
}

impl DiskObserver for Slow {
    fn about_to(&self, change: &DiskChange<'_>) -> io::Result<()> {
        if matches!(change, DiskChange::SyncFolder { .. }) {
            self.syncs.fetch_add(1, Ordering::SeqCst);
            if self.first_waits.swap(false, Ordering::SeqCst) {
                self.barrier.wait();
                self.barrier.wait();
            }
        }
        Ok(())
    }
}

#[test]
fn a_lease_that_could_not_be_written_was_never_held() {
    let (place, hook, folder) = prepared();
    hook.set(|change| match change {
        DiskChange::Write { path, .. } if path.parent().unwrap().ends_with("leases") => {
            std::fs::write(path, "half").unwrap();
            Err(io::Error::from_raw_os_error(ENOSPC))
        }
        _ => Ok(()),
    });
    assert_eq!(folder.acquire(&key(1), &claim(7, 0, 70)).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(names_in(&another(place.path()).layout.leases), [key(3).to_string()]);
}

/// A prepared folder whose n-th change fails, and how many changes there were so far.
fn refusing(refused: usize, error: i32) -> (TempDir, Arc<AtomicUsize>, Folder) {
    let (place, hook, folder) = prepared();
    let changes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&changes);
    hook.set(move |_| {
        let refuse = counted.fetch_add(1, Ordering::SeqCst) == refused;
        if refuse { Err(io::Error::from_raw_os_error(error)) } else { Ok(()) }
    });
    (place, changes, folder)
}

fn prepared() -> (TempDir, Arc<Hook>, Folder) {
    let place = place();
    let hook = Hook::new();
    let folder = open_on(place.path(), Disk::observed(Durability::Full, hook.clone()));
    prepare(&folder);
    (place, hook, folder)
}

/// Every session, and that the index knows it.
fn state(folder: &Folder) -> BTreeMap<Key, Record> {
    let records: BTreeMap<_, _> = folder.page(None, 100).unwrap().items.into_iter().collect();
    for (key, record) in &records {
        if let Some(subject) = &record.subject {
            assert!(listed(folder, subject.as_str()).unwrap().iter().any(|entry| entry.key == *key));
        }
    }
    records
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
