//! How sessions end, and that they stay ended (SECURITY E).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, Call, Fault, FaultyStore, TestClock};
use cloakroom::{Handle, Locking, OnSubjectLimit, Settings, Times, TrustedProxy};
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

async fn times(site: &Direct, user: &str) -> Times {
    site.sessions.sessions_of(user).await.unwrap().remove(0).times
}

/// The live records, as a store knows them: not tombstones, which name nobody.
async fn records_of_users(store: &impl Scan) -> usize {
    let page = store.page(None, usize::MAX).await.unwrap();
    page.records.into_iter().filter(|(_, record)| record.subject.is_some()).count()
}

/// 28. To the millisecond.
#[tokio::test]
async fn a_session_that_is_not_used_for_the_idle_time_has_ended() {
    for (wait, expected) in [(HOUR - MILLI, "1 resumed"), (HOUR, "- expired"), (48 * HOUR, "- expired")] {
        let (site, ..) = direct(Settings::default());
        site.post("/set=x:1").await;
        site.clock.advance(wait);
        assert_eq!(site.get("/get=x/origin").await.body, expected);
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
    let day = Settings { idle_timeout: 24 * HOUR, ..Settings::default() };
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
        let (site, store, _) = direct(Settings { idle_timeout: idle, ..Settings::default() });
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
        site.post("/set=x:1").await;
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
        site.post("/set=x:1").await;
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
        let settings = Settings { idle_timeout: HOUR, absolute_timeout: absolute, ..Settings::default() };
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

/// 29. Readers and writers of all kinds are under way while the visitor signs out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_is_final_whatever_is_under_way() {
    for locking in [Locking::ByMethod, Locking::Explicit] {
        let (store, script) = (Arc::new(Hesitant(MemoryStore::new())), Script::default());
        let settings = Settings { locking, ..Settings::default() };
        let site = Site::start(Arc::clone(&store), settings, script.routes()).await;
        for ending in ["/out", "/out/status=500", "/set=y:1/out/save"] {
            let browser = Browser::new(&site);
            browser.post("/in=ann/set=x:1").await;
            let (token, mut stragglers) = (browser.token().unwrap(), Vec::new());
            for wish in [
                "",
                "/set=late:1",
                "/clear",
                "/rotate",
                "/remember=600",
                "/expire",
                "/out",
                "/reload",
                "/try.add=x",
            ] {
                for path in [format!("/get=x/a{wish}"), format!("/get=x/a{wish}/try.save")] {
                    let tab = browser.tab();
                    stragglers.push(tokio::spawn(async move {
                        tab.send_and_ignore_cookies(Request::get(path)).await
                    }));
                    script.a.arrival().await;
                }
            }
            // A few go on at the same time as the sign-out, the rest after it.
            for _ in 0..9 {
                script.a.open();
            }
            browser.post(ending).await;
            let gone = Browser::new(&site);
            let old = Request::get("/subject/get=x/get=late").header("Cookie", format!("__Host-id={token}"));
            assert_eq!(gone.send(old.clone()).await.body, "- - -", "{locking:?} {ending}");
            for _ in 0..9 {
                script.a.open();
            }
            for straggler in stragglers {
                let status = straggler.await.unwrap().status;
                // Those that went first may have got in each other's way.
                assert!(status == 200 || status == 409, "{status}");
            }
            assert_eq!(gone.send(old).await.body, "- - -", "{locking:?} {ending}");
            assert_eq!(site.sessions.sessions_of("ann").await.unwrap().len(), 0);
            assert_eq!(records_of_users(&store.0).await, 0, "{locking:?} {ending}");
        }
    }
}

/// 29, D1. Those that come after the sign-out in any case: no record, no cookie.
#[tokio::test]
async fn stragglers_after_a_sign_out_set_no_cookie_and_store_nothing() {
    let (site, store, script) = direct(Settings { locking: Locking::Explicit, ..Settings::default() });
    for sign_out in ["/out", "ended by its handle", "ended with all others"] {
        site.post("/in=ann/set=x:1").await;
        let handle: Handle = site.get("/handle").await.body.parse().unwrap();
        let mut stragglers = Vec::new();
        for wish in [
            "set=late:1",
            "remove=x",
            "clear",
            "rotate",
            "expire",
            "out",
            "out/set=y:1",
            "try.add=x",
            "try.take=x",
        ] {
            let mut straggler = site.get(&format!("/get=x/a/{wish}"));
            assert!(cloakroom_tests::poll_once(&mut straggler).await.is_none());
            stragglers.push((wish, straggler));
        }
        match sign_out {
            "/out" => drop(site.post("/out").await),
            "ended by its handle" => assert!(site.sessions.end(&handle).await.unwrap()),
            _ => assert_eq!(site.sessions.end_all("ann", None).await.unwrap(), 1),
        }
        let records = store.inner().count().await.unwrap();
        for (wish, straggler) in stragglers {
            script.a.open();
            let response = straggler.await;
            assert_eq!((response.status, response.cookies()), (200, vec![]), "{sign_out}, then {wish}");
        }
        assert_eq!(store.inner().count().await.unwrap(), records, "{sign_out}");
        assert_eq!(records_of_users(store.inner()).await, 0, "{sign_out}");
        site.clock.advance(GRACE);
    }
}

/// 30. Three browsers, two servers; another user is left alone.
#[tokio::test]
async fn sign_out_everywhere_and_everywhere_else() {
    for spared in [false, true] {
        let (store, clock, script) = (Arc::new(MemoryStore::new()), TestClock::new(), Script::default());
        let mut sites = Vec::new();
        for _ in 0..2 {
            let settings = Settings { locking: Locking::Explicit, ..Settings::default() };
            let sessions = testing::manager(Arc::clone(&store), settings, &clock).unwrap();
            sites.push(Site::with_sessions(sessions, clock.clone(), script.routes()).await);
        }
        let browsers: Vec<_> = (0..3).map(|n| Browser::new(&sites[n % 2])).collect();
        let mut slow = Vec::new();
        for browser in &browsers {
            browser.post("/in=ann/set=x:1").await;
            let tab = browser.tab();
            slow.push(tokio::spawn(async move { tab.get("/get=x/a/set=late:1").await }));
            script.a.arrival().await;
        }
        let other = Browser::new(&sites[1]);
        other.post("/in=bob").await;
        let own: Handle = browsers[0].get("/handle").await.body.parse().unwrap();
        let ended = sites[1].sessions.end_all("ann", spared.then_some(&own)).await.unwrap();
        assert_eq!(ended, if spared { 2 } else { 3 });
        for request in slow {
            script.a.open();
            let response = request.await.unwrap();
            assert_eq!((response.status, response.cookies()), (200, vec![]));
        }
        for (n, browser) in browsers.iter().enumerate() {
            for site in &sites {
                let expected = if spared && n == 0 { "ann 1 1" } else { "- - -" };
                assert_eq!(browser.at_server(site).get("/subject/get=x/get=late").await.body, expected);
            }
        }
        assert_eq!(sites[0].sessions.sessions_of("ann").await.unwrap().len(), usize::from(spared));
        assert_eq!(other.get("/subject").await.body, "bob");
    }
}

/// 31. The sign-in that was longest ago goes.
#[tokio::test]
async fn a_sign_in_beyond_the_limit_ends_the_oldest_one() {
    let settings = Settings { subject_limit: Some(2), ..Settings::default() };
    for step in [SECOND, Duration::ZERO] {
        let (site, ..) = direct(settings.clone());
        let browsers: Vec<_> = (0..4).map(|_| site.stranger()).collect();
        for browser in &browsers {
            assert_eq!(browser.post("/set=cart:1/in=ann").await.status, 200);
            site.clock.advance(step);
        }
        let mut users = Vec::new();
        for browser in &browsers {
            users.push(browser.get("/subject").await.body);
        }
        assert_eq!(users, ["-", "-", "ann", "ann"]);
        browsers[2].post("/in=ann").await;
        assert_eq!(
            browsers[3].get("/subject").await.body,
            "ann",
            "a re-authentication is no further session"
        );
        assert_eq!(site.stranger().post("/in=bob").await.status, 200, "each user has a limit of its own");
    }
}

/// 31. The sign-in that is one too many fails and leaves everything as it was.
#[tokio::test]
async fn a_sign_in_beyond_the_limit_is_refused() {
    let settings =
        Settings { subject_limit: Some(2), on_subject_limit: OnSubjectLimit::Refuse, ..Settings::default() };
    let (site, ..) = direct(settings);
    let browsers: Vec<_> = (0..3).map(|_| site.stranger()).collect();
    for browser in &browsers {
        browser.post("/set=cart:1").await;
    }
    for browser in &browsers[..2] {
        assert_eq!(browser.post("/in=ann").await.status, 200);
    }
    let (third, token) = (&browsers[2], browsers[2].token());
    let response = third.post("/in=ann").await;
    assert_eq!((response.status, response.cookies()), (403, vec![]));
    assert_eq!((third.get("/subject/get=cart").await.body.as_str(), third.token()), ("- 1", token));
    assert_eq!(
        browsers[0].post("/in=ann/subject").await.body,
        "ann",
        "a re-authentication is no further session"
    );
    browsers[1].post("/out").await;
    assert_eq!(third.post("/in=ann/subject").await.body, "ann", "there is room again");
    site.clock.advance(HOUR);
    assert_eq!(site.stranger().post("/in=ann").await.status, 200, "expired sessions do not count");
}

/// 31. Nor by many sign-ins at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_sign_ins_never_exceed_the_limit() {
    for on_subject_limit in [OnSubjectLimit::EndOldest, OnSubjectLimit::Refuse] {
        for round in 0..20 {
            let settings = Settings { subject_limit: Some(3), on_subject_limit, ..Settings::default() };
            let site = Direct::new(Hesitant(MemoryStore::new()), settings, Script::default().routes());
            let browsers: Vec<_> = (0..12).map(|_| site.stranger()).collect();
            let requests: Vec<_> = browsers
                .iter()
                .enumerate()
                .map(|(n, browser)| {
                    // Some clocks are late.
                    let request = browser.post("/in=ann");
                    let clock = site.clock.clone();
                    tokio::spawn(async move {
                        if n % 3 == 1 {
                            clock.set_back(MILLI);
                        }
                        request.await.status
                    })
                })
                .collect();
            for request in requests {
                let status = request.await.unwrap();
                assert!(status == 200 || status == 403, "{status}");
            }
            let mut live = 0;
            for browser in &browsers {
                live += usize::from(browser.get("/subject").await.body == "ann");
            }
            assert!(live <= 3, "{on_subject_limit:?}, round {round}: {live}");
            assert_eq!(site.sessions.sessions_of("ann").await.unwrap().len(), live);
            assert_eq!(
                site.stranger().post("/in=ann").await.status == 200,
                live < 3 || on_subject_limit == OnSubjectLimit::EndOldest
            );
        }
    }
}

