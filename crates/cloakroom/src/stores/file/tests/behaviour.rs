//! Sessions in the folder: their times, their locks, and what is said when the disk is gone.

use std::fs::{self, File};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cloakroom_store::{Acquired, Applied, ErrorKind, Key, Result, Timestamp};

use super::super::disk::{Change, Disk, Durability};
use super::super::expiry::Expiry;
use super::super::folder::Folder;
use super::{Hook, another, at, claim, fresh, held, key, lock, of, open_on, place, record, rev, subject};

type Call = fn(&Folder) -> Result<()>;

const NO: ErrorKind = ErrorKind::Unavailable(Applied::No);

#[test]
fn where_the_disk_was_taken_away_nobody_says_that_there_is_no_session() {
    let (_place, folder) = fresh();
    folder.create(&key(1), &of("ann", record(1, 1_000))).unwrap();
    let calls: [(&str, Call); 12] = [
        ("load", |folder| folder.load(&key(1)).map(drop)),
        ("create", |folder| folder.create(&key(1), &record(2, 1_000))),
        ("create signed in", |folder| folder.create(&key(1), &of("ann", record(2, 1_000)))),
        ("replace", |folder| folder.replace(&key(1), &record(2, 1_000), rev(1))),
        ("touch", |folder| folder.touch(&key(1), at(0), at(2_000)).map(drop)),
        ("delete", |folder| folder.delete(&key(1)).map(drop)),
        ("purge", |folder| folder.purge(Timestamp::MAX, 10).map(drop)),
        ("acquire", |folder| folder.acquire(&key(1), &claim(7, 0, 70)).map(drop)),
        ("list", |folder| folder.list(&subject("ann")).map(drop)),
        ("end_all", |folder| folder.end_all(&subject("ann"), None).map(drop)),
        ("page", |folder| folder.page(None, 10).map(drop)),
        ("count", |folder| folder.count().map(drop)),
    ];
    let root = &folder.layout.root;
    let aside = root.with_extension("aside");
    // An unmounted disk leaves the empty folder that it was mounted on.
    for empty in [false, true] {
        fs::rename(root, &aside).unwrap();
        if empty {
            fs::create_dir(root).unwrap();
        }
        for (name, call) in calls {
            assert_eq!(call(&folder).map_err(|error| error.kind()), Err(NO), "{name}");
        }
        if empty {
            fs::remove_dir(root).unwrap();
        }
        fs::rename(&aside, root).unwrap();
    }
    assert_eq!(folder.list(&subject("ann")).unwrap().len(), 1);
}

#[test]
fn where_a_shard_was_taken_away_nobody_says_that_there_is_no_session() {
    let (_place, folder) = fresh();
    folder.create(&key(1), &of("ann", record(1, 1_000))).unwrap();
    fs::remove_dir_all(folder.layout.shard_of(&key(1))).unwrap();
    assert_eq!(folder.load(&key(1)).unwrap_err().kind(), NO);
    assert_eq!(folder.delete(&key(1)).unwrap_err().kind(), NO);
    assert_eq!(folder.touch(&key(1), at(0), at(2_000)).unwrap_err().kind(), NO);
    assert_eq!(folder.list(&subject("ann")).unwrap_err().kind(), NO);
    assert_eq!(folder.end_all(&subject("ann"), None).unwrap_err().kind(), NO);
    assert_eq!(folder.load(&key(2)).unwrap(), None, "another shard");
}

