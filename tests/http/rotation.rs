//! New secrets for old, with requests under way (SECURITY D).

use std::sync::Arc;
use std::time::Duration;

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{Call, FaultyStore};
use cloakroom::{Locking, OnReuse, Settings};
use cloakroom_tests::{Browser, Request, Response, Script, Site};

const GRACE: Duration = Duration::from_secs(30);
const LATE_WINDOW: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

/// A site without locks, where requests overlap as they like.
async fn site(settings: Settings) -> (Site, Script) {
    let script = Script::default();
    let site = Site::start(MemoryStore::new(), settings, script.routes()).await;
    (site, script)
}

fn optimistic() -> Settings {
    Settings::new().locking(Locking::Explicit)
}

/// Starts a request that will wait at gate `a`, and waits until it is there.
async fn slow(browser: &Browser, script: &Script, path: &str) -> tokio::task::JoinHandle<Response> {
    let (tab, path) = (browser.tab(), path.to_owned());
    let request = tokio::spawn(async move { tab.get(&path).await });
    script.a.arrival().await;
    request
}

/// 22. The old token is refused at once, in whoever's hands.
#[tokio::test]
async fn a_sign_in_a_re_authentication_and_a_change_of_user_each_kill_the_old_token_at_once() {
    let (site, _) = site(Settings::default()).await;
    let browser = Browser::new(&site);
    browser.post("/set=cart:1").await;
    for user in ["ann", "ann", "bob"] {
        let old = browser.token().unwrap();
        assert_eq!(browser.post(&format!("/in={user}")).await.status, 200);
        assert_ne!(browser.token().unwrap(), old);
        let thief = Browser::new(&site);
        let with_old = |path: &str| Request::get(path).header("Cookie", format!("__Host-id={old}"));
        assert_eq!(thief.send(with_old("/get=cart/subject/origin")).await.body, "- - superseded");
        site.clock.set_back(GRACE);
        assert_eq!(
            thief.send(with_old("/get=cart/subject")).await.body,
            "- -",
            "also on a server whose clock is late"
        );
        site.clock.advance(GRACE);
    }
    assert_eq!(browser.get("/subject").await.body, "bob");
}

/// 23. The classic script: the attacker plants his own cookie, the victim signs in with it.
#[tokio::test]
async fn a_planted_session_does_not_let_the_attacker_in_after_the_victim_signed_in() {
    let (site, _) = site(Settings::default()).await;
    let attacker = Browser::new(&site);
    attacker.post("/set=trap:1").await;
    let victim = Browser::new(&site);
    *victim.jar() = attacker.jar().clone();
    victim.post("/in=ann/set=secret:42").await;
    assert_eq!(victim.get("/subject/get=secret/get=trap").await.body, "ann 42 1");
    assert_eq!(attacker.get("/subject/get=secret").await.body, "- -");
    site.clock.advance(GRACE);
    assert_eq!(attacker.get("/subject/get=secret").await.body, "- -");
}

/// 23. What one user left is not shown to the next.
#[tokio::test]
async fn a_change_of_user_clears_the_session() {
    let (site, _) = site(Settings::default()).await;
    let browser = Browser::new(&site);
    browser.post("/set=cart:1").await;
    browser.post("/in=ann/set=secret:42").await;
    assert_eq!(browser.get("/get=cart/get=secret").await.body, "1 42", "anonymous data is kept");
    browser.post("/set=secret:43/in=bob/set=mine:1").await;
    assert_eq!(browser.get("/subject/get=cart/get=secret/get=mine").await.body, "bob - - 1");
}

