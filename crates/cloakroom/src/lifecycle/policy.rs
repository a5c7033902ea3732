//! The settings that decide.

use std::fmt;
use std::time::Duration;

use crate::client::Client;
use crate::envelope::Size;

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) idle: Duration,
    /// The idle time of an anonymous session until its cookie has come back.
    pub(crate) anonymous_idle: Duration,
    pub(crate) absolute: Duration,
    pub(crate) grace: Duration,
    /// Sessions are bound to the client's address (`ignore_change_ip = false`).
    pub(crate) bind_address: bool,
    /// The client is kept with each session (`record_client`).
    pub(crate) record_client: bool,
    pub(crate) limits: Limits,
}

/// How much a session may hold, for writes that make it grow: what is stored beyond a limit that was higher once stays
/// as it is, and may become less.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many values.
    pub(crate) keys: usize,
    /// How many bytes, as in [`Size`].
    pub(crate) bytes: usize,
    /// How many bytes while the session has no user.
    pub(crate) anonymous_bytes: usize,
}

/// The outcome of a write would exceed a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooLarge {
    Keys { count: usize, limit: usize },
    Bytes { count: usize, limit: usize },
    AnonymousBytes { count: usize, limit: usize },
}

impl Policy {
    /// What is to be kept of the client.
    pub(super) fn records<'a>(&self, client: &'a Client) -> Option<&'a Client> {
        self.record_client.then_some(client)
    }

    /// The idle time of an anonymous session whose cookie has not come back yet.
    pub(super) fn first_idle(&self) -> Duration {
        self.idle.min(self.anonymous_idle)
    }

    /// How long the secret before a rotation works at most: until the new one has been presented, if that is earlier.
    pub(super) fn hold(&self) -> Duration {
        self.idle.min(LONGEST_HOLD)
    }
}

impl Limits {
    /// Checks what a session with entries of the size `before` grows to; `anonymous` if it has no user then.
    ///
    /// # Errors
    /// If `after` exceeds a limit, and what was before in the same respect.
    pub(crate) fn check(&self, after: Size, before: Size, anonymous: bool) -> Result<(), TooLarge> {
        if after.count > self.keys.max(before.count) {
            return Err(TooLarge::Keys { count: after.count, limit: self.keys });
        }
        let (count, largest) = (after.bytes, before.bytes);
        if count > self.bytes.max(largest) {
            return Err(TooLarge::Bytes { count, limit: self.bytes });
        }
        if anonymous && count > self.anonymous_bytes.max(largest) {
            return Err(TooLarge::AnonymousBytes { count, limit: self.anonymous_bytes });
        }
        Ok(())
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { count, limit } => write!(f, "{count} keys; max_keys = {limit}"),
            Self::Bytes { count, limit } => write!(f, "{count} bytes; max_record_bytes = {limit}"),
            Self::AnonymousBytes { count, limit } => {
                write!(f, "{count} bytes in a session without a user; anonymous_max_bytes = {limit}")
            }
        }
    }
}

const LONGEST_HOLD: Duration = Duration::from_secs(3600);
