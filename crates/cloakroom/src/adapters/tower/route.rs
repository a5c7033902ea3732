use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::route_options::RouteOptions;
use crate::session::Session;

/// Settings for some routes, to be put inside a [`SessionLayer`](super::SessionLayer).
///
/// ```
/// use cloakroom::tower::RouteLayer;
/// use cloakroom::{Locking, RouteOptions};
///
/// let uploads = RouteLayer::new(RouteOptions::new().locking(Locking::Explicit));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RouteLayer {
    options: RouteOptions,
}

impl RouteLayer {
    /// A layer that gives these settings to the requests that pass through it.
    pub fn new(options: RouteOptions) -> Self {
        Self { options }
    }
}

impl<S> Layer<S> for RouteLayer {
    type Service = RouteService<S>;

    fn layer(&self, inner: S) -> RouteService<S> {
        RouteService { inner, options: self.options }
    }
}

/// The service that [`RouteLayer`] makes.
#[derive(Clone, Copy, Debug)]
pub struct RouteService<S> {
    inner: S,
    options: RouteOptions,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for RouteService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        if let Some(session) = request.extensions().get::<Session>() {
            session.configure(self.options);
        }
        self.inner.call(request)
    }
}
