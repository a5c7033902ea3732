//! What a request brings, and what it holds while it lasts.

use std::mem;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use rocket05::Request;

use crate::answer::{Header, Reply};
use crate::error::Error;
use crate::manager::{RequestHead, SessionManager, has_body};
use crate::route_options::RouteOptions;
use crate::session::Session;
use crate::session::open::OpenSession;

/// The head of a request.
pub(super) struct Head<'r> {
    request: &'r Request<'r>,
    cookies: Option<String>,
}

impl<'r> Head<'r> {
    pub(super) fn of(request: &'r Request<'r>) -> Self {
        // Rocket's test client has no field for its cookies: they are in the jar alone.
        let print = || {
            request.cookies().iter().map(|cookie| format!("{}={}; ", cookie.name(), cookie.value())).collect()
        };
        let cookies = (!request.headers().contains("cookie")).then(print);
        Self { request, cookies }
    }
}

impl RequestHead for Head<'_> {
    fn method(&self) -> &str {
        self.request.method().as_str()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.request.remote().map(|address| address.ip())
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.request.headers().get(name).for_each(|value| visit(value.as_bytes()));
        if let Some(cookies) = &self.cookies
            && name == "cookie"
        {
            visit(cookies.as_bytes());
        }
    }

    fn has_body(&self) -> bool {
        // Rocket does not tell the version: HTTP/1.1 requires a `Host`, and HTTP/2 clients send `:authority` instead.
        has_body(self, !self.request.headers().contains("host"))
    }
}

/// The sessions of a request, in its local cache. They end with the request, however that ends: it is not kept anywhere
/// else.
#[derive(Default)]
pub(super) struct Sessions {
    /// In the order of their fairings.
    held: Vec<Held>,
    /// What is answered instead of what the handler would.
    pub(super) refusal: Option<Reply>,
    /// Why a guard has failed.
    pub(super) failure: Option<Error>,
    /// What the fairings so far have set. Their sessions are stored, and the old secrets dead.
    cookies: Vec<Header>,
}

struct Held {
    session: Session,
    /// Until the fairing closes it.
    open: Option<OpenSession>,
}

/// Does something with the sessions of a request.
pub(super) fn with_sessions<T>(request: &Request<'_>, act: impl FnOnce(&mut Sessions) -> T) -> T {
    let sessions = request.local_cache(Mutex::<Sessions>::default);
    act(&mut sessions.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The session of a request whose cookie has this name, where several [`SessionFairing`](super::SessionFairing)s are
/// attached.
pub fn session_named(request: &Request<'_>, cookie_name: &str) -> Option<Session> {
    with_sessions(request, |sessions| {
        sessions
            .held
            .iter()
            .find(|held| held.session.cookie_name() == cookie_name)
            .map(|held| held.session.clone())
    })
}

impl Sessions {
    /// Whether a session is to be opened: not where another fairing has one of the same cookie name. If that is not one of
    /// these `sessions`, the request is refused.
    pub(super) fn begin(&mut self, sessions: &SessionManager) -> bool {
        // Rocket's test client may send a request again, with what is in its cache.
        self.held.retain(|held| held.open.is_some());
        if self.held.is_empty() {
            self.cookies.clear();
        }
        if self.refusal.is_some() {
            return false;
        }
        let cookie_name = &sessions.settings().cookie_name;
        match self.held.iter().find(|held| held.session.cookie_name() == cookie_name) {
            None => true,
            Some(held) => {
                let shared = held.session.is_of(sessions.engine());
                self.refusal = (!shared).then(|| Reply::clash(cookie_name));
                false
            }
        }
    }

    pub(super) fn put(&mut self, session: OpenSession) {
        self.held.push(Held { session: Session::clone(&session), open: Some(session) });
    }

    /// The session that handlers find.
    pub(super) fn first(&self) -> Option<Session> {
        self.held.first().map(|held| held.session.clone())
    }

    /// Configures the session that handlers find. Answers its settings before.
    pub(super) fn configure(&self, options: RouteOptions) -> Option<RouteOptions> {
        let session = self.first()?;
        let before = session.options();
        session.configure(options);
        before
    }

    /// Gives the session that handlers find its settings back.
    pub(super) fn restore(&self, before: Option<RouteOptions>) {
        if let (Some(session), Some(before)) = (self.first(), before) {
            session.restore(before);
        }
    }

    pub(super) fn end(&mut self, sessions: &SessionManager) -> Option<OpenSession> {
        self.held.iter_mut().find(|held| held.session.is_of(sessions.engine()))?.open.take()
    }

    /// The cookies that a response had, which has been replaced.
    pub(super) fn lost_cookies(&mut self) -> Vec<Header> {
        mem::take(&mut self.cookies)
    }

    pub(super) fn remember_cookies(&mut self, headers: &[Header]) {
        self.cookies.extend(headers.iter().filter(|header| header.name == "set-cookie").cloned());
    }
}
