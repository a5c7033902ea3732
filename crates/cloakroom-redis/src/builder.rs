use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::OpenError;
use cloakroom_store::codec::hex;
use redis::{RedisError, RedisResult, TlsCertificates, Value};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::address::Address;
use crate::cluster::Cluster;
use crate::error::{Fault, open_error};
use crate::keyspace::Keyspace;
use crate::link::{Live, Sent};
use crate::reply;
use crate::route::{Route, timed_out};
use crate::server::Server;
use crate::store::RedisStore;

impl RedisStore {
    /// Connects to the server, sentinels or cluster of this URL. [`Builder::connect`] with default settings.
    ///
    /// # Errors
    /// [`OpenError`], which says in one line what is wrong.
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::builder().connect(url).await
    }

    /// Settings to connect with.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

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
    /// A write that was sent and has no reply when the time is over may have been applied, and fails as such. The engine has its own,
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
    /// [`OpenError`], which says in one line what is wrong: of kind `Config` if it is the URL or a setting, `Unavailable` if the server cannot
    /// be reached, and `Refused` if it says no, for a wrong password for instance. It never shows a password.
    pub async fn connect(&self, url: &str) -> Result<RedisStore, OpenError> {
        if self.deadline.is_zero() {
            return Err(OpenError::config("the deadline of Redis must not be zero"));
        }
        let address = Address::parse(url)?;
        if address.uses_tls() && rustls::crypto::CryptoProvider::get_default().is_none() {
            // The driver leaves the choice to the program. If another thread chooses at the same time, its choice is used.
            _ = rustls::crypto::ring::default_provider().install_default();
        }
        let shown = address.shown();
        let failed = |error| open_error(&shown, address.uses_tls(), &error);
        let server = timeout(self.deadline, self.server(&address));
        let server = server.await.unwrap_or_else(|_| Err(timed_out("no reply"))).map_err(failed)?;
        let may_evict = may_evict(&server).await.map_err(failed)?;
        if let Some(policy) = &may_evict {
            tracing::warn!(
                server = shown,
                policy,
                "Redis may remove sessions to make room: set maxmemory-policy to noeviction"
            );
        }
        let keyspace = Keyspace::new(server, self.prefix.clone(), instance());
        Ok(RedisStore::new(keyspace, shown, may_evict))
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
    hex(&RandomState::new().build_hasher().finish().to_be_bytes()).to_string()
}

/// The `maxmemory-policy` of a server that may evict; in a cluster, of a primary that may. All are asked at the same time.
///
/// Reads `INFO`, because `CONFIG` is often forbidden. If that is as well, there is nothing to tell.
///
/// # Errors
/// If a single server cannot be reached.
async fn may_evict(server: &Server) -> Result<Option<String>, RedisError> {
    let mut info = redis::cmd("INFO");
    info.arg("memory");
    let Some(cluster) = server.as_cluster() else {
        return match server.call_at(None, &info).await.map_err(Fault::into_cause) {
            Ok(reply) => Ok(policy(reply)),
            Err(error) if error.code() == Some("NOPERM") => Ok(None),
            Err(error) => Err(error),
        };
    };
    // A cluster that we are connected to may be used although one of its nodes is away.
    let mut asked = JoinSet::new();
    for node in cluster.primaries().unwrap_or_default() {
        let (cluster, info, deadline) = (Arc::clone(cluster), info.clone(), server.deadline());
        asked.spawn(async move {
            let sent = Sent::default();
            let Ok(reply) = timeout(deadline, cluster.send_to(&node, &info, &sent)).await else {
                // The next call tries another connection.
                _ = sent.take_back().inspect(Live::give_up);
                return None;
            };
            reply.ok().and_then(policy)
        });
    }
    Ok(asked.join_all().await.into_iter().flatten().min())
}

fn policy(info: Value) -> Option<String> {
    let info = match info {
        Value::VerbatimString { text, .. } => text,
        other => String::from_utf8(reply::string(other)??).ok()?,
    };
    let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let (policy, limit) = (value("maxmemory_policy")?, value("maxmemory")?);
    (policy != "noeviction" && limit != "0").then(|| policy.to_owned())
}
