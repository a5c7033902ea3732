//! Sessions in Poem: a counter, a login, and a booking in three steps.

mod booking;
mod forms;
mod pages;

use std::env;
use std::error::Error;

use cloakroom::poem_v3::SessionMiddleware;
use cloakroom::stores::MemoryStore;
use cloakroom::{ErrorKind, Result, Session, SessionManager, Settings, SignedIn};
use poem::http::StatusCode;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::web::{Form, Html, Redirect};
use poem::{Endpoint, EndpointExt, IntoResponse, Response, Route, Server, get, handler, post};
use serde::Deserialize;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Cookies know no ports: the default name would be shared by all examples at localhost.
    let settings = Settings::new().cookie_name("__Host-poem");
    let sessions = SessionManager::new(MemoryStore::new(), settings)?;
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse::<u16>());
    let port = port.map_err(|_| "PORT must be a number from 0 to 65535")?;
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
        .catch_error(not_signed_in)
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
    pages::login("", "")
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

#[handler]
async fn sign_in(session: Session, Form(credentials): Form<Credentials>) -> Result<Response> {
    let Credentials { user, password } = credentials;
    // Yours asks a table of password hashes.
    if user.is_empty() || user.len() > 100 || password != "sesame" {
        let form = pages::login("That name and password do not match.", &user);
        return Ok(form.with_status(StatusCode::UNAUTHORIZED).into_response());
    }
    // A new secret; what the session holds, the count and the booking, stays.
    session.sign_in(&user).await?;
    Ok(Redirect::see_other("/").into_response())
}

#[handler]
async fn sign_out(session: Session) -> Result<Redirect> {
    session.sign_out().await?;
    Ok(Redirect::see_other("/"))
}

/// Runs only if somebody is signed in.
#[handler]
async fn account(SignedIn(user): SignedIn) -> Html<String> {
    pages::account(user.as_str())
}

/// All others get the form. Other errors stay what they are.
async fn not_signed_in(error: cloakroom::Error) -> Response {
    match error.kind() {
        ErrorKind::NotSignedIn => {
            pages::login("Sign in first.", "").with_status(StatusCode::UNAUTHORIZED).into_response()
        }
        _ => poem::Error::from(error).into_response(),
    }
}
