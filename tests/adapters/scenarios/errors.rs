//! Handlers that fail, and sessions that do.

use cloakroom::Settings;
use cloakroom_tests::Request;

use super::{REMOVAL, held, is_error, optimistic, site, site_with};
use crate::site::Adapter;

pub(crate) async fn below_500_saves_and_above_does_not<A: Adapter>() {
    let site = site::<A>().await;
    for status in [200, 303, 400, 401, 404, 409, 422, 500, 502, 503] {
        let browser = site.browser();
        let response = browser.post(&format!("/set=x:1/header/status={status}")).await;
        assert_eq!((response.status, response.header("x-handler")), (status, Some("here")));
        let saved = status < 500;
        assert_eq!(response.cookies().len(), if saved { 2 } else { 1 }, "{status}");
        assert_eq!(browser.get("/get=x").await.body, if saved { "1" } else { "-" }, "{status}");
    }
}

pub(crate) async fn a_sign_out_holds_even_if_the_answer_is_a_500<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann/set=x:1").await;
    let stolen = browser.jar().clone();
    let response = browser.post("/out/set=y:1/status=500").await;
    assert_eq!((response.status, response.cookies()), (500, vec![REMOVAL]));
    *browser.jar() = stolen;
    assert_eq!(browser.get("/subject/get=x/get=y").await.body, "- - -");
}

pub(crate) async fn an_error_of_the_session_is_the_response<A: Adapter>() {
    let site = site_with::<A>(Settings::new().max_keys(1)).await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    is_error(&browser.post("/header/set=x:2/set=y:1").await, 413, "the session is too large");
    assert_eq!(
        browser.get("/get=x/get=y").await.body,
        "2 -",
        "what fitted is saved: the status is below 500"
    );
}

/// The handler never learns that its write was not saved; the client does.
pub(crate) async fn a_conflict_at_the_end_replaces_the_response<A: Adapter>() {
    let site = site_with::<A>(optimistic()).await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let slow = held(&browser, &site.script, Request::post("/get=x/header/a/set=x:2")).await;
    browser.post("/set=x:3").await;
    site.script.a.open();
    is_error(&slow.await.unwrap(), 409, "another request changed what this one was changing");
    assert_eq!(browser.get("/get=x").await.body, "3");
}

pub(crate) async fn a_write_to_a_session_that_ended_is_answered_409<A: Adapter>() {
    let site = site_with::<A>(optimistic()).await;
    for (change, after) in [("/out", "- -"), ("/in=ann", "1 ann")] {
        let browser = site.browser();
        browser.post("/set=x:1").await;
        let slow = held(&browser, &site.script, Request::post("/get=x/header/a/add=x")).await;
        assert_eq!(browser.post(change).await.cookies().len(), 1);
        site.script.a.open();
        let text = "the session was ended or its secret replaced while this request ran, or shortly before";
        is_error(&slow.await.unwrap(), 409, text);
        assert_eq!(browser.get("/get=x/subject").await.body, after);
    }
}
