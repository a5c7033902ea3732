//! A flood of visitors who never come back, beside users who do (SECURITY 51, F28).

use std::time::Duration;

use axum::Router;
use axum::routing::post;
use cloakroom::stores::MemoryStore;
use cloakroom::testing::{Call, FaultyStore};
use cloakroom::{Session, Settings};
use cloakroom_tests::{Direct, Script};

/// The script, and a route that puts so many bytes into the session.
fn routes(bytes: usize) -> Router {
    let fill = async move |session: Session| session.insert("cart", &"x".repeat(bytes)).await;
    Script::default().routes().route("/fill", post(fill))
}

async fn flood(store: MemoryStore, bytes: usize) {
    const STRANGERS: usize = 16_000;
    let site = Direct::new(store, Settings::default(), routes(bytes));
    let visitor = site.stranger();
    assert_eq!(visitor.post("/set=n:1").await.status, 200);
    site.clock.advance(Duration::from_secs(120));
    assert_eq!(visitor.get("/get=n").await.body, "1");
    assert!(site.sessions.shutdown().await, "the use is noted");

    let mut users = Vec::new();
    for stranger in 0..STRANGERS {
        if stranger % 200 == 0 {
            let user = site.stranger();
            let id = format!("user{}", users.len());
            assert_eq!(user.post(&format!("/in={id}/set=n:1")).await.status, 200);
            users.push((user, id));
        }
        if stranger % 50 == 0 {
            let (user, id) = &users[stranger / 50 % users.len()];
            let response = user.post("/add=n/subject").await;
            assert!(response.status == 200 && response.body.ends_with(id.as_str()), "{}", response.body);
        }
        assert_eq!(site.stranger().post("/fill").await.status, 200);
    }
    for (user, id) in &users {
        assert_eq!(&user.get("/subject").await.body, id);
    }
    assert_eq!(visitor.get("/get=n").await.body, "1", "who came back once keeps his session");
}

/// The default store with its bound in bytes, and the sessions, a sixty-fourth as large.
#[tokio::test]
async fn a_flood_of_strangers_fills_the_memory_store_and_keeps_nobody_out() {
    flood(MemoryStore::builder().max_bytes((1 << 30) / 64).open().unwrap(), 1000).await;
}

#[tokio::test]
async fn a_flood_of_empty_sessions_does_not_either() {
    flood(MemoryStore::builder().max_sessions(1000).open().unwrap(), 1).await;
}

/// The default store itself, which takes a gigabyte of memory and ten seconds.
#[tokio::test]
async fn a_flood_of_large_sessions_fills_the_default_store_and_keeps_nobody_out() {
    if std::env::var_os("CLOAKROOM_FULL_SIZE").is_some() {
        flood(MemoryStore::new(), 65_000).await;
    }
}

/// A save that meets a record that was evicted finds none, like one after a sign-out: nothing comes back.
#[tokio::test]
async fn a_request_whose_session_was_evicted_saves_nothing() {
    let script = Script::default();
    let site = Direct::new(
        MemoryStore::builder().max_sessions(1).open().unwrap(),
        Settings::default(),
        script.routes(),
    );
    let visitor = site.stranger();
    visitor.post("/set=n:1").await;
    let slow = tokio::spawn(visitor.get("/get=n/a/set=n:2"));
    script.a.arrival().await;
    assert_eq!(site.stranger().post("/in=ann").await.status, 200);
    script.a.open();
    let response = slow.await.unwrap();
    assert_eq!((response.status, response.cookies()), (200, vec![]));
    assert_eq!(visitor.get("/get=n").await.body, "-");
}

/// `anonymous_rate`: what exceeds it is refused before anything is written, and users notice nothing.
#[tokio::test(start_paused = true)]
async fn no_more_sessions_without_a_user_begin_in_a_second_than_the_settings_allow() {
    let store = FaultyStore::new(MemoryStore::new());
    let settings = Settings::new().anonymous_rate(5);
    let site = Direct::new(store.clone(), settings, Script::default().routes());
    let visitor = site.stranger();
    assert_eq!(visitor.post("/set=n:1").await.status, 200);
    for _ in 0..4 {
        assert_eq!(site.stranger().post("/set=n:1").await.status, 200);
    }
    let calls = store.count_all();
    let refused = site.stranger();
    for path in ["/set=n:1", "/set=n:1/save", "/add=n"] {
        let response = refused.post(path).await;
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")), "{path}");
        assert_eq!((response.cookies(), store.count_all()), (vec![], calls), "{path}");
        assert!(response.body.contains("too many new visitors"), "{}", response.body);
    }
    assert_eq!(refused.post("/try.save/get=n").await.status, 200, "nothing is to be saved");
    // Those who have a session, and those who sign in.
    assert_eq!(visitor.post("/set=n:2/get=n").await.body, "2");
    for user in ["ann", "bob"] {
        let signed_in = site.stranger();
        assert_eq!(signed_in.post(&format!("/set=n:1/in={user}/subject")).await.body, user);
        assert_eq!(signed_in.post("/set=n:2").await.status, 200);
    }
    assert_eq!(refused.post("/set=n:1").await.status, 503);
    tokio::time::advance(Duration::from_millis(200)).await;
    assert_eq!(refused.post("/set=n:1").await.status, 200);
    assert_eq!(site.stranger().post("/set=n:1").await.status, 503);
    assert_eq!(store.count(Call::Create), 5 + 2 + 1);
}
