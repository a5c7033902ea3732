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
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom::stores::MemoryStore;
use cloakroom_benches::{allocated_bytes, allocations};
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

    loads_beside(&store, "nothing", || thread::sleep(Duration::from_secs(1)));
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
        creates.measure(|| now(store.create(&key(number), &record(number, EXPIRED))).expect("room"));
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
            now(store.create(&key(number), &record(number, EXPIRED))).expect("room");
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
    loads_beside(store, &format!("a sweep in batches of {limit}"), || {
        while purges.measure(|| now(store.purge(CUTOFF, limit)).expect("a purge")) == limit {}
    });
    println!("  swept {SWEPT} sessions in {:.2?}", started.elapsed());
    purges
}

/// Prints how long loads of live sessions take on another thread while `work` runs.
fn loads_beside(store: &MemoryStore, what: &str, work: impl FnOnce()) {
    let done = AtomicBool::new(false);
    let loads = thread::scope(|scope| {
        let loads = scope.spawn(|| {
            let mut loads = Times::default();
            for number in (SWEPT..MILLION).cycle() {
                let key = key(number);
                assert!(loads.measure(|| now(store.load(&key))).expect("a load").is_some());
                if done.load(Relaxed) {
                    break;
                }
            }
            loads
        });
        work();
        done.store(true, Relaxed);
        loads.join().expect("the loads")
    });
    loads.print(&format!("load beside {what}"));
}

/// Makes the first nine tenths expired and the rest alive, whatever is there.
fn refill(store: &MemoryStore) {
    for number in 0..MILLION {
        let _ = now(store.delete(&key(number)));
        let expires_at = if number < SWEPT { EXPIRED } else { Timestamp::MAX };
        now(store.create(&key(number), &record(number, expires_at))).expect("room");
    }
}

/// A hundred bytes, in an allocation of their own as the engine makes them.
fn record(number: u64, expires_at: Timestamp) -> Record {
    // Expiries as they come: one after the other, many within a second.
    let expires_at = if expires_at == EXPIRED { Timestamp::from_millis(number / 10) } else { expires_at };
    Record { revision: Revision::new(number), expires_at, subject: None, data: [7; 100].as_slice().into() }
}

/// A key as mixed as a hash, by splitmix64.
fn key(number: u64) -> Key {
    let mut bytes = [0; Key::LEN];
    let mut state = number.wrapping_mul(4);
    for chunk in bytes.chunks_exact_mut(8) {
        state = state.wrapping_add(1);
        let mixed = state.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
    }
    Key::new(bytes)
}

fn now<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("the memory store never waits"),
    }
}

/// How long each of many calls took.
#[derive(Default)]
struct Times(Vec<u32>);

impl Times {
    fn measure<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let answer = call();
        self.0.push(u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX));
        answer
    }

    /// Keeps the lesser time of each call, of two rounds of the same calls.
    fn keep_least(&mut self, round: Self) {
        if self.0.is_empty() {
            return *self = round;
        }
        assert_eq!(self.0.len(), round.0.len(), "rounds of the same calls");
        self.0.iter_mut().zip(round.0).for_each(|(least, time)| *least = time.min(*least));
    }

    fn longest(&self) -> Duration {
        Duration::from_nanos(self.0.iter().copied().max().unwrap_or(0).into())
    }

    fn print(&self, what: &str) {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |share: f64| {
            let time = sorted[((sorted.len() - 1) as f64 * share) as usize];
            Duration::from_nanos(time.into())
        };
        println!(
            "{what}: {} calls, median {:.1?}, 99 % {:.1?}, 99.9 % {:.1?}, 99.99 % {:.1?}, longest {:.1?}",
            sorted.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(0.9999),
            at(1.0)
        );
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
