//! Sessions in Poem: a counter, a login, and a booking in three steps.

mod booking;
mod pages;

use std::env;
use std::error::Error;

use cloakroom::poem_v3::SessionMiddleware;
use cloakroom::stores::MemoryStore;
use cloakroom::{Result, Session, SessionManager, Settings, SignedIn};
use poem::http::StatusCode;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::web::{Form, Html, Redirect};
use poem::{Endpoint, EndpointExt, IntoResponse, Response, Route, Server, get, handler, post};
use serde::Deserialize;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
    let port = env::var("PORT").unwrap_or_else(|_| "3000".into());
    let acceptor = TcpListener::bind(format!("127.0.0.1:{port}")).into_acceptor().await?;
    for address in acceptor.local_addr().iter().filter_map(|address| address.as_socket_addr()) {
        println!("listening on http://{address}");
    }
    Ok(Server::new_with_acceptor(acceptor).run(app(sessions)).await?)
}

fn app(sessions: SessionManager) -> impl Endpoint {
    Route::new()
        .at("/", get(hello))
        .at("/count", get(count))
        .at("/reset", post(reset))
        .at("/login", get(login).post(sign_in))
        .at("/logout", post(sign_out))
        .at("/account", get(account))
        .nest("/booking", booking::routes())
        .with(SessionMiddleware::new(sessions))
}

#[handler]
async fn hello(session: Session) -> Result<Html<String>> {
    let user = session.subject().await?;
    Ok(pages::hello(user.as_ref().map(|user| user.as_str())))
}

/// Saved when `update` returns: two requests at the same time get two numbers.
#[handler]
async fn count(session: Session) -> Result<String> {
    let count =
        session.update("count", |count: &mut Option<u64>| *count.insert(count.unwrap_or(0) + 1)).await?;
    Ok(count.to_string())
}

#[handler]
async fn reset(session: Session) -> Result<Redirect> {
    session.destroy().await?;
    Ok(Redirect::see_other("/"))
}

#[handler]
async fn login() -> Html<String> {
    pages::login("")
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

#[handler]
async fn sign_in(session: Session, Form(credentials): Form<Credentials>) -> Result<Response> {
    if credentials.password != "sesame" {
        return Ok(pages::login("That is not the password.")
            .with_status(StatusCode::UNAUTHORIZED)
            .into_response());
    }
    // A new secret; what the session holds, the count and the booking, stays.
    session.sign_in(&credentials.user).await?;
    Ok(Redirect::see_other("/").into_response())
}

#[handler]
async fn sign_out(session: Session) -> Result<Redirect> {
    session.sign_out().await?;
    Ok(Redirect::see_other("/"))
}

/// Runs only if somebody is signed in; all others get a 401.
#[handler]
async fn account(SignedIn(user): SignedIn) -> Html<String> {
    pages::account(user.as_str())
}
