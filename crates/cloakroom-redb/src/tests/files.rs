//! Real files: made, found again, refused.

use std::fs;

use cloakroom_store::{OpenErrorKind, Scan, Store};
use redb::{Database, ReadableDatabase, TableDefinition, TableHandle};

use super::{at, key, record, run};
use crate::error::Problem;
use crate::open::{How, open_file};
use crate::store::RedbStore;
use crate::tables::{FORMAT, VERSION, VERSION_ROW};

#[test]
fn what_was_stored_is_there_after_closing_and_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.redb");
    let store = RedbStore::open(&path).unwrap();
    run(store.create(&key(1), &record(1, 100), at(0))).unwrap();
    drop(store);
    let store = RedbStore::builder().cache_bytes(1 << 16).open(&path).unwrap();
    assert_eq!(run(store.load(&key(1))).unwrap(), Some(record(1, 100)));
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["sessions.redb"], "no draft is left behind");
}

#[test]
fn an_open_file_cannot_be_opened_again_and_the_error_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.redb");
    let store = RedbStore::open(&path).unwrap();
    let error = RedbStore::open(&path).unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Refused);
    assert!(error.to_string().contains("stop the other one"), "{error}");
    drop(store);
    RedbStore::open(&path).unwrap();
}

#[test]
fn files_of_others_are_refused_and_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("letter.txt");
    fs::write(&text, "Dear sir").unwrap();
    let zeros = folder.path().join("zeros");
    fs::write(&zeros, [0; 4_096]).unwrap();
    for path in [&text, &zeros] {
        let before = fs::read(path).unwrap();
        let error = RedbStore::open(path).unwrap_err();
        assert_eq!(error.kind(), OpenErrorKind::Refused);
        assert!(error.to_string().contains("not a session file"), "{error}");
        assert_eq!(fs::read(path).unwrap(), before);
    }
}

#[test]
fn another_programs_database_is_refused_and_nothing_is_put_into_it() {
    const THEIRS: TableDefinition<'_, u64, u64> = TableDefinition::new("theirs");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.redb");
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(THEIRS).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = RedbStore::open(&path).unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Refused);
    let file = Database::open(&path).unwrap().begin_read().unwrap();
    let tables: Vec<_> = file.list_tables().unwrap().map(|table| table.name().to_owned()).collect();
    assert_eq!(tables, ["theirs"]);
    assert_eq!(file.open_table(THEIRS).unwrap().get(1).unwrap().unwrap().value(), 2);
}

#[test]
fn a_file_of_a_later_version_is_refused_with_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.redb");
    drop(RedbStore::open(&path).unwrap());
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(FORMAT).unwrap().insert(VERSION_ROW, VERSION + 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = RedbStore::open(&path).unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Refused);
    assert!(error.to_string().contains(&format!("format version {}", VERSION + 1)), "{error}");
}

#[test]
fn an_empty_file_becomes_a_session_file_and_a_missing_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty");
    fs::write(&path, "").unwrap();
    assert_eq!(run(RedbStore::open(&path).unwrap().count(at(0))).unwrap(), 0);
    let error = RedbStore::open(folder.path().join("none/sessions.redb")).unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Refused);
    assert!(error.to_string().contains("its folder does not exist"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_file_that_vanished_is_not_made_anew_behind_the_sessions_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.redb");
    drop(RedbStore::open(&path).unwrap());
    open_file(&path, 0, How::Again).unwrap();
    fs::write(&path, "").unwrap();
    assert!(matches!(open_file(&path, 0, How::Again), Err(Problem::Foreign)));
    fs::remove_file(&path).unwrap();
    assert!(matches!(open_file(&path, 0, How::Again), Err(Problem::Failed(_))));
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.redb");
    let _store = RedbStore::open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_with_a_damaged_page_is_an_error_or_opens_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.redb");
    let store = RedbStore::open(&path).unwrap();
    for n in 0..100 {
        run(store.create(&key(n), &record(1, 1_000), at(0))).unwrap();
    }
    drop(store);
    let good = fs::read(&path).unwrap();
    let damaged = folder.path().join("damaged.redb");
    let mut refused = 0;
    for page in 0..good.len() / 4_096 {
        let mut bytes = good.clone();
        bytes[page * 4_096..][..4_096].fill(0xa5);
        fs::write(&damaged, &bytes).unwrap();
        refused += usize::from(RedbStore::open(&damaged).is_err());
    }
    assert!(refused > 1, "{refused} of {} pages matter when the file is opened", good.len() / 4_096);
}
