//! The cookie that comes in: found under its own name alone, whatever stands around it.

use std::time::{Duration, Instant};

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{Call, FaultyStore};
use cloakroom::{SessionStatus, Settings};
use cloakroom_tests::{Browser, CookieFields, Request, Script, Site};
use http::Version;

use crate::routes::{decoded, encoded, look_with, over_http_2, put, routes, secret_key};

/// A site with one stored session, its token, and somebody who sends what he likes.
struct Fixture {
    site: Site,
    store: FaultyStore<MemoryStore>,
    token: String,
    sender: Browser,
}

impl Fixture {
    async fn new(settings: Settings) -> Self {
        let store = FaultyStore::new(MemoryStore::new());
        let site = Site::start(store.clone(), settings, routes()).await;
        let token = put(&Browser::new(&site), "red").await;
        let sender = Browser::new(&site);
        Self { site, store, token, sender }
    }

    /// The origin that the engine finds, without an HTTP server that may be more strict.
    async fn origin(&self, field: &[u8]) -> SessionStatus {
        self.site.sessions.open(&CookieFields::new([field])).status().await.unwrap()
    }

    async fn is_ignored(&self, field: &[u8]) {
        let loads = self.store.count_all();
        assert_eq!(self.origin(field).await, SessionStatus::Fresh, "{}", field.escape_ascii());
        if !field.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127)) {
            assert_eq!(look_with(&self.sender, field).await.body, "fresh -", "{}", field.escape_ascii());
        }
        assert_eq!(self.store.count_all(), loads, "{}", field.escape_ascii());
    }

    async fn is_found(&self, field: &[u8]) {
        assert_eq!(self.origin(field).await, SessionStatus::Resumed, "{}", field.escape_ascii());
        assert_eq!(look_with(&self.sender, field).await.body, "resumed red", "{}", field.escape_ascii());
    }
}

/// SECURITY 14.
#[tokio::test]
async fn names_match_byte_for_byte_and_undecoded() {
    let site = Fixture::new(Settings::default()).await;
    for name in [
        "__%48ost-id",
        "%5F%5FHost-id",
        "__Host%2Did",
        "__host-id",
        "__HOST-ID",
        "__Host-ID",
        "__Host-id2",
        "_Host-id",
        "__Host-i",
        "x__Host-id",
        "__Host-id\u{301}",
        "\u{ff3f}_Host-id",
        "__Host\u{2010}id",
        "\\_\\_Host-id",
        "__Host-id\0",
        "+__Host-id",
        "\"__Host-id\"",
        "__Host-id[]",
        "__Host.id",
    ] {
        site.is_ignored(format!("{name}={}", site.token).as_bytes()).await;
    }
    site.is_found(format!("__Host-id={}", site.token).as_bytes()).await;
}

/// SECURITY 15.
#[tokio::test]
async fn only_space_and_tab_are_trimmed() {
    let site = Fixture::new(Settings::default()).await;
    let blanks = [
        "\u{2000}", "\u{2009}", "\u{3000}", "\u{feff}", "\u{85}", "\u{a0}", "\x0b", "\x0c", "\n", "\r", "\0",
    ];
    let lone: [&[u8]; 2] = [b"\x85", b"\xa0"];
    for blank in blanks.iter().map(|blank| blank.as_bytes()).chain(lone) {
        let token = site.token.as_bytes();
        for parts in [
            [blank, b"__Host-id=", token],
            [b"a=b;", blank, &[b"__Host-id=", token].concat()],
            [b"__Host-id", blank, &[b"=", token].concat()],
            [b"__Host-id=", blank, token],
            [b"__Host-id=", token, blank],
        ] {
            site.is_ignored(&parts.concat()).await;
        }
    }
    site.is_found(format!("a=b;\t __Host-id \t=  {} \t; c=d", site.token).as_bytes()).await;
}