/// 32. 10,000 times, a reader whose touch is due races the sign-out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_touch_that_races_a_sign_out_never_revives_the_session() {
    let (store, script) = (Arc::new(MemoryStore::new()), Script::default());
    let site = Direct::new(Arc::clone(&store), Settings::default(), script.routes());
    for _ in 0..100 {
        let browsers: Vec<_> = (0..100).map(|_| site.stranger()).collect();
        for browser in &browsers {
            browser.post("/in=ann").await;
        }
        site.clock.advance(2 * 60 * SECOND);
        let race = |browser: &Direct| {
            let (read, end) = (browser.get("/subject"), browser.post("/out"));
            let read = tokio::spawn(read);
            tokio::spawn(async move {
                end.await;
                read.await.unwrap();
            })
        };
        for pair in browsers.iter().map(race).collect::<Vec<_>>() {
            pair.await.unwrap();
        }
        assert!(site.sessions.shutdown().await, "the touches are done");
        assert_eq!(records_of_users(&*store).await, 0);
        assert_eq!(site.sessions.sessions_of("ann").await.unwrap().len(), 0);
    }
    assert_eq!(store.count().await.unwrap(), 10_000, "tombstones, until they are purged");
}

/// 32. A touch that comes too late does not lengthen the time in which an ended session's visitor cannot begin a new
/// one.
#[tokio::test]
async fn a_late_touch_does_not_lengthen_the_memory_of_a_sign_out() {
    let (site, store, _) = direct(Settings::default());
    site.post("/in=ann").await;
    let handle: Key = site.get("/handle").await.body.parse().unwrap();
    let late = site.stranger();
    *late.jar() = site.jar().clone();
    site.post("/out").await;
    let ended = store.inner().load(&handle).await.unwrap().unwrap();
    let now = cloakroom_store::Timestamp::from_millis(ended.expires_at.as_millis() - 30_000);
    assert!(store.inner().touch(&handle, now, now.saturating_add(HOUR)).await.unwrap());
    assert_eq!(late.post("/origin/set=x:1").await.body, "superseded");
    site.clock.advance(GRACE);
    assert_eq!(late.post("/origin/set=x:1/get=x").await.body, "unknown 1");
    assert_eq!(late.get("/get=x").await.body, "1");
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
        let settings = Settings {
            ignore_expiry: false,
            expired_message: "Please sign in again.".into(),
            expired_status: 440,
            locking,
            ..Settings::default()
        };
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
        let settings = Settings {
            ignore_change_ip: false,
            ignore_expiry,
            trusted_proxies: vec!["127.0.0.1".parse::<TrustedProxy>().unwrap()],
            ..Settings::default()
        };
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

/// 24, 30. A straggler that had not even looked for its session is told apart from a stranger.
#[tokio::test]
async fn a_late_request_after_sign_out_everywhere_leaves_the_new_cookie_alone() {
    let script = Script::default();
    let site = Site::start(MemoryStore::new(), Settings::default(), script.routes()).await;
    let browser = Browser::new(&site);
    browser.post("/in=ann").await;
    let tab = browser.tab();
    let late = tokio::spawn(async move { tab.get("/a/origin/set=late:1").await });
    script.a.arrival().await;
    assert_eq!(site.sessions.end_all("ann", None).await.unwrap(), 1);
    browser.post("/in=ann").await;
    script.a.open();
    let late = late.await.unwrap();
    assert_eq!((late.body.as_str(), late.cookies()), ("superseded", vec![]));
    assert_eq!(browser.get("/subject/get=late").await.body, "ann -");
}
