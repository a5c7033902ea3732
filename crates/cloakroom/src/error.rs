//! The crate's two error types: what fails while serving, and what is wrong with a setting.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, result};

/// The result of a call on a session.
pub type Result<T, E = Error> = result::Result<T, E>;

/// Why a call on a session failed.
///
/// Cheap to clone: after a failed load, every call on that session returns the same error. Each
/// framework adapter makes it a response, its [`reply`](Error::reply). Messages never contain tokens or session data.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    detail: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store did not answer in time, failed, or gave no clear answer to a write. Status 503.
    Unavailable,
    /// The store does not do this until someone changes something: it lacks a right, a table or a command. The source says
    /// what. Status 503, without a time to try again.
    Refused,
    /// The store has no room for a new session, or for a larger one. Status 503.
    Full,
    /// The session stayed locked by other requests for longer than `lock_timeout`, or too many wait for
    /// it already. Status 503.
    LockTimeout,
    /// A key that this request read, and then wrote, was changed by another request. Nothing was saved.
    /// Status 409.
    Conflict,
    /// The session was ended, or its secret replaced, while this request ran or shortly before; what it wanted to save
    /// is dropped. Status 409.
    Ended,
    /// The session would exceed a limit of the settings or of the store. Status 413.
    TooLarge,
    /// The route or the call is for signed-in users, and no user is signed in. Status 401.
    NotSignedIn,
    /// The user signed in too long ago for what is asked for, as [`remember`](crate::Session::remember) does after
    /// `remember_within`. Status 403.
    ReauthenticationRequired,
    /// The subject has as many sessions as it may, and the policy is to refuse more. Status 403.
    SubjectLimit,
    /// More new sessions without a user were begun in one second than `anonymous_rate` allows. Nothing was saved. Status 503.
    AnonymousRate,
    /// One value could not be encoded, or is stored as something else than the type asked for. What is
    /// stored stays as it is. Status 500.
    Value,
    /// The response head has been sent, and the call would have to change the cookie. Status 500.
    HeadSent,
    /// The request is served in degraded mode, without its session: nothing can be written. Status 503.
    Degraded,
    /// An argument is out of range, or the store lacks a power that the call needs. Status 500.
    Unsupported,
    /// The operating system gave no random bytes. Status 500.
    Random,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self(Arc::new(Inner { kind, detail: None, source: None }))
    }

    pub(crate) fn with_detail(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, detail: Some(detail.into()), source: None }))
    }

    pub(crate) fn because(kind: ErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Arc::new(Inner { kind, detail: None, source: Some(source.into()) }))
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the store could not be asked: what a degraded route continues without.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::Refused)
    }

    /// The HTTP status that tells a client about it (RFC 9110 §15).
    pub fn status(&self) -> u16 {
        match self.0.kind {
            ErrorKind::Unavailable
            | ErrorKind::Refused
            | ErrorKind::Full
            | ErrorKind::LockTimeout
            | ErrorKind::AnonymousRate
            | ErrorKind::Degraded => 503,
            ErrorKind::Conflict | ErrorKind::Ended => 409,
            ErrorKind::TooLarge => 413,
            ErrorKind::NotSignedIn => 401,
            ErrorKind::SubjectLimit | ErrorKind::ReauthenticationRequired => 403,
            ErrorKind::Value | ErrorKind::HeadSent | ErrorKind::Unsupported | ErrorKind::Random => 500,
        }
    }

    /// For `Retry-After`: when it makes sense to ask again, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        (self.status() == 503 && self.kind() != ErrorKind::Refused).then_some(Duration::from_secs(1))
    }

    /// What the client is told: the kind alone.
    pub(crate) fn public_message(&self) -> &'static str {
        match self.0.kind {
            ErrorKind::Unavailable => "the session store is unavailable",
            ErrorKind::Refused => "the session store does not work as it is set up",
            ErrorKind::Full => "the session store is full",
            ErrorKind::LockTimeout => "the session is in use by other requests",
            ErrorKind::Conflict => "another request changed what this one was changing",
            ErrorKind::Ended => {
                "the session was ended or its secret replaced while this request ran, or shortly before"
            }
            ErrorKind::TooLarge => "the session is too large",
            ErrorKind::NotSignedIn => "sign in first",
            ErrorKind::ReauthenticationRequired => "sign in again first",
            ErrorKind::SubjectLimit => "this user has too many sessions",
            ErrorKind::AnonymousRate => "too many new visitors at the moment",
            ErrorKind::Value => "a session value is not of the expected type",
            ErrorKind::HeadSent => "the cookie cannot be changed after the response head",
            ErrorKind::Degraded => "the session is not available and cannot be changed",
            ErrorKind::Unsupported => "the session call is not possible",
            ErrorKind::Random => "no random bytes from the operating system",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.public_message())?;
        self.0.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("detail", &self.0.detail)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<cloakroom_store::Error> for Error {
    fn from(error: cloakroom_store::Error) -> Self {
        let kind = match error.kind() {
            cloakroom_store::ErrorKind::TooLarge => ErrorKind::TooLarge,
            cloakroom_store::ErrorKind::Refused => ErrorKind::Refused,
            cloakroom_store::ErrorKind::Full => ErrorKind::Full,
            _ => ErrorKind::Unavailable,
        };
        Self::because(kind, error)
    }
}

/// A setting that cannot be used.
///
/// Its message names the setting, the value, and what to do: one line, ready to be shown to whoever
/// wrote the configuration. Values of secret settings are not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    value: Option<String>,
    reason: Cow<'static, str>,
}

impl ConfigError {
    /// `setting = value` cannot be used, and why.
    pub(crate) fn new(
        setting: &'static str,
        value: impl fmt::Display,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { setting, value: Some(value.to_string()), reason: reason.into() }
    }

    /// The same for a setting whose value must not be shown.
    pub(crate) fn hidden(setting: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { setting, value: None, reason: reason.into() }
    }

    /// The name of the setting, as in [`Settings`](crate::Settings).
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {value:?}: {}", self.setting, self.reason),
            None => write!(f, "{}: {}", self.setting, self.reason),
        }
    }
}

impl fmt::Debug for ConfigError {
    /// As `Display`: what leaves `main` is printed like this.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for ConfigError {}
