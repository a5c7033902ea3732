//! `http_v1::serve`, which needs no framework.

use std::convert::Infallible;

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, Call, Fault, FaultyStore, Jar, TestClock};
use cloakroom::tower::SessionLayer;
use cloakroom::{Error, Locking, Session, SessionManager, Settings, http_v1};
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

use super::{COUNT, add_one, count};

type Store = FaultyStore<MemoryStore>;
type Page = Response<String>;

fn sessions(cookie_name: &str, locking: Locking) -> (SessionManager, Store) {
    let store = FaultyStore::new(MemoryStore::new());
    let settings = Settings::new().cookie_name(cookie_name).locking(locking);
    (testing::manager(store.clone(), settings, &TestClock::new()).unwrap(), store)
}

fn request(jar: &Jar) -> Request<()> {
    let mut request = Request::post("/").body(()).unwrap();
    jar.add_to(&mut request);
    request
}

/// Counts in the session of a layer further in.
async fn layered(request: Request<()>, inner: SessionManager) -> Page {
    let page = service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<Session>().unwrap().clone();
        Ok::<_, Infallible>(add_one(session).await.map_or_else(Response::from, Response::new))
    });
    let Ok(response) = SessionLayer::new(inner).layer(page).oneshot(request).await;
    response
}

/// Counts in the session of a function further in.
async fn served(request: Request<()>, inner: SessionManager) -> Page {
    let page = async |_, session| Ok::<_, Error>(Response::new(add_one(session).await?));
    let Ok(response) = http_v1::serve(inner, request, page).await;
    response
}

/// The bodies of two requests that use the session inside and outside, how many cookies came with the first, and the
/// number of sessions in each store. Without a name, the manager inside is a clone of the one outside.
async fn nested<F: Future<Output = Page>>(
    inner_name: Option<&str>,
    inside: impl Fn(Request<()>, SessionManager) -> F,
) -> ([String; 2], usize, [usize; 2]) {
    let (outer, outer_store) = sessions("__Host-id", Locking::ByMethod);
    let (inner, inner_store) = match inner_name {
        Some(name) => sessions(name, Locking::ByMethod),
        None => (outer.clone(), outer_store.clone()),
    };
    let (mut jar, mut bodies, mut cookies) = (Jar::new("localhost"), Vec::new(), Vec::new());
    for _ in 0..2 {
        let Ok(response) = http_v1::serve(outer.clone(), request(&jar), async |request, session| {
            session.insert("outside", &true).await?;
            let response = inside(request, inner.clone()).await;
            let outside = count(session).await?;
            Ok::<_, Error>(response.map(|body| format!("{body} {outside}")))
        })
        .await;
        jar.keep_from(&response);
        cookies.push(response.headers().get_all("set-cookie").iter().count());
        bodies.push(response.into_body());
    }
    let stored = [outer_store, inner_store].map(|store| store.count(Call::Create));
    (bodies.try_into().unwrap(), cookies[0], stored)
}

#[tokio::test]
async fn what_is_inside_shares_the_session_if_it_is_of_the_same_manager() {
    let shared = (["1 1".to_owned(), "2 2".to_owned()], 1, [1, 1]);
    assert_eq!(nested(None, layered).await, shared);
    assert_eq!(nested(None, served).await, shared);
}

/// SECURITY 55.
#[tokio::test]
async fn what_is_inside_is_refused_if_only_the_cookie_name_is_the_same() {
    let refusal = "the session call is not possible 0".to_owned();
    let refused = ([refusal.clone(), refusal], 0, [0, 0]);
    assert_eq!(nested(Some("__Host-id"), layered).await, refused);
    assert_eq!(nested(Some("__Host-id"), served).await, refused);
}

#[tokio::test]
async fn what_is_inside_has_its_own_session_if_the_cookie_has_another_name() {
    let separate = (["1 0".to_owned(), "2 0".to_owned()], 2, [1, 1]);
    assert_eq!(nested(Some("__Host-admin"), layered).await, separate);
    assert_eq!(nested(Some("__Host-admin"), served).await, separate);
}

/// An error of an application's own, as its documentation says.
enum Mine {
    Session(Error),
    Status(StatusCode),
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

impl From<Mine> for Page {
    fn from(error: Mine) -> Self {
        match error {
            Mine::Session(error) => error.into(),
            Mine::Status(status) => Response::builder().status(status).body("mine".into()).unwrap(),
        }
    }
}

#[tokio::test]
async fn an_error_of_the_application_s_own_is_the_response_and_saves_by_its_status() {
    let (sessions, store) = sessions("__Host-id", Locking::ByMethod);
    let mut jar = Jar::new("localhost");
    for (status, saved) in [(StatusCode::BAD_GATEWAY, false), (StatusCode::CONFLICT, true)] {
        let fail = async |_, session: Session| {
            session.insert(COUNT, &1).await?;
            Err(Mine::Status(status))
        };
        let Ok(response) = http_v1::serve(sessions.clone(), request(&jar), fail).await;
        jar.keep_from(&response);
        assert_eq!((response.status(), &**response.body()), (status, "mine"));
        assert_eq!((store.count(Call::Create), jar.is_empty()), (usize::from(saved), !saved));
    }
    store.fail(Fault::Unavailable);
    let page = async |_, session| Ok::<_, Mine>(Response::new(count(session).await?));
    let Ok(response) = http_v1::serve(sessions, request(&jar), page).await;
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
}

#[tokio::test]
async fn a_session_that_cannot_be_loaded_early_is_answered_without_the_handler() {
    let (sessions, store) = sessions("__Host-id", Locking::Early);
    let mut jar = Jar::new("localhost");
    let page = async |_, session| Ok::<_, Error>(Response::new(add_one(session).await?));
    let Ok(response) = http_v1::serve(sessions.clone(), request(&jar), page).await;
    jar.keep_from(&response);
    store.fail(Fault::Unavailable);
    let panics = async |_, _| -> Result<Page, Error> { panic!("the handler runs") };
    let Ok(response) = http_v1::serve(sessions, request(&jar), panics).await;
    assert_eq!((response.status().as_u16(), response.headers().get("set-cookie")), (503, None));
}
