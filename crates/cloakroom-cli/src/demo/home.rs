//! The page at `/`, gathered from the visitor's own session.

use std::cmp::Reverse;
use std::time::SystemTime;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use cloakroom::{Error, Session, SessionStatus};
use serde::Deserialize;
use serde_json::Value;

use super::site::{FLASH, Site};
use crate::pages::{Cookies, Device, Stored, View};

/// A message for the next page, where no session is left, or none with room, to carry one.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Done {
    SignedOut,
    Expired,
    Destroyed,
    Full,
    Nothing,
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    done: Option<Done>,
}

/// Answers with the [`View`]; [`show`](super::show) makes a page of it.
pub(super) async fn home(
    State(site): State<Site>,
    Query(asked): Query<Asked>,
    session: Session,
) -> Result<Response, Error> {
    let flash = flash(&session).await?;
    let notice = flash.or(asked.done.map(|done| in_words(done).to_owned()));
    let mut response = ().into_response();
    response.extensions_mut().insert(view(&site, &session, notice).await?);
    Ok(response)
}

/// Takes the message that the last form left; two tabs that ask at once never both get it.
async fn flash(session: &Session) -> Result<Option<String>, Error> {
    // Looking first keeps a page without a message from writing.
    if !session.contains(FLASH).await? {
        return Ok(None);
    }
    Ok(session.take::<Value>(FLASH).await?.map(|message| match message {
        Value::String(text) => text,
        other => other.to_string(),
    }))
}

async fn view(site: &Site, session: &Session, notice: Option<String>) -> Result<View, Error> {
    let stored = stored(session).await?;
    let (mut devices, mut total) = (Vec::new(), 0);
    if let (Some(stored), Some(subject)) = (&stored, session.subject().await?) {
        // Any number of visitors may go by the same name, and the page stays a page.
        let recent = site.sessions.recent_sessions_of(&subject, MOST_DEVICES).await?;
        total = recent.total;
        devices.extend(recent.sessions.into_iter().map(|info| {
            let handle = info.handle.to_string();
            let is_this_one = handle == stored.handle;
            let (created_at, idle_expires_at) = (info.times.created_at, info.times.idle_expires_at);
            Device {
                handle,
                user_agent: info.user_agent,
                address: info.address,
                created_at,
                last_used_at: info.last_used_at,
                idle_expires_at,
                is_this_one,
            }
        }));
        devices.sort_by_key(|device| (!device.is_this_one, Reverse(device.last_used_at)));
    }
    let more_devices = total.saturating_sub(devices.len());
    let status = session.status().await?;
    Ok(View {
        now: now(),
        notice,
        stored,
        status: (status.to_string(), why(status)),
        entries: session.entries().await?,
        devices,
        more_devices,
        cookies: Cookies::default(),
        store: (site.store.to_string(), site.store.meaning()),
    })
}

async fn stored(session: &Session) -> Result<Option<Stored>, Error> {
    let (Some(handle), Some(times)) = (session.handle().await?, session.times().await?) else {
        return Ok(None);
    };
    Ok(Some(Stored {
        handle: handle.to_string(),
        subject: session.subject().await?.map(|subject| subject.as_str().to_owned()),
        authenticated_at: times.authenticated_at,
        created_at: times.created_at,
        idle_expires_at: times.idle_expires_at,
        absolute_expires_at: times.absolute_expires_at,
    }))
}

#[expect(clippy::disallowed_methods, reason = "the page shows the server's clock; no session depends on it")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn why(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Fresh => "Your request brought no cookie of ours.",
        SessionStatus::Resumed => "Your cookie named a session, and here it is.",
        SessionStatus::Expired => "Your cookie named a session whose time was over, so this is a new one.",
        SessionStatus::Unknown => {
            "Your cookie named a session that is not there: it ended, or never was. This is a new one."
        }
        SessionStatus::Superseded => {
            "Your cookie is an old one of a session that has a new one by now, or has just ended. It opens nothing."
        }
        _ => "",
    }
}

fn in_words(done: Done) -> &'static str {
    match done {
        Done::SignedOut => "Signed out. The session is over, and your cookie is gone.",
        Done::Expired => "Your cookie is gone. The record stays in the store until its time is over.",
        Done::Destroyed => "The session is destroyed, and your cookie is gone.",
        Done::Full => {
            "Your session is full: not even the message that belongs here found room. Remove a key."
        }
        Done::Nothing => "There was no session to do that with: it had ended.",
    }
}

const MOST_DEVICES: usize = 20;
