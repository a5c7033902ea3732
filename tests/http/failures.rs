//! The failure table of SAFETY.md, as far as one process shows it.

mod cut_off;
mod lost_records;
mod slow_store;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::routing::post;
use axum::{Router, http};
use cloakroom::axum_v0_8::RouteLayer;
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{Error, Locking, RouteOptions, Session, Settings};
use cloakroom_store::{Key, Record, Revision, Scan, Store, Timestamp};
use cloakroom_tests::{Browser, Direct, Hesitant, Request, Response, Script, Site, cut_off};
use tower::Service;

const SECOND: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(30);
const MODES: [Locking; 4] = [Locking::ByMethod, Locking::Implicit, Locking::Early, Locking::Explicit];

type Faulty = FaultyStore<Hesitant<MemoryStore>>;

fn faulty() -> (Faulty, Script) {
    (FaultyStore::new(Hesitant(MemoryStore::new())), Script::default())
}

fn site(settings: Settings) -> (Direct, Faulty, Script) {
    let (store, script) = faulty();
    (Direct::new(store.clone(), settings, script.routes()), store, script)
}

/// All that is stored, in an order of its own.
async fn stored(store: &Faulty) -> Vec<(Key, Record)> {
    let mut records = store.inner().0.page(None, usize::MAX).await.unwrap().items;
    records.sort_by_key(|(key, _)| *key);
    records
}

/// A 503 as it must be.
fn unavailable(response: &Response, about: &str) {
    assert_eq!(response.status, 503, "{about}: {}", response.body);
    assert_eq!(response.header("retry-after"), Some("1"), "{about}");
    assert_eq!(response.cookies(), [""; 0], "{about}");
    assert_eq!(response.header("x-handler"), None, "{about}");
}

/// F1. Nobody is logged out because the store is down.
#[tokio::test]
async fn a_store_that_is_down_at_load_is_answered_503_and_nothing_changes() {
    for locking in MODES {
        for path in [
            "/get=x/header",
            "/set=x:2/header",
            "/in=bob/header",
            "/out/header",
            "/try.set=x:2/header",
            "/add=x/header",
        ] {
            let (site, store, _) = site(Settings::new().locking(locking));
            site.post("/in=ann/set=x:1").await;
            let (token, before) = (site.token(), stored(&store).await);
            store.fail(Fault::Unavailable);
            unavailable(&site.post(path).await, path);
            assert_eq!((site.token(), stored(&store).await), (token, before), "{path}");
            store.heal();
            assert_eq!(site.get("/subject/get=x").await.body, "ann 1");
        }
    }
}

/// F1. A route may do without its session: empty, not to be written, and nobody is the worse for it.
#[tokio::test]
async fn a_degraded_route_goes_on_without_its_session() {
    let (store, script) = faulty();
    let degraded = RouteLayer::new(RouteOptions::new().degraded(true));
    let site = Direct::new(store.clone(), Settings::default(), script.routes().layer(degraded));
    site.post("/in=ann/set=x:1").await;
    let (token, before) = (site.token(), stored(&store).await);
    store.fail(Fault::Unavailable);
    let response = site.get("/get=x/subject/try.set=x:2/try.add=x/try.out/try.rotate/status=404").await;
    assert_eq!(response.body, "- - Degraded Degraded Degraded Degraded");
    let response = site.get("/get=x/subject").await;
    assert_eq!((response.status, &*response.body, response.cookies()), (200, "- -", vec![]));
    unavailable(&site.post("/try.set=x:2/header").await, "a write was refused, and 200 would hide it");
    store.heal();
    assert_eq!((site.token(), stored(&store).await), (token, before));
    assert_eq!(site.get("/get=x").await.body, "1");
}

