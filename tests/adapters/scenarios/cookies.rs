//! Cookies in and out.

use cloakroom_tests::{Browser, Request};

use super::{NO_COOKIES, faulty_site, held, site};
use crate::site::Adapter;

pub(crate) async fn an_untouched_session_costs_nothing_and_leaves_no_trace<A: Adapter>() {
    let (site, store) = faulty_site::<A>().await;
    let browser = site.browser();
    browser.post("/set=x:1").await;
    let calls = store.count_all();
    for (browser, path) in [(&site.browser(), "/"), (&browser, "/"), (&browser, "/status=404")] {
        let response = browser.get(path).await;
        assert_eq!(response.cookies(), NO_COOKIES);
        assert_eq!((response.header("vary"), response.header("cache-control")), (None, None));
    }
    assert_eq!(store.count_all(), calls);
}

pub(crate) async fn a_cookie_is_set_once_with_its_attributes<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    let response = browser.post("/set=x:1/get=x").await;
    let token = browser.token().expect("a token");
    assert_eq!(response.body, "1");
    assert_eq!(response.cookies(), [format!("__Host-id={token}; Path=/; Secure; HttpOnly; SameSite=Lax")]);
    assert_eq!(
        (response.header("cache-control"), response.header("vary")),
        (Some("no-store"), Some("Cookie"))
    );

    for request in [Request::get("/get=x"), Request::post("/inc=x")] {
        let response = browser.send(request).await;
        assert_eq!(response.cookies(), NO_COOKIES, "the browser has it");
        assert_eq!((response.header("cache-control"), response.header("vary")), (None, Some("Cookie")));
    }
    let response = site.browser().get("/get=x").await;
    assert_eq!(response.cookies(), NO_COOKIES, "there is nothing to remember");
    assert_eq!(response.header("vary"), Some("Cookie"));
}

pub(crate) async fn the_handler_s_own_cookie_stays_beside_ours<A: Adapter>() {
    let site = site::<A>().await;
    let browser = site.browser();
    let response = browser.post("/set=x:1/header").await;
    assert_eq!((response.header("x-handler"), response.cookies().len()), (Some("here"), 2));
    assert_eq!(browser.jar().get("other"), Some("cookie"));
    assert_eq!(browser.get("/get=x/header").await.cookies(), ["other=cookie"]);
    assert_eq!(browser.get("/get=x").await.body, "1");
}

/// A cookie is for one browser; a page that depends on it may be kept by that one.
pub(crate) async fn the_handler_s_own_headers_about_caches_are_respected_unless_there_is_a_cookie<
    A: Adapter,
>() {
    let site = site::<A>().await;
    let browser = site.browser();
    for (path, expected) in [
        ("/public", "public, max-age=60"),
        ("/get=x/public", "public, max-age=60"),
        ("/set=x:1/public", "no-store"),
        ("/get=x/public", "public, max-age=60"),
        ("/out/public", "no-store"),
    ] {
        let response = browser.get(path).await;
        assert_eq!(response.all("cache-control").collect::<Vec<_>>(), [expected], "{path}");
        let vary = response.all("vary").flat_map(|vary| vary.split(", ")).collect::<Vec<_>>();
        let depends: &[&str] =
            if path == "/public" { &["Accept-Language"] } else { &["Accept-Language", "Cookie"] };
        assert_eq!(vary, depends, "{path}");
    }
}

/// SECURITY 57. A shared cache must not keep it, even where it does not look at `Vary`.
pub(crate) async fn a_page_of_a_signed_in_user_is_private_unless_its_handler_says_otherwise<A: Adapter>() {
    let site = site::<A>().await;
    let (ann, guest) = (site.browser(), site.browser());
    assert_eq!(ann.post("/in=ann").await.header("cache-control"), Some("no-store"));
    guest.post("/set=x:1").await;
    for (browser, path, expected) in [
        (&ann, "/get=x", Some("private")),
        (&ann, "/get=x/status=404", Some("private")),
        (&ann, "/user", Some("private")),
        (&ann, "/set=x:2/header", Some("private")),
        (&ann, "/get=x/public", Some("public, max-age=60")),
        (&ann, "/", None),
        (&guest, "/get=x", None),
        (&ann, "/get=x/rotate/public", Some("no-store")),
        (&ann, "/out", Some("no-store")),
        (&ann, "/get=x", None),
    ] {
        let response = browser.get(path).await;
        assert_eq!(response.all("cache-control").collect::<Vec<_>>(), Vec::from_iter(expected), "{path}");
    }
}

/// A browser with a session in which `x` is 1, and its cookie.
async fn with_session(browser: Browser) -> (Browser, String) {
    browser.post("/set=x:1").await;
    let cookie = format!("__Host-id={}", browser.token().expect("a token"));
    (browser, cookie)
}

