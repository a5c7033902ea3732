use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http;
use cloakroom::SessionManager;
use cloakroom::testing::Jar;
use tower::ServiceExt;

use super::clock::Clock;
use super::lot::{Lot, Stop};
use crate::action::Action;
use crate::app::{App, Stage};
use crate::cookie::{COOKIE, Cookie, handle_of};
use crate::history::{Received, Request, Response, Whose};

/// Requests under way, and those that were: what the schedule shares with their tasks.
#[derive(Debug)]
pub(super) struct Traffic {
    pub(super) clock: Arc<Clock>,
    pub(super) lot: Arc<Lot>,
    /// The sessions without any queue or fault.
    pub(super) probes: SessionManager,
    requests: Mutex<Vec<Request>>,
}

/// A browser keeps the last cookie that it received.
#[derive(Clone, Debug)]
pub(super) struct Browser {
    jar: Arc<Mutex<Jar>>,
    begun: Arc<AtomicBool>,
}

impl Browser {
    pub(super) fn new() -> Self {
        Self { jar: Arc::new(Mutex::new(Jar::new("localhost"))), begun: Arc::default() }
    }

    /// Whether it has ever had a session.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn cookie(&self) -> Option<Cookie> {
        self.jar.lock().unwrap().get(COOKIE).map(str::to_owned)
    }

    fn receive(&self, set_cookies: &[String]) {
        let mut jar = self.jar.lock().unwrap();
        self.begun.fetch_or(!set_cookies.is_empty(), Ordering::Relaxed);
        for set_cookie in set_cookies {
            jar.receive(set_cookie, "/", true).unwrap();
        }
    }
}

impl Traffic {
    pub(super) fn new(clock: Arc<Clock>, lot: Arc<Lot>, probes: SessionManager) -> Self {
        Self { clock, lot, probes, requests: Mutex::default() }
    }

    pub(super) fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap()
    }

    /// Notes a request that begins now.
    pub(super) fn begin(&self, whose: Whose, actions: Vec<Action>, sent: Option<Cookie>) -> usize {
        let start = self.clock.now();
        let mut requests = self.requests();
        requests.push(Request { whose, actions, sent, start, hung_up: None, response: None });
        requests.len() - 1
    }

    /// Carries a request to its server and its response to the browser.
    pub(super) async fn carry(
        self: Arc<Self>,
        number: usize,
        method: http::Method,
        server: Router,
        browser: Browser,
    ) {
        let sent = {
            let request = &self.requests()[number];
            let mut head = http::Request::builder().method(method).uri(Action::path(&request.actions));
            if let Some(cookie) = &request.sent {
                head = head.header("cookie", format!("{COOKIE}={cookie}"));
            }
            head.body(Body::empty()).unwrap()
        };
        let (head, body) = server.oneshot(sent).await.unwrap().into_parts();
        let end = self.clock.now();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let report = head.headers.contains_key(App::REPORT).then(|| serde_json::from_slice(&body).unwrap());
        let fields = head.headers.get_all("set-cookie").iter();
        let set_cookies: Vec<_> = fields.map(|field| field.to_str().unwrap().to_owned()).collect();
        let cookie = Received::of(&set_cookies);
        let response = Response { end, status: head.status.as_u16(), cookie, report };
        let has_now = match &response.cookie {
            Received::Set(cookie) => Some(cookie.clone()),
            Received::Removed => None,
            Received::Nothing if response.report.is_some() => self.requests()[number].sent.clone(),
            Received::Nothing => None,
        };
        self.requests()[number].response = Some(response);
        if let Some(cookie) = has_now.filter(|cookie| handle_of(cookie).is_some()) {
            self.probe(Whose::ProbeOf(number), cookie).await;
        }
        self.lot.park(Stop::Delivery).await;
        browser.receive(&set_cookies);
    }

    /// Looks into the store with this cookie, past everything that is parked.
    pub(super) async fn probe(&self, whose: Whose, cookie: Cookie) {
        let _busy = self.lot.busy();
        let head = http::Request::builder().header("cookie", format!("{COOKIE}={cookie}"));
        let head = head.body(()).unwrap();
        let number = self.begin(whose, vec![Action::Look], Some(cookie));
        let session = self.probes.open(&head);
        let done = App::probe(&*self.clock, &session).await;
        let end = self.clock.now();
        let response = Response { end, status: 200, cookie: Received::Nothing, report: Some(vec![done]) };
        self.requests()[number].response = Some(response);
    }
}
