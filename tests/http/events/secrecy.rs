//! Everything that a site says, searched for what it must not say.

use std::fmt::Debug;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request as AxumRequest;
use axum::middleware::{Next, from_fn};
use axum::routing::{get, post};
use cloakroom::axum_v0_8::SessionLayer;
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, Fault, FaultyStore, TestClock};
use cloakroom::{Error, Initializer, Session, SessionKey, SessionManager, Settings};
use cloakroom_tests::{Browser, Request, Response, Site};

use super::capture::Capture;
use crate::routes::{key_bytes, over_http_2, put, routes, secret_key};
use crate::spellings::Secrets;

const DATA: &str = "the-lining-of-the-coat";
const USER: &str = "ann-of-green-gables";
const INITIAL: &str = "the-hook-it-hangs-on";

/// Everything written down: `Debug`, errors, response heads as a logging middleware would print them.
type Notes = Arc<Mutex<String>>;

fn note(notes: &Notes, what: &impl Debug) {
    writeln!(notes.lock().unwrap(), "{what:?} {what:#?}").unwrap();
}

fn note_result<T: Debug>(notes: &Notes, result: Result<T, Error>) {
    if let Err(error) = result {
        note(notes, &error);
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        writeln!(notes.lock().unwrap(), "{error} {source}").unwrap();
    }
}

/// Calls everything there is, wrongly where possible, and notes what comes of it.
async fn everything(session: &Session, notes: &Notes) {
    const COUNT: SessionKey<u64> = SessionKey::new("coat");
    note(notes, session);
    note_result(notes, session.insert("coat", DATA).await);
    note_result(notes, session.get::<u64>("coat").await);
    note_result(notes, session.get(COUNT).await);
    note_result(notes, session.update("coat", |count: &mut Option<u64>| *count).await);
    note_result(notes, session.update("coat", |coat: &mut Option<String>| coat.clone().map(|_| ())).await);
    note_result(notes, session.insert("coat", &DATA.repeat(10_000)).await);
    note_result(
        notes,
        session.insert(DATA.repeat(10), "").await.map_err(|error| {
            // A key is the application's own word, and may be in an error; its length alone is.
            assert!(!format!("{error} {error:?}").contains(DATA));
            error
        }),
    );
    note_result(notes, session.sign_in(&USER.repeat(20)).await);
    note_result(notes, session.remember(Duration::ZERO).await);
    note_result(notes, session.sign_in(USER).await);
    note_result(notes, session.save().await);
    note_result(notes, session.rotate().await);
    note_result(notes, session.lock().await);
    note_result(notes, session.unlock().await);
    for debugged in [
        format!("{:?}", session.handle().await),
        format!("{:?}", session.subject().await),
        format!("{:?}", session.times().await),
        format!("{:?}", session.status().await),
    ] {
        note(notes, &debugged);
    }
    note(notes, session);
}

fn app(sessions: &SessionManager, notes: &Notes) -> Router {
    let in_handler = Arc::clone(notes);
    let in_middleware = Arc::clone(notes);
    let everything = async move |session: Session| everything(&session, &in_handler).await;
    let failing = async |session: Session| {
        session.insert("coat", DATA).await?;
        session.update("coat", |count: &mut Option<u64>| *count = Some(1)).await
    };
    let breaking = async |session: Session| {
        session.insert("coat", DATA).await?;
        Ok::<_, Error>(axum::http::StatusCode::INTERNAL_SERVER_ERROR)
    };
    let print = move |request: AxumRequest, next: Next| {
        let notes = Arc::clone(&in_middleware);
        async move {
            note(&notes, &request.extensions());
            let response = next.run(request).await;
            note(&notes, &response);
            note(&notes, response.headers());
            response
        }
    };
    let layer = SessionLayer::new(sessions.clone());
    note(notes, &layer);
    routes()
        .route("/everything", post(everything))
        .route("/failing", post(failing))
        .route("/breaking", get(breaking))
        .layer(layer)
        .layer(from_fn(print))
}

/// Every response, its cookies taken out and collected.
#[derive(Default)]
struct Responses {
    tokens: Vec<String>,
    rest: String,
}

