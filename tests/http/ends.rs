//! How sessions end, and that they stay ended (SECURITY E).

mod many_sessions;
mod sign_out;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, Call, Fault, FaultyStore, TestClock};
use cloakroom::{Locking, OnSubjectLimit, SessionHandle, SessionTimes, Settings, TrustedProxy};
use cloakroom_store::{Key, Scan, Store};
use cloakroom_tests::{Browser, Direct, Hesitant, Request, Script, Site};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const GRACE: Duration = Duration::from_secs(30);

fn direct(settings: Settings) -> (Direct, FaultyStore<MemoryStore>, Script) {
    let (store, script) = (FaultyStore::new(MemoryStore::new()), Script::default());
    (Direct::new(store.clone(), settings, script.routes()), store, script)
}

/// A request, and then whatever it left to be done after its response.
async fn get(site: &Direct, path: &str) -> String {
    let body = site.get(path).await.body;
    assert!(site.sessions.shutdown().await);
    body
}

async fn times(site: &Direct, user: &str) -> SessionTimes {
    site.sessions.sessions_of(user).await.unwrap().remove(0).times
}

/// The live records, as a store knows them: not tombstones, which name nobody.
async fn records_of_users(store: &impl Scan) -> usize {
    let page = store.page(None, usize::MAX).await.unwrap();
    page.items.into_iter().filter(|(_, record)| record.subject.is_some()).count()
}

/// 28. To the millisecond.
#[tokio::test]
async fn a_session_that_is_not_used_for_the_idle_time_has_ended() {
    for (wait, expected) in [(HOUR - MILLI, "1 resumed"), (HOUR, "- expired"), (48 * HOUR, "- expired")] {
        let (site, ..) = direct(Settings::default());
        site.post("/in=ann/set=x:1").await;
        site.clock.advance(wait);
        assert_eq!(site.get("/get=x/origin").await.body, expected);
    }
}

/// 28, RULES §5. Of most of those who bring no cookie, none comes back.
#[tokio::test]
async fn an_anonymous_session_lasts_half_an_hour_until_its_cookie_has_come_back() {
    for (wait, expected) in [(HOUR / 2 - MILLI, "1 resumed"), (HOUR / 2, "- expired")] {
        let (site, ..) = direct(Settings::default());
        site.post("/set=x:1").await;
        site.clock.advance(wait);
        assert_eq!(get(&site, "/get=x/origin").await, expected);
        site.clock.advance(HOUR - MILLI);
        let came_back = get(&site, "/get=x/origin").await;
        assert_eq!(came_back == "1 resumed", expected == "1 resumed", "{came_back}");
    }
}

/// 28. However busy it is, and whatever the browser does.
#[tokio::test]
async fn a_session_in_use_ends_at_the_absolute_limit() {
    for path in ["/get=x/subject", "/get=x/subject/add=y", "/get=x/subject/rotate"] {
        let (site, ..) = direct(Settings::default());
        site.post("/in=ann/set=x:1").await;
        for _ in 0..47 {
            site.clock.advance(HOUR / 2);
            assert!(get(&site, path).await.starts_with("1 ann"), "{path}");
        }
        site.clock.advance(HOUR / 2 - MILLI);
        assert!(get(&site, path).await.starts_with("1 ann"), "{path}");
        site.clock.advance(MILLI);
        assert!(get(&site, path).await.starts_with("- -"), "{path}");
    }
}

/// 28. A sign-in begins the absolute time anew, a rotation does not.
#[tokio::test]
async fn a_re_authentication_begins_the_absolute_time_anew() {
    let day = Settings::new().idle_timeout(24 * HOUR);
    let (site, ..) = direct(day);
    site.post("/in=ann/set=x:1").await;
    site.clock.advance(20 * HOUR);
    site.post("/in=ann").await;
    site.clock.advance(23 * HOUR);
    site.post("/rotate").await;
    assert_eq!(site.get("/subject/get=x").await.body, "ann 1");
    site.clock.advance(HOUR);
    assert_eq!(site.get("/subject/get=x").await.body, "- -");
}

/// 28. Use is noted at most once in a twentieth of the idle time, or in a minute.
#[tokio::test]
async fn use_is_noted_at_most_once_a_minute_or_a_twentieth_of_the_idle_time() {
    for (idle, step) in [(HOUR, 60 * SECOND), (20 * SECOND, SECOND), (SECOND, 50 * MILLI)] {
        let (site, store, _) = direct(Settings::new().idle_timeout(idle));
        site.post("/in=ann").await;
        for round in 1..4 {
            let before = times(&site, "ann").await;
            site.clock.advance(step - MILLI);
            get(&site, "/subject").await;
            assert_eq!(store.count(Call::Touch), round - 1, "too early");
            site.clock.advance(MILLI);
            for _ in 0..3 {
                get(&site, "/subject").await;
            }
            assert_eq!(store.count(Call::Touch), round, "once");
            let after = times(&site, "ann").await;
            assert_eq!(after.idle_expires_at, before.idle_expires_at + step);
            assert_eq!(after.absolute_expires_at, before.absolute_expires_at);
        }
        assert_eq!(store.count(Call::Replace), 0, "nothing else was written");
    }
}

