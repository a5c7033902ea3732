//! What a purge of a million expired rows does to a reader and a writer, on PostgreSQL and MariaDB.
//!
//! `cargo run --release -p cloakroom-benches --bin purge-million [ROWS]`
//!
//! ROWS is another number of them. Starts servers of its own, which do not wait for the disk, and takes some minutes. The reader and the writer go over sessions that are alive, for as long
//! with nothing beside them as with the purge, in turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloakroom_benches::{Times, key};
use cloakroom_sqlx::{MySqlStore, PostgresStore};
use cloakroom_store::{DynStore, Record, Revision, Timestamp};
use cloakroom_test_services::server;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let expired = std::env::args().nth(1).map_or(MILLION, |rows| rows.parse().expect("a number of rows"));
    runtime.expect("a runtime").block_on(async {
        let server = server::Postgres::start_with(&["-c", "synchronous_commit=off"]);
        let store = PostgresStore::connect(server.url()).await.expect("PostgreSQL");
        store.migrate().await.expect("a table");
        measure("PostgreSQL", Arc::new(store), expired).await;

        let options = ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=1G"];
        let server = server::MariaDb::start_with(&options);
        let store = MySqlStore::connect(server.url()).await.expect("MariaDB");
        store.migrate().await.expect("a table");
        measure("MariaDB", Arc::new(store), expired).await;
    });
}

async fn measure(name: &str, store: Arc<dyn DynStore>, expired: u64) {
    println!("{name}: {expired} expired rows among {LIVE}");
    fill(&store, 0..LIVE, ALIVE).await;
    for round in 1..=ROUNDS {
        let first = LIVE + round * expired;
        fill(&store, first..first + expired, GONE).await;
        // The database tidies up after so many inserts.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let mut batches = Times::default();
        let purge = async {
            loop {
                let began = Instant::now();
                let removed = Arc::clone(&store).purge(CUTOFF, BATCH).await.expect("a purge");
                batches.push(began.elapsed());
                if removed < BATCH {
                    break;
                }
            }
        };
        let began = Instant::now();
        beside(&store, &format!("round {round}, the purge"), purge).await;
        let took = began.elapsed();
        batches.print(&format!("  round {round}, purge of {BATCH}"));
        beside(&store, &format!("round {round}, nothing"), tokio::time::sleep(took)).await;
    }
}

/// A reader and a writer while `work` is done.
async fn beside(store: &Arc<dyn DynStore>, what: &str, work: impl Future<Output = ()>) {
    let done = Arc::new(AtomicBool::new(false));
    let [reader, writer] = [false, true].map(|writes| {
        let (store, done) = (Arc::clone(store), Arc::clone(&done));
        tokio::spawn(async move {
            let mut times = Times::default();
            for number in (0..LIVE).cycle() {
                let key = key(number.wrapping_mul(7919) % LIVE);
                let began = Instant::now();
                let seen = Arc::clone(&store).load(key).await.expect("a load").expect("a record");
                if writes {
                    let mut record = seen.clone();
                    record.revision = Revision::new(seen.revision.get() + 1);
                    Arc::clone(&store)
                        .replace(key, record, seen.revision, Timestamp::from_millis(0))
                        .await
                        .expect("a replace");
                }
                times.push(began.elapsed());
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
            times
        })
    });
    work.await;
    done.store(true, Ordering::Relaxed);
    reader.await.expect("the reader").print(&format!("  read beside {what}"));
    writer.await.expect("the writer").print(&format!("  write beside {what}"));
}

/// Creates these sessions, some at a time.
async fn fill(store: &Arc<dyn DynStore>, numbers: std::ops::Range<u64>, expires_at: Timestamp) {
    let chunk = (numbers.end - numbers.start).div_ceil(8);
    let tasks = numbers.clone().step_by(chunk as usize).map(|first| {
        let (store, end) = (Arc::clone(store), (first + chunk).min(numbers.end));
        tokio::spawn(async move {
            for number in first..end {
                let record = Record::new(Revision::new(number), expires_at, [b'x'; 200].as_slice());
                Arc::clone(&store)
                    .create(key(number), record, Timestamp::from_millis(0))
                    .await
                    .expect("a create");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("creates");
    }
}

const LIVE: u64 = 10_000;
const MILLION: u64 = 1_000_000;
const BATCH: usize = 1_000;
const ROUNDS: u64 = 1;
const GONE: Timestamp = Timestamp::from_millis(1_000_000_000_000);
const CUTOFF: Timestamp = Timestamp::from_millis(2_000_000_000_000);
const ALIVE: Timestamp = Timestamp::from_millis(4_000_000_000_000);