impl Responses {
    fn add(&mut self, response: &Response) {
        for cookie in response.cookies() {
            let token = cookie.split(['=', ';']).nth(1).unwrap();
            if !token.is_empty() {
                self.tokens.push(token.to_owned());
            }
        }
        let head: Vec<_> = response.headers.iter().filter(|(name, _)| name != "set-cookie").collect();
        writeln!(self.rest, "{head:?} {}", response.body).unwrap();
    }
}

/// SECURITY 12. Nor does anything else of a session go where it does not belong: its data, its user, the keys.
#[tokio::test]
async fn no_token_no_data_no_user_and_no_key_leaves_but_in_the_cookie() {
    let key = secret_key(1);
    for secret_key in [None, Some(key)] {
        let capture = Capture::start();
        let notes = Notes::default();
        let settings = Settings::new()
            .secret_key(secret_key)
            .initializer(Initializer::new().with("hook", INITIAL).unwrap())
            .store_timeout(Duration::from_millis(20))
            .store_budget(Duration::from_millis(50));
        note(&notes, &settings);
        let (store, clock) = (FaultyStore::new(MemoryStore::new()), TestClock::new());
        let sessions = testing::manager(store.clone(), settings, &clock).unwrap();
        let site = Site::serve(app(&sessions, &notes), sessions, clock).await;
        let responses = visit(&site, &store).await;
        note(&notes, &(&site.sessions, &store, site.sessions.sessions_of(USER).await));

        let mut secrets = Secrets::default();
        responses.tokens.iter().for_each(|token| secrets.add_token(token));
        assert!(responses.tokens.len() > 5);
        secrets.add("the key", &key_bytes(1));
        secrets.assert_absent_from("the responses", responses.rest.as_bytes());
        // What a handler makes of data is its own business.
        for (name, text) in [("the data", DATA), ("an initial value", INITIAL), ("the user", USER)] {
            secrets.add(name, text.as_bytes());
        }
        secrets.assert_absent_from("Debug and errors", notes.lock().unwrap().as_bytes());
        let log = format!("{:?}", capture.take());
        assert!(log.contains("\"h2::"), "other crates are heard, too");
        secrets.assert_absent_from("the log", log.as_bytes());
    }
}

/// A visit during which everything happens that is an event or an error.
async fn visit(site: &Site, store: &FaultyStore<MemoryStore>) -> Responses {
    let browser = Browser::new(site);
    let mut responses = Responses::default();
    let forged = "__Host-id=1AAECAwQFBgcICQoLDA0OD_Dx8vP09fb3-Pn6-_z9_v8";
    let first = Request::post("/everything");
    let mut old = Vec::new();
    for request in [
        Request::get("/look"),
        first.clone(),
        Request::post("/everything"),
        Request::post("/failing"),
        Request::get("/breaking"),
        Request::post("/rotate"),
        Request::post("/sign-in").body("bob"),
        Request::get("/look").header("Cookie", forged),
        Request::post("/sign-out"),
        first,
        Request::get("/untouched"),
    ] {
        old.extend(browser.token().map(|token| format!("__Host-id={token}")));
        let response = browser.send(request).await;
        responses.add(&response);
    }
    // Tokens of old, one by one and all at once, with their time over and the session's.
    for seconds in [0, 31, 3600] {
        site.clock.advance(Duration::from_secs(seconds));
        for field in old.iter().chain([&old.join("; ")]) {
            responses
                .add(&browser.send_and_ignore_cookies(Request::get("/look").header("Cookie", field)).await);
        }
    }
    for fault in [Fault::Unavailable, Fault::Unanswered, Fault::Lost, Fault::Silence, Fault::Corrupt] {
        put(&browser, "red").await;
        responses.tokens.extend(browser.token());
        for nth in 1..4 {
            store.fail_nth(nth, fault);
            for request in
                [Request::post("/put").body("blue"), Request::post("/everything"), Request::post("/sign-out")]
            {
                responses.add(&browser.send(request).await);
            }
            store.heal();
        }
    }
    // The library for HTTP/2 logs a lot.
    let ours = format!("__Host-id={}", put(&browser, "red").await);
    responses.tokens.extend(browser.token());
    for path in ["/look", "/everything"] {
        let (response, body) = over_http_2(site, "POST", path, &["a=b", &ours]).await;
        let headers = response.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        responses.add(&Response { status: response.status().as_u16(), headers, body });
    }
    _ = site.sessions.end_all(USER, None).await.unwrap();
    responses
}
