use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::stores::MemoryStore;
use crate::testing::{TestClock, manager};
use crate::{Answer, Locking, RequestHead, SessionManager, Settings};

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
    clock: TestClock,
    cookie: String,
}

impl Site {
    /// With a session that holds 1 under `n`.
    async fn new() -> Self {
        let clock = TestClock::new();
        let settings = Settings { locking: Locking::Explicit, ..Settings::default() };
        let sessions = manager(MemoryStore::new(), settings, &clock).unwrap();
        let first = sessions.open(&Get(None));
        first.insert("n", &1).await.unwrap();
        let cookie = closed(first).await.expect("a new session has a cookie");
        Self { sessions, clock, cookie }
    }

    fn request(&self) -> OpenSession {
        self.sessions.open(&Get(Some(&self.cookie)))
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
