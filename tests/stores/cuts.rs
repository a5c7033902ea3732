//! F3: a connection ends at any of a request's round trips, before the server got its part or after it was carried out. The
//! answer is the one of a request that succeeded, and then it did, once; or 503, which changes no cookie. The next request
//! goes through.

use std::time::Duration;

use cloakroom::Settings;
use cloakroom_tests::{Backend, Browser, Cut, Request, Response, behind_a_proxy};

use crate::house::{House, TOUCH_IS_DUE, locked, resumes, unlocked};

behind_a_proxy!(
    a_read_whose_connection_ends_is_answered_503_or_right,
    a_touch_whose_connection_ends_is_nobodys_business,
    an_update_whose_connection_ends_counts_once,
    an_update_under_a_lock_whose_connection_ends_counts_once,
    a_lock_whose_connection_ends_is_soon_free,
    a_value_whose_connection_ends_is_there_if_the_answer_says_so,
    a_new_session_whose_connection_ends_is_there_if_a_cookie_says_so,
    a_rotation_whose_connection_ends_leaves_a_cookie_that_works,
    a_session_whose_end_was_acknowledged_is_gone_whatever_ended,
    signing_in_ends_in_one_user_or_in_503,
);

async fn a_read_whose_connection_ends_is_answered_503_or_right(backend: Backend) {
    let house = House::new(backend, locked()).await;
    let request = || Request::get("/get=n");
    let cuts = with_each_cut(&house, request, async |Outcome { visitor, response, about, .. }| {
        assert!(response.status == 503 || response.body == "5", "{about}");
        assert_eq!(next(visitor, Request::get("/get=n"), about).await, "5", "{about}");
    });
    assert_eq!(cuts.await, 2);
}

async fn a_touch_whose_connection_ends_is_nobodys_business(backend: Backend) {
    for how in [Cut::Request, Cut::Answer] {
        for nth in 1..=backend.costs.touch {
            let house = House::new(backend, locked()).await;
            let visitor = house.visitor().await;
            house.site.clock.advance(TOUCH_IS_DUE);
            house.proxy.cut(1 + nth, how);
            let response = visitor.get("/get=n").await;
            assert_eq!((&*response.body, response.cookies()), ("5", vec![]), "{how:?} {nth}");
            house.settled().await;
            assert!(house.proxy.has_cut());
            assert_eq!(next(&visitor, Request::get("/get=n"), "after a cut").await, "5", "{how:?} {nth}");
        }
    }
}

async fn an_update_whose_connection_ends_counts_once(backend: Backend) {
    counts_once(backend, unlocked(), "/add=n").await;
}

async fn an_update_under_a_lock_whose_connection_ends_counts_once(backend: Backend) {
    counts_once(backend, locked(), "/add=n").await;
    counts_once(backend, locked(), "/inc=n").await;
}

/// L3. Long before its lease has run out, which lasts ten seconds: whatever it is that the server did not answer.
async fn a_lock_whose_connection_ends_is_soon_free(backend: Backend) {
    let lock_timeout = Duration::from_secs(5);
    let house = House::new(backend, Settings::new().lock_timeout(lock_timeout)).await;
    for how in [Cut::Request, Cut::Answer] {
        for nth in 1..=2 {
            let visitor = house.visitor().await;
            house.proxy.cut(nth, how);
            let response = visitor.post("/get=n/set=x:1").await;
            assert!(house.proxy.has_cut());
            assert!(matches!(response.status, 200 | 503), "{how:?} {nth}: {response:?}");
            assert_eq!(resumes(&visitor, Request::post("/get=n")).await, "5", "{how:?} {nth}");
        }
    }
}

async fn counts_once(backend: Backend, settings: Settings, path: &str) {
    let house = House::new(backend, settings).await;
    let cuts = with_each_cut(
        &house,
        || Request::post(path),
        async |Outcome { visitor, response, about, .. }| {
            let then = next(visitor, Request::post(path), about).await;
            if response.status == 200 {
                assert_eq!((&*response.body, &*then), ("6", "7"), "{about}");
            } else {
                assert!(then == "6" || then == "7", "{about}: {then}");
            }
        },
    );
    assert!(cuts.await >= 4);
}

async fn a_value_whose_connection_ends_is_there_if_the_answer_says_so(backend: Backend) {
    for settings in [locked(), unlocked()] {
        let house = House::new(backend, settings).await;
        let request = || Request::post("/set=x:1/set=y:2/remove=n");
        let cuts = with_each_cut(&house, request, async |Outcome { visitor, response, about, .. }| {
            let then = next(visitor, Request::get("/get=x/get=y/get=n"), about).await;
            let is_there = then == "1 2 -";
            assert!(is_there || response.status == 503 && then == "- - 5", "{about}: {then}");
        });
        assert!(cuts.await >= 4);
    }
}

