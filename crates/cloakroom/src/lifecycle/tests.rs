use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy};
use proptest::{prop_oneof, sample};

use cloakroom_store::{Revision, Subject};

use super::tags::Tags;
use super::*;
use crate::envelope::Envelope;
use crate::envelope::golden::golden;
use crate::envelope::samples::{entries, header, numbers, tag};
use crate::oplog::OpLog;

mod boundaries;
mod clients;
mod clocks;
mod formats;
mod late;
mod limits;
mod machine;
mod remembered;
mod secrets;

const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
const THERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)));

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

const POLICY: Policy = Policy {
    idle: Duration::from_secs(600),
    anonymous_idle: Duration::from_secs(600),
    absolute: Duration::from_secs(3600),
    grace: Duration::from_secs(30),
    bind_address: false,
    record_client: false,
    limits: Limits { keys: 256, bytes: 64 * 1024, anonymous_bytes: 64 * 1024 },
};

/// When all of these tests begin.
const START: Timestamp = Timestamp::from_millis(1_000_000_000);

fn verifier(number: u8) -> Verifier {
    Verifier::new([number; Verifier::LEN])
}

fn later(by: Duration) -> Timestamp {
    START.saturating_add(by)
}

fn inserting(key: &str) -> Changes {
    let mut changes = Changes::default();
    changes.record(key, Some([1].into()));
    changes
}

fn signing_in(subject: &str) -> Changes {
    let sign_in = SignIn { subject: Subject::new(subject).unwrap(), after: OpLog::default() };
    Changes { sign_in: Some(sign_in), ..Changes::default() }
}

fn rotating() -> Changes {
    Changes { rotate: true, ..Changes::default() }
}

fn elevating() -> Changes {
    Changes { elevate: true, ..Changes::default() }
}

fn remembering(duration: Duration) -> Changes {
    Changes { remember: Some(Remember::For(duration)), ..Changes::default() }
}

fn forgetting() -> Changes {
    Changes { remember: Some(Remember::No), ..Changes::default() }
}

fn from(address: Option<IpAddr>) -> Client {
    Client { address, user_agent: None }
}

/// A request that begins now, with the secret of this number.
fn visit(secret: u8, now: Timestamp) -> Visit {
    let presented = Some(verifier(secret));
    Visit { presented, client: from(HERE), began: now, late_window: 10 * SECOND, streams: false }
}

/// What is read of a draft once it is stored, which is what its writer says.
fn stored(draft: Draft) -> Snapshot {
    let read = envelope::read(&draft.envelope.data).unwrap();
    let snapshot = draft.into_snapshot(Revision::new(1));
    assert_eq!((&read.header, read.entries.size()), (&snapshot.header, snapshot.entries.size()));
    assert!(read.entries.iter().eq(snapshot.entries.iter()));
    assert!(read.extensions.with(Bits::default()).eq(snapshot.extensions.with(Bits::default())));
    snapshot
}

/// A session that began at [`START`] with the secret 1 and one value.
fn session() -> Snapshot {
    began(&inserting("a"), &POLICY)
}

fn began(changes: &Changes, policy: &Policy) -> Snapshot {
    stored(begin(changes, verifier(1), &from(HERE), START, policy).unwrap().unwrap())
}

/// The session after these changes by a request with the secret 1, with the secret `secret` where they take one.
fn revised(snapshot: &Snapshot, changes: &Changes, secret: u8, now: Timestamp, policy: &Policy) -> Snapshot {
    stored(write(snapshot, &visit(1, now), changes, secret, now, policy))
}

/// The same by the request with the secret `by`.
fn revised_by(by: u8, snapshot: &Snapshot, changes: &Changes, secret: u8, now: Timestamp) -> Snapshot {
    stored(write(snapshot, &visit(by, now), changes, secret, now, &POLICY))
}

fn write(
    snapshot: &Snapshot,
    visit: &Visit,
    changes: &Changes,
    secret: u8,
    now: Timestamp,
    policy: &Policy,
) -> Draft {
    let secret = changes.takes_secret(snapshot, visit.presented, now, policy).then(|| verifier(secret));
    match revise(snapshot, changes, secret, visit, true, now, policy) {
        Ok(Revised::Write(draft)) => draft,
        other => panic!("{other:?}"),
    }
}

/// The session as a request with the secret `by`, which wrote nothing, sets it right; if it does.
fn corrected_by(by: u8, snapshot: &Snapshot, now: Timestamp) -> Option<Snapshot> {
    match upkeep(snapshot, &visit(by, now), true, now, &POLICY) {
        Upkeep::Correct(draft) => Some(stored(draft)),
        _ => None,
    }
}

/// The idle end that a request which wrote nothing moves to.
fn touched(snapshot: &Snapshot, now: Timestamp, policy: &Policy) -> Option<Timestamp> {
    match upkeep(snapshot, &visit(1, now), true, now, policy) {
        Upkeep::Touch(expires_at) => Some(expires_at),
        Upkeep::Nothing => None,
        Upkeep::Correct(draft) => panic!("{draft:?}"),
    }
}

fn standing(snapshot: &Snapshot, secret: u8, now: Timestamp) -> Standing {
    judge(snapshot, &verifier(secret), &visit(secret, now), now, &POLICY)
}
