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
use tower::util::MapRequestLayer;
use tower::{Layer, Service, ServiceBuilder};

use super::hyper::{Body, listen, page, play, routes, steps};
use crate::site::{Adapter, Differences, Served};

pub(crate) struct Tower;

impl Adapter for Tower {
    const DIFFERENCES: Differences = Differences::NONE;

    async fn serve(sessions: SessionManager, script: Script) -> Served {
        listen(move |peer| {
            let told = MapRequestLayer::new(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddress(peer.ip()));
                request
            });
            let site = Site { script: script.clone(), again: SessionLayer::new(sessions.clone()) };
            TowerToHyperService::new(
                ServiceBuilder::new().layer(told).layer(SessionLayer::new(sessions.clone())).service(site),
            )
        })
        .await
    }
}

/// Finds the page for a path.
#[derive(Clone)]
struct Site {
    script: Script,
    again: SessionLayer,
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
        match steps(&request, "twice") {
            steps @ Some(_) => Box::pin(self.again.layer(Page { steps, ..page }).call(request)),
            None => Box::pin({ page }.call(request)),
        }
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
            let session = request.extensions().get::<Session>().expect("inside the layer").clone();
            let response = match steps {
                Some(steps) => play(&script, session, &steps).await,
                None => page(script, request, session).await,
            };
            Ok(response.unwrap_or_else(Response::from))
        })
    }
}
