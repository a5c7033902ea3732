//! What is in a row, and what is said of one that is damaged.

use cloakroom_store::ErrorKind::{Conflict, Corrupt, Exists};
use cloakroom_store::{Leases, Record, Store, Subject, Subjects, Timestamp};

use crate::support::{claim, fresh_key, record};
use crate::{fresh, number, run};

#[tokio::test]
async fn a_row_whose_columns_and_bytes_disagree_is_corrupt() {
    let damages = [
        ("subject = 'bob'", "another subject"),
        ("subject = NULL", "no subject"),
        ("data = INSERT(data, 60, 1, 'x')", "a damaged byte"),
        ("data = LEFT(data, 50)", "a tail that is missing"),
        ("expires_at = -1", "no point in time"),
    ];
    for (damage, what) in damages {
        let (store, table) = fresh().await;
        let key = fresh_key();
        let ann = Subject::new("ann").unwrap();
        let stored = Record { subject: Some(ann.clone()), ..record(1, 99) };
        store.create(&key, &stored).await.unwrap();
        run(&format!("UPDATE {table} SET {damage}")).await;
        assert_eq!(store.load(&key).await.unwrap_err().kind(), Corrupt, "{what}");
        assert_eq!(store.acquire(&key, &claim(1)).await.unwrap_err().kind(), Corrupt, "{what}");
        assert_eq!(store.create(&key, &stored).await.unwrap_err().kind(), Exists, "{what}");
        assert_eq!(store.list(&ann).await.unwrap(), [], "{what}");
    }
}

#[tokio::test]
async fn a_row_that_begins_with_another_key_is_changed_by_nothing() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 99)).await.unwrap();
    run(&format!("UPDATE {table} SET data = INSERT(data, 4, 1, 'x')")).await;
    let seen = format!(
        "SELECT CAST(CRC32(CONCAT_WS('-', revision, expires_at, lease, lease_until, data)) AS SIGNED) FROM {table}"
    );
    let before = number(&seen).await;
    let replaced = store.replace(&key, &record(2, 100), record(1, 99).revision).await;
    assert!(matches!(replaced.unwrap_err().kind(), Conflict | Corrupt));
    assert!(!store.touch(&key, Timestamp::from_millis(1), Timestamp::from_millis(100)).await.unwrap());
    assert_eq!(store.acquire(&key, &claim(1)).await.unwrap_err().kind(), Corrupt);
    assert_eq!(number(&seen).await, before);
}

#[tokio::test]
async fn a_touch_and_a_takeover_change_columns_and_no_bytes() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 99)).await.unwrap();
    let bytes = format!("SELECT CAST(CRC32(data) AS SIGNED) FROM {table}");
    let before = number(&bytes).await;
    assert!(store.touch(&key, Timestamp::from_millis(98), Timestamp::from_millis(500)).await.unwrap());
    store.acquire(&key, &claim(1)).await.unwrap();
    run(&format!("UPDATE {table} SET lease_until = 1")).await;
    store.acquire(&key, &claim(2)).await.unwrap();
    assert_eq!(number(&bytes).await, before);
    assert_eq!(number(&format!("SELECT expires_at FROM {table}")).await, 500);
    assert_eq!(number(&format!("SELECT revision FROM {table}")).await, 1_000);
    assert_eq!(store.load(&key).await.unwrap(), Some(record(1_000, 500)));
}
