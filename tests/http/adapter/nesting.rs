//! Layers inside layers.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{Extensions, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use cloakroom::axum_v0_8::SessionLayer;
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, Call, FaultyStore, TestClock};
use cloakroom::{Error, Session, SessionManager, Settings};
use cloakroom_tests::{Browser, Site};
use tracing::Level;

use super::{COUNT, add_one, count};
use crate::events::capture::Capture;

type Store = FaultyStore<MemoryStore>;

fn sessions(cookie_name: &str, clock: &TestClock) -> (SessionManager, Store) {
    let store = FaultyStore::new(MemoryStore::new());
    let settings = Settings::new().cookie_name(cookie_name);
    (testing::manager(store.clone(), settings, clock).unwrap(), store)
}

async fn serve(app: Router, sessions: SessionManager, clock: TestClock) -> (Site, Browser) {
    let site = Site::serve(app, sessions, clock).await;
    let browser = Browser::new(&site);
    (site, browser)
}

#[tokio::test]
async fn a_layer_inside_another_of_the_same_sessions_shares_its_session() {
    let clock = TestClock::new();
    let (sessions, store) = sessions("__Host-id", &clock);
    let app = Router::new()
        .route("/", get(add_one))
        .layer(SessionLayer::new(sessions.clone()))
        .layer(from_fn(async |session: Session, request: Request, next: Next| {
            session.insert("outside", &true).await?;
            let response = next.run(request).await;
            session.insert("seen", &session.get(COUNT).await?).await?;
            Ok::<_, Error>(response)
        }))
        .layer(SessionLayer::new(sessions.clone()))
        .layer(SessionLayer::new(sessions.clone()));
    let (_site, browser) = serve(app, sessions, clock).await;

    let response = browser.get("/").await;
    assert_eq!(response.cookies().len(), 1, "{:?}", response.cookies());
    assert_eq!(response.all("vary").count(), 1);
    assert_eq!(browser.get("/").await.body, "2");
    assert_eq!(store.count(Call::Create), 1);
}

/// SECURITY 55. Also where a layer with another cookie name is in between.
#[tokio::test]
async fn a_layer_inside_another_with_the_same_cookie_name_and_another_engine_is_refused() {
    let clock = TestClock::new();
    let (outer, outer_store) = sessions("__Host-id", &clock);
    let (between, _) = sessions("__Host-other", &clock);
    let (inner, inner_store) = sessions("__Host-id", &clock);
    let app = Router::new()
        .route("/", get(add_one))
        .layer(SessionLayer::new(inner.clone()))
        .layer(SessionLayer::new(between))
        .route("/beside", get(count))
        .layer(SessionLayer::new(outer.clone()));
    let (site, browser) = serve(app, outer, clock).await;

    let capture = Capture::start();
    let response = browser.get("/").await;
    assert_eq!((response.status, &*response.body), (500, "the session call is not possible"));
    assert_eq!((response.cookies().len(), response.header("vary")), (0, None));
    let [event] = &capture.events()[..] else { panic!("one event") };
    assert_eq!((event.level, event.name(), event.get("cookie")), (Level::ERROR, "clash", "__Host-id"));
    assert!(event.get("message").contains("another cookie_name"), "{event:?}");
    assert_eq!((outer_store.count_all(), inner_store.count_all()), (0, 0));
    assert_eq!(browser.get("/beside").await.body, "0");
    drop(site);
}

/// Keeps the outer session at hand where the inner layer hides it.
#[derive(Clone)]
struct Outer(Session);

async fn keep_outer(session: Session, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Outer(session));
    next.run(request).await
}

fn outer(extensions: &Extensions) -> Session {
    extensions.get::<Outer>().unwrap().0.clone()
}

#[tokio::test]
async fn a_layer_with_another_cookie_name_has_its_own_session() {
    let clock = TestClock::new();
    let (site_wide, site_store) = sessions("__Host-id", &clock);
    let (admin, admin_store) = sessions("__Host-admin", &clock);
    let both = async |session: Session, request: Request| {
        let in_admin = add_one(session).await?;
        let outside = count(outer(request.extensions())).await?;
        Ok::<_, Error>(format!("{in_admin} {outside}"))
    };
    let app = Router::new()
        .nest("/admin", Router::new().route("/", get(both)).layer(SessionLayer::new(admin)))
        .route("/", get(add_one))
        .layer(from_fn(keep_outer))
        .layer(SessionLayer::new(site_wide.clone()));
    let (_site, browser) = serve(app, site_wide, clock).await;

    assert_eq!(browser.get("/").await.body, "1");
    assert_eq!(browser.get("/admin").await.body, "1 1");
    assert_eq!(browser.get("/").await.body, "2");
    assert_eq!(browser.get("/admin").await.body, "2 2");
    assert_eq!((site_store.count(Call::Create), admin_store.count(Call::Create)), (1, 1));
    let jar = browser.jar();
    assert!(jar.get("__Host-id").is_some() && jar.get("__Host-admin").is_some());
}

#[tokio::test]
async fn two_sessions_may_begin_in_one_response() {
    let clock = TestClock::new();
    let (one, _) = sessions("__Host-one", &clock);
    let (two, _) = sessions("__Host-two", &clock);
    let app = Router::new()
        .route("/", get(add_one))
        .layer(SessionLayer::new(two))
        .layer(from_fn(async |session: Session, request: Request, next: Next| {
            session.insert(COUNT, &10).await?;
            Ok::<_, Error>(next.run(request).await)
        }))
        .layer(SessionLayer::new(one.clone()));
    let (_site, browser) = serve(app, one, clock).await;
    let response = browser.get("/").await;
    let mut names: Vec<_> = response.cookies().into_iter().map(|cookie| &cookie[..10]).collect();
    names.sort_unstable();
    assert_eq!(names, ["__Host-one", "__Host-two"]);
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

/// Adds one to the session that it finds, and answers the count before what is further in.
async fn counting(session: Session, request: Request, next: Next) -> Result<Response, Error> {
    let count = add_one(session).await?;
    let (mut head, body) = next.run(request).await.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Ok(Response::from_parts(head, format!("{count} {}", String::from_utf8_lossy(&body)).into()))
}

#[tokio::test]
async fn a_layer_finds_its_session_however_many_others_are_in_between() {
    let clock = TestClock::new();
    let (one, one_store) = sessions("__Host-one", &clock);
    let (two, two_store) = sessions("__Host-two", &clock);
    let [a, b] = [&one, &two].map(|sessions| SessionLayer::new(sessions.clone()));
    let app = Router::new()
        .route("/", post(add_one))
        .layer(b.clone())
        .layer(from_fn(counting))
        .layer(a.clone())
        .layer(from_fn(counting))
        .layer(b)
        .layer(from_fn(counting))
        .layer(a);
    let (_site, browser) = serve(app, one, clock).await;
    // A layer with a session of its own for the same cookie would wait for the one outside, and that for it.
    for expected in ["1 1 2 2", "3 3 4 4"] {
        let response = browser.post("/").await;
        assert_eq!((response.status, &*response.body), (200, expected));
        let mut names: Vec<_> = response.cookies().into_iter().map(|cookie| &cookie[..10]).collect();
        names.sort_unstable();
        let begins = expected.starts_with('1');
        assert_eq!(names, if begins { vec!["__Host-one", "__Host-two"] } else { vec![] });
    }
    assert_eq!((one_store.count(Call::Create), two_store.count(Call::Create)), (1, 1));
}
