use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http;
use cloakroom::axum_v0_8::SessionLayer;
use cloakroom::testing::{self, Jar, TestClock};
use cloakroom::{SessionManager, Settings};
use cloakroom_store::Store;
use tower::ServiceExt;

use crate::message::{Request, Response};

/// A request of a [`Direct`] site under way.
pub type Call = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A web site and a browser with no network between them: the test polls the requests itself, and drops them when it
/// wants to; time may be paused.
#[derive(Debug)]
pub struct Direct {
    /// The site's sessions.
    pub sessions: SessionManager,
    /// Their clock.
    pub clock: TestClock,
    app: Router,
    jar: Arc<Mutex<Jar>>,
}

impl Direct {
    /// Serves `routes` inside a session layer.
    pub fn new(store: impl Store, settings: Settings, routes: Router) -> Self {
        let clock = TestClock::new();
        let sessions = testing::manager(store, settings, &clock).unwrap();
        let app = routes.layer(SessionLayer::new(sessions.clone()));
        Self { sessions, clock, app, jar: Arc::new(Mutex::new(Jar::new("localhost"))) }
    }

    /// Another server of the same site: its store is shared, and the browser's cookies are.
    #[must_use]
    pub fn another(&self, store: impl Store, routes: Router) -> Self {
        let settings = self.sessions.settings().clone();
        let sessions = testing::manager(store, settings, &self.clock).unwrap();
        let app = routes.layer(SessionLayer::new(sessions.clone()));
        Self { sessions, clock: self.clock.clone(), app, jar: Arc::clone(&self.jar) }
    }

    /// Another browser at the same site.
    #[must_use]
    pub fn stranger(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            clock: self.clock.clone(),
            app: self.app.clone(),
            jar: Arc::new(Mutex::new(Jar::new("localhost"))),
        }
    }

    /// Another browser with the same cookies: a stolen one, or one whose response gets lost.
    #[must_use]
    pub fn stranger_with_cookies(&self) -> Self {
        let stranger = self.stranger();
        stranger.jar().clone_from(&self.jar());
        stranger
    }

    /// The browser's cookies.
    pub fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap()
    }

    /// The value of the session cookie under its default name.
    pub fn token(&self) -> Option<String> {
        self.jar().get("__Host-id").map(str::to_owned)
    }

    /// The site as a service, for what is not sent as a browser does.
    pub fn app(&self) -> Router {
        self.app.clone()
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> Call {
        self.send(Request::get(path))
    }

    /// A POST request.
    pub fn post(&self, path: &str) -> Call {
        self.send(Request::post(path))
    }

    /// A request with the cookies that the browser has now, and keeping those that come back. Nothing happens before
    /// it is polled; dropped, its client has hung up.
    pub fn send(&self, request: Request) -> Call {
        let (app, jar) = (self.app.clone(), Arc::clone(&self.jar));
        let cookies = self.jar().cookie_header(&request.path, true);
        let mut head = http::Request::builder().method(request.method).uri(&request.path);
        for (name, value) in &request.headers {
            head = head.header(name, &value[..]);
        }
        for (name, value) in cookies.iter().map(|cookies| ("cookie", cookies.as_bytes())) {
            head = head.header(name, value);
        }
        let sent = head.body(Body::from(request.body)).unwrap();
        Box::pin(async move {
            let (head, body) = app.oneshot(sent).await.unwrap().into_parts();
            let headers = head.headers.iter();
            let headers =
                headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
            let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().into()).unwrap();
            let response = Response { status: head.status.as_u16(), headers, body };
            for cookie in response.cookies() {
                jar.lock().unwrap().receive(cookie, &request.path, true).unwrap();
            }
            response
        })
    }
}

/// Polls a request so many times and drops it, as a server does when its client goes away; true if it had ended before.
/// Between two polls, what was handed to tasks goes on.
pub async fn cut_off(mut call: Call, polls: usize) -> bool {
    for _ in 0..polls {
        if poll_once(&mut call).await.is_some() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// Polls a request once: its response, or `None` if it waits for something.
pub async fn poll_once(call: &mut Call) -> Option<Response> {
    poll_fn(|cx| match call.as_mut().poll(cx) {
        Poll::Ready(response) => Poll::Ready(Some(response)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
