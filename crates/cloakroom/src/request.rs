//! One request's session: the single owner of all that the request knows about it.
//!
//! [`Request`] is changed through `&mut self` alone, by whichever call of the request holds its lock. `plan` decides what is
//! to be saved and what the store's answers mean, without waiting for anything; `load` and `save` call the store.

mod close;
mod load;
mod locks;
pub(crate) mod plan;
pub(crate) mod save;

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Key, Subject, Timestamp};

use crate::calls::Budget;
use crate::client::Client;
use crate::cookie::Presented;
use crate::engine::Engine;
use crate::envelope::Entries;
use crate::error::{Error, ErrorKind, Result};
use crate::info::SessionStatus;
use crate::lease::HeldLease;
use crate::lifecycle::{Changes, Reads, Remember, SignIn, Snapshot, TooLarge, Visit};
use crate::queues::Turn;
use crate::route_options::RouteOptions;
use crate::rules::{Newer, Rules};
use crate::tasks::Runner;
use crate::token::{Token, Verifier};
use crate::watch::{OwnSecrets, Watched};

/// What one request knows about its session.
pub(crate) struct Request {
    /// The tokens in the request's cookies.
    presented: Presented,
    method: Method,
    /// As much of it as the settings ask for.
    client: Client,
    /// When the request began; the epoch if it presents no token, for it was there before any session of its own.
    began: Timestamp,
    /// Whether the request has a body, which a proxy may have held back until it was complete.
    has_body: bool,
    options: RouteOptions,
    phase: Phase,
    access: Access,
    /// What the tokens led to.
    found: Found,
    /// The session that was found has a user: the handler may have seen whose it is, whatever became of it later.
    saw_user: bool,
    binding: Binding,
    /// What is to be saved.
    changes: Changes,
    reads: Reads,
    /// Sessions that this request has ended, until that is stored.
    endings: Vec<Ending>,
    /// A new secret in a write that got no clear answer. If the write turns out to have been applied, this is the session's
    /// token.
    unconfirmed: Option<Token>,
    cookie: Cookie,
    wish: CookieWish,
    exclusive: Option<Exclusive>,
    /// A write that could not be recorded.
    refused: Option<Error>,
    /// Where a panic dropped a handle to the session.
    panics: Vec<Runner>,
    budget: Budget,
    /// The request's secrets, as those know them who watch its session.
    watched: Option<Arc<OwnSecrets>>,
    /// Sessions that have ended or have a new secret, until that is told.
    changed: Vec<Key>,
}

/// Whether the method is a safe one (RFC 9110 §9.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Safe,
    Unsafe,
}

impl Method {
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "GET" | "HEAD" | "OPTIONS" | "TRACE" => Self::Safe,
            _ => Self::Unsafe,
        }
    }
}

/// Where the request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing was asked of the session: the response says nothing of it.
    Untouched,
    /// The first access is under way, or was dropped.
    Entering,
    /// Loaded before the handler, without a lock.
    Peeked,
    /// The first access was made: what is to be locked, is.
    Entered,
    /// The request is being ended: a write may be its last.
    Closing,
    /// The response head was sent, or the request was abandoned.
    HeadSent,
}

/// The outcome of the first load; it stands for the whole request.
#[derive(Clone, Debug)]
enum Access {
    Unloaded,
    Full,
    /// The store is down, and the route continues with an empty session that cannot be written.
    Degraded,
    Failed(Error),
}

/// What the request's tokens led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Status(SessionStatus),
    /// More than one live session: none is used.
    Ambiguous,
}

/// What the request's session is bound to.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one in each request, inside its only allocation")]
enum Binding {
    /// Nothing is stored yet.
    New,
    /// A stored session that this request may use.
    Bound(Held),
    /// A session that is not this request's any more: it is empty, and what is written to it is dropped.
    Detached,
    /// A session that a later version has written: it cannot be used, but ended, and replaced by a sign-in. With its key if
    /// the request may end it: it has the current secret, or that cannot be told.
    Newer(Option<Key>),
}

/// A stored session, the token to it, and its content as last seen.
#[derive(Clone, Debug)]
struct Held {
    token: Token,
    key: Key,
    /// Of the secret that the browser presented; none if this request has begun the session.
    presented: Option<Verifier>,
    snapshot: Snapshot,
}

