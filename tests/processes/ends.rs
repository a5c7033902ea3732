//! Sessions end, or get a new secret, in one process while others serve them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cloakroom_store::{Subject, Subjects};
use cloakroom_tests::{Browser, Request, Server, all_records};
use tokio::task::JoinSet;

use crate::servers::Shared;

/// Where requests overlap as they like, and where those that write wait for each other.
const LOCKINGS: [&str; 2] = ["locking = 'explicit'", "locking = 'by_method'"];
const ROUNDS: usize = 5;

/// D1, D5. Requests that began after the user was signed out everywhere find nothing of that user, in no process, and
/// writes that were under way bring nothing back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_sign_out_everywhere_no_process_accepts_anything_of_that_user() {
    let shared = Shared::new("relaxed");
    let store = shared.open();
    let (ann, bob) = (Subject::new("ann").unwrap(), Subject::new("bob").unwrap());
    for settings in LOCKINGS {
        let mut servers = shared.servers(4, settings).await;
        for _ in 0..ROUNDS {
            let mut browsers = Vec::new();
            for server in servers.iter().cycle().take(6) {
                let browser = server.browser();
                assert_eq!(browser.post("/in=ann/set=secret:42").await.status, 200);
                browsers.push(browser);
            }
            let bystander = servers[0].browser();
            bystander.post("/in=bob/set=secret:7").await;

            let ended = Arc::new(AtomicBool::new(false));
            let mut busy = JoinSet::new();
            for (number, browser) in browsers.into_iter().enumerate() {
                let servers = servers.iter().map(|server| browser.at_address(server.address));
                busy.spawn(work(servers.collect(), number, Arc::clone(&ended)));
            }
            // Some of every kind have been answered, and others are under way.
            servers[1].arrival("a").await;
            assert_eq!(servers[3].end_all("ann").await, 6);
            ended.store(true, Ordering::SeqCst);
            servers[1].open("a");
            busy.join_all().await;

            assert_eq!(store.list(&ann, None, 10).await.unwrap().items, []);
            assert_eq!(store.list(&bob, None, 10).await.unwrap().items.len(), 1);
            assert_eq!(bystander.get("/subject/get=secret").await.body, "bob 7");
            servers[2].end_all("bob").await;
        }
        let all = all_records(&store).await;
        assert!(all.iter().all(|(_, record)| record.subject.is_none()), "no record names anybody");
    }
}

/// How many requests a browser sends after the end, to any server.
const AFTERWARDS: usize = 12;

/// A signed-in browser writes and reads at all servers in turn, until some requests after the end, which must find
/// nothing. The first one passes gate `a` of the second server on its way.
async fn work(tabs: Vec<Browser>, number: usize, ended: Arc<AtomicBool>) {
    let signed_in = format!("__Host-id={}", tabs[0].token().unwrap());
    let mut waiting = None;
    let (mut after, mut turn) = (0, number);
    while after < AFTERWARDS {
        turn += 1;
        if turn == number + 8 && number == 0 {
            let slow = Request::get("/get=secret/a/set=late:1").header("Cookie", &signed_in);
            let tab = tabs[1].tab();
            waiting = Some(tokio::spawn(async move { tab.send(slow).await }));
        }
        let path = ["/add=hits/subject/get=secret", "/set=mark:1/subject/get=secret", "/subject/get=secret"]
            [turn % 3];
        let request = if turn % 2 == 0 { Request::get(path) } else { Request::post(path) };
        // Always with the cookie of then: a new session of an ended one's browser is nothing new.
        let was_ended = ended.load(Ordering::SeqCst);
        let answer =
            tabs[turn % tabs.len()].send_and_ignore_cookies(request.header("Cookie", &signed_in)).await;
        if was_ended {
            after += 1;
            // `update` cannot be dropped silently: it is told that the session has ended.
            let told = path.starts_with("/add") && answer.status == 409;
            let nothing = answer.status == 200 && answer.body.ends_with("- -");
            assert!(told || nothing, "{path} {answer:?}");
        }
    }
    if let Some(slow) = waiting {
        let answer = slow.await.unwrap();
        assert_eq!((answer.status, answer.cookies()), (200, vec![]), "a late save is dropped");
    }
}

