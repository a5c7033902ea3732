//! What settings change for a whole site.

use std::time::Duration;

use cloakroom::{Locking, Settings};
use cloakroom_tests::Request;

use super::{HOUR, NO_COOKIES, REMOVAL, held, is_error, site_with};
use crate::site::Adapter;

pub(crate) async fn an_expired_session_is_answered_with_the_message_instead_of_the_page<A: Adapter>() {
    let settings = Settings::new().ignore_expiry(false).expired_message("Come in again.").expired_status(440);
    let site = site_with::<A>(settings).await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    assert_eq!(browser.get("/get=x").await.body, "1");
    site.clock.advance(HOUR);
    let stale = browser.jar().clone();
    for (number, request) in [Request::get("/b/header"), Request::post("/b/set=x:2")].into_iter().enumerate()
    {
        *browser.jar() = stale.clone();
        let response = browser.send(request).await;
        assert_eq!((response.status, &*response.body), (440, "Come in again."), "{number}");
        assert_eq!(response.cookies(), [REMOVAL]);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("x-handler"), None);
        assert_eq!((browser.token(), site.script.b.arrived()), (None, 0), "the handler did not run");
    }
    assert_eq!(browser.get("/origin/get=x").await.body, "fresh -");
    assert_eq!(browser.post("/set=x:3/get=x").await.body, "3");
}

fn bound_to_address() -> Settings {
    let trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    Settings::new().ignore_change_ip(false).trusted_proxies(trusted_proxies)
}

pub(crate) async fn a_session_stays_with_the_address_that_a_trusted_proxy_tells<A: Adapter>() {
    let site = site_with::<A>(bound_to_address()).await;
    let browser = site.browser();
    let from = |address: &str, request: Request| request.header("X-Forwarded-For", address);
    let (here, there) = ("192.0.2.1", "192.0.2.2");
    browser.send(from(here, Request::post("/set=x:1"))).await;
    let get = || Request::get("/get=x/origin");
    assert_eq!(browser.send(from(here, get())).await.body, "1 resumed");
    let response = browser.send_and_ignore_cookies(from(there, get())).await;
    assert_eq!((response.status, &*response.body), (200, "- expired"));
    assert_eq!(browser.send(from(here, get())).await.body, "1 resumed", "the first address still has it");
}

pub(crate) async fn a_session_stays_with_the_address_of_its_peer<A: Adapter>() {
    let settings = bound_to_address().trusted_proxies([]);
    let site = site_with::<A>(settings).await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let elsewhere = browser.moved_to("127.0.0.2".parse().unwrap());
    for forwarded in [None, Some("127.0.0.1")] {
        let request = Request::get("/get=x/origin");
        let request = match forwarded {
            None => request,
            Some(address) => request.header("X-Forwarded-For", address),
        };
        assert_eq!(elsewhere.send_and_ignore_cookies(request).await.body, "- expired", "{forwarded:?}");
    }
    let tab = browser.tab();
    assert_eq!(tab.get("/get=x/origin").await.body, "1 resumed", "whatever the port");
}

pub(crate) async fn a_session_locked_early_is_refused_before_the_handler_runs<A: Adapter>() {
    let lock_timeout = Duration::from_millis(50);
    let site = site_with::<A>(Settings::new().locking(Locking::Early).lock_timeout(lock_timeout)).await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let holder = held(&browser, &site.script, Request::get("/a/inc=x")).await;
    for request in [Request::get("/b/header"), Request::post("/b/set=x:9")] {
        is_error(&browser.send(request).await, 503, "the session is in use by other requests");
        assert_eq!(site.script.b.arrived(), 0, "the handler did not run");
    }
    let stranger = site.browser().get("/get=x").await;
    assert_eq!((&*stranger.body, stranger.cookies()), ("-", NO_COOKIES.to_vec()), "others do not wait");
    site.script.a.open();
    assert_eq!(holder.await.unwrap().body, "2");
    assert_eq!(browser.get("/get=x").await.body, "2");
}
