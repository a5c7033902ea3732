//! HTTP/2: one connection for all of a browser's requests, and cookies in as many fields as it likes.

use std::collections::HashSet;

use axum::Router;
use axum::routing::{get, put};
use cloakroom::{Error, Session};
use cloakroom_tests::{Gate, Http2, Request};

use super::{COUNT, add_one, count, site};

/// Answers the body, and the cookie if one is set.
async fn send(connection: &Http2, method: &'static str, cookies: &[&str]) -> (String, Option<String>) {
    let request = Request::new(method, "/");
    let request = cookies.iter().fold(request, |request, cookie| request.header("cookie", cookie));
    let response = connection.send(request).await;
    let pair = |cookie: &str| cookie.split_once(';').unwrap().0.to_owned();
    let token = response.header("set-cookie").map(pair);
    (response.body, token)
}

fn routes() -> Router {
    Router::new().route("/", get(count).post(add_one))
}

/// RFC 9113 §8.2.3: browsers split the `Cookie` field into crumbs to compress it better.
#[tokio::test]
async fn the_cookie_is_found_in_any_crumb() {
    let site = site(routes()).await;
    let connection = Http2::to(site.address).await;
    let (body, token) = send(&connection, "POST", &[]).await;
    assert_eq!(body, "1");
    let token = token.unwrap();
    for crumbs in [[&*token, "a=1", "b=2"], ["a=1", &token, "b=2"], ["a=1", "b=2", &token]] {
        assert_eq!(send(&connection, "GET", &crumbs).await, ("1".into(), None), "{crumbs:?}");
    }
    assert_eq!(send(&connection, "GET", &["a=1", "b=2"]).await.0, "0");
    assert_eq!(send(&connection, "GET", &[&token, &token]).await.0, "1");
}

#[tokio::test]
async fn parallel_requests_on_one_connection_all_count() {
    let site = site(routes()).await;
    let connection = Http2::to(site.address).await;
    let token = send(&connection, "POST", &[]).await.1.unwrap();
    let requests: Vec<_> = (0..30)
        .map(|_| {
            let (connection, token) = (connection.clone(), token.clone());
            tokio::spawn(async move { send(&connection, "POST", &[&token]).await.0 })
        })
        .collect();
    let mut answers = HashSet::new();
    for request in requests {
        answers.insert(request.await.unwrap());
    }
    assert_eq!(answers.len(), 30, "{answers:?}");
    assert_eq!(send(&connection, "GET", &[&token]).await.0, "31");
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
    let connection = Http2::to(site.address).await;
    let token = send(&connection, "POST", &[]).await.1.unwrap();
    let cookies = [&*token];
    tokio::select! {
        _ = send(&connection, "PUT", &cookies) => panic!("the gate is closed"),
        () = gate.arrival() => {}
    }
    assert_eq!(send(&connection, "POST", &[&token]).await.0, "2");
}
