//! How large a session may be: checked before it is written, and before what is stored is read.

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use cloakroom::stores::MemoryStore;
use cloakroom::testing::FaultyStore;
use cloakroom::{Error, Session, Settings};
use cloakroom_store::{Key, Record, Scan};
use cloakroom_tests::{Browser, Site};
use serde_json::{Value, json};

use crate::routes::{put, routes, sign_in};

fn filling() -> Router {
    let value =
        async |session: Session, Path(bytes): Path<usize>| session.insert("value", &"x".repeat(bytes)).await;
    let update = async |session: Session, Path(bytes): Path<usize>| {
        session.update("value", |value: &mut Option<String>| *value = Some("x".repeat(bytes))).await
    };
    let keys = async |session: Session, Path(count): Path<usize>| {
        for key in 0..count {
            session.insert(format!("key {key}"), &key).await?;
        }
        Ok::<_, Error>(())
    };
    let key = async |session: Session, Path(bytes): Path<usize>| session.insert("k".repeat(bytes), "").await;
    let depth = async |session: Session, Path(depth): Path<usize>| {
        let nested = (0..depth).fold(Value::Null, |inner, _| json!([inner]));
        session.insert("deep", &nested).await
    };
    let length = async |session: Session| Ok::<_, Error>(session.len().await?.to_string());
    let deep =
        async |session: Session| Ok::<_, Error>(session.get::<Value>("deep").await?.is_some().to_string());
    routes()
        .route("/value/{bytes}", post(value))
        .route("/update/{bytes}", post(update))
        .route("/keys/{count}", post(keys))
        .route("/key/{bytes}", post(key))
        .route("/depth/{depth}", post(depth))
        .route("/length", get(length))
        .route("/deep", get(deep))
}

async fn records(store: &FaultyStore<MemoryStore>) -> Vec<(Key, Record)> {
    Scan::page(store.inner(), None, 1000).await.unwrap().items
}

/// SECURITY 42.
#[tokio::test]
async fn what_exceeds_a_limit_is_refused_with_413_and_not_stored() {
    let store = FaultyStore::new(MemoryStore::new());
    let settings = Settings::new().anonymous_max_bytes(64 << 10);
    let site = Site::start(store.clone(), settings, filling()).await;
    for (fits, too_much) in [
        ("/value/65524", "/value/65525"),
        ("/update/65524", "/update/65525"),
        ("/keys/256", "/keys/257"),
        ("/key/128", "/key/129"),
        ("/depth/64", "/depth/65"),
    ] {
        let browser = Browser::new(&site);
        assert_eq!(browser.post(fits).await.status, 200, "{fits}");
        let length = browser.get("/length").await.body;
        let response = browser.post(too_much).await;
        assert_eq!((response.status, response.cookies().len()), (413, 0), "{too_much}");
        assert_eq!(browser.get("/length").await.body, length, "{too_much}");
        // However full it is, its user can sign in, and out.
        sign_in(&browser, "ann").await;
        assert_eq!(browser.post("/rotate").await.status, 200);
        assert_eq!(browser.get("/length").await.body, length);
        let stored = records(&store).await;
        assert!(stored.iter().all(|(_, record)| record.data.len() <= (64 << 10) + 128), "{fits}");
        assert_eq!(browser.post("/sign-out").await.status, 200);
    }
}

/// RULES §5, SECURITY 51.
#[tokio::test]
async fn a_session_without_a_user_holds_8_kib_and_the_refusal_names_the_setting() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::start(store.clone(), Settings::default(), filling()).await;
    let browser = Browser::new(&site);
    assert_eq!(browser.post("/value/8180").await.status, 200);
    let length = browser.get("/length").await.body;
    assert_eq!(browser.post("/value/8181").await.status, 413);
    assert_eq!(browser.get("/length").await.body, length);
    sign_in(&browser, "ann").await;
    assert_eq!(browser.post("/value/8181").await.status, 200);
}

/// RULES §6, SECURITY 42. Written under settings that allow more, as before the limits were lowered.
#[tokio::test]
async fn a_stored_session_beyond_the_limits_is_read_and_may_shrink_but_not_grow() {
    let generous = Settings::new().max_record_bytes(1 << 20).max_keys(1000).max_key_bytes(255);
    let generous = generous.anonymous_max_bytes(1 << 20);
    for (oversized, grown, shrunk) in
        [("/value/66000", "/value/66001", "/value/65999"), ("/keys/257", "/keys/258", "/keys/200")]
    {
        let store = FaultyStore::new(MemoryStore::new());
        let generous = Site::start(store.clone(), generous.clone(), filling()).await;
        let strict = Site::start(store.clone(), Settings::default(), filling()).await;
        let browser = Browser::new(&generous);
        assert_eq!(browser.post(oversized).await.status, 200);
        let browser = browser.at_server(&strict);
        let length = browser.get("/length").await.body;
        let response = browser.get("/look").await;
        assert_eq!((response.status, response.body.as_str()), (200, "resumed -"), "{oversized}");
        assert_eq!(browser.post(grown).await.status, 413, "{oversized}");
        assert_eq!(browser.get("/length").await.body, length, "{oversized}");
        assert_eq!(browser.post(shrunk).await.status, 200, "{oversized}");
        sign_in(&browser, "ann").await;
        assert_eq!(browser.post("/sign-out").await.status, 200, "{oversized}");
    }
}

/// SECURITY 42.
#[tokio::test]
async fn a_stored_value_nested_too_deep_is_an_error_for_its_key_alone() {
    let store = FaultyStore::new(MemoryStore::new());
    let generous = Settings::new().max_depth(127);
    let generous = Site::start(store.clone(), generous, filling()).await;
    let strict = Site::start(store.clone(), Settings::default(), filling()).await;
    let browser = Browser::new(&generous);
    assert_eq!(browser.post("/depth/100").await.status, 200);
    put(&browser, "red").await;

    let browser = browser.at_server(&strict);
    assert_eq!(browser.get("/deep").await.status, 500);
    assert_eq!(browser.get("/look").await.body, "resumed red");
    put(&browser, "blue").await;
    assert_eq!(browser.get("/look").await.body, "resumed blue");
    assert_eq!(browser.at_server(&generous).get("/deep").await.body, "true");
}
