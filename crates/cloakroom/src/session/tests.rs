use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::task::Poll;
use std::time::Duration;

use super::*;
use crate::answer::Answer;
use crate::clock::Stopwatch;
use crate::config::{Locking, Settings};
use crate::manager::{RequestHead, SessionManager};
use crate::session::open::OpenSession;
use crate::stores::MemoryStore;
use crate::testing::{Call, FaultyStore, TestClock, manager};

const IDLE: Duration = Duration::from_secs(3600);
const ABSOLUTE: Duration = Duration::from_secs(3 * 3600);

/// A `GET` with at most one cookie.
struct Get<'a>(Option<&'a str>);

impl RequestHead for Get<'_> {
    fn method(&self) -> &str {
        "GET"
    }

    fn peer(&self) -> Option<IpAddr> {
        None
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        if let (Some(cookie), "cookie") = (self.0, name) {
            visit(cookie.as_bytes());
        }
    }
}

/// Requests of one browser that may overlap, on a clock that stands still.
struct Site {
    sessions: SessionManager,
    store: FaultyStore<MemoryStore>,
    clock: TestClock,
    cookie: String,
}

impl Site {
    /// With a session that holds 1 under `n`.
    async fn new() -> Self {
        let (clock, store) = (TestClock::new(), FaultyStore::new(MemoryStore::new()));
        let settings = Settings::new()
            .locking(Locking::Explicit)
            .absolute_timeout(ABSOLUTE)
            .anonymous_idle_timeout(IDLE);
        let sessions = manager(store.clone(), settings, &clock).unwrap();
        let first = sessions.open(&Get(None));
        first.insert("n", &1).await.unwrap();
        let cookie = closed(first).await.expect("a new session has a cookie");
        Self { sessions, store, clock, cookie }
    }

    fn request(&self) -> OpenSession {
        self.sessions.open(&Get(Some(&self.cookie)))
    }

    /// A request that has read the session, and whose response head has been sent.
    async fn stream(&self) -> Session {
        let request = self.request();
        let session = Session::clone(&request);
        assert!(session.contains("n").await.unwrap());
        closed(request).await;
        session
    }

    /// Lets time pass, in which the browser uses the session every half hour.
    async fn busy(&self, half_hours: u32) {
        for _ in 0..half_hours {
            self.clock.advance(IDLE / 2);
            let request = self.request();
            assert!(request.contains("n").await.unwrap());
            closed(request).await;
            // Its touch is made in the background.
            assert!(self.sessions.shutdown().await);
        }
    }

    async fn stored(&self) -> Option<i32> {
        self.request().get("n").await.unwrap()
    }
}

/// Answers 200, and the cookie that goes out with it.
async fn closed(session: OpenSession) -> Option<String> {
    match session.close(200).await {
        Answer::Keep(headers) => {
            let set_cookie = headers.into_fields().find(|header| header.name == "set-cookie")?.value;
            Some(set_cookie.split_once(';').unwrap().0.to_owned())
        }
        Answer::Replace(reply) => panic!("{}", reply.status()),
    }
}

#[tokio::test]
async fn an_update_never_conflicts_not_even_on_a_key_that_was_read_before() {
    let site = Site::new().await;
    let (request, other) = (site.request(), site.request());
    assert_eq!(request.get("n").await.unwrap(), Some(1));
    other.update("n", |n: &mut Option<i32>| *n = Some(10)).await.unwrap();
    let n = request.update("n", |n: &mut Option<i32>| *n.insert(n.unwrap_or(0) + 1)).await.unwrap();
    assert_eq!(n, 11);
    assert_eq!(closed(request).await, None);
    assert_eq!(site.stored().await, Some(11));
}

