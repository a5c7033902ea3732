//! What all sessions of a manager share, and how they talk to the store: with deadlines, and with an answer to
//! "was it applied?".

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cloakroom_store::{Applied, DynStore, ErrorKind as StoreErrorKind, Key, LeaseId, Record, Revision};
use tokio::sync::Semaphore;

use crate::calls::{Budget, Calls};
use crate::clock::Clock;
use crate::config::Settings;
use crate::cookie::{CookieAttributes, CookieTemplate};
use crate::error::{ConfigError, Error, ErrorKind, Result};
use crate::events;
use crate::lifecycle::{Draft, Policy, Snapshot};
use crate::lock::{MOST_LATE_RELEASES, Queues};
use crate::random::Random;
use crate::sweep::Sweeper;
use crate::tasks::Tasks;
use crate::token::Keyring;

#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) store: Arc<dyn DynStore>,
    pub(crate) settings: Settings,
    pub(crate) policy: Policy,
    pub(crate) keyring: Keyring,
    pub(crate) cookie: CookieTemplate,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) queues: Arc<Queues>,
    pub(crate) calls: Calls,
    pub(crate) tasks: Tasks,
    /// Places for leases that wait for a store to be back.
    pub(crate) late_releases: Arc<Semaphore>,
    pub(crate) sweeper: Sweeper,
    revisions: AtomicU64,
}

/// How a conditional write came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Applied,
    /// The record is not as expected: it moved on, or there is one where none should be.
    Conflict,
    Missing,
    /// Nobody knows whether it was applied, and the record is gone by now.
    Gone,
}

impl Engine {
    pub(crate) fn new(
        store: Arc<dyn DynStore>,
        settings: Settings,
        clock: Clock,
        random: Random,
    ) -> Result<Self, ConfigError> {
        settings.check()?;
        if settings.subject_limit.is_some() && store.subjects().is_none() {
            let reason =
                "this store does not list the sessions of a subject; choose another store, or no limit";
            let limit = settings.subject_limit.unwrap_or_default();
            return Err(ConfigError::new("subject_limit", limit, reason));
        }
        let policy = Policy {
            idle: settings.idle_timeout,
            absolute: settings.absolute_timeout,
            grace: settings.grace,
            bind_address: !settings.ignore_change_ip,
        };
        let keyring = Keyring::new(
            &settings.cookie_name,
            settings.secret_key.as_ref(),
            &settings.previous_secret_keys,
        )?;
        // A random start keeps the revisions of different processes apart.
        let first_revision = Random::os()
            .u64()
            .map_err(|error| ConfigError::hidden("the operating system", error.to_string()))?;
        Ok(Self {
            policy,
            keyring,
            cookie: CookieTemplate::new(CookieAttributes {
                name: &settings.cookie_name,
                domain: settings.cookie_domain.as_deref(),
                path: &settings.cookie_path,
                same_site: settings.cookie_same_site,
                secure: !settings.danger_allow_plain_http,
                http_only: !settings.danger_allow_script_access,
            })?,
            queues: Arc::new(Queues::new(settings.max_lock_waiters)),
            calls: Calls::new(settings.store_timeout),
            tasks: Tasks::default(),
            late_releases: Arc::new(Semaphore::new(MOST_LATE_RELEASES)),
            sweeper: Sweeper::default(),
            revisions: AtomicU64::new(first_revision),
            store,
            settings,
            clock,
            random,
        })
    }

    /// The record under `key`.
    pub(crate) async fn load(
        &self,
        budget: &mut Budget,
        key: Key,
    ) -> cloakroom_store::Result<Option<Record>> {
        self.calls
            .run(events::StoreCall::new("load", Some(&key)), budget, Arc::clone(&self.store).load(key))
            .await
    }

    /// What the record says; `None`, with an event, if it cannot be read. It is then left alone until it expires.
    pub(crate) fn read(&self, key: &Key, record: &Record) -> Option<Snapshot> {
        let fits = record.data.len() <= self.settings.max_record_bytes + SLACK;
        let snapshot = if fits { Snapshot::read(record).ok() } else { None }
            .filter(|snapshot| snapshot.entries.len() <= self.settings.max_keys);
        if snapshot.is_none() {
            events::quarantined(key);
        }
        snapshot
    }