async fn a_new_session_whose_connection_ends_is_there_if_a_cookie_says_so(backend: Backend) {
    let house = House::new(backend, locked()).await;
    for how in [Cut::Request, Cut::Answer] {
        // The cut before may have left the store without a connection for a moment.
        resumes(&Browser::new(&house.site), Request::post("/set=n:1")).await;
        let visitor = Browser::new(&house.site);
        house.proxy.cut(1, how);
        let response = visitor.post("/set=n:1").await;
        assert!(house.proxy.has_cut());
        assert_eq!(visitor.token().is_some(), response.status == 200, "{how:?}");
        assert_eq!(response.cookies().len(), usize::from(response.status == 200), "{how:?}");
        let then = next(&visitor, Request::get("/get=n"), "after a cut").await;
        assert_eq!(then, if response.status == 200 { "1" } else { "-" }, "{how:?}");
    }
}

async fn a_rotation_whose_connection_ends_leaves_a_cookie_that_works(backend: Backend) {
    for settings in [locked(), unlocked()] {
        let house = House::new(backend, settings).await;
        let cuts = with_each_cut(
            &house,
            || Request::post("/rotate"),
            async |Outcome { visitor, response, about, .. }| {
                assert_eq!(response.cookies().len(), usize::from(response.status == 200), "{about}");
                assert_eq!(next(visitor, Request::get("/get=n"), about).await, "5", "{about}");
                house.site.clock.advance(MORE_THAN_GRACE);
                if response.status == 200 {
                    assert_eq!(next(visitor, Request::get("/get=n"), about).await, "5", "{about}");
                }
            },
        );
        assert!(cuts.await >= 4);
    }
}

async fn a_session_whose_end_was_acknowledged_is_gone_whatever_ended(backend: Backend) {
    for settings in [locked(), unlocked()] {
        let house = House::new(backend, settings).await;
        let cuts = with_each_cut(
            &house,
            || Request::post("/out"),
            async |Outcome { cookie, response, about, .. }| {
                // Somebody kept the cookie.
                let thief = Browser::new(&house.site);
                let then = next(&thief, Request::get("/get=n").header("Cookie", cookie), about).await;
                assert!(then == "-" || response.status == 503 && then == "5", "{about}: {then}");
            },
        );
        assert!(cuts.await >= 4);
    }
}

async fn signing_in_ends_in_one_user_or_in_503(backend: Backend) {
    for settings in [locked(), unlocked()] {
        let house = House::new(backend, settings).await;
        let cuts = with_each_cut(
            &house,
            || Request::post("/in=ann"),
            async |Outcome { visitor, response, about, .. }| {
                let then = next(visitor, Request::get("/subject"), about).await;
                assert!(then == "ann" || response.status == 503 && then == "-", "{about}: {then}");
            },
        );
        assert!(cuts.await >= 4);
    }
}

/// What became of a request one of whose round trips failed.
struct Outcome {
    visitor: Browser,
    /// As it was before.
    cookie: String,
    response: Response,
    /// Which round trip failed, and how.
    about: String,
}

/// Sends the request while each of its round trips fails once, in each way, each time to a new session in which `n` is 5;
/// answers how many failed.
async fn with_each_cut(house: &House, request: impl Fn() -> Request, check: impl AsyncFn(&Outcome)) -> usize {
    let mut cuts = 0;
    for how in [Cut::Request, Cut::Answer] {
        for nth in 1.. {
            let visitor = house.visitor().await;
            let token = visitor.token();
            house.proxy.cut(nth, how);
            let response = visitor.send(request()).await;
            // What goes on after it may meet the cut as well.
            house.settled().await;
            if !house.proxy.has_cut() {
                house.proxy.heal().await;
                assert_eq!(response.status, 200, "nothing failed: {response:?}");
                break;
            }
            cuts += 1;
            let about = format!("{how:?} of round trip {nth} was cut, and the answer {response:?}");
            if response.status != 200 {
                assert_eq!(response.status, 503, "{about}");
                assert!(response.cookies().is_empty() && visitor.token() == token, "{about}");
            }
            house.end_leases();
            let cookie = format!("__Host-id={}", token.unwrap());
            check(&Outcome { visitor, cookie, response, about }).await;
            house.settled().await;
        }
    }
    cuts
}

/// The next request of a visitor goes through: what it is answered.
async fn next(visitor: &Browser, request: Request, about: &str) -> String {
    let response = visitor.send(request).await;
    assert_eq!(response.status, 200, "{about}; then {response:?}");
    response.body
}

const MORE_THAN_GRACE: Duration = Duration::from_secs(31);
