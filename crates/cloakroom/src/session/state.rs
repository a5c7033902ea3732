use std::collections::BTreeMap;
use std::mem;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom_store::{Key, Subject};

use crate::calls::Budget;
use crate::cookie::Presented;
use crate::engine::Engine;
use crate::envelope::Entries;
use crate::error::{Error, ErrorKind, Result};
use crate::info::SessionStatus;
use crate::lifecycle::{Changes, Reads, Snapshot};
use crate::lock::{HeldLease, Turn};
use crate::oplog::OpLog;
use crate::route_options::RouteOptions;
use crate::token::Token;

/// One request's session: what the request brought, and what has become of it.
pub(crate) struct Inner {
    pub(crate) engine: Arc<Engine>,
    /// The tokens in the request's cookies.
    pub(crate) presented: Presented,
    /// The method is a safe one (RFC 9110 §9.2.1).
    pub(crate) safe: bool,
    /// The client's address, where the settings ask for it.
    pub(crate) address: Option<IpAddr>,
    /// Whether anything was asked of the session: if not, the response says nothing of it.
    pub(crate) consulted: AtomicBool,
    pub(super) route: Mutex<RouteOptions>,
    pub(super) state: tokio::sync::Mutex<State>,
}

/// What has become of the session so far.
#[derive(Default)]
pub(crate) struct State {
    /// The outcome of the first load.
    pub(super) loaded: Option<Result<()>>,
    /// The first access has been made: what is to be locked, is.
    pub(super) entered: bool,
    pub(super) origin: SessionStatus,
    /// The request's tokens led to more than one live session.
    pub(super) ambiguous: bool,
    pub(super) attached: Attached,
    pub(super) changes: Changes,
    pub(super) reads: Reads,
    /// Sessions that this request has ended, until that is stored.
    pub(super) ending: Vec<Ending>,
    /// A token made for a write that has not been acknowledged. If the write turns out to have been applied, this is
    /// the session's token.
    pub(super) minted: Option<Token>,
    pub(super) cookie: Cookie,
    /// The session of the browser's cookie has been ended here: unless it gets another one, it is to forget it.
    pub(super) cookie_is_dead: bool,
    pub(super) expire_cookie: bool,
    /// Something was written, so that no touch is needed.
    pub(super) written: bool,
    pub(super) exclusive: Option<Exclusive>,
    pub(super) degraded: bool,
    /// A write that failed because the session could not be loaded.
    pub(super) refused: Option<Error>,
    pub(super) budget: Budget,
    /// The request is being ended: a write may be its last.
    pub(super) closing: bool,
    /// The response head has been sent.
    pub(super) closed: bool,
}

/// What the session is attached to.
#[derive(Default)]
#[allow(clippy::large_enum_variant, reason = "one in each request, inside its only allocation")]
pub(super) enum Attached {
    /// Nothing is stored yet.
    #[default]
    Nothing,
    /// A stored session that this request may use.
    Stored(Held),
    /// A session that is not this request's any more: it is empty, and what is written to it is dropped.
    Dropped,
}

/// A stored session, the token to it, and its content as last seen.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) token: Token,
    pub(super) key: Key,
    pub(super) snapshot: Snapshot,
}

/// A session to be ended.
pub(super) struct Ending {
    pub(super) held: Held,
    /// Another secret that may be the session's by then, by a write of this request whose outcome is not known.
    pub(super) minted: Option<Token>,
    /// Whatever secret it has by then.
    pub(super) whatever_secret: bool,
}

/// What the response does to the browser's cookie.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Cookie {
    #[default]
    Keep,
    Set,
    Remove,
}

/// The exclusive use of the session.
pub(super) struct Exclusive {
    pub(super) lease: Option<HeldLease>,
    pub(super) turn: Turn,
}

impl Inner {
    pub(crate) fn new(
        engine: Arc<Engine>,
        presented: Presented,
        safe: bool,
        address: Option<IpAddr>,
    ) -> Self {
        let state = State { budget: Budget(engine.settings.store_budget), ..State::default() };
        Self {
            engine,
            presented,
            safe,
            address,
            consulted: AtomicBool::new(false),
            route: Mutex::default(),
            state: tokio::sync::Mutex::new(state),
        }
    }

