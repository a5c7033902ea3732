//! Sessions in Salvo: a counter, a login, and a page on which users see and end their sessions.

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
    let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
    let port = env::var("PORT").unwrap_or_else(|_| "3000".into());
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
        .push(Router::with_path("account").get(account))
        .push(devices::routes())
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
    pages::login("")
}

#[handler]
async fn sign_in(session: Session, req: &mut Request, res: &mut Response) -> Result<()> {
    let user: String = req.form("user").await.unwrap_or_default();
    let password: String = req.form("password").await.unwrap_or_default();
    if user.is_empty() || password != "sesame" {
        res.status_code(StatusCode::UNAUTHORIZED).render(pages::login("That is not the password."));
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

/// Runs only if somebody is signed in; all others get a 401.
#[handler]
async fn account(user: SignedIn) -> Text<String> {
    pages::account(user.as_str())
}
