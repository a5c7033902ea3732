//! The application on axum.

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use cloakroom::axum_v0_8::{RouteLayer, SessionLayer};
use cloakroom::{Locking, Result, RouteOptions, Session, SessionManager, SignedIn};
use cloakroom_tests::{Played, Script};
use tokio::net::TcpListener;

use crate::site::{Adapter, Differences, Served, clashing, other};

pub(crate) struct Axum;

impl Adapter for Axum {
    const DIFFERENCES: Differences = Differences::NONE;

    async fn serve(sessions: SessionManager, script: Script) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app(sessions, script).into_make_service_with_connect_info::<std::net::SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Served::new(address, move || server.abort())
    }
}

fn app(sessions: SessionManager, script: Script) -> Router {
    let with = |path: &str, route: RouteOptions| {
        Router::new().route(path, any(play)).route_layer(RouteLayer::new(route))
    };
    Router::new()
        .merge(with("/locked/{*path}", RouteOptions::new().locking(Locking::Implicit)))
        .merge(with("/degraded/{*path}", RouteOptions::new().degraded(true)))
        .merge(with("/no_touch/{*path}", RouteOptions::new().touch(false)))
        .merge(with("/off/{*path}", RouteOptions::new().off(true)))
        .route("/user", get(async |SignedIn(user): SignedIn| user.as_str().to_owned()))
        .route("/twice/{*path}", any(play).layer(SessionLayer::new(sessions.clone())))
        .route("/clash/{*path}", any(play).layer(SessionLayer::new(clashing(&sessions))))
        .route("/other/{*path}", any(play).layer(SessionLayer::new(other(&sessions))))
        .route("/echo", post(echo))
        .route("/socket/{*path}", any(socket))
        .fallback(async |script: State<Script>, session: Session, uri: axum::http::Uri| {
            script.play(session, uri.path()).await
        })
        .layer(SessionLayer::new(sessions))
        .route("/bare/{*path}", any(play))
        .with_state(script)
}

async fn play(State(script): State<Script>, session: Session, Path(path): Path<String>) -> Result<Played> {
    script.play(session, &path).await
}

async fn echo(session: Session, body: String) -> Result<String> {
    session.insert("bodies", &(session.get::<u64>("bodies").await?.unwrap_or(0) + 1)).await?;
    Ok(body)
}

async fn socket(
    State(script): State<Script>,
    session: Session,
    Path(path): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Result<Response> {
    script.play(session.clone(), &path).await?;
    Ok(upgrade.on_upgrade(async move |mut socket: WebSocket| {
        while let Some(Ok(Message::Text(path))) = socket.recv().await {
            let said = script.say(session.clone(), &path).await;
            if socket.send(Message::text(said)).await.is_err() {
                return;
            }
        }
    }))
}
