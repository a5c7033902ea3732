//! A process is stopped while it has a session to itself: everything in it sleeps, the renewal of its lease too.

use std::time::{Duration, Instant};

use cloakroom_tests::{Browser, Response};
use tokio::task::JoinHandle;

use crate::servers::Shared;

/// Long enough that a busy machine renews it in time while nobody is stopped.
const LEASE: Duration = Duration::from_secs(2);
const SETTINGS: &str = "locking = 'explicit'\nlease_ttl = '2s'";
/// What a successor may need beyond the lease, its request included, on a machine that may be busy.
const EPSILON: Duration = Duration::from_secs(2);

/// Sends a request through a connection of its own, and does not wait for it.
fn visit(browser: &Browser, path: &str) -> JoinHandle<Response> {
    let (tab, path) = (browser.tab(), path.to_owned());
    tokio::spawn(async move { tab.get(&path).await })
}

/// L1, L2, L3, F7. Whichever way the sleeper saves: all of it, or only what it has not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "how long another process waits for what a third one has")]
async fn who_sleeps_through_its_lease_is_succeeded_and_changes_nothing_afterwards() {
    let shared = Shared::new("relaxed");
    let (mut sleeper, successor) = (shared.server(SETTINGS).await, shared.server(SETTINGS).await);
    for save in ["", "/save", "/unlock"] {
        let browser = sleeper.browser();
        browser.post("/set=n:1/set=m:1").await;
        let asleep = visit(&browser, &format!("/lock/get=n/a/set=n:100/set=m:100{save}"));
        sleeper.arrival("a").await;
        sleeper.process.stop();
        let stopped = Instant::now();

        let other = browser.at_address(successor.address);
        assert_eq!(other.get("/get=n/get=m").await.body, "1 1", "who does not lock does not wait");
        assert_eq!(other.get("/lock/inc=n").await.body, "2");
        assert!(stopped.elapsed() < LEASE + EPSILON, "{:?}", stopped.elapsed());

        // It is let on before it is awake: it finds its lease gone, and nobody has it now.
        sleeper.open("a");
        sleeper.process.resume();
        assert_eq!(asleep.await.unwrap().status, 409, "{save}");
        assert_eq!(browser.get("/get=n/get=m").await.body, "2 1", "{save}");
        assert_eq!(browser.get("/lock/inc=n").await.body, "3", "and all goes on, {save}");
    }
}

/// L1, L4. The sleeper wakes while its successor is at work, and neither its save nor its giving back frees the session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wakes_up_while_another_has_the_session_takes_nothing_from_it() {
    let shared = Shared::new("relaxed");
    let mut sleeper = shared.server(SETTINGS).await;
    let mut successor = shared.server(SETTINGS).await;
    let third = shared.server("locking = 'explicit'\nlock_timeout = '100ms'").await;
    let browser = sleeper.browser();
    browser.post("/set=n:1").await;
    let asleep = visit(&browser, "/lock/inc=n/a");
    sleeper.arrival("a").await;
    sleeper.process.stop();
    let at_work = visit(&browser.at_address(successor.address), "/lock/inc=n/save/a/inc=n");
    successor.arrival("a").await;

    sleeper.open("a");
    sleeper.process.resume();
    assert_eq!(asleep.await.unwrap().status, 409);
    let refused = browser.at_address(third.address).get("/lock/inc=n").await;
    assert_eq!(refused.status, 503, "the successor still has it");
    successor.open("a");
    assert_eq!(at_work.await.unwrap().body, "2 3");
    assert_eq!(browser.get("/get=n").await.body, "3");
}

/// L2, F7. The sleeper wakes before its successor has changed anything: what it wanted to save would spoil nothing yet, but
/// the session is the successor's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleeper_does_not_come_between_its_successors_reads_and_writes() {
    let shared = Shared::new("relaxed");
    let mut sleeper = shared.server(SETTINGS).await;
    let mut successor = shared.server(SETTINGS).await;
    let browser = sleeper.browser();
    browser.post("/set=n:1").await;
    let asleep = visit(&browser, "/lock/inc=n/a");
    sleeper.arrival("a").await;
    sleeper.process.stop();
    let at_work = visit(&browser.at_address(successor.address), "/lock/inc=n/a");
    successor.arrival("a").await;

    sleeper.open("a");
    sleeper.process.resume();
    assert_eq!(asleep.await.unwrap().status, 409);
    successor.open("a");
    let at_work = at_work.await.unwrap();
    assert_eq!((at_work.status, &*at_work.body), (200, "2"));
    assert_eq!(browser.get("/get=n").await.body, "2");
}

/// F7. A holder that is awake keeps its lease, however many times over its request takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_is_awake_keeps_the_session_for_longer_than_its_lease() {
    let shared = Shared::new("relaxed");
    let mut holder = shared.server(SETTINGS).await;
    // It waits for longer than the lease, and in vain.
    let other = shared.server("locking = 'explicit'\nlease_ttl = '2s'\nlock_timeout = '3s'").await;
    let browser = holder.browser();
    browser.post("/set=n:1").await;
    let at_work = visit(&browser, "/lock/inc=n/a");
    holder.arrival("a").await;
    let refused = browser.at_address(other.address).get("/lock/inc=n").await;
    assert_eq!(refused.status, 503);
    holder.open("a");
    assert_eq!(at_work.await.unwrap().status, 200);
    assert_eq!(browser.get("/get=n").await.body, "2");
}