/// 28, F2. The note is made after the response, and its failure is nobody's.
#[tokio::test]
async fn a_touch_neither_delays_nor_fails_a_response() {
    for fault in [Fault::Silence, Fault::Unavailable, Fault::Unanswered, Fault::Lost] {
        let (site, store, _) = direct(Settings::default());
        site.post("/in=ann/set=x:1").await;
        site.clock.advance(HOUR / 2);
        store.fail_calls(Call::Touch, fault);
        let response = site.get("/get=x").await;
        assert_eq!((response.status, &*response.body), (200, "1"), "{fault:?}");
        while store.count(Call::Touch) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// 28. Background polls do not keep a session alive, if they say so; nor do they shorten its life.
#[tokio::test]
async fn no_touch_requests_do_not_extend_the_idle_time() {
    for path in ["/no_touch/get=x", "/get=x/no_touch", "/no_touch/get=x/add=y"] {
        let (site, ..) = direct(Settings::default());
        site.post("/in=ann/set=x:1").await;
        for _ in 0..2 {
            site.clock.advance(HOUR / 3);
            assert!(get(&site, path).await.starts_with('1'), "{path}");
        }
        site.clock.advance(HOUR / 3 - MILLI);
        assert!(get(&site, path).await.starts_with('1'), "{path}");
        site.clock.advance(MILLI);
        assert!(get(&site, path).await.starts_with('-'), "{path}");
    }
}

/// 28. A remembered session has limits of its own, and a cookie that lasts as long.
#[tokio::test]
async fn a_remembered_session_ends_after_its_own_time_used_or_not() {
    for busy in [false, true] {
        let (site, ..) = direct(Settings::default());
        let response = site.post("/in=ann/remember=864000").await;
        assert!(response.cookies()[0].ends_with("; Max-Age=864000"), "{:?}", response.cookies());
        for _ in 0..9 {
            site.clock.advance(24 * HOUR);
            site.jar().advance(24 * HOUR);
            if busy {
                assert_eq!(get(&site, "/subject").await, "ann");
            }
        }
        let rotated = site.post("/subject/rotate").await;
        assert!(rotated.cookies()[0].ends_with("; Max-Age=86400"), "{:?}", rotated.cookies());
        site.clock.advance(24 * HOUR - MILLI);
        assert_eq!(get(&site, "/subject").await, "ann");
        site.clock.advance(MILLI);
        assert_eq!(get(&site, "/subject/origin").await, "- expired");
    }
}

/// 28. Shorter limits hold for sessions that are there already.
#[tokio::test]
async fn a_shortened_absolute_limit_ends_older_sessions() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::new());
    let start = async |absolute| {
        let settings = Settings::new().idle_timeout(HOUR).absolute_timeout(absolute);
        let sessions = testing::manager(Arc::clone(&store), settings, &clock).unwrap();
        Site::with_sessions(sessions, clock.clone(), Script::default().routes()).await
    };
    let (before, after) = (start(24 * HOUR).await, start(2 * HOUR).await);
    let old = Browser::new(&before);
    old.post("/in=ann").await;
    let young = Browser::new(&before);
    for _ in 0..4 {
        clock.advance(HOUR / 2);
        old.post("/add=n").await;
        if young.token().is_none() {
            young.post("/in=bob").await;
        }
    }
    assert_eq!(old.get("/subject").await.body, "ann");
    assert_eq!(old.at_server(&after).get("/subject/origin").await.body, "- expired");
    assert_eq!(after.sessions.sessions_of("ann").await.unwrap().len(), 0);
    clock.set_back(HOUR / 2 + MILLI);
    assert_eq!(young.at_server(&after).get("/subject").await.body, "bob");
}

/// 28, F9. A clock that is set back extends nothing.
#[tokio::test]
async fn a_clock_that_is_set_back_never_extends_a_life() {
    for path in ["/subject", "/subject/add=n", "/subject/rotate", "/subject/no_touch/add=n"] {
        let (site, ..) = direct(Settings::default());
        site.post("/in=ann").await;
        site.clock.advance(HOUR / 2);
        get(&site, "/subject").await;
        let before = times(&site, "ann").await;
        site.clock.set_back(HOUR / 4);
        get(&site, path).await;
        let after = times(&site, "ann").await;
        assert!(after.idle_expires_at <= before.idle_expires_at, "{path}");
        assert_eq!(after.absolute_expires_at, before.absolute_expires_at, "{path}");
        site.clock.advance(HOUR / 4 + HOUR);
        assert_eq!(get(&site, "/subject").await, "-", "{path}");
    }
}

