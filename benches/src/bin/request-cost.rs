//! What a session adds to the time of a request, on the memory store and through an axum router, on one thread.
//!
//! `cargo run --release -p cloakroom-benches --bin request-cost`
//!
//! Every round sends a batch of each kind, one after the other, so that whatever else the machine does hits all of them
//! alike; the middle one of all rounds' batches is printed.

use std::time::{Duration, Instant};

use cloakroom::Settings;
use cloakroom_benches::requests::{Bench, Kind};

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let signed = || {
        let secret_key = Some(KEY.parse().expect("a key"));
        Settings::new().secret_key(secret_key)
    };
    let mut subjects = Vec::new();
    for (name, kind, settings) in [
        ("a layer with one Arc", Kind::Bare, Settings::default()),
        ("untouched", Kind::Untouched, Settings::default()),
        ("untouched, signed", Kind::Untouched, signed()),
        ("read", Kind::Read, Settings::default()),
        ("read, signed", Kind::Read, signed()),
        ("write", Kind::Write, Settings::default()),
        ("write, signed", Kind::Write, signed()),
    ] {
        subjects.push((name, Bench::new(kind, settings).await, Vec::new()));
    }
    for _ in 0..ROUNDS {
        for (_, bench, times) in &mut subjects {
            times.push(batch(bench).await);
        }
    }
    let mut bare = None;
    for (name, _, mut times) in subjects {
        times.sort_unstable();
        let median = times[times.len() / 2].as_nanos() / u128::from(BATCH);
        let more = median.saturating_sub(*bare.get_or_insert(median));
        println!("{name:<22} {median:>6} ns a request, {more:>5} ns more");
    }
}

async fn batch(bench: &Bench) -> Duration {
    let requests: Vec<_> = (0..BATCH).map(|_| bench.request()).collect();
    let mut responses = Vec::with_capacity(requests.len());
    let started = Instant::now();
    for request in requests {
        responses.push(bench.send(request).await);
    }
    let elapsed = started.elapsed();
    assert!(responses.iter().all(|response| response.status() == 200));
    elapsed
}

const ROUNDS: usize = 401;
const BATCH: u32 = 500;
/// Of no site.
const KEY: &str = "oM75Mq+QVMHV//AFqCQAhSFGsD7I5QEieDNqWFnQKaQ=";
