//! What handlers ask for.

use rocket05::http::Status;
use rocket05::outcome::Outcome;
use rocket05::request::{self, FromRequest};
use rocket05::{Ignite, Request, Rocket, Sentinel, async_trait};

use super::request::with_sessions;
use crate::adapters::missing::missing;
use crate::error::{Error, ErrorKind};
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

/// A [`SessionFairing`](super::SessionFairing) is attached: in the application's state.
pub(super) struct Attached;

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
