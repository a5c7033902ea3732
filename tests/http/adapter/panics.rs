//! Handlers that panic: nothing is saved but the end of a session, and nobody else is kept waiting.

use std::any::Any;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use cloakroom::axum_v0_8::SessionLayer;
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, TestClock};
use cloakroom::{Error, Locking, Session, SessionManager, Settings};
use cloakroom_tests::{Browser, Site};
use tower_http::catch_panic::CatchPanicLayer;

use super::{COUNT, add_one, count, eventually};

async fn write_and_panic(session: Session) -> Result<String, Error> {
    session.insert(COUNT, &99).await?;
    std::panic::panic_any("as told");
}

async fn panic_in_update(session: Session) -> Result<(), Error> {
    session.update(COUNT, |_| std::panic::panic_any("as told")).await
}

async fn destroy_and_panic(session: Session) -> Result<String, Error> {
    session.destroy().await?;
    session.insert(COUNT, &99).await?;
    std::panic::panic_any("as told");
}

async fn save_and_panic(session: Session) -> Result<String, Error> {
    add_one(session.clone()).await?;
    write_and_panic(session).await
}

/// Its own changes are saved: it knows that its helper failed.
async fn outlive_a_helper(session: Session) -> Result<String, Error> {
    let helper = tokio::spawn(write_and_panic(session.clone()));
    assert!(helper.await.unwrap_err().is_panic());
    session.insert(COUNT, &7).await?;
    Ok("as told".into())
}

fn routes() -> Router {
    Router::new()
        .route("/", get(count).post(add_one))
        .route("/panic", post(write_and_panic))
        .route("/update", post(panic_in_update))
        .route("/destroy", post(destroy_and_panic))
        .route("/save", post(save_and_panic))
        .route("/helper", post(outlive_a_helper))
}

fn sessions(clock: &TestClock) -> SessionManager {
    let settings = Settings::new().locking(Locking::Implicit);
    testing::manager(MemoryStore::new(), settings, clock).unwrap()
}

/// After a panic, the session is as before and free.
async fn assert_unharmed(site: &Site, browser: &Browser) {
    for path in ["/panic", "/update"] {
        let response = browser.post(path).await;
        assert_eq!((response.status, response.cookies().len()), (500, 0), "{path}");
        assert_eq!(browser.get("/").await.body, "1", "{path}");
    }
    assert_eq!(Browser::new(site).post("/panic").await.cookies().len(), 0);
}

#[tokio::test]
async fn a_panic_that_a_layer_outside_catches_saves_nothing() {
    let clock = TestClock::new();
    let sessions = sessions(&clock);
    let app = routes().layer(SessionLayer::new(sessions.clone())).layer(CatchPanicLayer::new());
    let site = Site::serve(app, sessions, clock).await;
    let browser = Browser::new(&site);
    browser.post("/").await;
    assert_unharmed(&site, &browser).await;

    assert_eq!(browser.post("/destroy").await.status, 500);
    eventually(async || browser.get("/").await.body == "0").await; // the response is not ours to hold back
}

#[tokio::test]
async fn a_panic_that_a_layer_inside_catches_saves_nothing() {
    let clock = TestClock::new();
    let sessions = sessions(&clock);
    let app = routes().layer(CatchPanicLayer::new()).layer(SessionLayer::new(sessions.clone()));
    let site = Site::serve(app, sessions, clock).await;
    let browser = Browser::new(&site);
    browser.post("/").await;
    assert_unharmed(&site, &browser).await;

    assert_eq!(browser.post("/destroy").await.status, 500);
    assert!(browser.jar().is_empty());
}

#[tokio::test]
async fn a_panic_that_nobody_catches_saves_nothing_and_goes_on() {
    let clock = TestClock::new();
    let sessions = sessions(&clock);
    let app = routes().layer(SessionLayer::new(sessions.clone()));
    let site = Site::serve(app.clone(), sessions, clock).await;
    let browser = Browser::new(&site);
    browser.post("/").await;
    for path in ["/panic", "/update"] {
        let cookie = format!("__Host-id={}", browser.token().unwrap());
        let request = Request::post(path).header("cookie", cookie).body(Body::empty()).unwrap();
        let run = tokio::spawn(tower::ServiceExt::oneshot(app.clone(), request));
        assert!(run.await.unwrap_err().is_panic(), "{path}");
        assert_eq!(browser.get("/").await.body, "1", "{path}");
    }
}

/// Makes a redirect of a panic.
fn redirecting() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(|_| Redirect::to("/").into_response())
}

/// SAFETY F12. The handle that was alive in the handler has seen it.
#[tokio::test]
async fn a_panic_that_a_layer_inside_answers_with_a_redirect_saves_nothing() {
    let clock = TestClock::new();
    let sessions = sessions(&clock);
    let app = routes().layer(redirecting()).layer(SessionLayer::new(sessions.clone()));
    let site = Site::serve(app, sessions, clock).await;
    let browser = Browser::new(&site);
    browser.post("/").await;
    for path in ["/panic", "/update"] {
        let response = browser.post(path).await;
        assert_eq!((response.status, response.cookies().len()), (303, 0), "{path}");
        assert_eq!(browser.get("/").await.body, "1", "{path}");
    }
    let stranger = Browser::new(&site);
    assert_eq!(stranger.post("/panic").await.cookies().len(), 0);

    // What was saved before has a secret, which must not get lost.
    assert_eq!(stranger.post("/save").await.cookies().len(), 1);
    assert_eq!(stranger.get("/").await.body, "1");

    assert_eq!(browser.post("/destroy").await.status, 303);
    assert!(browser.jar().is_empty());
}

#[tokio::test]
async fn a_panic_of_a_task_that_has_a_handle_is_not_the_handler_s() {
    let clock = TestClock::new();
    let sessions = sessions(&clock);
    let app = routes().layer(SessionLayer::new(sessions.clone()));
    let site = Site::serve(app, sessions, clock).await;
    let browser = Browser::new(&site);
    assert_eq!(browser.post("/helper").await.body, "as told");
    assert_eq!(browser.get("/").await.body, "7");
}
