//! What a session's record means and what becomes of it: pure decisions, no I/O.
//!
//! [`judge`] says what a loaded record is to a request; [`revise`], [`begin`] and [`end`] say what to write for
//! what the request did; [`upkeep`] says what is to be noted of a request that wrote nothing.

mod changes;
mod policy;
mod reads;
mod snapshot;
mod tags;

use std::time::Duration;

use cloakroom_store::Timestamp;

pub(crate) use self::changes::{Changes, Remember, SignIn};
pub(crate) use self::policy::{Limits, Policy, TooLarge};
pub(crate) use self::reads::Reads;
use self::snapshot::LONGEST_REQUEST;
pub(crate) use self::snapshot::{Draft, Snapshot};
pub(crate) use self::tags::LastWrite;
use self::tags::{Grace, Tags};
use crate::client::Client;
use crate::envelope::{self, Bits, Entries, Extensions, Header, Size};
use crate::token::Verifier;

/// How a request comes to a session.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// Of the secret that the browser presented; none for a session that the request itself has begun.
    pub(crate) presented: Option<Verifier>,
    pub(crate) client: Client,
    pub(crate) began: Timestamp,
    /// A request is late if it began less than this after its secret was replaced, or its session ended: it may have been
    /// sent before.
    pub(crate) late_window: Duration,
    /// Its response head was sent: it goes by what is true now.
    pub(crate) streams: bool,
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
        /// The request may have been sent before that was so: its browser may have a newer cookie, or none, which must not be
        /// overwritten.
        late: bool,
        /// The secret is the one before the current one, used after its time.
        reused: bool,
    },
    /// It was ended, before the request was sent.
    Gone,
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

/// What a request that wrote nothing leaves to be noted.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "taken apart where it is returned, and never kept")]
pub(crate) enum Upkeep {
    Nothing,
    /// That the session was used: its idle end moves to this time.
    Touch(Timestamp),
    /// That the current secret was presented for the first time, or that a clock that ran ahead wrote the session.
    Correct(Draft),
}

/// What the record is to a request that presents the secret with this verifier, or has it from a save of its own.
pub(crate) fn judge(
    snapshot: &Snapshot,
    verifier: &Verifier,
    visit: &Visit,
    now: Timestamp,
    policy: &Policy,
) -> Standing {
    let header = &snapshot.header;
    let late = snapshot.changed_after(visit.began.saturating_sub(visit.late_window), now);
    if header.ended {
        return if late { Standing::Superseded { late, reused: false } } else { Standing::Gone };
    }
    if !snapshot.accepts(verifier, visit.accepted_at(now), now, policy) {
        let known = header.previous.is_some_and(|(old, _)| old == *verifier);
        return Standing::Superseded { late, reused: known && !late };
    }
    if !snapshot.is_live(now, policy) {
        return Standing::Expired;
    }
    if policy.bind_address && header.address.is_some() && header.address != visit.client.address {
        return Standing::Moved;
    }
    Standing::Live
}

/// Applies a request's changes to a stored session. `verifier` is that of a new secret, where
/// [`Changes::takes_secret`]. Without `extend` the idle time is left as it is, unless something begins it anew.
///
/// # Errors
/// [`TooLarge`] if the session would grow beyond a limit.
pub(crate) fn revise(
    snapshot: &Snapshot,
    changes: &Changes,
    verifier: Option<Verifier>,
    visit: &Visit,
    extend: bool,
    now: Timestamp,
    policy: &Policy,
) -> Result<Revised, TooLarge> {
    let base = &snapshot.entries;
    let clears = changes.log.is_cleared() && !snapshot.extensions.is_empty();
    let lasts = match changes.remember {
        Some(Remember::No) => snapshot.header.remembered.is_some(),
        remember => remember.is_some(),
    };
    let confirms = changes.rotate && snapshot.confirms(visit.presented, now, policy);
    let changed = clears || lasts || confirms || changes.log.changes(base).next().is_some();
    if !changed && verifier.is_none() {
        return Ok(Revised::Unchanged);
    }
    let size = changes.log.size(base);
    let anonymous = snapshot.subject.is_none() && changes.sign_in.is_none();
    policy.limits.check(size, base.size(), anonymous)?;
    if size.count == 0 && anonymous {
        return Ok(Revised::Emptied);
    }
    let (foreign, bits) = changes.surviving(snapshot, verifier.is_some());
    let mut rewrite = Rewrite::of(snapshot, visit, now, policy);
    if let Some(verifier) = verifier {
        rewrite.new_secret(verifier, changes.drops_secrets());
    }
    if let Some(sign_in) = &changes.sign_in {
        rewrite.sign_in(snapshot.subject.as_ref() == Some(&sign_in.subject));
    }
    if let Some(remember) = changes.remember {
        rewrite.remember(remember);
    }
    let expires_at = match extend || lasts || changes.sign_in.is_some() {
        true => rewrite.idle_from_now(anonymous),
        false => rewrite.idle_end,
    };
    let Rewrite { header, tags, .. } = rewrite;
    let expires_at = expires_at.min(header.ends_at);
    let stored = tags.stored(policy.records(&visit.client), now);
    let envelope = envelope::write(header, size, changes.log.apply(base), stored.beside(foreign, bits));
    let sign_in = changes.sign_in.as_ref().map(|sign_in| sign_in.subject.clone());
    let subject = sign_in.or_else(|| snapshot.subject.clone());
    Ok(Revised::Write(Draft { expires_at, subject, envelope }))
}

