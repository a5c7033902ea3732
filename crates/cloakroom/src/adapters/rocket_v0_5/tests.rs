//! What the scenarios cannot show: what is Rocket's own.

use std::sync::Arc;
use std::time::Duration;

use rocket::config::{Config, LogLevel};
use rocket::error::ErrorKind;
use rocket::fairing::AdHoc;
use rocket::http::{Header, Method, Status};
use rocket::local::asynchronous::Client;
use rocket::request::{FromRequest, Outcome};
use rocket::response::Redirect;
use rocket::shield::Shield;
use rocket::{
    Build, Request, Responder, Rocket, State, async_trait, catch, catchers, get, post, routes, uri,
};
use tokio::sync::Notify;

use super::request::Head;
use super::{MissingFairing, SessionFairing, session_named, with_route};
use crate::config::{Locking, Settings};
use crate::error::Result;
use crate::manager::{RequestHead, SessionManager};
use crate::route_options::RouteOptions;
use crate::session::{Session, SignedIn};
use crate::stores::MemoryStore;
use crate::testing::{Call, Fault, FaultyStore};

fn rocket() -> Rocket<Build> {
    rocket::custom(Config { log_level: LogLevel::Off, ..Config::debug_default() })
}

fn fairing(settings: Settings) -> SessionFairing {
    SessionFairing::new(SessionManager::new(MemoryStore::new(), settings).unwrap())
}

fn named(cookie_name: &str) -> SessionFairing {
    fairing(Settings::new().cookie_name(cookie_name))
}

async fn client(rocket: Rocket<Build>) -> Client {
    Client::tracked(rocket).await.unwrap()
}

async fn get(client: &Client, path: &'static str) -> String {
    client.get(path).dispatch().await.into_string().await.unwrap()
}

async fn incremented(session: &Session) -> Result<String> {
    let count = session.get::<u64>("count").await?.unwrap_or(0) + 1;
    session.insert("count", &count).await?;
    Ok(count.to_string())
}

#[get("/count")]
async fn count(session: Session) -> Result<String> {
    incremented(&session).await
}

#[tokio::test]
async fn an_application_that_lacks_the_fairing_does_not_launch() {
    #[get("/")]
    fn account(_user: SignedIn) {}

    for routes in [routes![count], routes![account]] {
        let error = Client::tracked(rocket().mount("/", routes.clone())).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::SentinelAborts(_)), "{error}");
        Client::tracked(rocket().mount("/", routes).attach(fairing(Settings::default()))).await.unwrap();
    }
    assert!(format!("{MissingFairing:?}").contains("attach"), "what Rocket logs");
}

struct Admin(Session);

#[async_trait]
impl<'r> FromRequest<'r> for Admin {
    type Error = MissingFairing;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, MissingFairing> {
        Outcome::Success(Self(session_named(request, "__Host-admin").unwrap()))
    }
}

#[get("/admin")]
async fn admin(session: Admin) -> Result<String> {
    incremented(&session.0).await
}

#[tokio::test]
async fn fairings_with_different_cookies_have_sessions_of_their_own_and_handlers_find_the_first_s() {
    let rocket = rocket().mount("/", routes![count, admin]);
    let client = client(rocket.attach(named("__Host-id")).attach(named("__Host-admin"))).await;
    for expected in ["1", "2"] {
        assert_eq!(get(&client, "/count").await, expected);
    }
    assert_eq!(get(&client, "/admin").await, "1");
    assert_eq!(get(&client, "/count").await, "3");
    assert_eq!(get(&client, "/admin").await, "2");
    let names: Vec<String> = client.cookies().iter().map(|cookie| cookie.name().to_owned()).collect();
    assert_eq!((names.len(), names.contains(&"__Host-admin".into())), (2, true), "{names:?}");
}

#[tokio::test]
async fn fairings_with_the_same_cookie_share_a_session() {
    let lock_timeout = Duration::from_millis(50);
    let sessions = fairing(Settings::new().locking(Locking::Early).lock_timeout(lock_timeout));
    let client = client(rocket().mount("/", routes![count]).attach(sessions.clone()).attach(sessions)).await;
    let first = client.get("/count").dispatch().await;
    assert_eq!(first.headers().get("set-cookie").count(), 1);
    assert_eq!(get(&client, "/count").await, "2", "it does not wait for itself");
}

