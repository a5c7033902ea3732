//! Counters, and writers in parallel.

use cloakroom::{Initializer, Settings};
use cloakroom_tests::{Browser, Request, Response};

use super::{site, site_with};
use crate::site::Adapter;

/// Each of them loads the session and lets others run before it writes.
const WRITERS: u64 = 32;

pub(crate) async fn a_counter_counts<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    for expected in ["1", "2", "3"] {
        assert_eq!(browser.get("/inc=count").await.body, expected);
    }
    assert_eq!(site.browser().get("/inc=count").await.body, "1", "another visitor");
}

/// Sends that many requests of one browser at once.
async fn at_once(browser: &Browser, request: impl Fn(u64) -> Request) -> Vec<Response> {
    let requests: Vec<_> = (0..WRITERS)
        .map(|number| {
            let (tab, request) = (browser.tab(), request(number));
            tokio::spawn(async move { tab.send(request).await })
        })
        .collect();
    let mut responses = Vec::new();
    for request in requests {
        responses.push(request.await.unwrap());
    }
    responses
}

/// What they counted to, the last they said, must be each number once.
fn counted(responses: &[Response]) -> bool {
    let count = |response: &Response| response.body.rsplit(' ').next().and_then(|count| count.parse().ok());
    let mut counts: Vec<u64> = responses.iter().filter_map(count).collect();
    counts.sort_unstable();
    counts == (1..=WRITERS).collect::<Vec<_>>()
}

/// By `update`, with a lock and without one.
pub(crate) async fn parallel_additions_of_one_browser_are_all_there<A: Adapter>() {
    for method in ["GET", "POST"] {
        let site = site::<A>().await;
        let browser = site.browser();
        browser.post("/set=y:1").await;
        let responses = at_once(&browser, |_| Request::new(method, "/get=y/yield/add=x")).await;
        assert!(counted(&responses), "{method}: {responses:?}");
        assert_eq!(browser.get("/get=x/get=y").await.body, format!("{WRITERS} 1"));
    }
}

pub(crate) async fn parallel_writes_to_different_keys_are_all_there<A: Adapter>() {
    for method in ["GET", "POST"] {
        let site = site::<A>().await;
        let browser = site.browser();
        browser.post("/set=y:1").await;
        for response in
            at_once(&browser, |number| Request::new(method, format!("/get=y/yield/set=key{number}:{number}")))
                .await
        {
            assert_eq!((response.status, response.cookies().len()), (200, 0), "{method}");
        }
        let all: Vec<_> = (0..WRITERS).map(|number| number.to_string()).collect();
        let get: String = (0..WRITERS).map(|number| format!("/get=key{number}")).collect();
        assert_eq!(browser.get(&get).await.body, all.join(" "), "{method}");
    }
}

/// Reading, adding one and writing is exact where the session is locked; without, some would be answered 409.
pub(crate) async fn parallel_requests_that_have_the_session_to_themselves_all_count<A: Adapter>() {
    for (method, path) in [("GET", "/locked/get=x/yield/inc=x"), ("POST", "/get=x/yield/inc=x")] {
        let site = site::<A>().await;
        let browser = site.browser();
        browser.post("/set=y:1").await;
        let responses = at_once(&browser, |_| Request::new(method, path)).await;
        assert!(counted(&responses), "{method} {path}: {responses:?}");
    }
}

/// Whatever the head says is true by the time it comes.
pub(crate) async fn whoever_follows_a_redirect_finds_what_was_saved<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:0").await;
    for number in 1..=10 {
        let redirect = browser.begin(Request::post(format!("/set=x:{number}/status=303"))).await;
        assert_eq!(redirect.head.status, 303);
        assert_eq!(browser.tab().get("/get=x").await.body, number.to_string());
        redirect.finish().await;
    }
}

pub(crate) async fn initial_values_are_read_and_stored_only_when_written<A: Adapter>() {
    let initializer = Initializer::new().with("count", &10).unwrap();
    let site = site_with::<A>(Settings::new().initializer(initializer)).await;
    let browser = site.browser();
    let response = browser.get("/get=count/len").await;
    assert_eq!((&*response.body, response.cookies().len()), ("10 1", 0));
    assert_eq!(browser.post("/inc=count").await.body, "11");
    assert_eq!(browser.get("/get=count").await.body, "11");
    assert_eq!(browser.post("/remove=count/get=count").await.body, "10");
}
