//! Sessions in Rocket: a counter, a login, and a form that says what became of it.

mod flash;
mod notes;
mod pages;

use std::env;
use std::error::Error;

use cloakroom::rocket_v0_5::SessionFairing;
use cloakroom::stores::MemoryStore;
use cloakroom::{Result, Session, SessionManager, Settings, SignedIn};
use rocket::config::{Config, LogLevel};
use rocket::fairing::AdHoc;
use rocket::form::Form;
use rocket::response::Redirect;
use rocket::response::content::RawHtml;
use rocket::response::status::Unauthorized;
use rocket::{Build, FromForm, Rocket, catch, catchers, get, post, routes};

#[rocket::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Cookies know no ports: the default name would be shared by all examples at localhost.
    let settings = Settings::new().cookie_name("__Host-rocket");
    let sessions = SessionManager::new(MemoryStore::new(), settings)?;
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse::<u16>());
    let port = port.map_err(|_| "PORT must be a number from 0 to 65535")?;
    // What Rocket itself has to say would be on the standard output too. This also hides its warnings: an application
    // that need not keep that output clean leaves the level as it is.
    let config = Config { port, log_level: LogLevel::Off, ..Config::default() };
    let listening = AdHoc::on_liftoff("listening", |rocket| {
        println!("listening on http://127.0.0.1:{}", rocket.config().port);
        Box::pin(async {})
    });
    app(config, sessions.clone()).attach(listening).launch().await?;
    sessions.shutdown().await;
    Ok(())
}

fn app(config: Config, sessions: SessionManager) -> Rocket<Build> {
    rocket::custom(config)
        .attach(SessionFairing::new(sessions))
        .mount("/", routes![hello, count, reset, login, sign_in, sign_out, account])
        .mount("/notes", notes::routes())
        .register("/", catchers![not_signed_in])
}

#[get("/")]
async fn hello(session: Session) -> Result<RawHtml<String>> {
    let user = session.subject().await?;
    Ok(pages::hello(user.as_ref().map(|user| user.as_str())))
}

/// Saved when `update` returns: two requests at the same time get two numbers.
#[get("/count")]
async fn count(session: Session) -> Result<String> {
    let count =
        session.update("count", |count: &mut Option<u64>| *count.insert(count.unwrap_or(0) + 1)).await?;
    Ok(count.to_string())
}

#[post("/reset")]
async fn reset(session: Session) -> Result<Redirect> {
    session.destroy().await?;
    Ok(Redirect::to("/"))
}

#[get("/login")]
fn login() -> RawHtml<String> {
    pages::login("", "")
}

#[derive(FromForm)]
struct Login {
    user: String,
    password: String,
}

#[post("/login", data = "<login>")]
async fn sign_in(
    session: Session,
    login: Form<Login>,
) -> Result<Result<Redirect, Unauthorized<RawHtml<String>>>> {
    // Yours asks a table of password hashes.
    if login.user.is_empty() || login.user.len() > 100 || login.password != "sesame" {
        let form = pages::login("That name and password do not match.", &login.user);
        return Ok(Err(Unauthorized(form)));
    }
    // A new secret; what the session holds, the count and the notes, stays.
    session.sign_in(&login.user).await?;
    Ok(Ok(Redirect::to("/")))
}

#[post("/logout")]
async fn sign_out(session: Session) -> Result<Redirect> {
    session.sign_out().await?;
    Ok(Redirect::to("/"))
}

/// Runs only if somebody is signed in; for all others the catcher answers.
#[get("/account")]
fn account(user: SignedIn) -> RawHtml<String> {
    pages::account(user.as_str())
}

#[catch(401)]
fn not_signed_in() -> RawHtml<String> {
    pages::login("Sign in first.", "")
}
