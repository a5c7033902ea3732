//! A booking in three steps: the table, the guest, the confirmation. What was entered is in the session: one can go back
//! and forth, reload, and go on in another tab. It is gone when the session ends.

use cloakroom::{Result, Session, SessionKey};
use poem::http::StatusCode;
use poem::web::{Form, Html, Redirect};
use poem::{IntoResponse, Response, Route, get, handler};

use crate::forms::{Guest, Table};
use crate::pages;

const TABLE: SessionKey<Table> = SessionKey::new("table");
const GUEST: SessionKey<Guest> = SessionKey::new("guest");
const BOOKED: SessionKey<(Table, Guest)> = SessionKey::new("booked");

pub(crate) fn routes() -> Route {
    Route::new()
        .at("/table", get(ask_for_table).post(take_table))
        .at("/guest", get(ask_for_guest).post(take_guest))
        .at("/confirmation", get(ask_for_confirmation).post(confirm))
        .at("/done", get(done))
}

#[handler]
async fn ask_for_table(session: Session) -> Result<Html<String>> {
    let table = session.get(TABLE).await?;
    Ok(pages::table(&table.unwrap_or(Table { day: String::new(), seats: 1 })))
}

#[handler]
async fn take_table(session: Session, Form(table): Form<Table>) -> Result<Response> {
    if !(1..=12).contains(&table.seats) {
        return Ok(pages::table(&table).with_status(StatusCode::BAD_REQUEST).into_response());
    }
    session.insert(TABLE, &table).await?;
    Ok(Redirect::see_other("/booking/guest").into_response())
}

#[handler]
async fn ask_for_guest(session: Session) -> Result<Html<String>> {
    Ok(pages::guest(&session.get(GUEST).await?.unwrap_or_default()))
}

#[handler]
async fn take_guest(session: Session, Form(guest): Form<Guest>) -> Result<Redirect> {
    session.insert(GUEST, &guest).await?;
    Ok(Redirect::see_other("/booking/confirmation"))
}

#[handler]
async fn ask_for_confirmation(session: Session) -> Result<Response> {
    Ok(match (session.get(TABLE).await?, session.get(GUEST).await?) {
        (None, _) => Redirect::see_other("/booking/table").into_response(),
        (_, None) => Redirect::see_other("/booking/guest").into_response(),
        (Some(table), Some(guest)) => pages::confirmation(&table, &guest).into_response(),
    })
}

/// Like every POST, it has the session to itself until all of this is saved: of two clicks, the second finds nothing to
/// confirm.
#[handler]
async fn confirm(session: Session) -> Result<Redirect> {
    if let (Some(table), Some(guest)) = (session.get(TABLE).await?, session.get(GUEST).await?) {
        session.insert(BOOKED, &(table, guest)).await?;
        session.remove(TABLE).await?;
        session.remove(GUEST).await?;
    }
    Ok(Redirect::see_other("/booking/done"))
}

#[handler]
async fn done(session: Session) -> Result<Response> {
    Ok(match session.get(BOOKED).await? {
        None => Redirect::see_other("/booking/confirmation").into_response(),
        Some((table, guest)) => pages::booked(&table, &guest).into_response(),
    })
}
