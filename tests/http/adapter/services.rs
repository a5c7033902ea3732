//! The layer around tower services of every kind: it asks no more of them than tower does.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use axum::extract::ConnectInfo;
use axum::http::{Request, Response, header};
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, TestClock};
use cloakroom::tower::{PeerAddress, RouteLayer, SessionLayer};
use cloakroom::{Error, ErrorKind, Locking, RouteOptions, Session, SessionManager, Settings};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use super::{COUNT, add_one};

/// A body of a request, of which there can only be one.
struct Parcel(String);

fn sessions(locking: Locking) -> SessionManager {
    let settings = Settings::new().locking(locking);
    testing::manager(MemoryStore::new(), settings, &TestClock::new()).unwrap()
}

fn session<B>(request: &Request<B>) -> Session {
    request.extensions().get::<Session>().unwrap().clone()
}

/// Counts the session's requests, and answers in a body that is not axum's.
async fn counter(request: Request<Parcel>) -> Result<Response<Full<Bytes>>, BoxError> {
    let count = add_one(session(&request)).await?;
    Ok(Response::new(Full::from(format!("{} {count}", request.into_body().0))))
}

fn request(cookie: &Option<String>) -> Request<Parcel> {
    let mut request = Request::post("/").body(Parcel("parcel".into())).unwrap();
    if let Some(cookie) = cookie {
        request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
    }
    request
}

fn cookie(response: &Response<Full<Bytes>>) -> Option<String> {
    let set = response.headers().get(header::SET_COOKIE)?.to_str().unwrap();
    set.split(';').next().map(str::to_owned)
}

/// The cookie of a session in which one request was counted.
async fn stored(sessions: &SessionManager) -> Option<String> {
    let counting = SessionLayer::new(sessions.clone()).layer(service_fn(counter));
    cookie(&counting.oneshot(request(&None)).await.unwrap())
}

/// Sends requests of one browser one after the other, and answers their bodies.
async fn bodies<S>(service: S, how_many: usize) -> Vec<String>
where
    S: Service<Request<Parcel>, Response = Response<Full<Bytes>>, Error: Into<BoxError>> + Clone,
{
    let (mut token, mut bodies) = (None, Vec::new());
    for _ in 0..how_many {
        let response = service.clone().oneshot(request(&token)).await.map_err(Into::into).unwrap();
        token = cookie(&response).or(token);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        bodies.push(String::from_utf8(body.into()).unwrap());
    }
    bodies
}

/// Both ways through the layer: at once, and after the session was loaded before the handler.
const BOTH_WAYS: [Locking; 2] = [Locking::ByMethod, Locking::Early];

#[tokio::test]
async fn bodies_are_of_any_type_and_need_not_be_cloned() {
    for locking in BOTH_WAYS {
        let service = SessionLayer::new(sessions(locking)).layer(service_fn(counter));
        assert_eq!(bodies(service, 3).await, ["parcel 1", "parcel 2", "parcel 3"], "{locking:?}");
    }
}

/// It panics if it is called without having been asked whether it is ready.
#[tokio::test]
async fn the_service_that_is_called_is_the_one_that_was_ready() {
    for locking in BOTH_WAYS {
        let service = ServiceBuilder::new()
            .layer(SessionLayer::new(sessions(locking)))
            .layer(RouteLayer::new(RouteOptions::new()))
            .concurrency_limit(1)
            .service(service_fn(counter));
        assert_eq!(bodies(service, 3).await, ["parcel 1", "parcel 2", "parcel 3"], "{locking:?}");

        let service = ServiceBuilder::new()
            .buffer(4)
            .layer(SessionLayer::new(sessions(locking)))
            .buffer(1)
            .concurrency_limit(1)
            .service(service_fn(counter));
        assert_eq!(bodies(service, 3).await, ["parcel 1", "parcel 2", "parcel 3"], "{locking:?}");
    }
}

/// Its clones are not ready, as tower allows, and one that is called without being ready panics.
struct ReadyOnce(bool);

impl Clone for ReadyOnce {
    fn clone(&self) -> Self {
        Self(false)
    }
}

impl Service<Request<Parcel>> for ReadyOnce {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0 = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Parcel>) -> Self::Future {
        assert!(std::mem::take(&mut self.0), "called without being ready");
        ready(Ok(Response::new(Full::from("called"))))
    }
}

#[tokio::test]
async fn a_service_is_not_exchanged_for_a_clone_after_it_was_ready() {
    for locking in BOTH_WAYS {
        let sessions = sessions(locking);
        let cookie = stored(&sessions).await;
        let mut service = SessionLayer::new(sessions).layer(ReadyOnce(false));
        for _ in 0..3 {
            let response = service.ready().await.unwrap().call(request(&cookie)).await.unwrap();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "called", "{locking:?}");
        }
    }
}

