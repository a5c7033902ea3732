//! Sessions in the folder: their times, their locks, and what is said when the disk is gone.

use std::fs::{self, File};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cloakroom_store::{Applied, Cursor, ErrorKind, Key, Record, Result, Timestamp};

use super::{
    Hook, another, at, claim, fresh, held, is_busy, key, listed, lock, names_in, of, open_on, place, record,
    rev, subject,
};
use crate::disk::{Disk, DiskChange, Durability};
use crate::folder::Folder;
use crate::layout::ExpiryTimes;

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
        ("list", |folder| listed(folder, "ann").map(drop)),
        ("end_all", |folder| folder.end_all(&subject("ann"), None).map(drop)),
        ("page", |folder| folder.page(None, 10).map(drop)),
        ("count", |folder| folder.count(at(0)).map(drop)),
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
    assert_eq!(listed(&folder, "ann").unwrap().len(), 1);
}

#[test]
fn where_a_shard_was_taken_away_nobody_says_that_there_is_no_session() {
    let (_place, folder) = fresh();
    folder.create(&key(1), &of("ann", record(1, 1_000))).unwrap();
    fs::remove_dir_all(folder.layout.shard_of(&key(1))).unwrap();
    assert_eq!(folder.load(&key(1)).unwrap_err().kind(), NO);
    assert_eq!(folder.delete(&key(1)).unwrap_err().kind(), NO);
    assert_eq!(folder.touch(&key(1), at(0), at(2_000)).unwrap_err().kind(), NO);
    assert_eq!(listed(&folder, "ann").unwrap_err().kind(), NO);
    assert_eq!(folder.end_all(&subject("ann"), None).unwrap_err().kind(), NO);
    assert_eq!(folder.load(&key(2)).unwrap(), None, "another shard");
}

#[test]
fn an_expiry_beyond_the_file_systems_times_is_kept_touched_and_found_again() {
    for times in [ExpiryTimes::FAR, ExpiryTimes::NEAR] {
        let place = place();
        let open = || {
            let mut folder = another(place.path());
            folder.times = times;
            folder
        };
        let edge = Timestamp::default()
            .saturating_add(times.last_modified().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap());
        let mut last = at(1_000);
        open().create(&key(1), &of("ann", record(1, 1_000))).unwrap();
        let steps = [edge, edge.saturating_add(ms(1)), edge.saturating_add(ms(2)), Timestamp::MAX];
        for expires_at in steps {
            let folder = open();
            assert!(folder.touch(&key(1), at(0), expires_at).unwrap());
            assert!(folder.touch(&key(1), at(0), last).unwrap(), "never back");
            let expected = of("ann", expiring(record(1, 1_000), expires_at));
            assert_eq!(open().load(&key(1)).unwrap(), Some(expected), "{times:?}");
            assert_eq!(folder.purge(expires_at, 10).unwrap(), 0);
            assert_eq!(folder.count(last).unwrap(), u64::from(expires_at > last));
            assert_eq!(folder.count(expires_at).unwrap(), 0);
            last = expires_at;
        }
        let folder = open();
        folder.create(&key(2), &expiring(record(1, 0), steps[1])).unwrap();
        assert_eq!(folder.purge(steps[1], 10).unwrap(), 0);
        assert_eq!(folder.purge(steps[2], 10).unwrap(), 1);
        assert_eq!(folder.count(at(0)).unwrap(), 1);
    }
}

