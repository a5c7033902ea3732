use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use redis::{RedisResult, TlsCertificates};

use crate::address::Address;
use crate::cluster::Cluster;
use crate::eviction;
use crate::route::{Route, timed_out};
use crate::server::Server;
use crate::space::Space;
use crate::{ConnectError, RedisStore};

/// Settings of a [`RedisStore`]; [`RedisStore::connect`] uses their defaults.
#[derive(Clone, Debug)]
pub struct Builder {
    prefix: String,
    deadline: Duration,
    ca_certificate: Option<Vec<u8>>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self { prefix: "cloakroom:".to_owned(), deadline: Duration::from_secs(5), ca_certificate: None }
    }

    /// What the names of all keys and channels begin with.
    ///
    /// Stores with different prefixes share nothing. A user of Redis who has the rights `~cloakroom:*` and `&cloakroom:*` can do all that is done
    /// here. Defaults to `cloakroom:`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a call may take, connecting included; not zero.
    ///
    /// A write that was sent and not answered by then may have been applied, and says so. The engine has its own,
    /// shorter limits; this one is for what it leaves to finish by itself. Defaults to 5 seconds.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The authority that signed the server's certificate, in PEM form, for URLs with TLS.
    ///
    /// It is then the only one that is trusted. Defaults to those that the operating system trusts.
    #[must_use]
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_certificate = Some(pem.into());
        self
    }

    /// Connects to the server, sentinels or cluster of this URL.
    ///
    /// | URL | what |
    /// | --- | --- |
    /// | `redis://user:password@host:port/database` | one server |
    /// | `redis+unix:///path?db=database` | one server, by its Unix socket |
    /// | `redis+sentinel://user:password@host:port,host:port/name/database` | the primary that these sentinels call `name` |
    /// | `redis+cluster://user:password@host:port,host:port` | the cluster of these nodes |
    ///
    /// Everything but the hosts and `name` may be left out. `rediss` is the same with TLS, and `valkey` for `redis` changes nothing.
    /// User and password are for Redis; the sentinels are asked without.
    ///
    /// Must be called on a tokio runtime that lives as long as the store.
    ///
    /// # Errors
    /// [`ConnectError`], which says in one line what is wrong.
    pub async fn connect(&self, url: &str) -> Result<RedisStore, ConnectError> {
        if self.deadline.is_zero() {
            return Err(ConnectError::Setting {
                reason: "the deadline of Redis must not be zero".to_owned(),
            });
        }
        let address = Address::parse(url)?;
        if address.uses_tls() && rustls::crypto::CryptoProvider::get_default().is_none() {
            // The driver leaves the choice to the program. If somebody else is choosing right now, theirs is used.
            _ = rustls::crypto::ring::default_provider().install_default();
        }
        let shown = address.shown();
        let failed = |error| ConnectError::failed(&shown, address.uses_tls(), &error);
        let server = tokio::time::timeout(self.deadline, self.server(&address));
        let server = server.await.unwrap_or_else(|_| Err(timed_out("no answer"))).map_err(failed)?;
        let may_evict = eviction::may_evict(&server).await.map_err(failed)?;
        if let Some(policy) = &may_evict {
            tracing::warn!(
                server = shown,
                policy,
                "Redis may remove sessions to make room: set maxmemory-policy to noeviction"
            );
        }
        let space = Space::new(server, self.prefix.clone(), instance());
        Ok(RedisStore::new(Arc::new(space), shown, may_evict))
    }

    async fn server(&self, address: &Address) -> RedisResult<Server> {
        let certificates = self.ca_certificate.clone();
        let certificates = certificates.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        Ok(match address {
            Address::Cluster(nodes) => {
                Server::cluster(Cluster::connect(nodes, certificates.as_ref()).await?, self.deadline)
            }
            _ => Server::one(Route::new(address, certificates.as_ref())?, self.deadline),
        })
    }
}

/// A name for this store among all that share the records, in 16 characters.
fn instance() -> String {
    // The standard library seeds each of these with the operating system's randomness, or from one that it seeded so.
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
