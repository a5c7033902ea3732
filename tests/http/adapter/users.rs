//! Routes for signed-in users, and routes without a session.

use axum::Router;
use axum::routing::{get, post};
use cloakroom::axum_v0_8::{RouteLayer, SessionLayer};
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, Call, Fault, FaultyStore, TestClock};
use cloakroom::{Error, ErrorKind, Locking, RouteOptions, Session, Settings, SignedIn};
use cloakroom_tests::{Browser, Gate, Site};

use super::{add_one, count};

fn degraded() -> RouteOptions {
    RouteOptions::new().degraded(true)
}

fn off() -> RouteOptions {
    RouteOptions::new().off(true)
}

async fn account(SignedIn(user): SignedIn) -> String {
    user.as_str().to_owned()
}

/// The same by a call.
async fn required(session: Session) -> Result<String, Error> {
    Ok(session.require_subject().await?.as_str().to_owned())
}

fn routes() -> Router {
    Router::new()
        .route("/account", get(account))
        .route("/required", get(required))
        .route("/degraded/account", get(account).layer(RouteLayer::new(degraded())))
        .route("/degraded/required", get(required).layer(RouteLayer::new(degraded())))
        .route("/sign-in", post(async |session: Session| session.sign_in("ann").await))
        .route("/sign-out", post(async |session: Session| session.sign_out().await))
        .route("/count", get(count).post(add_one))
}

const EACH: [&str; 4] = ["/account", "/required", "/degraded/account", "/degraded/required"];

#[tokio::test]
async fn a_route_for_users_answers_401_to_everybody_else() {
    let site = Site::start(MemoryStore::new(), Settings::default(), routes()).await;
    let browser = Browser::new(&site);
    let everybody_else = async |who: &str| {
        for path in EACH {
            let response = browser.get(path).await;
            assert_eq!((response.status, &*response.body), (401, "sign in first"), "{who}: {path}");
            let headers = ["cache-control", "vary", "retry-after"].map(|name| response.header(name));
            assert_eq!(headers, [Some("no-store"), Some("Cookie"), None], "{who}: {path}");
        }
    };
    everybody_else("without a cookie").await;
    browser.post("/count").await;
    everybody_else("with a session of nobody").await;
    browser.post("/sign-in").await;
    for path in EACH {
        let response = browser.get(path).await;
        assert_eq!((response.status, &*response.body), (200, "ann"), "{path}");
    }
    browser.post("/sign-out").await;
    everybody_else("signed out").await;
}

/// F1. Not even where the route goes on without its session: who cannot be asked is not signed out.
#[tokio::test]
async fn a_store_that_is_down_signs_nobody_out() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::start(store.clone(), Settings::default(), routes()).await;
    let browser = Browser::new(&site);
    browser.post("/sign-in").await;
    store.fail(Fault::Unavailable);
    for path in EACH {
        let response = browser.get(path).await;
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")), "{path}");
        assert_eq!(response.cookies(), [""; 0], "{path}");
    }
    // A stranger brings nothing to be looked up.
    assert_eq!(Browser::new(&site).get("/account").await.status, 401);
    store.heal();
    assert_eq!(browser.get("/account").await.body, "ann");
}

#[tokio::test]
async fn a_route_for_users_without_the_layer_answers_500_and_names_it() {
    let clock = TestClock::new();
    let sessions = testing::manager(MemoryStore::new(), Settings::default(), &clock).unwrap();
    let app = Router::new().layer(SessionLayer::new(sessions.clone())).route("/account", get(account));
    let site = Site::serve(app, sessions, clock).await;
    let response = Browser::new(&site).get("/account").await;
    assert_eq!((response.status, response.body.contains("SessionLayer")), (500, true), "{}", response.body);
}

#[tokio::test]
async fn a_route_without_sessions_has_none_and_says_so() {
    let store = FaultyStore::new(MemoryStore::new());
    let each = async |session: Session| {
        let kinds = [
            session.get::<u64>("count").await.map(drop),
            session.insert("count", &1).await,
            session.sign_in("bob").await,
            session.sign_out().await,
            session.save().await,
            session.reload().await.map(drop),
            session.lock().await,
            session.subject().await.map(drop),
        ];
        kinds.map(|result| result.unwrap_err().kind()).iter().all(|kind| *kind == ErrorKind::Unsupported)
    };
    let off = Router::new()
        .route("/each", post(async move |session: Session| each(session).await.to_string()))
        .route("/off", get(count).post(add_one))
        .route("/off/account", get(account))
        .layer(RouteLayer::new(off()));
    let site = Site::start(store.clone(), Settings::default(), routes().merge(off)).await;
    let browser = Browser::new(&site);
    browser.post("/sign-in").await;
    let calls = store.count(Call::Load);
    let response = browser.post("/each").await;
    assert_eq!((response.status, &*response.body), (200, "true"));
    for name in ["set-cookie", "vary", "cache-control"] {
        assert_eq!(response.header(name), None);
    }
    for response in [browser.get("/off").await, browser.post("/off").await, browser.get("/off/account").await]
    {
        assert_eq!((response.status, &*response.body), (500, "the session call is not possible"));
        assert_eq!((response.header("vary"), response.cookies()), (None, vec![]));
    }
    assert_eq!(store.count(Call::Load), calls, "nothing is loaded");
    assert_eq!(browser.get("/account").await.body, "ann");
}

/// What was locked before the route was known is let go.
#[tokio::test]
async fn a_route_without_sessions_keeps_nobody_waiting() {
    let gate = Gate::new();
    let hold = {
        let gate = gate.clone();
        async move |_: Session| gate.pass().await
    };
    let routes = routes().route("/off", post(hold).layer(RouteLayer::new(off())));
    let settings = Settings::new().locking(Locking::Early);
    let site = Site::start(MemoryStore::new(), settings, routes).await;
    let browser = Browser::new(&site);
    browser.post("/count").await;
    let tab = browser.tab();
    let (off, other) = tokio::join!(tab.post("/off"), async {
        gate.arrival().await;
        let other = browser.post("/count").await;
        gate.open();
        other
    });
    assert_eq!((off.status, &*other.body), (200, "2"));
}
