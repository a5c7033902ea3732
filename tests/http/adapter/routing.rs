//! Where in a router the layer may stand, and what a handler may be.

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{any, get, post};
use cloakroom::axum_v0_8::{RouteLayer, SessionLayer};
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, Call, Fault, FaultyStore, TestClock};
use cloakroom::{Error, Locking, RouteOptions, Session, Settings};
use cloakroom_tests::{Browser, Gate, Request as Sent, Site};

use super::{COUNT, add_one, count, site};

#[tokio::test]
async fn every_route_below_the_layer_has_the_same_session() {
    let deep = Router::new().route("/leaf", get(add_one)).fallback(add_one);
    let nested = Router::new().nest("/deep", deep).route("/{name}", get(add_one));
    let merged = Router::new().route("/merged", post(add_one)).route_layer(from_fn(
        async |session: Session, request: Request, next: Next| {
            session.update("passed", |passed: &mut Option<u32>| *passed.get_or_insert(0) += 1).await?;
            Ok::<_, Error>(next.run(request).await)
        },
    ));
    let routes = Router::new().nest("/nested", nested).merge(merged).nest_service("/service", any(add_one));
    let site = site(routes.fallback(add_one)).await;
    let browser = Browser::new(&site);
    let paths = ["/nested/deep/leaf", "/nested/any", "/nested/deep/absent", "/service/x", "/absent"];
    for (number, path) in paths.iter().enumerate() {
        assert_eq!(browser.get(path).await.body, (number + 1).to_string(), "{path}");
    }
    assert_eq!(browser.post("/merged").await.body, "6");
    assert_eq!(browser.get("/merged").await.status, 405);
    assert_eq!(browser.jar().cookie_header("/elsewhere", true).map(|cookies| cookies.len()), Some(54));
}

#[tokio::test]
async fn a_route_layer_leaves_what_is_not_found_alone() {
    let clock = TestClock::new();
    let store = FaultyStore::new(MemoryStore::new());
    let sessions = testing::manager(store.clone(), Settings::default(), &clock).unwrap();
    let app = Router::new().route("/", get(add_one)).route_layer(SessionLayer::new(sessions.clone()));
    let site = Site::serve(app, sessions, clock).await;
    let browser = Browser::new(&site);
    assert_eq!(browser.get("/").await.body, "1");
    let response = browser.get("/absent").await;
    assert_eq!((response.status, response.header("vary")), (404, None));
    assert_eq!(browser.get("/").await.body, "2");
    assert_eq!(store.count(Call::Load), 1);
}

/// PEERS: "redirect arrives before the save" (express-session#360, #704).
#[tokio::test]
async fn what_is_written_before_a_redirect_is_there_for_the_request_that_follows_it() {
    let go = async |session: Session, Path(number): Path<u64>| {
        session.insert(COUNT, &number).await?;
        Ok::<_, Error>(Redirect::to("/"))
    };
    let site = site(Router::new().route("/go/{number}", post(go)).route("/", get(count))).await;
    let browser = Browser::new(&site);
    for number in 1..=20 {
        let response = browser.post(&format!("/go/{number}")).await;
        assert_eq!((response.status, response.header("location")), (303, Some("/")));
        assert_eq!(browser.tab().get("/").await.body, number.to_string());
    }
}

#[tokio::test]
async fn middleware_and_handler_hold_the_same_session() {
    let around = async |session: Session, request: Request, next: Next| {
        session.insert("before", &1).await?;
        let response = next.run(request).await;
        assert_eq!(session.get(COUNT).await?, Some(7));
        session.insert("after", &1).await?;
        Ok::<_, Error>(response)
    };
    let handler = async |one: Session, other: Session| {
        assert!(one.contains("before").await?);
        other.insert(COUNT, &7).await?;
        one.keys().await.map(|keys| keys.join(" "))
    };
    let keys = async |session: Session| session.keys().await.map(|keys| keys.join(" "));
    let routes = Router::new().route("/", post(handler)).layer(from_fn(around)).route("/keys", get(keys));
    let site = site(routes).await;
    let browser = Browser::new(&site);
    assert_eq!(browser.post("/").await.body, "before count");
    assert_eq!(browser.get("/keys").await.body, "after before count");
}

