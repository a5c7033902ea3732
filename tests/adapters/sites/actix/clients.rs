//! What becomes of a connection's other requests, and of its handler where that does hear that its client has gone.

use actix_web::{App, HttpServer};
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, TestClock};
use cloakroom::{SessionManager, Settings};
use cloakroom_tests::{Browser, Http2, Request, Script};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{listener, routes, served};
use crate::site::Served;

fn site(allow_half_closed: bool) -> (Served, Browser, Script) {
    let sessions: SessionManager =
        testing::manager(MemoryStore::new(), Settings::default(), &TestClock::new()).unwrap();
    let script = Script::default();
    let (listener, address) = listener();
    let routes = routes(sessions, script.clone());
    let server = HttpServer::new(move || App::new().configure(routes.clone()));
    let server = server.workers(1).disable_signals().h1_allow_half_closed(allow_half_closed);
    (served(address, server.listen_auto_h2c(listener).unwrap().run()), Browser::at(address), script)
}

/// Whose handler was dropped: it waits at a gate that stays closed.
async fn assert_dropped(browser: &Browser) {
    let response = browser.post("/lock/get=x").await;
    assert_eq!((response.status, &*response.body), (200, "1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_whose_connection_is_reset_is_dropped_and_saves_nothing() {
    let (served, browser, script) = site(true);
    browser.post("/set=x:1").await;
    let token = browser.token().unwrap();
    let mut connection = TcpStream::connect(served.address).await.unwrap();
    let request = format!(
        "POST /lock/set=x:9/a HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-id={token}\r\nContent-Length: 0\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    script.a.arrival().await;
    connection.set_zero_linger().unwrap();
    drop(connection);
    assert_dropped(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_dropped_with_its_connection_where_half_closed_ones_are_not_allowed() {
    let (_served, browser, script) = site(false);
    browser.post("/set=x:1").await;
    browser.hang_up(Request::post("/lock/set=x:9/a"), script.a.arrival()).await;
    assert_dropped(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_under_http2_ends_its_own_stream_alone() {
    let (served, browser, script) = site(true);
    browser.post("/set=x:1").await;
    let cookie = format!("__Host-id={}", browser.token().unwrap());
    let connection = Http2::to(served.address).await;
    let send = |path| connection.try_send(Request::post(path).header("cookie", &cookie));
    let held = connection.try_send(Request::get("/add=x/a/add=x").header("cookie", &cookie));
    let (other, ()) = tokio::join!(held, async {
        script.a.arrival().await;
        let panicked = send("/lock/set=x:9/panic").await;
        assert!(panicked.is_err(), "{panicked:?}");
        script.a.open();
    });
    assert_eq!(other.unwrap().body, "2 3");
    assert_eq!(send("/lock/get=x").await.unwrap().body, "3");
}
