//! The tower layer and the axum extractor: nesting, routers, panics, streams.

mod errors;
mod http2;
mod nesting;
mod panics;
mod routing;
mod serve;
mod services;
mod streams;
mod users;

use axum::Router;
use cloakroom::stores::MemoryStore;
use cloakroom::{Error, Session, SessionKey, Settings};
use cloakroom_tests::Site;

const COUNT: SessionKey<u64> = SessionKey::new("count");

async fn site(routes: Router) -> Site {
    Site::start(MemoryStore::new(), Settings::default(), routes).await
}

async fn add_one(session: Session) -> Result<String, Error> {
    session.update(COUNT, |count| count.insert(count.unwrap_or(0) + 1).to_string()).await
}

async fn count(session: Session) -> Result<String, Error> {
    Ok(session.get(COUNT).await?.unwrap_or(0).to_string())
}

/// Waits for what happens in the background, on its own time but soon.
async fn eventually(what: impl AsyncFn() -> bool) {
    for _ in 0..1000 {
        if what().await {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it did not happen");
}