/// The first record of a session; `None` if it would hold nothing.
///
/// # Errors
/// [`TooLarge`] if the session would exceed a limit.
pub(crate) fn begin(
    changes: &Changes,
    verifier: Verifier,
    client: &Client,
    now: Timestamp,
    policy: &Policy,
) -> Result<Option<Draft>, TooLarge> {
    let size = changes.log.size(Entries::EMPTY);
    let anonymous = changes.sign_in.is_none();
    if size.count == 0 && anonymous {
        return Ok(None);
    }
    policy.limits.check(size, Size::default(), anonymous)?;
    let remembered = match changes.remember {
        Some(Remember::For(duration)) => Some(duration),
        _ => None,
    };
    let header = Header {
        verifier,
        secret_since: now,
        previous: None,
        created_at: now,
        ends_at: now.saturating_add(remembered.unwrap_or(policy.absolute)),
        authenticated_at: (!anonymous).then_some(now),
        remembered,
        address: client.address.filter(|_| policy.bind_address),
        ended: false,
    };
    let idle = idle(&header, anonymous, policy);
    let expires_at = now.saturating_add(idle).min(header.ends_at);
    let subject = changes.sign_in.as_ref().map(|sign_in| sign_in.subject.clone());
    let stored = Tags::default().stored(policy.records(client), now);
    let tags = stored.beside(Extensions::EMPTY, Bits::default());
    let envelope = envelope::write(header, size, changes.log.apply(Entries::EMPTY), tags);
    Ok(Some(Draft { expires_at, subject, envelope }))
}

/// The tombstone of a session: it remembers when the session was ended, so that late requests of its own browser are told
/// apart from new ones.
///
/// Its record expires at once, so that no touch moves its expiry and no count takes it for a session. Every store keeps it
/// for ten minutes more.
pub(crate) fn end(snapshot: &Snapshot, now: Timestamp) -> Draft {
    let header = Header {
        secret_since: now,
        previous: None,
        ends_at: now,
        remembered: None,
        address: None,
        ended: true,
        ..snapshot.header
    };
    let envelope = envelope::write(header, Size::default(), std::iter::empty(), std::iter::empty());
    Draft { expires_at: now, subject: None, envelope }
}

/// What is to be noted of a request that used the session. Without `extend` that it was used is not.
///
/// The idle end is moved at most once in a twentieth of the idle time, or in a minute.
pub(crate) fn upkeep(
    snapshot: &Snapshot,
    visit: &Visit,
    extend: bool,
    now: Timestamp,
    policy: &Policy,
) -> Upkeep {
    let rewrite = Rewrite::of(snapshot, visit, now, policy);
    let idle_end = rewrite.idle_from_now(snapshot.subject.is_none()).min(rewrite.header.ends_at);
    if snapshot.confirms(visit.presented, now, policy) || snapshot.is_ahead(now, policy) {
        // Others may have moved the idle end since it was read, so it is never set back to that.
        let expires_at = idle_end;
        let Rewrite { header, tags, .. } = rewrite;
        let (stored, entries) = (tags.stored(policy.records(&visit.client), now), &snapshot.entries);
        let tags = stored.beside(&snapshot.extensions, Bits::SURVIVES_WRITE);
        let envelope = envelope::write(header, entries.size(), entries.iter(), tags);
        return Upkeep::Correct(Draft { expires_at, subject: snapshot.subject.clone(), envelope });
    }
    let idle = snapshot.idle(policy);
    let step = (idle / 20).min(Duration::from_secs(60)).max(Duration::from_millis(1));
    let returned = snapshot.subject.is_none()
        && visit.presented.is_some()
        && snapshot.expires_at <= snapshot.header.created_at.saturating_add(policy.first_idle());
    // That its cookie has come back is noted at once: a full store evicts others first.
    let due = idle_end.since(snapshot.expires_at) >= step || returned && idle_end > snapshot.expires_at;
    match extend && due {
        true => Upkeep::Touch(idle_end),
        false => Upkeep::Nothing,
    }
}

