//! HTTP/2: one connection for all of a browser's requests, and cookies in as many fields as it likes.

use std::collections::HashSet;

use axum::Router;
use axum::routing::{get, put};
use cloakroom::{Error, Session};
use cloakroom_tests::{Gate, Site};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::header::{COOKIE, SET_COOKIE};
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{COUNT, add_one, count, site};

/// A connection that speaks HTTP/2 from its first byte (RFC 9113 §3.3).
#[derive(Clone)]
struct Connection(SendRequest<Empty<Bytes>>);

impl Connection {
    async fn to(site: &Site) -> Self {
        let stream = TcpStream::connect(site.address).await.unwrap();
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// Answers the body, and the token in the cookie if one is set.
    async fn send(&self, method: Method, cookies: &[&str]) -> (String, Option<String>) {
        let mut request = Request::builder().method(method).uri("http://localhost/");
        for cookie in cookies {
            request = request.header(COOKIE, *cookie);
        }
        let response = self.0.clone().send_request(request.body(Empty::new()).unwrap()).await.unwrap();
        let token = response.headers().get(SET_COOKIE).map(|cookie| {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            pair.to_owned()
        });
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (String::from_utf8(body.into()).unwrap(), token)
    }
}

fn routes() -> Router {
    Router::new().route("/", get(count).post(add_one))
}

/// RFC 9113 §8.2.3: browsers split the `Cookie` field into crumbs to compress it better.
#[tokio::test]
async fn the_cookie_is_found_in_any_crumb() {
    let site = site(routes()).await;
    let connection = Connection::to(&site).await;
    let (body, token) = connection.send(Method::POST, &[]).await;
    assert_eq!(body, "1");
    let token = token.unwrap();
    for crumbs in [[&*token, "a=1", "b=2"], ["a=1", &token, "b=2"], ["a=1", "b=2", &token]] {
        assert_eq!(connection.send(Method::GET, &crumbs).await, ("1".into(), None), "{crumbs:?}");
    }
    assert_eq!(connection.send(Method::GET, &["a=1", "b=2"]).await.0, "0");
    assert_eq!(connection.send(Method::GET, &[&token, &token]).await.0, "1");
}

#[tokio::test]
async fn parallel_requests_on_one_connection_all_count() {
    let site = site(routes()).await;
    let connection = Connection::to(&site).await;
    let token = connection.send(Method::POST, &[]).await.1.unwrap();
    let requests: Vec<_> = (0..30)
        .map(|_| {
            let (connection, token) = (connection.clone(), token.clone());
            tokio::spawn(async move { connection.send(Method::POST, &[&token]).await.0 })
        })
        .collect();
    let mut answers = HashSet::new();
    for request in requests {
        answers.insert(request.await.unwrap());
    }
    assert_eq!(answers.len(), 30, "{answers:?}");
    assert_eq!(connection.send(Method::GET, &[&token]).await.0, "31");
}

/// A browser that resets one request keeps the connection, and its session must not stay locked.
#[tokio::test]
async fn a_request_that_is_reset_saves_nothing_and_frees_its_session() {
    let gate = Gate::new();
    let held = {
        let gate = gate.clone();
        async move |session: Session| {
            session.insert(COUNT, &99).await?;
            gate.pass().await;
            Ok::<_, Error>(())
        }
    };
    let site = site(routes().route("/", put(held))).await;
    let connection = Connection::to(&site).await;
    let token = connection.send(Method::POST, &[]).await.1.unwrap();
    let cookies = [&*token];
    tokio::select! {
        _ = connection.send(Method::PUT, &cookies) => panic!("the gate is closed"),
        () = gate.arrival() => {}
    }
    assert_eq!(connection.send(Method::POST, &[&token]).await.0, "2");
}
