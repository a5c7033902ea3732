//! Several processes, several stores, and a pool of the application's.

use std::process::Command;
use std::time::Duration;
use std::{env, process};

use cloakroom_sqlx::SqliteStore;
use cloakroom_store::ErrorKind::Conflict;
use cloakroom_store::{Acquired, LeaseId, Leases, Record, Revision, Scan, Store, Subject, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::support::{claim, drop_after, fresh_key, record, until};
use crate::{beside, fresh, path, run};

#[tokio::test(flavor = "multi_thread")]
async fn eight_who_make_the_file_at_the_same_time_use_one_table() {
    for _ in 0..10 {
        let (path, _folder) = path();
        let mut instances = Vec::new();
        for _ in 0..8 {
            let path = path.clone();
            instances.push(tokio::spawn(async move {
                let store = SqliteStore::open(path).await.unwrap();
                store.migrate().await.unwrap();
                store.create(&fresh_key(), &record(1, 1)).await.unwrap();
                store
            }));
        }
        let mut stores = Vec::new();
        for instance in instances {
            stores.push(instance.await.unwrap());
        }
        assert_eq!(Scan::count(&stores[0]).await.unwrap(), 8);
    }
}

/// The test runs itself as the second process.
#[tokio::test(flavor = "multi_thread")]
async fn no_update_of_two_processes_is_lost() {
    const FILE: &str = "CLOAKROOM_TEST_SHARED_FILE";
    let key = cloakroom_store::Key::new([9; 32]);
    if let Some(path) = env::var_os(FILE) {
        count_up(&SqliteStore::open(path).await.unwrap(), &key).await;
        return;
    }
    let (store, path, _folder) = fresh().await;
    store.create(&key, &numbered(0, 0)).await.unwrap();
    let mut other = Command::new(env::current_exe().unwrap())
        .args(["--exact", "sharing::no_update_of_two_processes_is_lost"])
        .env(FILE, &path)
        .spawn()
        .unwrap();
    count_up(&store, &key).await;
    assert!(other.wait().unwrap().success());
    assert_eq!(number(&store.load(&key).await.unwrap().unwrap()), 2 * TIMES);
}

const TIMES: u64 = 300;

async fn count_up(store: &SqliteStore, key: &cloakroom_store::Key) {
    let mut revision = u64::from(process::id()) << 32;
    for _ in 0..TIMES {
        loop {
            let seen = store.load(key).await.unwrap().unwrap();
            revision += 1;
            match store.replace(key, &numbered(revision, number(&seen) + 1), seen.revision).await {
                Ok(()) => break,
                Err(error) => assert_eq!(error.kind(), Conflict, "{error:?}"),
            }
        }
    }
}

fn numbered(revision: u64, number: u64) -> Record {
    Record { data: number.to_le_bytes().as_slice().into(), ..record(revision, 1) }
}

fn number(record: &Record) -> u64 {
    u64::from_le_bytes((&*record.data).try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_of_a_pool_is_enough_for_every_call_and_for_waiting() {
    let (path, _folder) = path();
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let store = SqliteStore::builder().pool(pool.clone()).unwrap();
    store.migrate().await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 9)).await.unwrap();
    assert_eq!(store.acquire(&key, &claim(1)).await.unwrap(), Acquired::Held(record(1, 9)));
    let release = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(store.release(&key, LeaseId::new(1)).await.unwrap());
    };
    let (waited, ()) = tokio::join!(store.wait(&key, Duration::from_secs(3600)), release);
    waited.unwrap();
    assert_eq!(store.purge(Timestamp::MAX, 10).await.unwrap(), 1);
}

#[tokio::test]
async fn four_who_purge_at_once_count_each_record_once() {
    let (store, path, _folder) = fresh().await;
    let others = [SqliteStore::open(&path).await.unwrap(), SqliteStore::open(&path).await.unwrap()];
    let insert = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 5000) \
        INSERT INTO cloakroom_sessions (key, revision, expires_at, data) \
        SELECT randomblob(32), 1, n, x'' FROM numbers";
    run(&mut beside(&path).await, insert).await;
    let cutoff = Timestamp::from_millis(4_001);
    let (a, b, c, d) = tokio::join!(
        store.purge(cutoff, 2_500),
        others[0].purge(cutoff, 2_500),
        others[1].purge(cutoff, 2_500),
        store.purge(cutoff, 2_500),
    );
    let [a, b, c, d] = [a, b, c, d].map(Result::unwrap);
    assert_eq!(a + b + c + d, 4_000);
    assert_eq!(Scan::count(&store).await.unwrap(), 1_000);
}

#[tokio::test]
async fn a_transaction_that_somebody_left_open_is_ended_before_a_call() {
    let (own, path, _folder) = fresh().await;
    let options = SqliteConnectOptions::new().filename(&path);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let store = SqliteStore::builder().pool(pool.clone()).unwrap();
    sqlx::raw_sql("BEGIN").execute(&pool).await.unwrap();
    let key = fresh_key();
    store.create(&key, &record(1, 9)).await.unwrap();
    assert_eq!(own.load(&key).await.unwrap(), Some(record(1, 9)));
}

/// The driver rolls back by itself what nobody waits for any more.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_in_no_transaction_that_the_application_dropped() {
    let (own, path, _folder) = fresh().await;
    for polls in (0..4).cycle().take(40) {
        let options = SqliteConnectOptions::new().filename(&path);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let store = SqliteStore::builder().pool(pool.clone()).unwrap();
        drop_after(polls, Box::pin(async { drop(pool.begin().await.unwrap()) })).await;
        let key = fresh_key();
        store.create(&key, &record(1, 9)).await.unwrap();
        assert_eq!(own.load(&key).await.unwrap(), Some(record(1, 9)), "{polls} polls");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_leaves_no_transaction_open() {
    let (store, path, _folder) = fresh().await;
    let subject = Subject::new("ann").unwrap();
    for call in 0..4 {
        for polls in 1..40 {
            let key = fresh_key();
            let record = Record { subject: Some(subject.clone()), ..record(1, 9) };
            store.create(&key, &record).await.unwrap();
            let call: cloakroom_store::BoxFuture<'_, ()> = match call {
                0 => Box::pin(async { drop(store.replace(&key, &record, Revision::new(1)).await) }),
                1 => Box::pin(async { drop(store.delete(&key).await) }),
                2 => Box::pin(async { drop(store.acquire(&key, &claim(1)).await) }),
                _ => Box::pin(async { drop(store.purge(Timestamp::MAX, 2).await) }),
            };
            if drop_after(polls, call).await {
                break;
            }
        }
    }
    // Only without any other transaction is everything moved out of the log, and the log cut off.
    let mut connection = beside(&path).await;
    until("nobody holds the file", async || {
        let busy = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await;
        busy.unwrap_or(1) == 0
    })
    .await;
}
