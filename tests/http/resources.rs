//! What visitors can make a server do, and how long it takes it to say no.

mod flood;
mod full;
mod limits;
mod sweep;

use std::time::Duration;

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{SessionManager, Settings};
use cloakroom_tests::{Browser, Request, Response, Site};

use crate::routes::{encoded, put, routes, sign_in};

/// Sends `count` requests with these heads through one connection, many at a time.
async fn send_all(
    site: &Site,
    count: usize,
    head: impl Fn(usize) -> String,
    mut check: impl FnMut(Response),
) {
    const AT_ONCE: usize = 500;
    let browser = Browser::new(site);
    for first in (0..count).step_by(AT_ONCE) {
        let requests: String = (first..first + AT_ONCE).map(&head).collect();
        check(browser.raw(requests.as_bytes()).await);
        for _ in 1..AT_ONCE {
            check(browser.raw(b"").await);
        }
    }
}

fn request(method: &str, path: &str, cookie: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n")
}

fn writes(store: &FaultyStore<MemoryStore>) -> usize {
    [Call::Create, Call::Replace, Call::Touch, Call::Delete].map(|call| store.count(call)).iter().sum()
}

/// A token that nobody issued, another one for each number.
fn forged(number: usize) -> String {
    format!("__Host-id={}", encoded(&(number as u64 + 1).to_be_bytes().repeat(4)))
}

const MANY: usize = 10_000;

/// SECURITY 41.
#[tokio::test]
async fn ten_thousand_visitors_that_only_look_write_nothing() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::start(store.clone(), Settings::default(), routes()).await;
    send_all(
        &site,
        MANY,
        |_| request("GET", "/look", "theme=dark"),
        |response| {
            assert_eq!((response.body.as_str(), response.cookies().len()), ("fresh -", 0));
        },
    )
    .await;
    assert_eq!(store.count_all(), 0);
}

/// SECURITY 41.
#[tokio::test]
async fn ten_thousand_reads_of_one_session_write_nothing() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::start(store.clone(), Settings::default(), routes()).await;
    let browser = Browser::new(&site);
    let token = put(&browser, "red").await;
    browser.get("/look").await;
    assert!(site.sessions.shutdown().await, "that the cookie has come back is noted");
    let before = (writes(&store), store.count(Call::Load));
    send_all(
        &site,
        MANY,
        |_| request("GET", "/look", &format!("__Host-id={token}")),
        |response| {
            assert_eq!((response.body.as_str(), response.cookies().len()), ("resumed red", 0));
        },
    )
    .await;
    assert_eq!(writes(&store), before.0);
    assert_eq!(store.count(Call::Load), before.1 + MANY, "and each costs one call");
}

/// SECURITY 41.
#[tokio::test]
async fn ten_thousand_bogus_cookies_write_nothing() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::start(store.clone(), Settings::default(), routes()).await;
    let bogus = |number: usize| match number % 3 {
        0 => request("GET", "/look", &forged(number)),
        1 => request("POST", "/look", &forged(number)),
        _ => request("POST", "/rotate", &forged(number)),
    };
    send_all(&site, MANY, bogus, |response| assert!(response.cookies().is_empty())).await;
    assert_eq!((writes(&store), store.count(Call::Load)), (0, MANY));
}

/// SECURITY 41.
#[tokio::test]
async fn ten_thousand_sign_outs_without_a_session_write_nothing() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::start(store.clone(), Settings::default(), routes()).await;
    let browser = Browser::new(&site);
    let ended = sign_in(&browser, "ann").await;
    browser.post("/sign-out").await;
    let before = writes(&store);
    let sign_out = |number: usize| match number % 3 {
        0 => request("POST", "/sign-out", "theme=dark"),
        1 => request("POST", "/sign-out", &forged(number)),
        _ => request("POST", "/sign-out", &format!("__Host-id={ended}")),
    };
    send_all(&site, MANY, sign_out, |response| {
        assert_eq!((response.status, response.cookies().len()), (200, 0));
    })
    .await;
    assert_eq!(writes(&store), before);
}

/// A site whose store may take a moment, and no more.
async fn hurried_site(store: &FaultyStore<MemoryStore>) -> Site {
    let settings =
        Settings::new().store_timeout(Duration::from_millis(20)).store_budget(Duration::from_millis(50));
    Site::start(store.clone(), settings, routes()).await
}

/// Answers that do not come at all would take until the test's end; this is far from both.
async fn in_time(response: impl Future<Output = Response>) -> Response {
    tokio::time::timeout(Duration::from_secs(20), response).await.expect("an answer")
}

/// SECURITY 43.
#[tokio::test]
async fn a_hung_store_gets_an_answer_within_the_deadline_and_costs_nobody_the_cookie() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = hurried_site(&store).await;
    let browser = Browser::new(&site);
    let token = sign_in(&browser, "ann").await;
    put(&browser, "red").await;

    for hung in [None, Some(Call::Replace)] {
        let mut requests =
            vec![Request::post("/put").body("blue"), Request::post("/rotate"), Request::post("/sign-out")];
        match hung {
            None => {
                store.fail(Fault::Silence);
                requests.push(Request::get("/look"));
            }
            Some(call) => store.fail_calls(call, Fault::Silence),
        }
        for request in requests {
            let response = in_time(browser.send(request)).await;
            assert_eq!(response.status, 503, "{response:?}");
            assert_eq!(response.header("retry-after"), Some("1"));
            assert!(response.cookies().is_empty());
        }
        store.heal();
        assert_eq!(browser.token().as_ref(), Some(&token));
        assert_eq!(browser.get("/look").await.body, "resumed red");
    }
}

/// SECURITY 43.
#[tokio::test]
async fn a_hung_store_begins_no_session() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = hurried_site(&store).await;
    store.fail_calls(Call::Create, Fault::Silence);
    let browser = Browser::new(&site);
    let response = in_time(browser.send(Request::post("/put").body("red"))).await;
    assert_eq!((response.status, response.cookies().len()), (503, 0));
    store.heal();
    put(&browser, "red").await;
}

/// SECURITY 43. Noting that a session was used is nobody's business but the store's.
#[tokio::test]
async fn a_hung_touch_delays_no_response() {
    let store = FaultyStore::new(MemoryStore::new());
    let settings =
        Settings::new().store_timeout(Duration::from_secs(3600)).store_budget(Duration::from_secs(3600));
    let site = Site::start(store.clone(), settings, routes()).await;
    let browser = Browser::new(&site);
    put(&browser, "red").await;
    site.clock.advance(Duration::from_secs(900));
    store.fail_calls(Call::Touch, Fault::Silence);
    assert_eq!(in_time(browser.get("/look")).await.body, "resumed red");
    // The call was made, and it hangs.
    while store.count(Call::Touch) == 0 {
        tokio::task::yield_now().await;
    }
}

/// SECURITY 43.
#[test]
fn a_deadline_that_is_none_makes_no_sessions() {
    for settings in
        [Settings::new().store_timeout(Duration::ZERO), Settings::new().store_budget(Duration::from_secs(1))]
    {
        let error = SessionManager::new(MemoryStore::new(), settings).unwrap_err();
        assert!(error.setting().starts_with("store_"), "{error}");
    }
}
