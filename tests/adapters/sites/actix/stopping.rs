//! The runtime of a worker ends with the server, and what it has begun goes on.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::{App, HttpServer, web};
use cloakroom::actix_v4::SessionMiddleware;
use cloakroom::stores::MemoryStore;
use cloakroom::{Session, SessionManager, Settings};
use cloakroom_store::{Key, Record, Result, Revision, Store, Timestamp};
use cloakroom_tests::{Browser, Gate, Request};

/// A new session is stored when the gate lets it pass.
#[derive(Clone, Debug)]
struct Gated {
    store: Arc<MemoryStore>,
    gate: Gate,
}

impl Store for Gated {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        self.gate.pass().await;
        self.store.create(key, record, now).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.store.load(key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        self.store.replace(key, record, expected, now).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.store.touch(key, now, expires_at).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.store.delete(key).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        self.store.purge(cutoff, limit).await
    }

    fn facets(&self) -> cloakroom_store::Facets<'_> {
        cloakroom_store::Facets::none()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_requests_began_to_save_is_saved_when_the_server_has_stopped() {
    let store = Gated { store: Arc::new(MemoryStore::new()), gate: Gate::new() };
    let sessions = SessionManager::new(store.clone(), Settings::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let site = sessions.clone();
    let app = move || {
        let write = async |session: Session| session.insert("count", &1).await;
        App::new().route("/", web::post().to(write)).wrap(SessionMiddleware::new(site.clone()))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
    let handle = server.handle();
    let server = tokio::spawn(server);

    let browser = Browser::at(address);
    let request = tokio::spawn(async move { browser.try_send(Request::post("/")).await });
    store.gate.arrival().await;
    handle.stop(false).await;
    server.await.unwrap().unwrap();
    request.await.unwrap().unwrap_err();

    store.gate.open();
    assert!(sessions.shutdown().await);
    assert_eq!(cloakroom_tests::all_records(&*store.store).await.len(), 1);
}
