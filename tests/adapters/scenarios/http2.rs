//! HTTP/2: one connection for all of a browser's requests, and cookies in as many fields as it likes.

use cloakroom_tests::{Browser, Http2, Request};

use super::site;
use crate::site::{Adapter, Site};

/// A site, a browser with a session, and its cookie.
async fn start<A: Adapter>() -> (Site, Browser, String) {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let cookie = format!("__Host-id={}", browser.token().expect("a token"));
    (site, browser, cookie)
}

pub(crate) async fn parallel_requests_on_one_connection_all_count<A: Adapter>() {
    let (site, browser, cookie) = start::<A>().await;
    let connection = Http2::to(site.address()).await;
    let requests: Vec<_> = (0..32)
        .map(|number| {
            let request = Request::new(["GET", "POST"][number % 2], "/add=n").header("cookie", &cookie);
            let connection = connection.clone();
            tokio::spawn(async move { connection.send(request).await })
        })
        .collect();
    for request in requests {
        let response = request.await.unwrap();
        assert_eq!((response.status, response.cookies().len()), (200, 0));
    }
    assert_eq!(browser.get("/get=n/get=x").await.body, "32 1");
}

/// RFC 9113 §8.2.3: browsers split the `Cookie` field into crumbs to compress it better.
pub(crate) async fn the_cookie_is_found_in_any_crumb<A: Adapter>() {
    let (site, _, cookie) = start::<A>().await;
    let connection = Http2::to(site.address()).await;
    let get = async |crumbs: &[&str]| {
        let request = Request::get("/get=x/origin");
        let request = crumbs.iter().fold(request, |request, crumb| request.header("cookie", crumb));
        connection.send(request).await
    };
    for crumbs in [[&*cookie, "a=1", "b=2"], ["a=1", &cookie, "b=2"], ["a=1", "b=2", &cookie]] {
        let response = get(&crumbs).await;
        assert_eq!((&*response.body, response.cookies().len()), ("1 resumed", 0), "{crumbs:?}");
    }
    assert_eq!(get(&["a=1", "b=2"]).await.body, "- fresh");
    assert_eq!(get(&[&cookie, &cookie]).await.body, "1 resumed");
    let response = connection.send(Request::post("/set=x:1/header")).await;
    assert_eq!(
        (response.status, response.cookies().len(), response.header("vary")),
        (200, 2, Some("Cookie"))
    );
}

/// The connection goes on.
pub(crate) async fn a_request_that_is_reset_leaves_its_session_free<A: Adapter>() {
    let (site, _, cookie) = start::<A>().await;
    let connection = Http2::to(site.address()).await;
    let post = |path: &str| Request::post(path).header("cookie", &cookie);
    tokio::select! {
        _ = connection.send(post("/set=x:9/a")) => panic!("the gate is closed"),
        () = site.script.a.arrival() => {}
    }
    if A::DIFFERENCES.runs_on {
        site.script.a.open();
    }
    let response = connection.send(post("/lock/get=x")).await;
    assert_eq!((response.status, &*response.body), (200, if A::DIFFERENCES.runs_on { "9" } else { "1" }));
}
