//! HTTP/2: one connection for all of a browser's requests, and cookies in as many fields as it likes.

use cloakroom::testing::{Call, Fault};
use cloakroom_tests::{Browser, Http2, Request};

use super::{NO_COOKIES, faulty_site, is_outage, site};
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
            let request =
                Request::new(["GET", "POST"][number % 2], "/get=x/yield/add=n").header("cookie", &cookie);
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

/// Each server has a limit of its own: 200 and the session, or a refusal, and then nobody's.
pub(crate) async fn an_oversized_cookie_field_harms_nobody<A: Adapter>() {
    let (site, browser, cookie) = start::<A>().await;
    for kilobytes in [8, 32, 256] {
        let junk = format!("junk={}", "x".repeat(kilobytes * 1024 / 2));
        let request = Request::get("/get=x/origin");
        let request =
            [&junk, &cookie, &junk].iter().fold(request, |request, field| request.header("cookie", field));
        match Http2::to(site.address()).await.try_send(request).await {
            Ok(response) if response.status == 200 => assert_eq!(response.body, "1 resumed"),
            Ok(response) => {
                assert!(kilobytes > 8 && matches!(response.status, 400 | 413 | 431), "{response:?}");
                assert_eq!(response.cookies(), NO_COOKIES);
            }
            Err(error) => assert!(kilobytes > 8, "{error}"),
        }
        assert_eq!(browser.get("/get=x/origin").await.body, "1 resumed", "{kilobytes}");
    }
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
    let runs_on = A::DIFFERENCES.runs_on && !A::DIFFERENCES.drops_over_http_2;
    // What comes after the reset on its connection is answered after it.
    assert_eq!(connection.send(Request::get("/len")).await.body, "0");
    if runs_on {
        site.script.a.open();
    }
    let response = connection.send(post("/lock/get=x")).await;
    assert_eq!((response.status, &*response.body), (200, if runs_on { "9" } else { "1" }));
}

pub(crate) async fn an_error_replaces_the_response_and_the_connection_goes_on<A: Adapter>() {
    let (site, store) = faulty_site::<A>().await;
    let connection = Http2::to(site.address()).await;
    store.fail_calls(Call::Create, Fault::Unavailable);
    is_outage(&connection.send(Request::post("/set=x:1/len/header")).await);
    store.heal();
    let response = connection.send(Request::post("/set=x:1/len/header")).await;
    assert_eq!((response.status, &*response.body, response.cookies().len()), (200, "1", 2));
}

pub(crate) async fn a_stream_reads_and_saves_its_session<A: Adapter>() {
    let (site, browser, cookie) = start::<A>().await;
    let connection = Http2::to(site.address()).await;
    let path = "/lock/get=x/stream/get=x/a/set=x:2/save/get=x";
    let stream = connection.send(Request::get(path).header("cookie", &cookie));
    let (response, ()) = tokio::join!(stream, async {
        site.script.a.arrival().await;
        assert_eq!(browser.post("/lock/get=x").await.body, "1");
        site.script.a.open();
    });
    assert_eq!((response.status, &*response.body), (200, "1 2 "));
    assert_eq!(browser.get("/get=x").await.body, "2");
}
