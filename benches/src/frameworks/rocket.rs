use cloakroom::rocket_v0_5::SessionFairing;
use cloakroom::{Result, Session, SessionManager};
use rocket::config::{Config, LogLevel};
use rocket::http::Header;
use rocket::local::asynchronous::Client;
use rocket::{get, routes};

use super::application::{self, Application};

/// A Rocket application.
#[derive(Debug)]
pub struct Rocket(Client);

impl Application for Rocket {
    async fn new(sessions: Option<SessionManager>) -> Self {
        let config = Config { log_level: LogLevel::Off, ..Config::debug_default() };
        let rocket = rocket::custom(config).mount("/", routes![plain]);
        // One with routes that take a session does not launch without.
        let rocket = match sessions {
            None => rocket,
            Some(sessions) => rocket.mount("/", routes![read, write]).attach(SessionFairing::new(sessions)),
        };
        Self(Client::untracked(rocket).await.expect("an application"))
    }

    async fn get(&self, path: &'static str, cookie: &str) -> Option<String> {
        let request = self.0.get(path).header(Header::new("cookie", cookie.to_owned()));
        let response = request.dispatch().await;
        assert_eq!(response.status().code, 200);
        response.headers().get_one("set-cookie").map(str::to_owned)
    }
}

#[get("/plain")]
async fn plain() -> &'static str {
    "1"
}

#[get("/read")]
async fn read(session: Session) -> Result<String> {
    application::read(&session).await
}

#[get("/write")]
async fn write(session: Session) -> Result<String> {
    application::write(&session).await
}
