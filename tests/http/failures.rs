//! The failure table of SAFETY.md, as far as one process shows it.

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
use cloakroom::{Error, Locking, Route, Session, Settings};
use cloakroom_store::{Key, Record, Revision, Scan, Store, Timestamp};
use cloakroom_tests::{Browser, Direct, Hesitant, Request, Response, Script, Site, poll_once};
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
    let mut records = store.inner().0.page(None, usize::MAX).await.unwrap().records;
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
            let (site, store, _) = site(Settings { locking, ..Settings::default() });
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
    let degraded = RouteLayer::new(Route { degraded: true, ..Route::default() });
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
                    let (site, store, _) = site(Settings { locking, ..Settings::default() });
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
                        let (site, store, _) = site(Settings { locking, ..Settings::default() });
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
    let (site, store, script) = site(Settings { locking: Locking::Explicit, ..Settings::default() });
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
                let (site, store, _) = site(Settings { locking, ..Settings::default() });
                site.post("/in=ann/set=x:1").await;
                let mut request = site.stranger_with_cookies().post(path);
                let mut done = false;
                for _ in 0..polls {
                    done = poll_once(&mut request).await.is_some();
                    if done {
                        break;
                    }
                    // What was handed to tasks goes on.
                    tokio::task::yield_now().await;
                }
                drop(request);
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
            let (site, ..) = site(Settings { locking, ..Settings::default() });
            site.post("/set=x:1").await;
            let mut request = site.post("/set=y:1/add=x/add=x");
            for _ in 0..polls {
                if poll_once(&mut request).await.is_some() {
                    request = Box::pin(std::future::pending());
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(request);
            // A store call that was sent runs to its end.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            let found = tokio::time::timeout(SECOND, site.post("/get=x/get=y")).await.expect("free").body;
            assert!(["1 -", "2 1", "3 1"].contains(&&*found), "{locking:?} after {polls} polls: {found}");
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
            let (site, ..) = site(Settings { locking, ..Settings::default() });
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
        let settings = Settings { locking, ..Settings::default() };
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

/// F13. A stream that lasts: its store calls have a budget each, not one for all.
#[tokio::test(start_paused = true)]
async fn a_long_stream_does_not_run_out_of_its_store_budget() {
    let (store, script) = (Sluggish(MemoryStore::new()), Script::default());
    let site = Direct::new(store, Settings::default(), script.routes());
    site.post("/set=x:1").await;
    let path = format!("/get=x/stream{}/add=x", "/reload".repeat(20));
    assert_eq!(site.post(&path).await.body, format!("{}2 ", "true ".repeat(20)));
}

/// A store whose every call takes a second.
#[derive(Debug)]
struct Sluggish(MemoryStore);

impl Sluggish {
    async fn after<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::time::sleep(SECOND).await;
        work.await
    }
}

impl Store for Sluggish {
    async fn create(&self, key: &Key, record: &Record) -> cloakroom_store::Result<()> {
        self.after(self.0.create(key, record)).await
    }
    async fn load(&self, key: &Key) -> cloakroom_store::Result<Option<Record>> {
        self.after(self.0.load(key)).await
    }
    async fn replace(&self, key: &Key, record: &Record, expected: Revision) -> cloakroom_store::Result<()> {
        self.after(self.0.replace(key, record, expected)).await
    }
    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> cloakroom_store::Result<bool> {
        self.after(self.0.touch(key, now, expires_at)).await
    }
    async fn delete(&self, key: &Key) -> cloakroom_store::Result<bool> {
        self.after(self.0.delete(key)).await
    }
    async fn purge(&self, cutoff: Timestamp, limit: usize) -> cloakroom_store::Result<usize> {
        self.after(self.0.purge(cutoff, limit)).await
    }
    fn leases(&self) -> Option<&dyn cloakroom_store::DynLeases> {
        None
    }
    fn subjects(&self) -> Option<&dyn cloakroom_store::DynSubjects> {
        None
    }
    fn scan(&self) -> Option<&dyn cloakroom_store::DynScan> {
        None
    }
}

/// F14. Damaged and foreign records: a new visitor's session, under another locator; what is there stays there.
#[tokio::test]
async fn a_damaged_record_is_as_good_as_none_and_is_never_overwritten() {
    for locking in MODES {
        let (site, store, _) = site(Settings { locking, ..Settings::default() });
        site.post("/in=ann/set=x:1").await;
        let token = site.token().unwrap();
        let (key, record) = stored(&store).await.remove(0);
        let damaged =
            Record { revision: Revision::new(1), data: b"not ours".as_slice().into(), ..record.clone() };
        store.inner().0.replace(&key, &damaged, record.revision).await.unwrap();
        assert_eq!(site.get("/subject/get=x/origin").await.body, "- - unknown", "{locking:?}");
        assert_eq!(site.post("/out/status=404").await.cookies(), [""; 0], "{locking:?}");
        assert_eq!(site.post("/set=x:2").await.status, 200);
        assert_ne!(site.token().unwrap()[..22], token[..22], "another locator");
        assert_eq!(site.get("/get=x").await.body, "2");
        assert_eq!(store.inner().0.load(&key).await.unwrap().unwrap(), damaged, "{locking:?}");
        // The store itself cannot read it.
        store.fail_calls(Call::Load, Fault::Corrupt);
        assert_eq!(site.get("/get=x/origin").await.body, "- unknown");
    }
}

/// F14. A record damaged while a request is under way: its changes are dropped like those of an ended session.
#[tokio::test]
async fn a_record_damaged_under_a_request_is_never_overwritten() {
    let (site, store, script) = site(Settings { locking: Locking::Explicit, ..Settings::default() });
    for wish in ["set=x:2", "out", "remove=x", "rotate"] {
        site.post("/set=x:1").await;
        let slow = tokio::spawn(site.get(&format!("/get=x/a/{wish}")));
        script.a.arrival().await;
        let key: Key = site.get("/handle").await.body.parse().unwrap();
        let record = store.inner().0.load(&key).await.unwrap().unwrap();
        let damaged =
            Record { revision: Revision::new(1), data: b"not ours".as_slice().into(), ..record.clone() };
        store.inner().0.replace(&key, &damaged, record.revision).await.unwrap();
        script.a.open();
        let response = slow.await.unwrap();
        assert_eq!((response.status, response.cookies()), (200, vec![]), "{wish}");
        assert_eq!(store.inner().0.load(&key).await.unwrap().unwrap(), damaged, "{wish}");
    }
}

/// F16. A store that lost its last writes: a rolled-back rotation means an unknown secret, and ends nothing.
#[tokio::test]
async fn a_store_that_lost_its_last_writes_ends_nothing() {
    for change in ["/rotate", "/in=ann"] {
        let (site, store, _) = site(Settings::default());
        site.post("/in=ann/set=x:1").await;
        let old = site.stranger_with_cookies();
        let (key, before) = stored(&store).await.remove(0);
        site.post(change).await;
        let now = store.inner().0.load(&key).await.unwrap().unwrap();
        store.inner().0.replace(&key, &before, now.revision).await.unwrap();
        let response = site.post("/subject/set=x:2").await;
        assert_eq!((response.status, &*response.body), (200, "-"));
        assert_eq!(old.get("/subject/get=x").await.body, "ann 1", "{change}");
    }
}

/// F17. An evicted session is an unknown one; a request under way does not bring it back.
#[tokio::test]
async fn an_evicted_session_is_unknown_and_stays_away() {
    let (site, store, script) = site(Settings { locking: Locking::Explicit, ..Settings::default() });
    site.post("/in=ann/set=x:1").await;
    let slow = tokio::spawn(site.get("/get=x/a/set=x:2"));
    script.a.arrival().await;
    let (key, _) = stored(&store).await.remove(0);
    assert!(store.inner().0.delete(&key).await.unwrap());
    script.a.open();
    let response = slow.await.unwrap();
    assert_eq!((response.status, response.cookies()), (200, vec![]));
    assert_eq!(stored(&store).await.len(), 0);
    assert_eq!(site.post("/origin/set=x:3/get=x").await.body, "unknown 3");
}

/// F20. A shutdown waits for what is being saved, and says when that does not end.
#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_commits_under_way() {
    let store = Arc::new(Sluggish(MemoryStore::new()));
    let site = Direct::new(Arc::clone(&store), Settings::default(), Script::default().routes());
    site.post("/set=x:1").await;
    let before = store.0.page(None, 1).await.unwrap().records;
    let mut request = site.post("/set=x:2");
    // The load takes a second; then the handler has answered, and the commit is under way.
    assert!(tokio::time::timeout(SECOND + SECOND / 2, &mut request).await.is_err());
    drop(request);
    assert!(site.sessions.shutdown().await);
    assert_ne!(store.0.page(None, 1).await.unwrap().records, before, "saved by now");
    assert_eq!(site.get("/get=x").await.body, "2");
}

/// F20. What never ends is not waited for for ever.
#[tokio::test(start_paused = true)]
async fn shutdown_gives_up_after_ten_seconds() {
    let settings = Settings { store_timeout: 60 * SECOND, store_budget: 60 * SECOND, ..Settings::default() };
    let (site, store, _) = site(settings);
    site.post("/set=x:1").await;
    store.fail_calls(Call::Replace, Fault::Silence);
    let request = tokio::spawn(site.post("/set=x:2"));
    while store.count(Call::Replace) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(tokio::time::timeout(9 * SECOND, site.sessions.shutdown()).await.is_err());
    assert!(!tokio::time::timeout(11 * SECOND, site.sessions.shutdown()).await.expect("ten seconds"));
    request.abort();
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
    let degraded = RouteLayer::new(Route { degraded: true, ..Route::default() });
    let quiet = RouteLayer::new(Route { no_touch: true, ..Route::default() });
    let site = Direct::new(store.clone(), Settings::default(), script.routes().layer(quiet).layer(degraded));
    site.post("/set=x:1").await;
    store.fail(Fault::Unavailable);
    let response = site.get("/try.reload/get=x").await;
    assert_eq!((response.status, &*response.body), (200, "Degraded -"));
}