fn expiring(mut record: Record, expires_at: Timestamp) -> Record {
    record.expires_at = expires_at;
    record
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
            *lock(&flag) |= matches!(change, DiskChange::Sync { .. } | DiskChange::SyncFolder { .. });
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
    assert!(is_busy(&another(place.path()).acquire(&key(1), &claim(8, 1_500, 80)).unwrap()));
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
        assert!(page.items.len() <= 3);
        found.extend(page.items.into_iter().map(|(key, _)| key));
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
    assert_eq!(folder.count(at(0)).unwrap(), 1);
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

/// A record of an invented later version: its magic, its version, and a checksum, as `docs/format.md` says that they stay.
fn plant_later_version(folder: &Folder, key: &Key) {
    let mut bytes = cloakroom_store::encode(key, &record(1, 100));
    bytes.truncate(bytes.len() - 4);
    bytes[2] += 1;
    bytes.extend_from_slice(b"what nobody here knows");
    let checksum = crc32(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    let path = folder.layout.record(key);
    fs::write(&path, bytes).unwrap();
    File::open(path).unwrap().set_modified(folder.times.to_modified(at(100))).unwrap();
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn a_record_of_a_later_version_is_neither_missing_nor_damaged_nor_changed() {
    let (_place, folder) = fresh();
    folder.create(&key(1), &of("ann", record(1, 100))).unwrap();
    folder.create(&key(2), &record(1, 1_000)).unwrap();
    plant_later_version(&folder, &key(1));
    let later = fs::read(folder.layout.record(&key(1))).unwrap();

    assert_eq!(folder.create(&key(1), &record(2, 1_000)).unwrap_err().kind(), ErrorKind::Exists);
    let calls: [(&str, Call); 4] = [
        ("load", |folder| folder.load(&key(1)).map(drop)),
        ("replace", |folder| folder.replace(&key(1), &record(2, 1_000), rev(1))),
        ("touch", |folder| folder.touch(&key(1), at(0), at(2_000)).map(drop)),
        ("acquire", |folder| folder.acquire(&key(1), &claim(7, 0, 70)).map(drop)),
    ];
    for (name, call) in calls {
        assert_eq!(call(&folder).map_err(|error| error.kind()), Err(ErrorKind::UnknownVersion), "{name}");
    }
    assert_eq!(listed(&folder, "ann").unwrap(), []);
    assert_eq!(folder.page(None, 10).unwrap().items, [(key(2), record(1, 1_000))]);
    assert_eq!(folder.purge(at(500), 10).unwrap(), 0);
    assert_eq!(fs::read(folder.layout.record(&key(1))).unwrap(), later);
}

#[test]
fn the_marker_of_a_record_of_a_later_version_stays_and_ends_it_with_the_others() {
    let (_place, folder) = fresh();
    for number in [1, 2, 3] {
        folder.create(&key(number), &of("ann", record(1, 1_000))).unwrap();
    }
    plant_later_version(&folder, &key(1));
    let ann = folder.layout.subject(&subject("ann"));
    folder.clear_markers_of(&ann).unwrap();
    assert_eq!(names_in(&ann).len(), 3);
    assert_eq!(folder.end_all(&subject("ann"), Some(&key(2))).unwrap(), 2);
    assert_eq!(folder.load(&key(1)).unwrap(), None);
    assert_eq!(names_in(&ann), [key(2).to_string()]);

    plant_later_version(&folder, &key(4));
    assert!(folder.delete(&key(4)).unwrap());
    assert_eq!(folder.load(&key(4)).unwrap(), None);
}

#[test]
fn the_end_of_many_sessions_is_synced_a_page_at_a_time() {
    let (place, hook) = (place(), Hook::new());
    let folder = open_on(place.path(), Disk::observed(Durability::Full, Arc::clone(&hook) as _));
    for number in 0..11 {
        folder.create(&key(number), &of("ann", record(1, 1_000))).unwrap();
    }
    // A whole page of markers that nothing belongs to any more, and one more session behind it.
    for number in 11..17 {
        folder.mark(&subject("ann"), &key(number)).unwrap();
    }
    folder.create(&key(17), &of("ann", record(1, 1_000))).unwrap();
    let unsynced = Arc::new(Mutex::new((0, 0)));
    let seen = Arc::clone(&unsynced);
    hook.set(move |change| {
        let mut seen = lock(&seen);
        let in_sessions = |path: &std::path::Path| path.parent().unwrap().ends_with("sessions");
        match change {
            DiskChange::Remove { path } if in_sessions(path.parent().unwrap()) => seen.0 += 1,
            DiskChange::SyncFolder { path } if in_sessions(path) => seen.0 = 0,
            _ => {}
        }
        seen.1 = seen.1.max(seen.0);
        Ok(())
    });
    assert_eq!(folder.end_all(&subject("ann"), Some(&key(5))).unwrap(), 11);
    assert_eq!(*lock(&unsynced), (0, 4));
    hook.clear();
    assert_eq!(folder.page(None, 20).unwrap().items, [(key(5), of("ann", record(1, 1_000)))]);
    assert!(!folder.layout.subject(&subject("ann")).join(key(4).to_string()).exists());
}

#[test]
fn a_page_of_a_users_sessions_has_as_many_as_were_asked_for_and_goes_on_where_it_ended() {
    let (_place, folder) = fresh();
    for number in 0..7 {
        folder.create(&key(number), &of("ann", record(1, 100 * u64::from(number)))).unwrap();
    }
    let first = folder.list(&subject("ann"), None, 3).unwrap();
    let entries: Vec<_> = first.items.iter().map(|entry| (entry.key, entry.expires_at)).collect();
    assert_eq!(entries, [(key(0), at(0)), (key(1), at(100)), (key(2), at(200))]);
    // What is gone meanwhile, the last one seen included, loses nothing that stays.
    folder.delete(&key(2)).unwrap();
    folder.delete(&key(4)).unwrap();
    let second = folder.list(&subject("ann"), first.next.as_ref(), 3).unwrap();
    assert_eq!(second.items.iter().map(|entry| entry.key).collect::<Vec<_>>(), [3, 5, 6].map(key));
    let end = folder.list(&subject("ann"), second.next.as_ref(), 3).unwrap();
    assert_eq!(end, cloakroom_store::Page::default());
    assert_eq!(
        folder.list(&subject("ann"), Some(&Cursor::new("x")), 3).unwrap_err().kind(),
        ErrorKind::Other
    );
}

#[test]
fn only_sessions_that_are_alive_are_counted() {
    let (_place, folder) = fresh();
    for (number, expires_at) in [(1, 100), (2, 101), (3, 102)] {
        folder.create(&key(number), &record(1, expires_at)).unwrap();
    }
    assert_eq!([99, 100, 101, 102].map(|now| folder.count(at(now)).unwrap()), [3, 2, 1, 0]);
    assert!(folder.touch(&key(1), at(0), at(500)).unwrap());
    assert_eq!(folder.count(at(102)).unwrap(), 1);
}