/// One request from each server, all at the same time, with the same cookies.
async fn at_once(servers: &[Server], browser: &Browser, path: &str) -> Vec<cloakroom_tests::Response> {
    let mut all = JoinSet::new();
    for server in servers {
        let (tab, path) = (browser.at_address(server.address), path.to_owned());
        all.spawn(async move { tab.post(&path).await });
    }
    all.join_all().await
}

/// R1, R2, R4, H1. Whichever response the browser keeps, it works everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_in_several_processes_at_once_yield_one_new_secret_and_sign_nobody_out() {
    let shared = Shared::new("relaxed");
    for settings in LOCKINGS {
        let servers = shared.servers(4, settings).await;
        for _ in 0..ROUNDS {
            let browser = servers[0].browser();
            browser.post("/in=ann/set=n:0").await;
            let before = browser.token().unwrap();
            let busy = {
                let tab = browser.at_address(servers[1].address);
                tokio::spawn(async move {
                    for _ in 0..20 {
                        let request = Request::get("/add=n/subject");
                        let answer = tab.send(request).await;
                        assert!(answer.status == 200 && answer.body.ends_with("ann"), "{answer:?}");
                    }
                })
            };
            let answers = at_once(&servers, &browser, "/rotate/subject").await;
            busy.await.unwrap();
            assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == "ann"), "{answers:?}");
            let cookies: BTreeSet<_> = answers.iter().flat_map(|answer| answer.cookies()).collect();
            assert_eq!(cookies.len(), 1, "one new secret");
            let after = browser.token().unwrap();
            assert_ne!(after, before);
            for server in &servers {
                for token in [&before, &after] {
                    let cookie = format!("__Host-id={token}");
                    let request = Request::get("/subject/get=n").header("Cookie", cookie);
                    assert_eq!(server.browser().send(request).await.body, "ann 20", "{settings}");
                }
            }
        }
    }
}

/// D1, F5, F18. Signed out in one process while the others write: the session is over everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_one_process_destroys_is_brought_back_by_no_write_of_another() {
    let shared = Shared::new("relaxed");
    let store = shared.open();
    for settings in LOCKINGS {
        let servers = shared.servers(4, settings).await;
        for _ in 0..ROUNDS {
            let browser = servers[0].browser();
            browser.post("/in=ann/set=n:0").await;
            let cookie = format!("__Host-id={}", browser.token().unwrap());
            let mut writers = JoinSet::new();
            for server in &servers[1..] {
                let (tab, cookie) = (server.browser(), cookie.clone());
                writers.spawn(async move {
                    for turn in 0..20 {
                        let path = ["/add=n", "/get=n/set=n:7", "/rotate"][turn % 3];
                        let request = Request::post(path).header("Cookie", &cookie);
                        let answer = tab.send_and_ignore_cookies(request).await;
                        // A read key may change under a request without a lock.
                        assert!(matches!(answer.status, 200 | 409 | 410), "{answer:?}");
                    }
                });
            }
            assert_eq!(browser.post("/out").await.status, 200);
            assert_eq!(browser.token(), None);
            for server in &servers {
                let request = Request::get("/subject/get=n").header("Cookie", &cookie);
                assert_eq!(server.browser().send(request).await.body, "- -", "{settings}");
            }
            writers.join_all().await;
            for server in &servers {
                let request = Request::get("/subject/get=n").header("Cookie", &cookie);
                assert_eq!(server.browser().send(request).await.body, "- -", "{settings}");
            }
            assert_eq!(store.list(&Subject::new("ann").unwrap(), None, 10).await.unwrap().items, []);
        }
    }
}
