//! A store that is down.

use cloakroom::testing::{Call, Fault};
use cloakroom::{Locking, Settings};
use cloakroom_tests::Request;

use super::{faulty_site, faulty_site_with, is_error, is_outage};
use crate::site::Adapter;

pub(crate) async fn an_outage_is_503_and_signs_nobody_out<A: Adapter>() {
    let (site, store) = faulty_site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann").await;
    store.fail(Fault::Unavailable);
    for request in [Request::get("/header/subject"), Request::post("/header/set=x:1"), Request::post("/out")]
    {
        is_outage(&browser.send(request).await);
    }
    let response = browser.get("/").await;
    assert_eq!(response.status, 200, "what needs no session does not notice");
    store.heal();
    assert_eq!(browser.get("/subject/get=x").await.body, "ann -");
}

/// The handler never learns that its write was not saved; the client does.
pub(crate) async fn a_response_whose_session_was_not_saved_is_replaced_headers_and_all<A: Adapter>() {
    let (site, store) = faulty_site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann/set=x:1").await;
    store.fail_calls(Call::Replace, Fault::Unavailable);
    for path in
        ["/set=x:2/len/header", "/set=x:2/header/status=303", "/rotate/header", "/out/header/status=404"]
    {
        is_outage(&browser.post(path).await);
        assert_eq!(browser.jar().get("other"), None, "{path}");
    }
    is_outage(&browser.post("/set=x:2/header/stream/a").await);
    site.script.a.open();
    store.heal();
    assert_eq!(browser.get("/subject/get=x").await.body, "ann 1");
    assert_eq!(browser.post("/set=x:2/header").await.cookies(), ["other=cookie"]);
}

pub(crate) async fn a_first_visit_that_was_not_saved_gets_no_cookie<A: Adapter>() {
    let (site, store) = faulty_site::<A>().await;
    let browser = site.browser();
    store.fail_calls(Call::Create, Fault::Unavailable);
    is_outage(&browser.post("/set=x:1/header").await);
    assert!(browser.jar().is_empty());
    store.heal();
    assert_eq!(browser.post("/set=x:1").await.cookies().len(), 1);
}

pub(crate) async fn a_session_that_cannot_be_locked_early_is_refused_before_the_handler_runs<A: Adapter>() {
    let settings = Settings::new().locking(Locking::Early);
    let (site, store) = faulty_site_with::<A>(settings).await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    store.fail(Fault::Unavailable);
    for request in [Request::get("/a/header"), Request::post("/a/header")] {
        is_outage(&browser.send(request).await);
        assert_eq!(site.script.a.arrived(), 0);
    }
    store.heal();
    assert_eq!(browser.get("/get=x").await.body, "1");
}

pub(crate) async fn head_and_options_are_answered_503_like_get<A: Adapter>() {
    let (site, store) = faulty_site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    store.fail(Fault::Unavailable);
    for method in ["HEAD", "OPTIONS"] {
        let response = browser.send(Request::new(method, "/header/get=x")).await;
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")), "{method}");
        assert_eq!((response.header("x-handler"), response.cookies().len()), (None, 0), "{method}");
    }
    store.heal();
    assert_eq!(browser.get("/get=x").await.body, "1", "the connection goes on");
}

pub(crate) async fn a_degraded_route_goes_on_without_its_session<A: Adapter>() {
    let (site, store) = faulty_site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann/set=x:1").await;
    assert_eq!(browser.get("/degraded/subject/get=x").await.body, "ann 1");
    store.fail(Fault::Unavailable);
    let response = browser.get("/degraded/subject/get=x/header").await;
    assert_eq!((response.status, &*response.body), (200, "- -"));
    assert_eq!((response.header("x-handler"), response.cookies()), (Some("here"), vec!["other=cookie"]));
    let refused = "the session is not available and cannot be changed";
    is_error(&browser.post("/degraded/header/set=x:2").await, 503, refused);
    is_outage(&browser.get("/subject").await);
    store.heal();
    assert_eq!(browser.get("/degraded/subject/get=x").await.body, "ann 1");
}
