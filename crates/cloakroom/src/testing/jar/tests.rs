use super::*;

const HOST: &str = "app.example.org";

fn jar_with(fields: &[&str]) -> Jar {
    let mut jar = Jar::new(HOST);
    for field in fields {
        jar.receive(field, "/", true).unwrap();
    }
    jar
}

fn header(jar: &Jar, path: &str) -> String {
    jar.cookie_header(path, true).unwrap_or_default()
}

#[test]
fn a_cookie_is_kept_and_sent_until_it_is_replaced_or_removed() {
    let mut jar = jar_with(&["a=1; Path=/", "b=2"]);
    assert_eq!(header(&jar, "/"), "a=1; b=2");
    jar.receive("a=3; Path=/", "/", true).unwrap();
    assert_eq!(header(&jar, "/"), "a=3; b=2", "the order is that of creation");
    jar.receive("a=; Path=/; Max-Age=0", "/", true).unwrap();
    assert_eq!(header(&jar, "/"), "b=2");
    assert_eq!((jar.get("a"), jar.get("b")), (None, Some("2")));
    jar.receive("b=; Max-Age=-1", "/", true).unwrap();
    assert!(jar.is_empty());
    assert_eq!(jar.cookie_header("/", true), None);
}

#[test]
fn a_removal_with_other_attributes_removes_nothing() {
    let mut jar = jar_with(&["a=1; Path=/app; Domain=example.org"]);
    for field in
        ["a=; Max-Age=0; Path=/", "a=; Max-Age=0; Path=/app", "a=; Max-Age=0; Path=/; Domain=example.org"]
    {
        jar.receive(field, "/", true).unwrap();
        assert_eq!(jar.get("a"), Some("1"), "{field}");
    }
    jar.receive("a=; Max-Age=0; Path=/app; Domain=.EXAMPLE.org", "/", true).unwrap();
    assert_eq!(jar.get("a"), None);
}

#[test]
fn what_browsers_refuse_is_refused() {
    for (field, why) in [
        ("__Host-id=v; Path=/", "without Secure"),
        ("__Host-id=v; Secure", "without Path"),
        ("__Host-id=v; Secure; Path=/app", "without Path"),
        ("__Host-id=v; Secure; Path=/; Domain=app.example.org", "with a Domain"),
        ("__host-id=v; Secure; Path=/app", "without Path"),
        ("__Secure-id=v", "without Secure"),
        ("__SECURE-id=v", "without Secure"),
        ("__Http-id=v; Secure", "without HttpOnly"),
        ("__Host-Http-id=v; Secure; Path=/", "without HttpOnly"),
        ("=__Host-id=v; Secure; Path=/", "nameless"),
        ("a=v; SameSite=None", "SameSite"),
        ("a=v; Domain=other.example", "not this host"),
        ("a=v; Domain=ple.org", "not this host"),
        ("a=v; Domain=deep.app.example.org", "not this host"),
        ("a=v\r\n; Path=/", "control"),
        ("=; Path=/", "neither"),
        ("", "neither"),
    ] {
        let mut jar = Jar::new(HOST);
        let refused = jar.receive(field, "/", true).unwrap_err();
        assert!(refused.contains(why), "{field}: {refused}");
        assert!(jar.is_empty());
    }
    let mut jar = Jar::new(HOST);
    jar.receive(&format!("a={}", "v".repeat(4095)), "/", true).unwrap();
    jar.receive(&format!("a={}", "v".repeat(4096)), "/", true).unwrap_err();
    jar.receive("b=v; Secure", "/", false).unwrap_err();
}

#[test]
fn what_browsers_take_is_taken() {
    for field in [
        "__Host-id=v; Secure; Path=/; HttpOnly; SameSite=Lax",
        "__Host-id=v; SECURE; path = / ; Domain=",
        "__Secure-id=v; Secure; Domain=example.org",
        "__Http-id=v; Secure; HttpOnly",
        "a=v; SameSite=None; Secure",
        "a=v; unknown=attribute; ; =",
        "a=v; Path=relative",
        "v",
    ] {
        assert_eq!(jar_with(&[field]).live().count(), 1, "{field}");
    }
    assert_eq!(header(&jar_with(&["v"]), "/"), "v");
}

