//! The store's server goes down in the middle of traffic, and comes back.

use std::time::{Duration, Instant};

use cloakroom_tests::{Backend, Browser, Request, Running, Server, on_backends};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::servers::{sites, times};

on_backends!(a_server_that_is_killed_in_the_middle_of_traffic_loses_no_acknowledged_write_and_signs_nobody_out:
    redis redis_cluster postgres mariadb);
on_backends!(a_server_that_is_stopped_in_the_middle_of_traffic_loses_no_acknowledged_write_and_signs_nobody_out:
    redis redis_cluster postgres mariadb);

/// Decision 7, U1, F1, F2, H3.
async fn a_server_that_is_killed_in_the_middle_of_traffic_loses_no_acknowledged_write_and_signs_nobody_out(
    backend: Backend,
) {
    let mut backend = backend.start();
    let sites = sites(2, &backend, "").await;
    outage(&sites, &mut backend, |backend| backend.server().kill()).await;
}

/// The same for a server that says goodbye.
async fn a_server_that_is_stopped_in_the_middle_of_traffic_loses_no_acknowledged_write_and_signs_nobody_out(
    backend: Backend,
) {
    let mut backend = backend.start();
    let sites = sites(2, &backend, "").await;
    outage(&sites, &mut backend, |backend| backend.server().stop()).await;
}

/// Where the server is, as the visitors may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    /// Going down, down, or just about to be back.
    Away,
    BackSince(Instant),
    /// It is back since then, and there has been enough traffic.
    Enough(Instant),
}

async fn outage(sites: &[Server], backend: &mut Running, end: impl FnOnce(&mut Running)) {
    let seconds = times("CLOAKROOM_LOAD_SECONDS", 6) as u64;
    let third = Duration::from_secs(seconds) / 3;
    let (state, seen) = watch::channel(State::Up);
    let mut visitors = JoinSet::new();
    for number in 0..VISITORS {
        let browser = sites[number % sites.len()].browser();
        visitors.spawn(Visitor::sign_in(browser, number).await.come_and_go(seen.clone()));
    }
    tokio::time::sleep(third).await;
    state.send_replace(State::Away);
    tokio::task::block_in_place(|| end(backend));
    tokio::time::sleep(third / 2).await;
    tokio::task::block_in_place(|| backend.server().start_again());
    let back = now();
    state.send_replace(State::BackSince(back));
    tokio::time::sleep(third).await;
    state.send_replace(State::Enough(back));
    let visitors = visitors.join_all().await;
    let total = |count: fn(&Visitor) -> usize| visitors.iter().map(count).sum::<usize>();
    let resumed = visitors.iter().map(|visitor| visitor.resumed.expect("it came back")).max().unwrap();
    println!(
        "{:?}: {} acknowledged, {} answered 503, all served {resumed:?} after the return",
        backend.url.split_once(':').unwrap().0,
        total(|visitor| visitor.acknowledged),
        total(|visitor| visitor.failed),
    );
    assert!(total(|visitor| visitor.failed) > 0, "the outage was noticed");
    assert!(resumed < PROMISED, "the last visitor was served {resumed:?} after the return");
}

/// A signed-in browser, and what it was told.
struct Visitor {
    browser: Browser,
    name: String,
    acknowledged: usize,
    failed: usize,
    /// How long after the server's return it was served again, and not refused after that.
    resumed: Option<Duration>,
}

impl Visitor {
    async fn sign_in(browser: Browser, number: usize) -> Self {
        let name = format!("visitor{number}");
        assert_eq!(browser.post(&format!("/in={name}/set=n:0")).await.status, 200);
        Self { browser, name, acknowledged: 0, failed: 0, resumed: None }
    }

    /// Counts up until there has been enough of it, and looks at what is left then.
    async fn come_and_go(mut self, state: watch::Receiver<State>) -> Self {
        let token = self.browser.token();
        for turn in 0.. {
            let before = *state.borrow();
            if matches!(before, State::Enough(_)) && self.resumed.is_some() {
                break;
            }
            // With the session to itself and without.
            let request = if turn % 2 == 0 { Request::post("/add=n") } else { Request::get("/add=n") };
            let answer = self.browser.send(request).await;
            let after = *state.borrow();
            match answer.status {
                200 => {
                    self.acknowledged += 1;
                    if self.resumed.is_none() {
                        self.resumed = since_the_return(after);
                    }
                }
                503 => {
                    assert_eq!(answer.cookies(), Vec::<String>::new(), "an outage changes no cookie");
                    assert!(answer.header("retry-after").is_some());
                    assert_ne!((before, after), (State::Up, State::Up), "{answer:?}");
                    self.failed += 1;
                    self.resumed = since_the_return(after);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                _ => panic!("{answer:?}"),
            }
        }
        assert_eq!(self.browser.token(), token);
        let answer = self.browser.get("/subject/get=n").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let (subject, count) = answer.body.split_once(' ').unwrap();
        let count: usize = count.parse().unwrap();
        assert_eq!(subject, self.name, "still signed in");
        // What was answered 503 may have happened, once.
        let most = self.acknowledged + self.failed;
        assert!((self.acknowledged..=most).contains(&count), "{} <= {count} <= {most}", self.acknowledged);
        self
    }
}

fn since_the_return(state: State) -> Option<Duration> {
    match state {
        State::BackSince(since) | State::Enough(since) => Some(since.elapsed()),
        _ => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "measures how long a service takes to resume")]
fn now() -> Instant {
    Instant::now()
}

const VISITORS: usize = 8;

/// Two seconds are promised; a machine with other things to do may take longer to keep that.
const PROMISED: Duration = Duration::from_secs(5);
