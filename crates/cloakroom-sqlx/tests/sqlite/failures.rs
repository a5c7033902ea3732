//! What is particular to SQLite when something fails.

use std::time::Duration;

use cloakroom_store::ErrorKind::{Full, Refused, Unavailable};
use cloakroom_store::{Applied, Record, Revision, Store};
use sqlx::Executor;

use crate::dialect::PoolOptions;
use crate::shared::{at, fresh, fresh_key, record};

#[tokio::test]
async fn a_write_waits_for_another_process_and_is_not_applied_if_that_takes_too_long() {
    let (store, table) = fresh().await;
    let hasty = table.builder().deadline(Duration::from_secs(2));
    let hasty = table.database.open(hasty).await.unwrap();
    let mut other = table.connection().await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let key = fresh_key();
    let refused = hasty.create(&key, &record(1, 1), at(0)).await.unwrap_err();
    assert_eq!(refused.kind(), Unavailable(Applied::No), "{refused:?}");
    assert_eq!(hasty.load(&key).await.unwrap(), None, "readers do not wait");

    let end = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        other.execute("COMMIT").await.unwrap();
    };
    let patient_record = record(2, 1);
    let (created, ()) = tokio::join!(store.create(&key, &patient_record, at(0)), end);
    created.unwrap();
    assert_eq!(hasty.load(&key).await.unwrap(), Some(record(2, 1)));
}

#[tokio::test]
async fn a_file_that_may_not_grow_is_full_and_keeps_what_it_has() {
    let (_, table) = fresh().await;
    let options = table.database.options().pragma("max_page_count", "20");
    let pool = PoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let store = table.builder().pool(pool).unwrap();
    let large = |revision| Record::new(Revision::new(revision), at(1), vec![7; 10_000]);
    let mut kept = Vec::new();
    let error = loop {
        let key = fresh_key();
        match store.create(&key, &large(1), at(0)).await {
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
    store.create(&kept[0], &large(2), at(0)).await.unwrap();
}

#[tokio::test]
async fn an_error_shows_nothing_that_is_stored() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    table.run("CREATE TRIGGER no BEFORE INSERT ON {table} BEGIN SELECT raise(ABORT, 'no'); END").await;
    let error = store.create(&key, &record(1, 1), at(0)).await.unwrap_err();
    let text = format!("{error:?} {error} {store:?}");
    assert!(text.contains("no (1811)") && !text.contains("0707") && !text.contains("data:"), "{text}");
}

#[tokio::test]
async fn a_file_that_may_not_be_written_is_refused_until_it_may_be() {
    let (_, table) = fresh().await;
    let pool = |read_only| {
        let options = table.database.options().create_if_missing(false).read_only(read_only);
        PoolOptions::new().max_connections(1).connect_with(options)
    };
    let key = fresh_key();
    let reader = table.builder().pool(pool(true).await.unwrap()).unwrap();
    let refused = reader.create(&key, &record(1, 1), at(0)).await.unwrap_err();
    assert_eq!(refused.kind(), Refused, "{refused:?}");
    assert_eq!(reader.load(&key).await.unwrap(), None);
    let writer = table.builder().pool(pool(false).await.unwrap()).unwrap();
    writer.create(&key, &record(1, 1), at(0)).await.unwrap();
}