pub(crate) async fn the_cookie_is_found_in_any_field<A: Adapter>() {
    let site = site::<A>().await;
    let (browser, cookie) = with_session(site.browser()).await;
    for fields in [[&*cookie, "a=1", "b=2"], ["a=1", &cookie, "b=2"], ["a=1; c=3", "b=2", &cookie]] {
        let request = Request::get("/get=x/origin");
        let request = fields.iter().fold(request, |request, field| request.header("Cookie", field));
        assert_eq!(browser.send(request).await.body, "1 resumed", "{fields:?}");
    }
    let request = Request::get("/get=x/origin").header("Cookie", "a=1").header("Cookie", "b=2");
    assert_eq!(browser.send(request).await.body, "- fresh");
}

pub(crate) async fn duplicates_and_garbage_around_the_cookie_do_not_matter<A: Adapter>() {
    let site = site::<A>().await;
    let (browser, cookie) = with_session(site.browser()).await;
    for field in [
        format!("{cookie}; {cookie}"),
        format!(";;=; ;__Host-id; =x; __Host-id=; __Host-id=garbage; {cookie}; __Host-id=more"),
        format!("a=\"1; {cookie}; b=2\""),
        format!("%5F%5FHost-id=x; {cookie}; $Version=1"),
        format!("tab\t=\t1;\t{cookie}\t;"),
    ] {
        let response = browser.send(Request::get("/get=x/origin").header("Cookie", &field)).await;
        assert_eq!((&*response.body, response.cookies().len()), ("1 resumed", 0), "{field}");
    }
    let fields = ["__Host-id=garbage", &cookie, "__Host-id", &cookie];
    let request = Request::get("/get=x/origin");
    let request = fields.iter().fold(request, |request, field| request.header("Cookie", field));
    assert_eq!(browser.send(request).await.body, "1 resumed");
}

/// One of them may have been planted.
pub(crate) async fn two_live_sessions_in_one_request_are_none<A: Adapter>() {
    let site = site::<A>().await;
    let (browser, one) = with_session(site.browser()).await;
    let (_, other) = with_session(site.browser()).await;
    for fields in [vec![format!("{one}; {other}")], vec![one.clone(), other.clone()], vec![other, one]] {
        let request = Request::get("/get=x/origin");
        let request = fields.iter().fold(request, |request, field| request.header("Cookie", field));
        let response = browser.send(request).await;
        assert_eq!((&*response.body, response.cookies().len()), ("- unknown", 0));
    }
}

pub(crate) async fn a_byte_that_is_not_utf_8_beside_the_cookie<A: Adapter>() {
    let site = site::<A>().await;
    let (browser, cookie) = with_session(site.browser()).await;
    let odd = [b"name=J\xf6rg; ", cookie.as_bytes()].concat();
    let response = browser.send(Request::get("/get=x/origin").header("Cookie", odd)).await;
    let expected = if A::DIFFERENCES.drops_odd_cookies { "- fresh" } else { "1 resumed" };
    assert_eq!((response.status, &*response.body, response.cookies().len()), (200, expected, 0));
    assert_eq!(browser.get("/get=x/origin").await.body, "1 resumed", "none the worse");
}

/// Each server has a limit of its own: 200 and the session, or a refusal, and then nobody's.
pub(crate) async fn an_oversized_cookie_field_harms_nobody<A: Adapter>() {
    let site = site::<A>().await;
    let (browser, cookie) = with_session(site.browser()).await;
    for kilobytes in [16, 1024] {
        let junk = format!("junk={}", "x".repeat(kilobytes * 1024 / 2));
        let field = format!("{junk}; {cookie}; {junk}");
        match browser.tab().try_send(Request::get("/get=x/origin").header("Cookie", field)).await {
            Ok(response) if response.status == 200 => assert_eq!(response.body, "1 resumed"),
            Ok(response) => {
                assert!(matches!(response.status, 400 | 413 | 431), "{response:?}");
                assert_eq!(response.cookies(), NO_COOKIES);
            }
            // It hung up before it had read everything.
            Err(_) if kilobytes > 64 => {}
            Err(error) => panic!("{error}"),
        }
        assert_eq!(browser.get("/get=x/origin").await.body, "1 resumed", "{kilobytes}");
    }
}

pub(crate) async fn head_and_options_are_requests_like_get<A: Adapter>() {
    for method in ["HEAD", "OPTIONS"] {
        let site = site::<A>().await;
        let browser = site.browser();
        let response = browser.send(Request::new(method, "/set=x:1")).await;
        assert_eq!((response.status, response.cookies().len()), (200, 1), "{method}");
        let holder = held(&browser, &site.script, Request::post("/inc=x/a")).await;
        let response = browser.send(Request::new(method, "/get=x")).await;
        assert_eq!(
            (response.status, response.header("vary")),
            (200, Some("Cookie")),
            "{method} does not wait"
        );
        let body = if method == "HEAD" { "" } else { "1" };
        assert_eq!(response.body, body);
        site.script.a.open();
        assert_eq!(holder.await.unwrap().body, "2");
    }
}
