//! What is told about sessions, and what never is.

pub(crate) mod capture;
mod counted;
mod secrecy;

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, Call, Fault, FaultyStore, TestClock};
use cloakroom::{Error, Session, SessionManager, Settings};
use cloakroom_store::{Scan, Store};
use cloakroom_tests::{Browser, CookieFields, Gate, Request, Site};
use tracing::Level;

use self::capture::{Capture, Entry};
use crate::routes::{encoded, look_with, put, routes, sign_in};

/// A site whose events are captured.
struct Watched {
    site: Site,
    store: FaultyStore<MemoryStore>,
    capture: Capture,
    browser: Browser,
}

impl Watched {
    async fn new() -> Self {
        Self::with(routes()).await
    }

    async fn with(routes: Router) -> Self {
        let store = FaultyStore::new(MemoryStore::new());
        let site = Site::start(store.clone(), Settings::default(), routes).await;
        let browser = Browser::new(&site);
        Self { site, store, capture: Capture::start(), browser }
    }

    /// With a session, and its handle.
    async fn with_session() -> (Self, String) {
        let watched = Self::new().await;
        put(&watched.browser, "red").await;
        let handle = watched.handle().await;
        (watched, handle)
    }

    /// The handle of the browser's session; asking is no event to be looked at.
    async fn handle(&self) -> String {
        let handle = self.browser.get("/handle").await.body;
        self.capture.take();
        handle
    }

    /// The names of the events since the last call, each about this session.
    fn told(&self, handle: &str) -> Vec<String> {
        let events = self.capture.events();
        for event in &events {
            assert_eq!(event.level, Level::DEBUG, "{event:?}");
            assert_eq!(event.get("handle"), handle, "{event:?}");
        }
        names(&events)
    }
}

fn names(events: &[Entry]) -> Vec<String> {
    events.iter().map(|event| event.name().to_owned()).collect()
}

/// SECURITY 50.
#[tokio::test]
async fn a_session_is_created_once_however_often_it_is_written() {
    let watched = Watched::new().await;
    put(&watched.browser, "red").await;
    let events = watched.capture.events();
    assert_eq!(names(&events), ["created"]);
    let created = events[0].get("handle").to_owned();
    put(&watched.browser, "blue").await;
    assert_eq!(watched.told(&created), ["resumed"]);
    assert_eq!(watched.handle().await, created);
}

/// SECURITY 50.
#[tokio::test]
async fn a_visitor_without_a_session_is_no_event() {
    let watched = Watched::new().await;
    for path in ["/look", "/untouched", "/handle"] {
        watched.browser.get(path).await;
    }
    watched.browser.post("/sign-out").await;
    watched.browser.post("/rotate").await;
    assert!(watched.capture.events().is_empty());
}

/// SECURITY 50.
#[tokio::test]
async fn a_session_is_resumed_once_in_a_request() {
    let (watched, handle) = Watched::with_session().await;
    watched.browser.get("/look").await;
    assert_eq!(watched.told(&handle), ["resumed"]);
    watched.browser.get("/untouched").await;
    assert!(watched.told(&handle).is_empty());
}

/// SECURITY 50.
#[tokio::test]
async fn a_rotation_says_whether_it_was_a_sign_in() {
    let (watched, handle) = Watched::with_session().await;
    for (request, sign_in) in
        [(Request::post("/rotate"), "false"), (Request::post("/sign-in").body("ann"), "true")]
    {
        watched.browser.send(request).await;
        let events = watched.capture.events();
        assert_eq!(names(&events), ["resumed", "rotated"]);
        assert_eq!((events[1].get("handle"), events[1].get("sign_in")), (handle.as_str(), sign_in));
    }
    // Within the grace time the second rotation is none, and so no event.
    watched.browser.post("/rotate").await;
    watched.capture.take();
    watched.browser.post("/rotate").await;
    assert_eq!(watched.told(&handle), ["resumed"]);
}

/// SECURITY 50.
#[tokio::test]
async fn a_token_after_its_time_is_expired() {
    let (watched, handle) = Watched::with_session().await;
    watched.site.clock.advance(Duration::from_secs(3600));
    watched.browser.get("/look").await;
    assert_eq!(watched.told(&handle), ["expired"]);
}

/// SECURITY 50.
#[tokio::test]
async fn a_session_is_destroyed_once_whoever_ends_it() {
    let (watched, handle) = Watched::with_session().await;
    watched.browser.post("/sign-out").await;
    assert_eq!(watched.told(&handle), ["resumed", "destroyed"]);

    sign_in(&watched.browser, "ann").await;
    let handle = watched.handle().await;
    let parsed = handle.parse().unwrap();
    assert!(watched.site.sessions.end(&parsed).await.unwrap());
    assert_eq!(watched.told(&handle), ["destroyed"]);
    assert!(!watched.site.sessions.end(&parsed).await.unwrap());
    assert!(watched.told(&handle).is_empty());
}

