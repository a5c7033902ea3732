//! What applications are told about sessions: their public names, their times, and what they are.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::SystemTime;

use cloakroom_store::{Key, ParseKeyError, Subject, Timestamp};

use crate::clock::system_time;
use crate::lifecycle::{LastWrite, Policy, Snapshot};

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
///
/// Which one is the visitor's own is told by its handle: `Some(info.handle) == session.handle().await?`.
#[derive(Clone)]
#[non_exhaustive]
pub struct SessionInfo {
    /// What to end it by.
    pub handle: SessionHandle,
    /// Whose it is.
    pub subject: Subject,
    /// Since when it exists, and until when.
    pub times: SessionTimes,
    /// The `User-Agent` of the request that wrote it last, where
    /// [`record_client`](crate::Settings::record_client) is set: at most 256 bytes, without control characters.
    ///
    /// **This is text of a stranger.** Anybody can sign in to an account of their own, or to a stolen one, with whatever they
    /// like in that field: escape it in a page like any other input, and decide nothing by it.
    pub user_agent: Option<String>,
    /// The client's address in that request, where [`record_client`](crate::Settings::record_client) is set and the
    /// address was known.
    pub address: Option<IpAddr>,
    /// When it was used last, to a minute, or to a twentieth of the idle time where that is less. After `idle_timeout` was
    /// changed it is off by as much, until the session is used again. Requests with
    /// [`touch(false)`](crate::RouteOptions::touch) count only if they write.
    ///
    /// In a session that reaches its absolute end before its idle time could, as a
    /// [remembered](crate::Session::remember) one always does, use leaves no trace. There it is when the session was last
    /// written, if [`record_client`](crate::Settings::record_client) is set, and else when it got its secret.
    pub last_used_at: SystemTime,
}

impl SessionInfo {
    pub(crate) fn of(
        key: Key,
        subject: Subject,
        snapshot: &Snapshot,
        now: Timestamp,
        policy: &Policy,
    ) -> Self {
        let last_write = LastWrite::of(&snapshot.extensions);
        let last_used_at = last_used_at(snapshot, last_write.as_ref(), now, policy);
        let client = last_write.map(|write| write.client).unwrap_or_default();
        Self {
            handle: SessionHandle::new(key),
            subject,
            times: SessionTimes::of(snapshot, policy),
            user_agent: client.user_agent.map(|text| (*text).to_owned()),
            address: client.address,
            last_used_at: system_time(last_used_at),
        }
    }
}

/// Whose it is, and what is known of them, is left out: a log is no place for that.
impl fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionInfo")
            .field("handle", &self.handle)
            .field("times", &self.times)
            .field("last_used_at", &self.last_used_at)
            .finish_non_exhaustive()
    }
}

/// The idle end is the last use and the idle time, unless the absolute end has cut it.
fn last_used_at(
    snapshot: &Snapshot,
    last_write: Option<&LastWrite>,
    now: Timestamp,
    policy: &Policy,
) -> Timestamp {
    let header = &snapshot.header;
    let ends = [header.ends_at, snapshot.ends_at(policy)];
    let idle = header.remembered.unwrap_or(policy.idle);
    let used = (!ends.contains(&snapshot.expires_at)).then(|| snapshot.expires_at.saturating_sub(idle));
    let others = [header.authenticated_at, last_write.map(|write| write.at), used];
    let known = header.created_at.max(header.secret_since);
    // Clocks of servers differ, and the idle time may have been longer.
    others.into_iter().flatten().fold(known, Timestamp::max).min(now)
}

/// Some of a user's sessions, as [`SessionManager::recent_sessions_of`](crate::SessionManager::recent_sessions_of) lists them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecentSessions {
    /// The most recently used ones, the last one first.
    pub sessions: Vec<SessionInfo>,
    /// How many sessions the user has.
    pub total: usize,
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

/// Why a session is over for the request that watches it, as [`Session::ended`](crate::Session::ended) tells.
///
/// `Display` prints the name in lower case, for the last message of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// Signed out or destroyed, by this visitor or by others; or the client's address has changed where sessions are bound
    /// to it; or there is no session.
    Ended,
    /// Its time was over.
    Expired,
    /// It continues under a new secret, which this request does not have: someone signed in to it, or called
    /// [`elevate`](crate::Session::elevate), or the grace after a [`rotate`](crate::Session::rotate) is over.
    Superseded,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "ended",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
        })
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
    /// The token leads to no session: it was forged, or its session ended before the request began, or was removed. A new
    /// session.
    Unknown,
    /// The token's secret has been replaced; or its session has ended, and the request is
    /// [late](crate::Settings::late_window). A late request has an empty session that saves nothing, so that it cannot
    /// overwrite the browser's new cookie. Any other has a new session.
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
