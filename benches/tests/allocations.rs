//! How often a request allocates for its session, on the memory store. `-- --nocapture` prints the counts: with all of the
//! workspace's features, as when all tests run, they include those of `metrics`.

use std::time::Duration;

use cloakroom::Settings;
use cloakroom_benches::allocations;
use cloakroom_benches::requests::{Bench, Kind};

/// The allocations from the request's arrival to its response, both included.
fn count(kind: Kind) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let settings = Settings::new().sweep_interval(Duration::ZERO);
    runtime.block_on(async {
        let bench = Bench::new(kind, settings).await;
        for _ in 0..3 {
            assert_eq!(bench.send(bench.request()).await.status(), 200); // what is made once
        }
        let request = bench.request();
        let before = allocations();
        let response = bench.send(request).await;
        let count = allocations() - before;
        assert_eq!(response.status(), 200);
        count
    })
}

#[test]
fn a_request_that_does_not_use_its_session_allocates_the_handle_alone() {
    let (bare, untouched) = (count(Kind::Bare), count(Kind::Untouched));
    println!("bare {bare}, untouched {untouched}: {} more", untouched - bare);
    assert!(untouched <= bare + 1);
}

#[test]
fn a_read_allocates_eight_times_at_most() {
    let (bare, read) = (count(Kind::Bare), count(Kind::Read));
    println!("bare {bare}, read {read}: {} more", read - bare);
    assert!(read <= bare + 8);
}

#[test]
fn a_read_and_a_write_allocate_twenty_four_times_at_most() {
    let (bare, write) = (count(Kind::Bare), count(Kind::Write));
    println!("bare {bare}, write {write}: {} more", write - bare);
    assert!(write <= bare + 24);
}
