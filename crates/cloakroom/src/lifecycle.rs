//! What a session's record means and what becomes of it: pure decisions, no I/O.
//!
//! [`judge`] says what a loaded record is to a request; [`revise`], [`begin`] and [`end`] say what to write for
//! what the request did; [`touch`] says whether activity alone must be noted.

mod reads;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Record, Revision, Subject, Timestamp};

pub(crate) use self::reads::Reads;
use crate::envelope::{self, Bits, Entries, Envelope, Extensions, Header, Size, Unreadable};
use crate::oplog::OpLog;
use crate::token::Verifier;

/// The settings that decide.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
    pub(crate) grace: Duration,
    /// Sessions are bound to the client's address (`ignore_change_ip = false`).
    pub(crate) bind_address: bool,
    pub(crate) limits: Limits,
}

/// How much a session may hold, for writes that make it grow: what is stored beyond a limit that was higher once stays
/// as it is, and may become less.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many values.
    pub(crate) keys: usize,
    /// How many bytes, as in [`Size`].
    pub(crate) bytes: usize,
}

/// The outcome of a write would exceed a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooLarge {
    Keys { count: usize, limit: usize },
    Bytes { count: usize, limit: usize },
}

/// A record, read.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) revision: Revision,
    pub(crate) expires_at: Timestamp,
    pub(crate) subject: Option<Subject>,
    pub(crate) header: Header,
    pub(crate) entries: Entries,
    /// What later versions, or this one, added to it.
    pub(crate) extensions: Extensions,
}

/// What a request wants changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) log: OpLog,
    pub(crate) sign_in: Option<SignIn>,
    pub(crate) rotate: bool,
    pub(crate) remember: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(crate) struct SignIn {
    pub(crate) subject: Subject,
    /// The part of the log that was recorded after the sign-in: all that may follow it into a fresh
    /// session when the old one turns out not to be this request's any more.
    pub(crate) after: OpLog,
}

/// What a loaded record is to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The request's session.
    Live,
    /// It was the request's session, and its time is over.
    Expired,
    /// It would be the request's session, but the client's address is another one.
    Moved,
    /// The request's secret is not this session's, or not any more.
    Superseded {
        /// The change was less than a grace time ago: whoever sends the old secret may have a newer cookie
        /// under way, which must not be overwritten.
        recent: bool,
        /// The secret is the one before the current one, used after its time.
        reused: bool,
    },
    /// It was ended, and that is long enough ago to be forgotten.
    Gone,
}

/// What to store.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) expires_at: Timestamp,
    pub(crate) subject: Option<Subject>,
    pub(crate) envelope: Envelope,
}

/// What becomes of a stored session.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "taken apart where it is returned, and never kept")]
pub(crate) enum Revised {
    Unchanged,
    Write(Draft),
    /// Nothing is left in it: it is to be ended.
    Emptied,
}

impl Snapshot {
    pub(crate) fn read(record: &Record) -> Result<Self, Unreadable> {
        let envelope = envelope::read(&record.data)?;
        let draft = Draft { expires_at: record.expires_at, subject: record.subject.clone(), envelope };
        Ok(draft.into_snapshot(record.revision))
    }

    /// When the session ends however busy it is: as written when it began, or earlier if the settings have been
    /// tightened since.
    pub(crate) fn ends_at(&self, policy: &Policy) -> Timestamp {
        match self.header.remembered {
            Some(_) => self.header.ends_at,
            None => self.header.ends_at.min(self.header.began_at().saturating_add(policy.absolute)),
        }
    }

    /// Whether it is neither ended nor expired.
    pub(crate) fn is_live(&self, now: Timestamp, policy: &Policy) -> bool {
        !self.header.ended && now < self.expires_at && now < self.ends_at(policy)
    }

    fn idle(&self, policy: &Policy) -> Duration {
        self.header.remembered.unwrap_or(policy.idle)
    }
}

impl Draft {
    /// What is read of it once it is stored under this revision.
    pub(crate) fn into_snapshot(self, revision: Revision) -> Snapshot {
        let Self { expires_at, subject, envelope } = self;
        let Envelope { header, entries, extensions, .. } = envelope;
        Snapshot { revision, expires_at, subject, header, entries, extensions }
    }
}

impl Limits {
    /// Checks what a session with entries of the size `before` grows to.
    ///
    /// # Errors
    /// If `after` exceeds a limit, and what was before in the same respect.
    pub(crate) fn check(&self, after: Size, before: Size) -> Result<(), TooLarge> {
        if after.count > self.keys.max(before.count) {
            Err(TooLarge::Keys { count: after.count, limit: self.keys })
        } else if after.bytes > self.bytes.max(before.bytes) {
            Err(TooLarge::Bytes { count: after.bytes, limit: self.bytes })
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { count, limit } => write!(f, "{count} keys; max_keys = {limit}"),
            Self::Bytes { count, limit } => write!(f, "{count} bytes; max_record_bytes = {limit}"),
        }
    }
}

