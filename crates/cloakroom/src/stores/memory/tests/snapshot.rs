//! From one run to the next.

use std::path::{Path, PathBuf};
use std::{fs, io};

use cloakroom_store::OpenError;

use super::*;

fn open(path: &Path) -> Result<MemoryStore, OpenError> {
    MemoryStore::builder().snapshot(path).open()
}

/// A saved snapshot of three sessions, its bytes, and the folder that is removed in the end.
fn saved() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    let store = open(&path).unwrap();
    now(store.create(&key(1), &record(1, 1000), Timestamp::from_millis(0))).unwrap();
    now(store.create(&key(2), &owned(2, 2000, "ada"), Timestamp::from_millis(0))).unwrap();
    now(store.create(&key(3), &sized(3, 0), Timestamp::from_millis(0))).unwrap();
    store.save_snapshot().unwrap();
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

#[test]
fn a_reload_loses_nothing() {
    let (_folder, path, _) = saved();
    let store = open(&path).unwrap();
    assert_eq!(count(&store), 3);
    assert_eq!(now(store.load(&key(1))).unwrap(), Some(record(1, 1000)));
    assert_eq!(now(store.load(&key(3))).unwrap(), Some(sized(3, 0)));
    assert_eq!(now(store.load(&key(2))).unwrap(), Some(owned(2, 2000, "ada")));
    assert_eq!(list(&store, "ada"), [SubjectEntry::new(key(2), at(2000))]);
    assert_eq!(purge(&store, 1001, 10), 2);
}

/// Put together apart from the code that writes it, so that a change of the format fails here.
#[test]
fn a_snapshot_of_one_session_is_these_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    let store = open(&path).unwrap();
    now(store.create(&key(1), &record(1, 1000), Timestamp::from_millis(0))).unwrap();
    store.save_snapshot().unwrap();

    let written = cloakroom_store::encode(&key(1), &record(1, 1000));
    let len = u8::try_from(written.len()).unwrap();
    let (head, end) = (b"CRMEMORY\x01", [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let expected = [head, &[len, 0, 0, 0][..], key(1).as_bytes(), &written, &end].concat();
    assert_eq!(fs::read(&path).unwrap(), expected);
}

#[test]
fn an_empty_store_and_a_first_run_are_fine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    open(&path).unwrap().save_snapshot().unwrap();
    assert_eq!(count(&open(&path).unwrap()), 0);
}

#[test]
fn a_snapshot_is_used_once() {
    let (_folder, path, _) = saved();
    let store = open(&path).unwrap();
    assert!(now(store.delete(&key(2))).unwrap());
    drop(store);
    assert_eq!(
        count(&open(&path).unwrap()),
        0,
        "a run that did not save must not bring back what ended in it"
    );
}

#[test]
fn saving_twice_keeps_the_later_state_and_leaves_nothing_beside_it() {
    let (folder, path, _) = saved();
    let store = open(&path).unwrap();
    store.save_snapshot().unwrap();
    assert!(now(store.delete(&key(1))).unwrap());
    store.save_snapshot().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(count(&open(&path).unwrap()), 2);
}

#[test]
fn any_damage_is_an_error_that_names_the_file_and_leaves_it_alone() {
    let (_folder, path, good) = saved();
    let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|len| good[..len].to_vec()).collect();
    bad.extend((0..good.len()).map(|i| {
        let mut bytes = good.clone();
        bytes[i] ^= 1;
        bytes
    }));
    bad.push([&good[..], b"x"].concat());
    for bytes in bad {
        fs::write(&path, &bytes).unwrap();
        let error = open(&path).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(path.to_str().unwrap()) && message.contains("move it away"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    fs::write(&path, &good).unwrap();
    assert_eq!(count(&open(&path).unwrap()), 3);
}

#[test]
fn a_snapshot_of_a_later_version_is_refused_and_left_alone() {
    let (_folder, path, mut bytes) = saved();
    bytes[8] = 2;
    fs::write(&path, &bytes).unwrap();
    let error = open(&path).unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Refused);
    assert!(error.to_string().contains("a later version"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_record_that_occurs_twice_is_damage() {
    let (_folder, path, good) = saved();
    let (header, end) = (9, good.len() - 12);
    fs::write(&path, [&good[..end], &good[header..]].concat()).unwrap();
    let message = open(&path).unwrap_err().to_string();
    assert!(message.contains("a key occurs twice"), "{message}");
}

#[test]
fn a_snapshot_beyond_the_bounds_is_refused_and_left_alone() {
    let (_folder, path, good) = saved();
    let error = MemoryStore::builder().max_sessions(2).snapshot(&path).open().unwrap_err();
    assert!(error.to_string().contains("raise them"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), good);
}

#[test]
fn a_missing_folder_is_noticed_at_start_and_not_at_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(&folder.path().join("missing/sessions")).unwrap_err();
    assert!(error.to_string().contains("create it"), "{error}");
}

#[test]
fn a_save_that_fails_names_the_file_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    let store = open(&path).unwrap();
    // A folder in the file's place: the last step, the rename, must fail.
    fs::create_dir(&path).unwrap();
    let message = store.save_snapshot().unwrap_err().to_string();
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    fs::remove_dir(&path).unwrap();
    store.save_snapshot().unwrap();
}

#[test]
fn saving_without_a_path_says_so() {
    let error = MemoryStore::new().save_snapshot().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_a_snapshot_whatever_a_crash_left_behind() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (folder, path, _) = saved();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);

    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, "untouched").unwrap();
    symlink(&elsewhere, folder.path().join("sessions.tmp")).unwrap();
    open(&path).unwrap().save_snapshot().unwrap();
    assert_eq!(mode(), 0o600);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "untouched");
}
