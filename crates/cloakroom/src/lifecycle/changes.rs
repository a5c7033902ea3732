//! What a request wants changed in its session.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Subject, Timestamp};

use super::policy::Policy;
use super::snapshot::{OpenGrace, Snapshot};
use crate::envelope::{Bits, Extensions};
use crate::oplog::OpLog;
use crate::token::Verifier;

#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) log: OpLog,
    pub(crate) sign_in: Option<SignIn>,
    pub(crate) rotate: bool,
    /// A new secret, and no grace for any other.
    pub(crate) elevate: bool,
    pub(crate) remember: Option<Remember>,
}

#[derive(Clone, Debug)]
pub(crate) struct SignIn {
    pub(crate) subject: Subject,
    /// The part of the log that was recorded after the sign-in: all that may follow it into a fresh
    /// session when the old one turns out not to be this request's any more.
    pub(crate) after: OpLog,
}

/// For how long the session is to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remember {
    /// Beyond the browser's end.
    For(Duration),
    /// As long as any other.
    No,
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
        self.log.is_empty()
            && self.sign_in.is_none()
            && !self.rotate
            && !self.elevate
            && self.remember.is_none()
    }

    /// Whether applying this to `snapshot` takes a new secret, for a request whose browser presented the secret with
    /// this verifier.
    ///
    /// A rotation is none while the grace of another is open: that one's secret is the one successor. But once that secret has
    /// not been presented for a grace time, it may have got lost, and another is made for who presents the old one.
    pub(crate) fn takes_secret(
        &self,
        snapshot: &Snapshot,
        presented: Option<Verifier>,
        now: Timestamp,
        policy: &Policy,
    ) -> bool {
        self.drops_secrets() || self.rotate && Self::rotates(snapshot, presented, now, policy)
    }

    fn rotates(snapshot: &Snapshot, presented: Option<Verifier>, now: Timestamp, policy: &Policy) -> bool {
        match snapshot.open_grace(now, now, policy) {
            // A request that began in the grace may present the secret before; no successor is made of that one.
            None => snapshot.header.previous.is_none_or(|(old, _)| presented != Some(old)),
            Some(OpenGrace { confirmed: true, .. }) => false,
            Some(OpenGrace { verifier, .. }) => {
                presented == Some(verifier) && snapshot.secret_is_older_than(policy.grace, now)
            }
        }
    }

    /// Whether every secret that there is dies at once.
    pub(crate) fn drops_secrets(&self) -> bool {
        self.sign_in.is_some() || self.elevate
    }

    /// The tags of `snapshot` that this may leave, and the bits of those that it does leave.
    pub(super) fn surviving<'a>(&self, snapshot: &'a Snapshot, new_secret: bool) -> (&'a Extensions, Bits) {
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
