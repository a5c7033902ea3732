//! The application on Salvo.

use cloakroom::salvo_v1::{RouteHoop, SessionHoop};
use cloakroom::{Locking, Result, RouteOptions, Session, SessionManager, SignedIn};
use cloakroom_tests::{Played, PlayedBody, Script};
use salvo::http::StatusCode;
use salvo::http::cookie::Cookie;
use salvo::prelude::{Listener as _, Router, Server, TcpListener, WebSocketUpgrade, Writer as _, handler};
use salvo::websocket::{Message, WebSocket};
use salvo::{Request, Response};

use crate::site::{Adapter, Differences, Served, clashing, other};

pub(crate) struct Salvo;

impl Adapter for Salvo {
    const DIFFERENCES: Differences = Differences::NONE;

    async fn serve(sessions: SessionManager, script: Script) -> Served {
        let acceptor = TcpListener::new("127.0.0.1:0").bind().await;
        let address = acceptor.local_addr().unwrap();
        let server = tokio::spawn(Server::new(acceptor).serve(app(sessions, script)));
        Served::new(address, move || server.abort())
    }
}

fn app(sessions: SessionManager, script: Script) -> Router {
    let play = || Play(script.clone());
    let with =
        |path: &str, route: RouteOptions| Router::with_path(path).hoop(RouteHoop::new(route)).goal(play());
    let again = |path: &str, sessions: SessionManager| {
        Router::with_path(path).hoop(SessionHoop::new(sessions)).goal(play())
    };
    let (clashes, others) = (clashing(&sessions), other(&sessions));
    let inside = Router::new()
        .hoop(SessionHoop::new(sessions.clone()))
        .push(with("locked/{**path}", RouteOptions::new().locking(Locking::Implicit)))
        .push(with("degraded/{**path}", RouteOptions::new().degraded(true)))
        .push(with("no_touch/{**path}", RouteOptions::new().touch(false)))
        .push(with("off/{**path}", RouteOptions::new().off(true)))
        .push(Router::with_path("user").goal(user))
        .push(again("twice/{**path}", sessions))
        .push(again("clash/{**path}", clashes))
        .push(again("other/{**path}", others))
        .push(Router::with_path("echo").post(echo))
        .push(Router::with_path("socket/{**path}").goal(Socket(script.clone())))
        .push(Router::with_path("{**path}").goal(play()));
    Router::new().push(Router::with_path("bare/{**path}").goal(play())).push(inside)
}

struct Play(Script);

#[handler]
impl Play {
    async fn handle(&self, session: Session, req: &mut Request, res: &mut Response) -> Result<()> {
        render(self.0.play(session, &path(req)).await?, res);
        Ok(())
    }
}

/// By Salvo's own means: cookies through its jar, which it empties into the head at the very end.
fn render(played: Played, res: &mut Response) {
    res.status_code(StatusCode::from_u16(played.status).unwrap());
    for (name, value) in played.headers {
        match *name {
            "set-cookie" => drop(res.add_cookie(Cookie::parse(*value).unwrap())),
            name => drop(res.add_header(name, *value, true).unwrap()),
        }
    }
    match played.body {
        PlayedBody::Text(text) => res.render(text),
        stream => res.stream(stream),
    }
}

#[handler]
async fn user(who: SignedIn) -> String {
    who.as_str().to_owned()
}

#[handler]
async fn echo(session: Session, req: &mut Request) -> Result<String> {
    session.insert("bodies", &(session.get::<u64>("bodies").await?.unwrap_or(0) + 1)).await?;
    let body = req.payload_with_max_size(2 << 20).await.unwrap();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

struct Socket(Script);

#[handler]
impl Socket {
    async fn handle(&self, session: Session, req: &mut Request, res: &mut Response) -> Result<()> {
        let script = self.0.clone();
        script.play(session.clone(), &path(req)).await?;
        let upgraded = async move |mut socket: WebSocket| {
            while let Some(Ok(message)) = socket.recv().await {
                let Ok(path) = message.as_str() else { return };
                let said = script.say(session.clone(), path).await;
                if socket.send(Message::text(said)).await.is_err() {
                    return;
                }
            }
        };
        if let Err(refused) = WebSocketUpgrade::new().upgrade(req, res, upgraded).await {
            res.render(refused);
        }
        Ok(())
    }
}

/// What follows the route's own part of the path.
fn path(req: &Request) -> String {
    req.param("path").unwrap_or_default()
}
