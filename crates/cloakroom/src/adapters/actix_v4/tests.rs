use std::fmt;

use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::{ErrorForbidden, ErrorInternalServerError, InternalError};
use actix_web::http::Version;
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, call_service, init_service, read_body, try_call_service};
use actix_web::{App, Error, HttpMessage, HttpResponse, ResponseError, web};

use super::{RouteMiddleware, SessionMiddleware};
use crate::config::Settings;
use crate::error::Result;
use crate::manager::{RequestHead, SessionManager};
use crate::route_options::RouteOptions;
use crate::session::Session;
use crate::stores::MemoryStore;
use crate::testing::{Call, Fault, FaultyStore};

type Store = FaultyStore<MemoryStore>;

fn sessions(cookie_name: &str) -> (SessionManager, Store) {
    let store = FaultyStore::new(MemoryStore::new());
    let settings = Settings::new().cookie_name(cookie_name);
    (SessionManager::new(store.clone(), settings).unwrap(), store)
}

async fn insert(session: Session) -> Result<()> {
    session.insert("count", &1).await
}

/// What a middleware answers that lets the handler run and then fails with `error`; and how many sessions that began.
async fn failing<E: Into<Error> + 'static>(error: fn() -> E, fault: Option<Fault>) -> (Error, usize) {
    let (sessions, store) = sessions("id");
    if let Some(fault) = fault {
        store.fail(fault);
    }
    let fails = move |request: ServiceRequest, next: Next<_>| async move {
        next.call(request).await?;
        Err::<ServiceResponse, Error>(error().into())
    };
    let app = App::new()
        .route("/", web::get().to(insert))
        .wrap(from_fn(fails))
        .wrap(SessionMiddleware::new(sessions));
    let app = init_service(app).await;
    let answer = try_call_service(&app, TestRequest::get().to_request()).await;
    (answer.expect_err("still an error, for the middleware further out"), store.count(Call::Create))
}

async fn text(response: HttpResponse) -> String {
    let body = to_bytes(response.into_body()).await.unwrap_or_default();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Says its status in its response alone.
#[derive(Debug)]
struct Teapot;

impl fmt::Display for Teapot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("short and stout")
    }
}

impl ResponseError for Teapot {
    fn error_response(&self) -> HttpResponse {
        HttpResponse::ImATeapot().insert_header(("x-handle", "here")).body("tea")
    }
}

#[actix_web::test]
async fn a_middleware_s_error_below_500_saves_and_its_response_has_the_cookie() {
    let forbidden = || ErrorForbidden("no");
    let made = || InternalError::from_response("why", HttpResponse::Forbidden().body("no"));
    for (error, shown) in
        [failing(forbidden, None).await, failing(made, None).await].into_iter().zip(["no", "why"])
    {
        let (error, stored) = error;
        assert_eq!((error.to_string().as_str(), stored), (shown, 1));
        assert_eq!(error.as_response_error().status_code(), 403);
        let response = error.error_response();
        assert_eq!((response.status().as_u16(), response.headers().get_all("set-cookie").count()), (403, 1));
        assert_eq!(text(response).await, "no");
    }
}

#[actix_web::test]
async fn a_middleware_s_error_counts_by_its_response() {
    let (error, stored) = failing(|| Teapot, None).await;
    assert_eq!((error.to_string().as_str(), stored), ("short and stout", 1));
    let response = error.error_response();
    assert_eq!(response.status(), 418);
    assert!(response.headers().contains_key("x-handle") && response.headers().contains_key("set-cookie"));
    assert_eq!(text(response).await, "tea");
}

#[actix_web::test]
async fn a_middleware_s_error_of_500_saves_nothing() {
    let (error, stored) = failing(|| ErrorInternalServerError("broken"), None).await;
    let response = error.error_response();
    assert_eq!((response.status().as_u16(), stored), (500, 0));
    assert!(!response.headers().contains_key("set-cookie"));
    assert_eq!(text(response).await, "broken");
}

#[actix_web::test]
async fn a_middleware_s_error_whose_session_cannot_be_saved_is_replaced() {
    let (error, _) = failing(|| Teapot, Some(Fault::Unavailable)).await;
    assert_eq!(error.to_string(), "short and stout", "for those who log it");
    let response = error.error_response();
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key("x-handle") && !response.headers().contains_key("set-cookie"));
    assert_eq!(response.headers().get("retry-after").unwrap(), "1");
    assert_eq!(text(response).await, "the session store is unavailable");
}

#[actix_web::test]
async fn it_fits_around_an_app_a_scope_a_resource_and_a_route() {
    let (sessions, store) = sessions("id");
    let middleware = || SessionMiddleware::new(sessions.clone());
    let off = || RouteMiddleware::new(RouteOptions::new().off(true));
    let insert = || web::get().to(insert);
    let scope = web::scope("/scope").route("/on", insert()).route("/off", insert().wrap(off()));
    let inner = App::new()
        .service(scope.wrap(middleware()))
        .service(web::resource("/resource/on").route(insert()).wrap(middleware()))
        .service(web::resource("/resource/off").route(insert()).wrap(off()).wrap(middleware()))
        .route("/route/on", insert().wrap(middleware()))
        .route("/route/off", insert().wrap(off()).wrap(middleware()));
    let inner = init_service(inner).await;
    for (count, kind) in (1..).zip(["scope", "resource", "route"]) {
        let get = async |state| {
            let request = TestRequest::with_uri(&format!("/{kind}/{state}")).to_request();
            call_service(&inner, request).await.status().as_u16()
        };
        assert_eq!((get("on").await, get("off").await), (204, 500), "{kind}");
        assert_eq!(store.count(Call::Create), count, "{kind}");
    }
}

/// Writes to the session that is shown here, and notes its cookie's name.
async fn note(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let session = request.extensions().get::<Session>().cloned().expect("a session");
    session.insert("count", &1).await?;
    request.extensions_mut().get_mut::<Vec<String>>().unwrap().push(session.cookie_name().to_owned());
    next.call(request).await
}

#[actix_web::test]
async fn middlewares_with_other_cookie_names_have_their_own_sessions() {
    let ((one, _), (other, _)) = (sessions("one"), sessions("other"));
    let wrap = |sessions: &SessionManager| SessionMiddleware::new(sessions.clone());
    let names = async |names: web::ReqData<Vec<String>>| names.join(" ");
    let app = App::new()
        .route("/", web::get().to(names))
        .wrap(from_fn(note))
        .wrap(wrap(&one))
        .wrap(from_fn(note))
        .wrap(wrap(&other))
        .wrap(from_fn(note))
        .wrap(wrap(&one));
    let app = init_service(app).await;
    let request = TestRequest::get().to_request();
    request.extensions_mut().insert(Vec::<String>::new());
    let response = call_service(&app, request).await;
    let cookies: Vec<_> = response.headers().get_all("set-cookie").collect();
    let of =
        |name: &str| cookies.iter().filter(|cookie| cookie.as_bytes().starts_with(name.as_bytes())).count();
    assert_eq!((of("one="), of("other="), cookies.len()), (1, 1, 2));
    let hidden = cookies.iter().all(|cookie| cookie.is_sensitive());
    assert!(hidden, "not to be printed, nor kept by the compression of HTTP/2");
    assert_eq!(read_body(response).await, "one other one");
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
        let mut request = TestRequest::default().version(version).method(method.parse().unwrap());
        if let Some(length) = length {
            request = request.insert_header(("content-length", length));
        }
        assert_eq!(
            RequestHead::has_body(request.to_request().head()),
            expected,
            "{version:?} {method} {length:?}"
        );
    }
}