/// 24. A slow request across each way a session can pass to somebody else: no cookie, no write, and the browser stays
/// as it was left.
#[tokio::test]
async fn a_slow_request_across_a_change_of_hands_writes_nothing_and_sets_no_cookie() {
    let changes: [&[&str]; 4] =
        [&["/out"], &["/in=ann"], &["/out", "/in=bob/set=own:2"], &["/in=carl", "/in=dora"]];
    // What the slow request wants.
    let wishes = ["set=late:1", "remove=cart", "clear", "expire", "rotate", "rotate/set=late:1", "forget"];
    // It cannot end a session that is not its own any more, nor begin one in its place.
    let ends = ["out", "out/set=late:1", "out/set=late:1/save", "clear/out"];
    let (site, script) = site(optimistic()).await;
    for change in changes {
        for wish in wishes.iter().chain(&ends) {
            let browser = Browser::new(&site);
            browser.post("/set=cart:1").await;
            let request = slow(
                &browser,
                &script,
                &format!("/get=cart/a/try.yield/{}", wish.replace("save", "try.save")),
            )
            .await;
            for path in change {
                browser.post(path).await;
            }
            let (token, before) =
                (browser.token(), browser.get("/subject/get=cart/get=late/get=own").await.body);
            script.a.open();
            let response = request.await.unwrap();
            assert_eq!(response.status, 200, "{change:?}, then {wish}");
            assert_eq!(response.cookies(), [""; 0], "{change:?}, then {wish}");
            assert_eq!(browser.token(), token, "{change:?}, then {wish}");
            let after = browser.get("/subject/get=cart/get=late/get=own").await.body;
            assert_eq!(after, before, "{change:?}, then {wish}");
        }
    }
}

/// 24. A request that already comes with a superseded token is no better, if it began in the late window.
#[tokio::test]
async fn a_superseded_token_sets_no_cookie_and_its_writes_are_dropped_in_the_late_window() {
    for locking in [Locking::ByMethod, Locking::Implicit, Locking::Explicit] {
        let (site, _) = site(Settings::new().locking(locking)).await;
        let browser = Browser::new(&site);
        browser.post("/set=cart:1").await;
        let late = Browser::new(&site);
        *late.jar() = browser.jar().clone();
        browser.post("/in=ann").await;
        for wish in ["set=late:1", "expire", "out", "out/set=late:1", "rotate", "forget/set=late:1"] {
            let response = late.post(&format!("/origin/{wish}")).await;
            assert_eq!((response.status, &*response.body), (200, "superseded"), "{wish}");
            assert_eq!(response.cookies(), [""; 0], "{wish}");
        }
        for wish in ["add=late", "take=cart", "save", "lock", "elevate", "remember=600"] {
            let refused = late.post(&format!("/{wish}")).await;
            assert_eq!((refused.status, refused.cookies().len()), (409, 0), "{wish}");
        }
        assert_eq!(browser.get("/subject/get=late").await.body, "ann -");
        site.clock.advance(LATE_WINDOW);
        assert_eq!(
            late.post("/origin/set=late:1").await.cookies().len(),
            1,
            "afterwards it is a new visitor"
        );
        assert_eq!(browser.get("/subject/get=late").await.body, "ann -");
    }
}

/// 25. Nobody is thrown out by a plain rotation, and there is one successor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_over_a_rotation_all_succeed_and_find_one_successor() {
    for locking in [Locking::ByMethod, Locking::Implicit, Locking::Explicit] {
        let (site, _) = site(Settings::new().locking(locking)).await;
        let browser = Browser::new(&site);
        browser.post("/in=ann/set=cart:1").await;
        let old = browser.token().unwrap();
        let requests: Vec<_> = (0..50)
            .map(|n| {
                let (tab, old) = (browser.tab(), old.clone());
                tokio::spawn(async move {
                    let path = if n % 5 == 0 {
                        "/get=cart/rotate/yield".to_owned()
                    } else {
                        format!("/get=cart/add=k{n}")
                    };
                    let cookie = format!("__Host-id={old}");
                    tab.send(Request::post(path).header("Cookie", cookie)).await
                })
            })
            .collect();
        let mut successors = Vec::new();
        for request in requests {
            let response = request.await.unwrap();
            assert_eq!(response.status, 200);
            assert!(response.body.starts_with('1'), "{}", response.body);
            successors.extend(response.cookies().into_iter().map(str::to_owned));
        }
        assert_eq!(successors.len(), 1, "one request of ten rotated, for all");
        assert_ne!(browser.token().unwrap(), old);
        assert_eq!(browser.get("/subject/len").await.body, "ann 41");
        assert!(site.sessions.shutdown().await, "that the successor has come back is written down");
        site.clock.advance(GRACE);
        assert_eq!(browser.get("/subject/len").await.body, "ann 41", "the successor goes on");
        let thief = Browser::new(&site);
        let request = Request::get("/subject").header("Cookie", format!("__Host-id={old}"));
        assert_eq!(thief.send(request).await.body, "-", "the old one does not");
    }
}

