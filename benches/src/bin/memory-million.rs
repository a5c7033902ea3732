//! What a million sessions of 100 bytes cost in the memory store, and how long a sweep over them holds a lock.
//!
//! `cargo run --release -p cloakroom-benches --bin memory-million`
//!
//! The store tells nobody how long it holds its locks, so that is bounded from outside: a purge of 32 holds
//! the lock of a shard for one piece of work at a time, and the whole call takes longer than any of them. Each
//! round of the sweep does the same work in the same calls, so the least time of each call over some rounds is
//! free of what else the machine took the processor away for; the longest of these is the bound. What requests
//! feel is measured by loads that run meanwhile; their longest times do include the machine's other business.

use std::fs;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom::stores::MemoryStore;
use cloakroom_benches::{Times, allocated_bytes, allocations, key, loads_beside};
use cloakroom_store::{Key, Record, Revision, Store, Timestamp};

fn main() {
    let store = MemoryStore::new();
    let worst = fill(&store);
    println!("worst: {worst} bytes per session, bound {BOUND}\n");
    assert!(worst <= BOUND);

    let before = allocations();
    for number in 0..MILLION {
        assert!(now(store.load(&key(number))).expect("a load").is_some());
    }
    assert_eq!(allocations(), before, "a load allocates nothing");

    loads_beside(SWEPT..MILLION, load(&store), "nothing", || thread::sleep(Duration::from_secs(1)));
    let mut least = Times::default();
    for _ in 0..5 {
        least.keep_least(sweep(&store, 32));
    }
    least.print("purge of 32, the least time of each call");
    println!("=> no lock is held longer than {:.1?}", least.longest());
    sweep(&store, 1000).print("purge of 1000");

    drop(store);
    let (store, mut creates) = (MemoryStore::new(), Times::default());
    for number in 0..MILLION {
        creates.measure(|| {
            now(store.create(&key(number), &record(number, EXPIRED), Timestamp::from_millis(0)))
                .expect("room")
        });
    }
    creates.print("create, growth of the tables included");
}

/// Fills the store in steps and answers the most bytes that a session took at any of them. Tables double, so a
/// store that has just grown is the worst: with its thousand shards, that is between 900,000 and a million.
fn fill(store: &MemoryStore) -> usize {
    println!("sessions    allocated  resident   bytes each");
    let (allocated, resident) = (allocated_bytes(), resident_bytes());
    let (mut filled, mut worst) = (0, 0);
    for size in [250_000, 500_000, 850_000, 900_000, 925_000, 950_000, 975_000, MILLION] {
        for number in filled..size {
            now(store.create(&key(number), &record(number, EXPIRED), Timestamp::from_millis(0)))
                .expect("room");
        }
        filled = size;
        let allocated = (allocated_bytes() - allocated) / size as usize;
        let resident = resident_bytes().saturating_sub(resident) / size as usize;
        println!("{size:<10}  {allocated:<9}  {resident}");
        worst = worst.max(allocated).max(resident);
    }
    worst
}

/// Sweeps nine tenths of a million sessions while loads run beside it; answers how long each purge took.
fn sweep(store: &MemoryStore, limit: usize) -> Times {
    refill(store);
    let mut purges = Times::default();
    let started = Instant::now();
    loads_beside(SWEPT..MILLION, load(store), &format!("a sweep in batches of {limit}"), || {
        while purges.measure(|| now(store.purge(CUTOFF, limit)).expect("a purge")) == limit {}
    });
    println!("  swept {SWEPT} sessions in {:.2?}", started.elapsed());
    purges
}

/// A load of a live session.
fn load(store: &MemoryStore) -> impl FnMut(&Key) -> bool + Send {
    |key| now(store.load(key)).expect("a load").is_some()
}

/// Makes the first nine tenths expired and the rest alive, whatever is there.
fn refill(store: &MemoryStore) {
    for number in 0..MILLION {
        let _ = now(store.delete(&key(number)));
        let expires_at = if number < SWEPT { EXPIRED } else { Timestamp::MAX };
        now(store.create(&key(number), &record(number, expires_at), Timestamp::from_millis(0)))
            .expect("room");
    }
}

/// A hundred bytes, in an allocation of their own as the engine makes them.
fn record(number: u64, expires_at: Timestamp) -> Record {
    // Expiries as they come: one after the other, many within a second.
    let expires_at = if expires_at == EXPIRED { Timestamp::from_millis(number / 10) } else { expires_at };
    Record::new(Revision::new(number), expires_at, [7; 100].as_slice())
}

fn now<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("the memory store never waits"),
    }
}

/// As Linux tells it; 0 elsewhere.
fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or(0) * 1024
}

const MILLION: u64 = 1_000_000;
const SWEPT: u64 = 900_000;
const BOUND: usize = 450;
const EXPIRED: Timestamp = Timestamp::from_millis(0);
const CUTOFF: Timestamp = Timestamp::from_millis(MILLION);
