//! Who waits for whom. Most of these poll their requests by hand: one that is pending after a poll waits for another.

mod dead_tokens;
mod hand_over;
mod leases;
mod noting;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use cloakroom::axum_v0_8::RouteLayer;
use cloakroom::stores::MemoryStore;
use cloakroom::{Error, Locking, RouteOptions, Session, Settings};
use cloakroom_store::conformance::reference::ReferenceStore;
use cloakroom_store::{Acquired, Claim, Key, LeaseId, Leases, Revision, Timestamp};
use cloakroom_tests::{Browser, Call, Direct, Hesitant, Request, Response, Script, Site, cut_off, poll_once};

const TIMEOUT: Duration = Duration::from_secs(10);

/// A site with a session, and what its handlers wait for.
async fn site(settings: Settings) -> (Direct, Script) {
    let script = Script::default();
    let site = Direct::new(MemoryStore::new(), settings, script.routes());
    site.post("/set=x:1").await;
    (site, script)
}

async fn mode(locking: Locking) -> (Direct, Script) {
    site(Settings::new().locking(locking)).await
}

/// Starts a request that must come to a wait.
async fn waiting(mut call: Call) -> Call {
    assert!(poll_once(&mut call).await.is_none(), "it was to wait");
    call
}

fn refused(response: &Response) {
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert_eq!(response.cookies(), [""; 0]);
}

/// Design, Locking. `by_method`: reading requests neither wait nor make others wait; writing ones wait for each other.
#[tokio::test]
async fn by_method_get_never_waits_nor_blocks_and_post_waits_for_post() {
    let (site, script) = mode(Locking::ByMethod).await;
    let reader = waiting(site.get("/get=x/a")).await;
    let writer = waiting(site.post("/get=x/a/add=n")).await;
    assert_eq!(site.get("/get=x").await.body, "1");
    assert_eq!(site.get("/add=m").await.body, "1", "even its writes do not wait for the lock");
    assert_eq!(site.send(Request::get("/get=m")).await.body, "1");
    let second = waiting(site.post("/add=n")).await;
    assert_eq!(script.a.arrived(), 2, "the second POST did not get to its work");
    script.a.open();
    script.a.open();
    assert_eq!(reader.await.body, "1");
    assert_eq!(writer.await.body, "1 1");
    assert_eq!(second.await.body, "2");
}

/// Design, Locking. `implicit`: everybody waits, from the first access on.
#[tokio::test]
async fn implicit_every_request_waits_from_its_first_access() {
    let (site, script) = mode(Locking::Implicit).await;
    let untouching = waiting(site.get("/b")).await;
    let holder = waiting(site.get("/b/get=x/a")).await;
    script.b.open();
    assert_eq!(untouching.await.status, 200);
    script.b.open();
    let holder = waiting(holder).await;
    let second = waiting(site.get("/get=x")).await;
    let not_yet = waiting(site.get("/b/get=x")).await;
    assert_eq!(script.b.arrived(), 3, "what has not touched the session runs");
    script.a.open();
    assert_eq!(holder.await.body, "1");
    assert_eq!(second.await.body, "1");
    script.b.open();
    assert_eq!(not_yet.await.body, "1");
}

/// Design, Locking. `early`: everybody waits before the handler runs, untouched or not.
#[tokio::test]
async fn early_every_request_waits_before_its_handler_runs() {
    let (site, script) = mode(Locking::Early).await;
    let holder = waiting(site.get("/a")).await;
    let second = waiting(site.get("/b")).await;
    assert_eq!((script.a.arrived(), script.b.arrived()), (1, 0));
    assert_eq!(
        site.stranger().get("/get=x").await.body,
        "-",
        "without a cookie there is nothing to wait for"
    );
    script.a.open();
    assert_eq!(holder.await.status, 200);
    script.b.open();
    assert_eq!(second.await.status, 200);
}