/// SECURITY 50. Sixteen are ended one by one; the store ends the rest in one step and tells how many there were.
#[tokio::test]
async fn ending_all_sessions_of_a_user_tells_of_each() {
    let watched = Watched::new().await;
    for _ in 0..19 {
        sign_in(&Browser::new(&watched.site), "ann").await;
    }
    watched.capture.take();
    watched.site.sessions.end_all("ann", None).await.unwrap();
    let events = watched.capture.events();
    assert_eq!(names(&events), ["destroyed"; 19]);
}

/// SECURITY 50.
#[tokio::test]
async fn a_token_of_no_session_is_unknown() {
    let watched = Watched::new().await;
    look_with(&watched.browser, format!("__Host-id={}", encoded(&[7; 32]))).await;
    let events = watched.capture.events();
    assert_eq!(names(&events), ["unknown"]);
    assert_eq!(events[0].get("handle").len(), 64);
    // What is not even a token is none of our business.
    look_with(&watched.browser, "__Host-id=rubbish").await;
    assert!(watched.capture.events().is_empty());
}

/// SECURITY 26, 50.
#[tokio::test]
async fn a_superseded_secret_is_told_apart_from_one_that_is_used_long_after() {
    let (watched, handle) = Watched::with_session().await;
    let old = format!("__Host-id={}", watched.browser.token().unwrap());
    watched.browser.send(Request::post("/sign-in").body("ann")).await;
    watched.capture.take();
    for (seconds, reused) in [(0, "false"), (31, "true")] {
        watched.site.clock.advance(Duration::from_secs(seconds));
        look_with(&watched.browser, &old).await;
        let events = watched.capture.events();
        assert_eq!(names(&events), ["superseded"]);
        assert_eq!((events[0].get("handle"), events[0].get("reused")), (handle.as_str(), reused));
    }
}

/// SECURITY 19, 50.
#[tokio::test]
async fn two_valid_tokens_are_ambiguous_and_so_are_too_many() {
    let watched = Watched::new().await;
    let [one, other] = [Browser::new(&watched.site), Browser::new(&watched.site)];
    let pairs = [put(&one, "red").await, put(&other, "blue").await].map(|token| format!("__Host-id={token}"));
    watched.capture.take();
    let many: Vec<_> = (1..=5).map(|byte| format!("__Host-id={}", encoded(&[byte; 32]))).collect();
    for field in [pairs.join("; "), many.join("; ")] {
        look_with(&watched.browser, &field).await;
        assert_eq!(names(&watched.capture.events()), ["ambiguous"], "{field}");
    }
}

/// SECURITY 50.
#[tokio::test]
async fn whoever_saves_second_has_a_conflict() {
    let gate = Gate::new();
    let at_gate = gate.clone();
    let slow = async move |session: Session| {
        session.insert("slow", "1").await?;
        at_gate.pass().await;
        Ok::<_, Error>(())
    };
    // A safe method, so that no lock keeps them apart.
    let watched = Watched::with(
        routes()
            .route("/slow", get(slow))
            .route("/quick", get(async |session: Session| session.insert("quick", "1").await)),
    )
    .await;
    put(&watched.browser, "red").await;
    let handle = watched.handle().await;
    let tab = watched.browser.tab();
    let quick = async {
        gate.arrival().await;
        tab.get("/quick").await;
        assert_eq!(watched.told(&handle), ["resumed", "resumed"]);
        gate.open();
    };
    tokio::join!(watched.browser.get("/slow"), quick);
    assert_eq!(watched.told(&handle), ["conflict"]);
}

/// SECURITY 50. To the visitor, what cannot be read is nothing.
#[tokio::test]
async fn a_record_that_cannot_be_read_is_quarantined() {
    let (watched, handle) = Watched::with_session().await;
    watched.store.fail_calls(Call::Load, Fault::Corrupt);
    watched.browser.get("/look").await;
    assert_eq!(watched.told(&handle), ["quarantined", "unknown"]);
    watched.store.heal();

    let page = Scan::page(watched.store.inner(), None, 10).await.unwrap();
    let [(key, record)] = &page.items[..] else { panic!("one session") };
    let mut rubbish = record.clone();
    rubbish.data = b"no session".as_slice().into();
    watched
        .store
        .replace(key, &rubbish, record.revision, cloakroom_store::Timestamp::from_millis(0))
        .await
        .unwrap();
    watched.browser.get("/look").await;
    assert_eq!(watched.told(&handle), ["quarantined", "unknown"]);
}