impl Header {
    /// From when the absolute limit counts: a sign-in begins it anew.
    fn began_at(&self) -> Timestamp {
        self.authenticated_at.unwrap_or(self.created_at)
    }

    fn in_grace(&self, now: Timestamp) -> bool {
        self.previous.is_some_and(|(_, until)| now < until)
    }

    /// Whether a holder of this secret may use the session.
    pub(crate) fn accepts(&self, verifier: &Verifier, now: Timestamp) -> bool {
        let previous = self.previous.filter(|(_, until)| now < *until);
        !self.ended && (self.verifier == *verifier || previous.is_some_and(|(old, _)| old == *verifier))
    }
}

impl Changes {
    /// Records an insert, or without a value a removal.
    pub(crate) fn record(&mut self, key: &str, value: Option<Arc<[u8]>>) {
        if let Some(sign_in) = &mut self.sign_in {
            sign_in.after.record(key, value.clone());
        }
        self.log.record(key, value);
    }

    /// Whether there is anything to do for a session that is not stored yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty() && self.sign_in.is_none() && !self.rotate && self.remember.is_none()
    }

    /// Whether applying this to `snapshot` takes a new secret. During an open grace a rotation is none: the
    /// rotation that opened it is the one successor.
    pub(crate) fn takes_secret(&self, snapshot: &Snapshot, now: Timestamp) -> bool {
        self.sign_in.is_some() || self.rotate && !snapshot.header.in_grace(now)
    }

    /// The tags of `snapshot` that this may leave, and the bits of those that it does leave.
    fn surviving<'a>(&self, snapshot: &'a Snapshot, new_secret: bool) -> (&'a Extensions, Bits) {
        let mut bits = Bits::SURVIVES_WRITE;
        if new_secret {
            bits = bits.and(Bits::SURVIVES_NEW_SECRET);
        }
        if self.sign_in.is_some() {
            bits = bits.and(Bits::SURVIVES_REAUTHENTICATION);
        }
        let subjects = (snapshot.subject.as_ref(), self.sign_in.as_ref().map(|sign_in| &sign_in.subject));
        let other_user = matches!(subjects, (Some(old), Some(new)) if old != new);
        let tags = if other_user || self.log.is_cleared() { Extensions::EMPTY } else { &snapshot.extensions };
        (tags, bits)
    }
}

/// What the record is to a request that presents a secret with this verifier, from this address.
pub(crate) fn judge(
    snapshot: &Snapshot,
    verifier: &Verifier,
    address: Option<IpAddr>,
    now: Timestamp,
    policy: &Policy,
) -> Standing {
    let header = &snapshot.header;
    if header.ended {
        // Not `expires_at`: a tombstone's record expires before its time is over.
        let recent = now < header.ends_at;
        return if recent { Standing::Superseded { recent, reused: false } } else { Standing::Gone };
    }
    if !header.accepts(verifier, now) {
        let recent = now < header.secret_since.saturating_add(policy.grace);
        let known = header.previous.is_some_and(|(old, _)| old == *verifier);
        return Standing::Superseded { recent, reused: known && !recent };
    }
    if !snapshot.is_live(now, policy) {
        return Standing::Expired;
    }
    if policy.bind_address && header.address.is_some() && header.address != address {
        return Standing::Moved;
    }
    Standing::Live
}

