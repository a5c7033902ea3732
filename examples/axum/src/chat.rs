//! A chat: everybody reads, and who is signed in writes.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use axum::{Form, Router};
use cloakroom::{EndReason, Result, Session, SessionEnd, SignedIn};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::html;

/// Sends each message to all who listen.
type Chat = Sender<String>;

pub(crate) fn routes() -> Router {
    let (chat, _) = broadcast::channel::<String>(100);
    Router::new().route("/chat", get(page).post(say)).route("/chat/messages", get(messages)).with_state(chat)
}

async fn page() -> Html<String> {
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
    let ended = match session.subject().await? {
        Some(_) => Some(session.ended().await?),
        None => None, // strangers may read, and have no session that could end
    };
    let listener = Listener { messages: chat.subscribe(), ended };
    let events = stream::unfold(Some(listener), async |listener| {
        let (event, listener) = listener?.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// One who listens, and the end of the session to listen under, if any.
struct Listener {
    messages: Receiver<String>,
    ended: Option<SessionEnd>,
}

impl Listener {
    /// The next event, and who listens to the one after it: nobody, once the session is over.
    async fn next(mut self) -> Option<(Event, Option<Self>)> {
        loop {
            tokio::select! {
                biased; // nobody reads on after the end
                reason = over(&mut self.ended) => {
                    return Some((Event::default().event("ended").data(reason.to_string()), None));
                }
                message = self.messages.recv() => match message {
                    Ok(message) => return Some((Event::default().data(message), Some(self))),
                    Err(RecvError::Closed) => return None,
                    Err(RecvError::Lagged(_)) => {}
                },
            }
        }
    }
}

async fn over(ended: &mut Option<SessionEnd>) -> EndReason {
    match ended {
        Some(ended) => ended.await,
        None => std::future::pending().await,
    }
}
