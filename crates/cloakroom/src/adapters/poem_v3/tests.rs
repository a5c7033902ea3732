use poem::http::HeaderMap;
use poem::middleware::CatchPanic;
use poem::test::TestClient;
use poem::{EndpointExt, Route, get, handler, post};

use super::*;
use crate::config::Settings;
use crate::stores::MemoryStore;
use crate::testing::Jar;

#[handler]
async fn count(session: Session) -> crate::error::Result<String> {
    Ok(session.get::<u64>("count").await?.unwrap_or(0).to_string())
}

#[handler]
async fn set_and_fail(session: Session, status: String) -> Result<()> {
    session.insert("count", &1).await?;
    let status = status.parse::<u16>().unwrap();
    Err(poem::Error::from_string("no such luck", StatusCode::from_u16(status).unwrap()))
}

#[handler]
async fn untouched() -> Result<()> {
    Err(StatusCode::CONFLICT.into())
}

#[handler]
async fn sign_in(session: Session) -> crate::error::Result<()> {
    session.sign_in("ann").await
}

#[handler]
async fn sign_out_and_panic(session: Session) {
    session.sign_out().await.unwrap();
    panic!("on purpose");
}

#[handler]
async fn by_question_mark(session: Session) -> Result<String> {
    Ok(session.require_subject().await?.as_str().to_owned())
}

#[handler]
async fn as_it_is(session: Session) -> crate::error::Result<String> {
    Ok(session.require_subject().await?.as_str().to_owned())
}

#[handler]
async fn if_any(session: Result<Session>, user: Option<SignedIn>) -> String {
    format!("{} {}", session.is_ok(), user.is_some())
}

fn routes() -> Route {
    Route::new()
        .at("/count", get(count))
        .at("/fail", post(set_and_fail))
        .at("/untouched", get(untouched))
        .at("/sign-in", post(sign_in))
        .at("/panic", post(sign_out_and_panic))
        .at("/question-mark", get(by_question_mark))
        .at("/as-it-is", get(as_it_is))
        .at(
            "/signed-in",
            get(poem::endpoint::make(async |request| {
                SignedIn::from_request_without_body(&request).await.map(drop)
            })),
        )
        .at("/if-any", get(if_any))
}

fn middleware() -> SessionMiddleware {
    SessionMiddleware::new(SessionManager::new(MemoryStore::new(), Settings::default()).unwrap())
}

async fn caught(error: poem::Error) -> (StatusCode, &'static str) {
    (error.status(), "caught")
}

/// The `Cookie` field after a response with these headers.
fn cookie(headers: &HeaderMap) -> String {
    let mut jar = Jar::new("localhost");
    for field in headers.get_all("set-cookie") {
        jar.receive(field.to_str().unwrap(), "/", true).unwrap();
    }
    jar.cookie_header("/", true).unwrap()
}

#[tokio::test]
async fn an_error_without_headers_of_the_session_stays_an_error() {
    let client = TestClient::new(routes().with(middleware()).catch_all_error(caught));
    for path in ["/untouched", "/no-such-page"] {
        client.get(path).send().await.assert_text("caught").await;
    }
}

#[tokio::test]
async fn an_error_of_status_4xx_saves_and_takes_the_cookie_along() {
    let client = TestClient::new(routes().with(middleware()).catch_all_error(caught));
    let response = client.post("/fail").body("422").send().await;
    response.assert_status(StatusCode::UNPROCESSABLE_ENTITY);
    let cookie = cookie(response.0.headers());
    response.assert_text("no such luck").await;
    client.get("/count").header("cookie", cookie).send().await.assert_text("1").await;
}

#[tokio::test]
async fn an_error_of_status_5xx_saves_nothing() {
    let client = TestClient::new(routes().with(middleware()));
    let response = client.post("/fail").body("503").send().await;
    response.assert_status(StatusCode::SERVICE_UNAVAILABLE);
    response.assert_header_is_not_exist("set-cookie");
    response.assert_text("no such luck").await;
}

#[tokio::test]
async fn what_catches_an_error_inside_decides_about_the_response_and_the_cookie_goes_with_it() {
    let client = TestClient::new(routes().catch_all_error(caught).with(middleware()));
    let response = client.post("/fail").body("422").send().await;
    response.assert_header_exist("set-cookie");
    response.assert_text("caught").await;
}

#[tokio::test]
async fn a_sessions_error_is_its_reply_however_a_handler_returns_it() {
    let client = TestClient::new(routes().with(middleware()));
    for path in ["/question-mark", "/as-it-is", "/signed-in"] {
        let response = client.get(path).send().await;
        response.assert_status(StatusCode::UNAUTHORIZED);
        response.assert_header("cache-control", "no-store");
        response.assert_header("content-type", "text/plain; charset=utf-8");
        response.assert_text("sign in first").await;
    }
}

#[tokio::test]
async fn a_handler_may_do_without_session_or_user() {
    TestClient::new(routes()).get("/if-any").send().await.assert_text("false false").await;
    let client = TestClient::new(routes().with(middleware()));
    client.get("/if-any").send().await.assert_text("true false").await;
    let signed_in = client.post("/sign-in").send().await;
    let cookie = cookie(signed_in.0.headers());
    client.get("/if-any").header("cookie", cookie).send().await.assert_text("true true").await;
}

#[tokio::test]
async fn a_sign_out_stays_though_the_handler_panics_and_the_panic_is_caught_outside() {
    let client = TestClient::new(routes().with(middleware()).with(CatchPanic::new()));
    let signed_in = client.post("/sign-in").send().await;
    let cookie = cookie(signed_in.0.headers());
    let response = client.post("/panic").header("cookie", &cookie).send().await;
    response.assert_status(StatusCode::INTERNAL_SERVER_ERROR);
    // The session is ended by a task of its own.
    tokio::task::yield_now().await;
    client.get("/as-it-is").header("cookie", &cookie).send().await.assert_status(StatusCode::UNAUTHORIZED);
}

/// In HTTP/2 a request may have a body without Content-Length.
#[test]
fn a_request_with_an_unsafe_method_and_no_length_has_a_body_from_http_2_on() {
    for (version, method, length, expected) in [
        (Version::HTTP_2, "POST", None, true),
        (Version::HTTP_2, "DELETE", None, true),
        (Version::HTTP_2, "GET", None, false),
        (Version::HTTP_2, "POST", Some("0"), false),
        (Version::HTTP_2, "POST", Some("10"), true),
        (Version::HTTP_2, "GET", Some("10"), true),
        (Version::HTTP_11, "POST", None, false),
        (Version::HTTP_11, "POST", Some("10"), true),
    ] {
        let mut request = Request::builder().version(version).method(method.parse().unwrap());
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        assert_eq!(RequestHead::has_body(&request.finish()), expected, "{version:?} {method} {length:?}");
    }
}
