//! A form that says what became of it: the message is left in the session, and the page to which the browser is
//! redirected shows it, once.

use cloakroom::{Result, Session, SessionKey};
use rocket::form::Form;
use rocket::response::Redirect;
use rocket::response::content::RawHtml;
use rocket::{FromForm, Route, get, post, routes};

use crate::flash::{FLASH, Flash};
use crate::pages;

const NOTES: SessionKey<Vec<String>> = SessionKey::new("notes");

#[derive(FromForm)]
struct Note<'r> {
    text: &'r str,
}

pub(crate) fn routes() -> Vec<Route> {
    routes![show, add, remove]
}

/// Of two tabs that load at the same time, one takes the message. Without one, `take` writes nothing.
#[get("/")]
async fn show(session: Session) -> Result<RawHtml<String>> {
    let flash = session.take(FLASH).await?.unwrap_or_default();
    let notes = session.get(NOTES).await?.unwrap_or_default();
    Ok(pages::notes(&notes, &flash))
}

#[post("/", data = "<note>")]
async fn add(session: Session, note: Form<Note<'_>>) -> Result<Redirect> {
    let text = note.text.trim();
    let flash = if (1..=40).contains(&text.chars().count()) {
        session.update(NOTES, |notes| notes.get_or_insert_default().push(text.to_owned())).await?;
        Flash { message: format!("Added: {text}"), ..Flash::default() }
    } else {
        Flash { message: "A note has 1 to 40 characters.".into(), entered: text.into() }
    };
    to_the_page(session, flash).await
}

#[post("/remove", data = "<note>")]
async fn remove(session: Session, note: Form<Note<'_>>) -> Result<Redirect> {
    session.update(NOTES, |notes| notes.get_or_insert_default().retain(|text| text != note.text)).await?;
    to_the_page(session, Flash { message: format!("Removed: {}", note.text), ..Flash::default() }).await
}

/// The session is saved before the redirect goes out: the message is there when the browser comes.
async fn to_the_page(session: Session, flash: Flash) -> Result<Redirect> {
    session.insert(FLASH, &flash).await?;
    Ok(Redirect::to("/notes"))
}
