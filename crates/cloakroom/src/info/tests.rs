use std::time::{Duration, UNIX_EPOCH};

use cloakroom_store::Timestamp;

use super::*;
use crate::envelope::samples::header;
use crate::lifecycle::Limits;

const POLICY: Policy = Policy {
    idle: Duration::from_secs(60),
    anonymous_idle: Duration::from_secs(60),
    absolute: Duration::from_secs(600),
    grace: Duration::from_secs(30),
    bind_address: false,
    record_client: false,
    limits: Limits { keys: 256, bytes: 64 * 1024, anonymous_bytes: 64 * 1024 },
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

fn info(snapshot: &Snapshot, now: u64, policy: &Policy) -> SessionInfo {
    let subject = Subject::new("ann@example.org").unwrap();
    SessionInfo::of(Key::new([1; 32]), subject, snapshot, Timestamp::from_millis(now), policy)
}

#[test]
fn the_last_use_is_the_idle_end_less_the_idle_time() {
    assert_eq!(info(&snapshot(161_000, 500_000), 110_000, &POLICY).last_used_at, at(101_000));
    // It is not in the future, and not before what is known otherwise, whatever the settings were.
    assert_eq!(info(&snapshot(161_000, 500_000), 100_000, &POLICY).last_used_at, at(100_000));
    assert_eq!(info(&snapshot(60_500, 500_000), 100_000, &POLICY).last_used_at, at(1_000));
    let mut snapshot = snapshot(161_000, 500_000);
    snapshot.header.authenticated_at = Some(Timestamp::from_millis(105_000));
    assert_eq!(info(&snapshot, 110_000, &POLICY).last_used_at, at(105_000));
}

#[test]
fn where_the_absolute_end_comes_first_the_last_use_is_the_last_that_is_known() {
    let mut snapshot = snapshot(500_000, 500_000);
    assert_eq!(info(&snapshot, 490_000, &POLICY).last_used_at, at(1_000), "created");
    snapshot.header.secret_since = Timestamp::from_millis(2_000);
    assert_eq!(info(&snapshot, 490_000, &POLICY).last_used_at, at(2_000), "rotated");
    snapshot.header.authenticated_at = Some(Timestamp::from_millis(3_000));
    assert_eq!(info(&snapshot, 490_000, &POLICY).last_used_at, at(3_000), "signed in");
    // The settings have been tightened, and the session was touched since.
    let shortened = Policy { absolute: Duration::from_secs(400), ..POLICY };
    snapshot.expires_at = Timestamp::from_millis(403_000);
    assert_eq!(info(&snapshot, 390_000, &shortened).last_used_at, at(3_000));
    // A remembered session's idle time is its own.
    snapshot.header.remembered = Some(Duration::from_secs(100));
    snapshot.expires_at = Timestamp::from_millis(450_000);
    assert_eq!(info(&snapshot, 390_000, &POLICY).last_used_at, at(350_000));
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
fn the_debug_form_of_a_listed_session_names_neither_its_user_nor_the_client() {
    let mut info = info(&snapshot(61_000, 500_000), 61_000, &POLICY);
    info.user_agent = Some("Firefox".into());
    info.address = Some([192, 0, 2, 1].into());
    let debug = format!("{info:?}");
    assert!(debug.starts_with("SessionInfo { handle: SessionHandle(0101"), "{debug}");
    assert!(!["ann", "Firefox", "192.0.2.1"].iter().any(|private| debug.contains(private)), "{debug}");
}
