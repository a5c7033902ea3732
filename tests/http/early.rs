//! What is loaded before the handler runs, because a setting asks for it: to tell visitors that their session has expired
//! or moved, or to lock it.

use std::time::Duration;

use axum::Router;
use cloakroom::axum_v0_8::RouteLayer;
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{Fault, FaultyStore};
use cloakroom::{Locking, RouteOptions, Settings};
use cloakroom_tests::{Browser, Call, Direct, Request, Script, Site, poll_once};

const HOUR: Duration = Duration::from_secs(3600);

/// All settings that have a session loaded early.
fn early() -> [Settings; 3] {
    [
        Settings::new().ignore_expiry(false),
        Settings::new().ignore_change_ip(false),
        Settings::new().locking(Locking::Early),
    ]
}

/// The scripted application, all of it on a route with these settings.
fn on_route(script: &Script, route: RouteOptions) -> Router {
    script.routes().layer(RouteLayer::new(route))
}

/// Starts a request that must come to a wait.
async fn waiting(mut call: Call) -> Call {
    assert!(poll_once(&mut call).await.is_none(), "it was to wait");
    call
}

/// Expired is expired, whether the sweeper has been there or not.
#[tokio::test]
async fn a_session_that_was_swept_away_is_answered_as_an_expired_one() {
    let settings = Settings::new().ignore_expiry(false);
    let site = Direct::new(MemoryStore::new(), settings, Script::default().routes());
    site.post("/in=ann").await;
    site.clock.advance(2 * HOUR);
    assert_eq!(site.sessions.purge_expired().await.unwrap(), 1);
    let response = site.post("/set=x:1/header").await;
    assert_eq!((response.status, &*response.body), (401, "Your session has expired."));
    assert_eq!(response.cookies(), ["__Host-id=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"]);
    assert_eq!((response.header("x-handler"), site.token()), (None, None));
    let response = site.post("/origin/set=x:1").await;
    assert_eq!(
        (response.status, &*response.body),
        (200, "fresh"),
        "a visitor without a cookie has lost nothing"
    );
}

/// One of two sessions may be planted: taking the browser's own cookie away would leave it with the other.
#[tokio::test]
async fn a_browser_with_two_live_sessions_keeps_its_cookies() {
    let settings = Settings::new().ignore_expiry(false);
    let site = Site::start(MemoryStore::new(), settings, Script::default().routes()).await;
    let (victim, attacker) = (Browser::new(&site), Browser::new(&site));
    for browser in [&victim, &attacker] {
        browser.post("/set=x:1").await;
    }
    let both = format!("__Host-id={}; __Host-id={}", victim.token().unwrap(), attacker.token().unwrap());
    let response = victim.send(Request::get("/origin/get=x").header("Cookie", both)).await;
    assert_eq!((response.status, &*response.body), (200, "unknown -"));
    assert_eq!(response.cookies(), [""; 0]);
}

#[tokio::test]
async fn a_route_that_locks_nothing_lets_others_have_the_session_while_its_handler_runs() {
    for settings in early() {
        let script = Script::default();
        let explicit = RouteOptions::new().locking(Locking::Explicit);
        let site = Site::start(MemoryStore::new(), settings.clone(), on_route(&script, explicit)).await;
        let browser = Browser::new(&site);
        browser.post("/set=x:1").await;
        let tab = browser.tab();
        let slow = tokio::spawn(async move { tab.post("/get=x/a/get=x").await });
        script.a.arrival().await;
        let other = browser.post("/lock/inc=x").await;
        assert_eq!((other.status, &*other.body), (200, "2"), "{settings:?}");
        script.a.open();
        assert_eq!(slow.await.unwrap().body, "1 1", "a snapshot");
    }
}

#[tokio::test]
async fn a_degraded_route_goes_on_when_what_was_to_be_loaded_early_could_not_be() {
    for settings in early() {
        for degraded in [true, false] {
            let (store, script) = (FaultyStore::new(MemoryStore::new()), Script::default());
            let routes = on_route(&script, RouteOptions::new().degraded(degraded));
            let site = Site::start(store.clone(), settings.clone(), routes).await;
            let browser = Browser::new(&site);
            browser.post("/set=x:1").await;
            script.a.open();
            store.fail(Fault::Unavailable);
            let response = browser.get("/a/get=x").await;
            let early = settings.locking == Locking::Early;
            if degraded && !early {
                assert_eq!((response.status, &*response.body), (200, "-"));
            } else {
                assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
            }
            assert_eq!(script.a.arrived(), usize::from(!early), "only a lock keeps the handler from running");
            assert_eq!(response.cookies(), [""; 0]);
            store.heal();
            assert_eq!(browser.get("/get=x").await.body, "1");
        }
    }
}

#[tokio::test]
async fn what_was_loaded_early_without_a_lock_is_locked_and_loaded_again_at_the_first_access() {
    let script = Script::default();
    let settings = Settings::new().ignore_expiry(false);
    let site = Direct::new(MemoryStore::new(), settings, script.routes());
    site.post("/set=n:0").await;
    let first = waiting(site.post("/inc=n/a")).await;
    let second = waiting(site.post("/b/inc=n")).await;
    assert_eq!(script.b.arrived(), 1, "its handler runs");
    script.b.open();
    let second = waiting(second).await;
    assert_eq!(site.get("/get=n").await.body, "0", "readers do not wait");
    script.a.open();
    assert_eq!(first.await.body, "1");
    assert_eq!(second.await.body, "2");
    assert_eq!(site.get("/get=n").await.body, "2");
}
