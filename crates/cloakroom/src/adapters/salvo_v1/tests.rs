//! What Salvo's own flow of hoops, goals and catchers makes of a session; the rest is in the scenarios of all adapters.

use salvo::catcher::Catcher;
use salvo::http::{ReqBody, Version};
use salvo::prelude::*;
use salvo::test::{ResponseExt, TestClient};

use super::SessionHoop;
use crate::config::Settings;
use crate::manager::{RequestHead, SessionManager};
use crate::session::Session;
use crate::stores::MemoryStore;
use crate::testing::{Fault, FaultyStore};

#[handler]
async fn count(session: Session, res: &mut Response) -> crate::error::Result<String> {
    res.add_header("x-handler", "here", true).unwrap();
    let visits = session.get::<u64>("visits").await?.unwrap_or(0) + 1;
    session.insert("visits", &visits).await?;
    Ok(visits.to_string())
}

#[handler]
async fn count_and_skip(session: Session, res: &mut Response, ctrl: &mut FlowCtrl) {
    count::count(session, res).await.unwrap();
    ctrl.skip_rest();
}

#[handler]
async fn count_and_cease(session: Session, res: &mut Response, ctrl: &mut FlowCtrl) {
    count::count(session, res).await.unwrap();
    ctrl.cease();
}

#[handler]
async fn not_found(session: Session, res: &mut Response) -> crate::error::Result<()> {
    count::count(session, res).await?;
    res.status_code(StatusCode::NOT_FOUND);
    Ok(())
}

#[handler]
async fn fail_late(session: Session, res: &mut Response) -> crate::error::Result<()> {
    res.add_header("content-encoding", "gzip", true).unwrap();
    res.render("half a page");
    session.require_subject().await.map(drop)
}

#[handler]
async fn mark(res: &mut Response) {
    res.add_header("x-outside", "here", true).unwrap();
}

#[handler]
async fn page(res: &mut Response, ctrl: &mut FlowCtrl) {
    res.render("the catcher's page");
    ctrl.skip_rest();
}

fn hoop() -> SessionHoop {
    SessionHoop::new(SessionManager::new(MemoryStore::new(), Settings::default()).unwrap())
}

async fn get(service: &Service, cookie: &str) -> Response {
    TestClient::get("https://localhost/").add_header("cookie", cookie, true).send(service).await
}

/// The cookie that the response sets, as a request sends it.
fn cookie(response: &Response) -> String {
    let field = response.headers()["set-cookie"].to_str().unwrap();
    field.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_refused_request_ends_there_where_no_route_matches() {
    // Where one matches, Salvo itself stops at an error.
    let settings = Settings::new().ignore_expiry(false);
    let elsewhere = cookie(&get(&Service::new(Router::new().hoop(hoop()).get(count)), "").await);
    let sessions = SessionManager::new(MemoryStore::new(), settings.clone()).unwrap();
    let service = Service::new(Router::new()).hoop(SessionHoop::new(sessions)).hoop(count_and_skip);
    let mut response = get(&service, &elsewhere).await;
    assert_eq!(response.status_code.unwrap().as_u16(), settings.expired_status);
    assert_eq!(response.take_string().await.unwrap(), settings.expired_message);
    assert!(response.headers().get("x-handler").is_none(), "{:?}", response.headers());
}

#[tokio::test]
async fn a_hoop_that_skips_or_ceases_the_rest_is_saved() {
    let routers =
        [Router::new().hoop(hoop()).hoop(count_and_skip), Router::new().hoop(hoop()).hoop(count_and_cease)];
    for router in routers {
        let service = Service::new(router.push(Router::with_path("{**}").goal(count)));
        let first = get(&service, "").await;
        assert_eq!(first.status_code, Some(StatusCode::OK));
        assert!(cookie(&first).contains("id="));
    }
}

#[tokio::test]
async fn a_service_has_sessions_where_no_route_matches() {
    let service = Service::new(Router::with_path("elsewhere").get(count)).hoop(hoop()).hoop(count_and_skip);
    let response = get(&service, "").await;
    assert_eq!(response.status_code, Some(StatusCode::NOT_FOUND));
    assert!(cookie(&response).contains("id="));
}

#[tokio::test]
async fn a_response_that_is_replaced_keeps_the_headers_of_hoops_further_out() {
    let store = FaultyStore::new(MemoryStore::new());
    let sessions = SessionManager::new(store.clone(), Settings::default()).unwrap();
    let router = Router::new().hoop(mark).hoop(SessionHoop::new(sessions)).get(count);
    let service = Service::new(router).catcher(Catcher::default().hoop(page));
    store.fail(Fault::Unavailable);
    let mut response = get(&service, "").await;
    assert_eq!(response.status_code, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(response.headers()["x-outside"], "here");
    assert!(response.headers().get("x-handler").is_none(), "{:?}", response.headers());
    assert_eq!(response.take_string().await.unwrap(), "the session store is unavailable");
}

#[tokio::test]
async fn an_error_takes_the_place_of_a_body_that_was_begun() {
    let service = Service::new(Router::new().hoop(hoop()).get(fail_late));
    let mut response = get(&service, "").await;
    assert_eq!(response.status_code, Some(StatusCode::UNAUTHORIZED));
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert!(response.headers().get("content-encoding").is_none(), "{:?}", response.headers());
    assert_eq!(response.take_string().await.unwrap(), "sign in first");
}

#[tokio::test]
async fn a_catchers_page_keeps_the_sessions_cookie() {
    let router = Router::new().hoop(hoop()).get(not_found);
    let service = Service::new(router).catcher(Catcher::default().hoop(page));
    let mut response = get(&service, "").await;
    assert_eq!(response.take_string().await.unwrap(), "the catcher's page");
    assert!(cookie(&response).contains("id="));
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
        let mut request = Request::new();
        *request.version_mut() = version;
        *request.method_mut() = method.parse().unwrap();
        request.replace_body(ReqBody::Once("hello".into()));
        if let Some(length) = length {
            request.headers_mut().insert("content-length", length.parse().unwrap());
        }
        assert_eq!(RequestHead::has_body(&request), expected, "{version:?} {method} {length:?}");
    }
}
