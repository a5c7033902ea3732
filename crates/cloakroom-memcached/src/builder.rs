use std::time::Duration;

use cloakroom_store::{Key, OpenError};

use crate::address::read_url;
use crate::server::Server;
use crate::store::MemcachedStore;

impl MemcachedStore {
    /// Connects to every server in `url`: `memcached://host:port,host:port`, or `memcached+unix:///path`.
    /// [`Builder::connect`] with default settings.
    ///
    /// # Errors
    /// As [`Builder::connect`].
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::builder().connect(url).await
    }

    /// Settings to connect with.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

/// Settings of a [`MemcachedStore`]; [`MemcachedStore::connect`] uses their defaults.
#[derive(Clone, Debug)]
pub struct Builder {
    prefix: String,
    deadline: Duration,
}

impl Builder {
    fn new() -> Self {
        Self { prefix: "cloakroom:".into(), deadline: Duration::from_secs(5) }
    }

    /// What the key of every item begins with: the namespace of this application, where several share a memcached.
    ///
    /// Printable ASCII without blanks, at most 186 characters; checked by [`connect`](Self::connect). Defaults to
    /// `cloakroom:`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long one call may take, with all its steps and with waiting for a connection.
    ///
    /// A write that has no answer when the time is over may have been applied. A server that says nothing for that long although it was asked,
    /// or for a second and a half if that is shorter, is taken for dead: its connection is closed and made again. That is
    /// less than the two seconds for which the engine waits unless told otherwise. Defaults to 5 seconds.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Connects to every server in `url`: `memcached://host:port,host:port`, or `memcached+unix:///path`. The port is 11211
    /// if there is none.
    ///
    /// Each session lives on one of the servers, chosen by its key and the names of the servers, so every process must
    /// write them alike; their order does not matter. Adding or removing a server signs out those whose
    /// sessions belong elsewhere then, and no others. Before servers are used again that were on the list earlier, flush
    /// them or change the prefix: they still have sessions from then, ended ones too.
    ///
    /// A name is that of one server. One with several addresses is refused, except `localhost` and the like, with one
    /// of IPv4 and one of IPv6.
    ///
    /// # Errors
    /// [`OpenError`]: of kind `Config` if the URL or a setting is wrong, `Unavailable` if a server cannot be reached within the deadline, and
    /// `Refused` if no sessions can be kept in it as it was started.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn connect(&self, url: &str) -> Result<MemcachedStore, OpenError> {
        let addresses = read_url(url)?;
        if self.prefix.len() > LONGEST_PREFIX || !self.prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(OpenError::config(format!(
                "{:?} cannot be the prefix of keys in memcached: printable ASCII without blanks is needed, \
                 {LONGEST_PREFIX} characters at most",
                self.prefix
            )));
        }
        let mut servers = Vec::with_capacity(addresses.len());
        for address in addresses {
            servers.push(Server::connect(address, self.deadline).await?);
        }
        Ok(MemcachedStore::new(servers, self.prefix.clone(), self.deadline))
    }
}

/// A key of memcached has at most 250 bytes, and ours is printed in hexadecimal digits after the prefix.
const LONGEST_PREFIX: usize = 250 - 2 * Key::LEN;