/// 25. Requests that read the session before the rotation and save after it keep their changes and the new cookie.
#[tokio::test]
async fn a_slow_request_across_a_rotation_saves_and_sets_no_cookie() {
    let (site, script) = site(optimistic()).await;
    let browser = Browser::new(&site);
    browser.post("/set=cart:1").await;
    for wish in ["/get=cart/a/set=late:7", "/get=cart/a/set=late:8/rotate"] {
        let request = slow(&browser, &script, wish).await;
        site.clock.advance(GRACE);
        browser.post("/rotate").await;
        let token = browser.token();
        script.a.open();
        let response = request.await.unwrap();
        assert_eq!((response.status, response.cookies().len()), (200, 0), "{wish}");
        assert_eq!(browser.token(), token);
    }
    site.clock.advance(GRACE);
    assert_eq!(browser.get("/get=cart/get=late").await.body, "1 8");
}

/// 26. After the grace the old secret is an alarm; what it sets off is a setting.
#[tokio::test]
async fn a_rotated_secret_used_after_its_grace_is_ignored_or_ends_the_session() {
    for (on_reuse, survives) in [(OnReuse::Ignore, "ann"), (OnReuse::End, "-")] {
        let (site, _) = site(Settings::new().on_reuse(on_reuse)).await;
        let browser = Browser::new(&site);
        browser.post("/in=ann").await;
        let thief = Browser::new(&site);
        *thief.jar() = browser.jar().clone();
        browser.post("/rotate").await;
        assert_eq!(thief.get("/subject").await.body, "ann", "in the grace it still works");
        browser.get("/subject").await;
        assert!(site.sessions.shutdown().await, "that the new secret has come back is written down");
        site.clock.advance(GRACE);
        let response = thief.get("/subject/origin").await;
        assert_eq!((&*response.body, response.cookies().len()), ("- superseded", 0));
        assert_eq!(browser.get("/subject").await.body, survives);
    }
}

/// 26. The alarm does not end what it must not: in the grace, or with a secret that never was this session's.
#[tokio::test]
async fn an_old_secret_in_its_grace_and_a_made_up_one_never_end_a_session() {
    let (site, _) = site(Settings::new().on_reuse(OnReuse::End)).await;
    let browser = Browser::new(&site);
    browser.post("/set=cart:1").await;
    let old = Browser::new(&site);
    *old.jar() = browser.jar().clone();
    browser.post("/in=ann").await;
    assert_eq!(old.get("/origin").await.body, "superseded");
    assert_eq!(browser.get("/subject").await.body, "ann");
    let token = browser.token().unwrap();
    let (head, tail) = token.split_at(token.len() - 4);
    let forged = format!("__Host-id={head}{}", if tail == "AAAA" { "BAAA" } else { "AAAA" });
    site.clock.advance(GRACE);
    assert_eq!(
        Browser::new(&site).send(Request::get("/origin").header("Cookie", forged)).await.body,
        "superseded"
    );
    assert_eq!(browser.get("/subject").await.body, "ann");
}

/// 27. The response to a sign-in gets lost; the browser goes on with the old cookie.
#[tokio::test]
async fn a_lost_sign_in_response_locks_nobody_out() {
    for (wait, cart) in [(Duration::ZERO, "-"), (GRACE, "-"), (10 * GRACE, "-")] {
        let (site, _) = site(Settings::default()).await;
        let browser = Browser::new(&site);
        browser.post("/set=cart:1").await;
        let lost = browser.send_and_ignore_cookies(Request::post("/in=ann")).await;
        assert_eq!((lost.status, lost.cookies().len()), (200, 1));
        site.clock.advance(wait);
        let again = browser.post("/in=ann/set=visits:1").await;
        assert_eq!((again.status, again.cookies().len()), (200, 1));
        assert_eq!(browser.get("/subject/get=visits/get=cart").await.body, format!("ann 1 {cart}"));
        site.clock.advance(10 * GRACE);
        assert_eq!(browser.get("/subject/get=visits").await.body, "ann 1");
    }
}

