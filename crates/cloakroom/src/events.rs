//! What there is to tell about sessions: `tracing` events under the target `cloakroom`, at debug level but for a few, and, with the
//! feature `metrics`, counters named `cloakroom_sessions_total`. Each call of the store has a span named `store`, and a
//! place in the histogram `cloakroom_store_seconds`.
//!
//! Events carry the public handle and never a token, a subject or data.

use cloakroom_store::Key;

use crate::error::Error;

macro_rules! event {
    ($name:literal $(, $field:ident = $value:expr)* ; $text:literal) => {{
        count($name);
        tracing::debug!(target: "cloakroom", event = $name $(, $field = $value)*, $text);
    }};
}

/// One call of the store, from here until it is dropped.
pub(crate) struct StoreCall {
    pub(crate) span: tracing::Span,
    #[cfg(feature = "metrics")]
    timed: (&'static str, crate::clock::Stopwatch),
}

impl StoreCall {
    pub(crate) fn new(name: &'static str, key: Option<&Key>) -> Self {
        let handle = key.map(tracing::field::display);
        Self {
            span: tracing::debug_span!(target: "cloakroom", "store", call = name, handle),
            #[cfg(feature = "metrics")]
            timed: (name, crate::clock::Stopwatch::start()),
        }
    }
}

#[cfg(feature = "metrics")]
impl Drop for StoreCall {
    fn drop(&mut self) {
        let (name, watch) = self.timed;
        // One lasts as long as its connection.
        if name != "listen" {
            metrics::histogram!("cloakroom_store_seconds", "call" => name).record(watch.elapsed());
        }
    }
}

pub(crate) fn created(key: &Key) {
    event!("created", handle = display(key); "session stored for the first time");
}

pub(crate) fn resumed(key: &Key) {
    event!("resumed", handle = display(key); "session loaded");
}

pub(crate) fn rotated(key: &Key, sign_in: bool) {
    event!("rotated", handle = display(key), sign_in = sign_in; "session has a new secret");
}

pub(crate) fn expired(key: &Key) {
    event!("expired", handle = display(key); "token of a session whose time is over");
}

pub(crate) fn destroyed(key: &Key) {
    event!("destroyed", handle = display(key); "session ended");
}

/// All sessions of a user but perhaps one, in a single call of the store, which does not tell which they were.
pub(crate) fn ended_all(count: usize) {
    tracing::debug!(target: "cloakroom", event = "destroyed", count, "all sessions of a user ended");
    count_many("destroyed", count);
}

/// A session that its user did not end: it was the least recently used one, and a sign-in exceeded `subject_limit`.
pub(crate) fn limited(key: &Key, limit: usize) {
    count("limited");
    tracing::warn!(
        target: "cloakroom", event = "limited", handle = display(key), limit,
        "session ended: a sign-in exceeded subject_limit, and it was the least recently used one"
    );
}

pub(crate) fn unknown(key: &Key) {
    event!("unknown", handle = display(key); "token of no session");
}

/// `reused`: the secret before the current one, in a request that is not late.
pub(crate) fn superseded(key: &Key, reused: bool) {
    event!("superseded", handle = display(key), reused = reused; "token with a secret that is not the session's");
}

pub(crate) fn ambiguous() {
    event!("ambiguous"; "several valid tokens in one request, none is used");
}

pub(crate) fn conflict(key: &Key) {
    event!("conflict", handle = display(key); "another request saved first");
}

/// The session was ended or taken over while a request wanted to save.
pub(crate) fn lost(key: &Key) {
    event!("lost", handle = display(key); "session is not this request's any more");
}

pub(crate) fn quarantined(key: &Key) {
    event!("quarantined", handle = display(key); "stored bytes that are no session, left alone until they expire");
}

pub(crate) fn newer(key: &Key) {
    event!("newer", handle = display(key); "session written by a later version, left alone");
}

pub(crate) fn unsure(key: &Key) {
    event!("unsure", handle = display(key); "write without a clear answer, looking it up");
}

pub(crate) fn store_error(key: &Key, error: &cloakroom_store::Error) {
    event!("store_error", handle = display(key), error = error as &dyn std::error::Error; "store call failed");
}

pub(crate) fn unsaved(error: &Error) {
    event!("unsaved", error = error as &dyn std::error::Error; "request failed to save its session");
}

/// A call that could not be, or a value of another type: a fault of the application, of which its client hears no more
/// than that there is one.
pub(crate) fn failed(error: &Error) {
    count("failed");
    let error = error as &dyn std::error::Error;
    tracing::warn!(target: "cloakroom", event = "failed", error, "an error of the session is answered 500");
}

/// The application is put together wrongly, and every request of that route fails.
#[cfg(any(feature = "http_v1", feature = "actix_v4", feature = "rocket_v0_5"))]
pub(crate) fn clash(cookie: &str) {
    count("clash");
    tracing::error!(
        target: "cloakroom", event = "clash", cookie,
        "two session layers of one request have the same cookie name and different session managers; give both clones of \
         one SessionManager to share the session, or one of them another cookie_name"
    );
}

pub(crate) fn swept(count: usize) {
    tracing::debug!(target: "cloakroom", event = "swept", count, "expired sessions removed");
    #[cfg(feature = "metrics")]
    metrics::counter!("cloakroom_swept_total").increment(count as u64);
}

pub(crate) fn sweep_failed(error: &cloakroom_store::Error) {
    let error = error as &dyn std::error::Error;
    event!("sweep_failed", error = error; "expired sessions not removed, trying again later");
}

/// Once for each jump.
pub(crate) fn sweep_paused(ahead: std::time::Duration) {
    count("sweep_paused");
    tracing::warn!(
        target: "cloakroom", event = "sweep_paused", ahead = ahead.as_secs(),
        "the clock jumped ahead by so many seconds: no expired session is removed until it has kept time for ten minutes"
    );
}

/// Said once at the start, because a browser that drops a cookie says nothing.
pub(crate) fn started(cookie: &str, plain_http: bool) {
    if plain_http {
        tracing::warn!(
            target: "cloakroom", event = "started", cookie,
            "the session cookie is sent over plain HTTP too, where anybody on the way can take the session over"
        );
    } else {
        tracing::info!(
            target: "cloakroom", event = "started", cookie,
            "the session cookie is Secure: over plain HTTP browsers keep it for localhost at most, and drop it without a word \
             everywhere else"
        );
    }
}

fn count(event: &'static str) {
    count_many(event, 1);
}

#[cfg(feature = "metrics")]
fn count_many(event: &'static str, count: usize) {
    metrics::counter!("cloakroom_sessions_total", "event" => event).increment(count as u64);
}

#[cfg(not(feature = "metrics"))]
fn count_many(_event: &'static str, _count: usize) {}