    /// The state, when no other call has it. Bounded: a future of this request that is held and not polled must not keep
    /// the rest of it waiting for ever.
    pub(super) async fn state(&self) -> Result<tokio::sync::MutexGuard<'_, State>> {
        if let Ok(state) = self.state.try_lock() {
            return Ok(state);
        }
        let settings = &self.engine.settings;
        let longest = settings.lock_timeout + 2 * settings.store_budget;
        let detail = "another call of this request has the session, and does not end";
        let waited = tokio::time::timeout(longest, self.state.lock()).await;
        waited.map_err(|_| Error::with_detail(ErrorKind::Unavailable, detail))
    }

    pub(crate) fn route(&self) -> MutexGuard<'_, RouteOptions> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The encoded value under `key`, initial values included.
    pub(super) fn value<'a>(&'a self, state: &'a State, key: &str) -> Option<&'a [u8]> {
        let entries = state.attached.entries();
        state.changes.log.get(entries, key).or_else(|| self.engine.settings.initializer.get(key))
    }

    /// All encoded values, initial values included.
    pub(super) fn values<'a>(&'a self, state: &'a State) -> BTreeMap<&'a str, &'a [u8]> {
        let mut values: BTreeMap<_, _> = self.engine.settings.initializer.iter().collect();
        values.extend(state.changes.log.apply(state.attached.entries()));
        values
    }

    /// Checks what `log` makes of `base` against the limits.
    pub(super) fn check_size(&self, log: &OpLog, base: &Entries) -> Result<()> {
        let (count, bytes) = log.apply(base).fold((0, 0), |(count, bytes), (key, value)| {
            (count + 1, bytes + key.len() + value.len() + ENTRY_LEN)
        });
        self.engine.check_size(count, bytes)
    }
}

impl State {
    pub(super) fn note_read(&mut self, key: &str) {
        if let Attached::Stored(held) = &self.attached
            && !self.changes.log.writes(key)
        {
            self.reads.note(key, &held.snapshot.entries);
        }
    }

    /// `key` is looked at on behalf of an update, which goes by what is there now and not by what was read before.
    pub(super) fn note_read_again(&mut self, key: &str) {
        if let Attached::Stored(held) = &self.attached
            && !self.changes.log.writes(key)
        {
            self.reads.note_again(key, &held.snapshot.entries);
        }
    }

    /// All keys were read, with or without their `values`.
    pub(super) fn note_read_all(&mut self, values: bool) {
        if let Attached::Stored(held) = &self.attached {
            self.reads.note_all(&self.changes.log, &held.snapshot.entries, values);
        }
    }

    /// Records an insert, or without a value a removal. What changes nothing is not recorded, unless it was decided on
    /// something else than what is there.
    pub(super) fn record(&mut self, key: &str, value: Option<Arc<[u8]>>) {
        let now = self.attached.entries();
        let unchanged = now.get(key) == value.as_deref() && !self.reads.moved(key, now);
        self.changes.record(key, value);
        if unchanged {
            self.changes.log.forget(key);
        }
    }

    pub(super) fn clear(&mut self) {
        self.changes.log.clear();
        if let Some(sign_in) = &mut self.changes.sign_in {
            sign_in.after.clear();
        }
    }

    pub(super) fn subject(&self) -> Option<&Subject> {
        match &self.changes.sign_in {
            Some(sign_in) => Some(&sign_in.subject),
            None => self.attached.stored().and_then(|held| held.snapshot.subject.as_ref()),
        }
    }

    /// There is nothing to save.
    pub(super) fn is_clean(&self) -> bool {
        self.changes.is_empty() && self.ending.is_empty()
    }

    /// Leaves whatever it was attached to, and everything recorded for it.
    pub(super) fn start_anew(&mut self) -> Attached {
        self.changes = Changes::default();
        self.reads = Reads::default();
        self.minted = None;
        mem::take(&mut self.attached)
    }

    /// Notes that a write was refused.
    pub(super) fn refuse(&mut self, error: Error) -> Error {
        self.refused = Some(error.clone());
        error
    }

    pub(super) fn check_writable(&mut self) -> Result<()> {
        if self.degraded { Err(self.refuse(Error::new(ErrorKind::Degraded))) } else { Ok(()) }
    }

    pub(super) fn head_open(&self) -> Result<()> {
        if self.closed { Err(Error::new(ErrorKind::HeadSent)) } else { Ok(()) }
    }

    /// Lets others have the session: first those in other processes, then the next in the queue.
    pub(super) fn release(&mut self) {
        match self.exclusive.take() {
            Some(Exclusive { lease: Some(lease), turn }) => lease.give_back(turn),
            turn_alone => drop(turn_alone),
        }
    }
}

impl Attached {
    pub(super) fn stored(&self) -> Option<&Held> {
        match self {
            Self::Stored(held) => Some(held),
            _ => None,
        }
    }

    pub(super) fn entries(&self) -> &Entries {
        self.stored().map_or(Entries::EMPTY, |held| &held.snapshot.entries)
    }
}

/// What a value takes in a stored session beside its key and its own bytes.
const ENTRY_LEN: usize = 5;