#[tokio::test]
async fn a_request_that_is_sent_again_has_its_session_again() {
    let client = client(rocket().mount("/", routes![count]).attach(fairing(Settings::default()))).await;
    assert_eq!(get(&client, "/count").await, "1");
    let request = client.get("/count");
    for expected in ["2", "3"] {
        assert_eq!(request.clone().dispatch().await.into_string().await.unwrap(), expected);
    }
    assert_eq!(get(&client, "/count").await, "4", "and it was saved each time");
}

/// Its handler waits while it has the session to itself, and then the client drops the request.
#[tokio::test]
async fn a_request_that_is_dropped_lets_others_have_the_session() {
    #[post("/wait")]
    async fn wait(session: Session, here: &State<Arc<Notify>>) -> Result<()> {
        session.insert("count", &100).await?;
        here.notify_one();
        std::future::pending().await
    }

    #[post("/count")]
    async fn locked_count(session: Session) -> Result<String> {
        incremented(&session).await
    }

    let here = Arc::new(Notify::new());
    let rocket = rocket().mount("/", routes![wait, locked_count]).manage(Arc::clone(&here));
    let client = client(rocket.attach(fairing(Settings::default()))).await;
    client.post("/count").dispatch().await;
    tokio::select! {
        _ = client.post("/wait").dispatch() => unreachable!(),
        () = here.notified() => {}
    }
    let next = client.post("/count").dispatch().await;
    assert_eq!(next.into_string().await.unwrap(), "2", "neither locked out, nor saved for");
}

#[get("/account")]
fn account(user: SignedIn) -> String {
    user.as_str().to_owned()
}

