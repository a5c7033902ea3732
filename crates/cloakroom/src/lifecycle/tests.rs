use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy};
use proptest::{prop_oneof, sample};

use super::*;
use crate::envelope::golden::golden;
use crate::envelope::samples::{entries, header, numbers, tag};

mod boundaries;
mod formats;
mod limits;
mod machine;

const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
const THERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)));

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

const POLICY: Policy = Policy {
    idle: Duration::from_secs(600),
    absolute: Duration::from_secs(3600),
    grace: Duration::from_secs(30),
    bind_address: false,
    limits: Limits { keys: 256, bytes: 64 * 1024 },
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

fn remembering(duration: Duration) -> Changes {
    Changes { remember: Some(duration), ..Changes::default() }
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
    stored(begin(changes, verifier(1), HERE, START, policy).unwrap().unwrap())
}

/// The session after these changes, with the secret `secret` where they take one.
fn revised(snapshot: &Snapshot, changes: &Changes, secret: u8, now: Timestamp, policy: &Policy) -> Snapshot {
    let secret = changes.takes_secret(snapshot, now).then(|| verifier(secret));
    match revise(snapshot, changes, secret, true, now, policy) {
        Ok(Revised::Write(draft)) => stored(draft),
        other => panic!("{other:?}"),
    }
}

fn standing(snapshot: &Snapshot, secret: u8, now: Timestamp) -> Standing {
    judge(snapshot, &verifier(secret), HERE, now, &POLICY)
}
