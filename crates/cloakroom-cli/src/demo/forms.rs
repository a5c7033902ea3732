//! What the page's forms do. Each answers with a redirect to the page, so that a reload repeats nothing.

use axum::Form;
use axum::extract::State;
use axum::response::Redirect;
use cloakroom::{Error, ErrorKind, Session, SessionHandle, Subject};
use serde::Deserialize;
use serde_json::Value;

use super::site::{COUNT, FLASH, Site};

type Done = Result<Redirect, Error>;

#[derive(Deserialize)]
pub(super) struct Entry {
    key: String,
    value: String,
}

pub(super) async fn set(session: Session, Form(Entry { key, value }): Form<Entry>) -> Done {
    let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
    match session.insert(&key, &value).await {
        Ok(()) => back(&session, format!("Set {key}.")).await,
        Err(error) => refused(&session, error).await,
    }
}

#[derive(Deserialize)]
pub(super) struct Key {
    key: String,
}

pub(super) async fn remove(session: Session, Form(Key { key }): Form<Key>) -> Done {
    session.remove(&key).await?;
    back(&session, format!("Removed {key}.")).await
}

pub(super) async fn count(session: Session) -> Done {
    match add_one(&session).await {
        Ok(count) => back(&session, format!("Counted to {count}.")).await,
        Err(error) => refused(&session, error).await,
    }
}

/// Adds one and commits. The visitor may have set the key to anything; what is no number starts again.
pub(super) async fn add_one(session: &Session) -> Result<u64, Error> {
    session
        .update(COUNT, |value: &mut Option<Value>| {
            let count = value.as_ref().and_then(Value::as_u64).unwrap_or(0).saturating_add(1);
            *value = Some(count.into());
            count
        })
        .await
}

pub(super) async fn rotate(session: Session) -> Done {
    // The page was open for longer than the session. A message would begin a new one.
    if session.handle().await?.is_none() {
        return Ok(Redirect::to("/?done=nothing"));
    }
    session.rotate().await?;
    back(&session, "Rotated: your browser has a new cookie for the same session.".to_owned()).await
}

#[derive(Deserialize)]
pub(super) struct User {
    user: String,
}

pub(super) async fn sign_in(session: Session, Form(User { user }): Form<User>) -> Done {
    if Subject::new(&user).is_err() {
        return back(&session, NO_NAME.to_owned()).await;
    }
    session.sign_in(&user).await?;
    back(&session, format!("Signed in as {user}.")).await
}

pub(super) async fn sign_out(session: Session) -> Done {
    session.sign_out().await?;
    Ok(Redirect::to("/?done=signed-out"))
}

pub(super) async fn expire(session: Session) -> Done {
    session.expire_cookie().await?;
    Ok(Redirect::to("/?done=expired"))
}

pub(super) async fn destroy(session: Session) -> Done {
    session.destroy().await?;
    Ok(Redirect::to("/?done=destroyed"))
}

#[derive(Deserialize)]
pub(super) struct Which {
    handle: String,
}

/// Ends one of the user's own sessions; a handle of somebody else's does nothing.
pub(super) async fn end(State(site): State<Site>, session: Session, Form(which): Form<Which>) -> Done {
    let handle = which.handle.parse::<SessionHandle>().ok();
    if handle.is_some() && handle == session.handle().await? {
        return sign_out(session).await;
    }
    let ended = match (session.subject().await?, handle) {
        (Some(subject), Some(handle)) => site.sessions.end_of(subject.as_str(), &handle).await?,
        _ => false,
    };
    let message = if ended { "Signed out there." } else { "That session had ended already." };
    back(&session, message.to_owned()).await
}

pub(super) async fn end_others(State(site): State<Site>, session: Session) -> Done {
    let ended = match session.subject().await? {
        Some(subject) => site.sessions.end_all(subject.as_str(), session.handle().await?.as_ref()).await?,
        None => 0,
    };
    let sessions = if ended == 1 { "session" } else { "sessions" };
    back(&session, format!("Signed out of {ended} other {sessions}.")).await
}

/// What does not fit is something to tell the visitor.
async fn refused(session: &Session, error: Error) -> Done {
    if error.kind() == ErrorKind::TooLarge { back(session, error.to_string()).await } else { Err(error) }
}

/// Leaves a message for the page and sends the browser there.
async fn back(session: &Session, message: String) -> Done {
    match session.insert(FLASH, &Value::String(message)).await {
        Ok(()) => Ok(Redirect::to("/")),
        // The session is filled to the brim. What was done is done; only the message is lost.
        Err(error) if error.kind() == ErrorKind::TooLarge => Ok(Redirect::to("/?done=full")),
        Err(error) => Err(error),
    }
}

/// What a subject must be.
pub(super) const NO_NAME: &str = "A user name has 1 to 255 bytes.";
