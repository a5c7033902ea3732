//! Settings of single routes, and what else a framework's routes can have.

use std::time::Duration;

use cloakroom::testing::{Call, Fault};
use cloakroom::{Locking, Settings};
use cloakroom_tests::Request;

use super::{
    HOUR, NO_COOKIES, REMOVAL, faulty_site, faulty_site_with, held, is_error, is_guard_error, is_outage,
    site, site_with,
};
use crate::site::{Adapter, OTHER};

pub(crate) async fn a_locked_route_has_the_session_to_itself<A: Adapter>() {
    let lock_timeout = Duration::from_millis(50);
    let site = site_with::<A>(Settings::new().lock_timeout(lock_timeout)).await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let holder = held(&browser, &site.script, Request::get("/locked/get=x/a/set=x:2")).await;
    assert_eq!(browser.get("/get=x").await.body, "1", "other routes do not wait");
    for request in [Request::get("/locked/header/get=x"), Request::post("/locked/header/set=x:3")] {
        is_error(&browser.send(request).await, 503, "the session is in use by other requests");
    }
    assert_eq!(browser.get("/locked/yield").await.status, 200, "nor does who does not use it");
    site.script.a.open();
    assert_eq!(holder.await.unwrap().body, "1");
    assert_eq!(browser.get("/locked/get=x").await.body, "2");
}

pub(crate) async fn a_no_touch_route_does_not_keep_the_session_alive<A: Adapter>() {
    let (site, store) = faulty_site::<A>().await;
    for (path, touches, after) in [("/subject", 1, "ann"), ("/no_touch/subject", 0, "-")] {
        let browser = site.browser();
        browser.post("/in=ann").await;
        let before = store.count(Call::Touch);
        site.clock.advance(HOUR / 2);
        assert_eq!(browser.get(path).await.body, "ann");
        // A touch comes after the response.
        assert!(site.sessions.shutdown().await);
        assert_eq!(store.count(Call::Touch), before + touches, "{path}");
        site.clock.advance(HOUR / 2);
        assert_eq!(browser.get("/no_touch/subject").await.body, after, "{path}");
    }
}

pub(crate) async fn a_route_without_sessions_asks_nobody<A: Adapter>() {
    let (site, store) = faulty_site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let calls = store.count_all();
    for path in ["/off/get=x", "/off/header/set=x:2", "/off/out"] {
        is_error(&browser.post(path).await, 500, "the session call is not possible");
    }
    let response = browser.get("/off/try.get=x").await;
    assert_eq!((response.status, &*response.body), (200, "Unsupported"));
    assert_eq!((response.header("vary"), response.cookies()), (None, NO_COOKIES.to_vec()));
    assert_eq!(store.count_all(), calls);
    assert_eq!(browser.get("/get=x").await.body, "1");
}

pub(crate) async fn a_route_for_users_knows_who_it_is<A: Adapter>() {
    let site = site::<A>().await;
    let (ann, bob) = (site.browser(), site.browser());
    ann.post("/in=ann").await;
    bob.post("/set=x:1").await;
    let response = ann.get("/user").await;
    assert_eq!((response.status, &*response.body), (200, "ann"));
    assert_eq!((response.header("vary"), response.cookies()), (Some("Cookie"), NO_COOKIES.to_vec()));
    for browser in [&bob, &site.browser()] {
        let response = browser.get("/user").await;
        is_guard_error::<A>(&response, 401, "sign in first");
        assert!(response.all("vary").any(|vary| vary == "Cookie"));
    }
    ann.post("/out").await;
    is_guard_error::<A>(&ann.get("/user").await, 401, "sign in first");
}

pub(crate) async fn a_route_for_users_answers_503_while_the_store_is_down<A: Adapter>() {
    let (site, store) = faulty_site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann").await;
    store.fail(Fault::Unavailable);
    is_guard_error::<A>(&browser.get("/user").await, 503, "the session store is unavailable");
    store.heal();
    assert_eq!(browser.get("/user").await.body, "ann");
}