/// 27, RULES §1. A rotation whose response gets lost does not throw out an active visitor, for an hour, and not even then, if the
/// browser rotates again.
#[tokio::test]
async fn a_lost_rotation_leaves_the_old_cookie_working_until_the_new_one_is_presented_or_an_hour_has_passed()
{
    let (site, _) = site(Settings::default()).await;
    let browser = Browser::new(&site);
    browser.post("/in=ann/set=cart:1").await;
    browser.send_and_ignore_cookies(Request::post("/rotate")).await;
    for cart in 2..5 {
        site.clock.advance(GRACE);
        assert_eq!(browser.post("/subject/add=cart").await.body, format!("ann {cart}"));
    }
    // Another one, whose response arrives.
    let old = browser.token().unwrap();
    assert_eq!(browser.post("/rotate").await.cookies().len(), 1);
    assert_ne!(browser.token().unwrap(), old);
    site.clock.advance(HOUR - Duration::from_millis(1));
    let with_old = || Request::get("/subject").header("Cookie", format!("__Host-id={old}"));
    assert_eq!(Browser::new(&site).send(with_old()).await.body, "ann", "the new one was never presented");
    assert_eq!(browser.get("/subject").await.body, "ann");
    assert!(site.sessions.shutdown().await, "that it has come back is written down");
    site.clock.advance(GRACE);
    assert_eq!(Browser::new(&site).send(with_old()).await.body, "-");
    assert_eq!(browser.get("/subject/get=cart").await.body, "ann 4");
}

/// 22, RULES §1. Other holders of the session's cookie lose access, whatever was rotated before and by whom.
#[tokio::test]
async fn an_elevation_throws_out_a_thief_at_once_in_and_out_of_a_grace_also_if_the_thief_rotated_first() {
    for (by_thief, confirmed) in
        [(None, false), (Some(false), false), (Some(true), false), (Some(true), true)]
    {
        let (site, _) = site(Settings::default()).await;
        let browser = Browser::new(&site);
        browser.post("/in=ann/set=cart:1").await;
        let thief = Browser::new(&site);
        *thief.jar() = browser.jar().clone();
        match by_thief {
            Some(true) => _ = thief.post("/rotate").await,
            Some(false) => _ = browser.send_and_ignore_cookies(Request::post("/rotate")).await,
            None => {}
        }
        if confirmed {
            thief.get("/subject").await;
            assert!(site.sessions.shutdown().await, "the thief's secret is written down");
        }
        assert_eq!(thief.get("/subject").await.body, "ann");
        assert_eq!(browser.post("/elevate").await.cookies().len(), 1, "{by_thief:?}");
        assert_eq!(thief.get("/subject/origin").await.body, "- superseded", "{by_thief:?}");
        assert_eq!(thief.post("/add=cart").await.status, 409);
        site.clock.advance(GRACE);
        assert_eq!(thief.get("/subject").await.body, "-");
        assert_eq!(browser.get("/subject/get=cart").await.body, "ann 1", "{by_thief:?}");
    }
}

/// RULES §1. As a double click does it: the second is late, and leaves the cookie of the first alone.
#[tokio::test]
async fn of_two_elevations_at_the_same_time_the_second_fails_with_409_and_sets_no_cookie() {
    let (site, script) = site(optimistic()).await;
    let browser = Browser::new(&site);
    browser.post("/in=ann").await;
    let second = slow(&browser, &script, "/get=x/a/elevate/set=x:2").await;
    browser.post("/elevate/set=x:1").await;
    script.a.open();
    let second = second.await.unwrap();
    assert_eq!((second.status, second.cookies().len()), (409, 0));
    assert_eq!(browser.get("/subject/get=x").await.body, "ann 1");
    assert_eq!(browser.post("/elevate").await.cookies().len(), 1, "one after the other, both work");
}

