//! Streams that wait for the end of their session.

use std::time::Duration;

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, Call, Fault, FaultyStore};
use cloakroom::{Locking, Settings};
use cloakroom_tests::{Browser, Request, Script, Site};

/// Nothing is noticed by a poll within the time of a test.
const NEVER: Duration = Duration::from_secs(3600);
const POLL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(20);

struct House {
    site: Site,
    store: FaultyStore<MemoryStore>,
    script: Script,
}

impl House {
    async fn new(settings: Settings) -> Self {
        let (store, script) = (FaultyStore::new(MemoryStore::new()), Script::default());
        let site = Site::start(store.clone(), settings.locking(Locking::Explicit), script.routes()).await;
        Self { site, store, script }
    }

    /// Another process on the same store.
    async fn another(&self) -> Site {
        let settings = Settings::new().locking(Locking::Explicit);
        let sessions = testing::manager(self.store.clone(), settings, &self.site.clock).unwrap();
        Site::with_sessions(sessions, self.site.clock.clone(), self.script.routes()).await
    }

    /// A stream of this browser that waits for the end, with what it says then.
    async fn watch(&self, browser: &Browser) -> tokio::task::JoinHandle<String> {
        let stream = browser.begin(Request::get("/len/stream/a/ended")).await;
        self.script.a.arrival().await;
        self.script.a.open();
        tokio::spawn(async move { stream.finish().await.body })
    }
}

async fn said(stream: tokio::task::JoinHandle<String>) -> String {
    tokio::time::timeout(PATIENCE, stream).await.expect("the stream ends").unwrap()
}

/// Whether it still runs after a while.
async fn goes_on(stream: &tokio::task::JoinHandle<String>) -> bool {
    tokio::time::sleep(2 * POLL).await;
    !stream.is_finished()
}

#[tokio::test]
async fn a_stream_is_told_why_its_session_is_over() {
    let house = House::new(Settings::new().watch_interval(NEVER)).await;
    for (path, reason) in [("/out", "ended "), ("/in=ann", "superseded "), ("/in=bob", "superseded ")] {
        let browser = Browser::new(&house.site);
        browser.post("/in=ann").await;
        let stream = house.watch(&browser).await;
        assert_eq!(browser.post("/set=x:1/add=y").await.status, 200);
        assert!(goes_on(&stream).await, "a write is no end");
        browser.post(path).await;
        assert_eq!(said(stream).await, reason, "{path}");
    }
    let browser = Browser::new(&house.site);
    browser.post("/set=x:1").await;
    let stream = house.watch(&browser).await;
    browser.post("/clear").await;
    assert_eq!(said(stream).await, "ended ", "nothing is left in it");
}

#[tokio::test]
async fn streams_of_all_sessions_of_a_user_are_told_that_these_ended() {
    let house = House::new(Settings::new().watch_interval(NEVER)).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let browser = Browser::new(&house.site);
        browser.post("/in=ann").await;
        streams.push(house.watch(&browser).await);
    }
    assert_eq!(house.site.sessions.end_all("ann", None).await.unwrap(), 20);
    for stream in streams {
        assert_eq!(said(stream).await, "ended ");
    }
}

#[tokio::test]
async fn a_stream_is_told_that_its_session_expired() {
    let house = House::new(Settings::new().watch_interval(POLL)).await;
    let browser = Browser::new(&house.site);
    browser.post("/in=ann").await;
    let stream = house.watch(&browser).await;
    assert!(goes_on(&stream).await);
    house.site.clock.advance(Duration::from_secs(30 * 24 * 3600));
    assert_eq!(said(stream).await, "expired ");
}

#[tokio::test]
async fn a_rotation_supersedes_the_streams_of_the_old_secret_after_its_grace() {
    let grace = Duration::from_secs(30);
    let house = House::new(Settings::new().watch_interval(POLL).grace(grace)).await;
    let browser = Browser::new(&house.site);
    browser.post("/in=ann").await;
    let stream = house.watch(&browser).await;
    browser.post("/rotate").await;
    assert!(goes_on(&stream).await, "it has a grace");
    // The new secret is presented, and from then on the grace counts.
    browser.get("/get=x").await;
    let of_new = house.watch(&browser).await;
    assert!(goes_on(&stream).await);
    house.site.clock.advance(grace + Duration::from_secs(1));
    assert_eq!(said(stream).await, "superseded ");
    assert!(goes_on(&of_new).await, "the new secret works");
}

#[tokio::test]
async fn a_secret_that_its_own_request_makes_ends_no_stream() {
    let house = House::new(Settings::new().watch_interval(NEVER)).await;
    let browser = Browser::new(&house.site);
    browser.post("/in=ann").await;
    for path in ["/in=ann/save/stream/a/ended", "/rotate/save/stream/a/ended"] {
        let stream = browser.begin(Request::post(path)).await;
        house.script.a.arrival().await;
        house.script.a.open();
        let stream = tokio::spawn(async move { stream.finish().await.body });
        assert!(goes_on(&stream).await, "{path}");
        drop(stream);
    }
}

#[tokio::test]
async fn a_stream_without_a_session_is_told_at_once() {
    let house = House::new(Settings::new().watch_interval(NEVER)).await;
    let stranger = Browser::new(&house.site);
    assert_eq!(said(house.watch(&stranger).await).await, "ended ");

    let browser = Browser::new(&house.site);
    browser.post("/in=ann").await;
    let left = Browser::new(&house.site);
    *left.jar() = browser.jar().clone();
    browser.post("/in=ann").await;
    assert_eq!(said(house.watch(&left).await).await, "superseded ", "with an old cookie");
    *left.jar() = browser.jar().clone();
    browser.post("/out").await;
    assert_eq!(said(house.watch(&left).await).await, "ended ", "with that of a session that ended");
}

#[tokio::test]
async fn an_end_in_another_process_is_noticed_within_the_interval() {
    let house = House::new(Settings::new().watch_interval(POLL)).await;
    let other = house.another().await;
    let browser = Browser::new(&house.site);
    browser.post("/in=ann").await;
    let stream = house.watch(&browser).await;
    assert!(goes_on(&stream).await);
    let there = Browser::new(&other);
    *there.jar() = browser.jar().clone();
    there.post("/out").await;
    assert_eq!(said(stream).await, "ended ");
}

#[tokio::test]
async fn watching_writes_nothing_and_an_outage_ends_no_stream() {
    let house = House::new(Settings::new().watch_interval(POLL)).await;
    let browser = Browser::new(&house.site);
    browser.post("/in=ann").await;
    let before = [Call::Create, Call::Replace, Call::Touch, Call::Delete].map(|call| house.store.count(call));
    let stream = house.watch(&browser).await;
    house.store.fail(Fault::Unavailable);
    assert!(goes_on(&stream).await);
    house.store.heal();
    assert!(goes_on(&stream).await);
    let after = [Call::Create, Call::Replace, Call::Touch, Call::Delete].map(|call| house.store.count(call));
    assert_eq!(before, after);
    browser.post("/out").await;
    assert_eq!(said(stream).await, "ended ");
}

/// An error has a status as long as the head was not sent.
#[tokio::test]
async fn what_cannot_be_loaded_cannot_be_watched() {
    let house = House::new(Settings::default()).await;
    let browser = Browser::new(&house.site);
    browser.post("/in=ann").await;
    house.store.fail(Fault::Unavailable);
    assert_eq!(browser.get("/ended").await.status, 503);
}
