//! Bodies that go on after the head: server-sent events, long downloads.

use std::time::Duration;

use cloakroom_tests::Request;

use super::{HOUR, NO_COOKIES, site};
use crate::site::Adapter;

pub(crate) async fn a_stream_saves_at_its_end<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    for (number, method) in ["GET", "POST"].into_iter().enumerate() {
        let path = format!("/set=before:{number}/stream/get=x/a/set=x:{number}/save/set=lost:1");
        let stream = browser.begin(Request::new(method, path)).await;
        site.script.a.arrival().await;
        let expected = format!("1 {number} -");
        assert_eq!(browser.get("/get=x/get=before/get=lost").await.body, expected, "before the head");
        site.script.a.open();
        assert_eq!(stream.finish().await.body, "1 ");
        let expected = format!("{number} {number} -");
        assert_eq!(browser.get("/get=x/get=before/get=lost").await.body, expected, "and what was saved");
        browser.post("/set=x:1").await;
    }
}

pub(crate) async fn a_stream_arrives_piece_by_piece<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let mut stream = browser.begin(Request::get("/stream/get=x/a/get=x/origin")).await;
    assert_eq!(stream.piece().await, "1 ");
    site.script.a.open();
    assert_eq!(stream.finish().await.body, "1 1 resumed ");
}

pub(crate) async fn a_stream_learns_that_its_visitor_signed_out<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann/set=x:1").await;
    let path = "/subject/stream/reload/a/reload/b/reload/get=x/subject/set=late:1/save";
    let stream = browser.begin(Request::get(path)).await;
    site.script.a.arrival().await;
    browser.post("/set=x:2").await;
    site.script.a.open();
    site.script.b.arrival().await;
    browser.post("/out").await;
    site.script.b.open();
    assert_eq!(stream.finish().await.body, "true true false - - Ended ");
}

pub(crate) async fn a_stream_learns_that_its_session_expired<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let stream = browser.begin(Request::get("/get=x/stream/a/reload")).await;
    site.clock.advance(HOUR);
    site.script.a.open();
    assert_eq!(stream.finish().await.body, "false ");
}

/// With the default settings the store is looked at once a minute.
pub(crate) async fn a_stream_is_told_at_once_that_its_visitor_signed_out<A: Adapter>() {
    let site = site::<A>().await;
    let (browser, other) = (site.browser(), site.browser());
    browser.post("/in=ann").await;
    other.post("/in=ann").await;
    let mut streams = Vec::new();
    for visitor in [&browser, &other] {
        let mut stream = visitor.begin(Request::get("/subject/stream/handle/a/ended")).await;
        stream.piece().await;
        site.script.a.open();
        streams.push(stream);
    }
    browser.post("/out").await;
    let (ours, others) = (streams.remove(0), streams.remove(0));
    let ended = tokio::time::timeout(SOON, ours.finish()).await.expect("it ends at once");
    assert!(ended.body.ends_with(" ended "), "{}", ended.body);
    assert!(tokio::time::timeout(SOON / 10, others.finish()).await.is_err(), "the other session goes on");
}

/// What "at once" may take on a machine that has other things to do.
const SOON: Duration = Duration::from_secs(2);

/// Neither the one its handler had, nor one for its first use after the head.
pub(crate) async fn a_stream_holds_no_lock<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    for path in ["/locked/get=x/stream/a/reload/b", "/locked/stream/a/get=x/b", "/lock/stream/a/get=x/b"] {
        let stream = browser.begin(Request::post(path)).await;
        site.script.a.arrival().await;
        assert_eq!(browser.post("/lock/inc=n").await.status, 200, "{path}");
        site.script.a.open();
        site.script.b.arrival().await;
        assert_eq!(browser.post("/lock/inc=n").await.status, 200, "{path}");
        site.script.b.open();
        stream.finish().await;
    }
    assert_eq!(browser.get("/get=n").await.body, "6");
}

pub(crate) async fn a_stream_cannot_change_the_cookie<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    for step in ["rotate", "in=ann", "expire", "remember=600"] {
        let stream = browser.begin(Request::get(format!("/get=x/stream/a/{step}"))).await;
        assert_eq!(stream.head.cookies(), NO_COOKIES);
        site.script.a.open();
        assert_eq!(stream.finish().await.body, "HeadSent ", "{step}");
    }
    assert_eq!(browser.get("/get=x/subject").await.body, "1 -");
    let stream = site.browser().begin(Request::get("/stream/a/set=x:1/save")).await;
    site.script.a.open();
    assert_eq!(stream.finish().await.body, "HeadSent ", "nor begin a session");
}

/// The cookie stays with the browser, and leads nowhere.
pub(crate) async fn a_stream_ends_its_session<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann/set=x:1").await;
    let stream = browser.begin(Request::get("/get=x/stream/a/out/save/set=y:1/save")).await;
    site.script.a.open();
    assert_eq!(stream.finish().await.body, "HeadSent ", "what comes after it would begin a new session");
    assert_eq!(browser.get("/get=x/get=y/subject").await.body, "- - -");
    assert!(site.sessions.sessions_of("ann").await.unwrap().is_empty());
}

pub(crate) async fn a_stream_whose_client_left_saves_what_it_says_and_no_more<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let path = "/lock/set=before:1/stream/set=x:2/gone/a/get=x";
    drop(browser.begin(Request::post(path)).await);
    site.script.a.arrival().await;
    assert_eq!(browser.post("/lock/get=x/get=before").await.body, "1 1");
    site.script.a.open();

    drop(browser.begin(Request::post("/get=x/stream/gone/set=x:3/save/a")).await);
    site.script.a.arrival().await;
    assert_eq!(browser.post("/lock/get=x").await.body, "3");
    site.script.a.open();
}