/// The client hears no more than that it was a fault; whoever wrote the application hears which.
#[tokio::test]
async fn an_error_that_is_answered_500_is_a_warning_with_its_reason() {
    let nobody = get(async |session: Session| session.sign_in("").await);
    let number = get(async |session: Session| {
        session.insert("text", "secret").await?;
        session.get::<u64>("text").await.map(|_| ())
    });
    let watched = Watched::with(Router::new().route("/nobody", nobody).route("/number", number)).await;
    for (path, reason) in [("/nobody", "1 to 255 bytes"), ("/number", "text")] {
        let response = watched.browser.get(path).await;
        assert_eq!((response.status, response.body.contains(reason)), (500, false), "{path}");
        let events = watched.capture.events();
        assert_eq!((names(&events), events[0].level), (vec!["failed".to_owned()], Level::WARN), "{path}");
        assert!(events[0].get("error").contains(reason), "{:?}", events[0]);
        assert!(!events[0].get("error").contains("secret"), "{:?}", events[0]);
    }
}

/// RULES §2. An operator learns of a clock that was set ahead, and why nothing is swept.
#[tokio::test(start_paused = true)]
async fn a_sweep_that_pauses_for_a_clock_set_ahead_is_a_warning_once() {
    let minute = Duration::from_secs(60);
    let (capture, clock) = (Capture::start(), TestClock::new());
    let settings = Settings::new().sweep_interval(minute);
    let sessions = testing::manager(MemoryStore::new(), settings, &clock).unwrap();
    drop(sessions.open(&CookieFields::default()));
    clock.advance(100 * minute);
    capture.take();
    tokio::time::sleep(5 * minute).await;
    let events = capture.events();
    assert_eq!((names(&events), events[0].level), (vec!["sweep_paused".to_owned()], Level::WARN));
    // Less the time between two rounds.
    let ahead: u64 = events[0].get("ahead").parse().unwrap();
    assert!((98 * 60..99 * 60 + 6).contains(&ahead), "{ahead}");
    tokio::time::sleep(10 * minute).await;
    let events = names(&capture.events());
    assert!(!events.is_empty() && events.iter().all(|name| name == "swept"), "{events:?}");
}

/// SECURITY 50.
#[tokio::test]
async fn every_store_call_that_fails_is_an_event() {
    let (watched, handle) = Watched::with_session().await;
    watched.store.fail(Fault::Unavailable);
    watched.browser.get("/look").await;
    assert_eq!(watched.told(&handle), ["store_error"]);
    watched.store.heal();

    watched.store.fail_calls(Call::Replace, Fault::Unavailable);
    assert_eq!(watched.browser.send(Request::post("/put").body("blue")).await.status, 503);
    let events = watched.capture.events();
    assert_eq!(names(&events), ["resumed", "store_error", "unsaved"]);
    assert_eq!(events[1].get("handle"), handle);
    watched.store.heal();

    watched.store.fail_calls(Call::Touch, Fault::Unavailable);
    watched.site.clock.advance(Duration::from_secs(1800));
    watched.browser.get("/look").await;
    while watched.store.count(Call::Touch) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(watched.told(&handle), ["resumed", "store_error"]);
}

/// SECURITY 50.
#[tokio::test]
async fn a_write_without_an_answer_is_told_from_one_that_failed() {
    let (watched, handle) = Watched::with_session().await;
    // The load, then the write: carried out, as it turns out.
    watched.store.fail_nth(2, Fault::Unanswered);
    assert_eq!(watched.browser.send(Request::post("/put").body("blue")).await.status, 200);
    assert_eq!(watched.told(&handle), ["resumed", "unsure"]);
}

/// SECURITY 50.
#[tokio::test]
async fn every_store_call_is_a_span_with_its_name_and_the_handle() {
    let (watched, handle) = Watched::with_session().await;
    put(&watched.browser, "blue").await;
    let spans = watched.capture.spans("store");
    assert_eq!(spans.iter().map(|span| span.get("call")).collect::<Vec<_>>(), ["load", "replace"]);
    for span in spans {
        assert_eq!((span.level, span.get("handle")), (Level::DEBUG, handle.as_str()), "{span:?}");
    }
}

/// SECURITY 48.
#[test]
fn the_start_says_what_plain_http_will_do_in_browsers() {
    let capture = Capture::start();
    let plain = Settings::new().cookie_name("id").danger_allow_plain_http(true);
    for (settings, level, cookie, text) in [
        (Settings::default(), Level::INFO, "__Host-id", "over plain HTTP browsers"),
        (plain, Level::WARN, "id", "anybody on the way"),
    ] {
        _ = SessionManager::new(MemoryStore::new(), settings).unwrap();
        let [event] = &capture.events()[..] else { panic!("one event") };
        assert_eq!((event.level, event.name(), event.get("cookie")), (level, "started", cookie));
        assert!(event.get("message").contains(text), "{event:?}");
    }
}
