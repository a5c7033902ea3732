//! Clients that hang up while their handler runs.

use cloakroom_tests::Request;

use super::site;
use crate::site::Adapter;

async fn hangs_up<A: Adapter>(path: &str) {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    browser.hang_up(Request::post(path), site.script.a.arrival()).await;
    // Otherwise the gate stays closed: only the end of the request frees its session.
    if A::DIFFERENCES.runs_on {
        site.script.a.open();
    }
    let response = browser.post("/lock/get=x").await;
    assert_eq!((response.status, &*response.body), (200, if A::DIFFERENCES.runs_on { "9" } else { "1" }));
    assert_eq!(browser.post("/inc=y").await.body, "1");
}

pub(crate) async fn a_client_that_hangs_up_leaves_its_session_free<A: Adapter>() {
    hangs_up::<A>("/set=x:9/a").await;
}

pub(crate) async fn a_client_that_hangs_up_leaves_a_locked_route_free<A: Adapter>() {
    hangs_up::<A>("/locked/set=x:9/a").await;
}
