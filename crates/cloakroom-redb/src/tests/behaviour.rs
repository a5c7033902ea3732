//! The contract, as far as this store could get it wrong in ways of its own; the conformance suite has the rest.

use cloakroom_store::{
    Cursor, ErrorKind, Key, Page, Record, Revision, Scan, Store, SubjectEntry, Subjects, decode, encode,
};
use redb::{Database, ReadableDatabase};

use super::disk::Disk;
use super::{at, key, of, open, record, run, subject};
use crate::store::RedbStore;
use crate::tables::{EXPIRY, RECORDS, SUBJECTS};

#[test]
fn a_record_is_created_once_and_replaced_by_who_read_it_last() {
    let store = open(&Disk::default());
    let (first, second) = (of("ann", record(1, 100)), record(2, 200));
    run(async {
        store.create(&key(1), &first, at(0)).await.unwrap();
        assert_eq!(store.create(&key(1), &second, at(0)).await.unwrap_err().kind(), ErrorKind::Exists);
        assert_eq!(store.load(&key(1)).await.unwrap(), Some(first));

        let conflict = store.replace(&key(1), &second, Revision::new(9), at(0)).await.unwrap_err();
        assert_eq!(conflict.kind(), ErrorKind::Conflict);
        store.replace(&key(1), &second, Revision::new(1), at(0)).await.unwrap();
        assert_eq!(store.load(&key(1)).await.unwrap(), Some(second.clone()));

        assert!(store.delete(&key(1)).await.unwrap());
        assert!(!store.delete(&key(1)).await.unwrap());
        let missing = store.replace(&key(1), &second, Revision::new(2), at(0)).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Missing);
        assert_eq!(store.load(&key(1)).await.unwrap(), None);
    });
}

#[test]
fn a_touch_moves_a_living_expiry_forward_and_nothing_else() {
    let store = open(&Disk::default());
    run(async {
        assert!(!store.touch(&key(1), at(0), at(10)).await.unwrap());
        let stored = of("ann", record(1, 100));
        store.create(&key(1), &stored, at(0)).await.unwrap();
        assert!(store.touch(&key(1), at(50), at(150)).await.unwrap());
        assert!(store.touch(&key(1), at(50), at(120)).await.unwrap(), "never back");
        assert!(!store.touch(&key(1), at(150), at(900)).await.unwrap(), "never revives");
        let mut expected = stored;
        expected.expires_at = at(150);
        assert_eq!(store.load(&key(1)).await.unwrap(), Some(expected));
        assert_eq!(store.purge(at(150), 10).await.unwrap(), 0);
        assert_eq!(store.purge(at(151), 10).await.unwrap(), 1);
    });
}

#[test]
fn a_purge_takes_the_soonest_up_to_its_limit_over_several_transactions() {
    let store = open(&Disk::default());
    let many = 600_usize;
    run(async {
        let creates: Vec<_> = (0..many as u64).map(|n| (number(n), record(n, 1_000 + n))).collect();
        let calls: Vec<_> =
            creates.iter().map(|(key, record)| super::begin(store.create(key, record, at(0)))).collect();
        calls.into_iter().for_each(|call| call.finish().unwrap());

        assert_eq!(store.purge(at(1_000), usize::MAX).await.unwrap(), 0);
        assert_eq!(store.purge(at(1_003), 2).await.unwrap(), 2);
        assert_eq!(store.load(&number(1)).await.unwrap(), None);
        assert!(store.load(&number(2)).await.unwrap().is_some());
        assert_eq!(store.purge(at(1_550), 500).await.unwrap(), 500);
        assert_eq!(store.purge(at(1_550), 500).await.unwrap(), 48);
        assert_eq!(store.count(at(0)).await.unwrap(), 50);
        assert_eq!(store.count(at(1_599)).await.unwrap(), 0);
        assert_eq!(store.count(at(1_598)).await.unwrap(), 1);
        assert_eq!(store.purge(at(9_999), 0).await.unwrap(), 0);
    });
}

