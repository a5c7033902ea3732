//! Plain text for scripts, with the names that web.py's documentation uses. They change things on GET, as there.
//!
//! A site of your own should not: another site's link is followed with the visitor's cookie, which `SameSite=Lax` allows,
//! and signs them out, or in as somebody else. Here the guard refuses that as far as the browser tells where the link
//! was: all current ones do on localhost and over https, but over plain HTTP a page can have the `Referer` left out.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cloakroom::{Error, Session, Subject};
use serde::Deserialize;

use super::forms::{NO_NAME, add_one};

pub(super) async fn count(session: Session) -> Result<String, Error> {
    Ok(add_one(&session).await?.to_string())
}

pub(super) async fn reset(session: Session) -> Result<&'static str, Error> {
    session.destroy().await?;
    Ok("the session is gone")
}

#[derive(Deserialize)]
pub(super) struct Login {
    #[serde(default = "guest")]
    user: String,
}

pub(super) async fn login(session: Session, Query(Login { user }): Query<Login>) -> Result<Response, Error> {
    if Subject::new(&user).is_err() {
        return Ok((StatusCode::BAD_REQUEST, NO_NAME).into_response());
    }
    session.sign_in(&user).await?;
    Ok(format!("signed in as {user}").into_response())
}

fn guest() -> String {
    "guest".to_owned()
}

pub(super) async fn logout(session: Session) -> Result<&'static str, Error> {
    session.sign_out().await?;
    Ok("signed out")
}

pub(super) async fn whoami(session: Session) -> Result<String, Error> {
    Ok(session.subject().await?.map_or_else(|| "nobody".to_owned(), |subject| subject.as_str().to_owned()))
}

pub(super) async fn healthz() -> &'static str {
    "ok"
}