#[tokio::test]
async fn rocket_s_own_catcher_answers_for_a_guard_with_the_headers_of_its_error() {
    let store = FaultyStore::new(MemoryStore::new());
    let sessions = SessionManager::new(store.clone(), Settings::default()).unwrap();
    let rocket = rocket().mount("/", routes![count, account]).attach(SessionFairing::new(sessions));
    let client = client(rocket).await;
    get(&client, "/count").await;

    let response = client.get("/account").dispatch().await;
    assert_eq!(response.status(), Status::Unauthorized);
    assert_eq!(response.headers().get_one("cache-control"), Some("no-store"));
    assert_eq!(response.headers().get_one("retry-after"), None);
    let types: Vec<_> = response.headers().get("content-type").collect();
    assert_eq!(types, ["text/html; charset=utf-8"], "the catcher's");

    store.fail(Fault::Unavailable);
    let response = client.get("/account").dispatch().await;
    assert_eq!(response.status(), Status::ServiceUnavailable);
    assert_eq!(response.headers().get_one("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_catcher_of_the_application_s_own_answers_for_a_guard() {
    #[catch(401)]
    fn to_login() -> Redirect {
        Redirect::to(uri!("/login"))
    }

    let rocket = rocket().mount("/", routes![account]).register("/", catchers![to_login]);
    let client = client(rocket.attach(fairing(Settings::default()))).await;
    let response = client.get("/account").dispatch().await;
    assert_eq!(
        (response.status(), response.headers().get_one("location")),
        (Status::SeeOther, Some("/login"))
    );
    assert_eq!(response.headers().get_one("cache-control"), None);
}

#[tokio::test]
async fn a_handler_may_answer_for_a_guard_itself() {
    #[get("/front")]
    fn front(user: Result<SignedIn>) -> String {
        user.map_or_else(|error| error.to_string(), |user| user.as_str().to_owned())
    }

    let client = client(rocket().mount("/", routes![front]).attach(fairing(Settings::default()))).await;
    let response = client.get("/front").dispatch().await;
    assert_eq!((response.status(), response.headers().get_one("cache-control")), (Status::Ok, None));
    assert_eq!(response.into_string().await.unwrap(), "sign in first");
}

/// Whatever a fairing does to the path.
#[tokio::test]
async fn no_handler_runs_where_the_session_refuses_the_request() {
    #[get("/elsewhere")]
    fn elsewhere() -> &'static str {
        "a handler"
    }

    let store = FaultyStore::new(MemoryStore::new());
    let settings = Settings::new().ignore_expiry(false);
    let sessions = SessionFairing::new(SessionManager::new(store.clone(), settings).unwrap());
    let moves =
        AdHoc::on_request("moves", |request, _| Box::pin(async move { request.set_uri(uri!("/elsewhere")) }));
    let rocket = rocket().mount("/", routes![elsewhere]).attach(sessions.clone()).attach(sessions);
    let client = Client::untracked(rocket.attach(moves)).await.unwrap();
    // A token that was never issued is as good as one of a session that has expired long ago.
    let request = client.get("/").cookie(("__Host-id", format!("1{}", "A".repeat(43))));
    for sent in 1..=2 {
        let response = request.clone().dispatch().await;
        assert_eq!(response.status(), Status::Unauthorized);
        assert_eq!(response.headers().get("set-cookie").count(), 1, "the cookie is removed");
        assert_eq!(response.into_string().await.unwrap(), "Your session has expired.");
        assert_eq!(store.count(Call::Load), sent, "the second fairing does not ask again");
    }
    assert_eq!(get(&client, "/").await, "a handler");
}

#[tokio::test]
async fn what_answers_refusals_is_not_there_for_other_requests() {
    #[get("/<_..>", rank = 100)]
    fn rest() -> &'static str {
        "the rest"
    }

    let settings = Settings::new().ignore_expiry(false);
    let with_routes = client(rocket().mount("/", routes![rest]).attach(fairing(settings.clone()))).await;
    assert_eq!(get(&with_routes, "/anything/at?all").await, "the rest");
    let without = client(rocket().attach(fairing(settings))).await;
    let with_none = client(rocket()).await;
    for path in ["/", "/anything/at?all"] {
        let [ours, rockets] = [without.get(path).dispatch().await, with_none.get(path).dispatch().await];
        assert_eq!((ours.status(), rockets.status()), (Status::NotFound, Status::NotFound));
        assert_eq!(ours.into_string().await, rockets.into_string().await);
    }
}

#[tokio::test]
async fn a_replaced_response_has_the_headers_of_the_fairings_attached_later() {
    let store = FaultyStore::new(MemoryStore::new());
    store.fail_calls(Call::Create, Fault::Unavailable);
    let sessions = SessionManager::new(store, Settings::default()).unwrap();
    let rocket = || rocket().mount("/", routes![count]).attach(SessionFairing::new(sessions.clone()));
    // Rocket's own is attached before all others, and again after them takes its place.
    for (rocket, options) in [(rocket(), None), (rocket().attach(Shield::default()), Some("SAMEORIGIN"))] {
        let client = Client::untracked(rocket).await.unwrap();
        let response = client.get("/count").dispatch().await;
        assert_eq!(response.status(), Status::ServiceUnavailable);
        assert_eq!(response.headers().get_one("x-frame-options"), options);
        assert_eq!(client.get("/nowhere").dispatch().await.headers().get("x-frame-options").count(), 1);
    }
}

/// SAFETY F12.
#[tokio::test]
async fn a_panic_that_a_catcher_answers_with_a_redirect_saves_nothing_but_the_end_of_a_session() {
    #[get("/panic")]
    async fn panics(session: Session) -> &'static str {
        incremented(&session).await.unwrap();
        std::panic::panic_any("as told");
    }

    #[get("/out")]
    async fn signs_out(session: Session) -> &'static str {
        session.sign_out().await.unwrap();
        incremented(&session).await.unwrap();
        std::panic::panic_any("as told");
    }

    #[catch(500)]
    fn to_start() -> Redirect {
        Redirect::to(uri!("/"))
    }

    let rocket = rocket().mount("/", routes![count, panics, signs_out]).register("/", catchers![to_start]);
    let client = client(rocket.attach(fairing(Settings::default()))).await;
    let response = client.get("/panic").dispatch().await;
    assert_eq!((response.status(), response.headers().get("set-cookie").count()), (Status::SeeOther, 0));
    assert_eq!(get(&client, "/count").await, "1");
    assert_eq!(client.get("/panic").dispatch().await.status(), Status::SeeOther);
    assert_eq!(get(&client, "/count").await, "2");
    let response = client.get("/out").dispatch().await;
    let removal = response.headers().get_one("set-cookie").unwrap();
    assert_eq!((response.status(), removal.contains("Max-Age=0")), (Status::SeeOther, true));
    assert_eq!(get(&client, "/count").await, "1");
}

