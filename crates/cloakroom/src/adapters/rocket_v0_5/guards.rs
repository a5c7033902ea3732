//! What handlers ask for.

use std::sync::{Arc, Mutex, PoisonError};

use rocket05::http::Status;
use rocket05::outcome::Outcome;
use rocket05::request::{self, FromRequest};
use rocket05::{Ignite, Request, Rocket, Sentinel, async_trait};

use super::request::with_sessions;
use crate::adapters::missing::missing;
use crate::error::{Error, ErrorKind};
use crate::manager::SessionManager;
use crate::session::{Session, SignedIn};

#[async_trait]
impl<'r> FromRequest<'r> for Session {
    type Error = MissingFairing;

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, MissingFairing> {
        match with_sessions(request, |sessions| sessions.first()) {
            Some(session) => Outcome::Success(session),
            None => Outcome::Error((Status::InternalServerError, MissingFairing)),
        }
    }
}

#[async_trait]
impl<'r> FromRequest<'r> for SignedIn {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, Error> {
        let subject = match with_sessions(request, |sessions| sessions.first()) {
            Some(session) => session.require_subject().await,
            None => Err(Error::because(ErrorKind::Unsupported, MissingFairing)),
        };
        match subject {
            Ok(subject) => Outcome::Success(Self(subject)),
            Err(error) => {
                with_sessions(request, |sessions| sessions.failure = Some(error.clone()));
                Outcome::Error((Status::new(error.status()), error))
            }
        }
    }
}

missing! {
    /// A handler asks for a [`Session`], and no [`SessionFairing`](super::SessionFairing) has given the request one. Answers 500.
    pub struct MissingFairing = "no session: add `.attach(SessionFairing::new(sessions))` to the rocket";
}

/// The sessions of each [`SessionFairing`](super::SessionFairing) that is attached: in the application's state.
#[derive(Default)]
pub(super) struct Attached(Mutex<Vec<SessionManager>>);

impl Attached {
    /// Adds those of one fairing more; returns whether another one has the same cookie name and another engine.
    pub(super) fn add(&self, sessions: &SessionManager) -> bool {
        let mut attached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let clash = attached.iter().any(|other| {
            other.settings().cookie_name == sessions.settings().cookie_name
                && !Arc::ptr_eq(other.engine(), sessions.engine())
        });
        attached.push(sessions.clone());
        clash
    }
}

/// Without a fairing, an application with a route that asks for a session does not launch.
impl Sentinel for Session {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        let missing = rocket.state::<Attached>().is_none();
        if missing {
            rocket05::error!("{MissingFairing}");
        }
        missing
    }
}

impl Sentinel for SignedIn {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        Session::abort(rocket)
    }
}
