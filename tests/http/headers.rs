//! What else a response says because of a session, and which headers of a request are believed.

use std::time::Duration;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, VARY};
use axum::routing::get;
use cloakroom::axum_v0_8::{RouteLayer, SessionLayer};
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{Fault, FaultyStore};
use cloakroom::{Error, Locking, RouteOptions, Session, Settings};
use cloakroom_tests::{Browser, Request, Response, Site};

use crate::routes::{put, routes, sign_in};

async fn default_site() -> Site {
    Site::start(MemoryStore::new(), Settings::default(), routes()).await
}

fn varies_by_cookie(response: &Response) -> bool {
    response
        .all("vary")
        .flat_map(|list| list.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case("cookie"))
}

/// SECURITY 45.
#[tokio::test]
async fn a_response_that_sets_or_removes_the_cookie_is_stored_by_no_cache() {
    let site = default_site().await;
    let browser = Browser::new(&site);
    for request in [
        Request::post("/put").body("red"),
        Request::post("/rotate"),
        Request::post("/sign-in").body("ann"),
        Request::post("/sign-out"),
    ] {
        let response = browser.send(request).await;
        assert_eq!(response.cookies().len(), 1);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert!(varies_by_cookie(&response));
    }
}

/// SECURITY 45.
#[tokio::test]
async fn no_store_replaces_what_the_handler_says_of_caches_and_only_with_a_cookie() {
    let page = async |session: Session| {
        let visits = session.update("visits", |n: &mut Option<u64>| *n.insert(n.unwrap_or(0) + 1)).await?;
        Ok::<_, Error>(([(CACHE_CONTROL, "public, max-age=3600")], visits.to_string()))
    };
    let site =
        Site::start(MemoryStore::new(), Settings::default(), Router::new().route("/", get(page))).await;
    let browser = Browser::new(&site);
    let first = browser.get("/").await;
    assert_eq!((first.cookies().len(), first.header("cache-control")), (1, Some("no-store")));
    let second = browser.get("/").await;
    assert_eq!((second.cookies().len(), second.header("cache-control")), (0, Some("public, max-age=3600")));
}

/// SECURITY 57.
#[tokio::test]
async fn a_page_of_a_signed_in_user_is_private_unless_its_handler_says_otherwise() {
    let public = async |session: Session| {
        session.subject().await?;
        Ok::<_, Error>([(CACHE_CONTROL, "public, max-age=60")])
    };
    let app = routes().route("/public", get(public));
    let site = Site::start(MemoryStore::new(), Settings::default(), app).await;
    let (ann, guest) = (Browser::new(&site), Browser::new(&site));
    assert_eq!(
        ann.send(Request::post("/sign-in").body("ann")).await.header("cache-control"),
        Some("no-store")
    );
    put(&guest, "red").await;
    for (browser, path, expected) in [
        (&ann, "/look", Some("private")),
        (&ann, "/public", Some("public, max-age=60")),
        (&ann, "/untouched", None),
        (&ann, "/nowhere", None),
        (&guest, "/look", None),
        (&guest, "/public", Some("public, max-age=60")),
    ] {
        let response = browser.get(path).await;
        assert_eq!(response.all("cache-control").collect::<Vec<_>>(), Vec::from_iter(expected), "{path}");
    }
    let response = ann.send(Request::post("/put").body("blue")).await;
    assert_eq!((response.cookies().len(), response.header("cache-control")), (0, Some("private")));
}

/// SECURITY 57. What the handler has seen is in its page.
#[tokio::test]
async fn a_page_of_a_user_whose_session_ended_meanwhile_is_private() {
    let site = default_site().await;
    let app = |sessions: cloakroom::SessionManager| {
        Router::new().route(
            "/",
            get(async move |session: Session| {
                let user = session.require_subject().await?;
                sessions.end_all(&user, None).await?;
                session.reload().await?;
                Ok::<_, Error>(user.as_str().to_owned())
            }),
        )
    };
    let app = app(site.sessions.clone()).layer(SessionLayer::new(site.sessions.clone()));
    let ending = Site::serve(app, site.sessions.clone(), site.clock.clone()).await;
    let browser = Browser::new(&site);
    sign_in(&browser, "ann").await;
    let elsewhere = Browser::new(&ending);
    *elsewhere.jar() = browser.jar().clone();
    let response = elsewhere.get("/").await;
    assert_eq!((&*response.body, response.cookies().len()), ("ann", 0));
    assert_eq!(response.header("cache-control"), Some("private"));
}

/// SECURITY 57.
#[tokio::test]
async fn an_error_page_of_a_signed_in_user_is_stored_by_no_cache() {
    let refuse = async |session: Session| {
        session.require_subject().await?;
        session.sign_in("").await
    };
    let app = routes().route("/refuse", get(refuse));
    let site = Site::start(MemoryStore::new(), Settings::default(), app).await;
    let browser = Browser::new(&site);
    sign_in(&browser, "ann").await;
    let response = browser.get("/refuse").await;
    assert_eq!((response.status, response.header("cache-control")), (500, Some("no-store")));
}

