//! The counter and the login.

use actix_web::http::StatusCode;
use actix_web::web::{Form, Html, Redirect};
use actix_web::{Either, Error, Responder};
use cloakroom::{Result, Session, SessionKey, SignedIn};
use serde::Deserialize;

use crate::html;

const COUNT: SessionKey<u64> = SessionKey::new("count");

pub(crate) async fn front(session: Session) -> Result<Html> {
    let user = session.subject().await?;
    Ok(html::front(user.as_ref().map(|user| user.as_str())))
}

pub(crate) async fn count(session: Session) -> Result<String> {
    let count = session.update(COUNT, |count| *count.insert(count.unwrap_or(0) + 1)).await?;
    Ok(count.to_string())
}

pub(crate) async fn reset(session: Session) -> Result<Redirect> {
    session.destroy().await?;
    Ok(Redirect::to("/").see_other())
}

#[derive(Deserialize)]
pub(crate) struct Login {
    user: String,
    password: String,
}

pub(crate) async fn login_form() -> Html {
    html::login("", "")
}

pub(crate) async fn login(session: Session, Form(login): Form<Login>) -> Result<impl Responder> {
    // Yours asks a table of password hashes.
    if login.user.is_empty() || login.user.len() > 100 || login.password != "sesame" {
        let form = html::login("That name and password do not match.", &login.user);
        return Ok(Either::Left((form, StatusCode::UNAUTHORIZED)));
    }
    session.sign_in(&login.user).await?;
    Ok(Either::Right(Redirect::to("/").see_other()))
}

pub(crate) async fn logout(session: Session) -> Result<Redirect> {
    session.sign_out().await?;
    Ok(Redirect::to("/").see_other())
}

/// Takes `SignedIn` alone where the plain 401 is good enough; here strangers get the form. Other errors stay what they are.
pub(crate) async fn account(user: Result<SignedIn, Error>) -> Result<impl Responder, Error> {
    match user {
        Ok(SignedIn(user)) => Ok((html::account(user.as_str()), StatusCode::OK)),
        Err(error) if error.error_response().status() == StatusCode::UNAUTHORIZED => {
            Ok((html::login("Sign in first.", ""), StatusCode::UNAUTHORIZED))
        }
        Err(error) => Err(error),
    }
}

pub(crate) async fn not_found() -> impl Responder {
    (html::not_found(), StatusCode::NOT_FOUND)
}
