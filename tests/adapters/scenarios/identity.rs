//! Rotation, sign-in and sign-out, with requests in flight.

use cloakroom_tests::Request;

use super::{GRACE, NO_COOKIES, REMOVAL, held, optimistic, site, site_with};
use crate::site::Adapter;

pub(crate) async fn a_request_across_a_rotation_goes_on<A: Adapter>() {
    let site = site_with::<A>(optimistic()).await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let old = browser.token();
    let slow = held(&browser, &site.script, Request::post("/get=x/a/set=y:2")).await;
    assert_eq!(browser.post("/rotate").await.cookies().len(), 1);
    let new = browser.token();
    assert_ne!(new, old);
    site.script.a.open();
    let response = slow.await.unwrap();
    assert_eq!((response.status, response.cookies()), (200, NO_COOKIES.to_vec()));
    assert_eq!(browser.token(), new);
    assert_eq!(browser.get("/get=x/get=y").await.body, "1 2");
}

pub(crate) async fn the_old_secret_of_a_rotation_works_until_the_new_one_was_presented_for_a_grace<
    A: Adapter,
>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let late = site.browser();
    late.jar().clone_from(&browser.jar());
    browser.post("/rotate").await;
    let response = late.get("/get=x").await;
    assert_eq!((&*response.body, response.cookies()), ("1", NO_COOKIES.to_vec()));
    site.clock.advance(3 * GRACE);
    assert_eq!(late.get("/get=x").await.body, "1", "the answer may have got lost");
    assert_eq!(browser.post("/add=y").await.status, 200);
    site.clock.advance(GRACE);
    assert_eq!(late.get("/get=x/origin").await.body, "- superseded");
    assert_eq!(browser.get("/get=x/origin").await.body, "1 resumed");
}

pub(crate) async fn an_elevation_throws_out_everybody_else_at_once<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann/set=x:1").await;
    let thief = site.browser();
    thief.jar().clone_from(&browser.jar());
    assert_eq!(thief.post("/rotate").await.cookies().len(), 1);
    assert_eq!(browser.post("/elevate").await.cookies().len(), 1);
    assert_eq!(thief.get("/subject/origin").await.body, "- superseded");
    let late = thief.post("/elevate").await;
    assert_eq!((late.status, late.cookies()), (409, NO_COOKIES.to_vec()));
    assert_eq!(browser.get("/subject/get=x").await.body, "ann 1");
}

/// A proxy may hand an upload over long after its visitor has sent it.
pub(crate) async fn a_dead_cookie_is_late_for_ten_seconds_and_with_a_body_for_five_minutes<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=cart:1").await;
    let dead = site.browser();
    dead.jar().clone_from(&browser.jar());
    browser.post("/in=ann").await;
    let upload = || Request::post("/set=late:1").body("a long file");
    for request in [Request::get("/set=late:1"), upload()] {
        assert_eq!(dead.send(request).await.cookies(), NO_COOKIES);
    }
    site.clock.advance(2 * GRACE);
    assert_eq!(dead.send(upload()).await.cookies(), NO_COOKIES);
    let visitor = dead.send(Request::get("/set=new:1/origin")).await;
    assert_eq!((&*visitor.body, visitor.cookies().len()), ("superseded", 1));
    assert_eq!(browser.get("/subject/get=late/get=new").await.body, "ann - -");
}

pub(crate) async fn a_request_across_a_sign_in_writes_nothing_and_keeps_the_new_cookie<A: Adapter>() {
    let site = site_with::<A>(optimistic()).await;
    for wish in ["set=late:1", "clear", "rotate", "expire", "forget", "out", "out/set=late:1"] {
        let browser = site.browser();
        browser.post("/set=cart:1").await;
        let slow = held(&browser, &site.script, Request::post(format!("/get=cart/a/{wish}"))).await;
        assert_eq!(browser.post("/in=ann").await.cookies().len(), 1);
        let token = browser.token();
        site.script.a.open();
        let response = slow.await.unwrap();
        assert_eq!((response.status, response.cookies()), (200, NO_COOKIES.to_vec()), "{wish}");
        assert_eq!(browser.token(), token, "{wish}");
        assert_eq!(browser.get("/subject/get=cart/get=late").await.body, "ann 1 -", "{wish}");
    }
}

/// Whichever response arrives last.
pub(crate) async fn a_login_clicked_twice_ends_signed_in<A: Adapter>() {
    let site = site_with::<A>(optimistic()).await;
    let browser = site.browser();
    browser.post("/set=cart:1").await;
    let slow = held(&browser, &site.script, Request::post("/get=cart/a/in=ann")).await;
    assert_eq!(browser.post("/in=ann").await.cookies().len(), 1);
    let first = browser.jar().clone();
    site.script.a.open();
    let response = slow.await.unwrap();
    assert_eq!((response.status, response.cookies().len()), (200, 1));
    assert_eq!(browser.get("/subject").await.body, "ann");
    *browser.jar() = first;
    assert_eq!(browser.get("/subject/get=cart").await.body, "ann 1");
}

pub(crate) async fn a_request_across_a_sign_out_does_not_bring_the_session_back<A: Adapter>() {
    let site = site_with::<A>(optimistic()).await;
    for wish in ["set=late:1", "rotate/set=late:1", "clear", "remember=600", "out/set=late:1"] {
        let browser = site.browser();
        browser.post("/in=ann/set=cart:1").await;
        let late = site.browser();
        late.jar().clone_from(&browser.jar());
        let slow = held(&browser, &site.script, Request::post(format!("/get=cart/a/{wish}"))).await;
        assert_eq!(browser.post("/out").await.cookies(), [REMOVAL]);
        site.script.a.open();
        let response = slow.await.unwrap();
        assert_eq!((response.status, response.cookies()), (200, NO_COOKIES.to_vec()), "{wish}");
        assert_eq!(browser.token(), None, "{wish}");
        let response = late.get("/subject/get=cart/get=late/set=x:1").await;
        assert_eq!((&*response.body, response.cookies()), ("- - -", NO_COOKIES.to_vec()), "{wish}");
        assert!(site.sessions.sessions_of("ann").await.unwrap().is_empty(), "{wish}");
    }
}

pub(crate) async fn a_visitor_begins_anew_after_a_sign_out<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann/set=x:1").await;
    let old = browser.token();
    let response = browser.post("/out/get=x/set=y:2").await;
    assert_eq!((&*response.body, response.cookies().len()), ("-", 1));
    assert!(browser.token().is_some() && browser.token() != old);
    assert_eq!(browser.get("/subject/get=x/get=y").await.body, "- - 2");
}
