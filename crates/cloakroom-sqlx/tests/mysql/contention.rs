//! Many at once: purges, writers, and transactions of others that hold locks.

use std::sync::Arc;

use cloakroom_sqlx::MySqlStore;
use cloakroom_store::ErrorKind::{Conflict, Missing};
use cloakroom_store::{Key, Leases, Revision, Store, Subjects};
use sqlx::{AssertSqlSafe, Executor, MySqlConnection};

use crate::dialect::FILL;
use crate::shared::{Table, ann, anns, at, claim, fresh, fresh_key};

/// Another transaction locks every live record, and every gap beside one in the index over the expiry.
#[tokio::test]
async fn a_purge_waits_for_no_live_record() {
    let (store, table) = fresh().await;
    table.run(&FILL.replace("{rows}", "1000")).await;
    let mut locks = lock_those_from(&table, 900).await;
    assert_eq!(store.purge(at(900), 10_000).await.unwrap(), 899);
    locks.execute("ROLLBACK").await.unwrap();
}

/// Another transaction locks the records of other users.
#[tokio::test]
async fn ending_a_users_sessions_waits_for_no_record_of_others() {
    let (store, table) = fresh().await;
    table.run(&FILL.replace("{rows}", "300")).await;
    table.run("UPDATE {table} SET subject = 'ann' WHERE expires_at < 200").await;
    table.run("UPDATE {table} SET subject = 'bob' WHERE expires_at > 250").await;
    let mut locks = lock_those_from(&table, 200).await;
    assert_eq!(store.end_all(&ann(), None).await.unwrap(), 199);
    locks.execute("ROLLBACK").await.unwrap();
}

async fn lock_those_from(table: &Table, expires_at: u64) -> MySqlConnection {
    let mut connection = table.connection().await;
    connection.execute("START TRANSACTION").await.unwrap();
    let lock =
        format!("SELECT * FROM {table} FORCE INDEX (expires_at) WHERE expires_at >= {expires_at} FOR UPDATE");
    connection.execute(AssertSqlSafe(lock)).await.unwrap();
    connection
}

/// A statement that locks rows in one order and entries of an index in another sooner or later meets a statement that does the
/// reverse: the database then ends one of the two.
#[tokio::test(flavor = "multi_thread")]
async fn no_two_calls_wait_for_each_other() {
    let (store, _table) = fresh().await;
    let store = Arc::new(store);
    for _ in 0..40 {
        let keys: Vec<_> = (0..4).map(|_| fresh_key()).collect();
        for key in &keys {
            store.create(key, &anns(1, 5), at(0)).await.unwrap();
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
            0 => _ = store.purge(at(6), 100).await?,
            1 => _ = store.end_all(&ann(), Some(&key)).await?,
            2 | 3 => _ = store.touch(&key, at(1), at(8)).await?,
            4 => expected(store.replace(&key, &anns(2, 7), Revision::new(1), at(0)).await)?,
            5 => expected(store.replace(&key, &anns(1, 5), Revision::new(2), at(0)).await)?,
            6 => _ = store.acquire(&key, &claim(task as u64)).await?,
            _ => _ = store.delete(&key).await?,
        }
    }
    Ok(())
}

fn expected(done: cloakroom_store::Result<()>) -> cloakroom_store::Result<()> {
    done.or_else(|error| if matches!(error.kind(), Conflict | Missing) { Ok(()) } else { Err(error) })
}
