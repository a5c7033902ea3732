//! What decides about sessions without asking anyone: the settings, and what is made from them once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cloakroom_store::{Key, Record, Revision};

use crate::config::Settings;
use crate::cookie::{CookieAttributes, CookieTemplate};
use crate::envelope::Unreadable;
use crate::error::{ConfigError, Error, ErrorKind, Result};
use crate::events;
use crate::lifecycle::{Draft, Limits, Policy, Snapshot};
use crate::random::Random;
use crate::rate::Rate;
use crate::token::{Keyring, Token, Verifier};

/// The rules of one [`SessionManager`](crate::manager::SessionManager).
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) settings: Settings,
    pub(crate) policy: Policy,
    pub(crate) keyring: Keyring,
    pub(crate) cookie: CookieTemplate,
    pub(crate) random: Random,
    pub(crate) anonymous_rate: Rate,
    /// The next revision.
    revisions: AtomicU64,
}

/// The record was written by a later version, which this one cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newer {
    /// The verifier of the session's current secret, where the record could be read that far.
    pub(crate) verifier: Option<Verifier>,
}

impl Rules {
    pub(crate) fn new(settings: Settings, random: Random) -> Result<Self, ConfigError> {
        settings.check()?;
        let policy = Policy {
            idle: settings.idle_timeout,
            anonymous_idle: settings.anonymous_idle_timeout,
            absolute: settings.absolute_timeout,
            grace: settings.grace,
            bind_address: !settings.ignore_change_ip,
            record_client: settings.record_client,
            limits: Limits {
                keys: settings.max_keys,
                bytes: settings.max_record_bytes,
                anonymous_bytes: settings.anonymous_max_bytes,
            },
        };
        let keyring = Keyring::new(
            &settings.cookie_name,
            settings.secret_key.as_ref(),
            &settings.previous_secret_keys,
        )?;
        let cookie = CookieTemplate::new(CookieAttributes {
            name: &settings.cookie_name,
            domain: settings.cookie_domain.as_deref(),
            path: &settings.cookie_path,
            same_site: settings.cookie_same_site,
            secure: !settings.danger_allow_plain_http,
            http_only: !settings.danger_allow_script_access,
        })?;
        // A random start keeps the revisions of different processes apart.
        let first_revision = Random::os()
            .u64()
            .map_err(|error| ConfigError::hidden("the operating system", error.to_string()))?;
        Ok(Self {
            anonymous_rate: Rate::new(settings.anonymous_rate),
            settings,
            policy,
            keyring,
            cookie,
            random,
            revisions: AtomicU64::new(first_revision),
        })
    }

    /// A revision that no record has had.
    pub(crate) fn revision(&self) -> Revision {
        Revision::new(self.revisions.fetch_add(1, Ordering::Relaxed))
    }

    /// The record of a draft, under a revision of its own.
    pub(crate) fn record(&self, draft: &Draft) -> Record {
        let data = Arc::clone(&draft.envelope.data);
        Record::new(self.revision(), draft.expires_at, data).with_subject(draft.subject.clone())
    }

    /// What the record says. A damaged one is as good as none: it is left where it is until it expires.
    pub(crate) fn read(&self, key: &Key, record: &Record) -> Result<Option<Snapshot>, Newer> {
        match Snapshot::read(record) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(Unreadable::Damaged) => {
                events::quarantined(key);
                Ok(None)
            }
            Err(Unreadable::Newer { verifier }) => {
                events::newer(key);
                Err(Newer { verifier: Some(verifier) })
            }
        }
    }

    /// Why a new anonymous session is refused that [`anonymous_rate`](Self::anonymous_rate) has no room for.
    pub(crate) fn too_many_anonymous(&self) -> Error {
        let rate = self.settings.anonymous_rate.unwrap_or_default();
        Error::with_detail(ErrorKind::AnonymousRate, format!("anonymous_rate = {rate}"))
    }

    /// A token for a new session.
    pub(crate) fn mint(&self) -> Result<Token> {
        self.keyring.mint(&self.random).map_err(|error| Error::because(ErrorKind::Random, error))
    }

    /// A new secret for the session of `token`.
    pub(crate) fn renew(&self, token: &Token) -> Result<Token> {
        self.keyring.renew(token, &self.random).map_err(|error| Error::because(ErrorKind::Random, error))
    }

    pub(crate) fn is_current(&self, token: &Token, snapshot: &Snapshot) -> bool {
        snapshot.header.verifier == self.keyring.verifier(token)
    }
}

impl From<Newer> for Error {
    fn from(_: Newer) -> Self {
        Self::with_detail(ErrorKind::Unavailable, "the session was written by a later version of cloakroom")
    }
}
