//! What callers see of damage, of later versions, and of records that are too many or too large.

use cloakroom_store::ErrorKind::{Conflict, Corrupt, Exists, TooLarge, UnknownVersion};
use cloakroom_store::codec::PREFIX_LEN;
use cloakroom_store::{
    Error, Key, Leases, Record, Revision, Scan, Store as _, SubjectEntry, Subjects, Timestamp, encode,
};

use crate::dialect::{FILL, Store, blob};
use crate::shared::{Table, ann, anns, at, claim, fresh, fresh_key, record};

/// The bytes of a record, whose version is the next one, with the right checksum.
fn of_next_version(key: &Key, record: &Record) -> Vec<u8> {
    let mut bytes = encode(key, record);
    bytes[PREFIX_LEN - Key::LEN - 1] += 1;
    let body = bytes.len() - 4;
    let checksum = crc32(&bytes[..body]).to_le_bytes();
    bytes[body..].copy_from_slice(&checksum);
    bytes
}

/// CRC-32 (IEEE 802.3), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

#[tokio::test]
async fn a_record_of_a_later_version_is_neither_missing_nor_damaged_and_is_never_overwritten() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &anns(1, 99), at(0)).await.unwrap();
    let later = of_next_version(&key, &anns(1, 99));
    table.set_data(&later).await;
    let kind = |error: Error| error.kind();
    assert_eq!(store.load(&key).await.map_err(kind), Err(UnknownVersion));
    assert_eq!(store.acquire(&key, &claim(1)).await.map_err(kind), Err(UnknownVersion));
    assert_eq!(store.create(&key, &anns(2, 99), at(0)).await.map_err(kind), Err(Exists));
    let replaced = store.replace(&key, &anns(2, 99), Revision::new(1), at(0)).await;
    assert_eq!(replaced.map_err(kind), Err(UnknownVersion));
    assert!(store.touch(&key, at(1), at(100)).await.unwrap(), "it is alive");
    assert_eq!(data(&table).await, later);

    // Its user sees it, and can end it.
    let listed = store.list(&ann(), None, 10).await.unwrap();
    assert_eq!(listed.items, [SubjectEntry::new(key, at(100))]);
    assert_eq!(store.end_all(&ann(), None).await.unwrap(), 1);
    assert_eq!(store.load(&key).await.unwrap(), None);
}

async fn data(table: &Table) -> Vec<u8> {
    let statement = sqlx::AssertSqlSafe(format!("SELECT data FROM {table}"));
    sqlx::query_scalar(statement).fetch_one(&mut table.connection().await).await.unwrap()
}

#[tokio::test]
async fn a_row_whose_columns_and_data_disagree_is_corrupt_until_it_is_purged() {
    let key = fresh_key();
    let good = encode(&key, &anns(1, 99));
    let mut flipped = good.clone();
    flipped[60] ^= 1;
    for (damage, bytes, what) in [
        ("UPDATE {table} SET expires_at = -1", &good, "no time"),
        ("UPDATE {table} SET subject = NULL", &good, "no subject"),
        ("", &encode(&key, &record(1, 99)), "another subject"),
        ("", &flipped, "a damaged byte"),
        ("", &good[..50].to_vec(), "a missing tail"),
    ] {
        let (store, table) = fresh().await;
        store.create(&key, &anns(1, 99), at(0)).await.unwrap();
        table.set_data(bytes).await;
        if !damage.is_empty() {
            table.run(damage).await;
        }
        assert_eq!(store.load(&key).await.unwrap_err().kind(), Corrupt, "{what}");
        assert_eq!(store.acquire(&key, &claim(1)).await.unwrap_err().kind(), Corrupt, "{what}");
        assert_eq!(store.create(&key, &anns(1, 99), at(0)).await.unwrap_err().kind(), Exists, "{what}");
        assert_eq!(Scan::page(&store, None, 9).await.unwrap().items, [], "{what}");
        assert_eq!(store.purge(at(100), 9).await.unwrap(), 1, "{what}");
        assert_eq!(store.load(&key).await.unwrap(), None, "{what}");
    }
}

