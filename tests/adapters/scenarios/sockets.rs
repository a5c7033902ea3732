//! WebSockets: the session is held for as long as they are open.

use cloakroom::testing::{Call, Fault};

use super::{HOUR, NO_COOKIES, faulty_site, is_outage, site};
use crate::site::Adapter;

pub(crate) async fn a_socket_reads_and_saves_its_session<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let (mut socket, response) = browser.socket("/socket/get=x").await.unwrap();
    assert_eq!((response.status, response.cookies()), (101, NO_COOKIES.to_vec()));
    assert_eq!(socket.ask("/get=x").await, "1");
    assert_eq!(socket.ask("/set=y:2/save/get=y").await, "2");
    assert_eq!(browser.get("/get=x/get=y").await.body, "1 2");
    assert_eq!(socket.ask("/set=z:3").await, "");
    assert_eq!(browser.get("/get=z").await.body, "-", "nothing is saved by itself");
    browser.post("/set=x:5").await;
    assert_eq!(socket.ask("/get=x/reload/get=x").await, "1 true 5");
    assert_eq!(socket.ask("/add=x").await, "6");
    assert_eq!(browser.get("/get=x").await.body, "6");
}

pub(crate) async fn a_socket_learns_that_its_visitor_signed_out<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann/set=x:1").await;
    let (mut socket, _) = browser.socket("/socket/yield").await.unwrap();
    assert_eq!(socket.ask("/subject/reload").await, "ann true");
    browser.post("/out").await;
    assert_eq!(socket.ask("/reload/subject/get=x").await, "false - -");
    assert_eq!(socket.ask("/set=late:1/save").await, "Ended");
    assert!(site.sessions.sessions_of("ann").await.unwrap().is_empty());
}

pub(crate) async fn a_socket_learns_that_its_session_expired<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/in=ann/set=x:1").await;
    let (mut socket, _) = browser.socket("/socket/yield").await.unwrap();
    site.clock.advance(HOUR / 2);
    assert_eq!(socket.ask("/reload").await, "true");
    site.clock.advance(HOUR / 2);
    assert_eq!(socket.ask("/reload/get=x").await, "false -");
}

pub(crate) async fn a_socket_holds_no_lock<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    for path in ["/socket/yield", "/socket/get=x", "/socket/lock/get=x"] {
        let (mut socket, _) = browser.socket(path).await.unwrap();
        assert_eq!(browser.post("/lock/get=x").await.status, 200, "{path}");
        assert_eq!(socket.ask("/get=x").await, "1");
        assert_eq!(browser.post("/lock/get=x").await.status, 200, "{path}");
        assert_eq!(browser.get("/locked/get=x").await.status, 200, "{path}");
    }
}

pub(crate) async fn a_cookie_comes_with_the_upgrade_if_one_is_due<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    let (mut socket, response) = browser.socket("/socket/set=x:1").await.unwrap();
    assert_eq!((response.status, response.cookies().len()), (101, 1));
    assert_eq!(
        (response.header("cache-control"), response.header("vary")),
        (Some("no-store"), Some("Cookie"))
    );
    assert_eq!(socket.ask("/get=x").await, "1");
    assert_eq!(browser.get("/get=x").await.body, "1");
    assert_eq!(socket.ask("/set=x:2/save").await, "");
    assert_eq!(browser.get("/get=x").await.body, "2");
}

pub(crate) async fn a_session_cannot_begin_in_a_socket<A: Adapter>() {
    let site = site::<A>().await;
    let (mut socket, response) = site.browser().socket("/socket/yield").await.unwrap();
    assert_eq!((response.status, response.cookies()), (101, NO_COOKIES.to_vec()));
    assert_eq!(socket.ask("/reload/get=x").await, "false -");
    assert_eq!(socket.ask("/set=x:1/save").await, "HeadSent");
}

pub(crate) async fn an_upgrade_whose_session_was_not_saved_does_not_happen<A: Adapter>() {
    let (site, store) = faulty_site::<A>().await;
    let browser = site.browser();
    store.fail_calls(Call::Create, Fault::Unavailable);
    is_outage(&browser.socket("/socket/set=x:1").await.unwrap_err());
    store.heal();
    assert_eq!(browser.socket("/socket/set=x:1").await.unwrap().1.cookies().len(), 1);
}