/// Each way to ask a session something, under a path of its own.
fn questions() -> Vec<(&'static str, Router)> {
    macro_rules! questions {
        ($($name:literal: |$session:ident| $call:expr;)*) => {
            vec![$(($name, Router::new().route($name, get(async |$session: Session| {
                let _ = $call.await?;
                Ok::<_, Error>("asked")
            })))),*]
        };
    }
    questions! {
        "/get": |session| session.get::<String>("coat");
        "/contains": |session| session.contains("coat");
        "/keys": |session| session.keys();
        "/len": |session| session.len();
        "/is-empty": |session| session.is_empty();
        "/entries": |session| session.entries();
        "/handle": |session| session.handle();
        "/subject": |session| session.subject();
        "/origin": |session| session.status();
        "/times": |session| session.times();
        "/authenticated-at": |session| session.authenticated_at();
        "/authenticated-within": |session| session.authenticated_within(Duration::from_secs(60));
        "/is-degraded": |session| session.is_degraded();
        "/remove": |session| session.remove("coat");
        "/take": |session| session.take::<String>("coat");
        "/reload": |session| session.reload();
        "/lock": |session| session.lock();
        "/save": |session| session.save();
    }
}

/// SECURITY 45.
#[tokio::test]
async fn whatever_is_asked_of_the_session_the_response_varies_by_cookie() {
    let app = questions().into_iter().fold(Router::new(), |app, (_, route)| app.merge(route));
    let site = Site::start(MemoryStore::new(), Settings::default(), app).await;
    for (path, _) in questions() {
        // With a cookie or without: a cache must not give the page of the one to the other.
        for cookie in ["theme=dark", "__Host-id=1AAECAwQFBgcICQoLDA0OD_Dx8vP09fb3-Pn6-_z9_v8"] {
            let response = Browser::new(&site).send(Request::get(path).header("Cookie", cookie)).await;
            assert_eq!((response.status, response.header("vary")), (200, Some("Cookie")), "{path}");
            assert_eq!(response.header("cache-control"), None);
        }
    }
}

/// SECURITY 45.
#[tokio::test]
async fn a_session_that_is_loaded_before_the_handler_counts_as_asked() {
    for settings in [
        Settings::new().locking(Locking::Early),
        Settings::new().ignore_expiry(false),
        Settings::new().ignore_change_ip(false),
    ] {
        let site = Site::start(MemoryStore::new(), settings, routes()).await;
        let browser = Browser::new(&site);
        put(&browser, "red").await;
        assert!(varies_by_cookie(&browser.get("/untouched").await));
    }
}

/// SECURITY 45.
#[tokio::test]
async fn vary_is_added_to_what_the_handler_says() {
    let page = async |session: Session| {
        session.status().await?;
        Ok::<_, Error>([(VARY, "Accept-Encoding, Accept-Language")])
    };
    let site =
        Site::start(MemoryStore::new(), Settings::default(), Router::new().route("/", get(page))).await;
    let response = Browser::new(&site).get("/").await;
    let fields: Vec<_> = response.all("vary").collect();
    assert_eq!(fields, ["Accept-Encoding, Accept-Language", "Cookie"]);
}

/// SECURITY 45.
#[tokio::test]
async fn a_response_without_a_session_says_nothing_of_one() {
    let route = RouteLayer::new(RouteOptions::new().touch(false));
    let app = routes().route("/polled", get(async |session: Session| session.no_touch()).layer(route));
    let site = Site::start(MemoryStore::new(), Settings::default(), app).await;
    let browser = Browser::new(&site);
    put(&browser, "red").await;
    for path in ["/untouched", "/polled", "/nowhere"] {
        let response = browser.get(path).await;
        for name in ["vary", "cache-control", "set-cookie", "pragma", "expires"] {
            assert_eq!(response.header(name), None, "{path}");
        }
    }
}

/// SECURITY 45. An answer in place of the handler's is for this visitor alone, too.
#[tokio::test]
async fn an_error_page_is_stored_by_no_cache() {
    let store = FaultyStore::new(MemoryStore::new());
    let settings = Settings::new().ignore_expiry(false);
    let site = Site::start(store.clone(), settings, routes()).await;
    let browser = Browser::new(&site);
    put(&browser, "red").await;
    store.fail(Fault::Unavailable);
    let unavailable = browser.get("/look").await;
    store.heal();
    site.clock.advance(Duration::from_secs(3600));
    let expired = browser.get("/look").await;
    for (response, status) in [(unavailable, 503), (expired, 401)] {
        assert_eq!((response.status, response.header("cache-control")), (status, Some("no-store")));
        assert!(varies_by_cookie(&response));
    }
}