/// 33. When the user last proved who they are.
#[tokio::test]
async fn authenticated_within_asks_for_a_recent_sign_in() {
    let (site, ..) = direct(Settings::default());
    assert_eq!(site.get("/within=600").await.body, "false");
    assert_eq!(site.post("/set=x:1/within=600").await.body, "false");
    assert_eq!(site.post("/in=ann/within=600").await.body, "true", "a sign-in in this request counts");
    let start = UNIX_EPOCH + Duration::from_millis(1_735_689_600_000);
    let at = async || -> Option<SystemTime> { times(&site, "ann").await.authenticated_at };
    assert_eq!(at().await, Some(start));
    site.clock.advance(600 * SECOND - MILLI);
    assert_eq!(get(&site, "/within=600/within=601").await, "true true");
    site.clock.advance(MILLI);
    site.post("/add=x/rotate").await;
    assert_eq!(get(&site, "/within=600/within=601").await, "false true", "use is no proof, nor a rotation");
    assert_eq!(at().await, Some(start));
    site.post("/in=ann").await;
    assert_eq!(at().await, Some(start + 600 * SECOND));
    assert_eq!(site.get("/within=600").await.body, "true");
    site.post("/out").await;
    assert_eq!(site.get("/within=600").await.body, "false");
}

/// Design, Expiry. `ignore_expiry = false`: told once, then a new visitor.
#[tokio::test]
async fn an_expired_session_is_answered_with_the_message_and_its_cookie_removed() {
    for locking in [Locking::ByMethod, Locking::Early] {
        let settings = Settings::new()
            .ignore_expiry(false)
            .expired_message("Please sign in again.")
            .expired_status(440)
            .locking(locking);
        let (site, store, script) = direct(settings);
        assert_eq!(site.get("/origin").await.body, "fresh", "a new visitor is not an expired one");
        site.post("/in=ann").await;
        let token = site.token().unwrap();
        site.clock.advance(HOUR);
        let replaced = store.count(Call::Replace);
        let response = site.post("/a/set=x:1").await;
        assert_eq!((response.status, &*response.body), (440, "Please sign in again."));
        assert_eq!(response.cookies(), ["__Host-id=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"]);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(
            (script.a.arrived(), store.count(Call::Replace)),
            (0, replaced),
            "the handler did not run"
        );
        assert_eq!(site.token(), None);
        assert_eq!(site.post("/origin/set=x:1").await.body, "fresh");
        assert_ne!(site.token().unwrap(), token);
        // A session that was ended has not expired.
        let late = site.stranger();
        *late.jar() = site.jar().clone();
        site.post("/out").await;
        assert_eq!(late.get("/origin").await.body, "superseded");
    }
}

/// Design, Expiry. `ignore_change_ip = false`: a changed address is treated as an expiry; the session lives on for its own.
#[tokio::test]
async fn a_session_bound_to_an_address_does_not_move() {
    for ignore_expiry in [true, false] {
        let settings = Settings::new()
            .ignore_change_ip(false)
            .ignore_expiry(ignore_expiry)
            .trusted_proxies(["127.0.0.1".parse::<TrustedProxy>().unwrap()]);
        let site = Site::start(MemoryStore::new(), settings, Script::default().routes()).await;
        let browser = Browser::new(&site);
        let from = |address: &str, path: &str| Request::post(path).header("X-Forwarded-For", address);
        browser.send(from("192.0.2.1", "/in=ann")).await;
        assert_eq!(browser.send(from("192.0.2.1", "/subject")).await.body, "ann");
        for path in ["/subject/origin", "/set=x:1/subject/origin"] {
            let moved = browser.send_and_ignore_cookies(from("192.0.2.2", path)).await;
            if ignore_expiry {
                assert_eq!((moved.status, &*moved.body), (200, "- expired"), "{path}");
            } else {
                assert_eq!((moved.status, &*moved.body), (401, "Your session has expired."), "{path}");
                assert_eq!(moved.cookies().len(), 1, "it is removed");
            }
        }
        assert_eq!(browser.send(from("192.0.2.1", "/subject/get=x")).await.body, "ann -", "it is not ended");
        let unknown = browser.send_and_ignore_cookies(Request::post("/subject/origin")).await;
        assert_ne!(unknown.body, "ann resumed", "the proxy itself is not that client");
    }
}
