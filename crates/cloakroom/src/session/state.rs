use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom_store::{Key, Subject};

use crate::calls::Budget;
use crate::config::Locking;
use crate::cookie::Presented;
use crate::envelope::Entries;
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::{Changes, Reads, Snapshot};
use crate::lock::{HeldLease, Turn};
use crate::manager::Engine;
use crate::oplog::OpLog;
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
    pub(super) route: Mutex<Route>,
    pub(super) state: tokio::sync::Mutex<State>,
}

/// Why a session is what it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The request brought no token.
    #[default]
    Fresh,
    /// The request's token led to its session.
    Resumed,
    /// The session's time was over, or the client's address another one: a new session.
    Expired,
    /// Nothing is known of the token, any more or at all: a new session.
    Unknown,
    /// The token's secret has been replaced, or its session ended. For a grace time after that it is an empty session
    /// that saves nothing, so that a late request cannot overwrite the browser's new cookie; later, a new session.
    Superseded,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh => "fresh",
            Self::Resumed => "resumed",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Superseded => "superseded",
        })
    }
}

/// Settings for the requests of one route.
///
/// They take effect with the first use of the session. Where [`Settings`](crate::Settings) have it loaded before the
/// handler (`locking = early`, `ignore_expiry = false`, `ignore_change_ip = false`), `locking` and `degraded` come too late,
/// and `off` for what is done by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Which requests have the session to themselves, instead of what [`Settings`](crate::Settings) say.
    /// [`Locking::Early`] means the first access here; what the settings lock early is let go. Defaults to what the
    /// settings say.
    pub locking: Option<Locking>,
    /// Requests do not extend the idle time. Defaults to false.
    pub no_touch: bool,
    /// When the store is down, the request goes on with an empty session that cannot be written, instead of an error
    /// at its first access. Defaults to false.
    pub degraded: bool,
    /// Requests have no session: each call fails with [`ErrorKind::Unsupported`], and their responses neither depend on the
    /// cookie nor set one. A write whose error is ignored is not saved, and the response goes out as it is. For routes below
    /// an adapter that covers the whole application. Defaults to false.
    pub off: bool,
}

/// What has become of the session so far.
#[derive(Default)]
pub(crate) struct State {
    /// The outcome of the first load.
    pub(super) loaded: Option<Result<()>>,
    /// The first access has been made: what is to be locked, is.
    pub(super) entered: bool,
    pub(super) origin: Origin,
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

    pub(crate) fn route(&self) -> MutexGuard<'_, Route> {
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