#[tokio::test]
async fn a_handler_without_the_layer_answers_500_and_names_it() {
    let clock = TestClock::new();
    let sessions = testing::manager(MemoryStore::new(), Settings::default(), &clock).unwrap();
    let app = Router::new()
        .route("/with", get(count))
        .layer(SessionLayer::new(sessions.clone()))
        .route("/without", get(count));
    let site = Site::serve(app, sessions, clock).await;
    let browser = Browser::new(&site);
    assert_eq!(browser.get("/with").await.status, 200);
    let response = browser.get("/without").await;
    assert_eq!(response.status, 500);
    assert!(response.body.contains("SessionLayer"), "{}", response.body);
}

#[tokio::test]
async fn settings_for_a_route_hold_for_that_route_alone() {
    let gate = Gate::new();
    let hold = {
        let gate = gate.clone();
        move |session: Session| async move {
            let count = count(session.clone()).await?;
            gate.pass().await;
            Ok::<_, Error>(count)
        }
    };
    let free = RouteOptions::new().locking(Locking::Explicit);
    let routes = Router::new()
        .route("/free", post(hold.clone()).layer(RouteLayer::new(free)))
        .route("/", post(add_one));
    let site = site(routes).await;
    let browser = Browser::new(&site);
    browser.post("/").await;
    let tab = browser.tab();
    let (free, locked) = tokio::join!(tab.post("/free"), async {
        gate.arrival().await;
        let locked = browser.post("/").await;
        gate.open();
        locked
    });
    assert_eq!((free.body.as_str(), locked.body.as_str()), ("1", "2"));
}

#[tokio::test]
async fn a_degraded_route_goes_on_without_its_session() {
    let store = FaultyStore::new(MemoryStore::new());
    let show = async |session: Session| {
        Ok::<_, Error>(format!("{} {}", session.is_degraded().await?, count(session).await?))
    };
    let degraded = RouteLayer::new(RouteOptions::new().degraded(true));
    let routes = Router::new()
        .route("/shop", get(show).post(add_one).layer(degraded))
        .route("/account", get(show).post(add_one));
    let site = Site::start(store.clone(), Settings::default(), routes).await;
    let browser = Browser::new(&site);
    browser.post("/account").await;
    assert_eq!(browser.get("/shop").await.body, "false 1");
    store.fail(Fault::Unavailable);
    assert_eq!(browser.get("/shop").await.body, "true 0");
    assert_eq!(browser.post("/shop").await.status, 503);
    assert_eq!(browser.get("/account").await.status, 503);
    store.heal();
    assert_eq!(browser.get("/shop").await.body, "false 1");
}

/// Nothing is lost where there was nothing to write; a write that is lost is not hidden by a handler that ignores it.
#[tokio::test]
async fn a_degraded_route_takes_nothing_and_hides_no_lost_write() {
    let store = FaultyStore::new(MemoryStore::new());
    let take = async |session: Session| Ok::<_, Error>(format!("{:?}", session.take(COUNT).await?));
    let insert =
        async |session: Session| format!("{:?}", session.insert(COUNT, &1).await.map_err(|e| e.kind()));
    let update = async |session: Session| {
        let update = session.update(COUNT, |count| *count = Some(1)).await;
        format!("{:?}", update.map_err(|e| e.kind()))
    };
    let degraded = RouteLayer::new(RouteOptions::new().degraded(true));
    let routes = Router::new()
        .route("/take", get(take).post(take))
        .route("/insert", post(insert))
        .route("/update", post(update))
        .layer(degraded);
    let site = Site::start(store.clone(), Settings::default(), routes).await;
    let browser = Browser::new(&site);
    browser.post("/insert").await;
    store.fail(Fault::Unavailable);
    for take in [browser.get("/take").await, browser.post("/take").await] {
        assert_eq!((take.status, &*take.body), (200, "None"));
    }
    for path in ["/insert", "/update"] {
        let response = browser.post(path).await;
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")), "{path}");
    }
    store.heal();
    assert_eq!(browser.post("/take").await.body, "Some(1)");
}

/// What the client sent is the handler's, to the last byte.
#[tokio::test]
async fn a_request_s_body_passes_untouched() {
    let echo = async |session: Session, body: String| {
        session.insert("length", &body.len()).await?;
        Ok::<_, Error>((StatusCode::CREATED, body).into_response())
    };
    let site = site(Router::new().route("/", post(echo))).await;
    let body = "x\r\n\0".repeat(100_000);
    let response = Browser::new(&site).send(Sent::post("/").body(body.clone())).await;
    assert_eq!((response.status, response.body == body), (201, true));
}