/// No response is no answer to the browser either: nothing is saved, and the session is free.
#[tokio::test]
async fn an_error_of_the_service_passes_and_nothing_is_saved() {
    for locking in BOTH_WAYS {
        let sessions = sessions(locking);
        let counting = SessionLayer::new(sessions.clone()).layer(service_fn(counter));
        let cookie = stored(&sessions).await;
        let failing = SessionLayer::new(sessions).layer(service_fn(async |request: Request<Parcel>| {
            session(&request).insert(COUNT, &99).await?;
            Err::<Response<Full<Bytes>>, BoxError>("the network is down".into())
        }));
        let error = failing.oneshot(request(&cookie)).await.unwrap_err();
        assert_eq!(error.to_string(), "the network is down");
        let response = counting.oneshot(request(&cookie)).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "parcel 2", "{locking:?}");
    }
}

/// As a response of 500 would do it: a failed request saves nothing but the end of a session.
#[tokio::test]
async fn a_session_ended_before_an_error_of_the_service_is_over() {
    for locking in BOTH_WAYS {
        let store = testing::FaultyStore::new(MemoryStore::new());
        let settings = Settings::new().locking(locking);
        let sessions = testing::manager(store.clone(), settings, &TestClock::new()).unwrap();
        let layer = SessionLayer::new(sessions.clone());
        let counting = layer.layer(service_fn(counter));
        let cookie = stored(&sessions).await;
        let failing = layer.layer(service_fn(async |request: Request<Parcel>| {
            session(&request).sign_out().await?;
            if request.into_body().0 == "last" {
                store.fail(testing::Fault::Unavailable);
            }
            Err::<Response<Full<Bytes>>, BoxError>("the network is down".into())
        }));
        let error = failing.clone().oneshot(request(&cookie)).await.unwrap_err();
        assert_eq!(error.to_string(), "the network is down");
        let error = counting.oneshot(request(&cookie)).await.unwrap_err();
        assert_eq!(error.downcast_ref().map(Error::kind), Some(ErrorKind::Ended), "{locking:?}");

        let mut last = request(&stored(&sessions).await);
        *last.body_mut() = Parcel("last".into());
        let error = failing.oneshot(last).await.unwrap_err();
        assert_eq!(error.to_string(), "the network is down", "also where the end cannot be stored");
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_loaded_early_is_answered_without_the_service() {
    let store = testing::FaultyStore::new(MemoryStore::new());
    let settings = Settings::new().locking(Locking::Early);
    let sessions = testing::manager(store.clone(), settings, &TestClock::new()).unwrap();
    let cookie = stored(&sessions).await;
    store.fail(testing::Fault::Unavailable);
    let unreachable = SessionLayer::new(sessions).layer(service_fn(
        async |_: Request<Parcel>| -> Result<Response<Full<Bytes>>, Error> { panic!("the handler runs") },
    ));
    let response = unreachable.oneshot(request(&cookie)).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()[header::RETRY_AFTER]),
        (503, &"1".parse().unwrap())
    );
}

/// Whoever puts it there knows better than the socket: behind a PROXY protocol, say.
#[tokio::test]
async fn a_peer_address_in_the_extensions_wins_over_the_connection_s() {
    let settings = Settings::new().ignore_change_ip(false);
    let sessions = testing::manager(MemoryStore::new(), settings, &TestClock::new()).unwrap();
    let service = SessionLayer::new(sessions).layer(service_fn(counter));
    let send = async |cookie: &Option<String>, peer: Option<&str>, connection: &str| {
        let mut request = request(cookie);
        if let Some(peer) = peer {
            request.extensions_mut().insert(PeerAddress(peer.parse::<IpAddr>().unwrap()));
        }
        request.extensions_mut().insert(ConnectInfo(connection.parse::<SocketAddr>().unwrap()));
        service.clone().oneshot(request).await.unwrap()
    };
    let body =
        async |response: Response<Full<Bytes>>| response.into_body().collect().await.unwrap().to_bytes();
    let (here, there) = ("192.0.2.1", "192.0.2.2");
    let first = send(&None, Some(here), "198.51.100.1:1").await;
    let cookie = cookie(&first);
    assert_eq!(body(first).await, "parcel 1");
    assert_eq!(body(send(&cookie, Some(here), "198.51.100.2:1").await).await, "parcel 2");
    assert_eq!(body(send(&cookie, None, "192.0.2.1:1").await).await, "parcel 3");
    assert_eq!(body(send(&cookie, Some(there), "198.51.100.1:1").await).await, "parcel 1");
}

/// RFC 7541 §7.1.3.
#[tokio::test]
async fn a_cookie_is_marked_as_what_must_not_be_printed_or_compressed() {
    let sessions = sessions(Locking::ByMethod);
    let ending = |request: Request<Parcel>| async move {
        session(&request).destroy().await?;
        let mut response = Response::new(Full::<Bytes>::default());
        response.headers_mut().append(header::SET_COOKIE, "theme=dark".parse().unwrap());
        Ok::<_, BoxError>(response)
    };
    let layer = SessionLayer::new(sessions);
    let response = layer.layer(service_fn(counter)).oneshot(request(&None)).await.unwrap();
    assert!(response.headers()[header::SET_COOKIE].is_sensitive());
    assert!(!response.headers()[header::VARY].is_sensitive());
    let response = layer.layer(service_fn(ending)).oneshot(request(&cookie(&response))).await.unwrap();
    let marked: Vec<_> =
        response.headers().get_all(header::SET_COOKIE).iter().map(|c| c.is_sensitive()).collect();
    assert_eq!(marked, [false, true], "the application's own is its own affair");
}
