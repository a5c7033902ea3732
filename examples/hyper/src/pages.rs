//! What is served under which path.

use cloakroom::{Result, Session, SessionKey};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use url::form_urlencoded;

use crate::html::{self, Page};

const COUNT: SessionKey<u64> = SessionKey::new("count");
const FLASH: SessionKey<String> = SessionKey::new("flash");

/// A session's error becomes the response: that is all `?` has to do here.
pub(crate) async fn answer(request: Request<Incoming>, session: Session) -> Result<Page> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => front(session).await,
        (&Method::GET, "/count") => count(session).await,
        (&Method::POST, "/reset") => reset(session).await,
        (&Method::GET, "/login") => Ok(html::login(StatusCode::OK, "")),
        (&Method::POST, "/login") => login(session, request.into_body()).await,
        (&Method::POST, "/logout") => logout(session).await,
        (&Method::GET, "/account") => account(session).await,
        _ => Ok(html::text(StatusCode::NOT_FOUND, "There is no such page.")),
    }
}

async fn front(session: Session) -> Result<Page> {
    let user = session.subject().await?;
    // Of two tabs that load at the same time, one gets the message.
    let flash = session.take(FLASH).await?;
    Ok(html::front(user.as_ref().map(|user| user.as_str()), flash.as_deref()))
}

async fn count(session: Session) -> Result<Page> {
    let count = session.update(COUNT, |count| *count.insert(count.unwrap_or(0) + 1)).await?;
    Ok(html::text(StatusCode::OK, count.to_string()))
}

async fn reset(session: Session) -> Result<Page> {
    session.destroy().await?;
    Ok(html::redirect("/"))
}

async fn login(session: Session, body: Incoming) -> Result<Page> {
    let Ok(body) = Limited::new(body, 4096).collect().await else {
        return Ok(html::login(StatusCode::BAD_REQUEST, "That did not arrive."));
    };
    let (mut user, mut password) = Default::default();
    for (name, value) in form_urlencoded::parse(&body.to_bytes()) {
        match &*name {
            "user" => user = value.into_owned(),
            "password" => password = value.into_owned(),
            _ => {}
        }
    }
    // Yours asks a table of password hashes.
    if user.is_empty() || user.len() > 100 || password != "sesame" {
        return Ok(html::login(StatusCode::UNAUTHORIZED, "That name and password do not match."));
    }
    session.sign_in(&user).await?;
    session.insert(FLASH, "You are logged in.").await?;
    Ok(html::redirect("/"))
}

async fn logout(session: Session) -> Result<Page> {
    session.sign_out().await?;
    // The message begins a new session, of nobody, which ends when it is taken.
    session.insert(FLASH, "You are logged out.").await?;
    Ok(html::redirect("/"))
}

async fn account(session: Session) -> Result<Page> {
    let user = session.require_subject().await?; // else the answer is a 401
    Ok(html::account(user.as_str()))
}