/// Applies a request's changes to a stored session. `verifier` is that of a new secret, where
/// [`Changes::takes_secret`]. Without `extend` the idle time is left as it is, unless a sign-in or `remember` begins
/// it anew.
///
/// # Errors
/// [`TooLarge`] if the session would grow beyond a limit.
pub(crate) fn revise(
    snapshot: &Snapshot,
    changes: &Changes,
    verifier: Option<Verifier>,
    extend: bool,
    now: Timestamp,
    policy: &Policy,
) -> Result<Revised, TooLarge> {
    let base = &snapshot.entries;
    let clears = changes.log.is_cleared() && !snapshot.extensions.is_empty();
    let changed = clears || changes.log.changes(base).next().is_some();
    if !changed && verifier.is_none() && changes.remember.is_none() {
        return Ok(Revised::Unchanged);
    }
    let size = changes.log.size(base);
    policy.limits.check(size, base.size())?;
    if size.count == 0 && snapshot.subject.is_none() && changes.sign_in.is_none() {
        return Ok(Revised::Emptied);
    }
    let (tags, bits) = changes.surviving(snapshot, verifier.is_some());
    let mut header = snapshot.header.clone();
    let mut subject = snapshot.subject.clone();
    header.ends_at = snapshot.ends_at(policy);
    if let Some(verifier) = verifier {
        // After a sign-in the old secret works at no time at all, not even on a server whose clock is late.
        let until = if changes.sign_in.is_some() { NEVER } else { now.saturating_add(policy.grace) };
        header.previous = Some((header.verifier, until));
        header.verifier = verifier;
        header.secret_since = now;
    }
    if let Some(sign_in) = &changes.sign_in {
        // One user's wish to be remembered is not another's.
        header.remembered =
            header.remembered.filter(|_| subject.as_ref().is_none_or(|old| *old == sign_in.subject));
        subject = Some(sign_in.subject.clone());
        header.authenticated_at = Some(now);
        header.ends_at = now.saturating_add(header.remembered.unwrap_or(policy.absolute));
    }
    remember(&mut header, changes, now);
    let begins_anew = changes.sign_in.is_some() || changes.remember.is_some();
    let expires_at = if extend || begins_anew {
        now.saturating_add(header.remembered.unwrap_or(policy.idle)).min(header.ends_at)
    } else {
        snapshot.expires_at.min(header.ends_at)
    };
    let envelope = envelope::write(header, size, changes.log.apply(base), tags.with(bits));
    Ok(Revised::Write(Draft { expires_at, subject, envelope }))
}

/// The first record of a session; `None` if it would hold nothing.
///
/// # Errors
/// [`TooLarge`] if the session would exceed a limit.
pub(crate) fn begin(
    changes: &Changes,
    verifier: Verifier,
    address: Option<IpAddr>,
    now: Timestamp,
    policy: &Policy,
) -> Result<Option<Draft>, TooLarge> {
    let size = changes.log.size(Entries::EMPTY);
    if size.count == 0 && changes.sign_in.is_none() {
        return Ok(None);
    }
    policy.limits.check(size, Size::default())?;
    let subject = changes.sign_in.as_ref().map(|sign_in| sign_in.subject.clone());
    let mut header = Header {
        verifier,
        secret_since: now,
        previous: None,
        created_at: now,
        ends_at: now.saturating_add(policy.absolute),
        authenticated_at: subject.is_some().then_some(now),
        remembered: None,
        address: address.filter(|_| policy.bind_address),
        ended: false,
    };
    remember(&mut header, changes, now);
    let expires_at = now.saturating_add(header.remembered.unwrap_or(policy.idle)).min(header.ends_at);
    let entries = changes.log.apply(Entries::EMPTY);
    let envelope = envelope::write(header, size, entries, std::iter::empty());
    Ok(Some(Draft { expires_at, subject, envelope }))
}

/// The tombstone of a session: for a grace time it remembers that the secret is dead, so that late responses of its
/// own browser are told apart from strangers.
///
/// The header says when that time is over. The record expires before: at once, if [`KEPT`] is long enough. So no touch
/// moves its expiry, and no count takes it for a session.
pub(crate) fn end(snapshot: &Snapshot, now: Timestamp, policy: &Policy) -> Draft {
    let expires_at = now.saturating_add(policy.grace.saturating_sub(KEPT));
    let header = Header {
        previous: None,
        ends_at: now.saturating_add(policy.grace),
        remembered: None,
        address: None,
        ended: true,
        ..snapshot.header
    };
    let envelope = envelope::write(header, Size::default(), std::iter::empty(), std::iter::empty());
    Draft { expires_at, subject: None, envelope }
}

/// The expiry to move to when a session was used, unless the stored one is recent enough: it is moved at most once
/// in a twentieth of the idle time, or in a minute.
pub(crate) fn touch(snapshot: &Snapshot, now: Timestamp, policy: &Policy) -> Option<Timestamp> {
    let idle = snapshot.idle(policy);
    let expires_at = now.saturating_add(idle).min(snapshot.ends_at(policy));
    let step = (idle / 20).min(Duration::from_secs(60)).max(Duration::from_millis(1));
    (expires_at.since(snapshot.expires_at) >= step).then_some(expires_at)
}

/// As the end of a time: it is over.
const NEVER: Timestamp = Timestamp::from_millis(0);
/// How long every store keeps a record after its expiry: neither sweep nor native expiry takes it earlier.
const KEPT: Duration = Duration::from_secs(10 * 60);

fn remember(header: &mut Header, changes: &Changes, now: Timestamp) {
    if let Some(duration) = changes.remember {
        header.remembered = Some(duration);
        header.ends_at = now.saturating_add(duration);
    }
}

#[cfg(test)]
mod tests;
