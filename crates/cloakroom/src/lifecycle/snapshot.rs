//! A record, read: what it says about the session's secrets and times.

use std::time::Duration;

use cloakroom_store::{Record, Revision, Subject, Timestamp};

use super::policy::Policy;
use super::tags::{Grace, Tags};
use crate::envelope::{self, Entries, Envelope, Extensions, Header, Unreadable};
use crate::token::Verifier;

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

/// What to store.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) expires_at: Timestamp,
    pub(crate) subject: Option<Subject>,
    pub(crate) envelope: Envelope,
}

/// A grace in which the secret before the current one works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenGrace {
    /// Of the secret before.
    pub(super) verifier: Verifier,
    pub(super) until: Timestamp,
    /// Whether the current secret has been presented.
    pub(super) confirmed: bool,
}

/// When a session ends: unused, and however busy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) idle: Timestamp,
    pub(super) absolute: Timestamp,
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
            None => self.header.ends_at.min(self.began_at().saturating_add(policy.absolute)),
        }
    }

    /// Whether it is neither ended nor expired.
    pub(crate) fn is_live(&self, now: Timestamp, policy: &Policy) -> bool {
        !self.header.ended && now < self.expires_at && now < self.ends_at(policy)
    }

    /// Whether a holder of the secret with this verifier may use the session: one who came `at` that time.
    pub(crate) fn accepts(
        &self,
        verifier: &Verifier,
        at: Timestamp,
        now: Timestamp,
        policy: &Policy,
    ) -> bool {
        !self.header.ended
            && (self.header.verifier == *verifier
                || self.open_grace(at, now, policy).is_some_and(|grace| grace.verifier == *verifier))
    }

    /// The grace that is open `at` that time. One whose end is further ahead than a grace lasts was written by a clock that ran
    /// ahead: it is over.
    pub(super) fn open_grace(&self, at: Timestamp, now: Timestamp, policy: &Policy) -> Option<OpenGrace> {
        let (verifier, until) = self.header.previous?;
        let Grace { confirmed, length } = self.grace(policy);
        let open = at < until && !is_too_far(until, length, now);
        open.then_some(OpenGrace { verifier, until, confirmed })
    }

    /// Whether the end of a grace that is over needs not be known any more: no request is under way that began before it, or a
    /// clock that ran ahead wrote it.
    pub(super) fn grace_is_forgotten(&self, now: Timestamp, policy: &Policy) -> bool {
        let forgotten = |until: Timestamp| {
            until.saturating_add(LONGEST_REQUEST) <= now || is_too_far(until, self.grace(policy).length, now)
        };
        self.header.previous.is_some_and(|(_, until)| forgotten(until))
    }

    /// Without a tag, a version wrote it that had no other grace than a confirmed one.
    fn grace(&self, policy: &Policy) -> Grace {
        Tags::of(&self.extensions).grace.unwrap_or(Grace { confirmed: true, length: policy.grace })
    }

    /// Whether the request whose browser presented this secret is the first that is known to have the current one.
    pub(super) fn confirms(&self, presented: Option<Verifier>, now: Timestamp, policy: &Policy) -> bool {
        presented == Some(self.header.verifier)
            && self.open_grace(now, now, policy).is_some_and(|grace| !grace.confirmed)
    }

    /// Whether the secret has been current for this long. A time ahead of now is long ago.
    pub(super) fn secret_is_older_than(&self, age: Duration, now: Timestamp) -> bool {
        !self.changed_after(now.saturating_sub(age), now)
    }

    /// Whether the secret was replaced, or the session ended, after `at`. A change that is ahead of now was made by a clock that
    /// ran ahead: it was long ago.
    pub(super) fn changed_after(&self, at: Timestamp, now: Timestamp) -> bool {
        at < self.header.secret_since && !is_too_far(self.header.secret_since, Duration::ZERO, now)
    }

    /// Whether the user signed in less than `duration` ago. A time ahead of now is not recent.
    pub(crate) fn authenticated_within(&self, duration: Duration, now: Timestamp) -> bool {
        let recent =
            |at: Timestamp| now < at.saturating_add(duration) && !is_too_far(at, Duration::ZERO, now);
        self.header.authenticated_at.is_some_and(recent)
    }

    /// Its ends. Where one is further ahead than it can be, a clock that ran ahead wrote it, and it counts from now.
    pub(super) fn ends(&self, now: Timestamp, policy: &Policy) -> Ends {
        let written = self.ends_at(policy);
        let longest = policy.absolute.max(self.header.ends_at.since(self.began_at()));
        let length = self.header.remembered.unwrap_or(longest);
        let absolute = match is_too_far(written, length, now) {
            true => now.saturating_add(self.header.remembered.unwrap_or(policy.absolute)),
            false => written,
        };
        let idle = match is_too_far(self.expires_at, self.idle(policy), now) {
            true => now.saturating_add(self.idle(policy)),
            false => self.expires_at,
        };
        Ends { idle: idle.min(absolute), absolute }
    }

    /// Whether one of its ends is further ahead than it can be.
    pub(super) fn is_ahead(&self, now: Timestamp, policy: &Policy) -> bool {
        let ends = self.ends(now, policy);
        ends.absolute < self.ends_at(policy) || ends.idle < self.expires_at.min(self.ends_at(policy))
    }

    pub(super) fn idle(&self, policy: &Policy) -> Duration {
        self.header.remembered.unwrap_or(policy.idle)
    }

    /// From when the absolute limit counts.
    fn began_at(&self) -> Timestamp {
        let began = self.header.authenticated_at.unwrap_or(self.header.created_at);
        Tags::of(&self.extensions).forgotten_at.unwrap_or(began)
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

/// Whether a time is further ahead than something of this length can be.
fn is_too_far(at: Timestamp, length: Duration, now: Timestamp) -> bool {
    at > now.saturating_add(length).saturating_add(TOLERANCE)
}

/// For how long the time at which a request began counts. Every store keeps a tombstone as long.
pub(super) const LONGEST_REQUEST: Duration = Duration::from_secs(10 * 60);
/// How far the clocks of servers may be apart.
const TOLERANCE: Duration = Duration::from_secs(5);
