//! Handlers that fail.

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{Fault, FaultyStore};
use cloakroom::{Error, Session, Settings};
use cloakroom_tests::{Browser, Site};

use super::{COUNT, add_one, count, site};

async fn too_large(session: Session) -> Result<(), Error> {
    session.insert("large", &"x".repeat(100_000)).await
}

async fn unreadable(session: Session) -> Result<String, Error> {
    session.insert("text", "x").await?;
    session.get::<u64>("text").await.map(|number| format!("{number:?}"))
}

#[tokio::test]
async fn an_error_of_the_session_is_a_response() {
    let store = FaultyStore::new(MemoryStore::new());
    let routes = Router::new()
        .route("/large", post(too_large))
        .route("/unreadable", post(unreadable))
        .route("/count", get(count).post(add_one));
    let site = Site::start(store.clone(), Settings::default(), routes).await;
    let browser = Browser::new(&site);
    browser.post("/count").await;

    let response = browser.post("/large").await;
    assert_eq!((response.status, response.body.as_str()), (413, "the session is too large"));
    assert_eq!(response.header("retry-after"), None);
    let response = browser.post("/unreadable").await;
    assert_eq!((response.status, response.body.contains("text")), (500, false), "{}", response.body);

    store.fail(Fault::Unavailable);
    for response in [browser.get("/count").await, browser.post("/count").await] {
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
        assert_eq!(response.body, "the session store is unavailable");
        assert_eq!(response.cookies().len(), 0);
    }
    store.heal();
    assert_eq!(browser.get("/count").await.body, "1");
}

/// The handler never learns that its write was not saved; the client does.
#[tokio::test]
async fn a_response_whose_session_was_not_saved_is_replaced_headers_and_all() {
    let store = FaultyStore::new(MemoryStore::new());
    let write = async |session: Session| {
        session.insert(COUNT, &7).await?;
        Ok::<_, Error>(([("set-cookie", "own=1"), ("x-own", "1"), ("content-type", "text/own")], "saved"))
    };
    let site = Site::start(store.clone(), Settings::default(), Router::new().route("/", post(write))).await;
    let browser = Browser::new(&site);
    store.fail(Fault::Unavailable);
    let response = browser.post("/").await;
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert_eq!((response.cookies().len(), response.header("x-own")), (0, None));
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.body, "the session store is unavailable");
    store.heal();
    let response = browser.post("/").await;
    assert_eq!((response.status, response.body.as_str(), response.cookies().len()), (200, "saved", 2));
}

#[tokio::test]
async fn every_status_below_500_saves_and_every_other_does_not() {
    let answer = |status: u16| {
        post(async move |session: Session| {
            session.insert(COUNT, &u64::from(status)).await?;
            Ok::<_, Error>((StatusCode::from_u16(status).unwrap(), [("x-own", "1")]).into_response())
        })
    };
    for status in [200, 204, 303, 400, 401, 404, 422, 499, 500, 503, 599] {
        let site = site(Router::new().route("/", answer(status)).route("/count", get(count))).await;
        let browser = Browser::new(&site);
        let response = browser.post("/").await;
        let saved = status < 500;
        assert_eq!((response.status, response.header("x-own")), (status, Some("1")));
        assert_eq!(response.cookies().len(), usize::from(saved), "{status}");
        let expected = if saved { status } else { 0 };
        assert_eq!(browser.get("/count").await.body, expected.to_string());
    }
}

/// axum makes it a response before the layer sees it.
#[tokio::test]
async fn an_error_of_the_application_s_own_saves_by_its_status() {
    struct Mine(StatusCode);
    impl IntoResponse for Mine {
        fn into_response(self) -> axum::response::Response {
            self.0.into_response()
        }
    }
    let fail = |status: StatusCode| {
        post(async move |session: Session| {
            session.insert("last", status.as_str()).await.map_err(|_| Mine(StatusCode::IM_A_TEAPOT))?;
            Err::<(), _>(Mine(status))
        })
    };
    let last = async |session: Session| session.get::<String>("last").await.map(Option::unwrap_or_default);
    let routes = Router::new()
        .route("/client", fail(StatusCode::CONFLICT))
        .route("/server", fail(StatusCode::BAD_GATEWAY))
        .route("/last", get(last));
    let site = site(routes).await;
    let browser = Browser::new(&site);
    assert_eq!(browser.post("/client").await.status, 409);
    assert_eq!(browser.post("/server").await.status, 502);
    assert_eq!(browser.get("/last").await.body, "409");
}