/// SECURITY 16. The forms of RFC 2109 and 2965, which no browser writes.
#[tokio::test]
async fn nameless_quoted_version_and_comma_forms_are_ignored() {
    let site = Fixture::new(Settings::default()).await;
    let token = &site.token;
    for field in [
        token.clone(),
        format!("={token}"),
        format!("=__Host-id={token}"),
        format!("__Host-id=\"{token}\""),
        format!("__Host-id='{token}'"),
        format!("$Version=1, __Host-id={token}"),
        format!("$Version=\"1\"; __Host-id=\"{token}\"; $Path=\"/\""),
        format!("a=b, __Host-id={token}"),
        format!("__Host-id={token}, a=b"),
        format!("a=\"b, __Host-id={token}\""),
        format!("__Host-id: {token}"),
    ] {
        site.is_ignored(field.as_bytes()).await;
    }
    // A quote opens nothing that would hide what follows.
    site.is_found(format!("a=\"b; __Host-id={token}; c=\"").as_bytes()).await;
}

/// SECURITY 17.
#[tokio::test]
async fn neighbours_may_be_any_bytes() {
    let site = Fixture::new(Settings::default()).await;
    let token = site.token.as_bytes();
    for neighbour in
        [&b"x=\xe9"[..], b"\xff\xfe\x80", b"x=\xc3\x28", b"=;=;;", b"%=%zz", b"\xf0\x9f=1", b"{\"a\": [1]}"]
    {
        site.is_found(&[neighbour, b"; __Host-id=", token].concat()).await;
        site.is_found(&[b"__Host-id=", token, b"; ", neighbour].concat()).await;
    }
}

/// SECURITY 18.
#[tokio::test]
async fn every_cookie_field_is_read() {
    let site = Fixture::new(Settings::default()).await;
    let ours = format!("__Host-id={}", site.token);
    for fields in [[&ours[..], "a=b", "c=d"], ["a=b", &ours, "c=d"], ["a=b", "c=d", &ours]] {
        let request = Request::get("/look");
        let request = fields.iter().fold(request, |request, field| request.header("Cookie", field));
        assert_eq!(site.sender.send(request).await.body, "resumed red", "{fields:?}");
    }
}

/// SECURITY 18. HTTP/2 clients split the field so that it compresses better (RFC 9113 §8.2.3).
#[tokio::test]
async fn the_crumbs_of_http_2_are_one_field() {
    let site = Fixture::new(Settings::default()).await;
    let ours = format!("__Host-id={}", site.token);
    let (response, body) = over_http_2(&site.site, "GET", "/look", &["a=b", &ours, "c=d"]).await;
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(body, "resumed red");
}

/// SECURITY 19.
#[tokio::test]
async fn of_several_cookies_the_valid_one_wins_wherever_it_stands() {
    for settings in [Settings::default(), Settings::new().secret_key(secret_key(1))] {
        let site = Fixture::new(settings).await;
        let ours = format!("__Host-id={}", site.token);
        let unknown = [1, 2].map(|byte| format!("__Host-id={}", encoded(&[byte; 32])));
        // The locator is right and the secret wrong, as after a sign-in.
        let mut superseded = decoded(&site.token);
        let secret_at = if superseded.len() == 32 { 16 } else { 18 };
        superseded[secret_at] ^= 1;
        let others = [&unknown[0], "__Host-id=", &format!("__Host-id={}", encoded(&superseded)), &unknown[1]];
        for place in 0..=others.len() {
            let mut pairs = others.to_vec();
            pairs.insert(place, &ours);
            site.is_found(pairs.join("; ").as_bytes()).await;
            // Sent twice, it is still one.
            pairs.insert(0, &ours);
            site.is_found(pairs.join("; ").as_bytes()).await;
        }
    }
}

/// SECURITY 19. The event is shown with the other events.
#[tokio::test]
async fn of_two_valid_cookies_none_is_used() {
    let site = Fixture::new(Settings::default()).await;
    let other = put(&Browser::new(&site.site), "blue").await;
    let (one, other) = (format!("__Host-id={}", site.token), format!("__Host-id={other}"));
    for field in
        [format!("{one}; {other}"), format!("{other}; {one}"), format!("{one}; __Host-id=x; {other}; {one}")]
    {
        let response = look_with(&site.sender, &field).await;
        assert_eq!((response.body.as_str(), response.cookies().len()), ("unknown -", 0));
    }
    // And what is written goes to neither.
    let put = Request::post("/put").header("Cookie", format!("{one}; {other}")).body("green");
    assert_eq!(site.sender.send(put).await.cookies().len(), 1);
    assert_eq!(look_with(&site.sender, &one).await.body, "resumed red");
    assert_eq!(look_with(&site.sender, &other).await.body, "resumed blue");
}