/// What the session of a request with these headers comes to, after one that began it with `begin`.
async fn moved(settings: &Settings, begin: &[(&str, &str)], then: &[(&str, &str)]) -> String {
    let settings = settings.clone().ignore_change_ip(false);
    let site = Site::start(MemoryStore::new(), settings, routes()).await;
    let browser = Browser::new(&site);
    let with = |request: Request, headers: &[(&str, &str)]| {
        headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    let response = browser.send(with(Request::post("/put").body("red"), begin)).await;
    assert_eq!(response.cookies().len(), 1, "{response:?}");
    browser.send(with(Request::get("/look"), then)).await.body
}

/// SECURITY 47.
#[tokio::test]
async fn forwarding_headers_are_nothing_unless_proxies_are_declared() {
    for name in
        ["X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP", "Client-IP"]
    {
        for header in ["198.51.100.7", "for=198.51.100.7"] {
            assert_eq!(moved(&Settings::default(), &[], &[(name, header)]).await, "resumed red", "{name}");
            assert_eq!(moved(&Settings::default(), &[(name, header)], &[]).await, "resumed red", "{name}");
        }
    }
    // A proxy elsewhere is not the peer.
    let elsewhere = Settings::new().trusted_proxies(["192.0.2.1".parse().unwrap()]);
    let header = [("X-Forwarded-For", "198.51.100.7")];
    assert_eq!(moved(&elsewhere, &[], &header).await, "resumed red");
}

/// SECURITY 47.
#[tokio::test]
async fn with_proxies_declared_one_header_is_believed_from_the_right() {
    let settings = Settings::new()
        .trusted_proxies(["127.0.0.1", "10.0.0.0/8"].map(|proxy| proxy.parse().unwrap()).to_vec());
    let client = [("X-Forwarded-For", "198.51.100.7")];
    for same in [
        &[("X-Forwarded-For", "198.51.100.7")][..],
        // What the client wrote himself stands to the left of what the first proxy saw.
        &[("X-Forwarded-For", "203.0.113.9, 198.51.100.7")],
        &[("X-Forwarded-For", "203.0.113.9, 198.51.100.7, 10.1.2.3")],
        &[("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "198.51.100.7, 10.1.2.3")],
        // No other header has a say.
        &[
            ("X-Forwarded-For", "198.51.100.7"),
            ("Forwarded", "for=203.0.113.9"),
            ("X-Real-IP", "203.0.113.9"),
        ],
    ] {
        assert_eq!(moved(&settings, &client, same).await, "resumed red", "{same:?}");
    }
    for other in [
        &[("X-Forwarded-For", "203.0.113.9")][..],
        &[("X-Forwarded-For", "198.51.100.7, 203.0.113.9")],
        &[("X-Forwarded-For", "198.51.100.7, 203.0.113.9, 10.1.2.3")],
        &[("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-For", "203.0.113.9")],
        &[("Forwarded", "for=198.51.100.7"), ("X-Real-IP", "198.51.100.7")],
    ] {
        assert_eq!(moved(&settings, &client, other).await, "expired -", "{other:?}");
    }
}

/// SECURITY 47.
#[tokio::test]
async fn the_header_that_is_believed_is_a_setting() {
    let settings =
        Settings::new().trusted_proxies(["127.0.0.1".parse().unwrap()]).client_ip_header("Forwarded");
    let client = [("Forwarded", "for=198.51.100.7")];
    let same =
        [("Forwarded", "for=203.0.113.9, for=198.51.100.7;proto=https"), ("X-Forwarded-For", "203.0.113.9")];
    assert_eq!(moved(&settings, &client, &same).await, "resumed red");
    let other = [("Forwarded", "for=203.0.113.9"), ("X-Forwarded-For", "198.51.100.7")];
    assert_eq!(moved(&settings, &client, &other).await, "expired -");
}

/// SECURITY 48. The message at the start is shown with the events.
#[tokio::test]
async fn the_scheme_is_never_guessed() {
    let schemes = [
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "proto=http"),
        ("X-Forwarded-Ssl", "off"),
        ("Front-End-Https", "on"),
        ("Origin", "http://localhost"),
        ("Upgrade-Insecure-Requests", "1"),
    ];
    let plain = Settings::new().cookie_name("id").danger_allow_plain_http(true);
    let trusting = Settings::new().trusted_proxies(["127.0.0.1".parse().unwrap()]);
    for (settings, secure) in [(Settings::default(), true), (trusting, true), (plain, false)] {
        let site = Site::start(MemoryStore::new(), settings, routes()).await;
        for (name, value) in schemes {
            let browser = Browser::new(&site);
            for request in [Request::post("/put").body("red"), Request::post("/sign-out")] {
                let response = browser.send(request.header(name, value)).await;
                assert_eq!(response.cookies()[0].contains("; Secure;"), secure, "{name}: {value}");
            }
        }
    }
}

/// SECURITY 48.
#[tokio::test]
async fn a_browser_on_plain_http_keeps_the_cookie_that_was_made_for_it_alone() {
    let plain = Settings::new().cookie_name("id").danger_allow_plain_http(true);
    for (settings, kept) in [(Settings::default(), false), (plain, true)] {
        let site = Site::start(MemoryStore::new(), settings, routes()).await;
        let browser = Browser::new(&site);
        let response = browser.send_and_ignore_cookies(Request::post("/sign-in").body("ann")).await;
        let received = browser.jar().receive(response.cookies()[0], "/sign-in", false);
        assert_eq!(received.is_ok(), kept, "{received:?}");
    }
}
