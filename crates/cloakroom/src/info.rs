//! What applications are told about sessions: their public names, their times, and what they are.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use cloakroom_store::{Key, ParseKeyError, Subject};

use crate::clock::system_time;
use crate::lifecycle::{Policy, Snapshot};

/// The public name of a stored session: for lists, links and logs. It authenticates nobody.
///
/// `Display` and `FromStr` use 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle(Key);

impl SessionHandle {
    pub(crate) fn new(key: Key) -> Self {
        Self(key)
    }

    pub(crate) fn key(&self) -> Key {
        self.0
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionHandle({})", self.0)
    }
}

impl FromStr for SessionHandle {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        text.parse().map(Self)
    }
}

/// One session of a user, as [`SessionManager::sessions_of`](crate::SessionManager::sessions_of) lists it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// What to end it by.
    pub handle: SessionHandle,
    /// Whose it is.
    pub subject: Subject,
    /// Since when it exists, and until when.
    pub times: SessionTimes,
}

impl SessionInfo {
    pub(crate) fn of(key: Key, subject: Subject, snapshot: &Snapshot, policy: &Policy) -> Self {
        Self { handle: SessionHandle::new(key), subject, times: SessionTimes::of(snapshot, policy) }
    }
}

/// The times of a stored session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionTimes {
    /// When it was first stored.
    pub created_at: SystemTime,
    /// When its user signed in last, if it has one.
    pub authenticated_at: Option<SystemTime>,
    /// When it ends unless it is used before. Activity moves this at most once in a twentieth of the idle time, or in a
    /// minute.
    pub idle_expires_at: SystemTime,
    /// When it ends however busy it is.
    pub absolute_expires_at: SystemTime,
}

impl SessionTimes {
    pub(crate) fn of(snapshot: &Snapshot, policy: &Policy) -> Self {
        Self {
            created_at: system_time(snapshot.header.created_at),
            authenticated_at: snapshot.header.authenticated_at.map(system_time),
            idle_expires_at: system_time(snapshot.expires_at.min(snapshot.ends_at(policy))),
            absolute_expires_at: system_time(snapshot.ends_at(policy)),
        }
    }
}

/// Why a session is what it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionStatus {
    /// The request brought no token.
    #[default]
    Fresh,
    /// The request's token led to its session.
    Resumed,
    /// The session's time was over, or the client's address another one: a new session.
    Expired,
    /// Nothing is known of the token, any more or at all: a new session.
    Unknown,
    /// The token's secret has been replaced, or its session ended. For a grace time after that it is an empty session
    /// that saves nothing, so that a late request cannot overwrite the browser's new cookie; later, a new session.
    Superseded,
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh => "fresh",
            Self::Resumed => "resumed",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Superseded => "superseded",
        })
    }
}

#[cfg(test)]
mod tests;
