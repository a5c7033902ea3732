//! Plain text for scripts, with the names that web.py's documentation uses. They change things on GET, as there.

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
