use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom_redis::RedisStore;
use cloakroom_store::conformance::{Expiry, Facet, Foreign, Harness, Outcome};
use cloakroom_store::{BoxFuture, DynStore, Key};

use crate::support::fresh_prefix;
use crate::support::raw::Raw;

/// Two clients of one namespace, by turns.
pub(crate) struct Fresh {
    url: &'static str,
    prefix: String,
    clients: Mutex<[Arc<RedisStore>; 2]>,
    turn: AtomicUsize,
}

impl Fresh {
    pub(crate) async fn on(url: &'static str) -> Self {
        let prefix = fresh_prefix();
        Self { url, clients: Mutex::new(clients(url, &prefix).await), prefix, turn: AtomicUsize::new(0) }
    }

    fn name(&self, key: Key) -> String {
        format!("{}{key}", self.prefix)
    }
}

async fn clients(url: &str, prefix: &str) -> [Arc<RedisStore>; 2] {
    let settings = RedisStore::builder().prefix(prefix);
    [Arc::new(settings.connect(url).await.unwrap()), Arc::new(settings.connect(url).await.unwrap())]
}

impl Harness for Fresh {
    fn store(&self) -> Arc<dyn DynStore> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % 2;
        Arc::clone(&self.clients.lock().unwrap()[turn]) as _
    }

    fn facets(&self) -> &[Facet] {
        &[Facet::Leases, Facet::Subjects, Facet::Scan, Facet::Notices]
    }

    fn expiry(&self) -> Expiry {
        Expiry::Native
    }

    fn plant(&self, key: Key, foreign: Foreign) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let mut redis = Raw::connect(self.url).await;
            let fields: Vec<Vec<u8>> = match foreign {
                // All but the bytes as in a sound record, so that these alone tell.
                Foreign::Bytes(bytes) => {
                    vec![
                        "d".into(),
                        bytes,
                        "r".into(),
                        "1".into(),
                        "e".into(),
                        EXPIRY.into(),
                        "s".into(),
                        "".into(),
                    ]
                }
                Foreign::CopyOf(other) => redis.call(redis::cmd("HGETALL").arg(self.name(other))).await,
                _ => return Outcome::Impossible,
            };
            let _: i64 = redis.call(redis::cmd("HSET").arg(self.name(key)).arg(fields)).await;
            Outcome::Done
        })
    }

    /// What a restart of the server itself leaves has a test of its own.
    fn reopen(&self) -> BoxFuture<'_, Outcome> {
        Box::pin(async {
            let new = clients(self.url, &self.prefix).await;
            *self.clients.lock().unwrap() = new;
            Outcome::Done
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(tokio::spawn(task));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let clear = async { Raw::connect(self.url).await.clear(&self.prefix).await };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(clear));
    }
}

/// Some time in the year 2100.
const EXPIRY: &str = "0000004102444860000";
