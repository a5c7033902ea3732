//! Requests that do not come to their end: clients gone, handlers that panic; and streams that outlast theirs.

use super::*;

/// F11. The client goes away at every point: before the commit nothing is saved, after it has begun all of it, never a
/// part; and the session is free.
#[tokio::test]
async fn a_client_gone_at_any_point_leaves_all_or_nothing_and_no_lock() {
    for locking in MODES {
        for (path, all) in [
            ("/get=x/set=x:2/set=y:2", "ann 2 2"),
            ("/lock/set=x:2/yield/set=y:2", "ann 2 2"),
            ("/set=x:2/rotate/set=y:2", "ann 2 2"),
            ("/out", "- - -"),
            ("/lock/out/set=x:5/set=y:5", "- - -"),
            ("/in=bob/set=x:2/set=y:2", "- - -"),
        ] {
            let (mut none, mut whole) = (0, 0);
            for polls in 0.. {
                let (site, store, _) = site(Settings::new().locking(locking));
                site.post("/in=ann/set=x:1").await;
                let done = cut_off(site.stranger_with_cookies().post(path), polls).await;
                assert!(site.sessions.shutdown().await);
                let about = format!("{locking:?} {path}, dropped after {polls} polls");
                let found =
                    tokio::time::timeout(SECOND, site.get("/subject/get=x/get=y")).await.expect(&about).body;
                match &*found {
                    "ann 1 -" => none += 1,
                    found if found == all => whole += 1,
                    other => panic!("{about}: {other}"),
                }
                let free = tokio::time::timeout(SECOND, site.post("/lock/add=z")).await;
                assert_ne!(free.expect(&about).status, 503, "{about}");
                drop(store);
                if done {
                    assert_eq!(&*found, all, "{about}");
                    break;
                }
            }
            assert!(
                none > 0 && whole > 1,
                "{locking:?} {path}: {none} before, {whole} after the commit began"
            );
        }
    }
}

/// F11, U4. An update whose client goes away counts once or not at all.
#[tokio::test]
async fn a_client_gone_during_an_update_leaves_it_whole_or_not_at_all() {
    for locking in MODES {
        for polls in 0..40 {
            let (site, ..) = site(Settings::new().locking(locking));
            site.post("/set=x:1").await;
            cut_off(site.post("/set=y:1/add=x/add=x"), polls).await;
            // A store call that was sent runs to its end.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            let found = tokio::time::timeout(SECOND, site.post("/get=x/get=y")).await.expect("free").body;
            assert!(["1 -", "2 1", "3 1"].contains(&&*found), "{locking:?} after {polls} polls: {found}");
        }
    }
}

/// RULES §4. The attempt of an update is owned to its end, so a client that hangs up does not get its user a session too many.
#[tokio::test]
async fn a_sign_in_saved_by_an_update_whose_client_goes_away_keeps_the_user_s_limit() {
    for polls in 0.. {
        let (site, ..) = site(Settings::new().subject_limit(1));
        site.stranger().post("/in=ann").await;
        let done = cut_off(site.stranger().post("/in=ann/add=x"), polls).await;
        assert!(site.sessions.shutdown().await);
        let sessions = site.sessions.sessions_of("ann").await.unwrap().len();
        assert_eq!(sessions, 1, "dropped after {polls} polls");
        if done {
            break;
        }
    }
}

