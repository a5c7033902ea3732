//! The application as a tower service, without axum.

use std::convert::Infallible;
use std::task::{Context, Poll};

use cloakroom::tower::{PeerAddress, RouteLayer, SessionLayer};
use cloakroom::{Session, SessionManager};
use cloakroom_store::BoxFuture;
use cloakroom_tests::Script;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::hyper::{Body, listen, outside, page, play, routes, steps};
use crate::site::{Adapter, Differences, Served, clashing, other};

pub(crate) struct Tower;

impl Adapter for Tower {
    /// A service looks into the request's extensions itself.
    const DIFFERENCES: Differences = Differences { hides_what_is_missing: true, ..Differences::NONE };

    async fn serve(sessions: SessionManager, script: Script) -> Served {
        let inside = [
            ("twice", SessionLayer::new(sessions.clone())),
            ("clash", SessionLayer::new(clashing(&sessions))),
            ("other", SessionLayer::new(other(&sessions))),
        ];
        let layer = SessionLayer::new(sessions);
        listen(move |peer| {
            let bare = Site { script: script.clone(), inside: inside.clone() };
            let inside = layer.layer(bare.clone());
            TowerToHyperService::new(service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddress(peer.ip()));
                let (bare, inside) = (bare.clone(), inside.clone());
                async move {
                    match steps(&request, "bare") {
                        None => inside.oneshot(request).await,
                        Some(_) => bare.oneshot(request).await,
                    }
                }
            }))
        })
        .await
    }
}

/// Finds the page for a path.
#[derive(Clone)]
struct Site {
    script: Script,
    inside: [(&'static str, SessionLayer); 3],
}

impl Service<Request<Incoming>> for Site {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let page = Page { script: self.script.clone(), steps: None };
        for (name, route) in routes() {
            if let steps @ Some(_) = steps(&request, name) {
                return RouteLayer::new(route).layer(Page { steps, ..page }).call(request);
            }
        }
        for (name, layer) in &self.inside {
            if let steps @ Some(_) = steps(&request, name) {
                return Box::pin(layer.layer(Page { steps, ..page }).call(request));
            }
        }
        Box::pin({ page }.call(request))
    }
}

/// A page of the application; what its script is to do, where that is not the whole path.
#[derive(Clone)]
struct Page {
    script: Script,
    steps: Option<String>,
}

impl Service<Request<Incoming>> for Page {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let Self { script, steps } = self.clone();
        Box::pin(async move {
            let Some(session) = request.extensions().get::<Session>().cloned() else { return Ok(outside()) };
            let response = match steps {
                Some(steps) => play(&script, session, &steps).await,
                None => page(script, request, session).await,
            };
            Ok(response.unwrap_or_else(Response::from))
        })
    }
}