/// F2. Every store call of every kind of request fails once: the answer is 503, or the call did not matter. A failure
/// before the commit changes nothing at all.
#[tokio::test]
async fn a_store_call_that_fails_is_answered_503_and_changes_no_cookie() {
    let requests = [
        "/get=x/header",
        "/set=x:2/header",
        "/add=x/header",
        "/in=bob/header",
        "/rotate/header",
        "/out/header",
        "/out/set=x:3/header",
        "/remove=x/header",
    ];
    for locking in MODES {
        for before in ["", "/set=x:1", "/in=ann/set=x:1"] {
            for path in requests {
                for nth in 1.. {
                    let (site, store, _) = site(Settings::new().locking(locking));
                    if !before.is_empty() {
                        site.post(before).await;
                    }
                    let (token, records) = (site.token(), stored(&store).await);
                    let calls = store.count_all();
                    store.fail_nth(nth, Fault::Unavailable);
                    let response = site.post(path).await;
                    if store.count_all() < calls + nth {
                        assert_eq!(response.status, 200, "nothing failed");
                        break;
                    }
                    let about = format!("{locking:?}: call {nth} of {path} after {before:?}");
                    unavailable(&response, &about);
                    assert_eq!(site.token(), token, "{about}");
                    if path != "/out/set=x:3/header" {
                        assert_eq!(stored(&store).await, records, "{about}");
                    }
                }
            }
        }
    }
}

/// F2. A commit that fails takes nothing with it but what it was to save.
#[tokio::test]
async fn what_update_has_saved_stays_when_the_commit_fails() {
    let (site, store, _) = site(Settings::default());
    site.post("/set=x:1").await;
    store.fail_nth(3, Fault::Unavailable);
    unavailable(&site.post("/add=x/set=y:1/header").await, "the second write");
    assert_eq!(site.get("/get=x/get=y").await.body, "2 -");
}

/// F3. Whether a write arrived is found out by reading back: lost ones are sent again, unanswered ones are not. In either
/// case it counts once.
#[tokio::test]
async fn a_write_of_unknown_outcome_is_read_back_and_counts_once() {
    for fault in [Fault::Unanswered, Fault::Lost] {
        for locking in MODES {
            for before in ["", "/set=x:1", "/in=ann/set=x:1"] {
                for (path, after) in [
                    ("/add=n", "1"),
                    ("/add=n/add=n", "2"),
                    ("/set=n:7", "7"),
                    ("/in=bob/set=n:7", "7"),
                    ("/set=n:7/rotate", "7"),
                    ("/out/set=n:7", "7"),
                    ("/set=n:1/save/rotate/save/add=n", "2"),
                ] {
                    for nth in 1.. {
                        let (site, store, _) = site(Settings::new().locking(locking));
                        if !before.is_empty() {
                            site.post(before).await;
                        }
                        let calls = store.count_all();
                        store.fail_nth(nth, fault);
                        let response = site.post(path).await;
                        if store.count_all() < calls + nth {
                            break;
                        }
                        let about = format!("{fault:?} {locking:?}: call {nth} of {path} after {before:?}");
                        if response.status == 503 {
                            // A read fails plainly.
                            assert_eq!(store.last_failed(), Some(Call::Load), "{about}");
                            unavailable(&response, &about);
                            continue;
                        }
                        assert_eq!(response.status, 200, "{about}");
                        assert_eq!(site.get("/get=n").await.body, after, "{about}");
                        site.clock.advance(GRACE);
                        assert_eq!(
                            site.get("/get=n").await.body,
                            after,
                            "{about}: the browser has the secret"
                        );
                    }
                }
            }
        }
    }
}

/// F3. A sign-out of unknown outcome either is answered 503, or the session is over.
#[tokio::test]
async fn a_sign_out_of_unknown_outcome_is_never_answered_200_in_vain() {
    for fault in [Fault::Unanswered, Fault::Lost] {
        for nth in 1..4 {
            let (site, store, _) = site(Settings::default());
            site.post("/in=ann").await;
            let thief = site.stranger();
            *thief.jar() = site.jar().clone();
            store.fail_nth(nth, fault);
            let response = site.post("/out").await;
            store.heal();
            if response.status == 200 {
                assert_eq!(thief.get("/subject").await.body, "-");
            } else {
                unavailable(&response, "the load failed");
                assert_eq!(thief.get("/subject").await.body, "ann");
            }
        }
    }
}