/// Design, Locking. `explicit`: only what calls `lock`, from there to its end.
#[tokio::test]
async fn explicit_only_requests_that_lock_wait() {
    let (site, script) = mode(Locking::Explicit).await;
    let holder = waiting(site.post("/get=x/lock/a/inc=x")).await;
    assert_eq!(site.post("/get=x/set=y:1").await.body, "1");
    let second = waiting(site.post("/lock/get=x")).await;
    script.a.open();
    assert_eq!(holder.await.body, "1 2");
    assert_eq!(second.await.body, "2");
}

/// Design, Locking. Sessions of different visitors never wait for each other.
#[tokio::test]
async fn sessions_wait_for_themselves_only() {
    let (site, script) = mode(Locking::Early).await;
    let other = site.stranger();
    other.post("/set=x:2").await;
    let holder = waiting(site.post("/get=x/a")).await;
    assert_eq!(other.post("/get=x").await.body, "2");
    script.a.open();
    holder.await;
}

/// Design, Locking. First come, first served.
#[tokio::test]
async fn waiting_requests_are_served_in_the_order_they_came() {
    let (site, script) = mode(Locking::ByMethod).await;
    let holder = waiting(site.post("/add=n/a")).await;
    let mut queue = Vec::new();
    for _ in 0..20 {
        queue.push(waiting(site.post("/add=n")).await);
    }
    script.a.open();
    // All at once, the last one first.
    let queue: Vec<_> = queue.into_iter().rev().map(tokio::spawn).collect();
    assert_eq!(holder.await.body, "1");
    for (place, request) in queue.into_iter().rev().enumerate() {
        assert_eq!(request.await.unwrap().body, (place + 2).to_string());
    }
}

/// L5. A request never waits for itself, through whatever clone it asks.
#[tokio::test]
async fn lock_is_re_entrant_across_clones() {
    async fn handler(session: Session) -> Result<String, Error> {
        let clone = session.clone();
        session.lock().await?;
        clone.lock().await?;
        let count = clone.update("n", |n: &mut Option<u64>| *n.insert(n.unwrap_or(0) + 1)).await?;
        session.lock().await?;
        clone.insert("m", &count).await?;
        session.save().await?;
        clone.unlock().await?;
        session.lock().await?;
        Ok(count.to_string())
    }
    for locking in [Locking::Explicit, Locking::ByMethod, Locking::Early] {
        let routes = Router::new().route("/", post(handler));
        let site = Direct::new(MemoryStore::new(), Settings::new().locking(locking), routes);
        for expected in ["1", "2", "3"] {
            assert_eq!(site.post("/").await.body, expected);
        }
    }
}

/// Design, `lock`. What was read before must still hold; what was not read may have changed.
#[tokio::test]
async fn lock_fails_with_conflict_only_if_a_key_that_was_read_has_changed() {
    let cases = [
        ("/get=x/a/try.lock/get=x", "/set=x:2", "1 Conflict 2"),
        ("/len/a/try.lock", "/set=y:2", "1 Conflict"),
        ("/get=y/a/try.lock", "/set=y:2", "- Conflict"),
        ("/get=x/a/try.lock", "/remove=x/set=y:1", "1 Conflict"),
        ("/get=x/a/try.lock/get=y", "/set=y:2", "1 2"),
        ("/set=z:1/a/try.lock/get=x", "/set=x:2", "2"),
        ("/get=x/a/try.lock", "/set=x:1/set=y:1", "1"),
        ("/get=x/a/try.lock", "/out", "1 Ended"),
        ("/get=x/a/try.lock/subject", "/in=ann", "1 Ended -"),
        ("/get=x/a/try.lock/get=x", "/rotate", "1 1"),
    ];
    for (slow, change, expected) in cases {
        let (site, script) = mode(Locking::Explicit).await;
        let slow_one = waiting(site.get(slow)).await;
        site.post(change).await;
        script.a.open();
        assert_eq!(slow_one.await.body, expected, "{slow} across {change}");
    }
}

