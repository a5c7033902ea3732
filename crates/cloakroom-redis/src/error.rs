//! What went wrong: at the start, and in a call.

use std::fmt;

use cloakroom_store::{Error, ErrorKind};
use redis::{RedisError, ServerErrorKind};

/// Why a store could not be connected. Printed, it is one line that says what to do; passwords are not in it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// This is no URL of a Redis server.
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// A setting that cannot be.
    Setting {
        /// Which, and why.
        reason: String,
    },
    /// The server cannot be reached, or does not want us.
    Failed {
        /// Its address, without user and password.
        server: String,
        /// What went wrong.
        reason: String,
    },
}

impl ConnectError {
    pub(crate) fn url(reason: impl Into<String>) -> Self {
        Self::Url { reason: reason.into() }
    }

    pub(crate) fn failed(server: &str, tls: bool, error: &RedisError) -> Self {
        Self::Failed { server: server.to_owned(), reason: in_words(error, tls) }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { reason } => write!(f, "this is no URL of Redis: {reason}"),
            Self::Setting { reason } => f.write_str(reason),
            Self::Failed { server, reason } => write!(f, "cannot use Redis at {server}: {reason}"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// What the driver says, in one line, with what to do about it.
fn in_words(error: &RedisError, tls: bool) -> String {
    let said = error.to_string().replace(['\r', '\n'], " ");
    let code = error.code().unwrap_or("");
    let kind = error.kind();
    let advice = if error.is_connection_refusal() || said.contains("Connection refused") {
        "is it running, and is this its address?"
    } else if matches!(code, "NOAUTH" | "WRONGPASS") || kind == redis::ErrorKind::AuthenticationFailed {
        "check the user and the password in the URL"
    } else if kind == redis::ErrorKind::MasterNameNotFoundBySentinel {
        "check the name after the last slash of the URL"
    } else if kind == redis::ErrorKind::RESP3NotSupported {
        "Redis 6.2 or later, or Valkey, is needed"
    } else if said.contains("certificate") {
        "its certificate is not trusted here: is it for this name, and is its authority known?"
    } else if tls
        && (error.is_timeout() || error.is_connection_dropped() || said.contains("InvalidContentType"))
    {
        "does this port speak TLS? If not, the URL begins with redis instead of rediss"
    } else if error.is_timeout() {
        "is the address right, and can this machine reach it?"
    } else if error.is_connection_dropped() {
        "does this port speak TLS? Then the URL begins with rediss instead of redis"
    } else {
        return said;
    };
    format!("{said}; {advice}")
}

/// A call without an answer that could be used.
#[derive(Debug)]
pub(crate) struct Fault {
    error: RedisError,
    /// Whether anything may have reached the server.
    sent: bool,
}

impl Fault {
    pub(crate) fn unsent(error: RedisError) -> Self {
        Self { error, sent: false }
    }

    pub(crate) fn sent(error: RedisError) -> Self {
        Self { error, sent: true }
    }

    pub(crate) fn is_unknown_script(&self) -> bool {
        self.error.kind() == ServerErrorKind::NoScript.into()
    }

    /// Where a node of a cluster points, which has done nothing: `host:port`.
    pub(crate) fn redirection(&self) -> Option<(Redirection, &str)> {
        let (node, _) = self.error.redirect_node()?;
        let once = self.error.kind() == ServerErrorKind::Ask.into();
        Some((if once { Redirection::Once } else { Redirection::FromNowOn }, node))
    }

    /// Whether the connection is of no use any more.
    pub(crate) fn ends_connection(&self) -> bool {
        // What was a primary when we connected may have become a replica.
        self.says("READONLY") || self.error.is_io_error() || self.error.is_unrecoverable_error()
    }

    /// Whether this may come from another node being the right one now.
    pub(crate) fn tells_of_change(&self) -> bool {
        !self.sent || self.error.is_io_error() || OF_CHANGE.iter().any(|name| self.says(name))
    }

    pub(crate) fn into_cause(self) -> RedisError {
        self.error
    }

    /// The error of a call that changes nothing.
    pub(crate) fn of_read(self) -> Error {
        match self.refusal() {
            Some(Refusal::WrongType) => Error::corrupt("not a hash"),
            _ => Error::unavailable(self.cause()),
        }
    }

    /// The error of a call that changes something.
    pub(crate) fn of_write(self) -> Error {
        match self.refusal() {
            _ if !self.sent => Error::unavailable(self.cause()),
            Some(Refusal::WrongType) => Error::corrupt("not a hash"),
            Some(Refusal::Full) => Error::new(ErrorKind::Full).because(self.cause()),
            Some(Refusal::ForNow) => Error::unavailable(self.cause()),
            None => Error::maybe_applied(self.cause()),
        }
    }

    /// For people. Of what a server says only the first word, for it may repeat what it was sent.
    fn cause(self) -> Box<dyn std::error::Error + Send + Sync> {
        match self.error.code() {
            _ if self.is_unknown_command() => "Redis does not know a command that is needed".into(),
            Some(code) => format!("Redis says {code}").into(),
            None => self.error.into(),
        }
    }

    /// Why the server refused, if it said so before anything was changed.
    ///
    /// Redis checks all of these at a script's start or at its first write.
    fn refusal(&self) -> Option<Refusal> {
        if self.says("WRONGTYPE") {
            return Some(Refusal::WrongType);
        }
        if self.says("OOM") {
            return Some(Refusal::Full);
        }
        let code = self.error.code()?;
        let for_now = FOR_NOW.iter().any(|name| self.says(name))
            || FOR_NOW_CODES.contains(&code)
            || self.is_unknown_command();
        for_now.then_some(Refusal::ForNow)
    }

    /// Whether the server said so, in a script or not. Before version 7 it wraps what a script meets in a message of its own.
    fn says(&self, name: &str) -> bool {
        let wrapped = || {
            self.detail_of_err().is_some_and(|detail| detail.starts_with(WRAPPED) && detail.contains(name))
        };
        self.error.code() == Some(name) || wrapped()
    }

    /// Whether the server lacks a command, or keeps it from everybody.
    fn is_unknown_command(&self) -> bool {
        self.detail_of_err().is_some_and(|detail| detail.starts_with("unknown command"))
    }

    fn detail_of_err(&self) -> Option<&str> {
        self.error.detail().filter(|_| self.error.code() == Some("ERR"))
    }
}

/// For how long another node has a key.
pub(crate) enum Redirection {
    Once,
    FromNowOn,
}

enum Refusal {
    WrongType,
    Full,
    ForNow,
}

/// What a node says that has not, or not yet, what is wanted of it.
const OF_CHANGE: [&str; 5] = ["MOVED", "CLUSTERDOWN", "MASTERDOWN", "LOADING", "READONLY"];

/// How Redis 6.2 begins to say what a script met.
const WRAPPED: &str = "Error running script";

/// What may be said inside of a script, too.
const FOR_NOW: [&str; 3] = ["READONLY", "MISCONF", "NOREPLICAS"];

/// What is said instead of beginning with a command.
const FOR_NOW_CODES: [&str; 11] = [
    "LOADING",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MOVED",
    "ASK",
    "CROSSSLOT",
    "BUSY",
    "NOSCRIPT",
    "NOAUTH",
    "WRONGPASS",
];

#[cfg(test)]
mod tests;