#[test]
fn a_users_records_are_listed_and_ended_wherever_they_went() {
    let store = open(&Disk::default());
    let (ann, annabel) = (subject("ann"), subject("annabel"));
    run(async {
        for (number, name) in [(0, "ann"), (1, "ann"), (2, "ann"), (3, "annabel"), (255, "ann")] {
            store.create(&key(number), &of(name, record(number.into(), 100)), at(0)).await.unwrap();
        }
        store.replace(&key(1), &of("annabel", record(10, 100)), Revision::new(1), at(0)).await.unwrap();
        store.replace(&key(2), &record(20, 100), Revision::new(2), at(0)).await.unwrap();

        let entry = |number: u8| SubjectEntry::new(key(number), at(100));
        let whole = store.list(&ann, None, 10).await.unwrap();
        assert_eq!(whole, Page::new(vec![entry(0), entry(255)], None));
        let first = store.list(&ann, None, 1).await.unwrap();
        assert_eq!(first.items, [entry(0)]);
        let second = store.list(&ann, first.next.as_ref(), 1).await.unwrap();
        assert_eq!(second.items, [entry(255)]);
        let end = store.list(&ann, second.next.as_ref(), 1).await.unwrap();
        assert_eq!(end, Page::default());
        assert_eq!(store.end_all(&ann, Some(&key(255))).await.unwrap(), 1);
        assert_eq!(store.end_all(&annabel, None).await.unwrap(), 2);
        assert_eq!(store.load(&key(0)).await.unwrap(), None);
        assert!(store.load(&key(255)).await.unwrap().is_some());
        assert_eq!(store.load(&key(2)).await.unwrap(), Some(record(20, 100)));
    });
}

#[test]
fn a_walk_sees_every_record_once_and_ends() {
    let store = open(&Disk::default());
    run(async {
        for number in 0..7 {
            store.create(&key(number), &record(number.into(), 100), at(0)).await.unwrap();
        }
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.page(cursor.as_ref(), 3).await.unwrap();
            assert!(page.items.len() <= 3);
            seen.extend(page.items.into_iter().map(|(key, _)| key));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..7).map(key).collect::<Vec<_>>());
        let foreign = Cursor::new(b"another store's");
        let error = store.page(Some(&foreign), 3).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
        let error = store.list(&subject("ann"), Some(&foreign), 3).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
    });
}

#[test]
fn a_damaged_record_is_corrupt_to_who_asks_for_it_and_in_nobody_elses_way() {
    let disk = Disk::default();
    let store = open(&disk);
    run(async {
        for number in 1..=3 {
            store.create(&key(number), &of("ann", record(number.into(), 100)), at(0)).await.unwrap();
        }
    });
    drop(store);
    plant(&disk, &key(1), b"nonsense");
    // Another session's record under this key, whole and in order.
    plant(&disk, &key(2), &encode(&key(3), &record(3, 100)));
    let store = open(&disk);
    run(async {
        for number in [1, 2] {
            let corrupt = Some(ErrorKind::Corrupt);
            let fresh = record(9, 900);
            assert_eq!(store.load(&key(number)).await.err().map(|e| e.kind()), corrupt);
            let replaced = store.replace(&key(number), &fresh, Revision::new(number.into()), at(0)).await;
            assert_eq!(replaced.err().map(|e| e.kind()), corrupt);
            assert_eq!(store.touch(&key(number), at(0), at(900)).await.err().map(|e| e.kind()), corrupt);
            let created = store.create(&key(number), &fresh, at(0)).await;
            assert_eq!(created.err().map(|e| e.kind()), Some(ErrorKind::Exists), "never overwritten");
        }
        assert_eq!(store.list(&subject("ann"), None, 10).await.unwrap().items.len(), 1);
        assert_eq!(store.page(None, 10).await.unwrap().items.len(), 1);
        assert!(store.delete(&key(1)).await.unwrap());
        assert_eq!(store.load(&key(1)).await.unwrap(), None);
        assert_eq!(store.purge(at(101), 10).await.unwrap(), 2, "damaged ones expire like any other");
        assert_eq!(store.count(at(0)).await.unwrap(), 0);
    });
    drop(store);
    assert_eq!(index_rows(&disk).0, 0, "a purge leaves no expiry rows behind");
}

#[test]
fn ending_a_users_sessions_ends_those_of_a_later_version_too() {
    let disk = Disk::default();
    let store = open(&disk);
    run(store.create(&key(1), &of("ann", record(1, 100)), at(0))).unwrap();
    drop(store);
    plant(&disk, &key(1), LATER_VERSION_OF_KEY_1);
    let store = open(&disk);
    run(async {
        assert_eq!(store.load(&key(1)).await.unwrap_err().kind(), ErrorKind::UnknownVersion);
        assert_eq!(store.end_all(&subject("bob"), None).await.unwrap(), 0);
        assert_eq!(store.end_all(&subject("ann"), None).await.unwrap(), 1);
        assert_eq!(store.load(&key(1)).await.unwrap(), None);
        assert_eq!(store.purge(at(101), 10).await.unwrap(), 0);
    });
    drop(store);
    assert_eq!(index_rows(&disk), (0, 0));
}

