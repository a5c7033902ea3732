//! What no other framework has: a runtime for each worker, and handlers that stay on it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::{App, HttpServer, web};
use cloakroom::actix_v4::SessionMiddleware;
use cloakroom::stores::MemoryStore;
use cloakroom::{Result, Session, SessionManager, Settings};
use cloakroom_tests::Browser;

const WORKERS: usize = 4;
const TABS: usize = 8;
const REQUESTS: usize = 25;

/// Adds one, with what may not leave its thread kept across the call; answers whose worker this is.
async fn add(session: Session, worker: web::Data<usize>) -> Result<String> {
    let runs = Rc::new(Cell::new(0));
    let count = |count: &mut Option<usize>| {
        runs.set(runs.get() + 1);
        *count.insert(count.unwrap_or(0) + 1)
    };
    session.update("count", count).await?;
    assert!(runs.get() > 0, "counted");
    Ok(worker.to_string())
}

async fn count(session: Session) -> Result<String> {
    Ok(session.get::<usize>("count").await?.unwrap_or(0).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_that_are_not_send_count_exactly_on_all_workers() {
    let sessions = SessionManager::new(MemoryStore::new(), Settings::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let started = Arc::new(AtomicUsize::new(0));
    let app = move || {
        App::new()
            .app_data(web::Data::new(started.fetch_add(1, Ordering::SeqCst)))
            .route("/add", web::post().to(add))
            .route("/count", web::get().to(count))
            .wrap(SessionMiddleware::new(sessions.clone()))
    };
    let server = HttpServer::new(app).workers(WORKERS).disable_signals().listen(listener).unwrap().run();
    let handle = server.handle();
    let server = tokio::spawn(server);

    let browser = Browser::at(address);
    browser.post("/add").await;
    let tabs: Vec<_> = (0..TABS)
        .map(|_| {
            let tab = browser.tab();
            tokio::spawn(async move {
                let mut workers = BTreeSet::new();
                for _ in 0..REQUESTS {
                    workers.insert(tab.post("/add").await.body);
                }
                workers
            })
        })
        .collect();
    let mut workers = BTreeSet::new();
    for tab in tabs {
        workers.append(&mut tab.await.unwrap());
    }
    assert_eq!(workers.len(), WORKERS, "{workers:?}");
    assert_eq!(browser.get("/count").await.body, (1 + TABS * REQUESTS).to_string());

    handle.stop(false).await;
    server.await.unwrap().unwrap();
}