/// F12. A panic at every step: what was recorded is gone, what was saved stays, an end is an end, and the session is
/// free.
#[tokio::test]
async fn a_panic_discards_all_but_the_end_and_what_was_saved() {
    for locking in MODES {
        for (path, expected) in [
            ("/panic/set=x:2", "ann 1 -"),
            ("/set=x:2/panic", "ann 1 -"),
            ("/set=x:2/lock/yield/panic", "ann 1 -"),
            ("/set=x:2/rotate/in=bob/panic", "ann 1 -"),
            ("/set=x:2/save/set=x:3/panic", "ann 2 -"),
            ("/set=x:2/add=y/set=x:3/panic", "ann 2 1"),
            ("/set=x:2/out/panic", "- - -"),
            ("/out/save/set=y:1/panic", "- - -"),
            ("/out/in=ann/set=x:7/panic", "- - -"),
        ] {
            let (site, ..) = site(Settings::new().locking(locking));
            site.post("/in=ann/set=x:1").await;
            assert!(tokio::spawn(site.post(path)).await.unwrap_err().is_panic());
            assert!(site.sessions.shutdown().await);
            assert_eq!(site.get("/subject/get=x/get=y").await.body, expected, "{locking:?} {path}");
            let free = tokio::time::timeout(SECOND, site.post("/lock/get=z")).await;
            assert_ne!(free.expect("the session is free").status, 503, "{locking:?} {path}");
        }
    }
}

/// F12. The same where somebody outside the session layer catches the panic and answers 500 itself.
#[tokio::test]
async fn a_panic_that_is_caught_further_out_still_ends_the_session() {
    for path in ["/out/panic", "/set=x:2/out/yield/panic"] {
        let (site, ..) = site(Settings::default());
        site.post("/in=ann/set=x:1").await;
        let cookies = site.jar().cookie_header("/", true).unwrap();
        let request = http::Request::post(path).header("Cookie", cookies).body(Body::empty()).unwrap();
        // The layer's own future, kept after the panic: nothing is dropped by it.
        let mut request = Box::pin(site.app().call(request));
        let caught = poll_fn(|cx| {
            let poll = AssertUnwindSafe(|| request.as_mut().poll(cx));
            match catch_unwind(poll) {
                Ok(poll) => poll.map(|_| false),
                Err(_) => Poll::Ready(true),
            }
        });
        assert!(caught.await, "it panicked");
        assert!(site.sessions.shutdown().await);
        assert_eq!(site.get("/subject").await.body, "-", "{path}");
        drop(request);
    }
}

/// F13. After the head a stream goes on with its session: what it saves is saved, and the lock is free.
#[tokio::test]
async fn a_streaming_body_saves_after_the_head_and_holds_no_lock() {
    for locking in MODES {
        let script = Script::default();
        let settings = Settings::new().locking(locking);
        let site = Site::start(MemoryStore::new(), settings, script.routes()).await;
        let browser = Browser::new(&site);
        browser.post("/set=x:1").await;
        let tab = browser.tab();
        let path = "/lock/set=x:2/stream/a/get=x/set=y:3/save/add=y/reload/get=z/out/save/reload/b";
        let stream = tokio::spawn(async move { tab.post(path).await });
        script.a.arrival().await;
        // Saved before the head, and nobody waits for the rest of the body.
        assert_eq!(browser.post("/lock/get=x/set=z:9").await.body, "2", "{locking:?}");
        script.a.open();
        script.b.arrival().await;
        assert_eq!(browser.get("/get=x/get=y").await.body, "- -", "the stream ended the session");
        script.b.open();
        let response = stream.await.unwrap();
        assert_eq!((response.status, response.cookies()), (200, vec![]));
        assert_eq!(response.body, "2 4 true 9 false ", "{locking:?}");
    }
}

/// F13. What would need another cookie says so, and nothing of it is stored.
#[tokio::test]
async fn a_streaming_body_is_told_that_the_cookie_cannot_change_any_more() {
    let (site, store, _) = site(Settings::default());
    let fresh = site.stranger();
    let steps = "/stream/set=x:1/try.save/try.add=x/try.in=ann/try.rotate/try.expire/try.remember=60";
    let expected = "HeadSent HeadSent HeadSent HeadSent HeadSent HeadSent ";
    assert_eq!(fresh.post(&format!("/get=x{steps}")).await.body, expected);
    assert_eq!(stored(&store).await.len(), 0);
    site.post("/set=x:5").await;
    let response =
        site.post("/get=x/stream/try.in=ann/try.rotate/try.expire/try.remember=60/set=x:6/save").await;
    assert_eq!(response.body, "HeadSent HeadSent HeadSent HeadSent ");
    assert_eq!(site.get("/get=x/subject").await.body, "6 -");
}
