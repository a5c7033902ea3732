use std::fmt;
use std::future::poll_fn;

use http::{Request, Response};
use tower_service::Service;

use super::Jar;

/// A client of a tower service that keeps cookies as a browser does, over HTTPS.
///
/// ```
/// # extern crate axum08 as axum;
/// # #[cfg(feature = "axum_v0_8")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use axum::Router;
/// use axum::body::Body;
/// use axum::http::Request;
/// use axum::routing::get;
/// use cloakroom::axum_v0_8::SessionLayer;
/// use cloakroom::stores::MemoryStore;
/// use cloakroom::testing::Client;
/// use cloakroom::{Session, SessionManager, Settings};
///
/// let sessions = SessionManager::new(MemoryStore::new(), Settings::default()).unwrap();
/// let visit = async |session: Session| session.insert("visited", &true).await;
/// let app = Router::new().route("/", get(visit)).layer(SessionLayer::new(sessions));
///
/// let mut browser = Client::new(app);
/// let response = browser.send(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
/// assert_eq!(response.status(), 200);
/// assert!(browser.jar().get("__Host-id").is_some());
/// # }
/// # #[cfg(not(feature = "axum_v0_8"))]
/// # fn main() {}
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
#[derive(Clone)]
pub struct Client<S> {
    service: S,
    jar: Jar,
}

impl<S> Client<S> {
    /// A client of this service, without cookies.
    pub fn new(service: S) -> Self {
        Self { service, jar: Jar::new("localhost") }
    }

    /// Its cookies.
    pub fn jar(&mut self) -> &mut Jar {
        &mut self.jar
    }

    /// Sends a request with the cookies that fit its path, and keeps those that come back.
    ///
    /// # Errors
    /// The service's own.
    ///
    /// # Panics
    /// If a browser would drop one of the cookies without a word; says why.
    pub async fn send<B, R>(&mut self, mut request: Request<B>) -> Result<Response<R>, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>>,
    {
        self.jar.add_to(&mut request);
        poll_fn(|cx| self.service.poll_ready(cx)).await?;
        let response = self.service.call(request).await?;
        self.jar.keep_from(&response);
        Ok(response)
    }
}

impl<S> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
