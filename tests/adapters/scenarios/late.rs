//! Requests that come with a dead secret: late, as long as they may have been sent before it died, and a new visitor's
//! afterwards (RULES §3).

use std::time::Duration;

use cloakroom::Settings;
use cloakroom_tests::{Browser, Request, Response};

use super::{NO_COOKIES, held, optimistic, site, site_with};
use crate::site::{Adapter, Site};

const WINDOW: Duration = Duration::from_secs(10);
const UPLOAD_WINDOW: Duration = Duration::from_secs(5 * 60);

/// A browser whose user has signed in, and one that still has the cookie from before.
async fn signed_in(site: &Site) -> (Browser, Browser) {
    let (browser, late) = (site.browser(), site.browser());
    browser.post("/set=cart:1").await;
    late.jar().clone_from(&browser.jar());
    browser.post("/in=ann").await;
    (browser, late)
}

fn saves_nothing(response: &Response) {
    assert_eq!((response.status, response.cookies()), (200, NO_COOKIES.to_vec()));
}

/// SAFETY F18.
pub(crate) async fn a_dead_cookie_saves_nothing_at_first_and_is_a_new_visitor_s_then<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann").await;
    let late = site.browser();
    late.jar().clone_from(&browser.jar());
    browser.post("/out").await;
    let dead = late.token();
    for path in ["/inc=x", "/clear", "/rotate", "/expire", "/out"] {
        saves_nothing(&late.post(path).await);
    }
    assert_eq!(late.post("/add=x").await.status, 409);
    assert_eq!(late.token(), dead);
    site.clock.advance(WINDOW);
    let response = late.post("/add=x").await;
    assert_eq!((response.status, &*response.body), (200, "1"));
    assert_ne!(late.token(), dead);
}

/// SAFETY F18.
pub(crate) async fn a_request_held_for_a_minute_across_a_sign_out_saves_nothing<A: Adapter>() {
    let site = site_with::<A>(optimistic()).await;
    let browser = site.browser();
    browser.post("/in=ann/set=x:1").await;
    let slow = held(&browser, &site.script, Request::post("/a/inc=x/subject")).await;
    browser.post("/out").await;
    site.clock.advance(Duration::from_secs(60));
    site.script.a.open();
    let response = slow.await.unwrap();
    saves_nothing(&response);
    assert_eq!(response.body, "1 -");
    assert_eq!(browser.token(), None);
}

pub(crate) async fn an_upload_that_a_proxy_held_back_across_a_sign_in_saves_nothing<A: Adapter>() {
    let site = site::<A>().await;
    let (browser, late) = signed_in(&site).await;
    let upload = || Request::post("/inc=x").body("a picture");
    site.clock.advance(Duration::from_secs(60));
    saves_nothing(&late.send(upload()).await);
    assert_eq!(browser.get("/subject/get=cart/get=x").await.body, "ann 1 -");
    site.clock.advance(UPLOAD_WINDOW - Duration::from_secs(60));
    assert_eq!(late.send(upload()).await.cookies().len(), 1, "it began after the sign-in");

    let (_, late) = signed_in(&site).await;
    site.clock.advance(Duration::from_secs(60));
    assert_eq!(late.post("/inc=x").await.cookies().len(), 1, "it has no body");
}

pub(crate) async fn a_trusted_proxy_says_when_a_request_began<A: Adapter>() {
    // A test's clock begins then.
    const START: u64 = 1_735_689_600;
    let settings = Settings::new()
        .trusted_proxies(["127.0.0.1".parse().unwrap()])
        .request_start_header("X-Request-Start");
    for (settings, is_late) in [(settings, true), (Settings::new(), false)] {
        let site = site_with::<A>(settings).await;
        site.clock.advance(Duration::from_secs(60));
        let (browser, late) = signed_in(&site).await;
        site.clock.advance(Duration::from_secs(600));
        let begun = |after: u64| {
            Request::post("/inc=x").header("X-Request-Start", format!("t={}.500", START + 60 + after))
        };
        let response = late.send(begun(9)).await;
        assert_eq!((response.status, response.cookies().len()), (200, usize::from(!is_late)));
        assert_eq!(browser.get("/subject/get=x").await.body, "ann -");
        if is_late {
            assert_eq!(late.send(begun(10)).await.cookies().len(), 1);
        }
    }
}
