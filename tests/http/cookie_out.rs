//! The cookie that goes out: its form, its lifetime, and when there is none.

use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::header::SET_COOKIE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use cloakroom::stores::MemoryStore;
use cloakroom::{Error, SameSite, Session, SessionManager, Settings};
use cloakroom_tests::{Browser, Request, Response, Site};

use crate::routes::{put, routes, secret_key, sign_in};

async fn default_site() -> Site {
    Site::start(MemoryStore::new(), Settings::default(), routes()).await
}

fn only_cookie(response: &Response) -> &str {
    let [cookie] = response.cookies()[..] else { panic!("one cookie: {response:?}") };
    cookie
}

/// SECURITY 7.
#[tokio::test]
async fn the_default_cookie_is_exactly_this() {
    let site = default_site().await;
    let browser = Browser::new(&site);
    for request in
        [Request::post("/put").body("red"), Request::post("/rotate"), Request::post("/sign-in").body("ann")]
    {
        let response = browser.send(request).await;
        let (value, attributes) = only_cookie(&response).split_once(';').unwrap();
        let token = value.strip_prefix("__Host-id=").unwrap();
        assert_eq!(token.len(), 44);
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
        assert_eq!(attributes, " Path=/; Secure; HttpOnly; SameSite=Lax");
    }
}

fn all_kinds_of_cookies() -> Vec<Settings> {
    let default = Settings::default;
    vec![
        default(),
        default().persistent(true),
        default().secret_key(secret_key(1)),
        default().cookie_same_site(SameSite::Strict),
        default().cookie_same_site(SameSite::None),
        default().cookie_name("__Secure-id").cookie_domain("localhost"),
        default().cookie_name("__Secure-id").cookie_path("/sign-out"),
        default().cookie_name("id").danger_allow_plain_http(true),
        default().cookie_name("id").danger_allow_script_access(true),
    ]
}

/// SECURITY 8.
#[tokio::test]
async fn a_removal_has_the_attributes_of_the_cookie_and_a_browser_forgets_it() {
    for settings in all_kinds_of_cookies() {
        let name = settings.cookie_name.clone();
        let site = Site::start(MemoryStore::new(), settings, routes()).await;
        let browser = Browser::new(&site);
        let set = browser.send(Request::post("/sign-in").body("ann")).await;
        assert!(browser.jar().get(&name).is_some());
        let removal = browser.post("/sign-out").await;
        assert!(browser.jar().is_empty(), "{removal:?}");

        let attributes = |response: &Response| {
            let (pair, attributes) = only_cookie(response).split_once(';').unwrap();
            let attributes = attributes.split("; Max-Age=").next().unwrap().to_owned();
            (pair.split_once('=').unwrap().0.to_owned(), attributes)
        };
        assert_eq!(attributes(&removal), attributes(&set));
        assert!(only_cookie(&removal).starts_with(&format!("{name}=;")));
        assert!(only_cookie(&removal).ends_with("; Max-Age=0"));
    }
}

/// SECURITY 8.
#[tokio::test]
async fn the_answer_to_an_expired_session_removes_its_cookie_too() {
    let settings = Settings::new().ignore_expiry(false);
    let site = Site::start(MemoryStore::new(), settings, routes()).await;
    let browser = Browser::new(&site);
    put(&browser, "red").await;
    site.clock.advance(Duration::from_secs(3600));
    assert_eq!(browser.get("/look").await.status, 401);
    assert!(browser.jar().is_empty());
}

/// Everything that may touch the cookie, in one handler: the path lists the steps.
async fn steps(session: Session, Path(steps): Path<String>) -> Result<(), Error> {
    for (at, step) in steps.split('-').enumerate() {
        match step {
            "insert" => session.insert("coat", &format!("{steps}{at}")).await?,
            "update" => session.update("count", |n: &mut Option<u64>| *n = Some(n.unwrap_or(0) + 1)).await?,
            "clear" => session.clear().await?,
            "rotate" => session.rotate().await?,
            "signin" => session.sign_in("ann").await?,
            "signout" => session.sign_out().await?,
            "expire" => session.expire_cookie().await?,
            // Other visitors cannot be remembered.
            "remember" if session.subject().await?.is_none() => {}
            "remember" => session.remember(Duration::from_secs(86_400)).await?,
            "elevate" => session.elevate().await?,
            "save" => session.save().await?,
            _ => unreachable!("{step}"),
        }
    }
    Ok(())
}

