//! Sessions in Salvo: a counter, a login, and a page on which users see and end their sessions.

mod describe;
mod devices;
mod pages;

use std::env;
use std::error::Error;

use cloakroom::salvo_v1::SessionHoop;
use cloakroom::stores::MemoryStore;
use cloakroom::{Result, Session, SessionManager, Settings, SignedIn};
use salvo::affix_state;
use salvo::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Cookies know no ports: the default name would be shared by all examples at localhost.
    // Behind a proxy, `trusted_proxies` as well: the address of each device would be the proxy's otherwise.
    let settings = Settings::new().cookie_name("__Host-salvo").record_client(true);
    let sessions = SessionManager::new(MemoryStore::new(), settings)?;
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse::<u16>());
    let port = port.map_err(|_| "PORT must be a number from 0 to 65535")?;
    let acceptor = TcpListener::new(format!("127.0.0.1:{port}")).try_bind().await?;
    println!("listening on http://{}", acceptor.local_addr()?);
    Ok(Server::new(acceptor).try_serve(service(sessions)).await?)
}

fn service(sessions: SessionManager) -> Service {
    Service::new(routes())
        .hoop(SessionHoop::new(sessions.clone()))
        // For handlers that look at other sessions than their request's.
        .hoop(affix_state::inject(sessions))
}

fn routes() -> Router {
    Router::new()
        .get(hello)
        .push(Router::with_path("count").get(count))
        .push(Router::with_path("reset").post(reset))
        .push(Router::with_path("login").get(login).post(sign_in))
        .push(Router::with_path("logout").post(sign_out))
        .push(
            Router::with_hoop(signed_in_only)
                .push(Router::with_path("account").get(account))
                .push(devices::routes()),
        )
}

#[handler]
async fn hello(session: Session) -> Result<Text<String>> {
    let subject = session.subject().await?;
    Ok(pages::hello(subject.as_ref().map(|user| user.as_str())))
}

/// Saved when `update` returns: two requests at the same time get two numbers.
#[handler]
async fn count(session: Session) -> Result<String> {
    let add = |visits: &mut Option<u64>| *visits.insert(visits.unwrap_or(0) + 1);
    Ok(session.update("count", add).await?.to_string())
}

#[handler]
async fn reset(session: Session) -> Result<Redirect> {
    session.destroy().await?;
    Ok(Redirect::other("/"))
}

#[handler]
async fn login() -> Text<String> {
    pages::login("", "")
}

#[handler]
async fn sign_in(session: Session, req: &mut Request, res: &mut Response) -> Result<()> {
    let user: String = req.form("user").await.unwrap_or_default();
    let password: String = req.form("password").await.unwrap_or_default();
    // Yours asks a table of password hashes.
    if user.is_empty() || user.len() > 100 || password != "sesame" {
        let form = pages::login("That name and password do not match.", &user);
        res.status_code(StatusCode::UNAUTHORIZED).render(form);
        return Ok(());
    }
    // A new secret; what the session holds, the count, stays.
    session.sign_in(&user).await?;
    res.render(Redirect::other("/"));
    Ok(())
}

#[handler]
async fn sign_out(session: Session) -> Result<Redirect> {
    session.sign_out().await?;
    Ok(Redirect::other("/"))
}

/// Strangers get the form: after a response with an error's status, Salvo runs no more handlers.
#[handler]
async fn signed_in_only(session: Session, res: &mut Response) -> Result<()> {
    if session.subject().await?.is_none() {
        res.status_code(StatusCode::UNAUTHORIZED).render(pages::login("Sign in first.", ""));
    }
    Ok(())
}

/// Runs only if somebody is signed in; all others would get a plain 401.
#[handler]
async fn account(user: SignedIn) -> Text<String> {
    pages::account(user.as_str())
}