/// RULES §3. Within the window nothing is saved and no cookie is set, whatever the request does; after it the visitor is new.
#[tokio::test]
async fn a_dead_cookie_belongs_to_a_late_request_and_after_the_window_to_a_new_visitor() {
    for ended_by in ["/out", "/in=ann", "/elevate"] {
        let (site, _) = site(Settings::default()).await;
        let browser = Browser::new(&site);
        browser.post("/set=cart:1").await;
        let dead = Browser::new(&site);
        *dead.jar() = browser.jar().clone();
        browser.post(ended_by).await;
        for path in ["/set=x:1", "/get=x", "/expire", "/rotate", "/out", "/clear", "/forget", "/add=x"] {
            let response = dead.send(Request::get(path)).await;
            assert_eq!(response.cookies(), [""; 0], "{path} after {ended_by}");
            assert_eq!(dead.get("/get=x").await.body, "-", "{path} after {ended_by}");
        }
        site.clock.advance(LATE_WINDOW);
        let token = dead.token();
        let response = dead.send(Request::get("/add=count")).await;
        assert_eq!((response.status, &*response.body), (200, "1"), "{ended_by}");
        assert_ne!(dead.token(), token);
        assert_eq!(dead.get("/get=count/get=cart").await.body, "1 -");
    }
}

/// RULES §3. A proxy that hands an upload over when it is complete makes it look younger than it is.
#[tokio::test]
async fn a_request_with_a_body_is_late_for_five_minutes_after_a_change() {
    let (site, _) = site(Settings::default()).await;
    let browser = Browser::new(&site);
    browser.post("/set=cart:1").await;
    let uploading = Browser::new(&site);
    *uploading.jar() = browser.jar().clone();
    browser.post("/in=ann").await;
    site.clock.advance(2 * GRACE);
    let upload = || Request::post("/set=x:1").body("a long file");
    let late = uploading.send(upload()).await;
    assert_eq!((late.status, late.cookies().len()), (200, 0));
    site.clock.advance(10 * GRACE);
    assert_eq!(uploading.send(upload()).await.cookies().len(), 1, "a new visitor");
    assert_eq!(browser.get("/subject/get=x").await.body, "ann -");
}

/// RULES §3. Held for longer than any window: it began before.
#[tokio::test]
async fn a_request_held_for_a_minute_across_a_sign_out_saves_nothing_and_sets_no_cookie() {
    let (site, script) = site(optimistic()).await;
    let browser = Browser::new(&site);
    browser.post("/in=ann/set=cart:1").await;
    let first_access = slow(&browser, &script, "/a/set=late:1").await;
    browser.post("/out").await;
    site.clock.advance(2 * GRACE);
    script.a.open();
    let response = first_access.await.unwrap();
    assert_eq!((response.status, response.cookies().len()), (200, 0));
    assert_eq!(browser.get("/subject/get=late").await.body, "- -");
}

/// 27. Two sign-ins at the same time: whichever answer the browser keeps, it is signed in.
#[tokio::test]
async fn a_double_clicked_sign_in_ends_signed_in_whichever_response_arrives_last() {
    for locking in [Locking::ByMethod, Locking::Explicit] {
        for first_last in [false, true] {
            for before in ["", "/set=cart:1", "/in=ann", "/in=bob"] {
                let (site, script) = site(Settings::new().locking(locking)).await;
                let browser = Browser::new(&site);
                if !before.is_empty() {
                    browser.post(before).await;
                }
                let click = |tab: Browser| async move {
                    tab.send_and_ignore_cookies(Request::post("/get=x/in=ann/set=in:1/yield")).await
                };
                let (one, two) = (tokio::spawn(click(browser.tab())), tokio::spawn(click(browser.tab())));
                let mut responses = [one.await.unwrap(), two.await.unwrap()];
                drop(script);
                if first_last {
                    responses.reverse();
                }
                for response in &responses {
                    assert_eq!(response.status, 200);
                    for cookie in response.cookies() {
                        browser.jar().receive(cookie, "/", true).unwrap();
                    }
                }
                assert_eq!(browser.get("/subject/get=in").await.body, "ann 1");
                site.clock.advance(GRACE);
                assert_eq!(browser.get("/subject/get=in").await.body, "ann 1");
            }
        }
    }
}

