//! Sign-out, here, elsewhere and everywhere; limits of a user's sessions.

use super::*;
use crate::routes::{put, routes, sign_in};

/// 29. Readers and writers of all kinds are under way while the visitor signs out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_is_final_whatever_is_under_way() {
    for locking in [Locking::ByMethod, Locking::Explicit] {
        let (store, script) = (Arc::new(Hesitant(MemoryStore::new())), Script::default());
        let settings = Settings::new().locking(locking);
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
    let (site, store, script) = direct(Settings::new().locking(Locking::Explicit));
    for sign_out in ["/out", "ended by its handle", "ended with all others"] {
        site.post("/in=ann/set=x:1").await;
        let handle: SessionHandle = site.get("/handle").await.body.parse().unwrap();
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
        let records = cloakroom_tests::all_records(store.inner()).await.len();
        for (wish, straggler) in stragglers {
            script.a.open();
            let response = straggler.await;
            assert_eq!((response.status, response.cookies()), (200, vec![]), "{sign_out}, then {wish}");
        }
        assert_eq!(cloakroom_tests::all_records(store.inner()).await.len(), records, "{sign_out}");
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
            let settings = Settings::new().locking(Locking::Explicit);
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
        let own: SessionHandle = browsers[0].get("/handle").await.body.parse().unwrap();
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
    let settings = Settings::new().subject_limit(2);
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
    let settings = Settings::new().subject_limit(2).on_subject_limit(OnSubjectLimit::Refuse);
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
    for on_subject_limit in [OnSubjectLimit::EndLeastRecentlyUsed, OnSubjectLimit::Refuse] {
        for round in 0..20 {
            let settings = Settings::new().subject_limit(3).on_subject_limit(on_subject_limit);
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
                live < 3 || on_subject_limit == OnSubjectLimit::EndLeastRecentlyUsed
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
    assert_eq!(
        cloakroom_tests::all_records(&*store).await.len(),
        10_000,
        "tombstones, until they are purged"
    );
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

/// How many sessions are live, on a store that keeps tombstones and expired records for a while.
#[tokio::test]
async fn sessions_that_have_ended_or_expired_are_not_counted() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::start(store.clone(), Settings::default(), routes()).await;
    let browsers = [Browser::new(&site), Browser::new(&site), Browser::new(&site)];
    for browser in &browsers {
        put(browser, "red").await;
        sign_in(browser, "ann").await;
    }
    assert_eq!(site.sessions.count().await.unwrap(), 3);
    assert_eq!(browsers[0].post("/sign-out").await.status, 200);
    assert_eq!(site.sessions.count().await.unwrap(), 2);
    site.clock.advance(30 * 60 * SECOND);
    assert_eq!(browsers[1].get("/look").await.body, "resumed red");
    assert!(site.sessions.shutdown().await, "the touch is made");
    site.clock.advance(30 * 60 * SECOND);
    assert_eq!(site.sessions.count().await.unwrap(), 1);
    assert_eq!(cloakroom_tests::all_records(store.inner()).await.len(), 3, "they are all there still");
}
