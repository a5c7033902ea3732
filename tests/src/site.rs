use std::net::SocketAddr;

use axum::Router;
use cloakroom::axum_v0_8::SessionLayer;
use cloakroom::testing::{self, TestClock};
use cloakroom::{SessionManager, Settings};
use cloakroom_store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A web site on a loopback port, with sessions on a clock that the test moves. It goes down when dropped.
#[derive(Debug)]
pub struct Site {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its sessions.
    pub sessions: SessionManager,
    /// Their clock.
    pub clock: TestClock,
    server: JoinHandle<()>,
}

impl Site {
    /// Serves `routes` inside a session layer.
    pub async fn start(store: impl Store, settings: Settings, routes: Router) -> Self {
        let clock = TestClock::new();
        let sessions = testing::manager(store, settings, &clock).unwrap();
        Self::with_sessions(sessions, clock, routes).await
    }

    /// The same over sessions that the test has made.
    pub async fn with_sessions(sessions: SessionManager, clock: TestClock, routes: Router) -> Self {
        Self::serve(routes.layer(SessionLayer::new(sessions.clone())), sessions, clock).await
    }

    /// Serves an application that has its session layers already.
    pub async fn serve(app: Router, sessions: SessionManager, clock: TestClock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { address, sessions, clock, server }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}