/// Whose first guard forwards.
#[get("/<_id>")]
fn by_number(_id: u32) -> &'static str {
    "a number"
}

#[get("/<_slug>", rank = 2)]
async fn by_slug(session: Session, _slug: &str) -> Result<String> {
    incremented(&session).await
}

/// Uses the session.
#[catch(default)]
async fn lost(_status: Status, request: &Request<'_>) -> String {
    let session = request.guard::<Session>().await.unwrap();
    incremented(&session).await.unwrap_or_else(|error| error.to_string())
}

fn off() -> RouteOptions {
    RouteOptions::new().off(true)
}

#[tokio::test]
async fn a_route_that_forwards_takes_its_settings_back() {
    let rocket = rocket().mount("/", with_route(off(), routes![by_number])).mount("/slugs", routes![by_slug]);
    let rocket = rocket.mount("/slugs", with_route(off(), routes![by_number])).register("/", catchers![lost]);
    let client = client(rocket.attach(fairing(Settings::default()))).await;
    assert_eq!(get(&client, "/slugs/7").await, "a number");
    assert_eq!(get(&client, "/slugs/seven").await, "1", "the next route");
    assert_eq!(get(&client, "/seven").await, "2", "a catcher");
}

#[tokio::test]
async fn a_route_that_forwards_leaves_what_was_set_before() {
    let off = AdHoc::on_request("off", |request, _| {
        Box::pin(async move { request.guard::<Session>().await.unwrap().configure(off()) })
    });
    let routes = with_route(RouteOptions::new(), routes![by_number]);
    let rocket = rocket().mount("/", routes).mount("/", routes![by_slug]);
    let client = client(rocket.attach(fairing(Settings::default())).attach(off)).await;
    assert_eq!(client.get("/seven").dispatch().await.status(), Status::InternalServerError);
}

#[tokio::test]
async fn the_settings_of_a_route_are_for_the_session_that_handlers_find() {
    let rocket = rocket().mount("/", with_route(off(), routes![count, admin]));
    let client = client(rocket.attach(named("__Host-id")).attach(named("__Host-admin"))).await;
    assert_eq!(client.get("/count").dispatch().await.status(), Status::InternalServerError);
    assert_eq!(get(&client, "/admin").await, "1");
}

/// Its second fairing cannot save.
#[tokio::test]
async fn a_replaced_response_has_the_cookies_of_the_fairings_attached_before() {
    #[post("/both")]
    async fn both(session: Session, admin: Admin) -> Result<()> {
        session.sign_in("ann").await?;
        admin.0.insert("count", &1).await
    }

    let store = FaultyStore::new(MemoryStore::new());
    store.fail_calls(Call::Create, Fault::Unavailable);
    let settings = Settings::new().cookie_name("__Host-admin");
    let admins = SessionFairing::new(SessionManager::new(store, settings).unwrap());
    let rocket = rocket().mount("/", routes![both, account]).attach(fairing(Settings::default()));
    let client = client(rocket.attach(admins)).await;
    let request = client.post("/both");
    for _ in 1..=2 {
        let response = request.clone().dispatch().await;
        assert_eq!(response.status(), Status::ServiceUnavailable);
        let cookies: Vec<_> = response.headers().get("set-cookie").collect();
        assert!(matches!(cookies[..], [cookie] if cookie.starts_with("__Host-id=")), "{}", cookies.len());
    }
    assert_eq!(get(&client, "/account").await, "ann", "who was signed in before the other failed");
}