    /// The record of a draft, under a revision of its own.
    pub(crate) fn record(&self, draft: &Draft) -> Record {
        Record {
            revision: self.revision(),
            expires_at: draft.expires_at,
            subject: draft.subject.clone(),
            data: Arc::clone(&draft.data),
        }
    }

    pub(crate) fn revision(&self) -> Revision {
        Revision::new(self.revisions.fetch_add(1, Ordering::Relaxed))
    }

    /// Stores `record` if what is there has the revision `expected`, or with `None`, if nothing is there. With a lease,
    /// gives it back in the same step.
    ///
    /// A write that got no clear answer is looked up by its revision: if it is there, it was applied; if the expected
    /// one still is, the same write is tried again; anything else stays unknown, and is an error.
    pub(crate) async fn write(
        &self,
        budget: &mut Budget,
        key: Key,
        record: &Record,
        expected: Option<Revision>,
        lease: Option<LeaseId>,
    ) -> Result<Written> {
        let mut unsure = false;
        for _ in 0..MAX_WRITES {
            let error = match self.send(budget, key, record.clone(), expected, lease).await {
                Ok(()) => return Ok(Written::Applied),
                Err(error) => error,
            };
            match error.kind() {
                StoreErrorKind::Exists | StoreErrorKind::Conflict if !unsure => return Ok(Written::Conflict),
                StoreErrorKind::Missing if !unsure => return Ok(Written::Missing),
                StoreErrorKind::Exists | StoreErrorKind::Conflict | StoreErrorKind::Missing => {}
                StoreErrorKind::Unavailable(Applied::Maybe) => unsure = true,
                _ => {
                    events::store_error(&key, &error);
                    return Err(error.into());
                }
            }
            events::unsure(&key);
            let found = self.load(budget, key).await.inspect_err(|error| events::store_error(&key, error))?;
            let found = found.map(|found| found.revision);
            if found == Some(record.revision) {
                return Ok(Written::Applied);
            }
            match found {
                Some(revision) if Some(revision) == expected => {}
                Some(_) => return Err(error.into()),
                // A create is not sent again: should the first one arrive late, it would bring a record back that was
                // ended in between. A replacement was perhaps seen before the record went.
                None => return Ok(Written::Gone),
            }
        }
        Err(Error::with_detail(ErrorKind::Unavailable, "the outcome of a write stayed unknown"))
    }

    async fn send(
        &self,
        budget: &mut Budget,
        key: Key,
        record: Record,
        expected: Option<Revision>,
        lease: Option<LeaseId>,
    ) -> cloakroom_store::Result<()> {
        let store = Arc::clone(&self.store);
        let call = match (expected, lease) {
            (None, _) => store.create(key, record),
            (Some(expected), None) => store.replace(key, record, expected),
            (Some(expected), Some(lease)) => Box::pin(async move {
                let leases = store.leases().ok_or(cloakroom_store::Error::new(StoreErrorKind::Other))?;
                leases.replace_and_release(key, record, expected, lease).await
            }),
        };
        let name = if expected.is_some() { "replace" } else { "create" };
        self.calls.run(events::StoreCall::new(name, Some(&key)), budget, call).await
    }

    /// Checks so many values, that with their keys take so many bytes, against the limits.
    pub(crate) fn check_size(&self, count: usize, bytes: usize) -> Result<()> {
        let Settings { max_keys, max_record_bytes, .. } = self.settings;
        let detail = if count > max_keys {
            format!("{count} keys; max_keys = {max_keys}")
        } else if bytes > max_record_bytes {
            format!("{bytes} bytes; max_record_bytes = {max_record_bytes}")
        } else {
            return Ok(());
        };
        Err(Error::with_detail(ErrorKind::TooLarge, detail))
    }
}

/// How often the same write is sent while its outcome is unknown.
const MAX_WRITES: usize = 3;
/// More than a session takes beside its values. It comes on top of the limit, so that no sign-in and no rotation ever
/// fails for its size.
const SLACK: usize = 128;
