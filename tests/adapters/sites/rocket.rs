//! The application on Rocket.

use std::net::{Ipv4Addr, SocketAddr};

use cloakroom::rocket_v0_5::{SessionFairing, session_named, with_route};
use cloakroom::{Locking, Result, RouteOptions, Session, SessionManager, SignedIn};
use cloakroom_tests::{Played, PlayedBody, Script};
use futures_util::{SinkExt, StreamExt};
use rocket::config::{Config, LogLevel, Shutdown};
use rocket::data::{Limits, ToByteUnit};
use rocket::fairing::{self, AdHoc, Fairing, Info};
use rocket::http::uri::Origin;
use rocket::http::{Method, Status};
use rocket::outcome::Outcome;
use rocket::response::stream::ByteStream;
use rocket::response::{self, Responder};
use rocket::route::{self, Handler};
use rocket::{Build, Data, Request, Response, State, async_trait, get, post, routes};
use rocket_ws::{Channel, Message, WebSocket};
use tokio::sync::oneshot;

use crate::site::{Adapter, Differences, OTHER, Served, clashing, other};

pub(crate) struct Rocket;

impl Adapter for Rocket {
    const DIFFERENCES: Differences = Differences {
        answers_panics: true,
        runs_on: true,
        drops_over_http_2: false,
        drops_odd_cookies: true,
        hides_what_is_missing: true,
        words_guard_errors: true,
    };

    async fn serve(sessions: SessionManager, script: Script) -> Served {
        let (lifted_off, port) = oneshot::channel();
        let tell = AdHoc::on_liftoff("port", |rocket| {
            lifted_off.send(rocket.config().port).unwrap();
            Box::pin(async {})
        });
        let rocket = app(sessions, script).attach(tell).ignite().await.unwrap();
        let shutdown = rocket.shutdown();
        tokio::spawn(rocket.launch());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.await.unwrap()));
        Served::new(address, move || shutdown.notify())
    }
}

fn app(sessions: SessionManager, script: Script) -> rocket::Rocket<Build> {
    let quiet = Shutdown { ctrlc: false, signals: Default::default(), ..Shutdown::default() };
    let limits = Limits::default().limit("string", 2.mebibytes());
    let config =
        Config { port: 0, log_level: LogLevel::Off, shutdown: quiet, limits, ..Config::debug_default() };
    let with = |settings: RouteOptions| with_route(settings, played(1));
    rocket::custom(config)
        .attach(Where {
            fairing: SessionFairing::new(sessions.clone()),
            is: |path| !path.starts_with("/bare"),
        })
        .attach(Where {
            fairing: SessionFairing::new(clashing(&sessions)),
            is: |path| path.starts_with("/clash"),
        })
        .attach(Where {
            fairing: SessionFairing::new(other(&sessions)),
            is: |path| path.starts_with("/other"),
        })
        .attach(Where { fairing: SessionFairing::new(sessions), is: |path| path.starts_with("/twice") })
        .manage(script)
        .mount("/locked", with(RouteOptions::new().locking(Locking::Implicit)))
        .mount("/degraded", with(RouteOptions::new().degraded(true)))
        .mount("/no_touch", with(RouteOptions::new().touch(false)))
        .mount("/off", with(RouteOptions::new().off(true)))
        .mount("/twice", played(1))
        .mount("/clash", played(1))
        .mount("/other", played(1))
        .mount("/bare", played(1))
        .mount("/", routes![user, echo])
        .mount("/socket", routes![socket])
        .mount("/", played(2))
}

/// Plays the script for what follows the path where it is mounted, by any method.
fn played(rank: isize) -> Vec<rocket::Route> {
    let methods = [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete, Method::Options];
    methods.map(|method| rocket::Route::ranked(rank, method, "/<_..>", Play)).into()
}

#[derive(Clone)]
struct Play;

#[async_trait]
impl Handler for Play {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> route::Outcome<'r> {
        let session = match request.guard::<Session>().await {
            Outcome::Success(session) => session,
            Outcome::Error((status, _)) => return Outcome::Error(status),
            Outcome::Forward(status) => return Outcome::Forward((data, status)),
        };
        // Handlers find the session of the first fairing.
        let session = session_named(request, OTHER).unwrap_or(session);
        let script = request.rocket().state::<Script>().unwrap();
        route::Outcome::from(request, script.play(session, path_of(request)).await.map(Answered))
    }
}

/// What follows the path where the route is mounted.
fn path_of<'r>(request: &'r Request<'_>) -> &'r str {
    let base = request.route().unwrap().uri.base().trim_end_matches('/');
    request.uri().path().as_str().strip_prefix(base).unwrap()
}

struct Answered(Played);

impl<'r> Responder<'r, 'r> for Answered {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let Self(played) = self;
        let body = match played.body {
            PlayedBody::Text(text) => text.respond_to(request)?,
            stream => ByteStream(stream.map(|Ok(piece)| piece)).respond_to(request)?,
        };
        let mut response = Response::build_from(body);
        response.status(Status::new(played.status));
        for (name, value) in played.headers {
            response.raw_header(*name, *value);
        }
        response.ok()
    }
}

#[get("/user")]
fn user(user: SignedIn) -> String {
    user.as_str().to_owned()
}

#[post("/echo", data = "<body>")]
async fn echo(session: Session, body: String) -> Result<String> {
    session.insert("bodies", &(session.get::<u64>("bodies").await?.unwrap_or(0) + 1)).await?;
    Ok(body)
}

#[get("/<_..>")]
async fn socket<'r>(
    script: &'r State<Script>,
    session: Session,
    path: &'r Origin<'r>,
    socket: WebSocket,
) -> Result<Channel<'r>> {
    script.play(session.clone(), path.path().as_str().strip_prefix("/socket").unwrap()).await?;
    Ok(socket.channel(move |mut socket| {
        Box::pin(async move {
            while let Some(Ok(Message::Text(path))) = socket.next().await {
                socket.send(Message::Text(script.say(session.clone(), &path).await)).await?;
            }
            Ok(())
        })
    }))
}

/// The fairing for some paths only: fairings are for the whole application.
struct Where {
    fairing: SessionFairing,
    is: fn(&str) -> bool,
}

impl Where {
    fn is(&self, request: &Request<'_>) -> bool {
        (self.is)(request.uri().path().as_str())
    }
}

#[async_trait]
impl Fairing for Where {
    fn info(&self) -> Info {
        self.fairing.info()
    }

    async fn on_ignite(&self, rocket: rocket::Rocket<Build>) -> fairing::Result {
        self.fairing.on_ignite(rocket).await
    }

    async fn on_request(&self, request: &mut Request<'_>, data: &mut Data<'_>) {
        if self.is(request) {
            self.fairing.on_request(request, data).await;
        }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        if self.is(request) {
            self.fairing.on_response(request, response).await;
        }
    }
}