#[test]
fn secure_cookies_travel_over_https_only_and_plain_http_cannot_overlay_them() {
    let mut jar = jar_with(&["a=1; Secure; Path=/", "b=2; Path=/"]);
    assert_eq!(jar.cookie_header("/", false).as_deref(), Some("b=2"));
    jar.receive("a=evil; Path=/", "/", false).unwrap_err();
    jar.receive("a=evil; Path=/app", "/", false).unwrap_err();
    assert_eq!(header(&jar, "/app"), "a=1; b=2");
}

#[test]
fn paths_select_cookies_and_the_longest_comes_first() {
    let mut jar = jar_with(&["a=root; Path=/", "a=app; Path=/app", "b=slash; Path=/app/"]);
    assert_eq!(header(&jar, "/"), "a=root");
    for path in ["/app", "/app?q", "/app#f"] {
        assert_eq!(header(&jar, path), "a=app; a=root");
    }
    assert_eq!(header(&jar, "/app/x?y=/z"), "b=slash; a=app; a=root");
    assert_eq!(header(&jar, "/apple"), "a=root");
    assert_eq!(jar.get("a"), Some("app"));
    jar.receive("c=default", "/shop/cart/add", true).unwrap();
    assert_eq!(header(&jar, "/shop/cart"), "c=default; a=root");
    assert_eq!(header(&jar, "/shop"), "a=root");
}

#[test]
fn persistent_cookies_end_by_the_clock_and_session_cookies_with_the_browser() {
    let mut jar = jar_with(&["day=1; Max-Age=86400", "session=2", "long=3; Max-Age=99999999999999999999999"]);
    assert_eq!(jar.remaining("day"), Some(Duration::from_secs(86400)));
    assert_eq!(jar.remaining("session"), None);
    assert_eq!(jar.remaining("long"), Some(MAX_AGE_LIMIT));
    jar.advance(Duration::from_secs(86399));
    assert_eq!(header(&jar, "/"), "day=1; session=2; long=3");
    jar.advance(Duration::from_secs(1));
    assert_eq!(header(&jar, "/"), "session=2; long=3");
    jar.receive("late=5; Max-Age=10", "/", true).unwrap();
    assert_eq!(jar.remaining("late"), Some(Duration::from_secs(10)));
    jar.advance(Duration::from_secs(10));
    jar.receive("day=4", "/", true).unwrap();
    assert_eq!(header(&jar, "/"), "session=2; long=3; day=4", "an expired cookie leaves no place behind");
    jar.close();
    assert_eq!(header(&jar, "/"), "long=3");
}

#[test]
fn a_malformed_lifetime_is_no_lifetime() {
    for field in
        ["a=1; Max-Age=", "a=1; Max-Age=1h", "a=1; Max-Age=+5", "a=1; Max-Age=-", "a=1; Max-Age=\"5\""]
    {
        assert_eq!(jar_with(&[field]).remaining("a"), None, "{field}");
    }
    assert_eq!(jar_with(&["a=1; Max-Age=9; Max-Age=x"]).remaining("a"), Some(Duration::from_secs(9)));
}

#[cfg(feature = "tower")]
mod over_http_types {
    use http::{Request, Response};

    use super::Jar;

    #[test]
    fn a_request_gets_the_cookies_of_its_path_from_the_responses_before_it() {
        let mut jar = Jar::new("example.org");
        let response = Response::builder()
            .header("set-cookie", "everywhere=1; Path=/; Secure")
            .header("set-cookie", "shop=2; Path=/shop");
        jar.keep_from(&response.body(()).unwrap());
        let cookies = |path: &str| {
            let mut request = Request::get(path).body(()).unwrap();
            jar.add_to(&mut request);
            request.headers().get("cookie").map(|cookies| cookies.to_str().unwrap().to_owned())
        };
        assert_eq!(cookies("/shop?page=2").as_deref(), Some("shop=2; everywhere=1"));
        assert_eq!(cookies("/").as_deref(), Some("everywhere=1"));
        let mut request = Request::get("/").body(()).unwrap();
        Jar::new("example.org").add_to(&mut request);
        assert!(!request.headers().contains_key("cookie"));
    }

    #[test]
    #[should_panic(expected = "__Host- without Path=/")]
    fn a_cookie_that_a_browser_would_drop_fails_the_test() {
        let response = Response::builder().header("set-cookie", "__Host-id=1; Secure").body(()).unwrap();
        Jar::new("example.org").keep_from(&response);
    }
}
