//! The token: who makes it, what it says, and where it is looked for.

use std::collections::HashSet;

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{self, Call, FaultyStore, TestClock};
use cloakroom::{SessionManager, Settings};
use cloakroom_store::Scan;
use cloakroom_tests::{Browser, CookieFields, Request, Site};

use crate::routes::{decoded, encoded, look_with, put, routes, secret_key, sign_in};

fn keyed() -> Settings {
    Settings::new().secret_key(secret_key(1))
}

/// SECURITY 1. That the bytes come from the operating system, 128 bits in each half without bias, is shown where tokens
/// are made.
#[tokio::test]
async fn without_randomness_no_session_begins_and_no_cookie_is_set() {
    let store = FaultyStore::new(MemoryStore::new());
    let sessions = testing::manager_without_randomness(store.clone(), Settings::default()).unwrap();
    let site = Site::with_sessions(sessions, TestClock::new(), routes()).await;
    let browser = Browser::new(&site);
    for request in [Request::post("/put").body("red"), Request::post("/sign-in").body("ann")] {
        let response = browser.send(request).await;
        assert_eq!(response.status, 500);
        assert!(response.cookies().is_empty(), "{response:?}");
    }
    assert_eq!(store.count_all(), 0);
}

/// SECURITY 1.
#[tokio::test]
async fn without_randomness_no_secret_is_replaced_and_the_old_one_goes_on() {
    let store = FaultyStore::new(MemoryStore::new());
    let clock = TestClock::new();
    let healthy = SessionManager::new(store.clone(), Settings::default()).unwrap();
    let failing = testing::manager_without_randomness(store.clone(), Settings::default()).unwrap();
    let healthy = Site::with_sessions(healthy, clock.clone(), routes()).await;
    let failing = Site::with_sessions(failing, clock, routes()).await;
    let browser = Browser::new(&healthy);
    put(&browser, "red").await;

    let elsewhere = browser.at_server(&failing);
    for request in [Request::post("/rotate"), Request::post("/sign-in").body("ann")] {
        let response = elsewhere.send(request).await;
        assert_eq!(response.status, 500);
        assert!(response.cookies().is_empty(), "{response:?}");
    }
    assert_eq!(store.count(Call::Replace), 0);
    assert_eq!(browser.get("/look").await.body, "resumed red");
}

/// SECURITY 2. A byte that meant something, a user, a time, a counter's upper half, would be the same, or nearly, in tokens
/// made for similar users at one time.
#[tokio::test]
async fn tokens_of_users_have_nothing_in_common_but_the_key_number() {
    const USERS: usize = 64;
    for (settings, key_number) in [(Settings::default(), 0), (keyed(), 2)] {
        let site = Site::start(MemoryStore::new(), settings, routes()).await;
        let mut tokens = Vec::new();
        for user in 0..USERS {
            let token = sign_in(&Browser::new(&site), &format!("user-{user}")).await;
            tokens.push(decoded(&token));
        }
        let length = tokens[0].len();
        assert!(tokens.iter().all(|token| token.len() == length));
        for at in 0..length {
            let values: HashSet<u8> = tokens.iter().map(|token| token[at]).collect();
            // Of 64 random bytes some 57 are different, and never fewer than 30.
            let expected = if at < key_number { 1..=1 } else { 30..=USERS };
            assert!(expected.contains(&values.len()), "byte {at} takes {} values", values.len());
        }
    }
}

/// SECURITY 3.
#[tokio::test]
async fn a_self_made_token_never_becomes_that_of_a_session() {
    let site = Site::start(MemoryStore::new(), Settings::default(), routes()).await;
    let browser = Browser::new(&site);
    let forged = encoded(&[7; 32]);
    let forgery = format!("__Host-id={forged}");

    let response = browser.send(Request::post("/put").header("Cookie", &forgery).body("red")).await;
    let issued = response.cookies()[0].split(['=', ';']).nth(1).unwrap().to_owned();
    let (forged, issued) = (decoded(&forged), decoded(&issued));
    assert_ne!(forged[..16], issued[..16], "the locator is of our making");
    assert_ne!(forged[16..], issued[16..], "and so is the secret");

    assert_eq!(look_with(&browser, &forgery).await.body, "unknown -");
    assert_eq!(browser.get("/look").await.body, "resumed red");
}

/// SECURITY 3.
#[tokio::test]
async fn with_a_key_self_made_tokens_cost_no_store_call() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::start(store.clone(), keyed(), routes()).await;
    let browser = Browser::new(&site);
    let real = decoded(&put(&browser, "red").await);
    let before = store.count_all();

    let mut forgeries = vec![encoded(&[7; 32]), encoded(&[7; 50]), encoded(&real[2..34])];
    for (at, _) in real.iter().enumerate() {
        let mut changed = real.clone();
        changed[at] ^= 1;
        forgeries.push(encoded(&changed));
    }
    for forged in forgeries {
        assert_eq!(look_with(&browser, format!("__Host-id={forged}")).await.body, "fresh -");
    }
    assert_eq!(store.count_all(), before);
    assert_eq!(browser.get("/look").await.body, "resumed red");
}

