//! Handlers that panic.

use cloakroom_tests::{Browser, Request, Response};

use super::{NO_COOKIES, eventually, site};
use crate::site::Adapter;

/// Sends a request whose handler panics; answers the response, if there is one.
async fn panics<A: Adapter>(browser: &Browser, path: &str) -> Option<Response> {
    match browser.try_send(Request::post(path)).await {
        Ok(response) if A::DIFFERENCES.answers_panics && response.status == 500 => Some(response),
        Err(_) if !A::DIFFERENCES.answers_panics => None,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_panic_saves_nothing<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    panics::<A>(&browser, "/set=x:9/header/panic").await;
    assert!(browser.token().is_none());
    browser.post("/set=x:1").await;
    let token = browser.token();
    for path in ["/set=x:9/panic", "/in=ann/panic", "/rotate/panic", "/get=x/panic", "/panic"] {
        let response = panics::<A>(&browser, path).await;
        assert!(response.is_none_or(|response| response.cookies().is_empty()), "{path}");
        let response = browser.get("/get=x/subject").await;
        assert_eq!((&*response.body, response.cookies()), ("1 -", NO_COOKIES.to_vec()), "{path}");
        assert_eq!(browser.token(), token, "{path}");
    }
    panics::<A>(&browser, "/add=x/set=x:9/panic").await;
    assert_eq!(browser.get("/get=x").await.body, "2", "what was saved by then stays");
}

pub(crate) async fn a_panic_frees_the_session<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    for (number, path) in ["/get=x/panic", "/locked/get=x/panic", "/lock/panic"].into_iter().enumerate() {
        panics::<A>(&browser, path).await;
        let response = browser.post("/lock/inc=x").await;
        assert_eq!((response.status, response.body), (200, (number + 2).to_string()), "{path}");
    }
}

/// The response, if there is one, need not wait for it.
pub(crate) async fn a_sign_out_before_a_panic_holds<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann").await;
    let stolen = browser.jar().clone();
    panics::<A>(&browser, "/out/set=x:9/panic").await;
    eventually(async || {
        *browser.jar() = stolen.clone();
        browser.get("/subject/get=x").await.body == "- -"
    })
    .await;
}