pub(crate) async fn a_handler_outside_the_adapter_is_told_what_is_missing<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let response = browser.get("/bare/get=x").await;
    assert_eq!((response.status, response.cookies()), (500, NO_COOKIES.to_vec()));
    let says = response.body.contains("no session: ");
    assert_eq!(says, !A::DIFFERENCES.hides_what_is_missing, "{}", response.body);
}

pub(crate) async fn an_adapter_inside_another_shares_its_session<A: Adapter>() {
    let (site, store) = faulty_site::<A>().await;
    let browser = site.browser();
    let response = browser.post("/twice/inc=x").await;
    assert_eq!((&*response.body, response.cookies().len()), ("1", 1));
    assert_eq!(response.all("vary").collect::<Vec<_>>(), ["Cookie"]);
    assert_eq!(browser.post("/twice/inc=x").await.body, "2");
    assert_eq!(browser.get("/get=x").await.body, "2");
    assert_eq!((store.count(Call::Create), store.count(Call::Replace)), (1, 1));
    let response = browser.post("/twice/out").await;
    assert_eq!((response.status, response.cookies().len()), (200, 1));
    browser.post("/set=x:1").await;
    store.fail_calls(Call::Replace, Fault::Unavailable);
    is_outage(&browser.post("/twice/set=x:2/header").await);
}

/// Two sessions would wait for each other.
pub(crate) async fn an_adapter_inside_another_does_not_lock_its_session_again<A: Adapter>() {
    let lock_timeout = Duration::from_millis(50);
    let settings = Settings::new().locking(Locking::Early).lock_timeout(lock_timeout);
    let (site, store) = faulty_site_with::<A>(settings).await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    for expected in ["2", "3"] {
        let loads = store.count(Call::Load);
        let response = browser.post("/twice/inc=x").await;
        assert_eq!((response.status, &*response.body), (200, expected));
        assert_eq!(store.count(Call::Load), loads + 1);
    }
}

pub(crate) async fn an_adapter_inside_another_with_another_cookie_name_has_a_session_of_its_own<
    A: Adapter,
>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:5").await;
    for expected in ["1", "2"] {
        let response = browser.post("/other/inc=x").await;
        assert_eq!((response.status, &*response.body), (200, expected));
    }
    assert!(["__Host-id", OTHER].iter().all(|name| browser.jar().get(name).is_some()));
    assert_eq!(browser.get("/get=x").await.body, "5");
    let response = browser.post("/other/out").await;
    assert_eq!((response.status, response.cookies()), (200, vec![&*REMOVAL.replace("__Host-id", OTHER)]));
    assert_eq!(browser.get("/get=x").await.body, "5");
}

/// SECURITY 55. Each of the two would overwrite the cookie of the other.
pub(crate) async fn an_adapter_inside_another_with_its_cookie_name_and_another_engine_is_refused<
    A: Adapter,
>() {
    let (site, store) = faulty_site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann/set=x:1").await;
    let (token, calls) = (browser.token(), store.count_all());
    for path in ["/clash/get=x", "/clash/set=x:2/header", "/clash/in=bob", "/clash/out", "/clash/yield"] {
        for browser in [&browser, &site.browser()] {
            is_error(&browser.post(path).await, 500, "the session call is not possible");
        }
    }
    assert_eq!((browser.token(), store.count_all()), (token, calls));
    assert_eq!(browser.get("/get=x/subject").await.body, "1 ann");
}

pub(crate) async fn a_body_passes_through_untouched<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    for (number, body) in
        ["hello".to_owned(), String::new(), "0123456789abcdef".repeat(1 << 16)].into_iter().enumerate()
    {
        let response = browser.send(Request::post("/echo").body(body.clone())).await;
        assert_eq!(response.status, 200);
        assert!(response.body == body, "{} bytes of {}", response.body.len(), body.len());
        assert_eq!(browser.get("/get=bodies").await.body, (number + 1).to_string());
    }
}
