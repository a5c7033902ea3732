//! A chat: everybody reads, and who is logged in writes.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use axum::{Form, Router};
use cloakroom::{Result, Session, SignedIn};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::html;

/// How long a log-out may take to end an idle stream.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Sends each message to all who listen.
type Chat = Sender<String>;

pub(crate) fn routes() -> Router {
    let (chat, _) = broadcast::channel::<String>(100);
    Router::new().route("/chat", get(page).post(say)).route("/chat/messages", get(messages)).with_state(chat)
}

async fn page() -> Html<&'static str> {
    html::chat()
}

#[derive(serde::Deserialize)]
struct Message {
    text: String,
}

async fn say(State(chat): State<Chat>, SignedIn(user): SignedIn, Form(message): Form<Message>) -> StatusCode {
    let message = format!("{}: {}", user.as_str(), message.text);
    _ = chat.send(message.replace(['\r', '\n'], " ")); // an error says that nobody is listening
    StatusCode::NO_CONTENT
}

async fn messages(
    State(chat): State<Chat>,
    session: Session,
) -> Result<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>> {
    session.no_touch(); // a page left open is nobody at work
    // Asked before the head leaves, while an error still has a status; afterwards no lock is held.
    let signed_in = session.subject().await?.is_some();
    let listener = Listener { messages: chat.subscribe(), session: signed_in.then_some(session) };
    let events = stream::unfold(Some(listener), async |listener| {
        let (event, listener) = listener?.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// One who listens, and the session to listen under, if any.
struct Listener {
    messages: Receiver<String>,
    session: Option<Session>,
}

impl Listener {
    /// The next event, and who listens to the one after it: nobody, once the session is over.
    async fn next(mut self) -> Option<(Event, Option<Self>)> {
        loop {
            let message = tokio::time::timeout(LOOK_EVERY, self.messages.recv()).await;
            if let Some(session) = &self.session {
                match session.reload().await {
                    Ok(true) => {}
                    Ok(false) => return Some((Event::default().event("ended").data("logged out"), None)),
                    Err(_) => return None, // the store is away: the browser comes again, and is told so
                }
            }
            match message {
                Ok(Ok(message)) => return Some((Event::default().data(message), Some(self))),
                Ok(Err(RecvError::Closed)) => return None,
                Ok(Err(RecvError::Lagged(_))) | Err(_) => {}
            }
        }
    }
}
