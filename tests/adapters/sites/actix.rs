//! The application on actix-web.

mod clients;
mod stopping;
mod workers;

use std::net::{SocketAddr, TcpListener};

use actix_web::dev::{HttpServiceFactory, Server};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use actix_ws::Message;
use cloakroom::actix_v4::{RouteMiddleware, SessionMiddleware};
use cloakroom::{Locking, Result, RouteOptions, Session, SessionManager, SignedIn};
use cloakroom_tests::{Played, PlayedBody, Script};

use crate::site::{Adapter, Differences, Served, clashing, other};

pub(crate) struct Actix;

impl Adapter for Actix {
    const DIFFERENCES: Differences = Differences { runs_on: true, ..Differences::NONE };

    async fn serve(sessions: SessionManager, script: Script) -> Served {
        let (listener, address) = listener();
        let routes = routes(sessions, script);
        let server = HttpServer::new(move || App::new().configure(routes.clone()));
        served(address, server.workers(4).disable_signals().listen_auto_h2c(listener).unwrap().run())
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn served(address: SocketAddr, server: Server) -> Served {
    let handle = server.handle();
    tokio::spawn(server);
    Served::new(address, move || drop(handle.stop(false)))
}

fn routes(sessions: SessionManager, script: Script) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send {
    // The same for all workers.
    let sessions = [sessions.clone(), clashing(&sessions), other(&sessions)];
    move |routes| {
        routes
            .app_data(web::Data::new(script))
            .app_data(web::PayloadConfig::new(2 * 1024 * 1024))
            .service(web::scope("/bare").default_service(web::to(play)))
            .service(inside(sessions));
    }
}

/// All that is inside the adapter.
fn inside([sessions, clashes, others]: [SessionManager; 3]) -> impl HttpServiceFactory {
    let with = |path: &str, route: RouteOptions| {
        web::scope(path).wrap(RouteMiddleware::new(route)).default_service(web::to(play))
    };
    let again = |path: &str, sessions: SessionManager| {
        web::scope(path).wrap(SessionMiddleware::new(sessions)).default_service(web::to(play))
    };
    web::scope("")
        .service(with("/locked", RouteOptions::new().locking(Locking::Implicit)))
        .service(with("/degraded", RouteOptions::new().degraded(true)))
        .service(with("/no_touch", RouteOptions::new().touch(false)))
        .service(with("/off", RouteOptions::new().off(true)))
        .route("/user", web::get().to(async |SignedIn(user): SignedIn| user.as_str().to_owned()))
        .service(again("/twice", sessions.clone()))
        .service(again("/clash", clashes))
        .service(again("/other", others))
        .route("/echo", web::post().to(echo))
        .service(web::scope("/socket").default_service(web::get().to(socket)))
        .default_service(web::to(play))
        .wrap(SessionMiddleware::new(sessions))
}

async fn play(script: web::Data<Script>, session: Session, request: HttpRequest) -> Result<HttpResponse> {
    // What the scopes have matched of the path is not the script's.
    let played = script.play(session, request.match_info().unprocessed()).await?;
    Ok(response(played))
}

fn response(played: Played) -> HttpResponse {
    let mut response = HttpResponse::build(played.status.try_into().unwrap());
    for header in played.headers {
        response.insert_header(*header);
    }
    match played.body {
        PlayedBody::Text(text) => response.body(text),
        stream => response.streaming(stream),
    }
}

async fn echo(session: Session, body: String) -> Result<String> {
    session.insert("bodies", &(session.get::<u64>("bodies").await?.unwrap_or(0) + 1)).await?;
    Ok(body)
}

async fn socket(
    script: web::Data<Script>,
    session: Session,
    request: HttpRequest,
    body: web::Payload,
) -> actix_web::Result<HttpResponse> {
    script.play(session.clone(), request.match_info().unprocessed()).await?;
    let (response, mut socket, mut messages) = actix_ws::handle(&request, body)?;
    rt::spawn(async move {
        while let Some(Ok(Message::Text(path))) = messages.recv().await {
            let said = script.say(session.clone(), &path).await;
            if socket.text(said).await.is_err() {
                return;
            }
        }
    });
    Ok(response)
}
