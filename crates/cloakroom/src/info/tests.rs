use std::time::{Duration, UNIX_EPOCH};

use cloakroom_store::Timestamp;

use super::*;
use crate::envelope::samples::header;
use crate::lifecycle::Limits;

const POLICY: Policy = Policy {
    idle: Duration::from_secs(60),
    absolute: Duration::from_secs(600),
    grace: Duration::from_secs(30),
    bind_address: false,
    limits: Limits { keys: 256, bytes: 64 * 1024 },
};

fn snapshot(expires_at: u64, ends_at: u64) -> Snapshot {
    Snapshot {
        revision: cloakroom_store::Revision::new(1),
        expires_at: Timestamp::from_millis(expires_at),
        subject: None,
        header: header(1, 1_000, ends_at),
        entries: Default::default(),
        extensions: Default::default(),
    }
}

fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

#[test]
fn times_are_those_of_the_record() {
    let mut snapshot = snapshot(61_000, 500_000);
    let times = SessionTimes::of(&snapshot, &POLICY);
    let expected = SessionTimes {
        created_at: at(1_000),
        authenticated_at: None,
        idle_expires_at: at(61_000),
        absolute_expires_at: at(500_000),
    };
    assert_eq!(times, expected);
    snapshot.header.authenticated_at = Some(Timestamp::from_millis(2_000));
    assert_eq!(SessionTimes::of(&snapshot, &POLICY).authenticated_at, Some(at(2_000)));
}

#[test]
fn no_session_is_said_to_outlive_its_absolute_limit() {
    let shortened = Policy { absolute: Duration::from_secs(10), ..POLICY };
    let times = SessionTimes::of(&snapshot(61_000, 500_000), &shortened);
    assert_eq!((times.idle_expires_at, times.absolute_expires_at), (at(11_000), at(11_000)));
}

#[test]
fn a_handle_is_its_key_in_hexadecimal_and_reads_back() {
    let handle = SessionHandle::new(Key::new([0xab; 32]));
    assert_eq!(handle.to_string(), "ab".repeat(32));
    assert_eq!(handle.to_string().parse(), Ok(handle));
    assert_eq!(handle.key(), Key::new([0xab; 32]));
    assert_eq!(format!("{handle:?}"), format!("SessionHandle({})", "ab".repeat(32)));
    for bad in ["", "ab", &"AB".repeat(32)] {
        assert!(bad.parse::<SessionHandle>().is_err(), "{bad}");
    }
}

#[test]
fn the_debug_form_of_a_listed_session_does_not_name_its_user() {
    let subject = Subject::new("ann@example.org").unwrap();
    let info = SessionInfo::of(Key::new([1; 32]), subject, &snapshot(61_000, 500_000), &POLICY);
    assert!(!format!("{info:?}").contains("ann"));
}