impl Visit {
    /// The time that counts for a secret in its grace: when the request began, unless that is too long ago.
    pub(crate) fn accepted_at(&self, now: Timestamp) -> Timestamp {
        match self.streams {
            true => now,
            false => self.began.clamp(now.saturating_sub(LONGEST_REQUEST), now),
        }
    }
}

/// A session that is being written anew, with what every write sets right.
struct Rewrite<'a> {
    header: Header,
    tags: Tags,
    /// When it ends unless it is used.
    idle_end: Timestamp,
    visit: &'a Visit,
    now: Timestamp,
    policy: &'a Policy,
}

impl<'a> Rewrite<'a> {
    fn of(snapshot: &Snapshot, visit: &'a Visit, now: Timestamp, policy: &'a Policy) -> Self {
        let (mut header, mut tags) = (snapshot.header.clone(), Tags::of(&snapshot.extensions));
        let ends = snapshot.ends(now, policy);
        header.ends_at = ends.absolute;
        match snapshot.open_grace(now, now, policy) {
            Some(_) if snapshot.confirms(visit.presented, now, policy) => {
                let end = now.saturating_add(policy.grace);
                header.previous = header.previous.map(|(old, until)| (old, until.min(end)));
                tags.grace = Some(Grace { confirmed: true, length: policy.grace });
            }
            Some(_) => {}
            // It is over. Its end is kept while requests may be under way that began before it.
            None => {
                let until = if snapshot.grace_is_forgotten(now, policy) { Some(NEVER) } else { None };
                header.previous = header.previous.map(|(old, end)| (old, until.unwrap_or(end)));
                tags.grace = None;
            }
        }
        Self { header, tags, idle_end: ends.idle, visit, now, policy }
    }

    /// After a sign-in or an elevation no old secret works at any time, not even on a server whose clock is late. After a
    /// rotation the one works that the browser is known to have.
    fn new_secret(&mut self, verifier: Verifier, drops_others: bool) {
        let header = &mut self.header;
        let unconfirmed = self.tags.grace.is_some_and(|grace| !grace.confirmed);
        let known = header.previous.filter(|_| unconfirmed).map_or(header.verifier, |(old, _)| old);
        let hold = self.policy.hold();
        (header.previous, self.tags.grace) = match drops_others {
            true => (Some((header.verifier, NEVER)), None),
            false => {
                let grace = Grace { confirmed: false, length: hold };
                (Some((known, self.now.saturating_add(hold))), Some(grace))
            }
        };
        header.verifier = verifier;
        header.secret_since = self.now;
    }

    /// One user's wish to be remembered is not another's; the same user's stays, and so does its end.
    fn sign_in(&mut self, same_subject: bool) {
        let Self { header, now, policy, .. } = self;
        if !same_subject || header.remembered.is_none() {
            header.remembered = None;
            header.ends_at = now.saturating_add(policy.absolute);
        }
        header.authenticated_at = Some(*now);
        self.tags.forgotten_at = None;
    }

    fn remember(&mut self, remember: Remember) {
        let Self { header, tags, now, policy, .. } = self;
        match remember {
            Remember::For(duration) => {
                header.remembered = Some(duration);
                header.ends_at = now.saturating_add(duration);
                tags.forgotten_at = None;
            }
            Remember::No if header.remembered.is_some() => {
                header.remembered = None;
                header.ends_at = header.ends_at.min(now.saturating_add(policy.absolute));
                tags.forgotten_at = Some(*now);
            }
            Remember::No => {}
        }
    }

    fn idle_from_now(&self, anonymous: bool) -> Timestamp {
        let new = anonymous && self.visit.presented.is_none();
        self.now.saturating_add(idle(&self.header, new, self.policy))
    }
}

/// How long a session lasts unused; `new` if it has no user and its cookie has not come back yet.
fn idle(header: &Header, new: bool, policy: &Policy) -> Duration {
    let usual = if new { policy.first_idle() } else { policy.idle };
    header.remembered.unwrap_or(usual)
}

/// As the end of a time: it is over.
const NEVER: Timestamp = Timestamp::from_millis(0);

#[cfg(test)]
mod tests;