/// A session to be ended.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly always the large one")]
enum Ending {
    /// By a tombstone.
    Tombstone { held: Held, by: EndedBy },
    /// A record that cannot be read, and so not be replaced.
    Delete(Key),
}

/// What must still hold for a session to be ended.
#[derive(Debug)]
enum EndedBy {
    /// Its secret is the request's, or the unconfirmed one.
    Secret(Option<Token>),
    /// Nothing: a reused secret ends the session whatever its secret is now.
    Reuse,
}

/// What the response does to the browser's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cookie {
    Keep,
    Set {
        /// The browser's own cookie is that of a session that this request has ended.
        replaces_ended: bool,
    },
    /// The session of the browser's cookie was ended here.
    Remove,
}

/// What the application wants of the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CookieWish {
    /// What the session needs.
    AsNeeded,
    /// That the browser forgets it, and the session stays.
    Expired,
}

/// The exclusive use of the session.
#[derive(Debug)]
struct Exclusive {
    lease: Option<HeldLease>,
    turn: Turn,
}

impl Request {
    pub(crate) fn new(
        presented: Presented,
        method: Method,
        client: Client,
        began: Timestamp,
        has_body: bool,
        budget: Budget,
    ) -> Self {
        Self {
            presented,
            method,
            client,
            began,
            has_body,
            options: RouteOptions::new(),
            phase: Phase::Untouched,
            access: Access::Unloaded,
            found: Found::Status(SessionStatus::Fresh),
            saw_user: false,
            binding: Binding::New,
            changes: Changes::default(),
            reads: Reads::default(),
            endings: Vec::new(),
            unconfirmed: None,
            cookie: Cookie::Keep,
            wish: CookieWish::AsNeeded,
            exclusive: None,
            refused: None,
            panics: Vec::new(),
            budget,
            watched: None,
            changed: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn began(&self) -> Timestamp {
        self.began
    }

    pub(crate) fn status(&self) -> SessionStatus {
        match self.found {
            Found::Status(status) => status,
            Found::Ambiguous => SessionStatus::Unknown,
        }
    }

    /// The key and content of the stored session.
    pub(crate) fn stored(&self) -> Option<(Key, &Snapshot)> {
        self.binding.held().map(|held| (held.key, &held.snapshot))
    }

    pub(crate) fn subject(&self) -> Option<&Subject> {
        match &self.changes.sign_in {
            Some(sign_in) => Some(&sign_in.subject),
            None => self.binding.held().and_then(|held| held.snapshot.subject.as_ref()),
        }
    }

    pub(crate) fn is_degraded(&self) -> bool {
        matches!(self.access, Access::Degraded)
    }

    pub(crate) fn is_detached(&self) -> bool {
        matches!(self.binding, Binding::Detached)
    }

    pub(crate) fn is_newer(&self) -> bool {
        matches!(self.binding, Binding::Newer(_))
    }

    /// How the request comes to its session.
    fn visit(&self, rules: &Rules, presented: Option<Verifier>) -> Visit {
        let settings = &rules.settings;
        Visit {
            presented,
            client: self.client.clone(),
            began: self.began,
            late_window: if self.has_body { settings.late_window_upload } else { settings.late_window },
            streams: self.phase == Phase::HeadSent,
        }
    }

    /// What a stream of this request goes by to watch its session: the one that it is bound to, or else the one that its
    /// token names. `None` if there is none.
    pub(crate) fn watched(&mut self, rules: &Rules) -> Option<(Key, Watched)> {
        let held = self.binding.held();
        let token = held.map_or_else(|| self.presented.tokens().next(), |held| Some(&held.token));
        let token = token.filter(|_| self.found != Found::Ambiguous)?;
        let (key, verifier) = (rules.keyring.key(token), rules.keyring.verifier(token));
        let unconfirmed = self.unconfirmed.as_ref().map(|token| rules.keyring.verifier(token));
        let expires_at = held.map(|held| held.snapshot.expires_at.min(held.snapshot.ends_at(&rules.policy)));
        let secrets = Arc::clone(self.watched.get_or_insert_default());
        secrets.add(verifier);
        if let Some(unconfirmed) = unconfirmed {
            secrets.add(unconfirmed);
        }
        Some((key, Watched { secrets, address: self.client.address, expires_at }))
    }

    #[cfg(feature = "rocket_v0_5")]
    pub(crate) fn options(&self) -> RouteOptions {
        self.options
    }

    #[cfg(feature = "rocket_v0_5")]
    pub(crate) fn restore(&mut self, options: RouteOptions) {
        self.options = options;
    }

    /// Adds settings for this request.
    pub(crate) fn configure(&mut self, engine: &Engine, options: RouteOptions) {
        let locked = self.locks(engine);
        self.options.add(options);
        // What was locked by a call of its own stays locked.
        if locked && !self.locks(engine) {
            self.release();
        }
    }
}

/// Reading.
impl Request {
    /// The encoded value under `key`, initial values included.
    pub(crate) fn value<'a>(&'a self, rules: &'a Rules, key: &str) -> Option<&'a [u8]> {
        self.changes.log.get(self.binding.entries(), key).or_else(|| rules.settings.initializer.get(key))
    }

    /// All encoded values, initial values included.
    pub(crate) fn values<'a>(&'a self, rules: &'a Rules) -> BTreeMap<&'a str, &'a [u8]> {
        let mut values: BTreeMap<_, _> = rules.settings.initializer.iter().collect();
        values.extend(self.changes.log.apply(self.binding.entries()));
        values
    }

    pub(crate) fn note_read(&mut self, key: &str) {
        if let Binding::Bound(held) = &self.binding
            && !self.changes.log.writes(key)
        {
            self.reads.note(key, &held.snapshot.entries);
        }
    }

    /// `key` is read for an update, which depends on what is there now and not on what was read before.
    pub(crate) fn note_read_again(&mut self, key: &str) {
        if let Binding::Bound(held) = &self.binding
            && !self.changes.log.writes(key)
        {
            self.reads.note_again(key, &held.snapshot.entries);
        }
    }

    /// All keys were read, with or without their `values`.
    pub(crate) fn note_read_all(&mut self, values: bool) {
        if let Binding::Bound(held) = &self.binding {
            self.reads.note_all(&self.changes.log, &held.snapshot.entries, values);
        }
    }
}

/// Writing.
impl Request {
    /// Records an insert, if the session has room for it. What changes nothing is not recorded, unless it was decided on
    /// something else than what is there.
    pub(crate) fn insert(&mut self, rules: &Rules, key: &str, value: Arc<[u8]>) -> Result<()> {
        let base = self.binding.entries();
        let size = self.changes.log.size_with(base, key, value.len());
        rules.policy.limits.check(size, base.size(), self.subject().is_none())?;
        self.record(key, Some(value));
        Ok(())
    }

