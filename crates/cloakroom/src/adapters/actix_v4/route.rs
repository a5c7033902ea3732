use std::future::{Ready, ready};

use actix_web4::HttpMessage;
use actix_web4::dev::{Service, ServiceRequest, Transform, forward_ready};

use crate::route_options::RouteOptions;
use crate::session::Session;

/// Settings for some routes, to be put inside a [`SessionMiddleware`](super::SessionMiddleware): around a resource, a
/// scope, or a route.
///
/// ```
/// # extern crate actix_web4 as actix_web;
/// use actix_web::web;
/// use cloakroom::actix_v4::RouteMiddleware;
/// use cloakroom::{Locking, RouteOptions};
///
/// let explicit = RouteOptions::new().locking(Locking::Explicit);
/// let uploads = web::scope("/uploads").wrap(RouteMiddleware::new(explicit));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RouteMiddleware {
    options: RouteOptions,
}

impl RouteMiddleware {
    /// A middleware that gives these settings to the requests that pass through it.
    pub fn new(options: RouteOptions) -> Self {
        Self { options }
    }
}

impl<S: Service<ServiceRequest>> Transform<S, ServiceRequest> for RouteMiddleware {
    type Response = S::Response;
    type Error = S::Error;
    type Transform = RouteService<S>;
    type InitError = ();
    type Future = Ready<Result<RouteService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(RouteService { inner, options: self.options }))
    }
}

/// The service that [`RouteMiddleware`] makes.
#[derive(Clone, Copy, Debug)]
pub struct RouteService<S> {
    inner: S,
    options: RouteOptions,
}

impl<S: Service<ServiceRequest>> Service<ServiceRequest> for RouteService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> S::Future {
        if let Some(session) = request.extensions().get::<Session>() {
            session.configure(self.options);
        }
        self.inner.call(request)
    }
}
