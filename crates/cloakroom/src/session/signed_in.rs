use std::ops::Deref;

use cloakroom_store::Subject;

/// The user who is signed in, as an argument of a handler that is for nobody else. It is the [`Subject`] given to
/// [`sign_in`](super::Session::sign_in).
///
/// Where nobody is signed in, the handler is not called, and the answer is a 401; where that cannot be known, because the
/// store is down, a 503. To do something else, a redirect say, take a [`Session`](super::Session) and ask it for its
/// [`subject`](super::Session::subject).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn(pub Subject);

impl Deref for SignedIn {
    type Target = Subject;

    fn deref(&self) -> &Subject {
        &self.0
    }
}
