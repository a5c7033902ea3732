//! Which browser has a session, from where, and when it was used (SECURITY 59).

use std::time::Duration;

use cloakroom::stores::MemoryStore;
use cloakroom::testing::{Call, FaultyStore};
use cloakroom::{SessionInfo, Settings};
use cloakroom_tests::{Browser, Direct, Request, Script, Site};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn recording() -> Settings {
    Settings::new().record_client(true)
}

async fn site(settings: Settings) -> Site {
    Site::start(MemoryStore::new(), settings, Script::default().routes()).await
}

fn direct(settings: Settings) -> (Direct, FaultyStore<MemoryStore>) {
    let store = FaultyStore::new(MemoryStore::new());
    (Direct::new(store.clone(), settings, Script::default().routes()), store)
}

/// Ann's only session, as the list of them shows it.
async fn listed(sessions: &cloakroom::SessionManager) -> SessionInfo {
    let mut all = sessions.sessions_of("ann").await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// What the list says of the client: its `User-Agent` and address, `-` for none.
async fn client(site: &Site) -> String {
    let info = listed(&site.sessions).await;
    let address = info.address.map_or("-".to_owned(), |address| address.to_string());
    format!("{} at {address}", info.user_agent.as_deref().unwrap_or("-"))
}

fn from(address: &str, user_agent: &str, request: Request) -> Request {
    request.header("X-Forwarded-For", address).header("User-Agent", user_agent)
}

#[tokio::test]
async fn nothing_is_kept_unless_the_setting_is_on() {
    let site = site(Settings::default()).await;
    let browser = Browser::new(&site);
    browser.send(from("198.51.100.7", FIREFOX, Request::post("/in=ann"))).await;
    assert_eq!(client(&site).await, "- at -");
}

/// 47, 59. A header that no trusted proxy wrote is the client's own invention.
#[tokio::test]
async fn the_address_is_the_peers_unless_a_trusted_proxy_names_another() {
    let trusting = recording().trusted_proxies(["127.0.0.1".parse().unwrap()]);
    let elsewhere = recording().trusted_proxies(["192.0.2.1".parse().unwrap()]);
    for (settings, address) in
        [(recording(), "127.0.0.1"), (elsewhere, "127.0.0.1"), (trusting, "198.51.100.7")]
    {
        let site = site(settings).await;
        let browser = Browser::new(&site);
        browser.send(from("203.0.113.9, 198.51.100.7", FIREFOX, Request::post("/in=ann"))).await;
        assert_eq!(client(&site).await, format!("{FIREFOX} at {address}"));
    }
}

#[tokio::test]
async fn what_is_not_known_is_absent_and_no_error() {
    let site = site(recording().trusted_proxies(["127.0.0.1".parse().unwrap()])).await;
    let browser = Browser::new(&site);
    let response = browser.send(Request::post("/in=ann").header("X-Forwarded-For", "unknown")).await;
    assert_eq!(response.status, 200);
    assert_eq!(client(&site).await, "- at -");
}

#[tokio::test]
async fn a_user_agent_is_kept_within_bounds_and_without_control_characters() {
    let site = site(recording()).await;
    let browser = Browser::new(&site);
    for (sent, kept) in [
        ("<script>alert(1)</script>".to_owned(), "<script>alert(1)</script>".to_owned()),
        ("a\tb\u{85}\u{202e}c".to_owned(), "abc".to_owned()),
        ("x".repeat(5_000), "x".repeat(256)),
        (" \t ".to_owned(), "-".to_owned()),
    ] {
        browser.send(Request::post("/in=ann").header("User-Agent", sent)).await;
        assert_eq!(client(&site).await, format!("{kept} at 127.0.0.1"));
    }
}

/// It is told by the requests that write anyhow: a sign-in, a rotation, a change of data.
#[tokio::test]
async fn the_client_is_that_of_the_last_request_that_wrote() {
    let site = site(recording().trusted_proxies(["127.0.0.1".parse().unwrap()])).await;
    let browser = Browser::new(&site);
    browser.send(from("198.51.100.1", "a/1", Request::post("/set=x:1"))).await;
    for (number, path) in
        ["/in=ann", "/set=x:2", "/rotate", "/add=y", "/remember=3600", "/in=ann"].iter().enumerate()
    {
        let address = format!("198.51.100.{}", number + 2);
        browser.send(from(&address, &format!("b/{number}"), Request::post(*path))).await;
        assert_eq!(client(&site).await, format!("b/{number} at {address}"), "{path}");
    }
}

/// A session that is cleared, or taken over by another user, says who did that.
#[tokio::test]
async fn a_clear_and_a_change_of_user_leave_nothing_of_the_client_before() {
    let site = site(recording()).await;
    let browser = Browser::new(&site);
    browser.send(Request::post("/in=bob/set=x:1").header("User-Agent", "old/1")).await;
    browser.send(Request::post("/in=ann")).await;
    assert_eq!(client(&site).await, "- at 127.0.0.1");
    browser.send(Request::post("/in=ann").header("User-Agent", "old/2")).await;
    browser.send(Request::post("/clear")).await;
    assert_eq!(client(&site).await, "- at 127.0.0.1");
}

/// U6: it is no reason for a write.
#[tokio::test]
async fn a_request_that_only_reads_writes_nothing_from_another_client_either() {
    let (site, store) = direct(recording());
    site.send(Request::post("/in=ann/set=x:1").header("User-Agent", FIREFOX)).await;
    let writes = |store: &FaultyStore<MemoryStore>| store.count(Call::Replace) + store.count(Call::Create);
    let before = writes(&store);
    for path in ["/get=x", "/set=x:1", "/remove=y"] {
        site.send(Request::get(path).header("User-Agent", "other/1")).await;
    }
    assert!(site.sessions.shutdown().await);
    assert_eq!(writes(&store), before);
    assert_eq!(listed(&site.sessions).await.user_agent.as_deref(), Some(FIREFOX));
}

#[tokio::test]
async fn with_the_setting_off_again_the_next_write_drops_what_was_kept() {
    let store = FaultyStore::new(MemoryStore::new());
    let routes = || Script::default().routes();
    let recorded = Site::start(store.clone(), recording(), routes()).await;
    let browser = Browser::new(&recorded);
    browser.send(Request::post("/in=ann").header("User-Agent", FIREFOX)).await;
    let off = Site::start(store, Settings::default(), routes()).await;
    let browser = browser.at_server(&off);
    browser.get("/subject").await;
    assert_eq!(client(&off).await, format!("{FIREFOX} at 127.0.0.1"), "nothing was written");
    browser.send(Request::post("/set=x:1").header("User-Agent", FIREFOX)).await;
    assert_eq!(client(&off).await, "- at -");
}

/// To a minute, or a twentieth of the idle time.
#[tokio::test]
async fn the_last_use_is_known_to_the_minute() {
    for settings in [Settings::default(), recording()] {
        let (site, _) = direct(settings);
        site.post("/in=ann").await;
        let signed_in = listed(&site.sessions).await;
        assert_eq!(signed_in.last_used_at, signed_in.times.created_at);
        for minutes in [59, 30, 1] {
            let before = listed(&site.sessions).await.last_used_at;
            site.clock.advance(minutes * MINUTE);
            assert_eq!(listed(&site.sessions).await.last_used_at, before);
            site.get("/subject").await;
            assert!(site.sessions.shutdown().await);
            assert_eq!(listed(&site.sessions).await.last_used_at, before + minutes * MINUTE);
        }
    }
}

/// Its idle time never moves, so there is nothing but the writes to go by.
#[tokio::test]
async fn of_a_remembered_session_the_last_write_is_known() {
    for (settings, moves) in [(Settings::default(), false), (recording(), true)] {
        let (site, _) = direct(settings);
        site.post("/in=ann/remember=864000").await;
        let began = listed(&site.sessions).await.last_used_at;
        site.clock.advance(DAY);
        site.post("/set=x:1").await;
        site.clock.advance(HOUR);
        site.get("/get=x").await;
        assert!(site.sessions.shutdown().await);
        let written = if moves { began + DAY } else { began };
        assert_eq!(listed(&site.sessions).await.last_used_at, written);
        site.post("/rotate").await;
        assert_eq!(listed(&site.sessions).await.last_used_at, began + DAY + HOUR, "a new secret");
    }
}
