//! A cart, and the orders that are made of it.
//!
//! Both are one value of the session, and each request changes it in one `update`: what tabs do at the same time is all
//! there, and of two clicks on "Order" the second finds the cart empty.

use actix_web::dev::HttpServiceFactory;
use actix_web::web::{self, Form, Html, Redirect, get, post};
use cloakroom::{Result, Session};
use serde::Deserialize;

use crate::html;
use crate::shopping::{Article, SHOPPING, Shopping};

pub(crate) fn routes() -> impl HttpServiceFactory {
    web::scope("/cart")
        .route("", get().to(show))
        .route("/add", post().to(add))
        .route("/change", post().to(change))
        .route("/remove", post().to(remove))
        .route("/check-out", post().to(check_out))
}

async fn show(session: Session) -> Result<Html> {
    Ok(html::shop(&session.get(SHOPPING).await?.unwrap_or_default()))
}

/// What a form says: an article that there is, or actix-web answers 400.
#[derive(Deserialize)]
struct Chosen {
    article: Article,
}

async fn add(session: Session, Form(Chosen { article }): Form<Chosen>) -> Result<Redirect> {
    shop(session, |shopping| {
        let number = shopping.cart.get(&article).unwrap_or(&0) + 1;
        shopping.change(article, number);
    })
    .await
}

#[derive(Deserialize)]
struct Changed {
    article: Article,
    number: u32,
}

async fn change(session: Session, Form(Changed { article, number }): Form<Changed>) -> Result<Redirect> {
    shop(session, |shopping| shopping.change(article, number)).await
}

async fn remove(session: Session, Form(Chosen { article }): Form<Chosen>) -> Result<Redirect> {
    shop(session, |shopping| shopping.change(article, 0)).await
}

async fn check_out(session: Session) -> Result<Redirect> {
    shop(session, Shopping::check_out).await
}

/// Changes the shopping as it is by now, whatever other requests do meanwhile, and shows it.
async fn shop(session: Session, change: impl Fn(&mut Shopping)) -> Result<Redirect> {
    session.update(SHOPPING, |shopping| change(shopping.get_or_insert_default())).await?;
    Ok(Redirect::to("/cart").see_other())
}
