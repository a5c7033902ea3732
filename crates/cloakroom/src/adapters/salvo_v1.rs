//! Sessions for [Salvo](https://docs.rs/salvo) 1.

use std::fmt;
use std::net::IpAddr;

use http::StatusCode;
use salvo_core::extract::{Extractible, Metadata};
use salvo_core::http::StatusError;
use salvo_core::{Depot, FlowCtrl, Handler, Request, Response, Scribe, async_trait};

use super::http_v1::{apply, visit_fields};
use super::nested;
use crate::answer::{Answer, Reply};
use crate::error::Error;
use crate::manager::{RequestHead, SessionManager};
use crate::session::{Route, Session, SignedIn};

/// Gives each request its session.
#[derive(Clone, Debug)]
pub struct SessionHoop {
    sessions: SessionManager,
}

impl SessionHoop {
    /// A hoop over these sessions.
    pub fn new(sessions: SessionManager) -> Self {
        Self { sessions }
    }
}

#[async_trait]
impl Handler for SessionHoop {
    async fn handle(&self, req: &mut Request, depot: &mut Depot, res: &mut Response, ctrl: &mut FlowCtrl) {
        if nested::show(req.extensions_mut(), &self.sessions.settings().cookie_name) {
            return;
        }
        let session = self.sessions.open(req);
        nested::put(req.extensions_mut(), Session::clone(&session));
        if let Some(preparation) = session.prepare()
            && let Some(reply) = preparation.await
        {
            ctrl.skip_rest();
            return reply.render(res);
        }
        let headers_before = res.headers().clone();
        ctrl.call_next(req, depot, res).await;
        // Salvo makes a 200 of a route's response that has none.
        let status = res.status_code.unwrap_or_default();
        match session.close(status.as_u16()).await {
            Answer::Keep(headers) => apply(res.headers_mut(), headers.into_fields()),
            Answer::Replace(reply) => {
                // A new one has no cookies in its jar either.
                *res = Response::new();
                res.set_headers(headers_before);
                reply.render(res);
            }
        }
    }
}

/// Settings for some routes, to be put inside a [`SessionHoop`].
///
/// ```
/// use cloakroom::salvo_v1::RouteHoop;
/// use cloakroom::{Locking, Route};
///
/// let uploads = RouteHoop::new(Route { locking: Some(Locking::Explicit), ..Route::default() });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RouteHoop {
    route: Route,
}

impl RouteHoop {
    /// A hoop that gives these settings to the requests that pass through it.
    pub fn new(route: Route) -> Self {
        Self { route }
    }
}

#[async_trait]
impl Handler for RouteHoop {
    async fn handle(&self, req: &mut Request, _: &mut Depot, _: &mut Response, _: &mut FlowCtrl) {
        if let Some(session) = req.extensions().get::<Session>() {
            session.configure(self.route);
        }
    }
}

impl RequestHead for Request {
    fn method(&self) -> &str {
        self.method().as_str()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.remote_addr().ip()
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        visit_fields(self.headers(), name, visit);
    }
}

impl<'ex> Extractible<'ex> for Session {
    fn metadata() -> &'static Metadata {
        static METADATA: Metadata = Metadata::new("Session");
        &METADATA
    }

    #[expect(refining_impl_trait, reason = "a hoop that extracts it may want to know what is wrong")]
    async fn extract(req: &'ex mut Request, _: &'ex mut Depot) -> Result<Self, MissingHoop> {
        req.extensions().get::<Self>().cloned().ok_or(MissingHoop)
    }
}

impl<'ex> Extractible<'ex> for SignedIn {
    fn metadata() -> &'static Metadata {
        static METADATA: Metadata = Metadata::new("SignedIn");
        &METADATA
    }

    /// Fails with either of two errors; a `Result` is what Salvo writes either variant of.
    #[expect(refining_impl_trait, reason = "a hoop that extracts it may want to know what is wrong")]
    async fn extract(
        req: &'ex mut Request,
        depot: &'ex mut Depot,
    ) -> Result<Self, Result<Error, MissingHoop>> {
        let session = Session::extract(req, depot).await.map_err(Err)?;
        session.require_subject().await.map(Self).map_err(Ok)
    }
}

/// A handler asks for a [`Session`], and there is no [`SessionHoop`] around its route. Answers 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingHoop;

impl fmt::Display for MissingHoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no session: add `.hoop(SessionHoop::new(sessions))` to the service, or to a router around this route")
    }
}

impl std::error::Error for MissingHoop {}

impl Scribe for MissingHoop {
    fn render(self, res: &mut Response) {
        res.status_code(StatusCode::INTERNAL_SERVER_ERROR).render(self.to_string());
    }
}

impl Scribe for Error {
    fn render(self, res: &mut Response) {
        self.reply().render(res);
    }
}

impl Scribe for Reply {
    fn render(self, res: &mut Response) {
        // Removes the headers that describe a body which was there before.
        StatusError::internal_server_error().render(res);
        res.status_code = StatusCode::from_u16(self.status()).ok();
        let (headers, body) = self.into_parts();
        apply(res.headers_mut(), headers);
        res.body(body);
    }
}