/// 27. A failed request applies no rotation and no sign-in, but an end always.
#[tokio::test]
async fn a_5xx_or_a_panic_applies_no_rotation_but_always_an_end() {
    for failure in ["status=500", "status=503", "panic"] {
        for wish in ["rotate", "in=bob", "set=cart:2", "clear", "remember=60", "expire"] {
            let (site, _) = site(Settings::default()).await;
            let browser = Browser::new(&site);
            browser.post("/in=ann/set=cart:1").await;
            let token = browser.token();
            fail(&browser, &format!("/{wish}/{failure}")).await;
            assert_eq!(browser.token(), token, "{wish}, {failure}");
            assert_eq!(browser.get("/subject/get=cart").await.body, "ann 1", "{wish}, {failure}");
        }
        let (site, _) = site(Settings::default()).await;
        let browser = Browser::new(&site);
        browser.post("/in=ann/set=cart:1").await;
        let thief = Browser::new(&site);
        *thief.jar() = browser.jar().clone();
        fail(&browser, &format!("/set=cart:2/out/set=x:1/{failure}")).await;
        // After a panic nobody waits for the end; but whoever comes next waits for it.
        while site.sessions.sessions_of("ann").await.unwrap().len() == 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(thief.get("/subject/get=cart/get=x").await.body, "- - -", "{failure}");
    }
}

/// Sends a request that answers 5xx, or that nobody answers because the handler panics.
async fn fail(browser: &Browser, path: &str) {
    let (tab, path) = (browser.tab(), path.to_owned());
    let response = tokio::spawn(async move { tab.post(&path).await }).await;
    assert!(response.is_err() || response.unwrap().status >= 500);
}

/// 27. What was saved on purpose before the failure stays, and its secret reaches the browser.
#[tokio::test]
async fn a_saved_sign_in_survives_a_5xx_together_with_its_cookie() {
    let (site, _) = site(Settings::default()).await;
    let browser = Browser::new(&site);
    browser.post("/set=cart:1").await;
    assert_eq!(browser.post("/in=ann/save/set=cart:2/status=500").await.status, 500);
    assert_eq!(browser.get("/subject/get=cart").await.body, "ann 1");
}

/// 24, 27. Requests that cannot change anything cost no write, however often they come.
#[tokio::test]
async fn rotations_in_the_grace_and_superseded_writers_write_nothing() {
    let store = FaultyStore::new(MemoryStore::new());
    let script = Script::default();
    let site = Site::start(store.clone(), Settings::default(), script.routes()).await;
    let browser = Arc::new(Browser::new(&site));
    browser.post("/set=cart:1").await;
    let late = Browser::new(&site);
    browser.post("/rotate").await;
    *late.jar() = browser.jar().clone();
    let writes = || store.count(Call::Replace) + store.count(Call::Create);
    let before = writes();
    for _ in 0..10 {
        assert_eq!(browser.post("/rotate").await.cookies().len(), 0);
    }
    assert_eq!(writes(), before + 1, "the first notes that the new secret has come back");
    browser.post("/in=ann").await;
    let before = writes();
    for _ in 0..10 {
        late.post("/set=x:1/rotate").await;
    }
    assert_eq!(writes(), before);
}

/// 27. The old secret is dead, or dying: the one that is stored reaches the browser, whatever the request came to.
#[tokio::test]
async fn a_secret_that_is_stored_reaches_the_browser_although_the_request_fails() {
    for path in ["/rotate/save/get=n/a/set=n:9", "/rotate/save/get=n/a/set=n:9/lock"] {
        let (site, script) = site(optimistic()).await;
        let browser = Browser::new(&site);
        browser.post("/set=n:1").await;
        let request = slow(&browser, &script, path).await;
        browser.post("/set=n:6").await;
        script.a.open();
        let response = request.await.unwrap();
        assert_eq!((response.status, response.cookies().len()), (409, 1), "{path}");
        site.clock.advance(GRACE);
        assert_eq!(browser.get("/get=n/origin").await.body, "6 resumed", "{path}");
    }
}

/// 23. Nor is one user's wish to be remembered another's.
#[tokio::test]
async fn a_change_of_user_in_one_request_ends_being_remembered() {
    let (site, _) = site(Settings::default()).await;
    let response = Browser::new(&site).post("/in=ann/remember=600/in=bob/set=x:1").await;
    assert!(!response.cookies()[0].contains("Max-Age"), "{:?}", response.cookies());
    let again = Browser::new(&site).post("/in=ann/remember=600/in=ann").await;
    assert!(again.cookies()[0].ends_with("; Max-Age=600"), "{:?}", again.cookies());
}
