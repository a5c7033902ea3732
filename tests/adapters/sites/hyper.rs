//! The application on hyper alone, over HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use cloakroom::http_v1::{self, PeerAddress};
use cloakroom::{Locking, Result, RouteOptions, Session, SessionManager};
use cloakroom_tests::{Played, Script};
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{Message, protocol::Role};

use crate::site::{Adapter, Differences, Served, clashing, other};

pub(crate) struct Hyper;

impl Adapter for Hyper {
    /// A handler is given its session as an argument, and cannot be called where there is none.
    const DIFFERENCES: Differences = Differences { hides_what_is_missing: true, ..Differences::NONE };

    async fn serve(sessions: SessionManager, script: Script) -> Served {
        let inside =
            [("twice", sessions.clone()), ("clash", clashing(&sessions)), ("other", other(&sessions))];
        listen(move |peer| {
            let (sessions, inside, script) = (sessions.clone(), inside.clone(), script.clone());
            service_fn(move |request| site(sessions.clone(), inside.clone(), script.clone(), peer, request))
        })
        .await
    }
}

async fn site(
    sessions: SessionManager,
    inside: [(&'static str, SessionManager); 3],
    script: Script,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if steps(&request, "bare").is_some() {
        return Ok(outside());
    }
    request.extensions_mut().insert(PeerAddress(peer.ip()));
    http_v1::serve(sessions, request, async |request, session| {
        for (name, sessions) in inside {
            if let Some(steps) = steps(&request, name) {
                let play = async |_, session| play(&script, session, &steps).await;
                let Ok(response) = http_v1::serve(sessions, request, play).await;
                return Ok(response);
            }
        }
        answer(script, request, session).await
    })
    .await
}

/// What the application says where it has no session.
pub(crate) fn outside() -> Response<Body> {
    let mut response = Response::new("there is no session here".to_owned().into());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

async fn answer(script: Script, request: Request<Incoming>, session: Session) -> Result<Response<Body>> {
    for (name, route) in routes() {
        if let Some(steps) = steps(&request, name) {
            session.configure(route);
            return play(&script, session, &steps).await;
        }
    }
    page(script, request, session).await
}

/// The routes with settings of their own.
pub(crate) fn routes() -> [(&'static str, RouteOptions); 4] {
    [
        ("locked", RouteOptions::new().locking(Locking::Implicit)),
        ("degraded", RouteOptions::new().degraded(true)),
        ("no_touch", RouteOptions::new().touch(false)),
        ("off", RouteOptions::new().off(true)),
    ]
}

/// What follows `/name/` in the path.
pub(crate) fn steps<B>(request: &Request<B>, name: &str) -> Option<String> {
    let rest = request.uri().path().strip_prefix('/')?.strip_prefix(name)?.strip_prefix('/')?;
    Some(rest.to_owned())
}

/// All but the routes with settings.
pub(crate) async fn page(
    script: Script,
    request: Request<Incoming>,
    session: Session,
) -> Result<Response<Body>> {
    if let Some(steps) = steps(&request, "socket") {
        script.play(session.clone(), &steps).await?;
        return Ok(socket(script, request, session));
    }
    match request.uri().path() {
        "/user" => Ok(Response::new(session.require_subject().await?.as_str().to_owned().into())),
        "/echo" => echo(request, session).await,
        path => play(&script, session, path).await,
    }
}

pub(crate) async fn play(script: &Script, session: Session, path: &str) -> Result<Response<Body>> {
    let Played { status, headers, body } = script.play(session, path).await?;
    let mut response = Response::new(Body::new(StreamBody::new(body.map_ok(Frame::data))));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    Ok(response)
}

async fn echo(request: Request<Incoming>, session: Session) -> Result<Response<Body>> {
    session.insert("bodies", &(session.get::<u64>("bodies").await?.unwrap_or(0) + 1)).await?;
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(Response::new(Body::new(Full::new(body))))
}

fn socket(script: Script, mut request: Request<Incoming>, session: Session) -> Response<Body> {
    let accept = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(stream) = upgrade.await else { return }; // the response was replaced
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None).await;
        while let Some(Ok(Message::Text(path))) = socket.next().await {
            let said = script.say(session.clone(), &path).await;
            if socket.send(Message::text(said)).await.is_err() {
                return;
            }
        }
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", accept);
    response.body(String::new().into()).unwrap()
}

/// Serves what `service` makes for each connection.
pub(crate) async fn listen<S>(service: impl Fn(SocketAddr) -> S + Send + 'static) -> Served
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Send
        + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (stream, peer): (TcpStream, _) = listener.accept().await.unwrap();
            let service = service(peer);
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                // The connection's error is its client's affair.
                _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    Served::new(address, move || server.abort())
}

/// Any body, made of a text where the response is replaced.
pub(crate) struct Body(UnsyncBoxBody<Bytes, Infallible>);

impl Body {
    fn new(body: impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static) -> Self {
        Self(body.boxed_unsync())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::new(Full::from(text))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
