//! What callers are told when something fails.

use std::time::Duration;

use cloakroom_sqlx::SqliteStore;
use cloakroom_store::ErrorKind::{Corrupt, Full, TooLarge, Unavailable};
use cloakroom_store::{Applied, Leases, Record, Revision, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::support::{claim, fresh_key, record};
use crate::{beside, fresh, run};

#[tokio::test]
async fn a_write_waits_for_another_process_and_is_not_applied_if_that_takes_too_long() {
    let (store, path, _folder) = fresh().await;
    let hasty = SqliteStore::builder().deadline(Duration::from_secs(2)).open(&path).await.unwrap();
    let mut other = beside(&path).await;
    run(&mut other, "BEGIN IMMEDIATE").await;
    let key = fresh_key();
    let refused = hasty.create(&key, &record(1, 1)).await.unwrap_err();
    assert_eq!(refused.kind(), Unavailable(Applied::No), "{refused:?}");
    assert_eq!(hasty.load(&key).await.unwrap(), None, "readers wait for nobody");

    let end = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        run(&mut other, "COMMIT").await;
    };
    let patient_record = record(2, 1);
    let (created, ()) = tokio::join!(store.create(&key, &patient_record), end);
    created.unwrap();
    assert_eq!(hasty.load(&key).await.unwrap(), Some(record(2, 1)));
}

#[tokio::test]
async fn a_file_that_may_not_grow_is_full_and_keeps_what_it_has() {
    let (_, path, _folder) = fresh().await;
    let options = SqliteConnectOptions::new().filename(&path).pragma("max_page_count", "20");
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let store = SqliteStore::builder().pool(pool).unwrap();
    let large = |revision| Record { data: vec![7; 10_000].into(), ..record(revision, 1) };
    let mut kept = Vec::new();
    let error = loop {
        let key = fresh_key();
        match store.create(&key, &large(1)).await {
            Ok(()) => kept.push(key),
            Err(error) => break error,
        }
        assert!(kept.len() < 10);
    };
    assert_eq!(error.kind(), Full, "{error:?}");
    assert!(kept.len() >= 2);
    for key in &kept {
        assert_eq!(store.load(key).await.unwrap(), Some(large(1)));
        assert!(store.delete(key).await.unwrap());
    }
    store.create(&kept[0], &large(2)).await.unwrap();
}

#[tokio::test]
async fn a_record_of_more_than_the_limit_is_too_large_and_changes_nothing() {
    let (store, _path, _folder) = fresh().await;
    let key = fresh_key();
    let most = Record { data: vec![7; SqliteStore::MAX_DATA_LEN].into(), ..record(1, 1) };
    store.create(&key, &most).await.unwrap();
    let more = Record { data: vec![7; SqliteStore::MAX_DATA_LEN + 1].into(), ..record(2, 1) };
    assert_eq!(store.replace(&key, &more, Revision::new(1)).await.unwrap_err().kind(), TooLarge);
    assert_eq!(store.load(&key).await.unwrap(), Some(most));
}

#[tokio::test]
async fn a_row_whose_subject_is_not_the_records_is_corrupt_and_is_purged_when_it_expires() {
    let (store, path, _folder) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    run(&mut beside(&path).await, "UPDATE cloakroom_sessions SET subject = x'61'").await;
    assert_eq!(store.load(&key).await.unwrap_err().kind(), cloakroom_store::ErrorKind::Corrupt);
    assert_eq!(store.purge(cloakroom_store::Timestamp::from_millis(2), 1).await.unwrap(), 1);
    assert_eq!(store.load(&key).await.unwrap(), None);
}

#[tokio::test]
async fn errors_and_debug_show_nothing_that_is_stored() {
    let (store, path, _folder) = fresh().await;
    let key = fresh_key();
    run(
        &mut beside(&path).await,
        "CREATE TRIGGER no BEFORE INSERT ON cloakroom_sessions BEGIN SELECT raise(ABORT, 'no'); END",
    )
    .await;
    let error = store.create(&key, &record(1, 1)).await.unwrap_err();
    let text = format!("{error:?} {error} {store:?}");
    assert!(text.contains("no (1811)") && !text.contains("0707") && !text.contains("data:"), "{text}");
}

/// Whoever asks for it next is told the same, and waits for nobody.
#[tokio::test]
async fn a_damaged_record_keeps_no_lease() {
    let (store, path, _folder) = fresh().await;
    let mut beside = beside(&path).await;
    let key = fresh_key();
    store.create(&key, &record(1, 1)).await.unwrap();
    run(&mut beside, "UPDATE cloakroom_sessions SET data = CAST(data || 'x' AS BLOB)").await;
    for holder in 1..3 {
        assert_eq!(store.acquire(&key, &claim(holder)).await.unwrap_err().kind(), Corrupt);
        let held = sqlx::query_scalar("SELECT count(*) FROM cloakroom_sessions WHERE lease IS NOT NULL");
        let held: i64 = held.fetch_one(&mut beside).await.unwrap();
        assert_eq!(held, 0);
    }
}