/// SECURITY 20.
#[tokio::test]
async fn at_most_four_tokens_are_looked_up_however_many_are_sent() {
    let site = Fixture::new(Settings::default()).await;
    let candidate = |number: u64| {
        let bytes: Vec<u8> = number.to_le_bytes().repeat(4);
        format!("__Host-id={};", encoded(&bytes))
    };
    for (distinct, loads) in [(1, 1), (4, 4), (5, 0), (10_000, 0)] {
        let field: String = (0..10_000).map(|number| candidate(number % distinct)).collect();
        let before = site.store.count(Call::Load);
        let origin = site.origin(field.as_bytes()).await;
        assert_eq!(origin, SessionStatus::Unknown);
        assert_eq!(site.store.count(Call::Load) - before, loads, "{distinct} distinct");
    }
    // Spread over as many fields, too.
    let fields: Vec<_> = (0..10_000).map(candidate).collect();
    let before = site.store.count_all();
    assert_eq!(
        site.site.sessions.open(&CookieFields::new(fields)).status().await.unwrap(),
        SessionStatus::Unknown
    );
    assert_eq!(site.store.count_all(), before);
}

/// SECURITY 20. An optimized build reads a megabyte in less than 5 ms. A thousand times that is more than any build takes on
/// any busy machine, and far from enough if each byte had to be looked at for every other.
#[tokio::test]
async fn the_work_is_in_proportion_to_the_bytes() {
    let site = Fixture::new(Settings::default()).await;
    let forged = format!("__Host-id={};", encoded(&[1; 31]));
    let near = "__Host-id ".repeat(40);
    for junk in ["a=;", ";", " ", "\t;", "__Host-id;", "__Host-id=;", "=", &forged, &near] {
        let field = format!("{};__Host-id={}", junk.repeat((1 << 20) / junk.len()), site.token);
        let field = CookieFields::new([field]);
        let start = now();
        let session = site.site.sessions.open(&field);
        assert!(start.elapsed() < Duration::from_secs(5), "{junk:.20}");
        assert_eq!(session.status().await.unwrap(), SessionStatus::Resumed, "{junk:.20}");
    }
}

#[expect(clippy::disallowed_methods, reason = "measures")]
fn now() -> Instant {
    Instant::now()
}

/// SECURITY 21.
#[tokio::test]
async fn with_a_key_a_token_is_good_for_the_cookie_it_was_made_for_alone() {
    let settings = |name: &str| Settings::new().cookie_name(name).secret_key(secret_key(1));
    let customers = Fixture::new(settings("__Host-id")).await;
    // Of the same length: it is the name that counts.
    let staff = Site::start(customers.store.clone(), settings("__Host-ad"), routes()).await;
    let before = customers.store.count_all();
    let sender = Browser::new(&staff);
    let field = format!("__Host-ad={}", customers.token);
    assert_eq!(look_with(&sender, &field).await.body, "fresh -");
    assert_eq!(customers.store.count_all(), before);
    // With the right name, that very token finds its session.
    customers.is_found(format!("__Host-id={}", customers.token).as_bytes()).await;
}

/// SECURITY 19. After a rotation a browser may send both secrets of its session, under different paths say: they are no two
/// sessions.
#[tokio::test]
async fn both_secrets_of_a_session_are_that_session_and_not_two() {
    let script = Script::default();
    let site = Site::start(MemoryStore::new(), Settings::default(), script.routes()).await;
    let browser = Browser::new(&site);
    browser.post("/in=ann/set=n:1").await;
    let old = browser.token().unwrap();
    browser.post("/rotate").await;
    let new = browser.token().unwrap();
    for (one, other) in [(&old, &new), (&new, &old)] {
        let cookies = format!("__Host-id={one}; __Host-id={other}");
        let both = Request::post("/origin/inc=n/remember=60").header("Cookie", cookies);
        let response = browser.tab().send(both).await;
        // The cookie that goes out again is the one that lasts.
        assert!(response.body.starts_with("resumed "), "{}", response.body);
        assert!(response.cookies()[0].starts_with(&format!("__Host-id={new};")));
    }
    assert_eq!(browser.get("/get=n").await.body, "3");
}
