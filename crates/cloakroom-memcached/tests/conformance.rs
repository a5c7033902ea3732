//! Every rule of the contract, over a real server, and over two.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support {
    pub(crate) mod raw;
}

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cloakroom_memcached::MemcachedStore;
use cloakroom_store::conformance::{Expiry, Facet, Foreign, Harness, Outcome};
use cloakroom_store::{BoxFuture, DynStore, Key};
use support::raw::{Raw, unique_prefix};

mod one_server {
    use super::Fresh;

    cloakroom_store::conformance::suite!(
        test = #[tokio::test(flavor = "multi_thread")],
        harness = Fresh::new(cloakroom_test_services::memcached()).await,
    );
}

mod two_servers {
    use super::Fresh;

    cloakroom_store::conformance::suite!(
        test = #[tokio::test(flavor = "multi_thread")],
        harness = Fresh::new(cloakroom_test_services::memcached_pair()).await,
    );
}

/// A prefix of its own on servers that other tests use as well, and two clients of them.
struct Fresh {
    url: &'static str,
    prefix: String,
    clients: Mutex<[Arc<MemcachedStore>; 2]>,
    turn: AtomicUsize,
}

impl Fresh {
    async fn new(url: &'static str) -> Self {
        let prefix = unique_prefix();
        let clients = Mutex::new(connect(url, &prefix).await);
        Self { url, prefix, clients, turn: AtomicUsize::new(0) }
    }

    fn servers(&self) -> impl Iterator<Item = Raw> {
        self.url.strip_prefix("memcached://").unwrap().split(',').map(Raw::connect)
    }
}

async fn connect(url: &str, prefix: &str) -> [Arc<MemcachedStore>; 2] {
    let client = async || {
        let store = MemcachedStore::builder().prefix(prefix).connect(url).await;
        Arc::new(store.unwrap_or_else(|error| panic!("{error}")))
    };
    [client().await, client().await]
}

impl Harness for Fresh {
    fn store(&self) -> Arc<dyn DynStore> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Arc::clone(&self.clients.lock().unwrap()[turn % 2]) as _
    }

    fn facets(&self) -> &[Facet] {
        &[Facet::Leases]
    }

    fn expiry(&self) -> Expiry {
        Expiry::Native
    }

    fn plant(&self, key: Key, foreign: Foreign) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let item = |key| format!("{}{key}", self.prefix);
            let value = match foreign {
                // Behind the lease, where the record is.
                Foreign::Bytes(bytes) => [&[1, 0][..], &[0; 16], &bytes].concat(),
                Foreign::CopyOf(other) => {
                    let found = self.servers().find_map(|mut server| server.get(&item(other)));
                    found.expect("one of the servers has it")
                }
                _ => return Outcome::Impossible,
            };
            // The store looks on one of them only.
            let head = format!("ms {} {}\r\n", item(key), value.len());
            let set = [head.as_bytes(), &value, b"\r\n"].concat();
            self.servers().for_each(|mut server| assert_eq!(server.ask(&set), "HD"));
            Outcome::Done
        })
    }

    fn reopen(&self) -> BoxFuture<'_, Outcome> {
        Box::pin(async {
            let reopened = connect(self.url, &self.prefix).await;
            *self.clients.lock().unwrap() = reopened;
            Outcome::Done
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}
