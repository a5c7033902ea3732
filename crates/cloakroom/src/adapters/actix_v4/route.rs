use std::future::{Ready, ready};

use actix_web::HttpMessage;
use actix_web::dev::{Service, ServiceRequest, Transform, forward_ready};

use crate::session::{Route, Session};

/// Settings for some routes, to be put inside a [`SessionMiddleware`](super::SessionMiddleware): around a resource, a
/// scope, or a route.
///
/// ```
/// use actix_web::web;
/// use cloakroom::actix_v4::RouteMiddleware;
/// use cloakroom::{Locking, Route};
///
/// let explicit = Route { locking: Some(Locking::Explicit), ..Route::default() };
/// let uploads = web::scope("/uploads").wrap(RouteMiddleware::new(explicit));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RouteMiddleware {
    route: Route,
}

impl RouteMiddleware {
    /// A middleware that gives these settings to the requests that pass through it.
    pub fn new(route: Route) -> Self {
        Self { route }
    }
}

impl<S: Service<ServiceRequest>> Transform<S, ServiceRequest> for RouteMiddleware {
    type Response = S::Response;
    type Error = S::Error;
    type Transform = RouteService<S>;
    type InitError = ();
    type Future = Ready<Result<RouteService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(RouteService { inner, route: self.route }))
    }
}

/// The service that [`RouteMiddleware`] makes.
#[derive(Clone, Copy, Debug)]
pub struct RouteService<S> {
    inner: S,
    route: Route,
}

impl<S: Service<ServiceRequest>> Service<ServiceRequest> for RouteService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> S::Future {
        if let Some(session) = request.extensions().get::<Session>() {
            session.configure(self.route);
        }
        self.inner.call(request)
    }
}