#[tokio::test]
async fn a_row_with_the_record_of_another_key_is_changed_by_nothing_and_is_nobodys() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &anns(1, 99), at(0)).await.unwrap();
    let other = encode(&fresh_key(), &anns(1, 99));
    table.set_data(&other).await;
    let replaced = store.replace(&key, &record(2, 100), Revision::new(1), at(0)).await;
    assert!(matches!(replaced.unwrap_err().kind(), Conflict | Corrupt));
    assert!(!store.touch(&key, at(1), at(100)).await.unwrap());
    assert_eq!(store.acquire(&key, &claim(1)).await.unwrap_err().kind(), Corrupt);
    assert_eq!(store.list(&ann(), None, 10).await.unwrap().items, []);
    assert_eq!(data(&table).await, other);
    let unchanged = "SELECT COUNT(*) FROM {table} WHERE revision = 1 AND expires_at = 99 AND lease IS NULL";
    assert_eq!(table.number(unchanged).await, 1);
}

#[tokio::test]
async fn a_touch_and_a_takeover_change_columns_and_no_data() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 99), at(0)).await.unwrap();
    let before = data(&table).await;
    assert!(store.touch(&key, at(98), at(500)).await.unwrap());
    store.acquire(&key, &claim(1)).await.unwrap();
    table.run("UPDATE {table} SET lease_until = -1").await;
    store.acquire(&key, &claim(2)).await.unwrap();
    assert_eq!(data(&table).await, before);
    assert_eq!(store.load(&key).await.unwrap(), Some(record(1_000, 500)));
}

#[tokio::test]
async fn a_damaged_record_keeps_no_lease() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
    let mut damaged = encode(&key, &record(1, 1));
    damaged.push(0);
    table.set_data(&damaged).await;
    for holder in 1..3 {
        assert_eq!(store.acquire(&key, &claim(holder)).await.unwrap_err().kind(), Corrupt);
        assert_eq!(table.number("SELECT COUNT(*) FROM {table} WHERE lease IS NOT NULL").await, 0);
    }
}

