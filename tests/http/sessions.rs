//! What a session does for an application: values, keys, snapshots, conflicts.

use axum::Router;
use axum::routing::get;
use cloakroom::stores::MemoryStore;
use cloakroom::{Error, Session, Settings};
use cloakroom_tests::{Browser, Site};

async fn count(session: Session) -> Result<String, Error> {
    let count =
        session.update("count", |count: &mut Option<u64>| *count.insert(count.unwrap_or(0) + 1)).await?;
    Ok(count.to_string())
}

#[tokio::test]
async fn two_browsers_count_apart() {
    let routes = Router::new().route("/count", get(count));
    let site = Site::start(MemoryStore::new(), Settings::default(), routes).await;
    let (one, other) = (Browser::new(&site), Browser::new(&site));
    for expected in ["1", "2", "3"] {
        assert_eq!(one.get("/count").await.body, expected);
    }
    assert_eq!(other.get("/count").await.body, "1");
}
