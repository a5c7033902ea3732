use rocket05::route::{Handler, Outcome};
use rocket05::{Data, Request, async_trait};

use super::request::with_sessions;
use crate::route_options::RouteOptions;

/// Gives these settings to the requests of these routes: to the session that handlers find, where there are several. A
/// route that forwards takes them back; a lock that they had the session let go is not taken again.
///
/// ```
/// # extern crate rocket05 as rocket;
/// use cloakroom::rocket_v0_5::with_route;
/// use cloakroom::{Locking, RouteOptions};
/// use rocket::{post, routes};
///
/// #[post("/uploads")]
/// async fn upload() {}
///
/// let explicit = RouteOptions::new().locking(Locking::Explicit);
/// let rocket = rocket::build().mount("/", with_route(explicit, routes![upload]));
/// ```
pub fn with_route(
    options: RouteOptions,
    routes: impl IntoIterator<Item = rocket05::Route>,
) -> Vec<rocket05::Route> {
    let configured = |mut route: rocket05::Route| {
        route.handler = Box::new(Configured { options, handler: route.handler });
        route
    };
    routes.into_iter().map(configured).collect()
}

#[derive(Clone)]
struct Configured {
    options: RouteOptions,
    handler: Box<dyn Handler>,
}

#[async_trait]
impl Handler for Configured {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        let before = with_sessions(request, |sessions| sessions.configure(self.options));
        let outcome = self.handler.handle(request, data).await;
        if outcome.is_forward() {
            with_sessions(request, |sessions| sessions.restore(before));
        }
        outcome
    }
}