/// Design, `lock`. A lock that fails is not held.
#[tokio::test]
async fn a_lock_that_failed_is_not_held() {
    for change in ["/set=x:2", "/in=ann", "/set=y:1/remove=x"] {
        let (site, script) = mode(Locking::Explicit).await;
        let slow = waiting(site.get("/get=x/a/try.lock/b")).await;
        site.post(change).await;
        script.a.open();
        let slow = waiting(slow).await;
        assert_eq!(site.post("/lock/set=z:3/get=z").await.body, "3");
        script.b.open();
        assert_ne!(slow.await.body, "1");
    }
}

/// Design, `unlock`. It saves first, then the next one goes.
#[tokio::test]
async fn unlock_saves_and_lets_the_next_one_in() {
    for locking in [Locking::ByMethod, Locking::Explicit] {
        let (site, script) = mode(locking).await;
        let holder = waiting(site.post("/lock/set=x:2/a/unlock/b")).await;
        let second = waiting(site.post("/lock/get=x")).await;
        script.a.open();
        let holder = waiting(holder).await;
        assert_eq!(second.await.body, "2");
        script.b.open();
        assert_eq!(holder.await.status, 200);
    }
}

/// F6. Waiting ends; what was waited for is none the worse.
#[tokio::test(start_paused = true)]
async fn a_wait_longer_than_lock_timeout_is_answered_503() {
    for (locking, path) in [
        (Locking::ByMethod, "/set=x:9/header"),
        (Locking::Early, "/set=x:9/header"),
        (Locking::Implicit, "/get=x/header"),
        (Locking::Explicit, "/set=x:9/header/lock"),
    ] {
        let (site, script) = site(Settings::new().locking(locking).lock_timeout(TIMEOUT)).await;
        let holder = waiting(site.post("/lock/a/add=n")).await;
        let mut second = site.post(path);
        let almost = TIMEOUT - Duration::from_millis(10);
        assert!(tokio::time::timeout(almost, &mut second).await.is_err(), "it still waits");
        let response = tokio::time::timeout(Duration::from_millis(20), second).await.expect("it gave up");
        refused(&response);
        assert_eq!(response.header("x-handler"), None);
        script.a.open();
        assert_eq!(holder.await.body, "1");
        assert_eq!(site.post("/lock/get=x").await.body, "1");
    }
}

/// F6. A handler that goes on as if nothing had happened cannot answer that all went well.
#[tokio::test(start_paused = true)]
async fn a_write_refused_by_the_lock_timeout_is_never_answered_200() {
    let (site, script) = mode(Locking::ByMethod).await;
    let holder = waiting(site.post("/get=x/a")).await;
    refused(&site.post("/try.set=x:9/header").await);
    script.a.open();
    holder.await;
    assert_eq!(site.post("/get=x").await.body, "1");
}

/// F6. The queue of a session is bounded, and what is refused leaves no trace in it.
#[tokio::test]
async fn more_than_max_lock_waiters_are_refused_at_once() {
    let (site, script) = site(Settings::new().max_lock_waiters(2)).await;
    for _ in 0..3 {
        let holder = waiting(site.post("/get=x/a")).await;
        let waiters = [waiting(site.post("/get=x")).await, waiting(site.post("/get=x")).await];
        for _ in 0..5 {
            refused(&poll_once(&mut site.post("/get=x")).await.expect("at once"));
        }
        assert_eq!(site.get("/get=x").await.status, 200);
        script.a.open();
        assert_eq!(holder.await.status, 200);
        for waiter in waiters {
            assert_eq!(waiter.await.status, 200);
        }
    }
}

/// L3. Whoever leaves the queue, before or after its turn has come, passes the turn on.
#[tokio::test]
async fn a_cancelled_waiter_swallows_no_wake_up() {
    for leaver in 0..4 {
        for after_its_turn in [false, true] {
            let (site, script) = mode(Locking::ByMethod).await;
            let holder = waiting(site.post("/add=n/a")).await;
            let mut queue = Vec::new();
            for _ in 0..4 {
                queue.push(waiting(site.post("/add=n")).await);
            }
            script.a.open();
            if !after_its_turn {
                drop(queue.remove(leaver));
            }
            assert_eq!(holder.await.body, "1");
            let mut expected = 2;
            for (place, request) in queue.into_iter().enumerate() {
                if after_its_turn && place == leaver {
                    // Its turn has come, and it has not been polled since.
                    drop(request);
                    continue;
                }
                let response = tokio::time::timeout(TIMEOUT, request).await.expect("woken");
                assert_eq!(response.body, expected.to_string());
                expected += 1;
            }
        }
    }
}