#[test]
fn ending_more_sessions_than_are_looked_up_at_once_ends_all_but_the_exception() {
    let store = open(&Disk::default());
    let record = of("ann", record(1, 100));
    let keys: Vec<_> = (0..600).map(number).collect();
    let calls: Vec<_> = keys.iter().map(|key| super::begin(store.create(key, &record, at(0)))).collect();
    calls.into_iter().for_each(|call| call.finish().unwrap());
    run(async {
        assert_eq!(store.end_all(&subject("ann"), Some(&number(255))).await.unwrap(), 599);
        let left = store.list(&subject("ann"), None, 10).await.unwrap();
        assert_eq!(left, Page::new(vec![SubjectEntry::new(number(255), at(100))], None));
    });
}

#[test]
fn a_stale_index_row_ends_nothing_that_it_should_not() {
    let disk = Disk::default();
    let store = open(&disk);
    run(store.create(&key(1), &of("ann", record(1, 500)), at(0))).unwrap();
    drop(store);
    let file = Database::builder().create_with_backend(disk.clone()).unwrap();
    let transaction = file.begin_write().unwrap();
    for (number, expiry) in [(1, 8), (2, 7)] {
        transaction.open_table(EXPIRY).unwrap().insert((expiry, key(number).as_bytes()), ()).unwrap();
        transaction.open_table(SUBJECTS).unwrap().insert(("bob", key(number).as_bytes()), ()).unwrap();
    }
    transaction.commit().unwrap();
    drop(file);

    let store = open(&disk);
    run(async {
        assert_eq!(store.list(&subject("bob"), None, 10).await.unwrap(), Page::default());
        assert_eq!(store.end_all(&subject("bob"), None).await.unwrap(), 0);
        assert_eq!(store.purge(at(8), 1).await.unwrap(), 0);
    });
    drop(store);
    assert_eq!(index_rows(&disk).0, 2, "a purge sweeps up the row of a record that is gone");

    let store = open(&disk);
    run(async {
        assert_eq!(store.purge(at(100), 1).await.unwrap(), 0);
        assert!(store.load(&key(1)).await.unwrap().is_some());
    });
    drop(store);
    assert_eq!(index_rows(&disk).0, 1, "and the outdated row of one that is there");
}

#[test]
fn a_record_above_the_limit_is_refused_and_one_at_the_limit_is_kept() {
    let store = open(&Disk::default());
    let sized = |size: usize| Record::new(Revision::new(1), at(100), vec![1; size]);
    run(async {
        let over = store.create(&key(1), &sized(RedbStore::MAX_DATA_LEN + 1), at(0)).await;
        assert_eq!(over.unwrap_err().kind(), ErrorKind::TooLarge);
        let most = sized(RedbStore::MAX_DATA_LEN);
        store.create(&key(1), &most, at(0)).await.unwrap();
        assert!(store.load(&key(1)).await.unwrap() == Some(most));
    });
}

#[test]
fn it_offers_subjects_and_scan_and_no_leases_and_prints_no_records() {
    let store = open(&Disk::default());
    let facets = store.facets();
    assert!(facets.leases.is_none() && facets.subjects.is_some() && facets.scan.is_some());
    assert_eq!(format!("{store:?}"), r#"RedbStore { path: "a disk", .. }"#);
}

#[test]
fn records_are_stored_in_the_contracts_own_encoding() {
    let disk = Disk::default();
    let store = open(&disk);
    run(store.create(&key(1), &of("ann", record(1, 100)), at(0))).unwrap();
    drop(store);
    let file = Database::builder().create_with_backend(disk).unwrap();
    let records = file.begin_read().unwrap().open_table(RECORDS).unwrap();
    let row = records.get(key(1).as_bytes()).unwrap().unwrap();
    assert_eq!(decode(&key(1), row.value()).unwrap(), of("ann", record(1, 100)));
}

fn number(number: u64) -> Key {
    let mut bytes = [0; Key::LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Key::new(bytes)
}

fn plant(disk: &Disk, key: &Key, bytes: &[u8]) {
    let file = Database::builder().create_with_backend(disk.clone()).unwrap();
    let transaction = file.begin_write().unwrap();
    transaction.open_table(RECORDS).unwrap().insert(key.as_bytes(), bytes).unwrap();
    transaction.commit().unwrap();
}

/// How many rows the expiry and the subject index have.
fn index_rows(disk: &Disk) -> (u64, u64) {
    use redb::ReadableTableMetadata;
    let file = Database::builder().create_with_backend(disk.clone()).unwrap();
    let file = file.begin_read().unwrap();
    (file.open_table(EXPIRY).unwrap().len().unwrap(), file.open_table(SUBJECTS).unwrap().len().unwrap())
}

/// The record of a later version under `key(1)`: its checksum is that of Python's `zlib.crc32`.
const LATER_VERSION_OF_KEY_1: &[u8] = b"CR\x02\
    \x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
    another layout\x51\x75\x53\xbe";
