//! The store beside bare redb operations, in one run on one disk:
//! `cargo run --release -p cloakroom-redb --example compare [folder]`.
//!
//! Prints for each operation its rate, and the median and 99th percentile of one call. Each caller is a
//! thread. "bare" is what redb does for a single table of the same bytes, each put in a synced transaction of its own.

#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

use std::thread;
use std::time::{Duration, Instant};

use cloakroom_redb::RedbStore;
use cloakroom_store::conformance::block_on as run;
use cloakroom_store::{Key, Record, Revision, Store, Timestamp, encode};
use redb::{Database, ReadableDatabase, TableDefinition};

fn main() {
    let folder = match std::env::args().nth(1) {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let folder = folder.expect("a folder to write in");
    let ours = RedbStore::open(folder.path().join("ours.redb")).expect("a store");
    let bare = Database::create(folder.path().join("bare.redb")).expect("a database");
    time(512, KEPT, |n| run(ours.create(&key(n), &record(1), Timestamp::from_millis(0))).expect("created"));
    fill(&bare);

    println!("{KEPT} sessions of {DATA_LEN} bytes");
    println!("{:20}{:>8}{:>12}{:>12}{:>12}", "", "callers", "a second", "median µs", "p99 µs");
    for (callers, revision) in [(1, 1), (64, 2)] {
        let fresh = |n| key(KEPT * callers + n);
        let any = |n| key(n * 7_919 % KEPT);
        report("bare put, new", callers, WRITES, |n| put(&bare, &fresh(n), 1));
        report("create", callers, WRITES, |n| {
            run(ours.create(&fresh(n), &record(1), Timestamp::from_millis(0))).expect("created")
        });
        report("bare put, again", callers, WRITES, |n| put(&bare, &any(n), revision + 1));
        report("replace", callers, WRITES, |n| {
            run(ours.replace(
                &any(n),
                &record(revision + 1),
                Revision::new(revision),
                Timestamp::from_millis(0),
            ))
            .expect("replaced");
        });
        report("touch", callers, WRITES, |n| {
            let until = Timestamp::from_millis(EXPIRES + callers);
            assert!(run(ours.touch(&any(n), Timestamp::default(), until)).expect("touched"));
        });
        report("bare get", callers, READS, |n| assert!(get(&bare, &any(n)) > DATA_LEN));
        report("load", callers, READS, |n| assert!(run(ours.load(&any(n))).expect("read").is_some()));
    }
}

fn report(name: &str, callers: u64, calls: u64, call: impl Fn(u64) + Sync) {
    let (total, mut each) = time(callers, calls, call);
    each.sort_unstable();
    let rate = calls as f64 / total.as_secs_f64();
    let micros = |share: f64| each[(each.len() as f64 * share) as usize].as_secs_f64() * 1e6;
    println!("{name:20}{callers:8}{rate:12.0}{:12.1}{:12.1}", micros(0.5), micros(0.99));
}

/// Makes the calls `0..calls`, spread over this many threads; how long all took, and each.
fn time(callers: u64, calls: u64, call: impl Fn(u64) + Sync) -> (Duration, Vec<Duration>) {
    let call = &call;
    let begin = Instant::now();
    let each = thread::scope(|scope| {
        let caller = |caller| {
            let mine = (caller..calls).step_by(callers as usize);
            scope.spawn(move || mine.map(|n| timed(|| call(n))).collect::<Vec<_>>())
        };
        let callers: Vec<_> = (0..callers).map(caller).collect();
        callers.into_iter().flat_map(|caller| caller.join().expect("no panic")).collect()
    });
    (begin.elapsed(), each)
}

fn timed(call: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    call();
    begin.elapsed()
}

fn fill(bare: &Database) {
    let transaction = bare.begin_write().expect("a transaction");
    let mut table = transaction.open_table(BARE).expect("a table");
    for n in 0..KEPT {
        table.insert(key(n).as_bytes(), encode(&key(n), &record(1)).as_slice()).expect("inserted");
    }
    drop(table);
    transaction.commit().expect("committed");
}

fn put(bare: &Database, key: &Key, revision: u64) {
    let transaction = bare.begin_write().expect("a transaction");
    let row = encode(key, &record(revision));
    transaction.open_table(BARE).expect("a table").insert(key.as_bytes(), row.as_slice()).expect("inserted");
    transaction.commit().expect("committed");
}

fn get(bare: &Database, key: &Key) -> usize {
    let table = bare.begin_read().expect("a transaction").open_table(BARE).expect("a table");
    table.get(key.as_bytes()).expect("read").expect("there").value().len()
}

/// Keys are hashes: neighbours in time are not neighbours in the file.
fn key(number: u64) -> Key {
    let mut bytes = [0; Key::LEN];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Key::new(bytes)
}

fn record(revision: u64) -> Record {
    Record::new(Revision::new(revision), Timestamp::from_millis(EXPIRES), vec![revision as u8; DATA_LEN])
}

const BARE: TableDefinition<'_, &[u8; Key::LEN], &[u8]> = TableDefinition::new("bare");
const DATA_LEN: usize = 200;
const KEPT: u64 = 100_000;
const WRITES: u64 = 4_000;
const READS: u64 = 100_000;
const EXPIRES: u64 = 1_900_000_000_000;
