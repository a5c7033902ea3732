//! A cloakroom with one peg: the routes that the tests of tokens and cookies share.

use axum::Router;
use axum::routing::{get, post};
use base64ct::{Base64UrlUnpadded, Encoding};
use cloakroom::{Error, Session};
use cloakroom_tests::{Browser, Request, Response, Site};
use sha2::Digest;
use tokio::net::TcpStream;

/// `/look` tells what the session is and holds; `/put` hangs up the coat in the body; `/sign-in` takes a name; the rest is
/// what it says.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/untouched", get(async |_: Session| "no session needed"))
        .route("/look", get(look).post(look))
        .route("/put", post(async |session: Session, coat: String| session.insert("coat", &coat).await))
        .route("/sign-in", post(async |session: Session, name: String| session.sign_in(&name).await))
        .route("/sign-out", post(async |session: Session| session.sign_out().await))
        .route("/rotate", post(async |session: Session| session.rotate().await))
        .route("/handle", get(handle))
}

async fn look(session: Session) -> Result<String, Error> {
    let coat = session.get::<String>("coat").await?;
    Ok(format!("{} {}", session.status().await?, coat.as_deref().unwrap_or("-")))
}

async fn handle(session: Session) -> Result<String, Error> {
    Ok(session.handle().await?.map_or_else(String::new, |handle| handle.to_string()))
}

/// Hangs up a coat, and answers the token for it.
pub(crate) async fn put(browser: &Browser, coat: &str) -> String {
    let response = browser.send(Request::post("/put").body(coat)).await;
    assert_eq!(response.status, 200, "{response:?}");
    browser.token().expect("a token for the coat")
}

/// Signs in, and answers the new token.
pub(crate) async fn sign_in(browser: &Browser, name: &str) -> String {
    let response = browser.send(Request::post("/sign-in").body(name)).await;
    assert_eq!(response.status, 200, "{response:?}");
    browser.token().expect("a token for the user")
}

/// What `/look` says to a request with this `Cookie` field.
pub(crate) async fn look_with(browser: &Browser, field: impl AsRef<[u8]>) -> Response {
    browser.send_and_ignore_cookies(Request::get("/look").header("Cookie", field)).await
}

/// The response to a request with these `Cookie` fields, and its body, on a connection of its own.
pub(crate) async fn over_http_2(
    site: &Site,
    method: &str,
    path: &str,
    cookies: &[&str],
) -> (http::Response<()>, String) {
    let stream = TcpStream::connect(site.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = http::Request::builder().method(method).uri(format!("http://{}{path}", site.address));
    let request = cookies.iter().fold(request, |request, cookie| request.header("cookie", *cookie));
    let (response, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
    let (head, mut stream) = response.await.unwrap().into_parts();
    let mut body = Vec::new();
    while let Some(part) = stream.data().await {
        body.extend_from_slice(&part.unwrap());
    }
    driver.abort();
    (http::Response::from_parts(head, ()), String::from_utf8(body).unwrap())
}

/// The bytes of a token.
pub(crate) fn decoded(token: &str) -> Vec<u8> {
    let text = token.strip_prefix('1').expect("a token begins with its version");
    Base64UrlUnpadded::decode_vec(text).expect("the rest is base64url")
}

/// The token made of these bytes.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    format!("1{}", Base64UrlUnpadded::encode_string(bytes))
}

/// A secret key, always the same for one seed.
pub(crate) fn secret_key(seed: u64) -> cloakroom::SecretKey {
    cloakroom::SecretKey::from_bytes(&key_bytes(seed)).expect("random enough")
}

/// The bytes of that key.
pub(crate) fn key_bytes(seed: u64) -> [u8; 32] {
    sha2::Sha256::digest(seed.to_be_bytes()).into()
}