const STEPS: [&str; 9] =
    ["insert", "update", "clear", "rotate", "signin", "signout", "expire", "remember", "save"];

/// SECURITY 9. Every sequence of up to three things a handler can do, in a session and without one; and what the browser
/// then has is always good for its next request.
#[tokio::test]
async fn whatever_a_handler_does_there_is_one_cookie_at_most_and_it_is_the_right_one() {
    let mut sequences: Vec<String> = STEPS.map(str::to_owned).to_vec();
    for length in [0..9, 9..90] {
        let longer: Vec<_> =
            sequences[length].iter().flat_map(|s| STEPS.map(|step| format!("{s}-{step}"))).collect();
        sequences.extend(longer);
    }
    assert_eq!(sequences.len(), 9 + 81 + 729);

    let app = routes().route("/do/{steps}", post(steps));
    let site = Site::start(MemoryStore::new(), Settings::default(), app).await;
    let tab = Browser::new(&site);
    for steps in sequences {
        for signed_in in [false, true] {
            // The same connection, another browser.
            tab.jar().close();
            tab.jar().advance(Duration::from_secs(400 * 86_400));
            assert!(tab.jar().is_empty());
            let before = if signed_in { Some(sign_in(&tab, "bob").await) } else { None };
            let response = tab.post(&format!("/do/{steps}")).await;
            assert_eq!(response.status, 200, "{steps}: {response:?}");
            assert!(response.cookies().len() <= 1, "{steps}: {response:?}");
            assert!(response.cookies().iter().all(|cookie| cookie.starts_with("__Host-id=")));
            if response.cookies().is_empty() {
                assert_eq!(tab.token(), before, "{steps}");
            }
            if tab.token().is_some() {
                let body = tab.get("/look").await.body;
                assert!(body.starts_with("resumed"), "{steps}, signed in before: {signed_in}: {body}");
            }
        }
    }
}

/// SECURITY 9. Cookies of the application's own stay as they are.
#[tokio::test]
async fn an_applications_own_cookies_go_out_beside_ours() {
    let handler = async |session: Session| {
        session.insert("coat", "red").await?;
        session.sign_in("ann").await?;
        session.rotate().await?;
        Ok::<_, Error>([(SET_COOKIE, "theme=dark")].into_response())
    };
    let site =
        Site::start(MemoryStore::new(), Settings::default(), Router::new().route("/", get(handler))).await;
    let response = Browser::new(&site).get("/").await;
    let [theirs, ours] = response.cookies()[..] else { panic!("{response:?}") };
    assert_eq!(theirs, "theme=dark");
    assert!(ours.starts_with("__Host-id="));
}

/// SECURITY 10.
#[tokio::test]
async fn name_and_value_take_128_bytes_at_most() {
    for settings in all_kinds_of_cookies() {
        let site = Site::start(MemoryStore::new(), settings, routes()).await;
        let response = Browser::new(&site).send(Request::post("/put").body("red")).await;
        let pair = only_cookie(&response).split(';').next().unwrap();
        assert!(pair.len() <= 128, "{pair}");
    }
}

/// SECURITY 10. RFC 6265bis §5.5: browsers keep no cookie longer than 400 days.
#[tokio::test]
async fn no_cookie_lasts_longer_than_400_days() {
    const DAY: Duration = Duration::from_secs(86_400);
    let app = routes().route(
        "/remember/{days}",
        post(async |session: Session, Path(days): Path<u32>| {
            session.sign_in("ann").await?;
            session.remember(days * DAY).await
        }),
    );
    let settings = Settings::new().persistent(true).absolute_timeout(400 * DAY);
    let site = Site::start(MemoryStore::new(), settings, app).await;

    let browser = Browser::new(&site);
    let response = browser.send(Request::post("/put").body("red")).await;
    assert!(only_cookie(&response).ends_with("; Max-Age=34560000"), "{response:?}");
    let response = browser.post("/remember/400").await;
    assert!(only_cookie(&response).ends_with("; Max-Age=34560000"), "{response:?}");
    let response = browser.post("/remember/401").await;
    assert_eq!((response.status, response.cookies().len()), (500, 0));

    let settings = Settings::new().absolute_timeout(401 * DAY);
    let error = SessionManager::new(MemoryStore::new(), settings).unwrap_err();
    assert_eq!(error.setting(), "absolute_timeout");
}