/// F3, R1. The store goes away in the middle of a write and stays away: 503, and nobody is locked out afterwards.
#[tokio::test]
async fn a_write_whose_outcome_nobody_learns_is_503_and_locks_nobody_out() {
    for fault in [Fault::Unanswered, Fault::Lost] {
        for path in ["/rotate", "/in=ann", "/in=bob", "/set=x:2", "/out"] {
            for wait in [Duration::ZERO, GRACE] {
                let (site, store, _) = site(Settings::default());
                site.post("/in=ann/set=x:1").await;
                let token = site.token();
                store.fail_calls(Call::Replace, fault);
                store.fail_nth(3, Fault::Unavailable);
                unavailable(&site.post(path).await, path);
                assert_eq!(site.token(), token);
                store.heal();
                site.clock.advance(wait);
                assert_eq!(site.post("/in=ann/subject").await.body, "ann", "{fault:?} {path}");
                assert_eq!(site.get("/subject").await.body, "ann", "{fault:?} {path}");
            }
        }
    }
}

/// F3, R1. A handler that tries again after a rotation of unknown outcome comes to one secret, and the browser gets it.
#[tokio::test]
async fn a_rotation_that_arrives_late_is_recognized_by_its_own_request() {
    for path in
        ["/rotate/try.save/set=x:2", "/in=ann/try.save/set=x:2", "/rotate/try.add=n/try.add=n/set=x:2"]
    {
        for fault in [Fault::Unanswered, Fault::Lost] {
            let (site, store, script) = site(Settings::default());
            site.post("/in=ann/set=x:1").await;
            // The load, the write without an answer, and the look for it fails too.
            store.fail_calls(Call::Replace, fault);
            store.fail_nth(3, Fault::Unavailable);
            let request = tokio::spawn(site.post(&path.replacen("/set", "/a/set", 1)));
            script.a.arrival().await;
            store.heal();
            script.a.open();
            let response = request.await.unwrap();
            assert_eq!((response.status, response.cookies().len()), (200, 1), "{path} {fault:?}");
            site.clock.advance(GRACE);
            assert_eq!(site.get("/subject/get=x").await.body, "ann 2", "{path} {fault:?}");
        }
    }
}

/// F5. The session ended elsewhere: changes dropped, no cookie, and the handler's response goes out.
#[tokio::test]
async fn a_session_gone_at_save_drops_the_changes_and_the_response_goes_out() {
    let (site, store, script) = site(Settings::new().locking(Locking::Explicit));
    site.post("/set=x:1").await;
    let slow = tokio::spawn(site.get("/get=x/set=x:2/header/a"));
    script.a.arrival().await;
    site.post("/out").await;
    let records = stored(&store).await;
    script.a.open();
    let response = slow.await.unwrap();
    assert_eq!((response.status, &*response.body, response.header("x-handler")), (200, "1", Some("here")));
    assert_eq!(response.cookies(), ["other=cookie"]);
    assert_eq!(stored(&store).await, records);
}