#[test]
fn an_expiry_beyond_the_file_systems_times_is_kept_touched_and_found_again() {
    for expiry in [Expiry::FAR, Expiry::NEAR] {
        let place = place();
        let open = || {
            let mut folder = another(place.path());
            folder.expiry = expiry;
            folder
        };
        let edge = Timestamp::default().saturating_add(
            expiry.last_modified().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap(),
        );
        let mut last = at(1_000);
        open().create(&key(1), &of("ann", record(1, 1_000))).unwrap();
        let steps = [edge, edge.saturating_add(ms(1)), edge.saturating_add(ms(2)), Timestamp::MAX];
        for expires_at in steps {
            let folder = open();
            assert!(folder.touch(&key(1), at(0), expires_at).unwrap());
            assert!(folder.touch(&key(1), at(0), last).unwrap(), "never back");
            let expected = of("ann", record(1, 1_000));
            let expected = cloakroom_store::Record { expires_at, ..expected };
            assert_eq!(open().load(&key(1)).unwrap(), Some(expected), "{expiry:?}");
            assert_eq!(folder.purge(expires_at, 10).unwrap(), 0);
            last = expires_at;
        }
        let folder = open();
        folder.create(&key(2), &cloakroom_store::Record { expires_at: steps[1], ..record(1, 0) }).unwrap();
        assert_eq!(folder.purge(steps[1], 10).unwrap(), 0);
        assert_eq!(folder.purge(steps[2], 10).unwrap(), 1);
        assert_eq!(folder.count().unwrap(), 1);
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn relaxed_durability_syncs_nothing_and_full_does() {
    for (durability, syncs) in [(Durability::Relaxed, false), (Durability::Full, true)] {
        let place = place();
        let hook = Hook::new();
        let seen = Arc::new(Mutex::new(false));
        let flag = Arc::clone(&seen);
        hook.set(move |change| {
            *lock(&flag) |= matches!(change, Change::Sync { .. } | Change::SyncFolder { .. });
            Ok(())
        });
        let folder = open_on(place.path(), Disk::observed(durability, hook));
        // The folder itself is synced in any case.
        *lock(&seen) = false;
        folder.create(&key(1), &of("ann", record(1, 1_000))).unwrap();
        folder.replace(&key(1), &of("bob", record(2, 1_000)), rev(1)).unwrap();
        held(folder.acquire(&key(1), &claim(7, 0, 70)).unwrap());
        folder.touch(&key(1), at(0), Timestamp::MAX).unwrap();
        folder.end_all(&subject("bob"), None).unwrap();
        folder.delete(&key(1)).unwrap();
        folder.purge(at(1), 1).unwrap();
        assert_eq!(*lock(&seen), syncs, "{durability:?}");
    }
}

#[test]
fn a_write_lock_that_somebody_keeps_is_waited_for_and_then_the_call_fails() {
    let (_place, mut folder) = fresh();
    assert_eq!(folder.locks.patience, ms(500));
    folder.locks.patience = ms(20);
    folder.create(&key(1), &record(1, 1_000)).unwrap();
    let held: Vec<_> = fs::read_dir(&folder.layout.locks)
        .unwrap()
        .map(|entry| File::open(entry.unwrap().path()).unwrap())
        .inspect(|file| file.lock().unwrap())
        .collect();
    assert_eq!(held.len(), 64);
    assert_eq!(folder.replace(&key(1), &record(2, 1_000), rev(1)).unwrap_err().kind(), NO);
    assert_eq!(folder.delete(&key(1)).unwrap_err().kind(), NO);
    assert_eq!(folder.touch(&key(1), at(0), at(2_000)).unwrap_err().kind(), NO);
    assert_eq!(folder.acquire(&key(1), &claim(7, 0, 70)).unwrap_err().kind(), NO);
    // Nobody needs it to read, or for a new session.
    assert_eq!(folder.load(&key(1)).unwrap(), Some(record(1, 1_000)));
    folder.create(&key(2), &record(1, 1_000)).unwrap();
    // Given back in time, it is taken.
    folder.locks.patience = Duration::from_secs(60);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| folder.delete(&key(1)));
        drop(held);
        assert!(waiting.join().unwrap().unwrap());
    });
}