#[tokio::test]
async fn a_key_that_was_read_written_and_then_updated_still_conflicts() {
    let site = Site::new().await;
    let (request, other) = (site.request(), site.request());
    let n: i32 = request.get("n").await.unwrap().unwrap();
    request.insert("n", &(n + 1)).await.unwrap();
    other.update("n", |n: &mut Option<i32>| *n = Some(10)).await.unwrap();
    let error = request.update("n", |n: &mut Option<i32>| *n = n.map(|n| n + 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(site.stored().await, Some(10));
}

#[tokio::test]
async fn a_key_that_was_written_blindly_does_not_conflict_when_all_are_listed() {
    let site = Site::new().await;
    let (request, other) = (site.request(), site.request());
    request.insert("n", &2).await.unwrap();
    assert_eq!(request.len().await.unwrap(), 1);
    other.update("n", |n: &mut Option<i32>| *n = Some(10)).await.unwrap();
    closed(request).await;
    assert_eq!(site.stored().await, Some(2));
}

#[tokio::test]
async fn a_visitor_whose_session_was_ended_under_a_request_begins_anew_after_the_grace() {
    let site = Site::new().await;
    let request = site.request();
    let handle = request.handle().await.unwrap().unwrap();
    site.clock.advance(Duration::from_secs(120));
    assert!(site.sessions.end(&handle).await.unwrap());
    assert_eq!(closed(request).await, None); // and its touch is under way
    assert!(site.sessions.shutdown().await);

    let late = site.request();
    late.insert("n", &2).await.unwrap();
    assert_eq!(closed(late).await, None);
    site.clock.advance(site.sessions.settings().grace);
    let later = site.request();
    later.insert("n", &3).await.unwrap();
    assert_ne!(closed(later).await.expect("a new session"), site.cookie);
}

async fn add_one(session: &Session) -> Result<i32> {
    session.update("n", |n: &mut Option<i32>| *n.insert(n.unwrap_or(0) + 1)).await
}

#[tokio::test]
async fn a_stream_does_not_revive_a_session_that_was_not_used_for_the_idle_time() {
    let site = Site::new().await;
    let stream = site.stream().await;
    site.clock.advance(IDLE);
    assert_eq!(add_one(&stream).await.unwrap_err().kind(), ErrorKind::Ended);
    assert_eq!(site.store.count(Call::Replace), 0);
    assert_eq!(site.stored().await, None);
}

#[tokio::test]
async fn a_stream_does_not_prolong_a_session_beyond_its_absolute_limit() {
    let site = Site::new().await;
    site.busy(5).await;
    let stream = site.stream().await;
    assert_eq!(add_one(&stream).await.unwrap(), 2);
    site.clock.advance(IDLE / 2);
    assert_eq!(add_one(&stream).await.unwrap_err().kind(), ErrorKind::Ended);
    assert_eq!(site.store.count(Call::Replace), 1);
    assert_eq!(site.stored().await, None);
}

#[tokio::test]
async fn a_stream_saves_to_a_session_that_other_requests_have_kept_alive() {
    let site = Site::new().await;
    let (stream, recording) = (site.stream().await, site.stream().await);
    site.busy(3).await;
    recording.insert("m", &1).await.unwrap();
    recording.save().await.unwrap();
    assert_eq!(add_one(&stream).await.unwrap(), 2);
    site.busy(2).await;
    assert_eq!(site.stored().await, Some(2));
}

/// It began in time, and its visitor waits for it.
#[tokio::test]
async fn a_request_that_outlasts_the_idle_time_still_saves() {
    let site = Site::new().await;
    let slow = site.request();
    assert!(slow.contains("n").await.unwrap());
    site.clock.advance(IDLE + IDLE / 2);
    assert_eq!(add_one(&slow).await.unwrap(), 2);
    slow.insert("m", &1).await.unwrap();
    closed(slow).await;
    assert_eq!(site.request().len().await.unwrap(), 2);
}

#[tokio::test]
async fn a_request_that_outlasts_the_absolute_limit_saves_nothing() {
    let site = Site::new().await;
    site.busy(5).await;
    let slow = site.request();
    assert!(slow.contains("n").await.unwrap());
    site.clock.advance(IDLE / 2);
    assert_eq!(add_one(&slow).await.unwrap_err().kind(), ErrorKind::Ended);
    assert_eq!(closed(slow).await, None);
    assert_eq!(site.store.count(Call::Replace), 0);
}

/// As when a handler has lost interest in a call after a while, and kept it.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_held_and_not_polled_keeps_the_rest_of_its_request_waiting_for_so_long_only() {
    let site = Site::new().await;
    let (holder, request) = (site.request(), site.request());
    holder.lock().await.unwrap();
    assert!(request.contains("n").await.unwrap());
    let session = Session::clone(&request);
    let mut held = Box::pin(session.lock());
    assert!(poll_fn(|cx| Poll::Ready(held.as_mut().poll(cx).is_pending())).await, "it waits for the lock");

    let Settings { lock_timeout, store_budget, .. } = *site.sessions.settings();
    let longest = lock_timeout + 2 * store_budget;
    let watch = Stopwatch::start();
    assert_eq!(request.get::<i32>("n").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(watch.elapsed().as_secs(), longest.as_secs());
    let Answer::Replace(reply) = request.close(200).await else { panic!("who knows what was to be saved") };
    assert_eq!((reply.status(), watch.elapsed().as_secs()), (503, 2 * longest.as_secs()));
}

/// A request with these fields.
struct Fields(&'static [(&'static str, &'static str)]);

impl RequestHead for Fields {
    fn method(&self) -> &str {
        "POST"
    }

    fn peer(&self) -> Option<IpAddr> {
        None
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.iter().filter(|(field, _)| *field == name).for_each(|(_, value)| visit(value.as_bytes()));
    }
}

#[test]
fn a_request_has_a_body_if_its_head_says_that_one_follows() {
    let has_body = |fields| Fields(fields).has_body();
    assert!(!has_body(&[]));
    assert!(!has_body(&[("content-length", "0")]));
    assert!(!has_body(&[("content-length", " 00 ")]));
    assert!(!has_body(&[("content-type", "text/plain")]));
    assert!(has_body(&[("content-length", "10")]));
    assert!(has_body(&[("content-length", "1")]));
    assert!(has_body(&[("transfer-encoding", "chunked")]));
    assert!(has_body(&[("transfer-encoding", "chunked"), ("content-length", "0")]));
}

/// Panics while it has the handle.
fn panic_with(session: Session) {
    let session = AssertUnwindSafe(session);
    let panicked = catch_unwind(move || {
        let _session = session;
        panic_any("as told");
    });
    panicked.expect_err("it has panicked");
}

#[tokio::test]
async fn a_request_in_which_a_panic_dropped_a_handle_saves_nothing() {
    let site = Site::new().await;
    let request = site.request();
    request.insert("n", &2).await.unwrap();
    panic_with(Session::clone(&request));
    assert_eq!(closed(request).await, None);
    assert_eq!(site.stored().await, Some(1));
}

/// The note waits for it, and the end of the request for the note.
#[tokio::test]
async fn a_panic_beside_a_call_under_way_counts_when_that_has_ended() {
    let site = Site::new().await;
    let (holder, request) = (site.request(), site.request());
    holder.lock().await.unwrap();
    request.insert("n", &2).await.unwrap();
    let session = Session::clone(&request);
    let mut call = Box::pin(session.lock());
    assert!(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await, "it waits for the lock");
    panic_with(session.clone());
    let closing = tokio::join!(closed(request), async { drop(call) });
    assert_eq!(closing.0, None);
    closed(holder).await;
    assert_eq!(site.stored().await, Some(1));
}

#[tokio::test]
async fn a_panic_of_another_task_or_thread_is_not_the_request_s() {
    let site = Site::new().await;
    let request = site.request();
    request.insert("n", &2).await.unwrap();
    let [one, other, third] = [(); 3].map(|()| Session::clone(&request));
    tokio::spawn(async { panic_with(one) }).await.unwrap();
    tokio::task::spawn_blocking(|| panic_with(other)).await.unwrap();
    std::thread::spawn(|| panic_with(third)).join().unwrap();
    closed(request).await;
    assert_eq!(site.stored().await, Some(2));
}

/// Nothing can be noted then, and a second panic would end the process.
#[test]
fn a_panic_outside_any_runtime_beside_a_call_under_way_does_no_harm() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (site, request) = runtime.block_on(async {
        let site = Site::new().await;
        let request = site.request();
        request.insert("n", &2).await.unwrap();
        (site, request)
    });
    let held = request.request.try_lock().unwrap();
    panic_with(Session::clone(&request));
    drop(held);
    runtime.block_on(closed(request));
    assert_eq!(runtime.block_on(site.stored()), Some(2));
}

/// When a request that presents a token began, for one with these fields from this peer under these settings.
fn began(settings: Settings, peer: Option<&str>, fields: &[(&'static str, &str)]) -> Duration {
    struct Head<'f>(Option<IpAddr>, &'f [(&'static str, &'f str)]);

    impl RequestHead for Head<'_> {
        fn method(&self) -> &str {
            "POST"
        }

        fn peer(&self) -> Option<IpAddr> {
            self.0
        }

        fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
            self.1.iter().filter(|(field, _)| *field == name).for_each(|(_, value)| visit(value.as_bytes()));
        }
    }

    let clock = TestClock::new();
    let sessions = manager(MemoryStore::new(), settings, &clock).unwrap();
    let cookie = format!("__Host-id=1{}", "A".repeat(43));
    let fields: Vec<_> = fields.iter().copied().chain([("cookie", &*cookie)]).collect();
    let request = sessions.open(&Head(peer.map(|peer| peer.parse().unwrap()), &fields));
    clock.now().since(request.request.try_lock().unwrap().began())
}

/// RULES §3.
#[tokio::test]
async fn a_request_began_when_a_trusted_proxy_says_so_and_else_when_it_was_opened() {
    let trusting = || {
        Settings::new()
            .trusted_proxies(["10.0.0.0/8".parse().unwrap()])
            .request_start_header("X-Request-Start")
    };
    let told = [("x-request-start", "t=1735689540.000")];
    let minute = Duration::from_secs(60);
    for peer in ["10.1.2.3", "::ffff:10.1.2.3"] {
        assert_eq!(began(trusting(), Some(peer), &told), minute, "{peer}");
    }
    for peer in [None, Some("192.0.2.1"), Some("::1")] {
        assert_eq!(began(trusting(), peer, &told), Duration::ZERO, "{peer:?}");
    }
    assert_eq!(began(Settings::default(), Some("10.1.2.3"), &told), Duration::ZERO, "no header is believed");
    for fields in
        [&[][..], &[("x-request-start", "soon")], &[told[0], told[0]], &[("x-queue-start", told[0].1)]]
    {
        assert_eq!(began(trusting(), Some("10.1.2.3"), fields), Duration::ZERO, "{fields:?}");
    }
}