/// SECURITY 4.
#[tokio::test]
async fn what_does_not_have_the_form_of_a_token_causes_no_store_call() {
    for settings in [Settings::default(), keyed()] {
        let store = FaultyStore::new(MemoryStore::new());
        let site = Site::start(store.clone(), settings, routes()).await;
        let browser = Browser::new(&site);
        let token = put(&browser, "red").await;
        let before = store.count_all();
        for value in misshapen(&token) {
            let field = [b"__Host-id=", &value[..]].concat();

            // No HTTP server lets NUL, CR and LF through; the engine does not rely on that.
            let session = site.sessions.open(&CookieFields::new([field.clone()]));
            assert_eq!(session.status().await.unwrap().to_string(), "fresh", "{}", value.escape_ascii());
            assert_eq!(session.get::<String>("coat").await.unwrap(), None);

            if !value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
                let response = look_with(&browser, &field).await;
                assert_eq!(response.body, "fresh -", "{}", value.escape_ascii());
            }
        }
        assert_eq!(store.count_all(), before);
        assert_eq!(browser.get("/look").await.body, "resumed red");
    }
}

fn misshapen(token: &str) -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"../../../etc/passwd".to_vec(),
        vec![b'A'; 8192],
        token[1..].into(),
        token[..token.len() - 1].into(),
        format!("{token}A").into(),
        format!("{token}=").into(),
        format!("\"{token}\"").into(),
        format!("{token}\r\nX: y").into(),
        token.repeat(2).into(),
        token.bytes().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect(),
    ];
    // The last character carries two bits more than there are bytes for: only one of four spellings is ours.
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = ALPHABET.iter().position(|byte| *byte == *token.as_bytes().last().unwrap()).unwrap();
    let with = |at: usize, byte: u8| [&token.as_bytes()[..at], &[byte], &token.as_bytes()[at + 1..]].concat();
    values.extend((1..4).map(|bits| with(token.len() - 1, ALPHABET[last ^ bits])));
    values.extend(b"\0\r\n%\"'+/=.,\\\x80\xff".iter().map(|byte| with(20, *byte)));
    values
}

/// SECURITY 5.
#[tokio::test]
async fn a_token_anywhere_but_in_the_cookie_header_is_ignored() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::start(store.clone(), Settings::default(), routes()).await;
    let token = put(&Browser::new(&site), "red").await;
    let pair = format!("__Host-id={token}");
    let before = store.count_all();

    let form = |body: &str| {
        Request::post("/look").header("Content-Type", "application/x-www-form-urlencoded").body(body)
    };
    let mut requests = vec![
        Request::get(format!("/look?{pair}")),
        Request::get(format!("/look?session={token}&id={token}&token={token}&sid={token}")),
        form(&pair),
        form(&format!("id={token}&session={token}&_method=GET")),
    ];
    for name in
        ["Cookie2", "Set-Cookie", "__Host-id", "X-Cookie", "X-Session", "X-Session-Id", "Session", "ETag"]
    {
        requests.push(Request::get("/look").header(name, &pair));
        requests.push(Request::get("/look").header(name, &token));
    }
    for scheme in ["Bearer", "Basic", "Session", "Cookie"] {
        requests.push(Request::get("/look").header("Authorization", format!("{scheme} {token}")));
    }
    requests.push(Request::get("/look").header("Referer", format!("https://localhost/?{pair}")));
    for request in requests {
        let response = Browser::new(&site).send(request.clone()).await;
        assert_eq!(response.body, "fresh -", "{request:?}");
        assert!(response.cookies().is_empty());
    }
    assert_eq!(store.count_all(), before);
}

/// SECURITY 6.
#[tokio::test]
async fn the_key_that_a_session_is_stored_under_is_no_token() {
    for settings in [Settings::default(), keyed()] {
        let store = std::sync::Arc::new(MemoryStore::new());
        let site = Site::start(std::sync::Arc::clone(&store), settings, routes()).await;
        let browser = Browser::new(&site);
        put(&browser, "red").await;
        let page = Scan::page(&*store, None, 10).await.unwrap();
        let [(key, _)] = &page.items[..] else { panic!("one session") };
        // A key has as many bytes as a token without MAC.
        for value in [encoded(key.as_bytes()), key.to_string()] {
            let body = look_with(&browser, format!("__Host-id={value}")).await.body;
            assert!(["unknown -", "fresh -"].contains(&body.as_str()), "{body}");
        }
        assert_eq!(browser.get("/look").await.body, "resumed red");
    }
}
