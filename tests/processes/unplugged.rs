//! The folder is taken away under running servers, and comes back.

use std::fs;
use std::path::PathBuf;

use cloakroom_tests::{Browser, Request, Response};

use crate::servers::Shared;

/// A disk that can be pulled out.
struct Plug {
    path: PathBuf,
    away: PathBuf,
}

impl Plug {
    fn of(shared: &Shared) -> Self {
        Self { path: shared.path(), away: shared.path().with_extension("away") }
    }

    fn pull(&self) {
        fs::rename(&self.path, &self.away).unwrap();
    }

    fn put_back(&self) {
        fs::rename(&self.away, &self.path).unwrap();
    }
}

/// An outage is not "no session": the answer says so, and the browser keeps its cookie.
fn assert_outage(response: &Response, request: &str) {
    assert_eq!((response.status, response.cookies()), (503, vec![]), "{request}");
    assert!(response.header("retry-after").is_some(), "{request}");
}

/// Decision 7, F1, F2, H3. Every kind of request, with the folder gone, and with an empty one in its place, as where a disk
/// was mounted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_folder_every_answer_is_503_and_no_cookie_and_with_it_everything_is_back() {
    let shared = Shared::new("full");
    let mut servers = shared.servers(2, "").await;
    let plug = Plug::of(&shared);
    let [ann, bob] = [servers[0].browser(), servers[1].browser()];
    ann.post("/in=ann/set=n:1").await;
    bob.post("/set=n:2").await;
    let tokens = [ann.token(), bob.token()];
    for empty_folder in [false, true] {
        plug.pull();
        if empty_folder {
            fs::create_dir(&plug.path).unwrap();
        }
        for server in &servers {
            for browser in [&ann, &bob] {
                for path in [
                    "get=n", "set=n:5", "add=n", "take=n", "rotate", "in=eve", "out", "lock", "save/len",
                    "clear",
                ] {
                    for request in [Request::get(format!("/{path}")), Request::post(format!("/{path}"))] {
                        let answer = browser.at_address(server.address).send(request).await;
                        assert_outage(&answer, path);
                    }
                }
            }
            for path in ["/set=n:1", "/in=ann", "/add=n"] {
                assert_outage(&server.browser().post(path).await, path);
            }
            assert_eq!(
                server.browser().get("/get=n").await.body,
                "-",
                "without a cookie there is nothing to load"
            );
        }
        if empty_folder {
            fs::remove_dir(&plug.path).unwrap();
        }
        plug.put_back();
        assert_eq!([ann.token(), bob.token()], tokens);
        for server in &servers {
            let at_server = |browser: &Browser| browser.at_address(server.address);
            assert_eq!(at_server(&ann).get("/subject/get=n").await.body, "ann 1");
            assert_eq!(at_server(&bob).get("/subject/get=n").await.body, "- 2");
            let new = server.browser();
            assert_eq!(new.post("/in=carl/set=n:3").await.status, 200);
            assert_eq!(new.get("/subject/get=n").await.body, "carl 3");
        }
    }
    assert_eq!(servers[0].end_all("carl").await, 4);
    assert_eq!(bob.post("/add=n").await.body, "3");
}

/// F2, U7, H1. It goes between a request's load and its save.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_loses_the_folder_before_its_save_changes_nothing() {
    let shared = Shared::new("full");
    // Its lock cannot be given back while the folder is away, and ends by itself.
    let mut server = shared.server("lease_ttl = '300ms'").await;
    let plug = Plug::of(&shared);
    let browser = server.browser();
    browser.post("/in=ann/set=n:1/set=m:1").await;
    let token = browser.token();
    for path in [
        "/get=n/a/set=n:5/set=m:5",
        "/get=n/a/add=n",
        "/get=n/a/rotate",
        "/get=n/a/in=bob",
        "/get=n/a/out",
        "/lock/a/set=n:5",
    ] {
        let tab = browser.tab();
        let request = tokio::spawn(async move { tab.post(path).await });
        server.arrival("a").await;
        plug.pull();
        server.open("a");
        assert_outage(&request.await.unwrap(), path);
        plug.put_back();
        assert_eq!(browser.token(), token, "{path}");
        assert_eq!(browser.get("/subject/get=n/get=m").await.body, "ann 1 1", "{path}");
        assert_eq!(browser.post("/remove=other").await.status, 200, "its lock is free, {path}");
    }
}