#[test]
fn a_lock_file_that_was_cleaned_away_is_made_again_for_all() {
    let (place, one) = fresh();
    one.create(&key(1), &record(1, 1_000)).unwrap();
    for lock in fs::read_dir(&one.layout.locks).unwrap() {
        fs::remove_file(lock.unwrap().path()).unwrap();
    }
    let mut other = another(place.path());
    other.locks.patience = ms(20);
    let held = one.locks.lock(&key(1)).unwrap();
    assert_eq!(other.delete(&key(1)).unwrap_err().kind(), NO);
    drop(held);
    assert!(other.delete(&key(1)).unwrap());
}

#[test]
fn a_renewal_that_comes_late_shortens_no_lease() {
    let (place, folder) = fresh();
    folder.create(&key(1), &record(1, 9_000)).unwrap();
    held(folder.acquire(&key(1), &claim(7, 0, 70)).unwrap());
    assert!(folder.renew(&key(1), &claim(7, 600, 70)).unwrap());
    assert!(folder.renew(&key(1), &claim(7, 300, 70)).unwrap());
    assert_eq!(another(place.path()).acquire(&key(1), &claim(8, 1_500, 80)).unwrap(), Acquired::Busy);
}

#[test]
fn a_page_has_as_many_sessions_as_were_asked_for() {
    let (_place, folder) = fresh();
    let keys: Vec<_> =
        (0..7).map(|last| Key::new(std::array::from_fn(|i| if i == 31 { last } else { 5 }))).collect();
    for key in &keys {
        folder.create(key, &record(1, 1_000)).unwrap();
    }
    let (mut found, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = folder.page(cursor.as_ref(), 3).unwrap();
        assert!(page.records.len() <= 3);
        found.extend(page.records.into_iter().map(|(key, _)| key));
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), (keys, 3));
}

#[test]
fn a_purge_ends_early_when_the_store_is_closed() {
    let (_place, folder) = fresh();
    folder.closing.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(folder.purge(at(0), 1).unwrap_err().kind(), NO);
}

#[test]
fn a_purge_that_ends_early_says_that_it_may_have_removed_something() {
    let (place, hook) = (place(), Hook::new());
    let folder = Arc::new(open_on(place.path(), Disk::observed(Durability::Relaxed, Arc::clone(&hook) as _)));
    folder.create(&key(1), &record(1, 100)).unwrap();
    folder.create(&key(2), &record(1, 100)).unwrap();
    let closed = Arc::clone(&folder);
    hook.set(move |_| {
        closed.closing.store(true, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    });
    assert_eq!(folder.purge(at(200), 9).unwrap_err().kind(), ErrorKind::Unavailable(Applied::Maybe));
    hook.clear();
    assert_eq!(folder.count().unwrap(), 1);
}

#[test]
fn a_touch_changes_the_files_time_and_nothing_else() {
    let (_place, folder) = fresh();
    folder.create(&key(1), &record(1, 1_000)).unwrap();
    let path = folder.layout.record(&key(1));
    let before =
        (fs::read(&path).unwrap(), std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap()));
    assert!(folder.touch(&key(1), at(0), at(2_000)).unwrap());
    let after =
        (fs::read(&path).unwrap(), std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap()));
    assert_eq!(before, after);
    let expected = std::time::SystemTime::UNIX_EPOCH + ms(2_000);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), expected);
}

#[test]
fn a_file_under_another_sessions_name_is_never_its_session() {
    let (_place, folder) = fresh();
    folder.create(&key(1), &record(1, 1_000)).unwrap();
    fs::hard_link(folder.layout.record(&key(1)), folder.layout.record(&key(2))).unwrap();
    assert_eq!(folder.load(&key(2)).unwrap_err().kind(), ErrorKind::Corrupt);
    let long = Key::new([3; Key::LEN]);
    File::create(folder.layout.record(&long)).unwrap().set_len(17 << 20).unwrap();
    assert_eq!(folder.load(&long).unwrap_err().kind(), ErrorKind::Corrupt);
}
