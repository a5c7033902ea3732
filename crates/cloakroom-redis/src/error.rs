//! What the driver reports, as errors of the contract: when a store is opened, and in a call.

use cloakroom_store::{Error, ErrorKind, OpenError};
use redis::{RedisError, ServerErrorKind};

/// Why the server at this address cannot be used, in one line with what to do about it. Passwords are not in it.
pub(crate) fn open_error(server: &str, uses_tls: bool, error: &RedisError) -> OpenError {
    let said = error.to_string().replace(['\r', '\n'], " ");
    let (of_kind, advice) = advice(error, &said, uses_tls);
    let advice = advice.map(|advice| format!("; {advice}")).unwrap_or_default();
    of_kind(format!("cannot use Redis at {server}: {said}{advice}"))
}

/// Makes the error of one kind.
type OfKind = fn(String) -> OpenError;

/// Whether the failure may pass by itself, and what to check.
fn advice(error: &RedisError, said: &str, uses_tls: bool) -> (OfKind, Option<&'static str>) {
    let refused: OfKind = OpenError::refused;
    let unavailable: OfKind = OpenError::unavailable;
    let code = error.code().unwrap_or("");
    let kind = error.kind();
    if error.is_connection_refusal() || said.contains("Connection refused") {
        (unavailable, Some("is it running, and is this its address?"))
    } else if matches!(code, "NOAUTH" | "WRONGPASS") || kind == redis::ErrorKind::AuthenticationFailed {
        (refused, Some("check the user and the password in the URL"))
    } else if code == "NOPERM" {
        (refused, Some(MISSING_RIGHT))
    } else if said.contains("unknown command") {
        (refused, Some(MISSING_COMMAND))
    } else if code == "DENIED" {
        // Protected mode; the server says what to do.
        (refused, None)
    } else if kind == redis::ErrorKind::MasterNameNotFoundBySentinel {
        (refused, Some("check the name after the last slash of the URL"))
    } else if kind == redis::ErrorKind::RESP3NotSupported {
        (refused, Some("Redis 6.2 or later, or Valkey, is needed"))
    } else if kind == redis::ErrorKind::InvalidClientConfig {
        (OpenError::config, None)
    } else if said.contains("certificate") {
        (
            refused,
            Some("its certificate is not trusted here: is it for this name, and is its authority known?"),
        )
    } else if uses_tls
        && (error.is_timeout() || error.is_connection_dropped() || said.contains("InvalidContentType"))
    {
        (unavailable, Some("does this port speak TLS? If not, the URL begins with redis instead of rediss"))
    } else if error.is_timeout() {
        (unavailable, Some("is the address right, and can this machine reach it?"))
    } else if error.is_connection_dropped() {
        (unavailable, Some("does this port speak TLS? Then the URL begins with rediss instead of redis"))
    } else if error.is_io_error() || PASSING.contains(&code) {
        (unavailable, None)
    } else {
        (OpenError::other, None)
    }
}

/// A position that this store did not write.
pub(crate) fn foreign_cursor() -> Error {
    Error::new(ErrorKind::Other).because("the cursor of another store")
}

/// A call without a reply that can be used.
#[derive(Debug)]
pub(crate) struct Fault {
    error: RedisError,
    /// Whether anything may have reached the server.
    sent: bool,
    /// Whether the store was opened on a single server, not on a cluster.
    on_single_server: bool,
}

impl Fault {
    pub(crate) fn unsent(error: RedisError) -> Self {
        Self { error, sent: false, on_single_server: false }
    }

    pub(crate) fn sent(error: RedisError) -> Self {
        Self { error, sent: true, on_single_server: false }
    }

    /// The same fault of a store that knows of one server only.
    pub(crate) fn on_single_server(self) -> Self {
        Self { on_single_server: true, ..self }
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
        // A script that reads has no effect, wherever in it a right was missing.
        if self.sent && self.is_missing_right_in_script() {
            return Error::refused(MISSING_RIGHT);
        }
        self.into_error(Error::unavailable)
    }