    /// Records a removal.
    pub(crate) fn remove(&mut self, key: &str) {
        self.record(key, None);
    }

    fn record(&mut self, key: &str, value: Option<Arc<[u8]>>) {
        let (base, Changes { log, sign_in, .. }) = (self.binding.entries(), &mut self.changes);
        let unchanged = base.get(key) == value.as_deref() && !self.reads.moved(key, base);
        if let Some(sign_in) = sign_in {
            sign_in.after.record(key, value.clone());
        }
        // After a clear nothing is there that could be the same.
        match unchanged && !log.is_cleared() {
            true => log.forget(key),
            false => log.record(key, value),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.changes.log.clear();
        if let Some(sign_in) = &mut self.changes.sign_in {
            sign_in.after.clear();
        }
    }

    pub(crate) fn sign_in(&mut self, subject: Subject) {
        if matches!(self.binding, Binding::Detached) {
            self.start_anew();
        }
        if self.subject().is_some_and(|current| *current != subject) {
            self.clear();
            self.changes.remember = None;
        }
        self.wish = CookieWish::AsNeeded;
        self.changes.sign_in = Some(SignIn { subject, after: Default::default() });
    }

    pub(crate) fn rotate(&mut self) {
        self.wish = CookieWish::AsNeeded;
        self.changes.rotate = true;
    }

    /// # Errors
    /// If the session is not this request's any more.
    pub(crate) fn check_held(&mut self) -> Result<()> {
        if self.is_detached() { Err(self.refuse(Error::new(ErrorKind::Ended))) } else { Ok(()) }
    }

    /// # Errors
    /// If the session is not this request's any more.
    pub(crate) fn elevate(&mut self) -> Result<()> {
        self.check_held()?;
        self.wish = CookieWish::AsNeeded;
        self.changes.elevate = true;
        Ok(())
    }

    pub(crate) fn remember(&mut self, remember: Remember) {
        self.wish = CookieWish::AsNeeded;
        self.changes.remember = Some(remember);
    }

    /// Whether the user has signed in just now, or less than `duration` ago.
    pub(crate) fn authenticated_within(&self, duration: Duration, now: Timestamp) -> bool {
        let stored =
            self.binding.held().is_some_and(|held| held.snapshot.authenticated_within(duration, now));
        stored || self.signs_in()
    }

    pub(crate) fn expire_cookie(&mut self) {
        // The browser may have a newer cookie than the one this request came with.
        if !matches!(self.binding, Binding::Detached) {
            self.wish = CookieWish::Expired;
        }
    }

    /// Ends the session; saved with the rest.
    ///
    /// # Errors
    /// If a later version has written the session, and its secret is not the one that the request came with.
    pub(crate) fn destroy(&mut self, rules: &Rules) -> Result<()> {
        if let Binding::Newer(None) = self.binding {
            return Err(self.refuse(Newer { verifier: None }.into()));
        }
        let by = EndedBy::Secret(self.unconfirmed.take());
        match self.start_anew() {
            Binding::Bound(held) => {
                self.forget_cookie(rules, held.key);
                self.endings.push(Ending::Tombstone { held, by });
            }
            Binding::Newer(Some(key)) => {
                self.forget_cookie(rules, key);
                self.endings.push(Ending::Delete(key));
            }
            left @ (Binding::Detached | Binding::Newer(None)) => self.binding = left,
            Binding::New => {}
        }
        Ok(())
    }

    /// The session under `key` ends: the cookie is removed if the browser has it, or had one that ended before it in this
    /// request.
    fn forget_cookie(&mut self, rules: &Rules, key: Key) {
        let presented = self.presented.tokens().any(|token| rules.keyring.key(token) == key);
        self.cookie = if presented || self.cookie.is_ended() { Cookie::Remove } else { Cookie::Keep };
    }

    fn set_cookie(&mut self) {
        self.cookie = Cookie::Set { replaces_ended: self.cookie.is_ended() };
    }

    /// Leaves what it was bound to, and everything recorded for it.
    fn start_anew(&mut self) -> Binding {
        self.changes = Changes::default();
        self.reads = Reads::default();
        self.unconfirmed = None;
        mem::replace(&mut self.binding, Binding::New)
    }

    /// The session is not this request's any more.
    fn detach(&mut self) {
        self.binding = Binding::Detached;
    }

    /// What is recorded, with one operation more.
    pub(crate) fn changes_with(&self, key: &str, value: Option<Arc<[u8]>>) -> Changes {
        let mut changes = self.changes.clone();
        changes.record(key, value);
        changes
    }

    /// Drops what is recorded.
    pub(crate) fn drop_changes(&mut self) {
        self.changes = Changes::default();
    }

    /// Whether the request signs a user in.
    pub(crate) fn signs_in(&self) -> bool {
        self.changes.sign_in.is_some()
    }

    /// There is nothing to save.
    pub(crate) fn is_clean(&self) -> bool {
        self.changes.is_empty() && self.endings.is_empty()
    }

    /// Notes that a write was refused: the response cannot claim then that all went well.
    pub(crate) fn refuse(&mut self, error: Error) -> Error {
        self.refused = Some(error.clone());
        error
    }

    pub(crate) fn check_writable(&mut self) -> Result<()> {
        if self.is_degraded() { Err(self.refuse(Error::new(ErrorKind::Degraded))) } else { Ok(()) }
    }

    pub(crate) fn check_head(&self) -> Result<()> {
        match self.phase {
            Phase::HeadSent => Err(Error::new(ErrorKind::HeadSent)),
            _ => Ok(()),
        }
    }
}

impl Binding {
    fn held(&self) -> Option<&Held> {
        match self {
            Self::Bound(held) => Some(held),
            _ => None,
        }
    }

    fn entries(&self) -> &Entries {
        self.held().map_or(Entries::EMPTY, |held| &held.snapshot.entries)
    }
}

impl Cookie {
    /// Whether the session of the browser's cookie was ended in this request.
    fn is_ended(self) -> bool {
        matches!(self, Self::Remove | Self::Set { replaces_ended: true })
    }
}

impl From<TooLarge> for Error {
    fn from(error: TooLarge) -> Self {
        Self::with_detail(ErrorKind::TooLarge, error.to_string())
    }
}
