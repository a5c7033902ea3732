//! The application on Poem.

use cloakroom::poem_v3::{RouteMiddleware, SessionMiddleware};
use cloakroom::{Locking, Result, RouteOptions, Session, SessionManager, SignedIn};
use cloakroom_tests::{Played, PlayedBody, Script};
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use poem::http::{StatusCode, Uri};
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::web::Data;
use poem::web::websocket::{Message, WebSocket, WebSocketStream};
use poem::{Body, Endpoint, EndpointExt, IntoResponse, Response, Route, Server, get, handler, post};

use crate::site::{Adapter, Differences, Served, clashing, other};

pub(crate) struct Poem;

impl Adapter for Poem {
    const DIFFERENCES: Differences =
        Differences { runs_on: true, drops_over_http_2: true, ..Differences::NONE };

    async fn serve(sessions: SessionManager, script: Script) -> Served {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
        let address = *acceptor.local_addr()[0].as_socket_addr().unwrap();
        let app = app(sessions, script);
        let server = tokio::spawn(async move { Server::new_with_acceptor(acceptor).run(app).await.unwrap() });
        Served::new(address, move || server.abort())
    }
}

fn app(sessions: SessionManager, script: Script) -> impl Endpoint {
    let with = |route: RouteOptions| play.with(RouteMiddleware::new(route));
    let inside = Route::new()
        .nest("/locked", with(RouteOptions::new().locking(Locking::Implicit)))
        .nest("/degraded", with(RouteOptions::new().degraded(true)))
        .nest("/no_touch", with(RouteOptions::new().touch(false)))
        .nest("/off", with(RouteOptions::new().off(true)))
        .nest("/twice", play.with(SessionMiddleware::new(sessions.clone())))
        .nest("/clash", play.with(SessionMiddleware::new(clashing(&sessions))))
        .nest("/other", play.with(SessionMiddleware::new(other(&sessions))))
        .at("/user", get(user))
        .at("/echo", post(echo))
        .nest("/socket", get(socket))
        .nest("/", play);
    let bare = Route::new().nest("/bare", play);
    bare.nest("/", inside.with(SessionMiddleware::new(sessions))).data(script)
}

/// Nesting has taken its prefix off the path.
#[handler]
async fn play(script: Data<&Script>, session: Session, uri: &Uri) -> Result<Response> {
    script.play(session, uri.path()).await.map(response)
}

#[handler]
async fn user(SignedIn(user): SignedIn) -> String {
    user.as_str().to_owned()
}

#[handler]
async fn echo(session: Session, body: String) -> Result<String> {
    session.insert("bodies", &(session.get::<u64>("bodies").await?.unwrap_or(0) + 1)).await?;
    Ok(body)
}

#[handler]
async fn socket(script: Data<&Script>, session: Session, uri: &Uri, upgrade: WebSocket) -> Result<Response> {
    script.play(session.clone(), uri.path()).await?;
    let script = Script::clone(&script);
    let talk = async move |mut socket: WebSocketStream| {
        while let Some(Ok(Message::Text(path))) = socket.next().await {
            let said = script.say(session.clone(), &path).await;
            if socket.send(Message::Text(said)).await.is_err() {
                return;
            }
        }
    };
    Ok(upgrade.on_upgrade(talk).into_response())
}

fn response(played: Played) -> Response {
    let mut response = match played.body {
        PlayedBody::Text(text) => text.into_response(),
        stream => Response::from(Body::from_bytes_stream(
            stream.map_err(|never| -> std::io::Error { match never {} }),
        )),
    };
    response.set_status(StatusCode::from_u16(played.status).unwrap());
    for (name, value) in played.headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}