    /// The error of a call that changes something.
    pub(crate) fn of_write(self) -> Error {
        self.into_error(Error::maybe_applied)
    }

    /// `unclear` is the error if the server did not clearly refuse.
    fn into_error(self, unclear: impl FnOnce(Cause) -> Error) -> Error {
        match self.refusal() {
            _ if !self.sent => Error::unavailable(self.cause()),
            Some(Refusal::WrongType) => Error::corrupt("not a hash"),
            Some(Refusal::Full) => Error::full(self.cause()),
            Some(Refusal::UntilChanged(what)) => Error::refused(what),
            Some(Refusal::ForNow) => Error::unavailable(self.cause()),
            None => unclear(self.cause()),
        }
    }

    /// For people. Of what a server says only the first word, because the rest may repeat what it was sent.
    fn cause(self) -> Cause {
        match self.error.code() {
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
        if self.is_unknown_command() {
            return Some(Refusal::UntilChanged(MISSING_COMMAND));
        }
        let code = self.error.code()?;
        if code == "NOPERM" && !self.is_missing_right_in_script() {
            return Some(Refusal::UntilChanged(MISSING_RIGHT));
        }
        if self.on_single_server && ["MOVED", "CROSSSLOT"].contains(&code) {
            return Some(Refusal::UntilChanged(NODE_OF_CLUSTER));
        }
        let for_now = IN_SCRIPTS_TOO.iter().any(|name| self.says(name)) || PASSING.contains(&code);
        for_now.then_some(Refusal::ForNow)
    }

    /// Whether the server said so, in a script or not. Before version 7 it wraps what a script meets in a message of its own.
    fn says(&self, name: &str) -> bool {
        let wrapped = || {
            self.detail_of_err().is_some_and(|detail| detail.starts_with(WRAPPED) && detail.contains(name))
        };
        self.error.code() == Some(name) || wrapped()
    }

    /// Whether the server lacks a command, or keeps it from all users.
    fn is_unknown_command(&self) -> bool {
        self.detail_of_err().is_some_and(|detail| detail.starts_with("unknown command"))
    }

    /// Whether a right was missing in the middle of a script, as Redis says it since version 7.2 and before. The script may have written
    /// already.
    fn is_missing_right_in_script(&self) -> bool {
        let says = |what| self.error.detail().is_some_and(|detail| detail.contains(what));
        match self.error.code() {
            Some("NOPERM") => says("ACL failure in script"),
            Some("ERR") => says("The user executing the script can't"),
            _ => false,
        }
    }

    fn detail_of_err(&self) -> Option<&str> {
        self.error.detail().filter(|_| self.error.code() == Some("ERR"))
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// For how long another node has a key.
pub(crate) enum Redirection {
    Once,
    FromNowOn,
}

enum Refusal {
    WrongType,
    Full,
    /// It stays so until this is done.
    UntilChanged(&'static str),
    ForNow,
}

const MISSING_RIGHT: &str =
    "the user of Redis lacks a right: grant those that the README of cloakroom-redis lists";
const MISSING_COMMAND: &str = "Redis does not know a command that is needed: use Redis 6.2 or later, or Valkey, \
                               with the commands that the README of cloakroom-redis lists";
const NODE_OF_CLUSTER: &str =
    "this server is a node of a cluster: open it with a URL that begins with redis+cluster instead of redis";

/// What a node says that does not have, or not yet, what is wanted of it.
const OF_CHANGE: [&str; 5] = ["MOVED", "CLUSTERDOWN", "MASTERDOWN", "LOADING", "READONLY"];

/// How Redis 6.2 begins to say what a script met.
const WRAPPED: &str = "Error running script";

/// What may be said inside of a script, too.
const IN_SCRIPTS_TOO: [&str; 3] = ["READONLY", "MISCONF", "NOREPLICAS"];

/// What is said instead of beginning with a command, and may pass.
const PASSING: [&str; 11] = [
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
