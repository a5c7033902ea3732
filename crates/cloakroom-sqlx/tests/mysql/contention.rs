//! Many at once: purges, writers, and whoever holds locks of their own.

use std::sync::Arc;

use cloakroom_sqlx::MySqlStore;
use cloakroom_store::ErrorKind::{Conflict, Missing};
use cloakroom_store::{Key, Leases, Record, Revision, Scan, Store, Subject, Subjects, Timestamp};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

use crate::support::{claim, fresh_key, record};
use crate::{fresh, run, url};

#[tokio::test(flavor = "multi_thread")]
async fn four_who_purge_at_once_count_each_record_once() {
    let (store, table) = fresh().await;
    fill(&table, 5_000).await;
    let cutoff = Timestamp::from_millis(4_001);
    let purge = || async {
        let mut removed = 0;
        loop {
            let step = store.purge(cutoff, 700).await.unwrap();
            removed += step;
            if step < 700 {
                return removed;
            }
        }
    };
    let (a, b, c, d) = tokio::join!(purge(), purge(), purge(), purge());
    assert_eq!(a + b + c + d, 4_000);
    assert_eq!(Scan::count(&store).await.unwrap(), 1_000);
}

/// Somebody holds every record that is alive, and every place beside one in the index over the expiry.
#[tokio::test]
async fn a_purge_waits_for_nothing_that_is_alive() {
    let (store, table) = fresh().await;
    fill(&table, 1_000).await;
    let mut other = MySqlConnection::connect(url()).await.unwrap();
    let hold = format!("SELECT * FROM {table} FORCE INDEX (expires_at) WHERE expires_at >= 900 FOR UPDATE");
    other.execute("START TRANSACTION").await.unwrap();
    other.execute(AssertSqlSafe(hold)).await.unwrap();
    assert_eq!(store.purge(Timestamp::from_millis(900), 10_000).await.unwrap(), 899);
    other.execute("ROLLBACK").await.unwrap();
}

/// Somebody holds the records of everybody else.
#[tokio::test]
async fn ending_somebodys_sessions_waits_for_nobody_elses() {
    let (store, table) = fresh().await;
    fill(&table, 300).await;
    run(&format!("UPDATE {table} SET subject = 'ann' WHERE expires_at < 200")).await;
    run(&format!("UPDATE {table} SET subject = 'bob' WHERE expires_at > 250")).await;
    let mut other = MySqlConnection::connect(url()).await.unwrap();
    let hold = format!("SELECT * FROM {table} FORCE INDEX (expires_at) WHERE expires_at >= 200 FOR UPDATE");
    other.execute("START TRANSACTION").await.unwrap();
    other.execute(AssertSqlSafe(hold)).await.unwrap();
    assert_eq!(store.end_all(&ann(), None).await.unwrap(), 199);
    other.execute("ROLLBACK").await.unwrap();
}

/// What locks rows in one order and places in an index in another sooner or later meets somebody who does it the other way
/// round: the database then ends one of the two.
#[tokio::test(flavor = "multi_thread")]
async fn no_two_calls_wait_for_each_other() {
    let (store, _) = fresh().await;
    let store = Arc::new(store);
    for _ in 0..40 {
        let keys: Vec<_> = (0..4).map(|_| fresh_key()).collect();
        for key in &keys {
            store.create(key, &anns(1, 5)).await.unwrap();
        }
        let tasks = (0..8).map(|task| tokio::spawn(meddle(Arc::clone(&store), keys.clone(), task)));
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
    }
}

async fn meddle(store: Arc<MySqlStore>, keys: Vec<Key>, task: usize) -> cloakroom_store::Result<()> {
    for round in 0..16 {
        let key = keys[(task + round) % keys.len()];
        match (task + round / 3) % 8 {
            0 => _ = store.purge(Timestamp::from_millis(6), 100).await?,
            1 => _ = store.end_all(&ann(), Some(&key)).await?,
            2 | 3 => _ = store.touch(&key, Timestamp::from_millis(1), Timestamp::from_millis(8)).await?,
            4 => expected(store.replace(&key, &anns(2, 7), Revision::new(1)).await)?,
            5 => expected(store.replace(&key, &anns(1, 5), Revision::new(2)).await)?,
            6 => _ = store.acquire(&key, &claim(task as u64)).await?,
            _ => _ = store.delete(&key).await?,
        }
    }
    Ok(())
}

fn ann() -> Subject {
    Subject::new("ann").unwrap()
}

fn anns(revision: u64, expires_at: u64) -> Record {
    Record { subject: Some(ann()), ..record(revision, expires_at) }
}

fn expected(done: cloakroom_store::Result<()>) -> cloakroom_store::Result<()> {
    done.or_else(|error| if matches!(error.kind(), Conflict | Missing) { Ok(()) } else { Err(error) })
}

#[tokio::test]
async fn ending_more_sessions_than_one_statement_takes_ends_them_all() {
    let (store, table) = fresh().await;
    fill(&table, 250).await;
    run(&format!("UPDATE {table} SET subject = 'ann'")).await;
    let key = fresh_key();
    store.create(&key, &anns(1, 9)).await.unwrap();
    assert_eq!(store.end_all(&ann(), Some(&key)).await.unwrap(), 250);
    assert_eq!(store.list(&ann()).await.unwrap(), [(key, anns(1, 9))]);
}

#[tokio::test]
async fn a_purge_of_more_than_one_statement_takes_removes_them_all() {
    let (store, table): (MySqlStore, _) = fresh().await;
    fill(&table, 350).await;
    // Many that expire in the same millisecond.
    run(&format!("UPDATE {table} SET expires_at = 5 WHERE expires_at < 300")).await;
    assert_eq!(store.purge(Timestamp::from_millis(5), 1_000).await.unwrap(), 0);
    assert_eq!(store.purge(Timestamp::from_millis(6), 150).await.unwrap(), 150);
    assert_eq!(store.purge(Timestamp::from_millis(6), 1_000).await.unwrap(), 149);
    assert_eq!(Scan::count(&store).await.unwrap(), 51);
}

/// So many rows, the n-th of which expires at n.
async fn fill(table: &str, rows: u64) {
    run(&format!(
        "INSERT INTO {table} (`key`, revision, expires_at, data) \
         SELECT UNHEX(SHA2(seq, 256)), 1, seq, '' FROM seq_1_to_{rows}"
    ))
    .await;
}