/// L3, F11, F12. A lock ends with its request, however that ends.
#[tokio::test]
async fn a_lock_ends_with_its_request_however_that_ends() {
    for locking in [Locking::ByMethod, Locking::Early, Locking::Explicit] {
        let (site, script) = mode(locking).await;
        for end in
            ["status=500", "status=404", "set=x:1", "try.out", "out", "expire", "get=x/remove=x", "nothing"]
        {
            site.post("/set=x:1").await;
            let path = format!("/lock/a/{}", end.replace("nothing", ""));
            let holder = waiting(site.post(&path)).await;
            let second = waiting(site.post("/lock/get=x")).await;
            script.a.open();
            holder.await;
            assert!(tokio::time::timeout(TIMEOUT, second).await.is_ok(), "{end}");
        }
        site.post("/set=x:1").await;
        // The client hangs up.
        let holder = waiting(site.post("/lock/set=x:5/a")).await;
        let mut second = waiting(site.post("/lock/get=x")).await;
        drop(holder);
        assert_eq!(poll_once(&mut second).await.expect("at once").body, "1");
        // The handler panics.
        let holder = waiting(site.post("/lock/set=x:5/a/b/panic")).await;
        let mut second = waiting(site.post("/lock/get=x")).await;
        script.a.open();
        script.b.open();
        assert!(tokio::spawn(holder).await.unwrap_err().is_panic());
        assert_eq!(poll_once(&mut second).await.expect("at once").body, "1");
    }
}

/// F11. The same over a socket: a client that hangs up frees its session.
#[tokio::test]
async fn a_client_that_hangs_up_frees_its_session() {
    let script = Script::default();
    let site = Site::start(MemoryStore::new(), Settings::default(), script.routes()).await;
    let browser = Browser::new(&site);
    browser.post("/set=x:1").await;
    browser.hang_up(Request::post("/set=x:2/a"), script.a.arrival()).await;
    assert_eq!(browser.post("/get=x").await.body, "1");
}

/// Design, Locking. Routes may differ from the settings.
#[tokio::test]
async fn a_route_layer_overrides_the_locking_mode() {
    let script = Script::default();
    let route = |locking| RouteLayer::new(RouteOptions::new().locking(locking));
    let hold = |script: Script| {
        async move |session: Session| {
            session.contains("x").await?;
            script.a.pass().await;
            Ok::<_, Error>(())
        }
    };
    let peek = async |session: Session| session.contains("x").await.map(|found| found.to_string());
    let routes = Router::new()
        .route("/hold", get(hold(script.clone())).post(hold(script.clone())))
        .route("/peek", get(peek).post(peek));
    let start = async |settings: Locking, locking| {
        let routes = Router::new()
            .nest("/own", routes.clone().layer(route(locking)))
            .merge(routes.clone())
            .route("/set", post(async |session: Session| session.insert("x", &1).await));
        let site = Direct::new(MemoryStore::new(), Settings::new().locking(settings), routes);
        site.post("/set").await;
        site
    };
    let site = start(Locking::ByMethod, Locking::Explicit).await;
    let holder = waiting(site.post("/hold")).await;
    assert_eq!(site.post("/own/peek").await.body, "true", "explicit: it does not wait");
    let free = waiting(site.post("/own/hold")).await;
    let second = waiting(site.post("/peek")).await;
    script.a.open();
    holder.await;
    assert_eq!(second.await.body, "true", "explicit: it is not waited for");
    script.a.open();
    free.await;

    let site = start(Locking::ByMethod, Locking::Implicit).await;
    let holder = waiting(site.get("/own/hold")).await;
    let second = waiting(site.get("/own/peek")).await;
    assert_eq!(site.get("/peek").await.body, "true");
    script.a.open();
    holder.await;
    second.await;
}