#[tokio::test]
async fn more_data_than_the_limit_is_too_large_and_changes_nothing() {
    let (store, _table) = fresh().await;
    let key = fresh_key();
    let of = |len: usize, revision| Record::new(Revision::new(revision), at(1), vec![7; len]);
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
    let more = of(Store::MAX_DATA_LEN + 1, 2);
    assert_eq!(store.replace(&key, &more, Revision::new(1), at(0)).await.unwrap_err().kind(), TooLarge);
    assert_eq!(store.load(&key).await.unwrap(), Some(record(1, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn four_concurrent_purges_count_each_record_once() {
    let (store, table) = fresh().await;
    let others = [table.open().await, table.open().await, table.open().await];
    table.run(&FILL.replace("{rows}", "5000")).await;
    let purge = async |store: &Store| {
        let mut removed = 0;
        for _ in 0..10 {
            removed += store.purge(at(4_001), 700).await.unwrap();
        }
        removed
    };
    let [b, c, d] = &others;
    let (a, b, c, d) = tokio::join!(purge(&store), purge(b), purge(c), purge(d));
    assert_eq!(a + b + c + d, 4_000);
    assert_eq!(table.number("SELECT COUNT(*) FROM {table}").await, 1_000);
}

#[tokio::test]
async fn a_purge_removes_as_many_records_as_it_is_told() {
    let (store, table) = fresh().await;
    table.run(&FILL.replace("{rows}", "350")).await;
    // Many that expire in the same millisecond.
    table.run("UPDATE {table} SET expires_at = 5 WHERE expires_at < 300").await;
    assert_eq!(store.purge(at(5), 1_000).await.unwrap(), 0);
    assert_eq!(store.purge(at(6), 150).await.unwrap(), 150);
    assert_eq!(store.purge(at(6), 1_000).await.unwrap(), 149);
    assert_eq!(store.count(at(0)).await.unwrap(), 51);
}

#[tokio::test]
async fn a_users_records_are_listed_in_pages_and_all_but_one_are_ended() {
    let (store, table) = fresh().await;
    table.run(&FILL.replace("{rows}", "250")).await;
    table.run(&format!("UPDATE {{table}} SET subject = {} WHERE expires_at <= 230", blob(b"ann"))).await;
    // The rows above have no data of a record and are left out, but ended.
    assert_eq!(store.list(&ann(), None, 1_000).await.unwrap().items, []);
    let keys: Vec<_> = (0..7).map(|_| fresh_key()).chain([Key::new([0; 32]), Key::new([255; 32])]).collect();
    for key in &keys {
        store.create(key, &anns(1, 500), at(0)).await.unwrap();
    }
    for limit in [1, 4, 9, 1_000] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.list(&ann(), cursor.as_ref(), limit).await.unwrap();
            assert!(page.items.len() <= limit);
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        seen.sort_by_key(|entry| *entry.key.as_bytes());
        let mut expected: Vec<_> = keys.iter().map(|key| SubjectEntry::new(*key, at(500))).collect();
        expected.sort_by_key(|entry| *entry.key.as_bytes());
        assert_eq!(seen, expected, "pages of {limit}");
    }
    assert_eq!(store.end_all(&ann(), Some(&keys[3])).await.unwrap(), 230 + 8);
    let left = store.list(&ann(), None, 10).await.unwrap().items;
    assert_eq!(left, [SubjectEntry::new(keys[3], at(500))]);
    assert_eq!(table.number("SELECT COUNT(*) FROM {table}").await, 21, "others stay");
}

#[tokio::test]
async fn enrolling_counts_the_rows_of_the_subject_and_its_own_once() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    let enrolled = async |key| store.enroll(&ann(), key, at(0), at(99)).await.unwrap();
    assert_eq!(enrolled(&key).await, 1);
    table.run(&FILL.replace("{rows}", "250")).await;
    table.run(&format!("UPDATE {{table}} SET subject = {} WHERE expires_at <= 230", blob(b"ann"))).await;
    assert_eq!(enrolled(&key).await, 231, "an expired one may count");
    store.create(&key, &anns(1, 500), at(0)).await.unwrap();
    assert_eq!(enrolled(&key).await, 231, "it is there now");
    assert_eq!(enrolled(&fresh_key()).await, 232);
    assert_eq!(table.number("SELECT COUNT(*) FROM {table}").await, 251, "nothing is written");
}

#[tokio::test]
async fn enrolling_counts_no_more_than_ten_thousand() {
    let (store, table) = fresh().await;
    table.run(&FILL.replace("{rows}", "12000")).await;
    table.run(&format!("UPDATE {{table}} SET subject = {}", blob(b"ann"))).await;
    assert_eq!(store.enroll(&ann(), &fresh_key(), at(0), at(99)).await.unwrap(), 10_000);
}

#[tokio::test]
async fn a_count_is_of_live_records_only_however_many_there_are() {
    let (store, table) = fresh().await;
    table.run(&FILL.replace("{rows}", "30001")).await;
    assert_eq!(store.count(at(0)).await.unwrap(), 30_001);
    assert_eq!(store.count(at(5)).await.unwrap(), 29_996);
    assert_eq!(store.count(at(30_001)).await.unwrap(), 0);
    // More with one expiry than are counted at once.
    table.run("UPDATE {table} SET expires_at = 40000 WHERE expires_at > 9000").await;
    store.create(&fresh_key(), &Record::new(Revision::new(1), Timestamp::MAX, []), at(0)).await.unwrap();
    assert_eq!(store.count(at(8_000)).await.unwrap(), 22_002);
}
