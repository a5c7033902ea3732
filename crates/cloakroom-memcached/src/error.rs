use std::fmt;

/// Why a store could not be made. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL does not say where the servers are.
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The prefix cannot begin a key of memcached.
    Prefix {
        /// The prefix.
        prefix: String,
    },
    /// A server does not answer.
    Unreachable {
        /// Which one.
        server: String,
        /// What happened, and what to look at.
        reason: String,
    },
    /// A server answers, but no sessions can be kept in it.
    Unsuitable {
        /// Which one.
        server: String,
        /// Why not, and what to do.
        reason: String,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { reason } => write!(f, "the URL of memcached is no good: {reason}"),
            Self::Prefix { prefix } => write!(
                f,
                "{prefix:?} cannot be the prefix of keys in memcached: printable ASCII without blanks is needed, \
                 {} characters at most",
                crate::builder::LONGEST_PREFIX
            ),
            Self::Unreachable { server, reason } => {
                write!(f, "cannot reach memcached at {server}: {reason}")
            }
            Self::Unsuitable { server, reason } => {
                write!(f, "memcached at {server} cannot keep sessions: {reason}")
            }
        }
    }
}

impl std::error::Error for ConnectError {}