#[tokio::test]
async fn what_answers_for_a_guard_keeps_cache_headers_of_its_own() {
    #[catch(401)]
    fn stranger() -> Kept {
        Kept { body: "who are you?", cache: Header::new("Cache-Control", "private") }
    }

    #[derive(Responder)]
    #[response(status = 401)]
    struct Kept {
        body: &'static str,
        cache: Header<'static>,
    }

    let rocket = rocket().mount("/", routes![account]).register("/", catchers![stranger]);
    let client = client(rocket.attach(fairing(Settings::default()))).await;
    let response = client.get("/account").dispatch().await;
    assert_eq!(response.status(), Status::Unauthorized);
    assert_eq!(response.headers().get("cache-control").collect::<Vec<_>>(), ["private"]);
}

#[tokio::test]
async fn a_fairing_attached_before_has_its_response_s_changes_saved_and_one_attached_after_has_not() {
    let writes = || {
        AdHoc::on_response("writes", |request, _| {
            Box::pin(async move {
                let session = request.guard::<Session>().await.unwrap();
                _ = incremented(&session).await;
            })
        })
    };
    let sessions = || fairing(Settings::default());
    let before = rocket().attach(writes()).attach(sessions());
    let after = rocket().attach(sessions()).attach(writes());
    for (rocket, expected) in [(before, "3"), (after, "2")] {
        let client = client(rocket.mount("/", routes![count])).await;
        assert_eq!(get(&client, "/count").await, "1");
        assert_eq!(get(&client, "/count").await, expected);
    }
}

#[tokio::test]
async fn a_fairing_attached_after_finds_the_session_of_a_request_and_one_attached_before_does_not() {
    let looks = || {
        AdHoc::on_request("looks", |request, _| {
            Box::pin(async move {
                if let Outcome::Success(session) = request.guard::<Session>().await {
                    incremented(&session).await.unwrap();
                }
            })
        })
    };
    let sessions = || fairing(Settings::default());
    let before = rocket().attach(looks()).attach(sessions());
    let after = rocket().attach(sessions()).attach(looks());
    for (rocket, expected) in [(before, "1"), (after, "2")] {
        assert_eq!(get(&client(rocket.mount("/", routes![count])).await, "/count").await, expected);
    }
}

#[tokio::test]
async fn a_catcher_has_the_session_too() {
    let rocket = rocket().register("/", catchers![lost]);
    let client = client(rocket.attach(fairing(Settings::default()))).await;
    for expected in ["1", "2"] {
        let response = client.get("/nowhere").dispatch().await;
        assert_eq!(response.status(), Status::NotFound);
        assert_eq!(response.into_string().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_request_of_the_test_client_has_the_address_that_it_is_given() {
    let settings = Settings::new().ignore_change_ip(false);
    let client = client(rocket().mount("/", routes![count]).attach(fairing(settings))).await;
    assert_eq!(client.get("/count").dispatch().await.status(), Status::InternalServerError);
    let response = client.get("/count").remote(([127, 0, 0, 1], 4000).into()).dispatch().await;
    assert_eq!(response.into_string().await.unwrap(), "1");
}

/// Rocket tells no version. In HTTP/2, whose clients send no `Host`, a request may have a body without Content-Length.
#[tokio::test]
async fn a_request_with_an_unsafe_method_and_neither_length_nor_host_has_a_body() {
    let client = client(rocket()).await;
    for (method, fields, expected) in [
        (Method::Post, &[][..], true),
        (Method::Get, &[], false),
        (Method::Post, &[("content-length", "0")], false),
        (Method::Post, &[("content-length", "10")], true),
        (Method::Post, &[("host", "example.org")], false),
        (Method::Post, &[("host", "example.org"), ("content-length", "10")], true),
    ] {
        let mut request = client.req(method, "/");
        for (name, value) in fields {
            request.add_header(Header::new(*name, *value));
        }
        assert_eq!(Head::of(request.inner()).has_body(), expected, "{method} {fields:?}");
    }
}