/// F8, H4, SECURITY 43. A store that never answers: an answer within the budget, and no cookie.
#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_answered_503_within_the_budget() {
    for path in [
        "/get=x/header",
        "/set=x:2/header",
        "/out/header",
        "/in=bob/header",
        "/try.get=x/try.add=x/try.save/out/header",
    ] {
        for nth in 1..3 {
            let (site, store, _) = site(Settings::default());
            site.post("/in=ann/set=x:1").await;
            let token = site.token();
            let calls = store.count_all();
            let request = site.post(path);
            let fail = async {
                while store.count_all() + 1 < calls + nth {
                    tokio::task::yield_now().await;
                }
                store.fail(Fault::Silence);
            };
            let budget = Duration::from_millis(5_500);
            let ((), response) = tokio::join!(fail, tokio::time::timeout(budget, request));
            let response = response.expect("within the budget");
            if response.status != 200 {
                unavailable(&response, path);
                assert_eq!(site.token(), token);
            } else {
                assert_eq!((nth, path), (2, "/get=x/header"), "it needs one call only");
            }
            store.heal();
            assert_eq!(site.get("/subject/get=x").await.body, "ann 1", "{path}");
        }
    }
}

/// F8. One call that hangs costs its own deadline, not the whole budget, and a write that was lost is sent again.
#[tokio::test(start_paused = true)]
async fn one_silent_write_costs_two_seconds_and_succeeds() {
    let (site, store, _) = site(Settings::default());
    site.post("/set=x:1").await;
    store.fail_nth(2, Fault::Silence);
    let mut request = site.post("/set=x:2");
    assert!(tokio::time::timeout(SECOND, &mut request).await.is_err());
    let response = tokio::time::timeout(2 * SECOND, request).await.expect("after two seconds");
    assert_eq!(response.status, 200);
    assert_eq!(site.get("/get=x").await.body, "2");
}

/// F8. Calls past their deadline are counted: beyond 1,024 no further ones are sent, until the first of them end.
#[tokio::test(start_paused = true)]
async fn a_dead_store_is_not_asked_by_more_than_1_024_calls_at_a_time() {
    let (site, store, _) = site(Settings::default());
    site.post("/set=x:1").await;
    store.fail(Fault::Silence);
    let requests: Vec<_> = (0..1024).map(|_| tokio::spawn(site.get("/get=x"))).collect();
    for request in requests {
        unavailable(&request.await.unwrap(), "no answer");
    }
    let asked = store.count_all();
    store.heal();
    let refused = tokio::time::timeout(Duration::from_millis(1), site.get("/get=x")).await;
    unavailable(&refused.expect("at once"), "too many");
    assert_eq!(store.count_all(), asked);
    tokio::time::sleep(31 * SECOND).await;
    assert_eq!(site.get("/get=x").await.body, "1");
}

/// H2. A handler that hides a failed write behind a 200 is found out; one that says so itself is left alone.
#[tokio::test]
async fn a_write_that_could_not_even_be_recorded_is_never_answered_as_if_it_had_been() {
    async fn handler(session: Session) -> Result<&'static str, Error> {
        _ = session.insert("x", &2).await;
        Ok("fine")
    }
    let store = FaultyStore::new(MemoryStore::new());
    let routes = Router::new().route("/", post(handler)).merge(Router::new().route("/set", post(set)));
    async fn set(session: Session) -> Result<(), Error> {
        session.insert("x", &1).await
    }
    let site = Direct::new(store.clone(), Settings::default(), routes);
    site.send(Request::post("/set")).await;
    store.fail_nth(1, Fault::Unavailable);
    unavailable(&site.post("/").await, "hidden");
    assert_eq!(site.post("/").await.body, "fine");
}

/// F1. An outage is not the end of a session: a stream that asks learns the difference. And what layers say of a route adds
/// up.
#[tokio::test]
async fn a_degraded_session_is_not_taken_for_one_that_is_gone() {
    let (store, script) = faulty();
    let degraded = RouteLayer::new(RouteOptions::new().degraded(true));
    let quiet = RouteLayer::new(RouteOptions::new().touch(false));
    let site = Direct::new(store.clone(), Settings::default(), script.routes().layer(quiet).layer(degraded));
    site.post("/set=x:1").await;
    store.fail(Fault::Unavailable);
    let response = site.get("/try.reload/get=x").await;
    assert_eq!((response.status, &*response.body), (200, "Degraded -"));
}
