//! A server dies under its visitors.

use std::time::{Duration, Instant};

use cloakroom_test_checker::Rng;
use cloakroom_tests::{Browser, Request};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::servers::{Shared, times};

/// How long a lock may outlive its owner.
const SOON: Duration = Duration::from_secs(1);

/// A lease of ten seconds, the default, says nothing of that. All that happens in between is counted as well, on a machine
/// that may be busy: now and then it may take longer, but never nearly a lease.
fn assert_soon(mut waits: Vec<Duration>) {
    waits.sort_unstable();
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!("{} kills; the lock was free after {median:?}, and {longest:?} at most", waits.len());
    assert!(median < SOON && longest < 5 * SOON, "a lock has outlived its owner: {median:?}, {longest:?}");
}

/// L3, F19. Killed in the middle of a request that has the session to itself, while another process waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "how long another process waits for what the dead one had")]
async fn the_lock_of_a_killed_process_is_free_within_a_second() {
    let kills = times("CLOAKROOM_KILLS", 40) / 4;
    let shared = Shared::new("full");
    let other = shared.server("").await;
    let browser = other.browser();
    browser.post("/set=n:0").await;
    let mut waits = Vec::new();
    for kill in 0..kills {
        let mut holder = shared.server("").await;
        let tab = browser.at_address(holder.address);
        let dying = tokio::spawn(async move { tab.try_send(Request::get("/lock/inc=n/a")).await.is_err() });
        holder.arrival("a").await;
        let tab = browser.tab();
        let waiting = tokio::spawn(async move { tab.get("/lock/inc=n").await });
        // Half of them have begun to wait for a while, half have not.
        if kill % 2 == 0 {
            let quick = shared.server("lock_timeout = '20ms'").await;
            assert_eq!(browser.at_address(quick.address).get("/lock").await.status, 503, "it is held");
        }
        holder.process.kill();
        let killed = Instant::now();
        assert_eq!(waiting.await.unwrap().body, (kill + 1).to_string());
        waits.push(killed.elapsed());
        assert!(dying.await.unwrap(), "no answer");
    }
    assert_soon(waits);
}

/// What a browser was told.
enum Told {
    Added,
    Counted,
    Nothing,
}

/// U1, U4, R1, F10. A signed-in visitor updates, reads and writes with the session to itself, and rotates; the server
/// is killed in the middle. At another server the visitor is signed in still, and all that was acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "how long the other server waits for the dead one's lock")]
async fn a_visitor_whose_server_is_killed_stays_signed_in_and_loses_nothing_that_was_acknowledged() {
    let kills = times("CLOAKROOM_KILLS", 40);
    let shared = Shared::new("full");
    let other = shared.server("").await;
    let browser = other.browser();
    browser.post("/in=ann/set=added:0/set=counted:0").await;
    let elsewhere = browser.tab();
    let mut rng = Rng::new(11);
    let (mut added, mut counted) = (0..=0, 0..=0);
    let mut waits = Vec::new();
    for _ in 0..kills {
        let mut server = shared.server("").await;
        let (sender, mut told) = unbounded_channel();
        let mut tabs = JoinSet::new();
        for path in ["/add=added", "/inc=counted", "/rotate"] {
            tabs.spawn(busy(browser.at_address(server.address), path, sender.clone()));
        }
        drop(sender);
        let mut answers = Vec::new();
        for _ in 0..rng.within(3..33) {
            answers.push(told.recv().await.unwrap());
        }
        tokio::time::sleep(Duration::from_micros(rng.within(0..5_000) as u64)).await;
        server.process.kill();
        let killed = Instant::now();
        let now = elsewhere.post("/subject/get=added/get=counted").await;
        waits.push(killed.elapsed());
        while let Some(answer) = told.recv().await {
            answers.push(answer);
        }
        tabs.join_all().await;
        let of = |what: fn(&Told) -> bool| answers.iter().filter(|told| what(told)).count() as u64;
        let (new_added, new_counted) =
            (of(|told| matches!(told, Told::Added)), of(|told| matches!(told, Told::Counted)));
        // One of each may have been on its way, and no more.
        let found: Vec<_> = now.body.split(' ').collect();
        assert_eq!(found[0], "ann");
        let [found_added, found_counted]: [u64; 2] = [found[1].parse().unwrap(), found[2].parse().unwrap()];
        added = added.start() + new_added..=added.end() + new_added + 1;
        counted = counted.start() + new_counted..=counted.end() + new_counted + 1;
        assert!(added.contains(&found_added), "{found_added} is not in {added:?}");
        assert!(counted.contains(&found_counted), "{found_counted} is not in {counted:?}");
        (added, counted) = (found_added..=found_added, found_counted..=found_counted);
    }
    assert_soon(waits);
}

/// Sends `path` again and again until there is no answer.
async fn busy(tab: Browser, path: &'static str, told: UnboundedSender<Told>) {
    while let Ok(answer) = tab.try_send(Request::post(path)).await {
        assert_eq!(answer.status, 200, "{path} {answer:?}");
        let _ = told.send(match path {
            "/add=added" => Told::Added,
            "/inc=counted" => Told::Counted,
            _ => Told::Nothing,
        });
    }
}