/// SECURITY 10. What is left of the session is what the cookie lasts, and never an `Expires`: client clocks lie.
#[tokio::test]
async fn a_persistent_cookie_lasts_as_long_as_its_session() {
    let settings = Settings::new().persistent(true).anonymous_idle_timeout(Duration::from_secs(3600));
    let site = Site::start(MemoryStore::new(), settings, routes()).await;
    let browser = Browser::new(&site);
    put(&browser, "red").await;
    for minutes in 1..=3 {
        site.clock.advance(Duration::from_secs(31 * 60));
        let response = browser.post("/rotate").await;
        let left = 24 * 3600 - minutes * 31 * 60;
        assert!(only_cookie(&response).ends_with(&format!("; Max-Age={left}")), "{response:?}");
        assert!(!only_cookie(&response).contains("Expires"));
        // The first request with a new secret only confirms it.
        browser.get("/look").await;
        assert!(site.sessions.shutdown().await);
    }
}

/// SECURITY 11. Each refusal in full, and what to do instead, is shown where cookies are made.
#[test]
fn settings_that_browsers_would_refuse_make_no_sessions() {
    let default = Settings::default;
    let wrong = [
        ("cookie_domain", default().cookie_domain("example.org")),
        ("cookie_path", default().cookie_path("/app")),
        ("danger_allow_plain_http", default().danger_allow_plain_http(true)),
        (
            "cookie_same_site",
            default().cookie_name("id").cookie_same_site(SameSite::None).danger_allow_plain_http(true),
        ),
        ("cookie_name", default().cookie_name("id\r\nX: y")),
        ("cookie_name", default().cookie_name("id;")),
        ("cookie_name", default().cookie_name("")),
        ("cookie_name", default().cookie_name("i".repeat(4096))),
        ("cookie_path", default().cookie_name("id").cookie_path("/;Domain=com")),
        ("cookie_path", default().cookie_name("id").cookie_path("/\n")),
        ("cookie_domain", default().cookie_name("id").cookie_domain("a.org;")),
        ("cookie_domain", default().cookie_name("id").cookie_domain("a\0")),
    ];
    for (setting, settings) in wrong {
        let error = SessionManager::new(MemoryStore::new(), settings.clone()).unwrap_err();
        assert_eq!(error.setting(), setting, "{error}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
}

/// SECURITY 13.
#[tokio::test]
async fn a_thousand_reads_set_no_cookie() {
    let site = default_site().await;
    let browser = Browser::new(&site);
    let token = put(&browser, "red").await;
    for _ in 0..1000 {
        let response = browser.get("/look").await;
        assert_eq!((response.body.as_str(), response.cookies().len()), ("resumed red", 0));
    }
    assert_eq!(browser.token(), Some(token));
}

/// SECURITY 13.
#[tokio::test]
async fn what_changes_nothing_for_the_browser_sets_no_cookie() {
    let site = default_site().await;
    let browser = Browser::new(&site);
    // Nothing to end, nothing to replace.
    for request in [Request::post("/sign-out"), Request::post("/rotate"), Request::get("/look")] {
        assert!(browser.send(request).await.cookies().is_empty());
    }
    put(&browser, "red").await;
    // Changed data, unchanged secret; and within the grace time one rotation is enough.
    assert!(browser.send(Request::post("/put").body("blue")).await.cookies().is_empty());
    assert_eq!(browser.post("/rotate").await.cookies().len(), 1);
    assert!(browser.post("/rotate").await.cookies().is_empty());
    // Activity is noted in the store alone.
    site.clock.advance(Duration::from_secs(1800));
    assert!(browser.get("/look").await.cookies().is_empty());
}
