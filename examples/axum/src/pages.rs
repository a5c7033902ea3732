//! The counter and the login.

use axum::Form;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use cloakroom::{Result, Session, SessionKey, SignedIn};

use crate::html;

const COUNT: SessionKey<u64> = SessionKey::new("count");

pub(crate) async fn front(session: Session) -> Result<Html<String>> {
    let user = session.subject().await?;
    Ok(html::front(user.as_ref().map(|user| user.as_str())))
}

pub(crate) async fn count(session: Session) -> Result<String> {
    let count = session.update(COUNT, |count| *count.insert(count.unwrap_or(0) + 1)).await?;
    Ok(count.to_string())
}

pub(crate) async fn reset(session: Session) -> Result<Redirect> {
    session.destroy().await?;
    Ok(Redirect::to("/"))
}

#[derive(serde::Deserialize)]
pub(crate) struct Login {
    user: String,
    password: String,
}

pub(crate) async fn login_form() -> Html<String> {
    html::login("")
}

pub(crate) async fn login(session: Session, Form(login): Form<Login>) -> Result<Response> {
    // Yours asks a table of password hashes.
    if login.user.is_empty() || login.user.len() > 100 || login.password != "sesame" {
        let form = html::login("That name and password do not match.");
        return Ok((StatusCode::UNAUTHORIZED, form).into_response());
    }
    session.sign_in(&login.user).await?;
    Ok(Redirect::to("/").into_response())
}

pub(crate) async fn logout(session: Session) -> Result<Redirect> {
    session.sign_out().await?;
    Ok(Redirect::to("/"))
}

pub(crate) async fn account(SignedIn(user): SignedIn) -> Html<String> {
    html::account(user.as_str())
}
